/* SPDX-License-Identifier: Apache-2.0 */
/* The reference device against values recorded from PyTorch and NumPy, so that the oracle of the
 * others is not its own judge. */
#include "recorded.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <wick/device.h>

#include "cases.h"
#include "compare.h"
#include "tensor/element.h"
#include "tests.h"

static const wk_sample *find_sample(const char *op, int number) {
  for (int i = 0; i < wk_sample_table_count; i++)
    if (strcmp(wk_sample_table[i].op, op) == 0 && number-- == 0) return &wk_sample_table[i];
  return NULL;
}

static double element_of(const sample_tensor *y, int64_t index) {
  return wk_read_real(y->dtype, (char *)y->data + index * (int64_t)wk_dtype_size(y->dtype));
}

/* Sums may be taken in another order, so their unit is that of the largest result. */
static bool is_near(double actual, double expected, double largest) {
  if (isnan(expected)) return isnan(actual);
  if (isinf(expected)) return actual == expected;
  return fabs(actual - expected) <= 64 * 0x1p-52 * fmax(fabs(expected), largest) + 0x1p-1074;
}

static int compare_values(const op_case *c, const recorded_row *row, const sample_tensor *y) {
  if (y->count != row->count) {
    print_error("%s: %" PRId64 " elements instead of %" PRId64 "\n", case_label(c), y->count,
                row->count);
    return 1;
  }
  const bool elementwise = c->op->class == WK_CLASS_POINTWISE;
  const double largest = elementwise || !is_float(y->dtype) ? 0 : largest_magnitude(y);
  int failures = 0;
  for (int64_t i = 0; i * row->step < row->count; i++) {
    const double actual = element_of(y, i * row->step);
    if (is_near(actual, row->values[i], largest)) continue;
    print_error("%s: element %" PRId64 " is %.17g, recorded was %.17g\n", case_label(c),
                i * row->step, actual, row->values[i]);
    failures++;
  }
  return failures;
}

static int check_row(const recorded_row *row) {
  const wk_sample *sample = find_sample(row->op, row->sample);
  op_case c;
  if (!sample || !case_make(&c, sample, WK_F64)) {
    print_error("%s has no sample %d any more: run tests/record/record_values.py\n", row->op,
                row->sample);
    return 1;
  }
  case_result result;
  const int failures = case_run(&c, wk_device_get("reference"), CASE_CONTIGUOUS, &result)
                           ? compare_values(&c, row, &result.values[row->output])
                           : 1;
  case_result_free(&result);
  case_free(&c);
  return failures;
}

static bool is_recorded(const wk_op *op) {
  for (int i = 0; i < recorded_table_count; i++)
    if (strcmp(recorded_table[i].op, op->name) == 0) return true;
  return false;
}

static void test_recorded(void **state) {
  const wk_op *op = *state;
  int failures = 0;
  for (int i = 0; i < recorded_table_count; i++)
    if (strcmp(recorded_table[i].op, op->name) == 0) failures += check_row(&recorded_table[i]);
  assert_int_equal(failures, 0);
}

/* All that users call; the gradients of pointwise ops are held by differences. */
static void test_all_public(void **state) {
  (void)state;
  for (int i = 0; i < wk_op_table_count; i++)
    if (!wk_op_table[i].hidden && !is_recorded(&wk_op_table[i]))
      fail_msg("nothing is recorded of %s: run tests/record/record_values.py", wk_op_table[i].name);
}

int run_recorded_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_public)};
  return cmocka_run_group_tests_name("recorded", tests, NULL, NULL) +
         run_op_tests("recorded", is_recorded, test_recorded);
}
