/* SPDX-License-Identifier: Apache-2.0 */
/* Losses of scores [..., C] of classes: cross_entropy and nll_loss. */
#include <math.h>

#include "base/error.h"
#include "ops/loss.h"
#include "ops/records.gen.h"

wk_shape wk_row_shape(const wk_tensor *x) {
  wk_shape shape = wk_tensor_shape(x);
  shape.rank--;
  return shape;
}

/* ---- checks ---- */

static wk_status labels_do_not_fit(const wk_layout *logits, const wk_layout *labels) {
  const int64_t rows = wk_layout_count(logits) / logits->dims[logits->rank - 1];
  if (logits->rank == 2) {
    wk_fail(WK_ERROR_SHAPE, "labels must be [%lld]: one class number for each row of logits",
            (long long)logits->dims[0]);
  } else {
    char sizes[128];
    wk_layout row = *labels;
    row.rank = logits->rank - 1;
    for (int i = 0; i < row.rank; i++) row.dims[i] = logits->dims[i];
    wk_layout_describe(&row, sizes, sizeof sizes);
    wk_fail(WK_ERROR_SHAPE, "labels must be %s: one class number for each row of logits", sizes);
  }
  if (wk_layout_same_dims(logits, labels))
    wk_error_add_hint("for one-hot labels, wk_argmax(labels, %d) gives numbers", logits->rank - 1);
  else if (wk_layout_count(labels) == rows)
    wk_error_add_hint(logits->rank == 2 ? "wk_reshape(labels, WK_SHAPE(-1)) makes them a list"
                                        : "wk_reshape brings them into that form");
  else if (logits->rank > 2)
    wk_error_add_hint("logits have their classes last; where there is one label for each image, a "
                      "wk_flatten_layer before the last linear layer is missing");
  else
    wk_error_add_hint("inputs and labels must be of the same batch");
  return WK_ERROR_SHAPE;
}

static wk_status check_weight(const wk_tensor *weight, int64_t classes) {
  if (!weight || (weight->layout.rank == 1 && weight->layout.dims[0] == classes)) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "weight must be [%lld], one for each class", (long long)classes);
}

/* `probabilities`: float labels are allowed. */
static wk_status check_scores(const wk_call *call, bool probabilities) {
  const wk_layout *logits = &call->inputs[0]->layout, *labels = &call->inputs[1]->layout;
  if (logits->rank < 1 || logits->dims[logits->rank - 1] < 1)
    return wk_fail(WK_ERROR_SHAPE, "scores must be [N, ..., C], one for each class");
  if (wk_dtype_is_float(labels->dtype)) {
    if (probabilities && wk_layout_same_dims(logits, labels))
      return check_weight(call->inputs[2], logits->dims[logits->rank - 1]);
    wk_fail(WK_ERROR_DTYPE, "labels is %s, but must be i64", wk_dtype_name(labels->dtype));
    wk_error_add_hint(probabilities ? "wk_cast(labels, WK_I64) converts it; probabilities of the "
                                      "classes have the sizes of logits"
                                    : "wk_cast(labels, WK_I64) converts it");
    return WK_ERROR_DTYPE;
  }
  bool fits = labels->rank == logits->rank - 1;
  for (int i = 0; fits && i < labels->rank; i++) fits = labels->dims[i] == logits->dims[i];
  if (!fits) return labels_do_not_fit(logits, labels);
  return check_weight(call->inputs[2], logits->dims[logits->rank - 1]);
}

/* ---- the mean over rows [N, C], in one pass ---- */

bool wk_is_native_cross_entropy(const wk_call *call) {
  const wk_cross_entropy_arguments *a = call->arguments;
  const wk_layout *logits = &call->inputs[0]->layout, *labels = &call->inputs[1]->layout;
  return a->reduction == WK_REDUCTION_MEAN && a->ignore_index == -INFINITY &&
         a->label_smoothing == 0 && !call->inputs[2] && labels->dtype == WK_I64 &&
         logits->rank == 2 && labels->rank == 1 && logits->dims[1] > 0 &&
         logits->dims[0] == labels->dims[0];
}

wk_status wk_infer_cross_entropy(wk_call *call) {
  return wk_infer_output(call, call->inputs[0]->layout.dtype, 0, NULL);
}

wk_status wk_vjp_cross_entropy(wk_vjp *vjp) {
  vjp->input_gradients[0] =
      wk_cross_entropy_gradient(vjp->output_gradients[0], vjp->inputs[0], vjp->inputs[1]);
  return wk_error_status();
}

wk_status wk_infer_cross_entropy_gradient(wk_call *call) {
  const wk_layout *logits = &call->inputs[1]->layout, *labels = &call->inputs[2]->layout;
  if (call->inputs[0]->layout.rank != 0) return wk_fail(WK_ERROR_SHAPE, "g must be one number");
  if (logits->rank != 2 || labels->rank != 1 || labels->dims[0] != logits->dims[0])
    return wk_fail(WK_ERROR_SHAPE, "logits must be [N, C] and labels [N]");
  return wk_infer_output(call, logits->dtype, 2, logits->dims);
}

/* A one for each row of x. */
static wk_tensor *ones(const wk_tensor *x) {
  return wk_full(wk_row_shape(x), 1, .dtype = wk_tensor_dtype(x), .device = wk_tensor_device(x));
}

wk_status wk_composite_cross_entropy_gradient(wk_call *call) {
  wk_tensor *g = call->inputs[0], *logits = call->inputs[1], *labels = call->inputs[2];
  const double rows = (double)wk_tensor_dim(logits, 0);
  wk_tensor *right = wk_spread_label(ones(logits), labels, wk_tensor_dim(logits, 1));
  wk_tensor *difference = wk_subtract(wk_softmax(logits), right);
  call->outputs[0] = wk_multiply(difference, wk_times(g, 1 / rows));
  return wk_error_status();
}

/* ---- everything else, from public ops ---- */

typedef struct rows {
  wk_tensor *log_probabilities, *labels, *weight; /* labels i64 */
  double ignore_index;
} rows;

static wk_tensor *pick(const rows *r, wk_tensor *x) {
  return wk_pick_label(x, r->labels, .ignore_index = r->ignore_index);
}

/* The weight of each row's label: 0 where it is ignored. */
static wk_tensor *label_weights(const rows *r) {
  wk_tensor *x = r->log_probabilities;
  const wk_shape shape = wk_tensor_shape(x);
  if (r->weight) return pick(r, wk_broadcast_to(r->weight, shape));
  wk_tensor *one =
      wk_full(WK_SCALAR, 1, .dtype = wk_tensor_dtype(x), .device = wk_tensor_device(x));
  return pick(r, wk_broadcast_to(one, shape));
}

/* Losses of rows with their labels; `smoothing` of each goes to the mean over the classes. */
static wk_tensor *label_losses(const rows *r, double smoothing, wk_reduction reduction) {
  wk_tensor *log_p = r->log_probabilities, *weights = NULL;
  const bool weighted = r->weight || r->ignore_index != -INFINITY;
  if (weighted) weights = label_weights(r);
  wk_tensor *losses = wk_negative(pick(r, log_p));
  if (r->weight) losses = wk_multiply(losses, weights);
  if (smoothing > 0) {
    const double classes = (double)wk_tensor_dim(log_p, -1);
    wk_tensor *terms = r->weight ? wk_multiply(log_p, r->weight) : log_p;
    wk_tensor *all = wk_times(wk_sum(terms, .axes = WK_AXES(-1)), -smoothing / classes);
    if (r->ignore_index != -INFINITY) {
      const rows unweighted = {log_p, r->labels, NULL, r->ignore_index};
      all = wk_multiply(all, label_weights(&unweighted));
    }
    losses = wk_add(wk_times(losses, 1 - smoothing), all);
  }
  if (!weighted || reduction != WK_REDUCTION_MEAN) return wk_reduce_losses(losses, reduction);
  return wk_divide(wk_sum(losses), wk_sum(weights));
}

static wk_tensor *probability_losses(wk_tensor *log_p, wk_tensor *target, wk_tensor *weight,
                                     const wk_cross_entropy_arguments *a) {
  const double classes = (double)wk_tensor_dim(log_p, -1);
  target = wk_cast(target, wk_tensor_dtype(log_p));
  if (a->label_smoothing > 0)
    target = wk_plus(wk_times(target, 1 - a->label_smoothing), a->label_smoothing / classes);
  wk_tensor *terms = wk_multiply(log_p, target);
  if (weight) terms = wk_multiply(terms, weight);
  wk_tensor *losses = wk_negative(wk_sum(terms, .axes = WK_AXES(-1)));
  return wk_reduce_losses(losses, a->reduction);
}

static wk_tensor *as_i64(wk_tensor *labels) {
  return wk_tensor_dtype(labels) == WK_I64 ? labels : wk_cast(labels, WK_I64);
}

wk_status wk_composite_cross_entropy(wk_call *call) {
  const wk_cross_entropy_arguments *a = call->arguments;
  wk_tensor *logits = call->inputs[0], *labels = call->inputs[1], *weight = call->inputs[2];
  const wk_status status = check_scores(call, true);
  if (status != WK_OK) return status;
  if (wk_dtype_is_float(wk_tensor_dtype(labels))) {
    call->outputs[0] = probability_losses(wk_log_softmax(logits), labels, weight, a);
    return wk_error_status();
  }
  labels = as_i64(labels);
  const int64_t classes = wk_tensor_dim(logits, -1), count = wk_tensor_count(labels);
  const bool plain = a->reduction == WK_REDUCTION_MEAN && a->ignore_index == -INFINITY &&
                     a->label_smoothing == 0 && !weight;
  if (plain) {
    call->outputs[0] = wk_cross_entropy(wk_reshape(logits, WK_SHAPE(count, classes)),
                                        wk_reshape(labels, WK_SHAPE(count)));
  } else {
    const rows r = {wk_log_softmax(logits), labels, weight, a->ignore_index};
    call->outputs[0] = label_losses(&r, a->label_smoothing, a->reduction);
  }
  return wk_error_status();
}

wk_status wk_composite_nll_loss(wk_call *call) {
  const wk_nll_loss_arguments *a = call->arguments;
  const wk_status status = check_scores(call, false);
  if (status != WK_OK) return status;
  const rows r = {call->inputs[0], as_i64(call->inputs[1]), call->inputs[2], a->ignore_index};
  call->outputs[0] = label_losses(&r, 0, a->reduction);
  return wk_error_status();
}
