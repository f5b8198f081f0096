/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the harness can fail: each of its judgements is given something wrong. What it prints
 * about that is part of the test. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/device.h>

#include "check.h"
#include "compare.h"
#include "device/host_memory.h"
#include "tests.h"

static const wk_sample *sample_of(const char *op) {
  for (int i = 0; i < wk_sample_table_count; i++)
    if (strcmp(wk_sample_table[i].op, op) == 0) return &wk_sample_table[i];
  fail_msg("no samples of %s", op);
  return NULL;
}

/* Runs the op's first sample on the cpu, moves one element of value `index` by a relative `error`,
 * and judges it as "check" does. */
static bool passes_in(wk_dtype dtype, const char *op, int index, double error) {
  const wk_sample *sample = sample_of(op);
  op_case c;
  case_result expected, actual;
  assert_true(case_make(&c, sample, dtype));
  assert_true(case_run(&c, wk_device_get("reference"), CASE_CONTIGUOUS, &expected));
  assert_true(case_run(&c, wk_device_get("cpu"), CASE_CONTIGUOUS, &actual));
  const sample_tensor *changed = &actual.values[index];
  int64_t element = 0; /* one that is not 0 */
  while (sample_real(changed, element) == 0) element++;
  sample_set_real(changed, element, sample_real(changed, element) * (1 + error));
  const double ulp = wk_dtype_size(dtype) == 2 ? 1 : sample->ulp[0];
  const bool passes = compare_results("control", &c, &actual, &expected, ulp);
  case_result_free(&actual);
  case_result_free(&expected);
  case_free(&c);
  return passes;
}

static bool passes_with_error(const char *op, int index, double error) {
  return passes_in(WK_F32, op, index, error);
}

static void test_wrong_half(void **state) {
  (void)state;
  static const char *const ops[] = {"add", "exp", "matmul", "softmax", "pad"};
  for (size_t i = 0; i < COUNT_OF(ops); i++) {
    assert_true(passes_in(WK_F16, ops[i], 0, 0));
    assert_false(passes_in(WK_F16, ops[i], 0, 0.05));
    assert_true(passes_in(WK_BF16, ops[i], 0, 0));
    assert_false(passes_in(WK_BF16, ops[i], 0, 1));
  }
}

static void test_wrong_result(void **state) {
  (void)state;
  static const char *const ops[] = {
      "add",     "exp", "matmul", "conv2d",         "max_pool2d_gradient",
      "softmax", "sum", "pad",    "tanh_gradient_x"};
  for (size_t i = 0; i < COUNT_OF(ops); i++) {
    assert_true(passes_with_error(ops[i], 0, 0));
    assert_false(passes_with_error(ops[i], 0, 1e-3));
  }
  assert_false(passes_with_error("add", 0, 0x1p-23)); /* one unit where equal bits are due */
}

static void test_changed_input(void **state) {
  (void)state;
  assert_false(
      passes_with_error("add", 1, 1e-3)); /* value 0 is the output, value 1 the first input */
}

static void test_wrong_update(void **state) {
  (void)state;
  assert_false(passes_with_error("sgd_update", 0, 1e-3)); /* written */
  assert_false(passes_with_error("sgd_update", 1, 1e-3)); /* only read */
}

static void test_wrong_gradient(void **state) {
  (void)state;
  static const char *const ops[] = {"multiply", "tanh", "matmul", "conv2d", "softmax", "mean"};
  for (size_t i = 0; i < COUNT_OF(ops); i++) {
    const wk_op *op = wk_op_find(ops[i]);
    assert_int_equal(check_gradient(op, 0), 0);
    assert_true(check_gradient(op, 1e-4) > 0);
  }
}

static void test_no_samples(void **state) {
  (void)state;
  wk_op op = *wk_op_find("add");
  op.name = "an_op_without_samples";
  assert_int_equal(check_op(&op), -1);
  assert_int_equal(check_gradient(&op, 0), -1);
  assert_int_equal(check_gradient(wk_op_find("argmax"), 0), -1); /* samples, but no slope */
}

static void test_special_values(void **state) {
  (void)state;
  float ours[] = {NAN, INFINITY, 0.0f, 1.0f}, theirs[] = {NAN, INFINITY, 0.0f, 1.0f};
  const sample_tensor a = {WK_F32, WK_SHAPE(4), 4, ours, false};
  const sample_tensor b = {WK_F32, WK_SHAPE(4), 4, theirs, false};
  const tolerance loose = {64, NULL}, exact = {0, NULL};
  assert_true(compare_tensors("control", &a, &b, exact));
  ours[0] = 1.0f;
  assert_false(compare_tensors("control: number for NaN", &a, &b, loose));
  ours[0] = NAN, ours[1] = NAN;
  assert_false(compare_tensors("control: NaN for infinity", &a, &b, loose));
  ours[1] = -INFINITY;
  assert_false(compare_tensors("control: wrong infinity", &a, &b, loose));
  ours[1] = INFINITY, ours[2] = -0.0f;
  assert_false(compare_tensors("control: wrong zero", &a, &b, exact));
  assert_true(compare_tensors("control", &a, &b, loose));
}

static void test_guard_bytes(void **state) {
  (void)state;
  const int64_t damage = wk_host_guard_damage();
  assert_int_equal(wk_host_allocator_get(), WK_HOST_GUARD);
  {
    WK_SCOPE;
    const float values[5] = {0};
    wk_tensor *x = wk_tensor_from_data(WK_SHAPE(5), WK_F32, values, NULL);
    assert_non_null(x);
    char *data = wk_tensor_data(x);
    data[-1] ^= 1; /* in front */
    wk_tensor *y = wk_tensor_from_data(WK_SHAPE(5), WK_F32, values, NULL);
    assert_non_null(y);
    char *behind = wk_tensor_data(y) + sizeof values;
    *behind ^= 1;
  }
  assert_int_equal(wk_host_guard_damage(), damage + 2);
}

int run_control_tests(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_wrong_half),     cmocka_unit_test(test_wrong_result),
      cmocka_unit_test(test_changed_input),  cmocka_unit_test(test_wrong_update),
      cmocka_unit_test(test_wrong_gradient), cmocka_unit_test(test_no_samples),
      cmocka_unit_test(test_special_values), cmocka_unit_test(test_guard_bytes),
  };
  return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
