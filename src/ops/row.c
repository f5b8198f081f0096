/* SPDX-License-Identifier: Apache-2.0 */
/* Ops along the last axis: the softmax family and cross_entropy. */
#include "base/error.h"
#include "ops/records.gen.h"

static wk_status infer_same(wk_call *call, const wk_layout *x) {
  if (x->rank < 1) return wk_fail(WK_ERROR_SHAPE, "there is no last axis in a single number");
  for (int i = 0; i < call->input_count; i++) {
    if (!wk_layout_same_dims(&call->inputs[i]->layout, x)) {
      return wk_fail(WK_ERROR_SHAPE, "g and y must have the same sizes");
    }
  }
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

wk_status wk_infer_softmax(wk_call *call) { return infer_same(call, &call->inputs[0]->layout); }

wk_status wk_infer_log_softmax(wk_call *call) { return wk_infer_softmax(call); }

wk_status wk_infer_softmax_gradient(wk_call *call) { return wk_infer_softmax(call); }

wk_status wk_infer_log_softmax_gradient(wk_call *call) { return wk_infer_softmax(call); }

wk_status wk_vjp_softmax(wk_vjp *vjp) {
  vjp->input_gradients[0] = wk_softmax_gradient(vjp->output_gradients[0], vjp->outputs[0]);
  return wk_error_status();
}

wk_status wk_vjp_log_softmax(wk_vjp *vjp) {
  vjp->input_gradients[0] = wk_log_softmax_gradient(vjp->output_gradients[0], vjp->outputs[0]);
  return wk_error_status();
}

static wk_status check_logits(const wk_layout *logits, const wk_layout *labels) {
  if (logits->rank != 2 || logits->dims[1] < 1) {
    wk_fail(WK_ERROR_SHAPE, "logits must be [N, C], one score for each class");
    wk_error_add_hint(logits->rank > 2 ? "a wk_flatten_layer before the last linear layer makes "
                                         "one row of each example"
                                       : "wk_reshape makes one example's scores a row [1, C]");
    return WK_ERROR_SHAPE;
  }
  if (labels->rank == 1 && labels->dims[0] == logits->dims[0]) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "labels must be [%lld]: one class number for each row of logits",
          (long long)logits->dims[0]);
  if (wk_layout_same_dims(logits, labels))
    wk_error_add_hint("for one-hot labels, wk_argmax(labels, 1) gives numbers");
  else if (wk_layout_count(labels) == logits->dims[0])
    wk_error_add_hint("wk_reshape(labels, WK_SHAPE(-1)) makes them a list");
  else
    wk_error_add_hint("inputs and labels must be of the same batch");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_cross_entropy(wk_call *call) {
  const wk_layout *logits = &call->inputs[0]->layout;
  const wk_status status = check_logits(logits, &call->inputs[1]->layout);
  return status != WK_OK ? status : wk_infer_output(call, logits->dtype, 0, NULL);
}

wk_status wk_infer_cross_entropy_gradient(wk_call *call) {
  const wk_layout *logits = &call->inputs[1]->layout;
  const wk_status status = check_logits(logits, &call->inputs[2]->layout);
  if (status != WK_OK) return status;
  if (call->inputs[0]->layout.rank != 0) return wk_fail(WK_ERROR_SHAPE, "g must be one number");
  return wk_infer_output(call, logits->dtype, 2, logits->dims);
}

wk_status wk_vjp_cross_entropy(wk_vjp *vjp) {
  vjp->input_gradients[0] =
      wk_cross_entropy_gradient(vjp->output_gradients[0], vjp->inputs[0], vjp->inputs[1]);
  return wk_error_status();
}
