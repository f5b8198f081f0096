/* SPDX-License-Identifier: Apache-2.0 */

/* Layers of sequences and images and of normalisation: each against the op it stands for; and
 * batch_norm's running statistics, which files keep and optimizers leave alone. */

#include "support/unit.h"

#include <stdlib.h>

#include <wick/wick.h>

#include "support/temporary.h"

/* Trains a step, so that no parameter holds its first value. */
static void take_step(wk_module *network, wk_tensor *x) {
  wk_optimizer *optimizer = wk_sgd_create(network, .learning_rate = 0.1, .weight_decay = 0.5);
  wk_tensor *y = wk_forward(network, x);
  assert_int_equal(wk_backward(wk_sum(wk_multiply(y, y))), WK_OK);
  assert_int_equal(wk_optimizer_step(optimizer), WK_OK);
  wk_optimizer_free(optimizer);
}

static void expect_equal(wk_tensor *found, wk_tensor *expected) {
  assert_no_error();
  const size_t size = (size_t)wk_tensor_count(expected) * wk_dtype_size(wk_tensor_dtype(expected));
  assert_int_equal(wk_tensor_count(found), wk_tensor_count(expected));
  void *a = malloc(size), *b = malloc(size);
  wk_tensor_read(found, a, size);
  wk_tensor_read(expected, b, size);
  assert_memory_equal(a, b, size);
  free(a);
  free(b);
}

static wk_tensor *parameter(wk_module *network, const char *name) {
  wk_tensor *found = wk_parameters_find(wk_module_parameters(network), name);
  if (!found) fail_msg("no parameter is called %s", name);
  return found;
}

static void test_images(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network =
      wk_sequential(wk_conv_transpose2d_layer(6, 3, .stride = {2, 2}, .padding = {1, 1},
                                              .output_padding = {1, 1}, .groups = 2),
                    wk_group_norm_layer(3), wk_adaptive_average_pool2d_layer({5, 4}),
                    wk_interpolate_layer(2, .mode = WK_INTERPOLATION_LINEAR),
                    wk_adaptive_max_pool2d_layer({3, 3}), wk_global_average_pool2d_layer());
  wk_module_build_for(network, WK_SHAPE(4, 5, 4), WK_F32, NULL);
  assert_no_error();
  wk_tensor *x = wk_normal(WK_SHAPE(3, 4, 5, 4));
  take_step(network, x);
  wk_tensor *y = wk_conv_transpose2d(x, parameter(network, "0.weight"),
                                     .bias = parameter(network, "0.bias"), .stride = {2, 2},
                                     .padding = {1, 1}, .output_padding = {1, 1}, .groups = 2);
  y = wk_group_norm(y, 3, .weight = parameter(network, "1.weight"),
                    .bias = parameter(network, "1.bias"));
  y = wk_interpolate(wk_adaptive_average_pool2d(y, {5, 4}), .scale = 2,
                     .mode = WK_INTERPOLATION_LINEAR);
  y = wk_global_average_pool2d(wk_adaptive_max_pool2d(y, {3, 3}));
  expect_equal(wk_forward(network, x), y);
  wk_module_free(network);
}

static void test_sequences(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network =
      wk_sequential(wk_conv1d_layer(6, 3, .padding = 1, .stride = 2), wk_layer_norm_layer(),
                    wk_rms_norm_layer(.axes = 2, .epsilon = 1e-3));
  wk_module_build_for(network, WK_SHAPE(9, 4), WK_F64, NULL);
  assert_no_error();
  wk_tensor *x = wk_normal(WK_SHAPE(3, 9, 4), .dtype = WK_F64);
  take_step(network, x);
  wk_tensor *y = wk_conv1d(x, parameter(network, "0.weight"), .bias = parameter(network, "0.bias"),
                           .padding = 1, .stride = 2);
  y = wk_layer_norm(y, .weight = parameter(network, "1.weight"),
                    .bias = parameter(network, "1.bias"));
  y = wk_rms_norm(y, .weight = parameter(network, "2.weight"), .axes = 2, .epsilon = 1e-3);
  expect_equal(wk_forward(network, x), y);
  wk_module_free(network);
}

static double element(wk_tensor *tensor, int64_t index) {
  return wk_item(wk_reshape(wk_slice(tensor, 0, index, index + 1), WK_SCALAR));
}

static void test_batch_norm(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_batch_norm_layer(.momentum = 0.25));
  wk_module_build_for(network, WK_SHAPE(2), WK_F32, NULL);
  assert_no_error();
  wk_tensor *mean = parameter(network, "0.running_mean");
  wk_tensor *variance = parameter(network, "0.running_variance");
  const float values[] = {1, 10, 2, 40, 6, 10};
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(3, 2), WK_F32, values, NULL);

  /* "unfreeze everything" leaves buffers alone, and so do optimizers with weight decay */
  for (size_t i = 0; i < wk_parameters_count(wk_module_parameters(network)); i++)
    wk_parameters_freeze(wk_module_parameters(network), i, false);
  take_step(network, x);
  assert_true(element(mean, 0) == 0.75 && element(mean, 1) == 5);
  assert_true(element(variance, 0) == 2.5 && element(variance, 1) == 75.75);

  wk_module_set_training(network, false);
  wk_tensor *y = wk_batch_norm(x, .weight = parameter(network, "0.weight"),
                               .bias = parameter(network, "0.bias"), .running_mean = mean,
                               .running_variance = variance);
  expect_equal(wk_forward(network, x), y);
  assert_true(element(mean, 0) == 0.75);

  const char *path = temporary_path("batch_norm.safetensors");
  assert_int_equal(wk_module_save(network, path), WK_OK);
  wk_module *loaded = wk_module_load(path);
  assert_no_error();
  wk_module_set_training(loaded, false);
  expect_equal(wk_forward(loaded, x), y);
  wk_module_free(loaded);
  wk_module_free(network);
}

static void test_wrong_inputs(void **state) {
  (void)state;
  wk_module *network = wk_sequential(wk_layer_norm_layer(.axes = 2));
  assert_true(wk_module_build_for(network, WK_SHAPE(5), WK_F32, NULL) < 0);
  assert_error_says(WK_ERROR_SHAPE, "normalised over");
  wk_module_free(network);
  network = wk_sequential(wk_conv1d_layer(4, 3, .groups = 3));
  assert_true(wk_module_build_for(network, WK_SHAPE(5, 4), WK_F32, NULL) < 0);
  assert_error_says(WK_ERROR_SHAPE, "3 groups");
  wk_module_free(network);
  network = wk_sequential(wk_batch_norm_layer());
  assert_true(wk_module_build_for(network, WK_SCALAR, WK_F32, NULL) < 0);
  assert_error_says(WK_ERROR_SHAPE, "[N, ..., C]");
  wk_module_free(network);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_images),
      cmocka_unit_test(test_sequences),
      cmocka_unit_test(test_batch_norm),
      cmocka_unit_test(test_wrong_inputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
