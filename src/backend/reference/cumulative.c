/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "backend/reference/lines.h"
#include "ops/records.gen.h"

/* One line on its way: what has been gathered so far. */
typedef struct running {
  double real;
  int64_t integer;
  int64_t place; /* of the largest or smallest, -1 before the first */
} running;

typedef void (*take)(running *r, double real, int64_t integer, int64_t place);

typedef struct way {
  int axis;
  bool reverse, exclusive;
} way;

/* Runs along every line; the results go to output 0, and places to output 1 where there is one. */
static wk_status run_lines(const wk_kernel_call *call, way w, running start, take next) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const bool is_real = wk_element_is_real(x->layout.dtype);
  const int64_t length = wk_line_length(&x->layout, w.axis);
  const int64_t x_step = wk_line_step(&x->layout, w.axis);
  const int64_t y_step = wk_line_step(&y->layout, w.axis);
  const int64_t lines = length ? wk_line_count(&x->layout, w.axis) : 0;
  for (int64_t line = 0; line < lines; line++) {
    const int64_t x_start = wk_line_start(&x->layout, w.axis, line);
    const int64_t y_start = wk_line_start(&y->layout, w.axis, line);
    running r = start;
    for (int64_t i = 0; i < length; i++) {
      const int64_t at = w.reverse ? length - 1 - i : i;
      const int64_t from = x_start + at * x_step, to = y_start + at * y_step;
      const running before = r;
      next(&r, is_real ? wk_element_real(x, from) : 0, is_real ? 0 : wk_element_integer(x, from),
           at);
      const running *result = w.exclusive ? &before : &r;
      if (is_real)
        wk_element_set_real(y, to, result->real);
      else
        wk_element_set_integer(y, to, result->integer);
      if (call->output_count > 1) wk_element_set_integer(&call->outputs[1], to, result->place);
    }
  }
  return WK_OK;
}

static void take_sum(running *r, double real, int64_t integer, int64_t place) {
  (void)place;
  r->real += real;
  r->integer = (int64_t)((uint64_t)r->integer + (uint64_t)integer);
}

static void take_product(running *r, double real, int64_t integer, int64_t place) {
  (void)place;
  r->real *= real;
  r->integer = (int64_t)((uint64_t)r->integer * (uint64_t)integer);
}

static void take_max(running *r, double real, int64_t integer, int64_t place) {
  const bool larger = isnan(real) || real > r->real || (real == r->real && integer >= r->integer);
  if (r->place < 0 || (larger && (isnan(real) || !isnan(r->real))))
    *r = (running){real, integer, place};
}

static void take_min(running *r, double real, int64_t integer, int64_t place) {
  const bool smaller = isnan(real) || real < r->real || (real == r->real && integer <= r->integer);
  if (r->place < 0 || (smaller && (isnan(real) || !isnan(r->real))))
    *r = (running){real, integer, place};
}

static void take_log_sum_exp(running *r, double real, int64_t integer, int64_t place) {
  (void)integer, (void)place;
  const double low = fmin(r->real, real), high = fmax(r->real, real);
  if (isnan(r->real) || isnan(real))
    r->real = NAN;
  else
    r->real = isinf(high) ? high : high + log1p(exp(low - high));
}

wk_status wk_reference_run_cumulative_sum(const wk_kernel_call *call) {
  const wk_cumulative_sum_arguments *a = call->arguments;
  return run_lines(call, (way){a->axis, a->reverse, a->exclusive}, (running){0, 0, 0}, take_sum);
}

wk_status wk_reference_run_cumulative_product(const wk_kernel_call *call) {
  const wk_cumulative_product_arguments *a = call->arguments;
  return run_lines(call, (way){a->axis, a->reverse, a->exclusive}, (running){1, 1, 0},
                   take_product);
}

wk_status wk_reference_run_cumulative_max(const wk_kernel_call *call) {
  const wk_cumulative_max_arguments *a = call->arguments;
  return run_lines(call, (way){a->axis, false, false}, (running){0, 0, -1}, take_max);
}

wk_status wk_reference_run_cumulative_min(const wk_kernel_call *call) {
  const wk_cumulative_min_arguments *a = call->arguments;
  return run_lines(call, (way){a->axis, false, false}, (running){0, 0, -1}, take_min);
}

wk_status wk_reference_run_log_cumulative_sum_exp(const wk_kernel_call *call) {
  const wk_log_cumulative_sum_exp_arguments *a = call->arguments;
  return run_lines(call, (way){a->axis, a->reverse, false}, (running){-INFINITY, 0, 0},
                   take_log_sum_exp);
}

wk_status wk_reference_run_linear_recurrence(const wk_kernel_call *call) {
  const wk_linear_recurrence_arguments *s = call->arguments;
  const wk_operand *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
  const int64_t length = wk_line_length(&y->layout, s->axis);
  const int64_t lines = length ? wk_line_count(&y->layout, s->axis) : 0;
  for (int64_t line = 0; line < lines; line++) {
    const int64_t a_start = wk_line_start(&a->layout, s->axis, line);
    const int64_t b_start = wk_line_start(&b->layout, s->axis, line);
    const int64_t y_start = wk_line_start(&y->layout, s->axis, line);
    double value = 0;
    for (int64_t i = 0; i < length; i++) {
      const int64_t at = s->reverse ? length - 1 - i : i;
      const double factor = wk_element_real(a, a_start + at * wk_line_step(&a->layout, s->axis));
      value = (i ? factor * value : 0) +
              wk_element_real(b, b_start + at * wk_line_step(&b->layout, s->axis));
      wk_element_set_real(y, y_start + at * wk_line_step(&y->layout, s->axis), value);
    }
  }
  return WK_OK;
}
