/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products. */
#include "ops/matmul.h"

#include "base/error.h"
#include "ops/build.h"

/* Multiply-adds below which a layer is small. */
#define SMALL_LINEAR 4e5

/* x's or y's layout as a matrix: a vector is one row, or one column. */
static wk_layout as_matrix(const wk_layout *layout, bool row) {
  wk_layout matrix = *layout;
  if (layout->rank != 1) return matrix;
  const int kept = row ? 1 : 0;
  matrix.rank = 2;
  matrix.dims[kept] = layout->dims[0], matrix.strides[kept] = layout->strides[0];
  matrix.dims[1 - kept] = 1, matrix.strides[1 - kept] = 0;
  return matrix;
}

wk_matmul_operands wk_matmul_as_matrices(const wk_kernel_call *call) {
  wk_matmul_operands o = {call->inputs[0], call->inputs[1], call->outputs[0]};
  o.x.layout = as_matrix(&call->inputs[0].layout, true);
  o.y.layout = as_matrix(&call->inputs[1].layout, false);
  wk_layout *z = &o.z.layout;
  const bool row = call->inputs[0].layout.rank == 1, column = call->inputs[1].layout.rank == 1;
  if (column) z->dims[z->rank++] = 1;
  if (row) {
    z->dims[z->rank] = z->dims[z->rank - 1];
    z->dims[z->rank++ - 1] = 1;
  }
  wk_layout_set_strides(z);
  return o;
}

static wk_status check_matrices(const wk_layout *x, const wk_layout *y) {
  if (x->rank < 1 || y->rank < 1) {
    wk_fail(WK_ERROR_SHAPE, "both need one dimension at least");
    wk_error_add_hint("wk_multiply multiplies by a single number");
    return WK_ERROR_SHAPE;
  }
  const int axis_x = x->rank - 1, axis_y = y->rank == 1 ? 0 : y->rank - 2;
  if (x->dims[axis_x] == y->dims[axis_y]) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "x's dimension %d (%lld) must equal y's dimension %d (%lld)", axis_x,
          (long long)x->dims[axis_x], axis_y, (long long)y->dims[axis_y]);
  wk_error_add_hint("wk_permute(y, WK_AXES(1, 0)) transposes a matrix");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_matmul(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *y = &call->inputs[1]->layout;
  wk_status status = check_matrices(x, y);
  if (status != WK_OK) return status;
  /* The axes in front broadcast: join the shapes with the matrix axes taken off. */
  wk_tensor front_x, front_y;
  front_x.layout = *x, front_y.layout = *y;
  front_x.layout.rank = x->rank > 2 ? x->rank - 2 : 0;
  front_y.layout.rank = y->rank > 2 ? y->rank - 2 : 0;
  wk_layout joint;
  status = wk_broadcast_layouts((wk_tensor *[]){&front_x, &front_y}, 2, &joint);
  if (status != WK_OK) return status;
  if (x->rank > 1) joint.dims[joint.rank++] = x->dims[x->rank - 2];
  if (y->rank > 1) joint.dims[joint.rank++] = y->dims[y->rank - 1];
  return wk_infer_output(call, x->dtype, joint.rank, joint.dims);
}

/* x^T g, whose gradient's place is like y's: where y is a matrix that lies by columns (a dense
 * layer's weight, transposed) as the transpose of g^T x, which then needs no copy to lie by rows.
 * Each element is the same sum. */
static wk_tensor *gradient_of_right(wk_tensor *x, wk_tensor *g, const wk_tensor *y) {
  const bool by_columns =
      y && y->layout.rank == 2 && y->layout.strides[0] == 1 && y->layout.strides[1] != 1;
  if (!by_columns || !x || x->layout.rank != 2) return wk_matmul(wk_transposed(x), g);
  return wk_transposed(wk_matmul(wk_transposed(g), x));
}

/* Gradients come out with the broadcast axes; autograd sums them away. With a vector among the
 * operands all are made matrices first, and the gradient is reshaped at the end. */
wk_status wk_vjp_matmul(wk_vjp *vjp) {
  wk_tensor *g = vjp->output_gradients[0], *x = vjp->inputs[0], *y = vjp->inputs[1];
  const wk_layout *xs = &vjp->input_layouts[0], *ys = &vjp->input_layouts[1];
  if (ys->rank == 1) {
    g = wk_add_axis(g, g->layout.rank);
    y = wk_add_axis(y, 1);
  }
  if (xs->rank == 1) {
    if (g) g = wk_add_axis(g, g->layout.rank - 1);
    x = wk_add_axis(x, 0);
  }
  if (vjp->needed[0]) {
    wk_tensor *gradient = wk_matmul(g, wk_transposed(y));
    if (xs->rank == 1) gradient = wk_drop_axis(gradient, gradient ? gradient->layout.rank - 2 : 0);
    vjp->input_gradients[0] = gradient;
  }
  if (vjp->needed[1]) {
    wk_tensor *gradient = gradient_of_right(x, g, y);
    if (ys->rank == 1) gradient = wk_drop_axis(gradient, gradient ? gradient->layout.rank - 1 : 0);
    vjp->input_gradients[1] = gradient;
  }
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

/* A small layer is one op: then calls cost more than what they compute. Its sums over at most
 * WK_LINEAR_DEPTH inputs have the bits of those of the product and the bias that it stands for. */
bool wk_is_native_linear(const wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *w = &call->inputs[1]->layout;
  const wk_tensor *bias = call->inputs[2];
  if ((x->dtype != WK_F32 && x->dtype != WK_F64) || x->rank != 2 || w->rank != 2) return false;
  if (x->dims[1] != w->dims[1] || w->dims[1] > WK_LINEAR_DEPTH) return false;
  if (bias && (bias->layout.rank != 1 || bias->layout.dims[0] != w->dims[0])) return false;
  return (double)x->dims[0] * (double)w->dims[0] * (double)w->dims[1] < SMALL_LINEAR;
}

wk_status wk_infer_linear(wk_call *call) {
  const int64_t dims[] = {call->inputs[0]->layout.dims[0], call->inputs[1]->layout.dims[0]};
  return wk_infer_output(call, call->inputs[0]->layout.dtype, 2, dims);
}

wk_status wk_vjp_linear(wk_vjp *vjp) {
  wk_tensor *g = vjp->output_gradients[0];
  if (vjp->needed[0]) vjp->input_gradients[0] = wk_matmul(g, vjp->inputs[1]);
  if (vjp->needed[1]) vjp->input_gradients[1] = wk_matmul(wk_transposed(g), vjp->inputs[0]);
  if (vjp->needed[2])
    vjp->input_gradients[2] = g->layout.dims[0] == 1 ? wk_reshape(g, WK_SHAPE(g->layout.dims[1]))
                                                     : wk_sum(g, .axes = WK_AXES(0));
  return wk_error_status();
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
  wk_tensor *y = wk_matmul(rank == 2 ? x : wk_reshape(x, rows), wk_transposed(weight));
  if (bias) y = wk_add(y, bias);
  result.dims[rank - 1] = weight->layout.dims[0];
  call->outputs[0] = rank == 2 ? y : wk_reshape(y, result);
  return wk_error_status();
}
