/* SPDX-License-Identifier: Apache-2.0 */
/* Inverses, solutions and functions of matrices: composites. */
#include <math.h>

#include "base/error.h"
#include "ops/build.h"

static wk_status check_square(const wk_layout *x) {
  if (x->rank >= 2 && x->dims[x->rank - 1] == x->dims[x->rank - 2]) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "only square matrices [..., N, N] are possible");
}

wk_status wk_composite_inverse(wk_call *call) {
  const wk_status status = check_square(&call->inputs[0]->layout);
  if (status != WK_OK) return status;
  call->outputs[0] = wk_solve(call->inputs[0], wk_identity_like(call->inputs[0]));
  return wk_error_status();
}

wk_status wk_composite_cholesky_solve(wk_call *call) {
  wk_tensor *l = call->inputs[1], *y = wk_triangular_solve(l, call->inputs[0]);
  call->outputs[0] = wk_triangular_solve(wk_transposed(l), y, .upper = true);
  return wk_error_status();
}

wk_status wk_composite_cholesky_inverse(wk_call *call) {
  wk_tensor *l = call->inputs[0];
  const wk_status status = check_square(&l->layout);
  if (status != WK_OK) return status;
  call->outputs[0] = wk_cholesky_solve(wk_identity_like(l), l);
  return wk_error_status();
}

wk_status wk_composite_least_squares(wk_call *call) {
  wk_tensor *a = call->inputs[0], *b = call->inputs[1];
  if (a->layout.rank < 2 || b->layout.rank < 2 || wk_tensor_dim(a, -2) != wk_tensor_dim(b, -2))
    return wk_fail(WK_ERROR_SHAPE, "a and b must be [..., M, N] and [..., M, K]");
  if (wk_tensor_dim(a, -2) >= wk_tensor_dim(a, -1)) {
    const wk_qr_result f = wk_qr(a);
    call->outputs[0] = wk_triangular_solve(f.r, wk_matmul(wk_transposed(f.q), b), .upper = true);
  } else { /* the shortest of many solutions lies in the space of a's rows */
    const wk_qr_result f = wk_qr(wk_transposed(a));
    call->outputs[0] = wk_matmul(f.q, wk_triangular_solve(wk_transposed(f.r), b));
  }
  return wk_error_status();
}

/* ---- by singular values ---- */

/* Which singular values [..., K] of x count. */
static wk_tensor *which_count(wk_tensor *x, wk_tensor *s, double tolerance) {
  const int64_t rows = wk_tensor_dim(x, -2), columns = wk_tensor_dim(x, -1);
  const double epsilon = x->layout.dtype == WK_F64 ? 0x1p-52 : 0x1p-23;
  if (tolerance == 0) tolerance = (double)(rows > columns ? rows : columns) * epsilon;
  wk_tensor *largest = wk_slice(s, -1, 0, 1);
  return wk_greater(s, wk_multiply(largest, wk_scalar(tolerance)));
}

wk_status wk_composite_pseudo_inverse(wk_call *call) {
  const wk_pseudo_inverse_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_svd_result f = wk_svd(x);
  if (!f.s) return wk_error_status();
  if (wk_tensor_count(f.s) == 0) {
    call->outputs[0] = wk_transposed(x);
    return wk_error_status();
  }
  wk_tensor *counts = which_count(x, f.s, a->tolerance), *one = wk_scalar(1);
  wk_tensor *inverse = wk_where(counts, wk_divide(one, wk_where(counts, f.s, one)), wk_scalar(0.0));
  wk_tensor *scaled = wk_multiply(f.u, wk_add_axis(inverse, f.s->layout.rank - 1));
  call->outputs[0] = wk_transposed(wk_matmul(scaled, f.vt));
  return wk_error_status();
}

wk_status wk_composite_matrix_rank(wk_call *call) {
  const wk_matrix_rank_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_svd_result f = wk_svd(x);
  if (!f.s) return wk_error_status();
  call->outputs[0] =
      wk_sum(wk_tensor_count(f.s) ? which_count(x, f.s, a->tolerance) : f.s, .axes = WK_AXES(-1));
  if (wk_tensor_count(f.s) == 0) call->outputs[0] = wk_cast_if_other(call->outputs[0], WK_I64);
  return wk_error_status();
}

static wk_tensor *largest_sum(wk_tensor *x, int summed) {
  wk_tensor *sums = wk_sum(wk_abs(x), .axes = WK_AXES(summed));
  return wk_max(sums, .axes = WK_AXES(-1));
}

wk_status wk_composite_matrix_norm(wk_call *call) {
  const wk_matrix_norm_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  if (x->layout.rank < 2)
    return wk_fail(WK_ERROR_SHAPE, "there is no matrix in %d dimensions", x->layout.rank);
  switch (a->kind) {
  case WK_MATRIX_NORM_KIND_FROBENIUS:
    call->outputs[0] = wk_norm(x, .axes = WK_AXES(-2, -1));
    break;
  case WK_MATRIX_NORM_KIND_NUCLEAR:
    call->outputs[0] = wk_sum(wk_svd(x).s, .axes = WK_AXES(-1));
    break;
  case WK_MATRIX_NORM_KIND_SPECTRAL:
    call->outputs[0] = wk_max(wk_svd(x).s, .axes = WK_AXES(-1));
    break;
  case WK_MATRIX_NORM_KIND_LARGEST_COLUMN:
    call->outputs[0] = largest_sum(x, -2);
    break;
  case WK_MATRIX_NORM_KIND_LARGEST_ROW:
    call->outputs[0] = largest_sum(x, -1);
    break;
  }
  return wk_error_status();
}

/* ---- matrix_exponential ---- */

/* x is halved until its rows' sums are below 1, where ten terms of the series are exact to a float
 * and eighteen to a double; the result is squared as often, which doubles its error each time. */
wk_status wk_composite_matrix_exponential(wk_call *call) {
  wk_tensor *given = call->inputs[0], *x = wk_to_accumulate(given);
  wk_status status = check_square(&x->layout);
  if (status != WK_OK) return status;
  int halvings = 0;
  if (wk_tensor_count(x) > 0) {
    const bool recorded = wk_gradients_pause();
    const double size = wk_item(wk_max(wk_sum(wk_abs(x), .axes = WK_AXES(-1))));
    wk_gradients_resume(recorded);
    if (wk_failed()) return wk_error_status();
    if (isfinite(size) && size > 1) halvings = (int)ceil(log2(size));
  }
  wk_tensor *small = wk_multiply(x, wk_scalar(ldexp(1, -halvings))), *one = wk_identity_like(x);
  wk_tensor *y = one;
  for (int n = x->layout.dtype == WK_F64 ? 18 : 10; n > 0; n--)
    y = wk_add(one, wk_multiply(wk_matmul(small, y), wk_scalar(1.0 / n)));
  for (int i = 0; i < halvings; i++) y = wk_matmul(y, y);
  call->outputs[0] = wk_cast_if_other(y, given->layout.dtype);
  return wk_error_status();
}
