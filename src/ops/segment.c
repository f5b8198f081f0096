/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, means and the like over groups of rows. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* The number of segments: given, or the largest id and one. -1 on error. */
static int64_t segment_count(const wk_call *call, int64_t given) {
  const wk_layout *x = &call->inputs[0]->layout, *ids = &call->inputs[1]->layout;
  if (ids->rank != 1 || x->rank < 1 || ids->dims[0] != x->dims[0]) {
    wk_fail(WK_ERROR_SHAPE, "segments must be one-dimensional, with a number for each row of x");
    return -1;
  }
  if (given > 0) return given;
  const size_t size = (size_t)ids->dims[0];
  int64_t *values = wk_allocate_zeroed(size + 1, sizeof *values), most = -1;
  if (values && wk_tensor_read(call->inputs[1], values, size * sizeof *values) == WK_OK) {
    for (size_t i = 0; i < size; i++) most = values[i] > most ? values[i] : most;
  }
  wk_deallocate(values);
  return wk_failed() ? -1 : most + 1;
}

static wk_layout segments_of(const wk_layout *x, int64_t count) {
  wk_layout layout = *x;
  layout.dims[0] = count;
  return layout;
}

static wk_tensor *sum_segments(const wk_call *call, int64_t given) {
  wk_tensor *x = call->inputs[0], *ids = call->inputs[1];
  const int64_t count = segment_count(call, given);
  if (count < 0) return NULL;
  const wk_layout result = segments_of(&x->layout, count);
  return wk_index_put(wk_zeros_shaped(&result, x), x, WK_TENSORS(ids), .accumulate = true);
}

wk_status wk_composite_segment_sum(wk_call *call) {
  call->outputs[0] = sum_segments(call, ((const wk_segment_sum_arguments *)call->arguments)->count);
  return wk_error_status();
}

/* Segments without rows are zeros. */
static wk_tensor *reduce_segments(const wk_call *call, int64_t given,
                                  wk_scatter_reduction reduction) {
  wk_tensor *x = call->inputs[0], *ids = call->inputs[1];
  const int64_t count = segment_count(call, given);
  if (count < 0) return NULL;
  const wk_layout result = segments_of(&x->layout, count);
  return wk_index_reduce(wk_zeros_shaped(&result, x), ids, x, 0, .reduction = reduction,
                         .exclude_x = true);
}

wk_status wk_composite_segment_mean(wk_call *call) {
  const wk_segment_mean_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *ids = call->inputs[1];
  wk_tensor *sum = sum_segments(call, a->count);
  if (!sum) return wk_error_status();
  const wk_layout line = {.dtype = x->layout.dtype, .rank = 1, .dims = {wk_tensor_dim(sum, 0)}};
  wk_tensor *one = wk_full(WK_SCALAR, 1, .dtype = line.dtype, .device = wk_tensor_device_of(x));
  wk_tensor *rows =
      wk_index_put(wk_zeros_shaped(&line, x), one, WK_TENSORS(ids), .accumulate = true);
  wk_shape column = {.rank = x->layout.rank, .dims = {line.dims[0], 1, 1, 1, 1, 1, 1, 1}};
  call->outputs[0] = wk_divide(sum, wk_reshape(wk_maximum(rows, wk_scalar(1)), column));
  return wk_error_status();
}

wk_status wk_composite_segment_max(wk_call *call) {
  const wk_segment_max_arguments *a = call->arguments;
  call->outputs[0] = reduce_segments(call, a->count, WK_SCATTER_REDUCTION_MAX);
  return wk_error_status();
}

wk_status wk_composite_segment_min(wk_call *call) {
  const wk_segment_min_arguments *a = call->arguments;
  call->outputs[0] = reduce_segments(call, a->count, WK_SCATTER_REDUCTION_MIN);
  return wk_error_status();
}

wk_status wk_composite_segment_product(wk_call *call) {
  const wk_segment_product_arguments *a = call->arguments;
  call->outputs[0] = reduce_segments(call, a->count, WK_SCATTER_REDUCTION_PRODUCT);
  return wk_error_status();
}
