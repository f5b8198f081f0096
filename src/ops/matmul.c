/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products. */
#include "base/error.h"
#include "ops/records.gen.h"

static wk_status check_matrices(const wk_layout *x, const wk_layout *y) {
  if (x->rank < 2 || y->rank < 2) {
    wk_fail(WK_ERROR_SHAPE, "both need two dimensions at least");
    wk_error_add_hint("wk_reshape makes a vector of n elements a matrix [1, n] or [n, 1]");
    return WK_ERROR_SHAPE;
  }
  const int64_t inner_x = x->dims[x->rank - 1], inner_y = y->dims[y->rank - 2];
  if (inner_x == inner_y) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "x's dimension %d (%lld) must equal y's dimension %d (%lld)", x->rank - 1,
          (long long)inner_x, y->rank - 2, (long long)inner_y);
  wk_error_add_hint("wk_permute(y, WK_AXES(1, 0)) transposes a matrix");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_matmul(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *y = &call->inputs[1]->layout;
  wk_status status = check_matrices(x, y);
  if (status != WK_OK) return status;
  /* The axes in front broadcast: join the shapes with the matrix axes taken off. */
  wk_tensor front_x = {.layout = *x}, front_y = {.layout = *y};
  front_x.layout.rank -= 2, front_y.layout.rank -= 2;
  wk_layout joint;
  status = wk_broadcast_layouts((wk_tensor *[]){&front_x, &front_y}, 2, &joint);
  if (status != WK_OK) return status;
  joint.dims[joint.rank] = x->dims[x->rank - 2];
  joint.dims[joint.rank + 1] = y->dims[y->rank - 1];
  return wk_infer_output(call, x->dtype, joint.rank + 2, joint.dims);
}

static wk_tensor *transpose(wk_tensor *x) {
  const int rank = wk_tensor_rank(x);
  wk_axes axes = {.count = rank};
  for (int i = 0; i < rank; i++) axes.axis[i] = i;
  if (rank >= 2) axes.axis[rank - 2] = rank - 1, axes.axis[rank - 1] = rank - 2;
  return wk_permute(x, axes);
}

/* Gradients come out with the broadcast axes; autograd sums them away. */
wk_status wk_vjp_matmul(wk_vjp *vjp) {
  wk_tensor *g = vjp->output_gradients[0];
  if (vjp->needed[0]) vjp->input_gradients[0] = wk_matmul(g, transpose(vjp->inputs[1]));
  if (vjp->needed[1]) vjp->input_gradients[1] = wk_matmul(transpose(vjp->inputs[0]), g);
  return wk_error_status();
}

static wk_status check_linear(wk_tensor *x, wk_tensor *weight, wk_tensor *bias) {
  const wk_layout *w = &weight->layout;
  if (w->rank != 2) return wk_fail(WK_ERROR_SHAPE, "the weight must be [out, in]");
  const int rank = x->layout.rank;
  if (rank < 1 || x->layout.dims[rank - 1] != w->dims[1]) {
    wk_fail(WK_ERROR_SHAPE,
            "the weight's dimension 1 (%lld) must equal the input's dimension %d "
            "(%lld)",
            (long long)w->dims[1], rank - 1, rank < 1 ? 0LL : (long long)x->layout.dims[rank - 1]);
    wk_error_add_hint("the weight is [out, in]: it takes inputs of %lld features",
                      (long long)w->dims[1]);
    return WK_ERROR_SHAPE;
  }
  if (bias && (bias->layout.rank != 1 || bias->layout.dims[0] != w->dims[0])) {
    return wk_fail(WK_ERROR_SHAPE, "the bias must be [%lld]", (long long)w->dims[0]);
  }
  return WK_OK;
}

wk_status wk_composite_linear(wk_call *call) {
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1], *bias = call->inputs[2];
  const wk_status status = check_linear(x, weight, bias);
  if (status != WK_OK) return status;
  const int rank = x->layout.rank;
  wk_shape rows = {2, {-1, x->layout.dims[rank - 1]}}, result = wk_layout_shape(&x->layout);
  if (rows.dims[1] == 0 || wk_layout_count(&x->layout) == 0) {
    rows.dims[0] = 1;
    for (int i = 0; i < rank - 1; i++) rows.dims[0] *= x->layout.dims[i];
  }
  wk_tensor *y = wk_matmul(rank == 2 ? x : wk_reshape(x, rows), transpose(weight));
  if (bias) y = wk_add(y, bias);
  result.dims[rank - 1] = weight->layout.dims[0];
  call->outputs[0] = rank == 2 ? y : wk_reshape(y, result);
  return wk_error_status();
}
