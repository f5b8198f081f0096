/* SPDX-License-Identifier: Apache-2.0 */
/* Plans written to files and read again: the same bits, and no wrong file is taken. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "base/file.h"
#include "graph/plan_text.h"
#include "graph/timeline.h"
#include "support/loop.h"
#include "support/temporary.h"

enum { BATCH = 4 };

static wk_tensor *predict(void *context, wk_tensors in) {
  WK_NO_GRADIENT;
  return wk_softmax(wk_forward(context, in.item[0]));
}

static wk_module *make_network(void) {
  wk_module *network = wk_sequential(wk_conv2d_layer(4, 3), wk_batch_norm_layer(), wk_relu_layer(),
                                     wk_max_pool2d_layer(2), wk_flatten_layer(), wk_linear_layer(8),
                                     wk_tanh_layer(), wk_linear_layer(5));
  wk_module_build_for(network, WK_SHAPE(8, 8, 2), WK_F32, NULL);
  wk_module_set_training(network, false);
  return network;
}

static wk_tensor *make_images(int batch) {
  return wk_uniform(WK_SHAPE(batch, 8, 8, 2), .keyed = true, .seed = 5);
}

/* All the network's parameters. */
static wk_tensors parameters_of(wk_module *network) {
  static wk_tensor *item[32];
  wk_parameters *all = wk_module_parameters(network);
  const size_t count = wk_parameters_count(all);
  for (size_t i = 0; i < count; i++) item[i] = wk_parameters_get(all, i);
  return (wk_tensors){count, item};
}

static void read_call(wk_function *f, wk_tensors in, float *values, size_t count) {
  wk_tensor *y = wk_call(f, in);
  assert_no_error();
  wk_tensor_read(y, values, count * sizeof *values);
  assert_no_error();
}

static const char *save_prediction(float *values, wk_tensors (*given)(wk_module *network)) {
  const char *path = temporary_path("plan.safetensors");
  wk_module *network = make_network();
  wk_function *f = wk_compile(predict, network);
  wk_tensor *in[] = {make_images(BATCH)};
  read_call(f, (wk_tensors){1, in}, values, BATCH * 5);
  wk_plan_save(f, path, given ? given(network) : (wk_tensors){0});
  assert_no_error();
  wk_function_free(f);
  wk_module_free(network);
  return path;
}

static void a_prediction_needs_no_program(void **state) {
  (void)state;
  WK_SCOPE;
  float before[BATCH * 5], after[BATCH * 5];
  const char *path = save_prediction(before, NULL);
  wk_function *f = wk_plan_load(path, (wk_tensors){0});
  assert_no_error();
  wk_tensor *in[] = {make_images(BATCH)}, *other[] = {make_images(BATCH + 1)};
  for (int i = 0; i < 2; i++) {
    read_call(f, (wk_tensors){1, in}, after, BATCH * 5);
    assert_memory_equal(before, after, sizeof after);
  }
  assert_null(wk_call(f, (wk_tensors){1, other}));
  assert_error_says(WK_ERROR_SHAPE, "inputs like those that its plan was made for");
  char text[8192];
  wk_function_describe(f, text, sizeof text);
  assert_non_null(strstr(text, "conv2d"));
  wk_plan_save(f, path, (wk_tensors){0}); /* and may be saved again */
  assert_no_error();
  wk_function_free(f);
}

static void parameters_may_be_given(void **state) {
  (void)state;
  WK_SCOPE;
  float before[BATCH * 5], after[BATCH * 5], doubled[BATCH * 5];
  const char *path = save_prediction(before, parameters_of);
  wk_module *network = make_network();
  wk_tensors given = parameters_of(network);
  {
    WK_NO_GRADIENT;
    for (size_t i = 0; i < given.count; i++) /* others than when it was saved */
      wk_assign(given.item[i], wk_multiply(given.item[i], wk_scalar(2)));
  }
  wk_function *f = wk_plan_load(path, given);
  wk_tensor *in[] = {make_images(BATCH)};
  read_call(f, (wk_tensors){1, in}, after, BATCH * 5);
  wk_tensor_read(predict(network, (wk_tensors){1, in}), doubled, sizeof doubled);
  assert_memory_equal(after, doubled, sizeof after);
  assert_memory_not_equal(before, after, sizeof after);
  wk_function_free(f);
  assert_null(wk_plan_load(path, (wk_tensors){0}));
  assert_error_says(WK_ERROR_ARGUMENT, "of those given, but there are 0");
  wk_tensor *small[] = {wk_full(WK_SHAPE(1), 1)};
  assert_null(wk_plan_load(path, (wk_tensors){1, small}));
  assert_error(WK_ERROR_ARGUMENT);
  wk_module_free(network);
}

/* ---- cells that are written, random numbers ---- */

static wk_tensor *sum;

static wk_tensor *add_up(void *context, wk_tensors in) {
  (void)context;
  wk_assign(sum, wk_multiply(wk_add(sum, in.item[0]), wk_scalar(0.5)));
  return wk_add(wk_dropout(sum, .rate = 0.5), wk_scalar(1));
}

static void memory_and_random_numbers_go_on(void **state) {
  (void)state;
  WK_SCOPE;
  const char *path = temporary_path("sum.safetensors");
  float expected[3][64], found[64], kept[64];
  sum = wk_full(WK_SHAPE(64), 0);
  wk_function *f = wk_compile(add_up, NULL);
  wk_tensor *in[] = {wk_full(WK_SHAPE(64), 3)};
  wk_generator_set(wk_generator_default(), 7, 0);
  read_call(f, (wk_tensors){1, in}, found, 64);
  wk_plan_save(f, path, (wk_tensors){0});
  assert_no_error();
  wk_function *own = wk_plan_load(path, (wk_tensors){0});
  assert_no_error();
  wk_generator_set(wk_generator_default(), 7, 64);
  for (int i = 0; i < 3; i++) read_call(f, (wk_tensors){1, in}, expected[i], 64);
  wk_generator_set(wk_generator_default(), 7, 64);
  for (int i = 0; i < 3; i++) { /* from the file's own memory */
    read_call(own, (wk_tensors){1, in}, found, 64);
    assert_memory_equal(found, expected[i], sizeof found);
  }
  wk_plan_save(f, path, (wk_tensors){1, &sum});
  wk_function *shared = wk_plan_load(path, (wk_tensors){1, &sum});
  wk_tensor_read(sum, kept, sizeof kept);
  read_call(shared, (wk_tensors){1, in}, found, 64);
  wk_tensor_read(sum, found, sizeof found);
  assert_true(found[0] == (kept[0] + 3) * 0.5f);
  wk_function_free(shared);
  wk_function_free(own);
  wk_function_free(f);
}

/* ---- what cannot be saved ---- */

static wk_optimizer *optimizer;

static wk_tensor *train_step(void *context, wk_tensors in) {
  wk_tensor *loss = wk_mean(wk_square(wk_forward(context, in.item[0])));
  wk_backward(loss);
  if (optimizer) wk_optimizer_step(optimizer);
  return loss;
}

static wk_tensor *draw(void *context, wk_tensors in) {
  return wk_add(in.item[0], wk_uniform(WK_SHAPE(1), .generator = context));
}

static void refuse_to_save(wk_function_body body, void *context, wk_tensor *in, const char *why) {
  wk_function *f = wk_compile(body, context);
  wk_plan_save(f, "nowhere", (wk_tensors){0});
  assert_error_says(WK_ERROR_STATE, "was not called yet");
  wk_call(f, (wk_tensors){1, &in});
  assert_no_error();
  wk_plan_save(f, "nowhere", (wk_tensors){0});
  assert_error_says(WK_ERROR_UNSUPPORTED, why);
  assert_false(wk_file_exists("nowhere"));
  wk_function_free(f);
}

static void what_a_file_cannot_say_is_refused(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = make_network();
  optimizer = NULL;
  refuse_to_save(train_step, network, make_images(2), "changes fields of objects");
  optimizer = wk_adam_create(network, .learning_rate = 1e-3);
  refuse_to_save(train_step, network, make_images(2), "decided on the host");
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  refuse_to_save(loop, NULL, wk_full(WK_SHAPE(1), 1), "is a loop");
  wk_generator *generator = wk_generator_create(3);
  refuse_to_save(draw, generator, wk_full(WK_SHAPE(1), 1), "a generator of its own");
  wk_generator_free(generator);
  wk_plan_save(NULL, "nowhere", (wk_tensors){0});
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_plan_load(NULL, (wk_tensors){0}));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_plan_load("nowhere", (wk_tensors){0}));
  assert_error(WK_ERROR_NOT_FOUND);
}

/* ---- wrong files ---- */

static void cut_and_changed_files_are_refused(void **state) {
  (void)state;
  WK_SCOPE;
  float values[BATCH * 5];
  const char *path = save_prediction(values, NULL);
  void *data;
  size_t size;
  wk_file_read(path, SIZE_MAX, &data, &size);
  assert_no_error();
  uint64_t random = 88172645463325252u; /* Marsaglia 2003, xorshift */
  for (int i = 0; i < 400; i++) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    const size_t at = (size_t)(random >> 16) % size;
    unsigned char *byte = (unsigned char *)data + at, kept = *byte;
    *byte ^= (unsigned char)(1 + (random >> 8) % 255);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(data, 1, i % 4 ? size : at, file), i % 4 ? size : at);
    fclose(file);
    *byte = kept;
    wk_function *f = wk_plan_load(path, (wk_tensors){0});
    if (f) fail_msg("byte %zu of %zu was changed, and the file taken", at, size);
    assert_true(wk_error_status() < 0);
    wk_error_clear();
  }
  wk_deallocate(data);
}

/* A plan's text, of relu(x) * 2 + relu(x), in which `from` is replaced by `to`. */
static const char plan_text[] = "wick plan 1\n"
                                "arena 128 again 0\n"
                                "input f32 4 4\n"
                                "kernel cpu:pointwise\n"
                                "kernel cpu:pointwise\n"
                                "kernel cpu:pointwise\n"
                                "kernel cpu:sum\n"
                                "place 0 0\n"
                                "place 0 1\n"
                                "place 64 2\n"
                                "place 64 2\n"
                                "place 0 4\n"
                                "graph\n"
                                "@0: input 0, 64 bytes on cpu\n"
                                "%1: local, 64 bytes on cpu\n"
                                "%2: local, 64 bytes on cpu\n"
                                "%3: local, 64 bytes on cpu\n"
                                "%4: local, 16 bytes on cpu\n"
                                "%1 f32 [4, 4] = relu(@0 f32 [4, 4])\n"
                                "%2 f32 [4, 4] = exp(%1 f32 [4, 4])\n"
                                "%3 f32 [4, 4] = add(%2 f32 [4, 4], %1 f32 [4, 4])\n"
                                "%4 f32 [4] = sum(%3 f32 [4, 4]) {axes: [0], keep_dims: false}\n"
                                "return %4 f32 [4]\n";

static wk_status read_with(const char *from, const char *to, int which) {
  char text[2 * sizeof plan_text];
  const char *at = strstr(plan_text, from);
  assert_non_null(at);
  for (; which; which--) at = strstr(at + 1, from);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - plan_text), plan_text, to, at + strlen(from));
  wk_plan plan;
  size_t count;
  wk_layout *inputs;
  const wk_status status = wk_plan_from_text(&plan, text, &count, &inputs);
  if (status == WK_OK) {
    assert_int_equal(plan.step_count, plan.graph.node_count);
    assert_int_equal(count, 1);
    wk_plan_free(&plan);
    wk_deallocate(inputs);
  }
  return status;
}

static void wrong_texts_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *from, *to;
    int which;
    const char *says;
  } wrong[] = {
      {"wick plan 1", "wick plan 2", 0, "expected wick plan 1"},
      {"arena 128", "arena 64", 0, "in no place for it"},
      {"arena 128", "arena 192", 0, "larger than what is in it"},
      {"arena 128", "arena -1", 0, "expected a number"},
      {"again", "agin", 0, "expected again"},
      {"input f32", "input f99", 0, "no such dtype"},
      {"input f32 4 4", "input f32 4 5", 0, "no input of that size"},
      {"input f32 4 4\n", "", 0, "no input of that size"},
      {"input f32 4 4", "input f32 4 4 1 1 1 1 1 1 1", 0, "expected the end of the line"},
      {"kernel cpu:pointwise", "kernel cpu:points", 1, "but here that is cpu:pointwise"},
      {"kernel cpu:sum\n", "", 0, "not one kernel for each node"},
      {"place 64 2\n", "", 0, "one place for each buffer"},
      {"place 64 2\n", "place 0 2\n", 0, "in no place for it"}, /* 3 stays at 64 */
      {"place 0 1", "place 64 1", 0, "in one place at the same time"},
      {"place 0 1", "place 32 1", 0, "in no place for it"},
      {"place 0 1", "place 18446744073709551552 1", 0, "expected a number"},
      {"place 0 1", "place 9223372036854775744 1", 0, "in no place for it"},
      {"place 64 2\n", "place 64 3\n", 1, "in one place at the same time"}, /* no longer in place */
      {"place 64 2\n", "place 64 1\n", 1, "in no place for it"},
      {"place 0 1", "place 0 2", 0, "in no place for it"},
      {"place 64 2\n", "place 64 9\n", 1, "no such buffer"},
      {"place 0 4", "place 64 4", 0, "in no place for it"}, /* a result is not there */
      {"graph\n", "", 0, "expected the graph"},
      {"exp(%1 f32 [4, 4])", "exp(%3 f32 [4, 4])", 0, "before a node makes it"},
      {"exp(%1 f32 [4, 4])", "exp(%1 f32 [4, 5])", 0, "outside buffer 1"},
      {"exp(%1 f32 [4, 4])", "exp(%1 f32 [4, 4] by [1, 4])", 0, NULL},
      {"relu(@0", "ruleu(@0", 0, "there is no op ruleu"},
      {"return %4 f32 [4]\n", "", 0, "the plan has no result"},
      {"return %4 f32 [4]", "return %4 f32 [40]", 0, "outside buffer 4"},
      {"exp(%1 f32 [4, 4])", "exp(%1 f32 [4, 4]) {late}", 0, "ordered nodes"},
      {"exp(%1 f32 [4, 4])", "exp(%1 f32 [4, 4]) {order: 1, late}", 0, "a step on the host"},
  };
  read_with("wick plan 1", "wick plan 1", 0);
  assert_no_error();
  for (size_t i = 0; i < COUNT_OF(wrong); i++) {
    const wk_status status = read_with(wrong[i].from, wrong[i].to, wrong[i].which);
    if (!wrong[i].says) {
      wk_error_clear();
      continue;
    }
    if (status == WK_OK) fail_msg("%s for %s was taken", wrong[i].to, wrong[i].from);
    assert_error_says(status, wrong[i].says);
  }
}

/* Found by fuzzing: numbers that mean "the default" to who calls an op mean themselves in a graph.
 */
static void settings_stand_for_themselves(void **state) {
  (void)state;
  wk_graph graph;
  wk_graph_from_text(&graph,
                     "@0: input 0, 144 bytes on cpu\n"
                     "$1: cell 0, 72 bytes on cpu\n"
                     "%2: local, 128 bytes on cpu\n"
                     "%2 f32 [1, 4, 4, 2] = conv2d(@0 f32 [1, 6, 6, 1], $1 f32 [2, 3, 3, 1], none) "
                     "{stride: [1, 0], padding: [0, 0], same: false, dilation: [1, 1], groups: 1}\n"
                     "return %2 f32 [1, 4, 4, 2]\n",
                     NULL);
  assert_no_error();
  wk_graph_verify(&graph);
  assert_error_says(WK_ERROR_STATE, "stride");
  wk_graph_free(&graph);
}

static const char *failing_path;

static bool load_and_save(void *context) {
  WK_SCOPE;
  wk_function *f = wk_plan_load(failing_path, (wk_tensors){0});
  wk_tensor *in[] = {wk_failed() ? NULL : make_images(BATCH)};
  if (f && in[0]) wk_call(f, (wk_tensors){1, in});
  if (f) wk_plan_save(f, context, (wk_tensors){0});
  wk_function_free(f);
  return wk_error_status() == WK_OK;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  WK_SCOPE;
  float values[BATCH * 5];
  failing_path = save_prediction(values, NULL);
  char other[256];
  snprintf(other, sizeof other, "%s.other", failing_path);
  assert_in_range(fail_each_allocation(load_and_save, other), 50, 5000);
  remove(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_prediction_needs_no_program),
      cmocka_unit_test(parameters_may_be_given),
      cmocka_unit_test(memory_and_random_numbers_go_on),
      cmocka_unit_test(what_a_file_cannot_say_is_refused),
      cmocka_unit_test(cut_and_changed_files_are_refused),
      cmocka_unit_test(wrong_texts_are_refused),
      cmocka_unit_test(settings_stand_for_themselves),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
