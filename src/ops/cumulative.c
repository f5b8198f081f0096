/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums and their like along an axis. */
#include <math.h>

#include "base/error.h"
#include "ops/build.h"
#include "ops/reduction.h"

/* Outputs of x's sizes; the axis is made non-negative in the arguments. A single number is a list
 * of one. */
static wk_status infer_along(wk_call *call, int *axis, wk_dtype dtype) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank == 0 && (*axis == 0 || *axis == -1))
    *axis = 0;
  else if ((*axis = wk_axis_resolve(*axis, x->rank)) < 0)
    return wk_error_status();
  return wk_infer_output(call, dtype, x->rank, x->dims);
}

/* x one place further along the axis, or back, with `value` in the free place. */
static wk_tensor *shift(wk_tensor *x, int axis, bool back, double value) {
  const int64_t size = wk_tensor_dim(x, axis);
  if (!x || size == 0) return x;
  wk_shape before = {.rank = x->layout.rank}, after = {.rank = x->layout.rank};
  (back ? &after : &before)->dims[axis] = 1;
  return wk_pad(wk_slice(x, axis, back ? 1 : 0, back ? size : size - 1), before, after,
                .value = value);
}

wk_status wk_infer_cumulative_sum(wk_call *call) {
  wk_cumulative_sum_arguments *a = call->arguments;
  return infer_along(call, &a->axis, wk_sum_dtype(call->inputs[0]->layout.dtype));
}

wk_status wk_vjp_cumulative_sum(wk_vjp *vjp) {
  const wk_cumulative_sum_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_cumulative_sum(vjp->output_gradients[0], a->axis,
                                              .reverse = !a->reverse, .exclusive = a->exclusive);
  return wk_error_status();
}

wk_status wk_infer_cumulative_product(wk_call *call) {
  wk_cumulative_product_arguments *a = call->arguments;
  return infer_along(call, &a->axis, wk_sum_dtype(call->inputs[0]->layout.dtype));
}

/* dx[i] = (product of those before i) * s[i], where s[i] sums g[k] times the products of the
 * elements between i and k: s[i] = g[i] + x[i + 1] * s[i + 1]. No division: zeros do no harm. */
wk_status wk_vjp_cumulative_product(wk_vjp *vjp) {
  const wk_cumulative_product_arguments *a = vjp->arguments;
  wk_tensor *x = vjp->inputs[0], *g = vjp->output_gradients[0], *sum;
  if (x->layout.rank == 0) {
    if (!a->exclusive) vjp->input_gradients[0] = g;
    return WK_OK;
  }
  wk_tensor *before = wk_cumulative_product(x, a->axis, .reverse = a->reverse, .exclusive = true);
  if (a->exclusive)
    sum =
        shift(wk_linear_recurrence(x, g, a->axis, .reverse = !a->reverse), a->axis, !a->reverse, 0);
  else
    sum =
        wk_linear_recurrence(shift(x, a->axis, !a->reverse, 0), g, a->axis, .reverse = !a->reverse);
  vjp->input_gradients[0] = wk_multiply(before, sum);
  return wk_error_status();
}

static wk_status infer_places(wk_call *call, int *axis) {
  const wk_status status = infer_along(call, axis, call->inputs[0]->layout.dtype);
  const wk_layout *x = &call->inputs[0]->layout;
  return status != WK_OK ? status : wk_infer_output_at(call, 1, WK_I64, x->rank, x->dims);
}

wk_status wk_infer_cumulative_max(wk_call *call) {
  return infer_places(call, &((wk_cumulative_max_arguments *)call->arguments)->axis);
}

wk_status wk_infer_cumulative_min(wk_call *call) {
  return infer_places(call, &((wk_cumulative_min_arguments *)call->arguments)->axis);
}

/* Each gradient goes to where its value stood. */
static wk_status vjp_places(wk_vjp *vjp, int axis) {
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] =
      g->layout.rank == 0 ? g : wk_scatter_add(wk_zeros_like(g), vjp->outputs[1], g, axis);
  return wk_error_status();
}

wk_status wk_vjp_cumulative_max(wk_vjp *vjp) {
  return vjp_places(vjp, ((const wk_cumulative_max_arguments *)vjp->arguments)->axis);
}

wk_status wk_vjp_cumulative_min(wk_vjp *vjp) {
  return vjp_places(vjp, ((const wk_cumulative_min_arguments *)vjp->arguments)->axis);
}

wk_status wk_infer_log_cumulative_sum_exp(wk_call *call) {
  wk_log_cumulative_sum_exp_arguments *a = call->arguments;
  return infer_along(call, &a->axis, call->inputs[0]->layout.dtype);
}

/* a - b, and 0 where both are the same infinity. */
static wk_tensor *distance(wk_tensor *a, wk_tensor *b) {
  wk_tensor *same = wk_equal(a, b), *infinite = wk_equal(wk_abs(a), wk_scalar(INFINITY));
  wk_tensor *both = wk_where(same, infinite, wk_not_equal(same, same)), *zero = wk_scalar(0);
  return wk_subtract(wk_where(both, zero, a), wk_where(both, zero, b));
}

/* exp(y[i] - y[i + 1]), or of the one before; 0 in the last place. */
static wk_tensor *ratios(wk_tensor *y, int axis, bool back) {
  const int64_t size = wk_tensor_dim(y, axis);
  if (size == 0) return y;
  wk_shape before = {.rank = wk_tensor_rank(y)}, after = {.rank = wk_tensor_rank(y)};
  (back ? &before : &after)->dims[axis] = 1;
  wk_tensor *first = wk_slice(y, axis, 0, size - 1), *second = wk_slice(y, axis, 1, size);
  return wk_pad(wk_exp(back ? distance(second, first) : distance(first, second)), before, after);
}

/* dx[i] = exp(x[i] - y[i]) * r[i] with r[i] = the sum of g[k] * exp(y[i] - y[k]) over k >= i, so
 * that r[i] = g[i] + exp(y[i] - y[i + 1]) * r[i + 1]: y ascends, and nothing overflows. */
wk_status wk_vjp_log_cumulative_sum_exp(wk_vjp *vjp) {
  const wk_log_cumulative_sum_exp_arguments *a = vjp->arguments;
  wk_tensor *x = vjp->inputs[0], *y = vjp->outputs[0], *g = vjp->output_gradients[0];
  if (x->layout.rank == 0) {
    vjp->input_gradients[0] = g;
    return WK_OK;
  }
  wk_tensor *sum =
      wk_linear_recurrence(ratios(y, a->axis, a->reverse), g, a->axis, .reverse = !a->reverse);
  vjp->input_gradients[0] = wk_multiply(wk_exp(distance(x, y)), sum);
  return wk_error_status();
}

wk_status wk_infer_linear_recurrence(wk_call *call) {
  wk_linear_recurrence_arguments *arguments = call->arguments;
  const wk_layout *a = &call->inputs[0]->layout;
  if (!wk_layout_same_dims(a, &call->inputs[1]->layout)) {
    wk_fail(WK_ERROR_SHAPE, "a and b must have the same sizes");
    wk_error_add_hint("wk_broadcast_to repeats a factor along an axis");
    return WK_ERROR_SHAPE;
  }
  return infer_along(call, &arguments->axis, a->dtype);
}

/* The gradient of b runs back through the same recurrence. */
wk_status wk_vjp_linear_recurrence(wk_vjp *vjp) {
  const wk_linear_recurrence_arguments *s = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0], *a = vjp->inputs[0];
  if (a->layout.rank == 0) {
    vjp->input_gradients[1] = g;
    return WK_OK;
  }
  wk_tensor *back =
      wk_linear_recurrence(shift(a, s->axis, !s->reverse, 0), g, s->axis, .reverse = !s->reverse);
  vjp->input_gradients[1] = back;
  if (vjp->needed[0])
    vjp->input_gradients[0] = wk_multiply(back, shift(vjp->outputs[0], s->axis, s->reverse, 0));
  return wk_error_status();
}

/* ---- neighbours ---- */

wk_status wk_composite_difference(wk_call *call) {
  const wk_difference_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const int axis = wk_axis_resolve(a->axis, x->layout.rank);
  if (axis < 0) return wk_error_status();
  int64_t size = x->layout.dims[axis];
  for (int64_t i = 0; i < a->times && size > 0 && !wk_failed(); i++, size--)
    x = wk_subtract(wk_slice(x, axis, 1, size), wk_slice(x, axis, 0, size - 1));
  call->outputs[0] = x;
  return wk_error_status();
}

wk_status wk_composite_trapezoid(wk_call *call) {
  const wk_trapezoid_arguments *a = call->arguments;
  wk_tensor *y = call->inputs[0];
  const int axis = wk_axis_resolve(a->axis, y->layout.rank);
  if (axis < 0) return wk_error_status();
  const int64_t size = y->layout.dims[axis];
  wk_tensor *pairs =
      wk_add(wk_slice(y, axis, size > 0, size), wk_slice(y, axis, 0, size > 0 ? size - 1 : 0));
  call->outputs[0] = wk_multiply(wk_sum(pairs, .axes = WK_AXES(axis)), wk_scalar(a->spacing / 2));
  return wk_error_status();
}
