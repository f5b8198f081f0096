/* SPDX-License-Identifier: Apache-2.0 */
/* Factors of matrices, determinants and solutions of equations that are kernels: shape rules and
 * gradients. */
#include "base/error.h"
#include "ops/build.h"

/* ---- shapes ---- */

static wk_status check_matrix(const wk_layout *x) {
  if (x->rank >= 2) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "there is no matrix in %d dimensions", x->rank);
}

static wk_status check_square(const wk_layout *x) {
  const wk_status status = check_matrix(x);
  if (status != WK_OK) return status;
  const int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
  if (rows == columns) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "the matrices must be square, but have %lld rows and %lld columns",
                 (long long)rows, (long long)columns);
}

/* Output number `output` of x's axes in front, then these. */
static wk_status infer_behind(wk_call *call, int output, int count, int64_t first, int64_t second) {
  const wk_layout *x = &call->inputs[0]->layout;
  wk_shape shape = wk_layout_shape(x);
  shape.rank = x->rank - 2;
  if (count > 0) shape.dims[shape.rank++] = first;
  if (count > 1) shape.dims[shape.rank++] = second;
  return wk_infer_output_at(call, output, x->dtype, shape.rank, shape.dims);
}

/* ---- rules that gradients share ---- */

static wk_tensor *half_of_both(wk_tensor *x) {
  return wk_multiply(wk_add(x, wk_transposed(x)), wk_scalar(0.5));
}

/* x with a column axis, or a row axis, added behind. */
static wk_tensor *as_column(wk_tensor *x) { return wk_add_axis(x, wk_tensor_rank(x)); }
static wk_tensor *as_row(wk_tensor *x) { return x ? wk_add_axis(x, x->layout.rank - 1) : NULL; }

/* 1 / x, and 0 where x is 0. */
static wk_tensor *reciprocal_or_zero(wk_tensor *x) {
  wk_tensor *is_zero = wk_equal(x, wk_scalar(0)), *one = wk_scalar(1), *zero = wk_scalar(0);
  return wk_where(is_zero, zero, wk_divide(one, wk_where(is_zero, one, x)));
}

/* ---- cholesky ---- */

wk_status wk_infer_cholesky(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_status status = check_square(x);
  return status != WK_OK ? status : wk_infer_output(call, x->dtype, x->rank, x->dims);
}

/* L^-T P L^-1, made symmetric, where P is the lower half of L^T g. */
wk_status wk_vjp_cholesky(wk_vjp *vjp) {
  wk_tensor *upper = wk_transposed(vjp->outputs[0]);
  wk_tensor *product = wk_matmul(upper, vjp->output_gradients[0]);
  wk_tensor *half =
      wk_multiply(wk_add(wk_tril(product), wk_tril(product, .diagonal = -1)), wk_scalar(0.5));
  wk_tensor *left = wk_triangular_solve(upper, half, .upper = true);
  wk_tensor *both = wk_triangular_solve(upper, wk_transposed(left), .upper = true);
  vjp->input_gradients[0] = half_of_both(both);
  return wk_error_status();
}

/* ---- equations ---- */

/* b may be a vector if `vectors`; the result has its sizes behind the axes in front. */
static wk_status infer_equations(wk_call *call, bool vectors) {
  const wk_layout *a = &call->inputs[0]->layout, *b = &call->inputs[1]->layout;
  const int own = vectors && b->rank == 1 ? 1 : 2; /* axes of b that are not in front */
  wk_status status = check_square(a);
  if (status == WK_OK && own == 2) status = check_matrix(b);
  if (status != WK_OK) return status;
  if (a->dims[a->rank - 1] != b->dims[b->rank - own])
    return wk_fail(WK_ERROR_SHAPE, "b has %lld rows, but a has %lld",
                   (long long)b->dims[b->rank - own], (long long)a->dims[a->rank - 1]);
  wk_tensor front_a = {.layout = *a}, front_b = {.layout = *b};
  front_a.layout.rank -= 2, front_b.layout.rank -= own;
  wk_layout joint;
  status = wk_broadcast_layouts((wk_tensor *[]){&front_a, &front_b}, 2, &joint);
  if (status != WK_OK) return status;
  for (int i = b->rank - own; i < b->rank; i++) joint.dims[joint.rank++] = b->dims[i];
  return wk_infer_output(call, a->dtype, joint.rank, joint.dims);
}

wk_status wk_infer_triangular_solve(wk_call *call) { return infer_equations(call, false); }

wk_status wk_infer_solve(wk_call *call) { return infer_equations(call, true); }

/* With h solving the transposed equations for g: b's gradient is h, a's is -h x^T. */
wk_status wk_vjp_triangular_solve(wk_vjp *vjp) {
  const wk_triangular_solve_arguments *a = vjp->arguments;
  wk_tensor *h = wk_triangular_solve(wk_transposed(vjp->inputs[0]), vjp->output_gradients[0],
                                     .upper = !a->upper, .unit_diagonal = a->unit_diagonal);
  vjp->input_gradients[1] = h;
  if (!vjp->needed[0]) return wk_error_status();
  wk_tensor *whole = wk_negative(wk_matmul(h, wk_transposed(vjp->outputs[0])));
  const int64_t offset = !a->unit_diagonal ? 0 : a->upper ? 1 : -1;
  vjp->input_gradients[0] =
      a->upper ? wk_triu(whole, .diagonal = offset) : wk_tril(whole, .diagonal = offset);
  return wk_error_status();
}

wk_status wk_vjp_solve(wk_vjp *vjp) {
  const bool vector = vjp->input_layouts[1].rank == 1;
  wk_tensor *g = vjp->output_gradients[0], *x = vjp->outputs[0];
  if (vector) g = as_column(g), x = as_column(x);
  wk_tensor *h = wk_solve(wk_transposed(vjp->inputs[0]), g);
  if (!h) return wk_error_status();
  vjp->input_gradients[1] = vector ? wk_drop_axis(h, h->layout.rank - 1) : h;
  if (vjp->needed[0]) vjp->input_gradients[0] = wk_negative(wk_matmul(h, wk_transposed(x)));
  return wk_error_status();
}

/* ---- determinants ---- */

wk_status wk_infer_determinant(wk_call *call) {
  const wk_status status = check_square(&call->inputs[0]->layout);
  return status != WK_OK ? status : infer_behind(call, 0, 0, 0, 0);
}

/* y times the inverse, which in f16 may overflow where the gradient does not. */
wk_status wk_vjp_determinant(wk_vjp *vjp) {
  wk_tensor *given = vjp->inputs[0], *x = wk_to_accumulate(given);
  wk_tensor *y = x == given ? vjp->outputs[0] : wk_determinant(x);
  wk_tensor *factor = wk_multiply(wk_cast_if_other(vjp->output_gradients[0], x->layout.dtype), y);
  wk_tensor *gradient = wk_multiply(as_column(as_column(factor)), wk_transposed(wk_inverse(x)));
  vjp->input_gradients[0] = wk_cast_if_other(gradient, given->layout.dtype);
  return wk_error_status();
}

wk_status wk_infer_log_determinant(wk_call *call) {
  wk_status status = check_square(&call->inputs[0]->layout);
  if (status == WK_OK) status = infer_behind(call, 0, 0, 0, 0);
  return status != WK_OK ? status : infer_behind(call, 1, 0, 0, 0);
}

/* The sign does not change. */
wk_status wk_vjp_log_determinant(wk_vjp *vjp) {
  wk_tensor *g = vjp->output_gradients[1];
  if (!g) return WK_OK;
  wk_tensor *inverse = wk_transposed(wk_inverse(vjp->inputs[0]));
  vjp->input_gradients[0] = wk_multiply(as_column(as_column(g)), inverse);
  return wk_error_status();
}

/* ---- qr ---- */

/* Of the only input, checked; the lesser one too. */
static wk_status matrix_sizes(const wk_call *call, int64_t *rows, int64_t *columns, int64_t *less) {
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_status status = check_matrix(x);
  if (status != WK_OK) return status;
  *rows = x->dims[x->rank - 2], *columns = x->dims[x->rank - 1];
  *less = *rows < *columns ? *rows : *columns;
  return WK_OK;
}

wk_status wk_infer_qr(wk_call *call) {
  int64_t rows, columns, less;
  wk_status status = matrix_sizes(call, &rows, &columns, &less);
  if (status == WK_OK) status = infer_behind(call, 0, 2, rows, less);
  return status != WK_OK ? status : infer_behind(call, 1, 2, less, columns);
}

/* x u^-T */
static wk_tensor *behind_upper(wk_tensor *x, wk_tensor *u) {
  return wk_transposed(wk_triangular_solve(u, wk_transposed(x), .upper = true));
}

/* For matrices that are not wide: (gq + q c) r^-T, where c is the lower triangle of
 * r gr^T - gq^T q, mirrored. */
static wk_tensor *tall_qr_gradient(wk_tensor *q, wk_tensor *r, wk_tensor *gq, wk_tensor *gr) {
  wk_tensor *middle =
      wk_subtract(wk_matmul(r, wk_transposed(wk_triu(gr))), wk_matmul(wk_transposed(gq), q));
  wk_tensor *mirrored = wk_add(wk_tril(middle), wk_transposed(wk_tril(middle, .diagonal = -1)));
  return behind_upper(wk_add(gq, wk_matmul(q, mirrored)), r);
}

/* A wide x is [left, rest]: q and the square part of r are the left part's alone, and the rest of r
 * is q^T rest. */
wk_status wk_vjp_qr(wk_vjp *vjp) {
  wk_tensor *x = vjp->inputs[0], *q = vjp->outputs[0], *r = vjp->outputs[1];
  wk_tensor *gq = vjp->output_gradients[0], *gr = vjp->output_gradients[1];
  if (!gq) gq = wk_zeros_like(q);
  if (!gr) gr = wk_zeros_like(r);
  const int64_t rows = wk_tensor_dim(x, -2), columns = wk_tensor_dim(x, -1);
  if (rows >= columns) {
    vjp->input_gradients[0] = tall_qr_gradient(q, r, gq, gr);
    return wk_error_status();
  }
  wk_tensor *rest = wk_slice(x, -1, rows, columns), *g_rest = wk_slice(gr, -1, rows, columns);
  gq = wk_add(gq, wk_matmul(rest, wk_transposed(g_rest)));
  wk_tensor *left = tall_qr_gradient(q, wk_slice(r, -1, 0, rows), gq, wk_slice(gr, -1, 0, rows));
  vjp->input_gradients[0] = wk_concatenate(WK_TENSORS(left, wk_matmul(q, g_rest)), -1);
  return wk_error_status();
}

/* ---- lu ---- */

wk_status wk_infer_lu(wk_call *call) {
  int64_t rows, columns, less;
  wk_status status = matrix_sizes(call, &rows, &columns, &less);
  if (status == WK_OK) status = infer_behind(call, 0, 2, rows, rows);
  if (status == WK_OK) status = infer_behind(call, 1, 2, rows, less);
  return status != WK_OK ? status : infer_behind(call, 2, 2, less, columns);
}

/* l^-T x */
static wk_tensor *before_lower(wk_tensor *l, wk_tensor *x) {
  return wk_triangular_solve(wk_transposed(l), x, .upper = true, .unit_diagonal = true);
}

/* Of the square parts: l^-T (lower triangle of l^T gl + upper triangle of gu u^T) u^-T. A tall l or
 * a wide u has a part beside it, which follows from the square ones: it takes its own gradient and
 * changes theirs. */
wk_status wk_vjp_lu(wk_vjp *vjp) {
  wk_tensor *p = vjp->outputs[0], *l = vjp->outputs[1], *u = vjp->outputs[2], *rest = NULL;
  wk_tensor *gl = vjp->output_gradients[1], *gu = vjp->output_gradients[2];
  const int64_t rows = wk_tensor_dim(l, -2), columns = wk_tensor_dim(u, -1);
  const int64_t less = rows < columns ? rows : columns;
  if (!gl) gl = wk_zeros_like(l);
  if (!gu) gu = wk_zeros_like(u);
  wk_tensor *square_l = wk_slice(l, -2, 0, less), *square_u = wk_slice(u, -1, 0, less);
  wk_tensor *lower = wk_matmul(wk_transposed(square_l), wk_slice(gl, -2, 0, less));
  wk_tensor *upper = wk_matmul(wk_slice(gu, -1, 0, less), wk_transposed(square_u));
  if (rows > less) {
    rest = wk_slice(gl, -2, less, rows);
    upper = wk_subtract(upper, wk_matmul(wk_transposed(wk_slice(l, -2, less, rows)), rest));
    rest = behind_upper(rest, square_u);
  } else if (columns > less) {
    rest = wk_slice(gu, -1, less, columns);
    lower = wk_subtract(lower, wk_matmul(rest, wk_transposed(wk_slice(u, -1, less, columns))));
    rest = before_lower(square_l, rest);
  }
  wk_tensor *middle = wk_add(wk_tril(lower, .diagonal = -1), wk_triu(upper));
  wk_tensor *gradient = before_lower(square_l, behind_upper(middle, square_u));
  if (rest) gradient = wk_concatenate(WK_TENSORS(gradient, rest), rows > less ? -2 : -1);
  vjp->input_gradients[0] = wk_matmul(p, gradient);
  return wk_error_status();
}

/* ---- symmetric_eigen, svd ---- */

wk_status wk_infer_symmetric_eigen(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  wk_status status = check_square(x);
  if (status != WK_OK) return status;
  const int64_t size = x->dims[x->rank - 1];
  status = infer_behind(call, 0, 1, size, 0);
  return status != WK_OK ? status : infer_behind(call, 1, 2, size, size);
}

/* v (diag(g of values) + (v^T g of vectors) / (w[j] - w[i])) v^T, made symmetric. */
wk_status wk_vjp_symmetric_eigen(wk_vjp *vjp) {
  wk_tensor *w = vjp->outputs[0], *v = vjp->outputs[1], *middle = NULL;
  wk_tensor *gw = vjp->output_gradients[0], *gv = vjp->output_gradients[1];
  if (gw) middle = wk_multiply(wk_identity_like(v), as_row(gw));
  if (gv) {
    wk_tensor *shares = reciprocal_or_zero(wk_subtract(as_row(w), as_column(w)));
    wk_tensor *turned = wk_multiply(wk_matmul(wk_transposed(v), gv), shares);
    middle = middle ? wk_add(middle, turned) : turned;
  }
  vjp->input_gradients[0] = half_of_both(wk_matmul(wk_matmul(v, middle), wk_transposed(v)));
  return wk_error_status();
}

wk_status wk_infer_svd(wk_call *call) {
  int64_t rows, columns, less;
  wk_status status = matrix_sizes(call, &rows, &columns, &less);
  if (status == WK_OK) status = infer_behind(call, 0, 2, rows, less);
  if (status == WK_OK) status = infer_behind(call, 1, 1, less, 0);
  return status != WK_OK ? status : infer_behind(call, 2, 2, less, columns);
}

/* x^T y less its transpose, over s[j]^2 - s[i]^2. */
static wk_tensor *turning(wk_tensor *x, wk_tensor *y, wk_tensor *shares) {
  wk_tensor *product = wk_matmul(wk_transposed(x), y);
  return wk_multiply(wk_subtract(product, wk_transposed(product)), shares);
}

/* What of y is not in the space of x's columns. */
static wk_tensor *outside(wk_tensor *x, wk_tensor *y) {
  return wk_subtract(y, wk_matmul(x, wk_matmul(wk_transposed(x), y)));
}

wk_status wk_vjp_svd(wk_vjp *vjp) {
  wk_tensor *u = vjp->outputs[0], *s = vjp->outputs[1], *vt = vjp->outputs[2];
  wk_tensor *gu = vjp->output_gradients[0], *gs = vjp->output_gradients[1];
  wk_tensor *gv = vjp->output_gradients[2] ? wk_transposed(vjp->output_gradients[2]) : NULL;
  wk_tensor *v = wk_transposed(vt), *squares = wk_multiply(s, s);
  wk_tensor *shares = reciprocal_or_zero(wk_subtract(as_row(squares), as_column(squares)));
  if (!gs) gs = wk_zeros_like(s);
  if (!shares || !v) return wk_error_status();
  wk_tensor *middle = wk_multiply(wk_identity_like(shares), as_row(gs));
  if (gu) middle = wk_add(middle, wk_multiply(turning(u, gu, shares), as_row(s)));
  if (gv) middle = wk_add(middle, wk_multiply(as_column(s), turning(v, gv, shares)));
  wk_tensor *gradient = wk_matmul(wk_matmul(u, middle), vt), *inverse = reciprocal_or_zero(s);
  if (gu && wk_tensor_dim(u, -2) > wk_tensor_dim(u, -1))
    gradient = wk_add(gradient, wk_matmul(wk_multiply(outside(u, gu), as_row(inverse)), vt));
  if (gv && wk_tensor_dim(v, -2) > wk_tensor_dim(v, -1))
    gradient =
        wk_add(gradient, wk_matmul(wk_multiply(u, as_row(inverse)), wk_transposed(outside(v, gv))));
  vjp->input_gradients[0] = gradient;
  return wk_error_status();
}
