/* SPDX-License-Identifier: Apache-2.0 */
/* Anomaly detection: the first op that makes NaN or infinity is named, forward and backward. */
#include "support/unit.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include <wick/wick.h>

static wk_tensor *vector(wk_dtype dtype, const double *values, int64_t count) {
  float narrow[16];
  for (int64_t i = 0; i < count; i++) narrow[i] = (float)values[i];
  const void *data = dtype == WK_F64 ? (const void *)values : narrow;
  return wk_tensor_from_data(WK_SHAPE(count), dtype, data, NULL);
}

static int detect(void **state) {
  (void)state;
  wk_set_anomaly_detection(true);
  return 0;
}

static int end(void **state) {
  (void)state;
  wk_error_clear();
  return wk_set_anomaly_detection(false) ? 0 : -1;
}

static void test_off_looks_at_nothing(void **state) {
  (void)state;
  assert_false(wk_anomaly_detection_is_on());
  WK_SCOPE;
  assert_non_null(wk_log(vector(WK_F32, (double[]){0, -1}, 2)));
  assert_no_error();
}

static void test_forward_names_the_first_op(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    WK_SCOPE;
    const wk_dtype dtype = i ? WK_F64 : WK_F32;
    wk_tensor *x = vector(dtype, (double[]){2, 0, -1, 4, 5, 6, 7, 8}, 8);
    const int line = __LINE__ + 1;
    assert_null(wk_exp(wk_log(x)));
    wk_error error = {.struct_size = sizeof error};
    assert_true(wk_error_take(&error));
    assert_int_equal(error.status, WK_ERROR_NUMERIC);
    assert_string_equal(error.op, "log");
    assert_int_equal(error.line, line);
    assert_string_equal(error.message, "in forward: the result of log holds 1 NaN and 1 infinite "
                                       "value among 8, made of finite inputs");
    assert_non_null(strstr(error.shapes, "min -1, max 8, mean 3.875"));
    assert_non_null(strstr(error.shapes, "[8]"));
  }
}

static void test_every_position_is_seen(void **state) {
  (void)state;
  WK_SCOPE;
  enum { COUNT = 100003 };
  float *values = calloc(COUNT, sizeof *values);
  const int64_t positions[] = {0, 1, 5, 17, 32767, 32768, 65535, 99999, COUNT - 1};
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < COUNT_OF(positions); i++) {
    values[positions[i]] = bad[i % 3];
    wk_negative(wk_tensor_from_data(WK_SHAPE(COUNT), WK_F32, values, NULL));
    if (i % 3 == 0)
      assert_error(WK_ERROR_NUMERIC);
    else
      assert_no_error();            /* an infinity that is passed on */
    values[positions[i]] = 3.4e38f; /* finite, but its square is not */
    wk_tensor *x = wk_tensor_from_data(WK_SHAPE(COUNT), WK_F32, values, NULL);
    assert_non_null(wk_negative(x));
    assert_null(wk_multiply(x, x));
    assert_error_says(WK_ERROR_NUMERIC, "1 infinite value among 100,003");
    values[positions[i]] = 0;
  }
  free(values);
}

static void test_backward_names_whose_gradient(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = vector(WK_F64, (double[]){0, 4}, 2);
  wk_tensor_set_requires_gradient(x, true);
  const int line = __LINE__ + 1;
  wk_tensor *root = wk_sqrt(x); /* 0 is fine, its slope is not */
  wk_backward(wk_sum(root));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_NUMERIC);
  assert_non_null(strstr(error.message, "in the gradient of sqrt"));
  assert_non_null(strstr(error.message, "1 infinite value among 2"));
  assert_string_equal(error.file, __FILE__);
  assert_int_equal(error.line, line);
  assert_non_null(wk_sqrt(x)); /* and forward is forward again */
}

static void test_bad_data_is_named_as_such(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = vector(WK_F32, (double[]){1, (double)NAN, 3}, 3);
  assert_null(wk_relu(wk_multiply(x, x)));
  assert_error_says(WK_ERROR_NUMERIC, "the input x already holds 1 NaN");
  assert_null(wk_add(x, x));
  assert_error_says(WK_ERROR_NUMERIC, "they are in the data");
  wk_set_anomaly_detection(false);
  wk_tensor *y = wk_log(vector(WK_F32, (double[]){-1}, 1));
  wk_set_anomaly_detection(true);
  assert_null(wk_negative(y));
  assert_error_says(WK_ERROR_NUMERIC, "log passed them on, or ran before");
}

/* A mask of minus infinity, as attention uses it. */
static void test_infinity_may_be_passed_on(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *scores = vector(WK_F32, (double[]){1, 2, 3}, 3);
  wk_tensor *mask = vector(WK_F32, (double[]){0, -(double)INFINITY, 0}, 3);
  wk_tensor *weights = wk_softmax(wk_add(scores, mask));
  assert_no_error();
  float values[3];
  wk_tensor_read(weights, values, sizeof values);
  assert_true(values[1] == 0);
  assert_non_null(wk_full(WK_SHAPE(2), (double)INFINITY));
  assert_null(wk_subtract(mask, mask)); /* but what becomes NaN is an anomaly */
  assert_error_says(WK_ERROR_NUMERIC, "already holds 1 infinite value");
}

static void test_narrowing_may_overflow(void **state) {
  (void)state;
  WK_SCOPE;
  assert_null(wk_cast(vector(WK_F64, (double[]){1e300}, 1), WK_F32));
  assert_error_says(WK_ERROR_NUMERIC, "cast");
}

static void test_in_a_network(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_linear_layer(4), wk_relu_layer(), wk_linear_layer(3));
  wk_module_build_for(network, WK_SHAPE(5), WK_F32, NULL);
  wk_optimizer *optimizer = wk_sgd_create(network, .learning_rate = 1e30);
  wk_tensor *x = wk_uniform(WK_SHAPE(2, 5)), *loss = NULL;
  for (int step = 0; step < 8 && !wk_failed(); step++) {
    loss = wk_mean(wk_forward(network, x));
    wk_backward(loss);
    wk_optimizer_step(optimizer);
  }
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_NUMERIC);
  assert_non_null(strstr(error.module_path, "network."));
  assert_string_equal(error.file, __FILE__);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void test_an_update_that_overflows(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_linear_layer(1));
  wk_module_build_for(network, WK_SHAPE(1), WK_F32, NULL);
  wk_optimizer *optimizer = wk_sgd_create(network, .learning_rate = 3e38);
  wk_backward(wk_sum(wk_forward(network, wk_full(WK_SHAPE(1, 1), 1e3))));
  wk_optimizer_step(optimizer);
  assert_error_says(WK_ERROR_NUMERIC, "in the optimizer's step");
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static void *ask(void *on) {
  *(bool *)on = wk_anomaly_detection_is_on();
  return NULL;
}

static void test_each_thread_has_its_own(void **state) {
  (void)state;
  bool on = true;
  pthread_t thread;
  pthread_create(&thread, NULL, ask, &on);
  pthread_join(thread, NULL);
  assert_false(on);
  assert_true(wk_anomaly_detection_is_on());
}

#define detected(test) cmocka_unit_test_setup_teardown(test, detect, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_off_looks_at_nothing), detected(test_forward_names_the_first_op),
      detected(test_every_position_is_seen),       detected(test_backward_names_whose_gradient),
      detected(test_bad_data_is_named_as_such),    detected(test_infinity_may_be_passed_on),
      detected(test_narrowing_may_overflow),       detected(test_in_a_network),
      detected(test_an_update_that_overflows),     detected(test_each_thread_has_its_own),
  };
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  wk_shutdown();
  return failures;
}
