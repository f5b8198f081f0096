/* SPDX-License-Identifier: Apache-2.0 */
/* Losses that want things apart by a margin. */
#include "base/error.h"
#include "ops/loss.h"
#include "ops/records.gen.h"

/* max(0, margin - x) */
static wk_tensor *hinge(wk_tensor *x, double margin) {
  return wk_at_least(wk_subtract(wk_scalar(margin), x), 0);
}

static wk_tensor *is_one(wk_tensor *target) { return wk_equal(target, wk_scalar(1)); }
static wk_tensor *is_minus_one(wk_tensor *target) { return wk_equal(target, wk_scalar(-1)); }

/* What either target asks for, summed as PyTorch does: a target that is neither asks for both. */
wk_status wk_composite_hinge_embedding_loss(wk_call *call) {
  const wk_hinge_embedding_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1];
  wk_tensor *apart = wk_where(is_one(target), wk_scalar(0), hinge(x, a->margin));
  wk_tensor *near = wk_where(is_minus_one(target), wk_scalar(0), x);
  call->outputs[0] = wk_reduce_losses(wk_add(apart, near), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_margin_ranking_loss(wk_call *call) {
  const wk_margin_ranking_loss_arguments *a = call->arguments;
  wk_tensor *order = wk_multiply(call->inputs[2], wk_subtract(call->inputs[0], call->inputs[1]));
  call->outputs[0] = wk_reduce_losses(hinge(order, a->margin), a->reduction);
  return wk_error_status();
}

static wk_tensor *row_distance(wk_tensor *x, wk_tensor *y, double epsilon) {
  wk_tensor *difference = wk_plus(wk_subtract(x, y), epsilon);
  return wk_sqrt(wk_sum(wk_square_of(difference), .axes = WK_AXES(-1)));
}

wk_status wk_composite_triplet_margin_loss(wk_call *call) {
  const wk_triplet_margin_loss_arguments *a = call->arguments;
  wk_tensor *anchor = call->inputs[0], *positive = call->inputs[1], *negative = call->inputs[2];
  if (wk_tensor_rank(anchor) < 1) return wk_fail(WK_ERROR_SHAPE, "the anchor must be [..., D]");
  wk_tensor *far = row_distance(anchor, negative, a->epsilon);
  if (a->swap) far = wk_minimum(far, row_distance(positive, negative, a->epsilon));
  wk_tensor *gap = wk_subtract(far, row_distance(anchor, positive, a->epsilon));
  call->outputs[0] = wk_reduce_losses(hinge(gap, a->margin), a->reduction);
  return wk_error_status();
}

static wk_tensor *row_sum(wk_tensor *x) { return wk_sum(x, .axes = WK_AXES(-1)); }

wk_status wk_composite_cosine_embedding_loss(wk_call *call) {
  const wk_cosine_embedding_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1], *target = call->inputs[2];
  if (wk_tensor_rank(x) < 1) return wk_fail(WK_ERROR_SHAPE, "x must be [..., D]");
  const double tiny = 1e-12; /* of a zero vector */
  wk_tensor *sizes =
      wk_multiply(wk_plus(row_sum(wk_square_of(x)), tiny), wk_plus(row_sum(wk_square_of(y)), tiny));
  wk_tensor *cosine = wk_divide(row_sum(wk_multiply(x, y)), wk_sqrt(sizes));
  wk_tensor *near = wk_subtract(wk_scalar(1), cosine);
  wk_tensor *apart = wk_at_least(wk_plus(cosine, -a->margin), 0);
  wk_tensor *losses = wk_add(wk_where(is_one(target), near, wk_scalar(0)),
                             wk_where(is_minus_one(target), apart, wk_scalar(0)));
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

wk_status wk_composite_soft_margin_loss(wk_call *call) {
  const wk_soft_margin_loss_arguments *a = call->arguments;
  wk_tensor *order = wk_multiply(call->inputs[0], call->inputs[1]);
  call->outputs[0] = wk_reduce_losses(wk_softplus_of(wk_negative(order)), a->reduction);
  return wk_error_status();
}

/* [..., 1] */
static wk_tensor *as_column(wk_tensor *x) {
  wk_shape shape = wk_tensor_shape(x);
  shape.dims[shape.rank++] = 1;
  return wk_reshape(x, shape);
}

wk_status wk_composite_multi_margin_loss(wk_call *call) {
  const wk_multi_margin_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *labels = wk_cast(call->inputs[1], WK_I64);
  const int rank = wk_tensor_rank(x);
  if (rank < 1 || rank > 2) return wk_fail(WK_ERROR_SHAPE, "x must be [N, C] or [C]");
  const int64_t classes = wk_tensor_dim(x, -1);
  wk_tensor *right = wk_pick_label(x, labels);
  wk_tensor *terms = hinge(wk_subtract(as_column(right), x), a->margin);
  if (a->squared) terms = wk_square_of(terms);
  wk_tensor *one = wk_broadcast_to(wk_full(WK_SCALAR, 1, .dtype = wk_tensor_dtype(x),
                                           .device = wk_tensor_device(x)),
                                   wk_row_shape(x));
  terms = wk_multiply(terms, wk_subtract(wk_scalar(1), wk_spread_label(one, labels, classes)));
  wk_tensor *losses = wk_times(row_sum(terms), 1 / (double)classes);
  if (call->inputs[2]) {
    wk_tensor *weight = wk_broadcast_to(call->inputs[2], wk_tensor_shape(x));
    losses = wk_multiply(losses, wk_pick_label(weight, labels));
  }
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

/* 1 where no entry of targets [N, C] up to this one is negative. */
static wk_tensor *leading(wk_tensor *target, wk_dtype dtype) {
  wk_device *device = wk_tensor_device(target);
  const int64_t count = wk_tensor_dim(target, -1);
  wk_tensor *index = wk_arange(count, .dtype = WK_I64, .device = device);
  wk_tensor *not_after = wk_less_equal(as_column(index), index); /* [from, to] */
  wk_tensor *negative = wk_cast(wk_less(target, wk_scalar(0)), dtype);
  wk_tensor *before = wk_matmul(negative, wk_cast(not_after, dtype));
  return wk_cast(wk_equal(before, wk_scalar(0)), dtype);
}

wk_status wk_composite_multilabel_margin_loss(wk_call *call) {
  const wk_multilabel_margin_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1];
  const wk_shape shape = wk_tensor_shape(x);
  if (shape.rank != 2 || !wk_layout_same_dims(&x->layout, &target->layout))
    return wk_fail(WK_ERROR_SHAPE, "x and target must both be [N, C]");
  const wk_dtype dtype = wk_tensor_dtype(x);
  const int64_t rows = shape.dims[0], classes = shape.dims[1];
  wk_tensor *numbers = wk_arange(classes, .dtype = WK_I64, .device = wk_tensor_device(x));
  wk_tensor *valid = as_column(leading(target, dtype));                     /* [N, K, 1] */
  wk_tensor *chosen = wk_cast(wk_equal(as_column(target), numbers), dtype); /* [N, K, C] */
  chosen = wk_multiply(chosen, valid);
  wk_tensor *is_target = wk_minimum(wk_sum(chosen, .axes = WK_AXES(1), .keep_dims = true),
                                    wk_scalar(1)); /* [N, 1, C] */
  wk_tensor *row = wk_reshape(x, WK_SHAPE(rows, 1, classes));
  /* also refuses targets that are not classes */
  wk_tensor *own = as_column(wk_gather(x, wk_maximum(target, wk_scalar(0)), 1)); /* [N, K, 1] */
  wk_tensor *terms = wk_multiply(hinge(wk_subtract(own, row), 1),
                                 wk_multiply(valid, wk_subtract(wk_scalar(1), is_target)));
  wk_tensor *losses = wk_times(wk_sum(terms, .axes = WK_AXES(1, 2)), 1 / (double)classes);
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}
