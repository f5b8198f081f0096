/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "nn/module.h"

static wk_module *small_network(void) {
  return wk_sequential(wk_conv2d_layer(4, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_flatten_layer(), wk_dropout_layer(0.5), wk_linear_layer(3));
}

static wk_module *built_network(void) {
  wk_module *network = small_network();
  wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL);
  assert_no_error();
  return network;
}

static wk_tensor *images(int64_t count, int64_t size) {
  return wk_uniform(WK_SHAPE(count, size, size, 1));
}

static size_t active_bytes(void) {
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(wk_device_get("cpu"), &s);
  return s.active;
}

static int nothing_is_left(void **state) {
  (void)state;
  return active_bytes() || wk_error_status() ? -1 : 0;
}

/* ---- the tree ---- */

static void test_paths_and_children(void **state) {
  (void)state;
  wk_module *network =
      wk_sequential(wk_relu_layer(), wk_sequential(wk_flatten_layer(), wk_relu_layer()));
  assert_string_equal(wk_module_path(network), "network");
  assert_int_equal(wk_module_child_count(network), 2);
  wk_module *inner = wk_module_child(network, 1);
  assert_string_equal(wk_module_type_name(inner), "sequential");
  assert_string_equal(wk_module_path(wk_module_child(inner, 0)), "network.1.0");
  assert_string_equal(wk_module_type_name(wk_module_child(inner, 0)), "flatten");
  assert_null(wk_module_child(network, 2));
  wk_module_free(inner); /* belongs to the network: nothing happens */
  assert_int_equal(wk_module_child_count(wk_module_child(network, 1)), 2);
  wk_module_free(network);
}

static void test_joining_mistakes(void **state) {
  (void)state;
  wk_module *relu = wk_relu_layer();
  assert_null(wk_sequential(relu, relu, wk_flatten_layer()));
  assert_error_says(WK_ERROR_ARGUMENT, "elsewhere too");
  assert_null(wk_sequential(wk_relu_layer(), NULL, wk_flatten_layer()));
  assert_error_says(WK_ERROR_ARGUMENT, "module 1 of a sequential is NULL");
  assert_null(wk_sequential(wk_relu_layer(), wk_linear_layer(0)));
  assert_error_says(WK_ERROR_ARGUMENT, "out_features of linear is 0");
  wk_module *parent = wk_sequential(wk_relu_layer());
  assert_null(wk_module_add(parent, "0", wk_relu_layer()));
  assert_error_says(WK_ERROR_ARGUMENT, "has a child 0 already");
  assert_null(wk_module_add(parent, "self", parent));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_module_add(parent, "a.b", wk_relu_layer()));
  assert_error(WK_ERROR_ARGUMENT);
  wk_module_free(parent);
}

static void test_training_reaches_all(void **state) {
  (void)state;
  wk_module *network = wk_sequential(wk_sequential(wk_dropout_layer(0.5)));
  assert_true(wk_module_is_training(network));
  wk_module_set_training(network, false);
  assert_false(wk_module_is_training(wk_module_child(wk_module_child(network, 0), 0)));
  wk_module_free(network);
}

/* ---- building ---- */

static void test_build_infers_sizes(void **state) {
  (void)state;
  wk_module *network = built_network();
  wk_parameters *set = wk_module_parameters(network);
  static const char *const names[] = {"0.weight", "0.bias", "5.weight", "5.bias"};
  static const char *const shapes[] = {"f32 [4, 3, 3, 1]", "f32 [4]", "f32 [3, 36]", "f32 [3]"};
  assert_int_equal(wk_parameters_count(set), 4);
  for (size_t i = 0; i < 4; i++) {
    const wk_tensor *parameter = wk_parameters_get(set, i);
    char text[64];
    wk_tensor_describe(parameter, text, sizeof text);
    assert_string_equal(wk_tensor_name(parameter), names[i]);
    assert_string_equal(text, shapes[i]);
    assert_true(wk_tensor_requires_gradient(parameter));
  }
  assert_ptr_equal(wk_module_parameter(wk_module_child(network, 5), "bias"),
                   wk_parameters_find(set, "5.bias"));
  wk_module_free(network);
}

/* Values lie within 1 / sqrt(fan_in), are the same for the same generator, and others otherwise. */
static void test_first_values(void **state) {
  (void)state;
  float values[3][108];
  for (int i = 0; i < 3; i++) {
    wk_generator *generator = wk_generator_create(i < 2 ? 5 : 6);
    wk_module *network = small_network();
    wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, generator);
    wk_tensor_read(wk_parameters_find(wk_module_parameters(network), "5.weight"), values[i],
                   sizeof values[i]);
    assert_no_error();
    wk_module_free(network);
    wk_generator_free(generator);
  }
  assert_memory_equal(values[0], values[1], sizeof values[0]);
  assert_memory_not_equal(values[0], values[2], sizeof values[0]);
  float largest = 0;
  for (int i = 0; i < 108; i++) largest = fmaxf(largest, fabsf(values[0][i]));
  assert_true(largest <= 1 / 6.0f && largest > 0.9f / 6);
}

static void test_not_built(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = small_network();
  assert_false(wk_module_is_built(network));
  assert_null(wk_forward(network, images(2, 8)));
  assert_error_says(WK_ERROR_STATE, "wk_module_build");
  assert_null(wk_module_parameters(network));
  assert_error_says(WK_ERROR_STATE, "wk_module_build");
  assert_int_equal(wk_module_save(network, "/dev/null/none"), WK_ERROR_STATE);
  assert_error(WK_ERROR_STATE);
  wk_module_free(network);
}

static void test_a_failed_build_leaves_nothing(void **state) {
  (void)state;
  wk_module *network = small_network();
  assert_int_equal(wk_module_build_for(network, WK_SHAPE(784), WK_F32, NULL), WK_ERROR_SHAPE);
  assert_error_says(WK_ERROR_SHAPE, "at network.0 (conv2d)");
  assert_false(wk_module_is_built(network));
  wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL);
  assert_no_error();
  assert_int_equal(wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL), WK_ERROR_STATE);
  assert_error_says(WK_ERROR_STATE, "built already");
  assert_null(wk_module_add(network, "more", wk_relu_layer()));
  assert_error(WK_ERROR_STATE);
  assert_int_equal(wk_module_build_for(wk_module_child(network, 0), WK_SHAPE(1), WK_F32, NULL),
                   WK_ERROR_STATE);
  assert_error_says(WK_ERROR_STATE, "build the whole");
  wk_module_free(network);
}

static bool try_build(void *context) {
  (void)context;
  wk_module *network = small_network();
  wk_module_build_for(network, WK_SHAPE(8, 8, 1), WK_F32, NULL);
  const bool built = wk_module_is_built(network);
  wk_module_free(network);
  return built;
}

static void test_build_without_memory(void **state) {
  (void)state;
  assert_true(fail_each_allocation(try_build, NULL) > 50);
}

/* ---- forward ---- */

static void test_errors_name_module_and_place(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = built_network();
  assert_null(wk_forward(network, images(2, 10)));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_SHAPE);
  assert_string_equal(error.module_path, "network.5 (linear)");
  assert_non_null(strstr(error.file, "nn.c"));
  assert_string_equal(error.function, __func__);
  assert_null(wk_forward(network, NULL));
  assert_error(WK_ERROR_ARGUMENT);
  wk_module_free(network);
}

static void test_forward_hands_up_only_its_result(void **state) {
  (void)state;
  wk_module *network = built_network();
  {
    WK_SCOPE;
    wk_tensor *x = images(2, 8);
    WK_NO_GRADIENT;
    const size_t tensors = wk_scope_count(), bytes = active_bytes();
    wk_tensor *y = wk_forward(network, x);
    assert_no_error();
    assert_int_equal(wk_tensor_count(y), 6);
    assert_int_equal(wk_scope_count(), tensors + 1);
    assert_true(active_bytes() - bytes <= 128); /* the result's own block */
  }
  wk_module_free(network);
}

static void test_dropout_only_while_training(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_dropout_layer(0.5));
  wk_module_build_for(network, WK_SHAPE(100), WK_F32, NULL);
  wk_tensor *x = wk_full(WK_SHAPE(1, 100), 1);
  assert_true(wk_item(wk_max(wk_forward(network, x))) == 2);
  wk_module_set_training(network, false);
  wk_tensor *y = wk_forward(network, x);
  assert_true(wk_item(wk_max(y)) == 1 && wk_item(wk_sum(y)) == 100);
  wk_module_free(network);
}

/* Each layer against the op it stands for. */
static void test_layers_compute_their_ops(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network =
      wk_sequential(wk_conv2d_layer(4, 3, .stride = {2, 1}, .padding = {1, 2}, .no_bias = true),
                    wk_average_pool2d_layer(2, .stride = {1, 1}), wk_sigmoid_layer(),
                    wk_tanh_layer(), wk_flatten_layer(), wk_linear_layer(5), wk_softmax_layer());
  wk_module_build_for(network, WK_SHAPE(8, 8, 2), WK_F64, NULL);
  assert_no_error();
  const wk_parameters *set = wk_module_parameters(network);
  assert_int_equal(wk_parameters_count(set), 3);
  wk_tensor *x = wk_uniform(WK_SHAPE(3, 8, 8, 2), .dtype = WK_F64);
  wk_tensor *y = wk_conv2d(x, wk_parameters_get(set, 0), .stride = {2, 1}, .padding = {1, 2});
  y = wk_tanh(wk_sigmoid(wk_average_pool2d(y, .window = {2, 2}, .stride = {1, 1})));
  y = wk_linear(wk_flatten(y, 1), wk_parameters_get(set, 1), .bias = wk_parameters_get(set, 2));
  double expected[15], found[15];
  wk_tensor_read(wk_softmax(y), expected, sizeof expected);
  wk_tensor_read(wk_forward(network, x), found, sizeof found);
  assert_no_error();
  assert_memory_equal(expected, found, sizeof expected);
  wk_module_free(network);
}

static void test_summary(void **state) {
  (void)state;
  wk_module *network = built_network();
  char text[2048];
  const size_t length = wk_module_summary(network, text, sizeof text);
  assert_int_equal(length, strlen(text));
  assert_non_null(strstr(text, "conv2d(4, 3)"));
  assert_non_null(strstr(text, "6x6x4"));
  assert_non_null(strstr(text, "151 parameters"));
  wk_module_free(network);
}

/* ---- modules of one's own ---- */

static wk_status build_scale(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  return wk_module_add_parameter(self, "scale", WK_SHAPE(wk_tensor_dim(x, -1)), WK_F32, 0);
}

static wk_tensor *forward_scale(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  return wk_add(wk_multiply(x, wk_module_parameter(self, "scale")), x);
}

static int destroyed;
static void destroy_scale(void *context) {
  free(context);
  destroyed++;
}

static void test_a_module_of_ones_own(void **state) {
  (void)state;
  static const wk_module_type type = {.struct_size = sizeof type,
                                      .name = "scale",
                                      .build = build_scale,
                                      .forward = forward_scale,
                                      .destroy = destroy_scale};
  WK_SCOPE;
  destroyed = 0;
  wk_module *network = wk_sequential(wk_module_create(&type, malloc(1)), wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(7), WK_F32, NULL);
  assert_no_error();
  assert_non_null(wk_parameters_find(wk_module_parameters(network), "0.scale"));
  wk_tensor *y = wk_forward(network, wk_full(WK_SHAPE(1, 7), 1));
  assert_int_equal(wk_tensor_count(y), 2);
  wk_module_free(network);
  assert_int_equal(destroyed, 1);
  const wk_module_type idle = {.struct_size = sizeof idle, .name = "idle"};
  assert_null(wk_module_create(&idle, NULL));
  assert_error(WK_ERROR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_paths_and_children, nothing_is_left),
      cmocka_unit_test_teardown(test_joining_mistakes, nothing_is_left),
      cmocka_unit_test_teardown(test_training_reaches_all, nothing_is_left),
      cmocka_unit_test_teardown(test_build_infers_sizes, nothing_is_left),
      cmocka_unit_test_teardown(test_first_values, nothing_is_left),
      cmocka_unit_test_teardown(test_not_built, nothing_is_left),
      cmocka_unit_test_teardown(test_a_failed_build_leaves_nothing, nothing_is_left),
      cmocka_unit_test_teardown(test_build_without_memory, nothing_is_left),
      cmocka_unit_test_teardown(test_errors_name_module_and_place, nothing_is_left),
      cmocka_unit_test_teardown(test_forward_hands_up_only_its_result, nothing_is_left),
      cmocka_unit_test_teardown(test_dropout_only_while_training, nothing_is_left),
      cmocka_unit_test_teardown(test_layers_compute_their_ops, nothing_is_left),
      cmocka_unit_test_teardown(test_summary, nothing_is_left),
      cmocka_unit_test_teardown(test_a_module_of_ones_own, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
