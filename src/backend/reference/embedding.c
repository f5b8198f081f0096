/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table, one by one and in bags. */
#include <math.h>
#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/bags.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* ---- embedding: index_get along axis 0, without negative indices ---- */

wk_status wk_reference_run_embedding(const wk_kernel_call *call) {
  const wk_operand *weight = &call->inputs[0], *indices = &call->inputs[1];
  const wk_status status = wk_indices_check(indices, weight->layout.dims[0], false);
  const int64_t count = wk_layout_count(&indices->layout), width = weight->layout.dims[1];
  for (int64_t i = 0; i < count && status == WK_OK; i++) {
    const int64_t row = wk_element_integer(indices, wk_layout_position(&indices->layout, i));
    for (int64_t k = 0; k < width; k++)
      wk_element_copy(&call->outputs[0], i * width + k, weight,
                      row * weight->layout.strides[0] + k * weight->layout.strides[1]);
  }
  return status;
}

/* ---- bags ---- */

typedef struct bag_run {
  wk_bags bags;
  int64_t padding; /* or -1 */
  int64_t width, row_stride, column_stride;
  bool mean;
  const wk_operand *rows, *weights;
} bag_run;

/* Rows of the bag that are not padding. */
static int64_t size_of(const bag_run *r, int64_t bag) {
  int64_t size = 0;
  for (int64_t i = r->bags.starts[bag]; i < r->bags.starts[bag + 1]; i++)
    size += r->bags.index[i] != r->padding;
  return size;
}

/* What a row counts for in its bag. */
static double weight_of(const bag_run *r, int64_t i, int64_t size) {
  if (r->weights->data)
    return wk_element_real(r->weights, wk_layout_position(&r->weights->layout, i));
  return r->mean ? 1 / (double)size : 1;
}

static void take_table(bag_run *r, const wk_operand *rows) {
  r->rows = rows;
  r->width = rows->layout.dims[1];
  r->row_stride = rows->layout.strides[0], r->column_stride = rows->layout.strides[1];
}

static double element_at(const bag_run *r, int64_t row, int64_t column) {
  return wk_element_real(r->rows, row * r->row_stride + column * r->column_stride);
}

static void sum_bag(const bag_run *r, int64_t bag, const wk_operand *y) {
  const int64_t size = size_of(r, bag);
  for (int64_t k = 0; k < r->width; k++) {
    double sum = 0;
    for (int64_t i = r->bags.starts[bag]; i < r->bags.starts[bag + 1]; i++)
      if (r->bags.index[i] != r->padding)
        sum += weight_of(r, i, 1) * element_at(r, r->bags.index[i], k);
    wk_element_set_real(y, bag * r->width + k, r->mean && size ? sum / (double)size : sum);
  }
}

wk_status wk_reference_run_embedding_bag(const wk_kernel_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1,
               .mean = a->mode == WK_BAG_MODE_MEAN,
               .weights = &call->inputs[3]};
  take_table(&r, &call->inputs[0]);
  const wk_status status = wk_bags_make(&r.bags, &call->inputs[1], &call->inputs[2],
                                        a->include_last_offset, r.rows->layout.dims[0]);
  for (int64_t bag = 0; status == WK_OK && bag < r.bags.count; bag++)
    sum_bag(&r, bag, &call->outputs[0]);
  wk_bags_free(&r.bags);
  return status;
}

static void spread_bag(const bag_run *r, int64_t bag, double *y) {
  const int64_t size = size_of(r, bag);
  for (int64_t i = r->bags.starts[bag]; i < r->bags.starts[bag + 1]; i++)
    for (int64_t k = 0; k < r->width && r->bags.index[i] != r->padding; k++)
      y[r->bags.index[i] * r->width + k] += weight_of(r, i, size) * element_at(r, bag, k);
}

wk_status wk_reference_run_embedding_bag_gradient(const wk_kernel_call *call) {
  const wk_embedding_bag_gradient_arguments *a = call->arguments;
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1,
               .mean = a->mode == WK_BAG_MODE_MEAN,
               .weights = &call->inputs[3]};
  take_table(&r, &call->inputs[0]);
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&call->outputs[0].layout));
  wk_status status = wk_bags_make(&r.bags, &call->inputs[1], &call->inputs[2],
                                  a->include_last_offset, call->outputs[0].layout.dims[0]);
  if (!y) status = wk_error_status();
  for (int64_t bag = 0; status == WK_OK && bag < r.bags.count; bag++) spread_bag(&r, bag, y);
  if (status == WK_OK) wk_reals_store(y, &call->outputs[0]);
  wk_bags_free(&r.bags);
  return status;
}

static void find_largest(const bag_run *r, int64_t bag, int64_t k, const wk_operand *outputs) {
  double most = 0;
  int64_t chosen = -1;
  for (int64_t i = r->bags.starts[bag]; i < r->bags.starts[bag + 1]; i++) {
    const int64_t row = r->bags.index[i];
    if (row == r->padding) continue;
    const double value = element_at(r, row, k);
    if (chosen >= 0 && !(value > most) && !(isnan(value) && !isnan(most))) continue;
    most = value, chosen = row;
  }
  wk_element_set_real(&outputs[0], bag * r->width + k, most);
  wk_element_set_integer(&outputs[1], bag * r->width + k, chosen);
}

wk_status wk_reference_run_embedding_bag_max(const wk_kernel_call *call) {
  const wk_embedding_bag_max_arguments *a = call->arguments;
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1};
  take_table(&r, &call->inputs[0]);
  const wk_status status = wk_bags_make(&r.bags, &call->inputs[1], &call->inputs[2],
                                        a->include_last_offset, r.rows->layout.dims[0]);
  for (int64_t i = 0; status == WK_OK && i < r.bags.count * r.width; i++)
    find_largest(&r, i / r.width, i % r.width, call->outputs);
  wk_bags_free(&r.bags);
  return status;
}

/* ---- rows, written in place ---- */

wk_status wk_reference_run_put_rows_update(const wk_kernel_call *call) {
  const wk_operand *value = &call->inputs[0], *rows = &call->inputs[1], *source = &call->inputs[2];
  const wk_status status = wk_indices_check(rows, value->layout.dims[0], false);
  const int64_t count = wk_layout_count(&rows->layout);
  const int64_t width = count ? wk_layout_count(&source->layout) / count : 0;
  for (int64_t i = 0; status == WK_OK && i < count; i++) {
    const int64_t row = wk_element_integer(rows, wk_layout_position(&rows->layout, i));
    for (int64_t k = 0; k < width; k++)
      wk_element_copy(value, row * width + k, source,
                      wk_layout_position(&source->layout, i * width + k));
  }
  return status;
}
