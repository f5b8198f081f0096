/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "nn/module.h"
#include "support/temporary.h"

static wk_module *small_network(void) {
  wk_module *network =
      wk_sequential(wk_conv2d_layer(4, 3, .stride = {2, 1}, .same = true), wk_relu_layer(),
                    wk_sequential(wk_flatten_layer(), wk_dropout_layer(0.25)), wk_linear_layer(3));
  wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL);
  assert_no_error();
  return network;
}

static char *save_small_network(void) {
  static char path[512]; /* temporary_path's own does not last */
  snprintf(path, sizeof path, "%s", temporary_path("small.safetensors"));
  wk_module *network = small_network();
  wk_module_save(network, path);
  assert_no_error();
  wk_module_free(network);
  return path;
}

static void read_output(wk_module *network, float *values, size_t size) {
  WK_SCOPE;
  wk_module_set_training(network, false);
  wk_tensor *x = wk_uniform(WK_SHAPE(2, 8, 8, 1), .keyed = true, .seed = 4);
  wk_tensor_read(wk_forward(network, x), values, size);
  assert_no_error();
}

static void test_a_loaded_network_is_the_saved_one(void **state) {
  (void)state;
  wk_module *network = small_network();
  wk_module_set_note(network, "data", "somewhere");
  const char *path = temporary_path("saved.safetensors");
  assert_int_equal(wk_module_save(network, path), WK_OK);
  uint64_t seed, offset, seed_after, offset_after;
  wk_generator_get(wk_generator_default(), &seed, &offset);
  wk_module *loaded = wk_module_load(path);
  assert_no_error();
  wk_generator_get(wk_generator_default(), &seed_after, &offset_after);
  assert_true(seed == seed_after && offset == offset_after); /* loading draws no numbers */
  assert_true(wk_module_is_built(loaded));
  assert_false(wk_module_is_training(loaded));
  assert_string_equal(wk_module_note(loaded, "data"), "somewhere");
  float expected[6], found[6];
  read_output(network, expected, sizeof expected);
  read_output(loaded, found, sizeof found);
  assert_memory_equal(expected, found, sizeof expected);
  char before[2048], after[2048];
  wk_module_summary(network, before, sizeof before);
  wk_module_summary(loaded, after, sizeof after);
  assert_string_equal(before, after);
  wk_module_free(network);
  wk_module_free(loaded);
}

static void test_equal_networks_make_equal_files(void **state) {
  (void)state;
  void *bytes[2];
  size_t size[2];
  const char *path = temporary_path("again.safetensors");
  wk_module *network = small_network();
  for (int i = 0; i < 2; i++) {
    wk_module_save(network, path);
    FILE *file = fopen(path, "rb");
    bytes[i] = malloc(1 << 20);
    size[i] = fread(bytes[i], 1, 1 << 20, file);
    fclose(file);
    wk_module *loaded = wk_module_load(path);
    wk_module_free(network);
    network = loaded;
  }
  wk_module_free(network);
  assert_no_error();
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(bytes[0], bytes[1], size[0]);
  free(bytes[0]);
  free(bytes[1]);
}

/* ---- files that lie ---- */

/* A copy of the file at `from` in whose description `old` is replaced by `new`, without the tensor
 * `leave_out`, with `add` instead (either may be NULL). */
static const char *forge(const char *from, const char *old, const char *new, const char *leave_out,
                         const char *add) {
  WK_SCOPE;
  wk_safetensors *file = wk_safetensors_open(from);
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  const char *text = wk_safetensors_metadata(file, "wick");
  char *forged = calloc(strlen(text) + strlen(new) + 1, 1);
  const char *at = strstr(text, old);
  if (!at) fail_msg("%s is not in %s", old, text);
  sprintf(forged, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
  wk_safetensors_writer_set(writer, "wick", forged);
  for (size_t i = 0; i < wk_safetensors_count(file); i++) {
    const char *name = wk_safetensors_name(file, i);
    if (leave_out && strcmp(name, leave_out) == 0) continue;
    wk_safetensors_writer_add(writer, name, wk_safetensors_get(file, name, NULL));
  }
  if (add) wk_safetensors_writer_add(writer, add, wk_full(WK_SHAPE(3), 0));
  const char *path = temporary_path("forged.safetensors");
  wk_safetensors_writer_save(writer, path);
  assert_no_error();
  wk_safetensors_writer_free(writer);
  wk_safetensors_free(file);
  free(forged);
  return path;
}

static void test_forged_descriptions(void **state) {
  (void)state;
  static const struct {
    const char *old, *new;
    wk_status status;
    const char *says;
  } lies[] = {
      {"\"relu\"", "\"swirl\"", WK_ERROR_NOT_FOUND, "type swirl"},
      {"\"version\":1", "\"version\":2", WK_ERROR_UNSUPPORTED, "version 2"},
      {"\"version\":1", "\"version\":\"x\"", WK_ERROR_FORMAT, "version"},
      {"\"out_channels\":4", "\"out_channels\":5", WK_ERROR_FORMAT,
       "0.weight is f32 [4, 3, 3, 1] in the file, but the network needs f32 [5, 3, 3, 1]"},
      {"\"out_channels\":4", "\"out_channels\":0", WK_ERROR_ARGUMENT, "out_channels"},
      {"\"out_channels\":4", "\"out_channels\":9223372036854775807", WK_ERROR_SHAPE,
       "network.0 (conv2d)"},
      {"\"out_channels\":4", "\"out_channels\":\"4\"", WK_ERROR_ARGUMENT, "out_channels"},
      {"\"same\":true", "\"sama\":true", WK_ERROR_UNSUPPORTED, "sama"},
      {"\"stride\":[2,1]", "\"stride\":[2,1,3]", WK_ERROR_ARGUMENT, "stride"},
      {"\"stride\":[2,1]", "\"stride\":[-2,1]", WK_ERROR_ARGUMENT, "stride"},
      {"\"shape\":[8,8,1]", "\"shape\":[8,8]", WK_ERROR_SHAPE, "conv2d"},
      {"\"shape\":[8,8,1]", "\"shape\":[1,1,1,1,1,1,1,1]", WK_ERROR_SHAPE, "8 dimensions"},
      {"\"shape\":[8,8,1]", "\"shape\":7", WK_ERROR_FORMAT, "shape"},
      {"\"type\":\"sequential\"", "\"typ\":\"sequential\"", WK_ERROR_FORMAT, "no type"},
      {"\"children\":[", "\"children\":7,\"other\":[", WK_ERROR_FORMAT, "children"},
      {"\"name\":\"0\"", "\"name\":\"1\"", WK_ERROR_ARGUMENT, "child 1"},
      {"\"name\":\"0\"", "\"name\":0", WK_ERROR_FORMAT, "no name"},
      {"{\"version\"", "[\"version\"", WK_ERROR_FORMAT, "damaged"},
  };
  const char *path = save_small_network();
  for (size_t i = 0; i < COUNT_OF(lies); i++) {
    const char *forged = forge(path, lies[i].old, lies[i].new, NULL, NULL);
    assert_null(wk_module_load(forged));
    assert_error_says(lies[i].status, lies[i].says);
  }
}

static void test_missing_and_superfluous_tensors(void **state) {
  (void)state;
  const char *path = save_small_network();
  assert_null(wk_module_load(forge(path, "relu", "relu", "3.bias", NULL)));
  assert_error_says(WK_ERROR_NOT_FOUND, "3.bias");
  assert_null(wk_module_load(forge(path, "relu", "relu", NULL, "4.bias")));
  assert_error_says(WK_ERROR_FORMAT, "4.bias");
  assert_null(wk_module_load(forge(path, "relu", "relu", "3.bias", "3.bios")));
  assert_error_says(WK_ERROR_NOT_FOUND, "3.bias");
  assert_null(wk_module_load(temporary_path("none.safetensors")));
  assert_error_says(WK_ERROR_NOT_FOUND, "none.safetensors");
}

static void test_a_bottomless_tree(void **state) {
  (void)state;
  enum { DEPTH = 1000 };
  static char text[DEPTH * 64];
  size_t used = 0;
  for (int i = 0; i < DEPTH; i++)
    used += (size_t)sprintf(text + used, "{\"type\":\"sequential\",\"children\":[{\"name\":\"0\","
                                         "\"module\":");
  used += (size_t)sprintf(text + used, "{\"type\":\"relu\"}");
  for (int i = 0; i < DEPTH; i++) used += (size_t)sprintf(text + used, "}]}");
  const char *path = save_small_network();
  assert_null(wk_module_load(forge(path, "{\"type\":\"relu\"}", text, NULL, NULL)));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_FORMAT);
}

static bool try_load(void *path) {
  wk_module *network = wk_module_load(path);
  wk_module_free(network);
  return network != NULL;
}

static void test_loading_without_memory(void **state) {
  (void)state;
  assert_true(fail_each_allocation(try_load, save_small_network()) > 50);
}

/* ---- modules of one's own ---- */

static wk_tensor *forward_factor(wk_module *self, void *context, wk_tensor *x) {
  (void)self;
  return wk_multiply(x, wk_full(WK_SCALAR, *(double *)context));
}

static size_t save_factor(const void *context, char *buffer, size_t size) {
  return (size_t)snprintf(buffer, size, "{\"factor\": %g}", *(const double *)context);
}

static wk_module *load_factor(const char *settings);

static const wk_module_type factor_type = {.struct_size = sizeof factor_type,
                                           .name = "factor",
                                           .forward = forward_factor,
                                           .destroy = free,
                                           .save = save_factor,
                                           .load = load_factor};

static wk_module *create_factor(double value) {
  double *factor = malloc(sizeof *factor);
  *factor = value;
  return wk_module_create(&factor_type, factor);
}

static wk_module *load_factor(const char *settings) {
  const char *colon = strchr(settings, ':');
  return colon ? create_factor(strtod(colon + 1, NULL)) : NULL;
}

static void test_a_type_of_ones_own(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(create_factor(2.5));
  wk_module_build_for(network, WK_SHAPE(1), WK_F32, NULL);
  const char *path = temporary_path("own.safetensors");
  wk_module_save(network, path);
  wk_module_free(network);
  assert_no_error();
  assert_null(wk_module_load(path));
  assert_error_says(WK_ERROR_NOT_FOUND, "type factor");
  assert_int_equal(wk_module_register(&factor_type), WK_OK);
  assert_int_equal(wk_module_register(&factor_type), WK_OK);
  wk_module *loaded = wk_module_load(path);
  assert_true(wk_item(wk_forward(loaded, wk_full(WK_SHAPE(1, 1), 2))) == 5);
  assert_no_error();
  wk_module_free(loaded);
  wk_module_type clash = factor_type;
  clash.name = "conv2d";
  assert_int_equal(wk_module_register(&clash), WK_ERROR_ARGUMENT);
  assert_error_says(WK_ERROR_ARGUMENT, "conv2d already");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_loaded_network_is_the_saved_one),
      cmocka_unit_test(test_equal_networks_make_equal_files),
      cmocka_unit_test(test_forged_descriptions),
      cmocka_unit_test(test_missing_and_superfluous_tensors),
      cmocka_unit_test(test_a_bottomless_tree),
      cmocka_unit_test(test_loading_without_memory),
      cmocka_unit_test(test_a_type_of_ones_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
