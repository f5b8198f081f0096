/* SPDX-License-Identifier: Apache-2.0 */
/* Every op on the cpu against the reference, its inputs contiguous and strided. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/device.h>

#include "cases.h"
#include "check.h"
#include "compare.h"
#include "device/host_memory.h"
#include "ops/records.gen.h"
#include "tests.h"

/* ---- what errors are measured by ---- */

/* Results of sums are as exact as their terms: the unit is that of the sum of the terms' sizes. */
static bool is_sum_of_terms(wk_op_class class) {
  return class == WK_CLASS_MATRIX || class == WK_CLASS_REDUCTION || class == WK_CLASS_WINDOW;
}

static bool run_on_absolute_inputs(const op_case *c, case_result *result) {
  op_case absolute = *c;
  bool good = true;
  for (int i = 0; i < c->input_count; i++) {
    good = sample_tensor_copy(&absolute.inputs[i], &c->inputs[i]) && good;
    for (int64_t k = 0; good && is_float(c->inputs[i].dtype) && k < c->inputs[i].count; k++)
      sample_set_real(&absolute.inputs[i], k, fabs(sample_real(&c->inputs[i], k)));
  }
  good = good && case_run(&absolute, wk_device_get("reference"), CASE_CONTIGUOUS, result);
  case_free(&absolute);
  return good;
}

/* Tensors like the expected ones, each filled with its largest magnitude. */
static bool fill_with_largest(const case_result *expected, case_result *result) {
  *result = (case_result){.output_count = expected->output_count, .count = expected->count};
  for (int i = 0; i < expected->count; i++) {
    if (!sample_tensor_copy(&result->values[i], &expected->values[i])) return false;
    if (!is_float(result->values[i].dtype)) continue;
    const double largest = largest_magnitude(&expected->values[i]);
    for (int64_t k = 0; k < result->values[i].count; k++)
      sample_set_real(&result->values[i], k, largest);
  }
  return true;
}

/* A public pointwise op must be near everywhere; elsewhere cancellation is no one's fault. */
static bool has_scale(const op_case *c) {
  return is_sum_of_terms(c->op->class) || c->op->class == WK_CLASS_ROW ||
         c->op->class == WK_CLASS_UPDATE || (c->op->class == WK_CLASS_POINTWISE && c->op->hidden) ||
         (c->op->class == WK_CLASS_RANDOM && c->op->composite);
}

/* ---- comparing ---- */

static bool compare_inputs(const char *what, const op_case *c, const case_result *actual) {
  bool good = true;
  for (int i = 0; i < c->input_count; i++) {
    char name[700];
    snprintf(name, sizeof name, "%s, changed input %d", what, i + 1);
    if (!case_input_is_written(c, i) && c->inputs[i].data)
      good = compare_tensors(name, &actual->values[actual->output_count + i], &c->inputs[i],
                             (tolerance){0}) &&
             good;
  }
  return good;
}

static bool is_result(const op_case *c, const case_result *result, int i) {
  return i < result->output_count || case_input_is_written(c, i - result->output_count);
}

bool compare_results(const char *how, const op_case *c, const case_result *actual,
                     const case_result *expected, double ulp) {
  char what[640];
  snprintf(what, sizeof what, "%s (%s)", case_label(c), how);
  case_result scales = {.count = 0};
  bool good = true;
  if (ulp > 0 && has_scale(c))
    good = is_sum_of_terms(c->op->class) ? run_on_absolute_inputs(c, &scales)
                                         : fill_with_largest(expected, &scales);
  for (int i = 0; good && i < expected->count; i++) {
    if (!is_result(c, expected, i)) continue;
    const tolerance allowed = {ulp, scales.count ? &scales.values[i] : NULL};
    good = compare_tensors(what, &actual->values[i], &expected->values[i], allowed);
  }
  case_result_free(&scales);
  return compare_inputs(what, c, actual) && good;
}

/* ---- one sample ---- */

static bool check_run(const op_case *c, const char *device, case_memory memory,
                      const case_result *expected, double ulp) {
  case_result actual;
  char how[64];
  static const char *const memories[] = {"", ", strided inputs", ", inputs from the end backwards",
                                         ", inputs that repeat one element"};
  snprintf(how, sizeof how, "%s%s", device, memories[memory]);
  const bool good = case_run(c, wk_device_get(device), memory, &actual) &&
                    compare_results(how, c, &actual, expected, ulp);
  case_result_free(&actual);
  return good;
}

/* Results of 16 bits: the cpu may work in f32 and round that, the reference rounds once, so that
 * they are neighbours at most. What is only moved is equal, and composites round at every op. */
static double allowed_ulp(const op_case *c) {
  const double ulp = c->sample->ulp[c->dtype == WK_F64];
  if (c->dtype != WK_F16 && c->dtype != WK_BF16) return ulp;
  if (c->op->composite && !c->op->infer) return 8;
  const wk_op_class class = c->op->class;
  return class == WK_CLASS_MOVE || class == WK_CLASS_VIEW || class == WK_CLASS_CREATION ? 0 : 1;
}

bool check_case(const op_case *c) {
  const double ulp = allowed_ulp(c);
  case_result expected;
  bool good = case_run(c, wk_device_get("reference"), CASE_CONTIGUOUS, &expected);
  if (good) {
    good = compare_inputs("reference", c, &expected);
    good = check_run(c, "cpu", CASE_CONTIGUOUS, &expected, ulp) && good;
    if (c->op->class != WK_CLASS_UPDATE) { /* these take nothing but whole chunks */
      good = check_run(c, "reference", CASE_STRIDED, &expected, 0) && good;
      good = check_run(c, "cpu", CASE_STRIDED, &expected, ulp) && good;
      good = check_run(c, "reference", CASE_BACKWARD, &expected, 0) && good;
      good = check_run(c, "cpu", CASE_BACKWARD, &expected, ulp) && good;
    }
  }
  case_result_free(&expected);
  return good;
}

int check_sample(const wk_sample *sample) {
  wk_dtype dtypes[2];
  const int count = case_dtypes(sample, dtypes);
  int failures = 0;
  for (int i = 0; i < count; i++) {
    op_case c;
    if (!case_make(&c, sample, dtypes[i]) || !check_case(&c)) failures++;
    case_free(&c);
  }
  return failures;
}

/* ---- the same sample in other dtypes ---- */

static int check_as(const wk_sample *sample, wk_dtype dtype) {
  op_case c;
  const bool good = !case_make_as(&c, sample, dtype) || check_case(&c);
  case_free(&c);
  return !good;
}

/* Whether the sample leaves its floats' dtype open. */
static bool has_open_floats(const wk_sample *sample) {
  for (int i = 0; i < sample->tensor_count; i++)
    if (sample->tensors[i] && !sample_text_has_dtype(sample->tensors[i])) return true;
  return false;
}

/* Whether all inputs that share a dtype are integers, that this one holds; not already of it. */
static bool may_be(const wk_op *op, const wk_sample *sample, wk_dtype dtype) {
  bool any = false;
  for (int i = 0; i < sample->tensor_count; i++) {
    const char *text = sample->tensors[i];
    if (!text || !wk_op_input_at(op, i)->same_dtype) continue;
    const wk_dtype named = sample_text_dtype(text);
    if (!(WK_DTYPES_INTEGER >> named & 1) || named == dtype || !sample_text_fits(text, dtype))
      return false;
    any = true;
  }
  return any;
}

static int check_other_dtypes(const wk_op *op, const wk_sample *sample) {
  static const wk_dtype integers[] = {WK_I8, WK_I16, WK_I32, WK_I64, WK_U8};
  int failures = 0;
  if (op->id == WK_OP_BITCAST) return 0; /* its dtypes go by pairs, which the samples name */
  if (has_open_floats(sample)) failures += check_as(sample, WK_F16) + check_as(sample, WK_BF16);
  for (size_t i = 0; i < COUNT_OF(integers); i++)
    if (may_be(op, sample, integers[i])) failures += check_as(sample, integers[i]);
  return failures;
}

int check_op(const wk_op *op) {
  int samples = 0, failures = 0;
  for (int i = 0; i < wk_sample_table_count; i++) {
    if (strcmp(wk_sample_table[i].op, op->name) != 0) continue;
    if (samples++ == 0) failures += check_degenerate(&wk_sample_table[i]);
    failures += check_sample(&wk_sample_table[i]);
    failures += check_other_dtypes(op, &wk_sample_table[i]);
  }
  if (samples) return failures;
  print_error("%s has no samples\n", op->name);
  return -1;
}

static void test_check(void **state) {
  const int64_t damage = wk_host_guard_damage();
  assert_int_equal(check_op(*state), 0);
  assert_int_equal(wk_host_guard_damage(), damage);
}

int run_check_tests(void) { return run_op_tests("check", NULL, test_check); }
