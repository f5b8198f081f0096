/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of gradients against differences of the first ones, with respect to the inputs and to
 * the gradient that comes in. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/device.h>
#include <wick/ops.h>

#include "cases.h"
#include "ops/dispatch.h"
#include "tests.h"

#define MOST_ELEMENTS 12   /* of each input that are compared */
#define LARGEST_SAMPLE 100 /* elements of an input, unless an op has no smaller sample */

static bool is_chosen(const wk_op *op) { return op->vjp || op->composite; }

/* Whether wk_gradient_check can take it: all floats f64, none special. */
static bool is_smooth(const op_case *c) {
  bool any = false;
  for (int i = 0; i < c->input_count; i++) {
    const sample_tensor *input = &c->inputs[i];
    if (input->special || (input->data && is_float(input->dtype) && input->dtype != WK_F64))
      return false;
    any = any || (input->data && input->dtype == WK_F64);
  }
  return any;
}

static bool is_small(const op_case *c) {
  for (int i = 0; i < c->input_count; i++)
    if (c->inputs[i].count > LARGEST_SAMPLE) return false;
  return true;
}

typedef struct op_function {
  const op_case *c;
  wk_device *device;
} op_function;

/* The op's float results, as one list where there are several. `inputs` are those that the case
 * has. */
static wk_tensor *run(void *context, wk_tensors inputs) {
  const op_function *f = context;
  wk_tensor *all[WK_SAMPLE_TENSORS] = {NULL}, *made[WK_MAX_OUTPUTS] = {NULL};
  wk_tensor *smooth[WK_MAX_OUTPUTS];
  case_arguments arguments;
  size_t next = 0, count = 0;
  for (int i = 0; i < f->c->input_count; i++)
    if (f->c->inputs[i].data) all[i] = inputs.item[next++];
  if (!case_bind(f->c, f->device, all, &arguments) ||
      wk_op_run(f->c->op, WK_HERE, arguments.bytes, made) < 0)
    return NULL;
  for (int i = 0; i < f->c->op->output_count; i++) {
    made[i] = wk_scope_add(made[i]);
    if (wk_tensor_dtype(made[i]) == WK_F64) smooth[count++] = made[i];
  }
  if (count == 1) return smooth[0];
  for (size_t i = 0; i < count; i++) smooth[i] = wk_reshape(smooth[i], WK_SHAPE(-1));
  return count ? wk_concatenate(((wk_tensors){count, smooth}), 0) : NULL;
}

/* Whether there are float results, and none of them infinite or NaN: found by a run. */
static bool has_slope(const op_case *c) {
  case_result result;
  bool has = false, finite = true;
  if (case_run(c, wk_device_get("reference"), CASE_CONTIGUOUS, &result)) {
    for (int i = 0; i < result.output_count; i++) {
      const sample_tensor *y = &result.values[i];
      if (y->dtype != WK_F64) continue;
      has = has || y->count > 0;
      for (int64_t k = 0; k < y->count; k++) finite = finite && isfinite(sample_real(y, k));
    }
  }
  case_result_free(&result);
  return has && finite;
}

static bool check_on(const op_case *c, const char *device) {
  WK_SCOPE;
  op_function f = {c, wk_device_get(device)};
  case_arguments arguments;
  wk_tensor *inputs[WK_SAMPLE_TENSORS];
  size_t count = 0;
  if (case_prepare(c, f.device, CASE_CONTIGUOUS, &arguments)) {
    for (int i = 0; i < c->input_count; i++)
      if (arguments.inputs[i]) inputs[count++] = arguments.inputs[i];
    wk_gradient_check(run, &f, ((wk_tensors){count, inputs}), .order = 2,
                      .relative_tolerance = 1e-5, .absolute_tolerance = 1e-7,
                      .most_elements = MOST_ELEMENTS);
  }
  if (wk_error_status() == WK_OK) return true;
  print_error("%s, second order on %s:\n", case_label(c), device);
  print_pending_error("checking it");
  return false;
}

/* -1: not a sample for this; else the number of devices on which it fails. */
static int check_sample_twice(const wk_sample *sample, bool large) {
  op_case c;
  int failures = -1;
  if (case_make(&c, sample, WK_F64) && is_smooth(&c) && is_small(&c) != large && has_slope(&c))
    failures = !check_on(&c, "reference") + !check_on(&c, "cpu");
  case_free(&c);
  return failures;
}

/* How many samples there are for this, and on how many devices they fail. */
static int check_op_twice(const wk_op *op, int *failures) {
  int checked = 0;
  *failures = 0;
  for (int large = 0; large < 2 && !checked; large++) {
    for (int i = 0; i < wk_sample_table_count; i++) {
      if (strcmp(wk_sample_table[i].op, op->name) != 0) continue;
      const int failed = check_sample_twice(&wk_sample_table[i], large);
      if (failed < 0) continue;
      checked++;
      *failures += failed;
    }
  }
  return checked;
}

static void test_second_order(void **state) {
  const wk_op *op = *state;
  int failures;
  const int checked = check_op_twice(op, &failures);
  assert_int_equal(failures, 0);
  assert_true(checked > 0 || !op->vjp); /* a composite may only count or compare */
}

int run_second_order_tests(void) {
  return run_op_tests("second order", is_chosen, test_second_order);
}
