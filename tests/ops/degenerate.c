/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that no record need list, made of an op's first sample: what is checked is that all
 * devices agree. */
#include <stdio.h>
#include <string.h>

#include <wick/device.h>

#include "check.h"
#include "tests.h"

/* ---- nothing along an axis, or no axes ---- */

/* Takes all elements away from the axis of the first input, and of those that are as long there. */
static void make_empty(op_case *c, int axis) {
  const int64_t size = c->inputs[0].shape.dims[axis];
  for (int i = c->input_count; i-- > 0;) {
    sample_tensor *input = &c->inputs[i];
    if (!input->data || input->shape.rank <= axis || input->shape.dims[axis] != size) continue;
    input->shape.dims[axis] = 0;
    input->count = 0;
  }
}

/* Whether it is right or an error, it is the same everywhere. */
static bool check_alike(const op_case *c, const char *how, double ulp) {
  case_result expected, actual;
  const wk_status status = case_try(c, wk_device_get("reference"), CASE_CONTIGUOUS, &expected);
  const wk_status on_cpu = case_try(c, wk_device_get("cpu"), CASE_CONTIGUOUS, &actual);
  bool good = status == on_cpu && status != WK_ERROR_MEMORY;
  if (!good)
    print_error("%s (%s): %s on reference, %s on cpu\n", case_label(c), how, wk_status_name(status),
                wk_status_name(on_cpu));
  if (good && status == WK_OK) good = compare_results(how, c, &actual, &expected, ulp);
  case_result_free(&expected);
  case_result_free(&actual);
  return good;
}

static int check_empty_axes(const wk_sample *sample, wk_dtype dtype) {
  int failures = 0, rank = 1;
  for (int axis = 0; axis < rank; axis++) {
    op_case c;
    if (case_make(&c, sample, dtype) && c.input_count && c.inputs[0].data) {
      rank = c.inputs[0].shape.rank;
      if (axis < rank) {
        make_empty(&c, axis);
        failures += !check_alike(&c, "nothing along an axis", sample->ulp[dtype == WK_F64]);
      }
    }
    case_free(&c);
  }
  return failures;
}

static int check_single_numbers(const wk_sample *sample, wk_dtype dtype) {
  op_case c;
  bool good = true;
  if (case_make(&c, sample, dtype)) {
    for (int i = 0; i < c.input_count; i++) {
      if (!c.inputs[i].data) continue;
      c.inputs[i].shape = WK_SCALAR;
      c.inputs[i].count = 1;
    }
    good = check_alike(&c, "without dimensions", sample->ulp[dtype == WK_F64]);
  }
  case_free(&c);
  return !good;
}

/* ---- one element repeated ---- */

static void repeat_first(sample_tensor *input) {
  const int rank = input->shape.rank;
  const int64_t length = rank ? input->shape.dims[rank - 1] : 1;
  const size_t size = wk_dtype_size(input->dtype);
  char *data = input->data;
  for (int64_t i = 0; data && i < input->count; i++)
    memmove(data + (size_t)i * size, data + (size_t)(i - i % length) * size, size);
}

static bool check_repeated_on(const char *device, const op_case *c, const case_result *expected,
                              double ulp) {
  char how[64];
  case_result actual;
  snprintf(how, sizeof how, "%s, inputs that repeat one element", device);
  const bool good = case_run(c, wk_device_get(device), CASE_REPEATED, &actual) &&
                    compare_results(how, c, &actual, expected, ulp);
  case_result_free(&actual);
  return good;
}

/* An op may refuse such values: a matrix of equal columns has no inverse. */
static bool check_repeated(const op_case *c, double ulp) {
  case_result expected;
  bool good = true;
  if (case_try(c, wk_device_get("reference"), CASE_CONTIGUOUS, &expected) == WK_OK) {
    good = check_repeated_on("reference", c, &expected, 0);
    good = check_repeated_on("cpu", c, &expected, ulp) && good;
  }
  case_result_free(&expected);
  return good;
}

static int check_repetition(const wk_sample *sample, wk_dtype dtype) {
  op_case c;
  bool good = true;
  if (case_make(&c, sample, dtype) && c.op->class != WK_CLASS_UPDATE) {
    for (int i = 0; i < c.input_count; i++) repeat_first(&c.inputs[i]);
    good = check_repeated(&c, sample->ulp[dtype == WK_F64]);
  }
  case_free(&c);
  return !good;
}

/* ---- special values ---- */

/* A sample in which special values meet each other: the floats in turn are a column and a row. */
static int check_special(const wk_sample *sample) {
  wk_sample special = *sample;
  int floats = 0;
  for (int i = 0; i < sample->tensor_count; i++) {
    if (!sample->tensors[i]) continue;
    const wk_dtype named = sample_text_dtype(sample->tensors[i]);
    if (named != WK_DTYPE_DEFAULT && named != WK_BOOL) return 0;
    special.tensors[i] = named == WK_BOOL ? "bits [64] bool"
                         : floats++ % 2   ? "special [64]"
                                          : "special [64, 1]";
  }
  return floats ? check_sample(&special) : 0;
}

/* Hidden ops are only called with sizes that fit together. */
int check_degenerate(const wk_sample *sample) {
  const wk_op *op = wk_op_find(sample->op);
  wk_dtype dtypes[2];
  case_dtypes(sample, dtypes);
  if (!op || op->input_count == 0) return 0;
  int failures = check_repetition(sample, dtypes[0]);
  if (op->hidden) return failures;
  failures += check_empty_axes(sample, dtypes[0]) + check_single_numbers(sample, dtypes[0]);
  if (op->class == WK_CLASS_POINTWISE) failures += check_special(sample);
  return failures;
}
