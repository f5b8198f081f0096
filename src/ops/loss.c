/* SPDX-License-Identifier: Apache-2.0 */
/* Losses between tensors of the same sizes. */
#include "ops/loss.h"

#include "base/error.h"
#include "ops/records.gen.h"

wk_tensor *wk_reduce_losses(wk_tensor *losses, wk_reduction reduction) {
  if (reduction == WK_REDUCTION_NONE) return losses;
  return reduction == WK_REDUCTION_SUM ? wk_sum(losses) : wk_mean(losses);
}

wk_tensor *wk_plus(wk_tensor *x, double number) { return wk_add(x, wk_scalar(number)); }
wk_tensor *wk_times(wk_tensor *x, double number) { return wk_multiply(x, wk_scalar(number)); }
wk_tensor *wk_at_least(wk_tensor *x, double number) { return wk_maximum(x, wk_scalar(number)); }
wk_tensor *wk_square_of(wk_tensor *x) { return wk_multiply(x, x); }

static wk_tensor *distance(wk_tensor *x, wk_tensor *y) {
  wk_tensor *difference = wk_subtract(x, y);
  return wk_maximum(difference, wk_negative(difference));
}

wk_tensor *wk_softplus_of(wk_tensor *x) {
  wk_tensor *small = wk_exp(wk_minimum(x, wk_negative(x)));
  return wk_add(wk_at_least(x, 0), wk_log1p(small));
}

static wk_tensor *weighted(wk_tensor *losses, wk_tensor *weight) {
  return weight ? wk_multiply(losses, weight) : losses;
}

wk_status wk_composite_mse_loss(wk_call *call) {
  const wk_mse_loss_arguments *a = call->arguments;
  wk_tensor *difference = wk_subtract(call->inputs[0], call->inputs[1]);
  call->outputs[0] = wk_reduce_losses(wk_square_of(difference), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_l1_loss(wk_call *call) {
  const wk_l1_loss_arguments *a = call->arguments;
  call->outputs[0] = wk_reduce_losses(distance(call->inputs[0], call->inputs[1]), a->reduction);
  return wk_error_status();
}

/* d^2 / 2 where d is below `limit`, else limit * (d - limit / 2). */
static wk_tensor *bent_square(wk_tensor *d, double limit) {
  wk_tensor *near = wk_times(wk_square_of(d), 0.5);
  wk_tensor *far = wk_times(wk_plus(d, -limit / 2), limit);
  return wk_where(wk_less(d, wk_scalar(limit)), near, far);
}

wk_status wk_composite_smooth_l1_loss(wk_call *call) {
  const wk_smooth_l1_loss_arguments *a = call->arguments;
  wk_tensor *d = distance(call->inputs[0], call->inputs[1]);
  if (a->beta > 0) d = wk_times(bent_square(d, a->beta), 1 / a->beta);
  call->outputs[0] = wk_reduce_losses(d, a->reduction);
  return wk_error_status();
}

wk_status wk_composite_huber_loss(wk_call *call) {
  const wk_huber_loss_arguments *a = call->arguments;
  wk_tensor *d = distance(call->inputs[0], call->inputs[1]);
  call->outputs[0] = wk_reduce_losses(bent_square(d, a->delta), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_kl_divergence(wk_call *call) {
  const wk_kl_divergence_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1], *losses;
  if (a->log_target) {
    losses = wk_multiply(wk_exp(target), wk_subtract(target, x));
  } else {
    wk_tensor *none = wk_equal(target, wk_scalar(0));
    wk_tensor *logarithm = wk_log(wk_where(none, wk_scalar(1), target));
    losses = wk_multiply(target, wk_subtract(logarithm, x));
  }
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

wk_status wk_composite_binary_cross_entropy(wk_call *call) {
  const wk_binary_cross_entropy_arguments *a = call->arguments;
  wk_tensor *p = call->inputs[0], *target = call->inputs[1];
  wk_tensor *one = wk_at_least(wk_log(p), -100);
  wk_tensor *zero = wk_at_least(wk_log(wk_subtract(wk_scalar(1), p)), -100);
  wk_tensor *gain =
      wk_add(wk_multiply(target, one), wk_multiply(wk_subtract(wk_scalar(1), target), zero));
  wk_tensor *losses = weighted(wk_negative(gain), call->inputs[2]);
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

/* -(w target log s(x) + (1 - target) log(1 - s(x))), where the logarithms are -softplus(-x) and
 * -softplus(x) = -softplus(-x) - x. */
static wk_tensor *logit_losses(wk_tensor *x, wk_tensor *target, wk_tensor *positive_weight) {
  wk_tensor *other = wk_multiply(wk_subtract(wk_scalar(1), target), x);
  wk_tensor *scale = NULL;
  if (positive_weight) scale = wk_plus(wk_multiply(target, wk_plus(positive_weight, -1)), 1);
  return wk_add(weighted(wk_softplus_of(wk_negative(x)), scale), other);
}

wk_status wk_composite_binary_cross_entropy_with_logits(wk_call *call) {
  const wk_binary_cross_entropy_with_logits_arguments *a = call->arguments;
  wk_tensor *losses = logit_losses(call->inputs[0], call->inputs[1], call->inputs[3]);
  call->outputs[0] = wk_reduce_losses(weighted(losses, call->inputs[2]), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_multilabel_soft_margin_loss(wk_call *call) {
  const wk_multilabel_soft_margin_loss_arguments *a = call->arguments;
  wk_tensor *losses =
      weighted(logit_losses(call->inputs[0], call->inputs[1], NULL), call->inputs[2]);
  call->outputs[0] = wk_reduce_losses(wk_mean(losses, .axes = WK_AXES(-1)), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_focal_loss(wk_call *call) {
  const wk_focal_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1];
  wk_tensor *losses = logit_losses(x, target, NULL);
  /* the probability of what is wrong is s(x) for target 0 and 1 - s(x) for target 1 */
  wk_tensor *p = wk_sigmoid(x), *rest = wk_subtract(wk_scalar(1), target);
  wk_tensor *wrong =
      wk_add(wk_multiply(rest, p), wk_multiply(target, wk_subtract(wk_scalar(1), p)));
  wk_tensor *factor = a->gamma == 2 ? wk_square_of(wrong)
                                    : wk_exp(wk_times(wk_log(wk_at_least(wrong, 1e-30)), a->gamma));
  losses = wk_multiply(losses, factor);
  if (a->alpha >= 0) {
    wk_tensor *alpha = wk_add(wk_times(target, a->alpha), wk_times(rest, 1 - a->alpha));
    losses = wk_multiply(losses, alpha);
  }
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

wk_status wk_composite_dice_loss(wk_call *call) {
  const wk_dice_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1];
  const int rank = wk_tensor_rank(x);
  if (rank < 2) return wk_fail(WK_ERROR_SHAPE, "x must have a first axis and others to sum over");
  wk_axes rest = {.count = rank - 1};
  for (int i = 1; i < rank; i++) rest.axis[i - 1] = i;
  wk_tensor *both = wk_sum(wk_multiply(x, target), .axes = rest);
  wk_tensor *all = wk_add(wk_sum(x, .axes = rest), wk_sum(target, .axes = rest));
  wk_tensor *overlap = wk_divide(wk_plus(wk_times(both, 2), a->epsilon), wk_plus(all, a->epsilon));
  call->outputs[0] = wk_reduce_losses(wk_subtract(wk_scalar(1), overlap), a->reduction);
  return wk_error_status();
}

wk_status wk_composite_poisson_nll_loss(wk_call *call) {
  const wk_poisson_nll_loss_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *target = call->inputs[1];
  wk_tensor *rate = a->plain_rate ? x : wk_exp(x);
  wk_tensor *logarithm = a->plain_rate ? wk_log(wk_plus(x, a->epsilon)) : x;
  wk_tensor *losses = wk_subtract(rate, wk_multiply(target, logarithm));
  if (a->full) {
    wk_tensor *t = wk_at_least(target, 1);
    wk_tensor *root = wk_times(wk_log(wk_times(t, 6.283185307179586)), 0.5);
    wk_tensor *stirling = wk_add(wk_subtract(wk_multiply(t, wk_log(t)), t), root);
    losses = wk_add(losses, wk_where(wk_greater(target, wk_scalar(1)), stirling, wk_scalar(0)));
  }
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

wk_status wk_composite_gaussian_nll_loss(wk_call *call) {
  const wk_gaussian_nll_loss_arguments *a = call->arguments;
  wk_tensor *variance = wk_at_least(call->inputs[2], a->epsilon);
  wk_tensor *square = wk_square_of(wk_subtract(call->inputs[0], call->inputs[1]));
  wk_tensor *losses = wk_times(wk_add(wk_log(variance), wk_divide(square, variance)), 0.5);
  if (a->full) losses = wk_plus(losses, 0.9189385332046727); /* log(2 pi) / 2 */
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}
