/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

enum { SIZE = 5 };

/* One linear layer without bias: its weight [1, SIZE] is the only parameter. */
static wk_module *line(void) {
  wk_module *network = wk_sequential(wk_linear_layer(1, .no_bias = true));
  wk_module_build_for(network, WK_SHAPE(SIZE), WK_F64, NULL);
  assert_no_error();
  return network;
}

static void read_weight(wk_module *network, double *values) {
  wk_tensor_read(wk_parameters_get(wk_module_parameters(network), 0), values,
                 SIZE * sizeof(double));
  assert_no_error();
}

/* A backward whose gradient with respect to weight i is g * (i + 1). */
static void backward(wk_module *network, double g) {
  WK_SCOPE;
  double x[SIZE];
  for (int i = 0; i < SIZE; i++) x[i] = g * (i + 1);
  wk_backward(wk_sum(wk_forward(network, wk_tensor_from_data(WK_SHAPE(1, SIZE), WK_F64, x, NULL))));
  assert_no_error();
}

static void test_sgd_follows_its_formula(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *sgd =
      wk_sgd_create(network, .learning_rate = 0.1, .momentum = 0.5, .weight_decay = 0.01);
  double w[SIZE], v[SIZE] = {0}, found[SIZE];
  read_weight(network, w);
  for (int step = 0; step < 3; step++) {
    backward(network, 1 + step);
    assert_int_equal(wk_optimizer_step(sgd), WK_OK);
    for (int i = 0; i < SIZE; i++) {
      v[i] = 0.5 * v[i] + ((1 + step) * (i + 1) + 0.01 * w[i]);
      w[i] -= 0.1 * v[i];
    }
  }
  read_weight(network, found);
  for (int i = 0; i < SIZE; i++) assert_true(fabs(found[i] - w[i]) < 1e-13);
  assert_int_equal(wk_optimizer_step_count(sgd), 3);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

static void test_adam_follows_its_formula(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *adam = wk_adam_create(network, .learning_rate = 0.1);
  double w[SIZE], m[SIZE] = {0}, s[SIZE] = {0}, found[SIZE];
  read_weight(network, w);
  for (int t = 1; t <= 3; t++) {
    backward(network, t);
    assert_int_equal(wk_optimizer_step(adam), WK_OK);
    for (int i = 0; i < SIZE; i++) {
      const double g = t * (i + 1);
      m[i] = 0.9 * m[i] + (1 - 0.9) * g;
      s[i] = 0.999 * s[i] + (1 - 0.999) * g * g;
      w[i] -= 0.1 * (m[i] / (1 - pow(0.9, t))) / (sqrt(s[i] / (1 - pow(0.999, t))) + 1e-8);
    }
  }
  read_weight(network, found);
  for (int i = 0; i < SIZE; i++) assert_true(fabs(found[i] - w[i]) < 1e-12);
  wk_optimizer_free(adam);
  wk_module_free(network);
}

/* Changes of a weight of SGD at learning rate 1, which are its gradients. */
static double change_of_step(wk_module *network, wk_optimizer *optimizer) {
  double before[SIZE], after[SIZE];
  read_weight(network, before);
  wk_optimizer_step(optimizer);
  read_weight(network, after);
  return before[0] - after[0];
}

static void test_a_step_consumes_gradients(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 1);
  backward(network, 1);
  backward(network, 1); /* adds up */
  assert_true(fabs(change_of_step(network, sgd) - 2) < 1e-12);
  assert_true(change_of_step(network, sgd) == 0); /* no gradient: no step */
  assert_int_equal(wk_optimizer_step_count(sgd), 1);
  backward(network, 1); /* overwrites */
  assert_true(fabs(change_of_step(network, sgd) - 1) < 1e-12);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

static void test_keep_gradients(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 1, .keep_gradients = true);
  backward(network, 1);
  assert_true(fabs(change_of_step(network, sgd) - 1) < 1e-12);
  backward(network, 1);
  assert_true(fabs(change_of_step(network, sgd) - 2) < 1e-12);
  assert_true(wk_optimizer_get(sgd, "keep_gradients") == 1);
  wk_optimizer_set(sgd, "keep_gradients", 0);
  assert_true(fabs(change_of_step(network, sgd) - 2) < 1e-12);
  assert_true(change_of_step(network, sgd) == 0);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

static void test_a_frozen_parameter_stays(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_linear_layer(3), wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(4), WK_F32, NULL);
  wk_parameters *set = wk_module_parameters(network);
  wk_optimizer *adam = wk_adam_create(network, .learning_rate = 0.1);
  assert_int_equal(wk_parameters_freeze(set, 2, true), WK_OK); /* "1.weight" */
  float before[4][12] = {{0}}, after[12];
  for (size_t i = 0; i < 4; i++)
    wk_tensor_read(wk_parameters_get(set, i), before[i],
                   (size_t)wk_tensor_count(wk_parameters_get(set, i)) * sizeof(float));
  wk_backward(wk_sum(wk_forward(network, wk_full(WK_SHAPE(1, 4), 1))));
  wk_optimizer_step(adam);
  assert_no_error();
  for (size_t i = 0; i < 4; i++) {
    const size_t size = (size_t)wk_tensor_count(wk_parameters_get(set, i)) * sizeof(float);
    wk_tensor_read(wk_parameters_get(set, i), after, size);
    if (i == 2)
      assert_memory_equal(before[i], after, size);
    else
      assert_memory_not_equal(before[i], after, size);
  }
  wk_optimizer_free(adam);
  wk_module_free(network);
}

static void test_a_pending_error_stops_steps(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 1);
  double before[SIZE], after[SIZE];
  read_weight(network, before);
  backward(network, 1);
  wk_error_set(WK_ERROR_ARGUMENT, "something else");
  assert_int_equal(wk_optimizer_step(sgd), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  read_weight(network, after);
  assert_memory_equal(before, after, sizeof before);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

static void test_settings_by_name(void **state) {
  (void)state;
  wk_module *network = line();
  wk_optimizer *adam = wk_adam_create(network);
  assert_string_equal(wk_optimizer_name(adam), "adam");
  assert_true(wk_optimizer_get(adam, "learning_rate") == 0.001);
  assert_int_equal(wk_optimizer_set(adam, "learning_rate", 0.5), WK_OK);
  assert_true(wk_optimizer_get(adam, "learning_rate") == 0.5);
  assert_int_equal(wk_optimizer_set(adam, "learning_rate", -1), WK_ERROR_ARGUMENT);
  assert_error_says(WK_ERROR_ARGUMENT, "learning_rate of adam is -1");
  assert_int_equal(wk_optimizer_set(adam, "beta1", NAN), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_true(isnan(wk_optimizer_get(adam, "momentum")));
  assert_error_says(WK_ERROR_NOT_FOUND, "adam has no setting momentum");
  wk_optimizer_free(adam);
  assert_null(wk_adam_create(network, .beta1 = 2));
  assert_error_says(WK_ERROR_ARGUMENT, "beta1");
  wk_module_free(network);
  wk_module *unbuilt = wk_sequential(wk_linear_layer(1));
  assert_null(wk_sgd_create(unbuilt));
  assert_error_says(WK_ERROR_STATE, "wk_module_build");
  wk_module_free(unbuilt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sgd_follows_its_formula),
      cmocka_unit_test(test_adam_follows_its_formula),
      cmocka_unit_test(test_a_step_consumes_gradients),
      cmocka_unit_test(test_keep_gradients),
      cmocka_unit_test(test_a_frozen_parameter_stays),
      cmocka_unit_test(test_a_pending_error_stops_steps),
      cmocka_unit_test(test_settings_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
