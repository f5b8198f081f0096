/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors made from settings alone, or like others. */
#include "ops/creation.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

/* From both ends, so that the last element is exact. */
static double linspace_value(const wk_linspace_arguments *a, int64_t index) {
  if (a->count == 1) return a->start;
  const double step = (a->end - a->start) / (double)(a->count - 1);
  return index < a->count / 2 ? a->start + step * (double)index
                              : a->end - step * (double)(a->count - 1 - index);
}

double wk_creation_value(const wk_op *op, const void *arguments, int64_t index) {
  if (op->id == WK_OP_FULL) return ((const wk_full_arguments *)arguments)->value;
  if (op->id == WK_OP_LINSPACE) return linspace_value(arguments, index);
  const wk_arange_arguments *a = arguments;
  return a->start + (double)index * a->step;
}

static wk_status infer_row(wk_call *call, int64_t count, wk_dtype dtype) {
  return wk_infer_output(call, dtype ? dtype : WK_F32, 1, &count);
}

wk_status wk_infer_full(wk_call *call) {
  const wk_full_arguments *a = call->arguments;
  return wk_infer_output(call, a->dtype ? a->dtype : WK_F32, a->shape.rank, a->shape.dims);
}

wk_status wk_infer_arange(wk_call *call) {
  const wk_arange_arguments *a = call->arguments;
  return infer_row(call, a->count, a->dtype);
}

wk_status wk_infer_linspace(wk_call *call) {
  const wk_linspace_arguments *a = call->arguments;
  return infer_row(call, a->count, a->dtype);
}

/* ---- composites ---- */

static wk_status give(wk_call *call, wk_tensor *result) {
  call->outputs[0] = result;
  return wk_error_status();
}

wk_status wk_composite_zeros(wk_call *call) {
  const wk_zeros_arguments *a = call->arguments;
  return give(call, wk_full(a->shape, 0, .dtype = a->dtype, .device = a->device));
}

wk_status wk_composite_ones(wk_call *call) {
  const wk_ones_arguments *a = call->arguments;
  return give(call, wk_full(a->shape, 1, .dtype = a->dtype, .device = a->device));
}

static wk_status give_like(wk_call *call, double value, wk_dtype dtype) {
  wk_tensor *x = call->inputs[0];
  return give(call, wk_full(wk_tensor_shape(x), value, .dtype = dtype ? dtype : x->layout.dtype,
                            .device = wk_tensor_device(x)));
}

wk_status wk_composite_full_like(wk_call *call) {
  const wk_full_like_arguments *a = call->arguments;
  return give_like(call, a->value, a->dtype);
}

wk_status wk_composite_zeros_like(wk_call *call) {
  return give_like(call, 0, ((const wk_zeros_like_arguments *)call->arguments)->dtype);
}

wk_status wk_composite_ones_like(wk_call *call) {
  return give_like(call, 1, ((const wk_ones_like_arguments *)call->arguments)->dtype);
}

wk_status wk_composite_empty_like(wk_call *call) {
  return give_like(call, 0, ((const wk_empty_like_arguments *)call->arguments)->dtype);
}

/* The numbers 0 .. count - 1 in a column or a row. */
static wk_tensor *places(int64_t count, bool column, wk_device *device) {
  wk_tensor *row = wk_arange(count, .dtype = WK_I64, .device = device);
  return column ? wk_reshape(row, WK_SHAPE(count, 1)) : row;
}

wk_status wk_composite_eye(wk_call *call) {
  const wk_eye_arguments *a = call->arguments;
  const int64_t columns = a->columns ? a->columns : a->rows;
  wk_tensor *same = wk_equal(places(a->rows, true, a->device), places(columns, false, a->device));
  return give(call, wk_cast(same, a->dtype));
}

wk_status wk_composite_logspace(wk_call *call) {
  const wk_logspace_arguments *a = call->arguments;
  wk_tensor *exponents =
      wk_linspace(a->start, a->end, a->count, .dtype = WK_F64, .device = a->device);
  return give(call, wk_cast(wk_power(wk_scalar(a->base), exponents), a->dtype));
}

wk_status wk_composite_geomspace(wk_call *call) {
  const wk_geomspace_arguments *a = call->arguments;
  if (!(a->end / a->start > 0)) {
    return wk_fail(WK_ERROR_ARGUMENT, "start, %g, and end, %g, are not of one sign", a->start,
                   a->end);
  }
  wk_tensor *exponents = wk_linspace(0, 1, a->count, .dtype = WK_F64, .device = a->device);
  wk_tensor *multiples =
      wk_power(wk_full(WK_SCALAR, a->end / a->start, .dtype = WK_F64, .device = a->device),
               exponents);
  return give(call, wk_cast(wk_multiply(multiples, wk_scalar(a->start)), a->dtype));
}

wk_status wk_composite_range(wk_call *call) {
  const wk_range_arguments *a = call->arguments;
  const double count = ceil((a->end - a->start) / a->step);
  if (!(count >= 0)) {
    wk_fail(WK_ERROR_ARGUMENT, "steps of %g do not lead from start, %g, to end, %g", a->step,
            a->start, a->end);
    wk_error_add_hint("step must be positive if end lies above start, and negative below");
    return WK_ERROR_ARGUMENT;
  }
  if (count >= 0x1p62) return wk_fail(WK_ERROR_SHAPE, "the range has too many elements");
  return give(call, wk_arange((int64_t)count, .start = a->start, .step = a->step, .dtype = a->dtype,
                              .device = a->device));
}

wk_status wk_composite_clone(wk_call *call) { return give(call, wk_contiguous(call->inputs[0])); }

wk_status wk_composite_meshgrid(wk_call *call) {
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  if (x->layout.rank != 1 || y->layout.rank != 1) {
    return wk_fail(WK_ERROR_SHAPE, "x has %d and y has %d dimensions; both must have one",
                   x->layout.rank, y->layout.rank);
  }
  const int64_t rows = x->layout.dims[0], columns = y->layout.dims[0];
  call->outputs[0] = wk_broadcast_to(wk_reshape(x, WK_SHAPE(rows, 1)), WK_SHAPE(rows, columns));
  call->outputs[1] = wk_broadcast_to(y, WK_SHAPE(rows, columns));
  return wk_error_status();
}

/* x as a column along a new last axis beside the numbers 0 .. count - 1. */
static wk_tensor *with_new_axis(wk_tensor *x) {
  wk_shape shape = wk_tensor_shape(x);
  if (shape.rank == WK_MAX_RANK) {
    wk_fail(WK_ERROR_SHAPE, "x has %d dimensions; there is no room for another", shape.rank);
    return NULL;
  }
  shape.dims[shape.rank++] = 1;
  return wk_reshape(x, shape);
}

wk_status wk_composite_one_hot(wk_call *call) {
  const wk_one_hot_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  wk_tensor *same = wk_equal(with_new_axis(x), places(a->classes, false, wk_tensor_device(x)));
  return give(call, wk_cast(same, a->dtype ? a->dtype : WK_I64));
}

wk_status wk_composite_sequence_mask(wk_call *call) {
  const wk_sequence_mask_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  return give(call, wk_greater(with_new_axis(x), places(a->count, false, wk_tensor_device(x))));
}

/* ---- triangles ---- */

/* x with zeros where the column is beyond row + diagonal, or else where it is before. */
static wk_status give_triangle(wk_call *call, int64_t diagonal, bool lower) {
  wk_tensor *x = call->inputs[0];
  const int rank = x->layout.rank;
  if (rank < 2) {
    return wk_fail(WK_ERROR_SHAPE, "x has %d dimensions, but a triangle needs two", rank);
  }
  wk_device *device = wk_tensor_device(x);
  wk_tensor *rows = wk_arange(x->layout.dims[rank - 2], .start = (double)diagonal, .dtype = WK_I64,
                              .device = device);
  rows = wk_reshape(rows, WK_SHAPE(x->layout.dims[rank - 2], 1));
  wk_tensor *columns = places(x->layout.dims[rank - 1], false, device);
  wk_tensor *outside = lower ? wk_greater(columns, rows) : wk_less(columns, rows);
  return give(call, wk_masked_fill(x, outside, 0));
}

wk_status wk_composite_tril(wk_call *call) {
  return give_triangle(call, ((const wk_tril_arguments *)call->arguments)->diagonal, true);
}

wk_status wk_composite_triu(wk_call *call) {
  return give_triangle(call, ((const wk_triu_arguments *)call->arguments)->diagonal, false);
}

/* Which columns of a row belong to the triangle. */
static int64_t first_column(int64_t row, int64_t diagonal, bool lower) {
  const int64_t at = row + diagonal;
  return lower || at < 0 ? 0 : at;
}
static int64_t end_column(int64_t row, int64_t columns, int64_t diagonal, bool lower) {
  const int64_t end = lower ? row + diagonal + 1 : columns;
  return end < columns ? end : columns;
}

static wk_status give_indices(wk_call *call, int64_t rows, int64_t columns, int64_t diagonal,
                              bool lower, wk_device *device) {
  if (diagonal > rows + columns || diagonal < -rows - columns)
    diagonal = diagonal < 0 ? -rows - columns : rows + columns;
  int64_t count = 0, at = 0;
  for (int64_t row = 0; row < rows; row++) {
    const int64_t width =
        end_column(row, columns, diagonal, lower) - first_column(row, diagonal, lower);
    if (width > 0 && __builtin_add_overflow(count, width, &count))
      return wk_fail(WK_ERROR_SHAPE, "the matrix is too large");
  }
  int64_t *index =
      count < INT64_MAX / 32 ? wk_allocate((size_t)count * 2 * sizeof *index + 1) : NULL;
  if (!index) return wk_fail(WK_ERROR_MEMORY, "no memory for %lld places", (long long)count);
  for (int64_t row = 0; row < rows; row++) {
    const int64_t end = end_column(row, columns, diagonal, lower);
    for (int64_t column = first_column(row, diagonal, lower); column < end; column++, at++) {
      index[at] = row;
      index[count + at] = column;
    }
  }
  wk_tensor *result = wk_tensor_from_data(WK_SHAPE(2, count), WK_I64, index, device);
  wk_deallocate(index);
  return give(call, result);
}

wk_status wk_composite_tril_indices(wk_call *call) {
  const wk_tril_indices_arguments *a = call->arguments;
  return give_indices(call, a->rows, a->columns, a->diagonal, true, a->device);
}

wk_status wk_composite_triu_indices(wk_call *call) {
  const wk_triu_indices_arguments *a = call->arguments;
  return give_indices(call, a->rows, a->columns, a->diagonal, false, a->device);
}
