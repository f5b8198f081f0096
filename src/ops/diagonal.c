/* SPDX-License-Identifier: Apache-2.0 */
/* Diagonals and triangles of matrices. */
#include "base/error.h"
#include "ops/build.h"

/* ---- diagonal ---- */

/* The two axes made non-negative; none given stand for the last two. */
static wk_status resolve_axes(wk_diagonal_arguments *a, int rank) {
  if (a->axis_1 == 0 && a->axis_2 == 0) a->axis_1 = -2, a->axis_2 = -1;
  if (rank < 2) return wk_fail(WK_ERROR_SHAPE, "there is no matrix in %d dimensions", rank);
  a->axis_1 = wk_axis_resolve(a->axis_1, rank);
  a->axis_2 = a->axis_1 < 0 ? -1 : wk_axis_resolve(a->axis_2, rank);
  if (a->axis_2 < 0) return wk_error_status();
  if (a->axis_1 == a->axis_2) return wk_fail(WK_ERROR_ARGUMENT, "both axes are %d", a->axis_1);
  return WK_OK;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Where a diagonal begins, and how long it is. */
typedef struct place {
  int64_t row, column, length;
} place;

static place find_diagonal(int64_t rows, int64_t columns, int64_t offset) {
  if (offset >= columns || offset <= -rows) return (place){0, 0, 0};
  place p = {offset < 0 ? -offset : 0, offset > 0 ? offset : 0, 0};
  p.length = smaller(rows - p.row, columns - p.column);
  return p;
}

wk_status wk_infer_diagonal(wk_call *call) {
  wk_diagonal_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_status status = resolve_axes(a, x->rank);
  if (status != WK_OK) return status;
  const place p = find_diagonal(x->dims[a->axis_1], x->dims[a->axis_2], a->offset);
  wk_layout *y = &call->layouts[0];
  *y = (wk_layout){.dtype = x->dtype};
  for (int i = 0; i < x->rank; i++) {
    if (i == a->axis_1 || i == a->axis_2) continue;
    y->dims[y->rank] = x->dims[i], y->strides[y->rank++] = x->strides[i];
  }
  y->dims[y->rank] = p.length;
  y->strides[y->rank++] = x->strides[a->axis_1] + x->strides[a->axis_2];
  call->view_offset = call->inputs[0]->offset;
  if (wk_layout_count(y) > 0)
    call->view_offset += p.row * x->strides[a->axis_1] + p.column * x->strides[a->axis_2];
  return WK_OK;
}

/* In a row-major matrix a diagonal's elements are columns + 1 apart: g as rows of that length with
 * zeros behind the first element, put at the place of the diagonal's first. */
static wk_tensor *spread(wk_tensor *g, int64_t rows, int64_t columns, int64_t offset) {
  const int rank = wk_tensor_rank(g);
  const place p = find_diagonal(rows, columns, offset);
  wk_shape shape = wk_tensor_shape(g), none = {.rank = rank + 1}, behind = none;
  behind.dims[rank] = columns;
  wk_tensor *spaced = wk_pad(wk_add_axis(g, rank), none, behind);
  const int64_t start = p.row * columns + p.column, length = p.length * (columns + 1);
  const int64_t used = smaller(length, rows * columns - start);
  shape.dims[rank - 1] = length;
  wk_shape before = {.rank = rank}, after = {.rank = rank};
  before.dims[rank - 1] = start, after.dims[rank - 1] = rows * columns - start - used;
  wk_tensor *flat = wk_pad(wk_slice(wk_reshape(spaced, shape), rank - 1, 0, used), before, after);
  shape.dims[rank - 1] = rows, shape.dims[rank] = columns, shape.rank = rank + 1;
  return wk_reshape(flat, shape);
}

wk_status wk_vjp_diagonal(wk_vjp *vjp) {
  const wk_diagonal_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *spaced = spread(vjp->output_gradients[0], x->dims[a->axis_1], x->dims[a->axis_2],
                             a->offset);
  wk_axes back = {.count = x->rank};
  for (int i = 0, other = 0; i < x->rank; i++)
    back.axis[i] = i == a->axis_1   ? x->rank - 2
                   : i == a->axis_2 ? x->rank - 1
                                    : other++;
  vjp->input_gradients[0] = wk_permute(spaced, back);
  return wk_error_status();
}

wk_status wk_composite_trace(wk_call *call) {
  call->outputs[0] = wk_sum(wk_diagonal(call->inputs[0]), .axes = WK_AXES(-1));
  return wk_error_status();
}

/* ---- triangles ---- */

/* For each element of a matrix, how far above the main diagonal it stands: column - row. */
static wk_tensor *heights(int64_t rows, int64_t columns, wk_device *device) {
  wk_tensor *row = wk_arange(rows, .dtype = WK_I64, .device = device);
  wk_tensor *column = wk_arange(columns, .dtype = WK_I64, .device = device);
  return wk_subtract(column, wk_add_axis(row, 1));
}

static wk_tensor *heights_of(wk_tensor *x) {
  return heights(wk_tensor_dim(x, -2), wk_tensor_dim(x, -1), wk_tensor_device_of(x));
}

static wk_status check_matrix(const wk_call *call) {
  if (call->inputs[0]->layout.rank >= 2) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "there is no matrix in %d dimensions",
                 call->inputs[0]->layout.rank);
}

/* As a tensor, not a number: beside bools a number would count as an integer. */
static wk_tensor *zero_of(wk_tensor *x) {
  return wk_full(WK_SCALAR, 0, .dtype = x->layout.dtype, .device = wk_tensor_device_of(x));
}

wk_status wk_composite_lower_triangle(wk_call *call) {
  const wk_lower_triangle_arguments *a = call->arguments;
  const wk_status status = check_matrix(call);
  if (status != WK_OK) return status;
  wk_tensor *x = call->inputs[0];
  wk_tensor *kept = wk_less_equal(heights_of(x), wk_scalar(a->offset));
  call->outputs[0] = wk_where(kept, x, zero_of(x));
  return wk_error_status();
}

wk_status wk_composite_upper_triangle(wk_call *call) {
  const wk_upper_triangle_arguments *a = call->arguments;
  const wk_status status = check_matrix(call);
  if (status != WK_OK) return status;
  wk_tensor *x = call->inputs[0];
  wk_tensor *kept = wk_greater_equal(heights_of(x), wk_scalar(a->offset));
  call->outputs[0] = wk_where(kept, x, zero_of(x));
  return wk_error_status();
}

wk_tensor *wk_identity_like(wk_tensor *x) {
  wk_tensor *one = wk_cast(wk_equal(heights_of(x), wk_scalar(0)), x->layout.dtype);
  return wk_broadcast_to(one, wk_tensor_shape(x));
}
