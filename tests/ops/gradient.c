/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients against central differences in f64. What is differentiated is the sum of the result's
 * elements times fixed random weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/device.h>
#include <wick/ops.h>

#include "base/random.h"
#include "cases.h"
#include "device/host_memory.h"
#include "ops/dispatch.h"
#include "tests.h"

#define MOST_ELEMENTS 64 /* of each input that are compared */

static bool is_differentiable(const wk_op *op) { return op->vjp || op->composite; }

/* Samples of integers have no slope, and those with infinities none to speak of. */
static bool is_smooth(const op_case *c) {
  bool has_float = false;
  for (int i = 0; i < c->input_count; i++) {
    if (c->inputs[i].special) return false;
    if (c->inputs[i].data && c->inputs[i].dtype == WK_F64) has_float = true;
  }
  return has_float;
}

static double weight_at(int output, int64_t index) {
  const wk_philox_block block = wk_philox(77, (uint64_t)index, (uint64_t)output);
  return 2 * wk_random_unit_double(block.word[0], block.word[1]) - 1;
}

static wk_tensor *weights_like(const wk_tensor *y, int output, wk_device *device) {
  const int64_t count = wk_tensor_count(y);
  double *values = calloc((size_t)count + 1, sizeof *values);
  for (int64_t i = 0; values && i < count; i++) values[i] = weight_at(output, i);
  wk_tensor *weights =
      values ? wk_tensor_from_data(wk_tensor_shape(y), WK_F64, values, device) : NULL;
  free(values);
  return weights;
}

/* ---- what the library says ---- */

typedef struct gradients {
  sample_tensor of[WK_SAMPLE_TENSORS]; /* data is NULL where there is none */
} gradients;

static void gradients_free(gradients *g) {
  for (int i = 0; i < WK_SAMPLE_TENSORS; i++) sample_tensor_free(&g->of[i]);
}

typedef struct outputs {
  wk_tensor *y[WK_MAX_OUTPUTS]; /* NULL where it needs no gradient */
} outputs;

static outputs run_recorded(const op_case *c, const case_arguments *arguments) {
  outputs made = {{NULL}};
  if (wk_op_run(c->op, WK_HERE, arguments->bytes, made.y) < 0) return made;
  for (int i = 0; i < c->op->output_count; i++) {
    made.y[i] = wk_scope_add(made.y[i]);
    if (!wk_tensor_requires_gradient(made.y[i])) made.y[i] = NULL;
  }
  return made;
}

/* The sum of the results' elements times their weights; NULL if none needs a gradient. */
static wk_tensor *weighted_sum(const outputs *made, wk_device *device) {
  wk_tensor *total = NULL;
  for (int i = 0; i < WK_MAX_OUTPUTS; i++) {
    if (!made->y[i]) continue;
    wk_tensor *sum = wk_sum(wk_multiply(made->y[i], weights_like(made->y[i], i, device)));
    total = total ? wk_add(total, sum) : sum;
  }
  return total;
}

/* No gradient flows to what is only compared. */
static bool read_gradient(const sample_tensor *input, wk_tensor *x, wk_tensor *gradient,
                          sample_tensor *found) {
  if (!input->data || input->dtype != WK_F64) return true;
  WK_NO_GRADIENT;
  return read_tensor(found, gradient ? gradient : wk_subtract(x, x));
}

/* By wk_backward of the weighted sum, for all inputs at once. */
static bool find_by_backward(const op_case *c, wk_device *device, gradients *found) {
  WK_SCOPE;
  case_arguments arguments;
  if (!case_prepare(c, device, CASE_CONTIGUOUS, &arguments)) return false;
  for (int i = 0; i < c->input_count; i++)
    if (c->inputs[i].data && c->inputs[i].dtype == WK_F64)
      wk_tensor_set_requires_gradient(arguments.inputs[i], true);
  const outputs made = run_recorded(c, &arguments);
  wk_tensor *loss = weighted_sum(&made, device);
  if (loss) wk_backward(loss);
  if (wk_error_status() < 0) return false;
  for (int i = 0; i < c->input_count; i++)
    if (!read_gradient(&c->inputs[i], arguments.inputs[i], wk_tensor_gradient(arguments.inputs[i]),
                       &found->of[i]))
      return false;
  return true;
}

/* By wk_grad from given gradients of the result, for one input as the only one to need it. */
static bool find_by_grad(const op_case *c, wk_device *device, int input, gradients *found) {
  WK_SCOPE;
  case_arguments arguments;
  if (!case_prepare(c, device, CASE_CONTIGUOUS, &arguments)) return false;
  wk_tensor *x = arguments.inputs[input], *gradient = NULL;
  wk_tensor_set_requires_gradient(x, true);
  const outputs made = run_recorded(c, &arguments);
  if (c->op->output_count == 1 && made.y[0])
    wk_grad(&gradient, made.y[0], WK_TENSORS(x), .gradient = weights_like(made.y[0], 0, device));
  else if (weighted_sum(&made, device))
    wk_grad(&gradient, weighted_sum(&made, device), WK_TENSORS(x));
  if (wk_error_status() < 0) return false;
  return read_gradient(&c->inputs[input], x, gradient, &found->of[input]);
}

/* ---- what differences say ---- */

typedef struct difference {
  double slope, noise; /* noise: what rounding in the two results can make of the slope */
} difference;

static bool find_difference(const op_case *c, int input, int64_t element, difference *found) {
  const sample_tensor *x = &c->inputs[input];
  const double at = sample_real(x, element), step = 1e-6 * fmax(1, fabs(at));
  const double above = at + step, below = at - step;
  case_result high = {.count = 0}, low = {.count = 0};
  wk_device *reference = wk_device_get("reference");
  sample_set_real(x, element, above);
  bool good = case_run(c, reference, CASE_CONTIGUOUS, &high);
  sample_set_real(x, element, below);
  good = good && case_run(c, reference, CASE_CONTIGUOUS, &low);
  sample_set_real(x, element, at);

  double change = 0, rounding = 0;
  for (int k = 0; good && k < high.output_count; k++) {
    if (high.values[k].dtype != WK_F64) continue;
    for (int64_t i = 0; i < high.values[k].count; i++) {
      const double a = sample_real(&high.values[k], i), b = sample_real(&low.values[k], i);
      if (a == b) continue; /* does not depend on x, so has no rounding to count */
      change += weight_at(k, i) * (a - b);
      rounding += fabs(weight_at(k, i)) * fmax(fabs(a), fabs(b));
    }
  }
  *found = (difference){change / (above - below), 32 * 0x1p-52 * rounding / step};
  case_result_free(&high);
  case_result_free(&low);
  return good;
}

/* ---- comparing ---- */

static bool is_close(double gradient, const difference *d) {
  return fabs(gradient - d->slope) <= 1e-6 * fmax(fabs(gradient), fabs(d->slope)) + d->noise + 1e-9;
}

static bool same_sizes(const sample_tensor *a, const sample_tensor *b) {
  return a->shape.rank == b->shape.rank && a->dtype == b->dtype &&
         memcmp(a->shape.dims, b->shape.dims, (size_t)a->shape.rank * sizeof *a->shape.dims) == 0;
}

typedef struct claim {
  const char *name;
  gradients *gradients;
} claim;

/* Compares elements of one input's gradients; returns how many, or -1 if one was wrong. */
static int compare_input(const op_case *c, int input, const claim *claims, int claim_count,
                         double error) {
  const sample_tensor *x = &c->inputs[input];
  for (int k = 0; k < claim_count; k++) {
    const sample_tensor *g = &claims[k].gradients->of[input];
    if (g->data && same_sizes(g, x)) continue;
    print_error("%s: %s gives no gradient like input %d\n", case_label(c), claims[k].name,
                input + 1);
    return -1;
  }
  const int64_t every = x->count / MOST_ELEMENTS + 1;
  int compared = 0;
  for (int64_t i = 0; i < x->count; i += every, compared++) {
    difference d;
    if (!find_difference(c, input, i, &d)) return -1;
    for (int k = 0; k < claim_count; k++) {
      const double gradient = sample_real(&claims[k].gradients->of[input], i) * (1 + error);
      if (is_close(gradient, &d)) continue;
      print_error("%s: %s: gradient of input %d, element %lld is %.12g, but the slope is %.12g "
                  "(noise %.1g)\n",
                  case_label(c), claims[k].name, input + 1, (long long)i, gradient, d.slope,
                  d.noise);
      return -1;
    }
  }
  return compared;
}

static int compare_case(const op_case *c, double error) {
  gradients reference = {0}, single = {0}, cpu = {0};
  bool good = find_by_backward(c, wk_device_get("reference"), &reference) &&
              find_by_backward(c, wk_device_get("cpu"), &cpu);
  const claim claims[] = {{"reference", &reference}, {"cpu", &cpu}, {"cpu, alone", &single}};
  int compared = 0;
  for (int i = 0; good && i < c->input_count; i++) {
    if (!c->inputs[i].data || c->inputs[i].dtype != WK_F64) continue;
    good = find_by_grad(c, wk_device_get("cpu"), i, &single);
    const int elements = good ? compare_input(c, i, claims, 3, error) : 0;
    if (elements < 0) good = false;
    compared += elements;
  }
  if (wk_error_status() < 0) {
    print_error("%s:\n", case_label(c));
    print_pending_error("finding gradients");
  }
  gradients_free(&reference);
  gradients_free(&single);
  gradients_free(&cpu);
  return good ? compared : -1;
}

/* Whether the op has a float result to differentiate, judged by a run. */
static bool has_slope(const op_case *c) {
  case_result result;
  const bool has = case_run(c, wk_device_get("reference"), CASE_CONTIGUOUS, &result) &&
                   result.output_count > 0 && result.values[0].dtype == WK_F64;
  case_result_free(&result);
  return has;
}

int check_gradient(const wk_op *op, double error) {
  int eligible = 0, compared = 0, failures = 0;
  for (int i = 0; i < wk_sample_table_count; i++) {
    if (strcmp(wk_sample_table[i].op, op->name) != 0) continue;
    op_case c;
    if (!case_make(&c, &wk_sample_table[i], WK_F64)) {
      failures++;
    } else if (is_smooth(&c) && has_slope(&c)) {
      eligible++;
      const int elements = compare_case(&c, error);
      if (elements < 0)
        failures++;
      else
        compared += elements;
    }
    case_free(&c);
  }
  if (compared || failures) return failures;
  if (op->composite && !op->vjp && !eligible) return 0; /* it counts or compares */
  print_error("no sample of %s has a gradient to compare\n", op->name);
  return -1;
}

static void test_gradient(void **state) {
  const int64_t damage = wk_host_guard_damage();
  assert_int_equal(check_gradient(*state, 0), 0);
  assert_int_equal(wk_host_guard_damage(), damage);
}

int run_gradient_tests(void) { return run_op_tests("gradient", is_differentiable, test_gradient); }
