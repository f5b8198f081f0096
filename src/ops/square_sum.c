/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "ops/build.h"

wk_status wk_infer_square_sum(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank != 3) return wk_fail(WK_ERROR_SHAPE, "x must be [outer, count, inner]");
  const wk_layout result = {.rank = 2, .dims = {x->dims[0], x->dims[2]}};
  if (call->inputs[1] && !wk_layout_same_dims(&call->inputs[1]->layout, &result))
    return wk_fail(WK_ERROR_SHAPE, "mean must be [outer, inner]");
  return wk_infer_output(call, x->dtype, 2, result.dims);
}

wk_status wk_vjp_square_sum(wk_vjp *vjp) {
  wk_tensor *x = vjp->inputs[0], *mean = vjp->inputs[1];
  wk_tensor *distance = mean ? wk_subtract(x, wk_add_axis(mean, 1)) : x;
  wk_tensor *g = wk_add_axis(vjp->output_gradients[0], 1);
  wk_tensor *gradient = wk_multiply(wk_multiply(distance, wk_scalar(2)), g);
  vjp->input_gradients[0] = gradient;
  if (vjp->needed[1]) vjp->input_gradients[1] = wk_negative(wk_sum(gradient, .axes = WK_AXES(1)));
  return wk_error_status();
}
