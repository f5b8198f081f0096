/* SPDX-License-Identifier: Apache-2.0 */
/* An op that a user registers goes through the harness like the library's own. */
#include <wick/device.h>
#include <wick/ops.h>

#include "check.h"
#include "tests.h"

/* y = rate * (x_i - x_{i-1}) along the last axis, with x_{-1} = 0. */
typedef struct steps_arguments {
  size_t struct_size;
  wk_tensor *x;
  double rate;
} steps_arguments;

static wk_status infer(const void *arguments, wk_tensors inputs, wk_op_result *results) {
  (void)arguments;
  if (wk_tensor_rank(inputs.item[0]) < 1)
    return wk_error_set(WK_ERROR_SHAPE, "a single number has no steps");
  results[0] = (wk_op_result){wk_tensor_dtype(inputs.item[0]), wk_tensor_shape(inputs.item[0])};
  return WK_OK;
}

static wk_status kernel(const void *arguments, const wk_array *x, const wk_array *y) {
  const double rate = ((const steps_arguments *)arguments)->rate;
  const int64_t length = x->shape.dims[x->shape.rank - 1];
  int64_t count = 1;
  for (int i = 0; i < x->shape.rank; i++) count *= x->shape.dims[i];
  for (int64_t i = 0; i < count; i++) {
    const int64_t before = i % length ? i - 1 : -1;
    if (x->dtype == WK_F64) {
      const double *from = x->data;
      ((double *)y->data)[i] = rate * (from[i] - (before < 0 ? 0 : from[before]));
    } else {
      const float *from = x->data;
      ((float *)y->data)[i] = (float)rate * (from[i] - (before < 0 ? 0 : from[before]));
    }
  }
  return WK_OK;
}

static const wk_op_operand inputs[] = {
    {"x", offsetof(steps_arguments, x), (1u << WK_F32) | (1u << WK_F64), false, false, false}};
static const wk_op_setting settings[] = {
    {"rate", WK_SETTING_DOUBLE, offsetof(steps_arguments, rate), false, 1, 0, 9, "of change"}};
static const wk_op_definition steps = {.struct_size = sizeof steps,
                                       .name = "steps_of_a_test",
                                       .inputs = inputs,
                                       .input_count = 1,
                                       .output_count = 1,
                                       .settings = settings,
                                       .setting_count = 1,
                                       .arguments_size = sizeof(steps_arguments),
                                       .infer = infer,
                                       .kernel = kernel};

static const wk_sample samples[] = {
    {"steps_of_a_test", 1, {"uniform(-4, 4) [3, 5]"}, 0, {{0}}, {0, 0}},
    {"steps_of_a_test", 1, {"uniform(-4, 4) [2, 3, 7]"}, 1, {{"rate", "2.5"}}, {0, 0}},
    {"steps_of_a_test", 1, {"special [64]"}, 0, {{0}}, {0, 0}},
    {"steps_of_a_test", 1, {"uniform(-4, 4) [0, 4]"}, 0, {{0}}, {0, 0}},
};

static void test_registered_op(void **state) {
  (void)state;
  assert_int_equal(wk_op_register(&steps), WK_OK);
  for (size_t i = 0; i < COUNT_OF(samples); i++) {
    assert_int_equal(check_sample(&samples[i]), 0);
    assert_int_equal(check_degenerate(&samples[i]), 0);
  }
}

int run_user_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_registered_op)};
  return cmocka_run_group_tests_name("registered", tests, NULL, NULL);
}
