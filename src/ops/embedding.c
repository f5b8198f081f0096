/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table by number, and sums over groups of rows. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* ---- embedding ---- */

wk_status wk_infer_embedding(wk_call *call) {
  const wk_embedding_arguments *a = call->arguments;
  const wk_layout *weight = &call->inputs[0]->layout, *indices = &call->inputs[1]->layout;
  if (weight->rank != 2) {
    return wk_fail(WK_ERROR_SHAPE, "weight has %d dimensions; it must be [rows, width]",
                   weight->rank);
  }
  if (a->has_padding && (a->padding_index < 0 || a->padding_index >= weight->dims[0])) {
    return wk_fail(WK_ERROR_INDEX, "padding_index %lld is not one of weight's rows 0 .. %lld",
                   (long long)a->padding_index, (long long)weight->dims[0] - 1);
  }
  if (indices->rank == WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "indices has %d dimensions already", indices->rank);
  int64_t dims[WK_MAX_RANK];
  for (int i = 0; i < indices->rank; i++) dims[i] = indices->dims[i];
  dims[indices->rank] = weight->dims[1];
  return wk_infer_output(call, weight->dtype, indices->rank + 1, dims);
}

wk_status wk_vjp_embedding(wk_vjp *vjp) {
  const wk_embedding_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0], *indices = vjp->inputs[1];
  wk_tensor *rows = g;
  if (a->has_padding) {
    wk_tensor *padding = wk_equal(wk_unsqueeze(indices, -1), wk_scalar(a->padding_index));
    rows = wk_where(padding, wk_scalar(0), g);
  }
  vjp->input_gradients[0] = wk_index_put(wk_zeros_shaped(&vjp->input_layouts[0], g), rows,
                                         WK_TENSORS(indices), .accumulate = true);
  return wk_error_status();
}

/* ---- segments ---- */

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

/* ---- embedding_bag ---- */

/* Of each index the bag it is in, from the places where bags begin. */
static wk_tensor *bags_from_offsets(wk_tensor *offsets, int64_t index_count) {
  const int64_t bag_count = offsets->layout.dims[0];
  int64_t *starts = wk_allocate_zeroed((size_t)bag_count + 1, sizeof *starts);
  int64_t *bags = wk_allocate_zeroed((size_t)index_count + 1, sizeof *bags);
  wk_tensor *result = NULL;
  wk_status status = starts && bags ? WK_OK : WK_ERROR_MEMORY;
  if (status == WK_OK) status = wk_tensor_read(offsets, starts, (size_t)bag_count * sizeof *starts);
  if (status == WK_OK) starts[bag_count] = index_count;
  for (int64_t b = 0; b < bag_count && status == WK_OK; b++) {
    const bool in_order = starts[b] >= 0 && starts[b] <= starts[b + 1];
    if (in_order && (b > 0 || starts[0] == 0)) {
      for (int64_t i = starts[b]; i < starts[b + 1] && i < index_count; i++) bags[i] = b;
    } else {
      status = wk_fail(WK_ERROR_INDEX, "offset %lld at [%lld] is out of order",
                       (long long)starts[b], (long long)b);
      wk_error_add_hint("offsets begin with 0 and never fall or exceed the number of indices, %lld",
                        (long long)index_count);
    }
  }
  if (status == WK_OK)
    result = wk_tensor_from_data(WK_SHAPE(index_count), WK_I64, bags, wk_tensor_device_of(offsets));
  wk_deallocate(starts);
  wk_deallocate(bags);
  return result;
}

/* Flat indices and their bags; the number of bags, or -1. */
static int64_t find_bags(const wk_call *call, wk_tensor **indices, wk_tensor **bags) {
  wk_tensor *given = call->inputs[1], *offsets = call->inputs[2];
  *indices = wk_reshape(given, WK_SHAPE(-1));
  if (given->layout.rank == 2 && !offsets) {
    const int64_t count = given->layout.dims[0];
    wk_tensor *column = wk_reshape(wk_counting(count, given), WK_SHAPE(count, 1));
    *bags = wk_reshape(wk_broadcast_to(column, wk_layout_shape(&given->layout)), WK_SHAPE(-1));
    return wk_failed() ? -1 : count;
  }
  if (given->layout.rank != 1 || !offsets || offsets->layout.rank != 1) {
    wk_fail(WK_ERROR_SHAPE, "indices must be [bags, size], or [n] with offsets [bags]");
    return -1;
  }
  *bags = bags_from_offsets(offsets, given->layout.dims[0]);
  return *bags ? offsets->layout.dims[0] : -1;
}

wk_status wk_composite_embedding_bag(wk_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  wk_tensor *weights = call->inputs[3], *indices, *bags;
  const int64_t count = find_bags(call, &indices, &bags);
  if (count < 0) return wk_error_status();
  wk_tensor *rows = wk_embedding(call->inputs[0], indices, .has_padding = a->has_padding,
                                 .padding_index = a->padding_index);
  if (weights) {
    if (!wk_layout_same_dims(&weights->layout, &call->inputs[1]->layout))
      return wk_fail(WK_ERROR_SHAPE, "sample_weights must have the sizes of indices");
    if (a->mode != WK_BAG_MODE_SUM)
      return wk_fail(WK_ERROR_UNSUPPORTED, "sample_weights go with the mode sum only");
    rows = wk_multiply(rows, wk_reshape(weights, WK_SHAPE(-1, 1)));
  }
  if (a->has_padding) { /* these are in no bag */
    wk_tensor *kept = wk_nonzero(wk_not_equal(indices, wk_scalar(a->padding_index)));
    kept = wk_reshape(kept, WK_SHAPE(-1));
    rows = wk_index_select(rows, kept, 0);
    bags = wk_index_select(bags, kept, 0);
  }
  if (wk_failed()) return wk_error_status();
  if (count == 0) {
    call->outputs[0] = wk_slice(rows, 0, 0, 0);
    return wk_error_status();
  }
  switch (a->mode) {
  case WK_BAG_MODE_SUM:
    call->outputs[0] = wk_segment_sum(rows, bags, .count = count);
    break;
  case WK_BAG_MODE_MAX:
    call->outputs[0] = wk_segment_max(rows, bags, .count = count);
    break;
  default:
    call->outputs[0] = wk_segment_mean(rows, bags, .count = count);
  }
  return wk_error_status();
}
