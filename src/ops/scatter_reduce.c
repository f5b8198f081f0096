/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "ops/position.h"
#include "ops/records.gen.h"

wk_status wk_infer_scatter_reduce(wk_call *call) {
  wk_scatter_reduce_arguments *a = call->arguments;
  const wk_status status = wk_infer_scatter_of(call, &a->axis);
  if (status == WK_OK && call->layouts[0].dtype == WK_BOOL)
    return wk_fail(WK_ERROR_DTYPE, "bool has no arithmetic");
  return status;
}

wk_status wk_infer_index_reduce(wk_call *call) {
  wk_index_reduce_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout, *index = &call->inputs[1]->layout;
  wk_layout rows = *x;
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  a->axis = axis;
  if (index->rank != 1)
    return wk_fail(WK_ERROR_SHAPE, "index has %d dimensions, not 1", index->rank);
  rows.dims[axis] = index->dims[0];
  if (wk_layout_same_dims(&rows, &call->inputs[2]->layout))
    return wk_infer_output(call, x->dtype, x->rank, x->dims);
  char wanted[128];
  wk_layout_describe(&rows, wanted, sizeof wanted);
  return wk_fail(WK_ERROR_SHAPE, "source must be %s: x with a row for each index", wanted);
}

/* A rule's parts. */
typedef struct rule {
  wk_tensor *x, *index, *source, *y, *g;
  wk_layout x_layout, source_layout;
  int axis;
  bool with_x; /* x's own elements take part */
  bool rows;   /* index_reduce: an index for each row, not for each element */
} rule;

static wk_tensor *added_up(const rule *r, wk_tensor *values) {
  if (r->rows)
    return wk_index_put(wk_zeros_shaped(&r->x_layout, r->g), values, WK_TENSORS(r->index),
                        .axis = r->axis, .accumulate = true);
  return wk_scatter_add(wk_zeros_shaped(&r->x_layout, r->g), r->index, values, r->axis);
}

static wk_tensor *picked(const rule *r, wk_tensor *values) {
  if (r->rows) return wk_index_get(values, WK_TENSORS(r->index), .axis = r->axis);
  return wk_gather(values, r->index, r->axis);
}

static wk_tensor *as_number(const rule *r, wk_tensor *truth) {
  return wk_cast(truth, r->x_layout.dtype);
}

/* How many went into each place; of rows, one count for each. */
static wk_tensor *counts_of(const rule *r) {
  rule narrow = *r;
  wk_tensor *one =
      wk_full(WK_SCALAR, 1, .dtype = r->x_layout.dtype, .device = wk_tensor_device_of(r->g));
  if (!r->rows) one = wk_broadcast_to(one, wk_tensor_shape(r->index));
  for (int i = 0; r->rows && i < r->x_layout.rank; i++)
    if (i != r->axis) narrow.x_layout.dims[i] = 1;
  return added_up(&narrow, one);
}

static void rule_of_mean(const rule *r, wk_tensor **x, wk_tensor **source) {
  wk_tensor *count = counts_of(r);
  count = r->with_x ? wk_add(count, wk_scalar(1)) : wk_maximum(count, wk_scalar(1));
  wk_tensor *share = wk_divide(r->g, count);
  *x = share;
  *source = picked(r, share);
}

/* Equal largest ones share the gradient. */
static void rule_of_extreme(const rule *r, wk_tensor **x, wk_tensor **source) {
  wk_tensor *of_source = as_number(r, wk_equal(r->source, picked(r, r->y)));
  wk_tensor *count = added_up(r, of_source), *of_x = as_number(r, wk_equal(r->x, r->y));
  if (r->with_x) count = wk_add(count, of_x);
  wk_tensor *share = wk_divide(r->g, wk_maximum(count, wk_scalar(1)));
  *x = wk_multiply(share, of_x);
  *source = wk_multiply(of_source, picked(r, share));
}

static wk_tensor *product(const rule *r, wk_tensor *x, wk_tensor *source, bool exclude_x) {
  if (r->rows)
    return wk_index_reduce(x, r->index, source, r->axis, .reduction = WK_SCATTER_REDUCTION_PRODUCT,
                           .exclude_x = exclude_x);
  return wk_scatter_reduce(x, r->index, source, r->axis, .reduction = WK_SCATTER_REDUCTION_PRODUCT,
                           .exclude_x = exclude_x);
}

/* The product of the others: the result over the element itself, and where that is 0 the product of
 * what remains, which is 0 if there is another 0. */
static void rule_of_product(const rule *r, wk_tensor **x, wk_tensor **source) {
  wk_tensor *zero_x = wk_equal(r->x, wk_scalar(0)), *zero = wk_equal(r->source, wk_scalar(0));
  wk_tensor *x_or_one = wk_where(zero_x, wk_scalar(1), r->x);
  wk_tensor *without = product(r, x_or_one, r->source, false);
  *x = wk_divide(wk_multiply(r->g, without), x_or_one);
  wk_tensor *zeros = picked(r, added_up(r, as_number(r, zero)));
  wk_tensor *alone = wk_where(zero, wk_equal(zeros, wk_scalar(1)), zero);
  wk_tensor *filled = wk_where(zero, wk_scalar(1), r->source);
  wk_tensor *rest = product(r, r->x, wk_where(alone, wk_scalar(1), r->source), !r->with_x);
  *source = wk_where(alone, picked(r, wk_multiply(r->g, rest)),
                     wk_divide(picked(r, wk_multiply(r->g, r->y)), filled));
}

static wk_status find_gradients(const rule *r, wk_vjp *vjp, wk_scatter_reduction reduction) {
  wk_tensor *x = r->g, *source = NULL;
  switch (reduction) {
  case WK_SCATTER_REDUCTION_SUM:
    source = picked(r, r->g);
    break;
  case WK_SCATTER_REDUCTION_MEAN:
    rule_of_mean(r, &x, &source);
    break;
  case WK_SCATTER_REDUCTION_PRODUCT:
    rule_of_product(r, &x, &source);
    break;
  default:
    rule_of_extreme(r, &x, &source);
  }
  if (!r->with_x) /* what was not touched is still x */
    x = wk_where(wk_greater(counts_of(r), wk_scalar(0)), wk_scalar(0), r->g);
  if (vjp->needed[0]) vjp->input_gradients[0] = x;
  if (vjp->needed[2]) vjp->input_gradients[2] = wk_pad_behind(source, &r->source_layout);
  return wk_error_status();
}

static rule make_rule(const wk_vjp *vjp, int axis, bool exclude_x) {
  return (rule){.x = vjp->inputs[0],
                .index = vjp->inputs[1],
                .source = vjp->inputs[2],
                .y = vjp->outputs[0],
                .g = vjp->output_gradients[0],
                .x_layout = vjp->input_layouts[0],
                .source_layout = vjp->input_layouts[2],
                .axis = axis,
                .with_x = !exclude_x};
}

wk_status wk_vjp_scatter_reduce(wk_vjp *vjp) {
  const wk_scatter_reduce_arguments *a = vjp->arguments;
  rule r = make_rule(vjp, a->axis, a->exclude_x);
  const wk_shape used = wk_layout_shape(&r.index->layout);
  for (int i = 0; i < used.rank; i++) r.source = wk_slice(r.source, i, 0, used.dims[i]);
  return find_gradients(&r, vjp, a->reduction);
}

wk_status wk_vjp_index_reduce(wk_vjp *vjp) {
  const wk_index_reduce_arguments *a = vjp->arguments;
  rule r = make_rule(vjp, a->axis, a->exclude_x);
  r.rows = true;
  return find_gradients(&r, vjp, a->reduction);
}
