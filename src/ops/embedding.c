/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table by number, one by one or in bags. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/bags.h"
#include "ops/build.h"
#include "ops/position.h"
#include "ops/rows.h"

/* ---- rows that grow no larger ---- */

static wk_status check_writable(const wk_tensor *weight) {
  if (wk_gradients_recorded && weight->link) {
    wk_fail(WK_ERROR_STATE,
            "max_norm scales rows of weight in place, but weight is the result of a recorded %s",
            weight->producer ? weight->producer : "op");
    wk_error_add_hint("give a leaf, such as a parameter, or wk_detach(weight)");
    return WK_ERROR_STATE;
  }
  if (!wk_layout_is_contiguous(&weight->layout))
    return wk_fail(WK_ERROR_ARGUMENT,
                   "max_norm scales rows of weight in place, but weight is not contiguous");
  return wk_tensor_check_writable(weight);
}

static void renormalise_rows(wk_tensor *weight, wk_tensor *indices, double most, double order) {
  wk_row_numbers used;
  if (wk_rows_number(indices, weight->layout.dims[0], -1, &used) != WK_OK || used.count == 0)
    return;
  wk_tensor *rows = wk_index_select(weight, used.rows, 0);
  wk_tensor *norms = wk_norm(rows, .axes = WK_AXES(1), .keep_dims = true, .order = order);
  wk_tensor *factor = wk_divide(wk_scalar(most), wk_add(norms, wk_scalar(1e-7)));
  wk_tensor *large = wk_greater(norms, wk_scalar(most));
  wk_rows_put(weight, used.rows, wk_multiply(rows, wk_where(large, factor, wk_scalar(1))));
}

/* Scales down, in place and unrecorded, the rows that are looked up and have a larger norm. Errors
 * of sizes are left to the look-up. */
static wk_status renormalise(wk_tensor *weight, wk_tensor *indices, double most, double order) {
  if (weight->layout.rank != 2) return WK_OK;
  const wk_status status = check_writable(weight);
  if (status != WK_OK) return status;
  const bool recorded = wk_gradients_pause();
  renormalise_rows(weight, indices, most, order);
  wk_gradients_resume(recorded);
  return wk_error_status();
}

/* ---- what both share ---- */

static wk_status check_weight(const wk_layout *weight, bool has_padding, int64_t padding) {
  if (weight->rank != 2) {
    return wk_fail(WK_ERROR_SHAPE, "weight has %d dimensions; it must be [rows, width]",
                   weight->rank);
  }
  if (!has_padding || (padding >= 0 && padding < weight->dims[0])) return WK_OK;
  return wk_fail(WK_ERROR_INDEX, "padding_index %lld is not one of weight's rows 0 .. %lld",
                 (long long)padding, (long long)weight->dims[0] - 1);
}

/* A gradient of rows alone is for leaves, and has no gradient of its own. */
static bool gives_rows(bool sparse) { return sparse && !wk_gradients_recorded; }

static wk_layout table_of(const wk_layout *weight, int64_t rows) {
  wk_layout layout = *weight;
  layout.dims[0] = rows;
  return layout;
}

/* Hands over the gradient of the used rows: the first of `values`. */
static wk_status give_rows(wk_vjp *vjp, const wk_row_numbers *used, wk_tensor *values) {
  vjp->rows = used->rows;
  vjp->input_gradients[0] = wk_slice(values, 0, 0, used->count);
  return wk_error_status();
}

/* ---- embedding ---- */

wk_status wk_infer_embedding(wk_call *call) {
  const wk_embedding_arguments *a = call->arguments;
  const wk_layout *weight = &call->inputs[0]->layout, *indices = &call->inputs[1]->layout;
  const wk_status status = check_weight(weight, a->has_padding, a->padding_index);
  if (status != WK_OK) return status;
  if (indices->rank == WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "indices has %d dimensions already", indices->rank);
  int64_t dims[WK_MAX_RANK];
  for (int i = 0; i < indices->rank; i++) dims[i] = indices->dims[i];
  dims[indices->rank] = weight->dims[1];
  return wk_infer_output(call, weight->dtype, indices->rank + 1, dims);
}

bool wk_is_native_embedding(const wk_call *call) {
  return ((const wk_embedding_arguments *)call->arguments)->max_norm == 0;
}

wk_status wk_composite_embedding(wk_call *call) {
  const wk_embedding_arguments *a = call->arguments;
  wk_tensor *weight = call->inputs[0], *indices = call->inputs[1];
  const wk_status status = renormalise(weight, indices, a->max_norm, a->norm_type);
  if (status != WK_OK) return status;
  call->outputs[0] = wk_embedding(weight, indices, .has_padding = a->has_padding,
                                  .padding_index = a->padding_index, .sparse = a->sparse);
  return wk_error_status();
}

wk_status wk_vjp_embedding(wk_vjp *vjp) {
  const wk_embedding_arguments *a = vjp->arguments;
  const wk_layout *weight = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0], *indices = vjp->inputs[1];
  if (gives_rows(a->sparse)) {
    wk_row_numbers used;
    const int64_t left_out = a->has_padding ? a->padding_index : -1;
    if (wk_rows_number(indices, weight->dims[0], left_out, &used) != WK_OK)
      return wk_error_status();
    const wk_layout table = table_of(weight, used.count + 1);
    return give_rows(vjp, &used, wk_rows_spread(&table, used.numbers, g));
  }
  wk_tensor *rows = g;
  if (a->has_padding) {
    wk_tensor *padding = wk_equal(wk_unsqueeze(indices, -1), wk_scalar(a->padding_index));
    rows = wk_where(padding, wk_scalar(0), g);
  }
  vjp->input_gradients[0] = wk_rows_spread(weight, indices, rows);
  return wk_error_status();
}

/* ---- bags of public ops ---- */

typedef struct flat_bags {
  int64_t count;
  wk_tensor *indices, *bags; /* [n]: rows, and the bag that each is in */
  wk_tensor *weights;        /* [n], or NULL */
} flat_bags;

/* Of each index the bag it is in; *used becomes how many there are in bags. */
static wk_tensor *bag_of_each(wk_tensor *indices, wk_tensor *offsets, bool include_last,
                              int64_t *used) {
  const size_t size = offsets ? (size_t)wk_tensor_count(offsets) * sizeof(int64_t) : 0;
  wk_layout empty = {.dtype = WK_I64, .rank = 1};
  wk_operand all = {.layout = indices->layout}, places = {.layout = empty};
  wk_bags bags = {0};
  int64_t *bag = NULL;
  wk_tensor *result = NULL;
  const size_t count = (size_t)wk_tensor_count(indices);
  if (offsets) places.layout = offsets->layout, places.data = wk_allocate(size + 1);
  wk_layout_set_strides(&places.layout);
  wk_layout_set_strides(&all.layout);
  all.data = wk_allocate_zeroed(count + 1, sizeof *bag); /* zeros: the look-up checks the rows */
  bag = wk_allocate_zeroed(count + 1, sizeof *bag);
  if (!wk_failed() && size) wk_tensor_read(offsets, places.data, size);
  if (!wk_failed() && wk_bags_make(&bags, &all, &places, include_last, 1) == WK_OK) {
    for (int64_t b = 0; b < bags.count; b++)
      for (int64_t i = bags.starts[b]; i < bags.starts[b + 1]; i++) bag[i] = b;
    *used = bags.starts[bags.count];
    result = wk_tensor_from_data(WK_SHAPE(*used), WK_I64, bag, wk_tensor_device_of(indices));
  }
  wk_bags_free(&bags);
  wk_deallocate(bag);
  wk_deallocate(all.data);
  wk_deallocate(places.data);
  return result;
}

/* Everything in one list, without the padding. */
static wk_status flatten(wk_tensor *indices, wk_tensor *offsets, wk_tensor *weights,
                         bool include_last, int64_t padding, flat_bags *flat) {
  int64_t used = 0;
  flat->count = wk_bag_count(&indices->layout, offsets ? &offsets->layout : NULL, include_last);
  if (flat->count < 0) return wk_error_status();
  flat->bags = bag_of_each(indices, offsets, include_last, &used);
  flat->indices = wk_slice(wk_reshape(indices, WK_SHAPE(-1)), 0, 0, used);
  flat->weights = weights ? wk_slice(wk_reshape(weights, WK_SHAPE(-1)), 0, 0, used) : NULL;
  if (padding < 0 || wk_failed()) return wk_error_status();
  wk_tensor *kept = wk_nonzero(wk_not_equal(flat->indices, wk_scalar(padding)));
  kept = wk_reshape(kept, WK_SHAPE(-1));
  flat->indices = wk_index_select(flat->indices, kept, 0);
  flat->bags = wk_index_select(flat->bags, kept, 0);
  if (weights) flat->weights = wk_index_select(flat->weights, kept, 0);
  return wk_error_status();
}

/* ---- embedding_bag ---- */

static wk_status check_sample_weights(const wk_call *call, wk_bag_mode mode) {
  const wk_tensor *weights = call->inputs[3];
  if (!weights) return WK_OK;
  if (!wk_layout_same_dims(&weights->layout, &call->inputs[1]->layout))
    return wk_fail(WK_ERROR_SHAPE, "sample_weights must have the sizes of indices");
  if (mode == WK_BAG_MODE_SUM) return WK_OK;
  return wk_fail(WK_ERROR_UNSUPPORTED, "sample_weights go with the mode sum only");
}

static const wk_layout *layout_of(const wk_tensor *tensor) {
  return tensor ? &tensor->layout : NULL;
}

wk_status wk_infer_embedding_bag(wk_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  const wk_layout *weight = &call->inputs[0]->layout;
  wk_status status = check_weight(weight, a->has_padding, a->padding_index);
  if (status == WK_OK) status = check_sample_weights(call, a->mode);
  const int64_t count =
      wk_bag_count(&call->inputs[1]->layout, layout_of(call->inputs[2]), a->include_last_offset);
  if (status != WK_OK || count < 0) return wk_error_status();
  return wk_infer_output(call, weight->dtype, 2, (const int64_t[2]){count, weight->dims[1]});
}

static bool is_wide(const wk_tensor *x) {
  return x->layout.dtype == WK_F32 || x->layout.dtype == WK_F64;
}

/* Tables of 16-bit floats would be widened as a whole. */
bool wk_is_native_embedding_bag(const wk_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  const bool needs_weight = wk_gradients_recorded && wk_wants_gradient(call->inputs[3]);
  return a->mode != WK_BAG_MODE_MAX && a->max_norm == 0 && !needs_weight &&
         is_wide(call->inputs[0]);
}

/* The largest, with the rows that they came from for the gradient. */
static wk_tensor *largest(const wk_call *call, const wk_embedding_bag_arguments *a) {
  return wk_embedding_bag_max(call->inputs[0], call->inputs[1], .offsets = call->inputs[2],
                              .has_padding = a->has_padding, .padding_index = a->padding_index,
                              .include_last_offset = a->include_last_offset, .sparse = a->sparse)
      .y;
}

static wk_tensor *from_rows(const wk_call *call, const wk_embedding_bag_arguments *a) {
  flat_bags flat;
  wk_tensor *weight = call->inputs[0];
  if (check_weight(&weight->layout, a->has_padding, a->padding_index) != WK_OK ||
      check_sample_weights(call, a->mode) != WK_OK ||
      flatten(call->inputs[1], call->inputs[2], call->inputs[3], a->include_last_offset,
              a->has_padding ? a->padding_index : -1, &flat) != WK_OK)
    return NULL;
  wk_tensor *rows = wk_embedding(weight, flat.indices, .sparse = a->sparse);
  if (flat.weights) rows = wk_multiply(rows, wk_reshape(flat.weights, WK_SHAPE(-1, 1)));
  if (flat.count == 0) return wk_slice(rows, 0, 0, 0);
  switch (a->mode) {
  case WK_BAG_MODE_SUM:
    return wk_segment_sum(rows, flat.bags, .count = flat.count);
  case WK_BAG_MODE_MAX:
    return wk_segment_max(rows, flat.bags, .count = flat.count);
  default:
    return wk_segment_mean(rows, flat.bags, .count = flat.count);
  }
}

wk_status wk_composite_embedding_bag(wk_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  if (a->max_norm != 0) {
    const wk_status status =
        renormalise(call->inputs[0], call->inputs[1], a->max_norm, a->norm_type);
    if (status != WK_OK) return status;
    call->outputs[0] =
        wk_embedding_bag(call->inputs[0], call->inputs[1], .offsets = call->inputs[2],
                         .sample_weights = call->inputs[3], .mode = a->mode,
                         .has_padding = a->has_padding, .padding_index = a->padding_index,
                         .include_last_offset = a->include_last_offset, .sparse = a->sparse);
  } else if (a->mode == WK_BAG_MODE_MAX && !call->inputs[3] && is_wide(call->inputs[0])) {
    call->outputs[0] = largest(call, a);
  } else {
    call->outputs[0] = from_rows(call, a);
  }
  return wk_error_status();
}

wk_status wk_vjp_embedding_bag(wk_vjp *vjp) {
  const wk_embedding_bag_arguments *a = vjp->arguments;
  const bool sparse = gives_rows(a->sparse);
  int64_t rows = vjp->input_layouts[0].dims[0], padding = a->padding_index;
  wk_row_numbers used = {rows, NULL, vjp->inputs[1]};
  if (sparse) {
    if (wk_rows_number(vjp->inputs[1], rows, a->has_padding ? padding : -1, &used) != WK_OK)
      return wk_error_status();
    padding = used.count;
    rows = used.count + 1;
  }
  wk_tensor *gradient =
      wk_embedding_bag_gradient(vjp->output_gradients[0], used.numbers, .offsets = vjp->inputs[2],
                                .sample_weights = vjp->inputs[3], .rows = rows, .mode = a->mode,
                                .has_padding = a->has_padding, .padding_index = padding,
                                .include_last_offset = a->include_last_offset);
  if (sparse) return give_rows(vjp, &used, gradient);
  vjp->input_gradients[0] = gradient;
  return wk_error_status();
}

/* ---- its gradient ---- */

wk_status wk_infer_embedding_bag_gradient(wk_call *call) {
  const wk_embedding_bag_gradient_arguments *a = call->arguments;
  const wk_layout *g = &call->inputs[0]->layout;
  const int64_t count =
      wk_bag_count(&call->inputs[1]->layout, layout_of(call->inputs[2]), a->include_last_offset);
  if (count < 0) return wk_error_status();
  if (g->rank != 2 || g->dims[0] != count)
    return wk_fail(WK_ERROR_SHAPE, "g must be [bags, width]");
  return wk_infer_output(call, g->dtype, 2, (const int64_t[2]){a->rows, g->dims[1]});
}

wk_status wk_composite_embedding_bag_gradient(wk_call *call) {
  const wk_embedding_bag_gradient_arguments *a = call->arguments;
  wk_tensor *g = call->inputs[0];
  flat_bags flat;
  const wk_status status =
      flatten(call->inputs[1], call->inputs[2], call->inputs[3], a->include_last_offset,
              a->has_padding ? a->padding_index : -1, &flat);
  if (status != WK_OK) return status;
  const wk_layout table = table_of(&g->layout, a->rows);
  if (a->mode == WK_BAG_MODE_MEAN && flat.count > 0) {
    wk_shape column = WK_SHAPE(wk_tensor_dim(flat.bags, 0), 1);
    wk_tensor *one = wk_full(column, 1, .dtype = g->layout.dtype, .device = wk_tensor_device_of(g));
    wk_tensor *sizes = wk_segment_sum(one, flat.bags, .count = flat.count);
    g = wk_divide(g, wk_maximum(sizes, wk_scalar(1)));
  }
  wk_tensor *rows = wk_index_select(g, flat.bags, 0);
  if (flat.weights) rows = wk_multiply(rows, wk_reshape(flat.weights, WK_SHAPE(-1, 1)));
  call->outputs[0] = wk_rows_spread(&table, flat.indices, rows);
  return wk_error_status();
}

/* ---- the largest of a bag ---- */

wk_status wk_infer_embedding_bag_max(wk_call *call) {
  const wk_embedding_bag_max_arguments *a = call->arguments;
  const wk_layout *weight = &call->inputs[0]->layout;
  const wk_status status = check_weight(weight, a->has_padding, a->padding_index);
  const int64_t count =
      wk_bag_count(&call->inputs[1]->layout, layout_of(call->inputs[2]), a->include_last_offset);
  if (status != WK_OK || count < 0) return wk_error_status();
  const int64_t dims[2] = {count, weight->dims[1]};
  wk_infer_output_at(call, 0, weight->dtype, 2, dims);
  return wk_infer_output_at(call, 1, WK_I64, 2, dims);
}

/* Each element's gradient goes to the row that it came from. */
wk_status wk_vjp_embedding_bag_max(wk_vjp *vjp) {
  const wk_embedding_bag_max_arguments *a = vjp->arguments;
  const wk_layout *weight = &vjp->input_layouts[0];
  wk_tensor *chosen = vjp->outputs[1], *g = vjp->output_gradients[0];
  if (!g) return WK_OK;
  wk_tensor *none = wk_less(chosen, wk_scalar(0));
  const int64_t rows = weight->dims[0];
  if (rows == 0) return WK_OK;
  if (!gives_rows(a->sparse)) {
    g = wk_where(none, wk_scalar(0), g);
    chosen = wk_maximum(chosen, wk_scalar(0));
    vjp->input_gradients[0] = wk_scatter_add(wk_zeros_shaped(weight, g), chosen, g, 0);
    return wk_error_status();
  }
  wk_row_numbers used; /* what came from no row is left out, as a row behind all others */
  chosen = wk_where(none, wk_scalar(rows), chosen);
  if (wk_rows_number(chosen, rows + 1, rows, &used) != WK_OK) return wk_error_status();
  const wk_layout table = table_of(weight, used.count + 1);
  return give_rows(vjp, &used, wk_scatter_add(wk_zeros_shaped(&table, g), used.numbers, g, 0));
}
