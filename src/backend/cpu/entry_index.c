/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ops that pick and put elements by index. Elements are added in the order of the
 * indices, whichever thread does it, so that sums have equal bits for any number of threads. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/index.h"
#include "backend/cpu/pointwise.h"
#include "backend/cpu/transpose.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "ops/position.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */

static int64_t block_of_rows(int64_t row) { return row >= BLOCK ? 1 : BLOCK / (row ? row : 1); }

static void copy_range(void *context, int64_t begin, int64_t end) {
  const wk_operand *const *pair = context;
  const wk_layout *layout = &pair[1]->layout;
  wk_collect(pair[0]->data + (size_t)begin * wk_dtype_size(layout->dtype), pair[1]->data, layout,
             begin, end - begin);
}

void wk_cpu_copy_elements(const wk_operand *y, const wk_operand *x) {
  const wk_operand *pair[2] = {y, x};
  if (wk_cpu_transpose(y, x)) return;
  wk_parallel_for(wk_layout_count(&x->layout), BLOCK, copy_range, pair);
}

/* Only floats of 16 bits: their sums are rounded once, which cpu:half does. */
static const char *refuse_half(const wk_kernel_call *call) {
  const wk_dtype dtype = call->outputs[0].layout.dtype;
  return dtype == WK_F16 || dtype == WK_BF16 ? "sums in 16 bits" : NULL;
}

/* ---- index_get, index_put ---- */

typedef struct index_run {
  wk_index_plan plan;
  int64_t *rows;
  size_t size; /* of an element */
  wk_dtype dtype;
  const char *x;
  char *y;
  wk_operand source;
  bool source_is_dense; /* row-major */
  bool accumulate, reduce, exclude_x;
  wk_scatter_reduction reduction;
} index_run;

static wk_status index_prepare(index_run *r, const wk_kernel_call *call, int first, int axis,
                               bool from_end) {
  const wk_layout *x = &call->inputs[0].layout, *layouts[WK_MAX_INPUTS];
  const int count = call->input_count - first;
  for (int k = 0; k < count; k++) layouts[k] = &call->inputs[first + k].layout;
  *r = (index_run){.dtype = x->dtype, .size = wk_dtype_size(x->dtype)};
  r->x = call->inputs[0].data;
  r->y = call->outputs[0].data;
  wk_status status = wk_index_plan_make(&r->plan, x, layouts, count, axis);
  if (status != WK_OK) return status;
  r->rows = wk_allocate_zeroed((size_t)r->plan.outputs + 1, sizeof *r->rows);
  if (!r->rows) return wk_error_status();
  status = wk_index_plan_rows(&r->plan, x, &call->inputs[first], from_end, r->rows);
  if (status != WK_OK) wk_deallocate(r->rows);
  return status;
}

static void get_range(void *context, int64_t begin, int64_t end) {
  const index_run *r = context;
  const size_t bytes = (size_t)r->plan.inner * r->size;
  const int64_t outputs = r->plan.outputs;
  while (begin < end) {
    const int64_t outer = begin / outputs, first = begin % outputs;
    const int64_t last = end - outer * outputs < outputs ? end - outer * outputs : outputs;
    wk_cpu_take_rows(r->y + (size_t)begin * bytes, r->x + (size_t)(outer * r->plan.rows) * bytes,
                     r->rows + first, last - first, bytes);
    begin += last - first;
  }
}

static wk_status run_get(const wk_kernel_call *call, int axis, bool from_end) {
  index_run r;
  const wk_status status = index_prepare(&r, call, 1, axis, from_end);
  if (status != WK_OK) return status;
  wk_parallel_for(r.plan.outer * r.plan.outputs, block_of_rows(r.plan.inner), get_range, &r);
  wk_deallocate(r.rows);
  return WK_OK;
}

wk_status wk_cpu_run_index_get(const wk_kernel_call *call) {
  return run_get(call, ((const wk_index_get_arguments *)call->arguments)->axis, true);
}

wk_status wk_cpu_run_embedding(const wk_kernel_call *call) { return run_get(call, 0, false); }

/* `count` elements of source from `at` on: where they lie, or in `values`. */
static const char *source_at(const index_run *r, int64_t at, int64_t count, char *values) {
  if (r->source_is_dense) return r->source.data + (size_t)at * r->size;
  wk_collect(values, r->source.data, &r->source.layout, at, count);
  return values;
}

static void put_row(const index_run *r, char *to, int64_t from) {
  const int64_t inner = r->plan.inner, tile = inner < WK_CPU_TILE ? inner : WK_CPU_TILE;
  _Alignas(8) char values[WK_CPU_TILE * 8];
  for (int64_t at = 0; at < inner; at += tile, to += (size_t)tile * r->size) {
    const int64_t count = inner - at < tile ? inner - at : tile;
    const char *source = source_at(r, from + at, count, values);
    if (r->reduce)
      wk_cpu_reduce_row(r->dtype, r->reduction, to, source, count);
    else if (r->accumulate)
      wk_cpu_add_row(r->dtype, to, source, count);
    else
      memcpy(to, source, (size_t)count * r->size);
  }
}

/* All that is put into the rows begin .. end - 1 of the result (its outer and indexed axes). */
static void put_range(void *context, int64_t begin, int64_t end) {
  const index_run *r = context;
  const wk_index_plan *plan = &r->plan;
  const size_t bytes = (size_t)plan->inner * r->size;
  for (int64_t outer = begin / plan->rows; outer * plan->rows < end; outer++) {
    for (int64_t i = 0; r->exclude_x && i < plan->outputs; i++) {
      const int64_t row = outer * plan->rows + r->rows[i];
      if (row >= begin && row < end)
        wk_cpu_fill_neutral(r->dtype, r->reduction, r->y + (size_t)row * bytes, plan->inner);
    }
    for (int64_t i = 0; i < plan->outputs; i++) {
      const int64_t row = outer * plan->rows + r->rows[i];
      if (row >= begin && row < end)
        put_row(r, r->y + (size_t)row * bytes, (outer * plan->outputs + i) * plan->inner);
    }
  }
}

/* Each piece looks at all indices: few pieces, unless rows are long. */
static void put_all_rows(index_run *r) {
  const int64_t rows = r->plan.outer * r->plan.rows, pieces = r->plan.inner >= 16 ? 16 : 1;
  const int64_t few = (rows + pieces - 1) / pieces, block = block_of_rows(r->plan.inner);
  if (r->plan.outputs && r->plan.inner)
    wk_parallel_for(rows, few > block ? few : block, put_range, r);
}

/* The same for rows of single elements and a source as it lies. */
static void put_elements(const index_run *r) {
  for (int64_t outer = 0; outer < r->plan.outer; outer++) {
    const wk_cpu_lines lines = {
        .dtype = r->dtype,
        .to = r->y + (size_t)(outer * r->plan.rows) * r->size,
        .from = r->source.data + (size_t)(outer * r->plan.outputs) * r->size,
        .index = r->rows,
        .count = r->plan.outputs,
        .inner = 1,
        .end = 1,
    };
    wk_cpu_put_lines(&lines, r->accumulate);
  }
}

const char *wk_cpu_refuse_index_put(const wk_kernel_call *call) {
  return ((const wk_index_put_arguments *)call->arguments)->accumulate ? refuse_half(call) : NULL;
}

static void take_source(index_run *r, const wk_operand *source) {
  r->source = *source;
  wk_layout_align(&source->layout, &r->plan.selected, &r->source.layout);
  r->source_is_dense = wk_layout_is_contiguous(&r->source.layout);
}

wk_status wk_cpu_run_index_put(const wk_kernel_call *call) {
  const wk_index_put_arguments *a = call->arguments;
  index_run r;
  const wk_status status = index_prepare(&r, call, 2, a->axis, true);
  if (status != WK_OK) return status;
  r.accumulate = a->accumulate;
  take_source(&r, &call->inputs[1]);
  wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
  if (r.plan.inner == 1 && r.source_is_dense)
    put_elements(&r);
  else
    put_all_rows(&r);
  wk_deallocate(r.rows);
  return WK_OK;
}

/* ---- index_reduce ---- */

const char *wk_cpu_refuse_index_reduce(const wk_kernel_call *call) { return refuse_half(call); }

/* Means: rows of sums by how many went in. */
static wk_status divide_rows(const index_run *r) {
  const wk_index_plan *plan = &r->plan;
  int64_t *counts = wk_allocate_zeroed((size_t)plan->rows + 1, sizeof *counts);
  if (!counts) return wk_error_status();
  for (int64_t i = 0; i < plan->outputs; i++) counts[r->rows[i]]++;
  for (int64_t row = 0; row < plan->outer * plan->rows; row++) {
    const int64_t count = counts[row % plan->rows];
    if (count)
      wk_cpu_divide_row(r->dtype, r->y + (size_t)(row * plan->inner) * r->size, plan->inner,
                        count + !r->exclude_x);
  }
  wk_deallocate(counts);
  return WK_OK;
}

wk_status wk_cpu_run_index_reduce(const wk_kernel_call *call) {
  const wk_index_reduce_arguments *a = call->arguments;
  /* In the order of index_put, where indices stand last. */
  const wk_operand inputs[3] = {call->inputs[0], call->inputs[2], call->inputs[1]};
  wk_kernel_call put = *call;
  put.inputs = inputs;
  index_run r;
  wk_status status = index_prepare(&r, &put, 2, a->axis, true);
  if (status != WK_OK) return status;
  r.reduce = true, r.exclude_x = a->exclude_x, r.reduction = a->reduction;
  take_source(&r, &inputs[1]);
  wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
  put_all_rows(&r);
  if (a->reduction == WK_SCATTER_REDUCTION_MEAN) status = divide_rows(&r);
  wk_deallocate(r.rows);
  return status;
}

/* ---- gather, scatter ---- */

/* The operand's elements in row-major order: its own, or a copy to be freed. NULL on error. */
static char *row_major(const wk_operand *operand, char **copy) {
  *copy = NULL;
  if (wk_layout_is_contiguous(&operand->layout)) return operand->data;
  wk_operand dense = *operand;
  wk_layout_set_strides(&dense.layout);
  const size_t size = wk_dtype_size(dense.layout.dtype);
  dense.data = *copy = wk_allocate((size_t)wk_layout_count(&dense.layout) * size + 1);
  if (dense.data) wk_cpu_copy_elements(&dense, operand);
  return dense.data;
}

/* Tensors as [outer, along, inner]: x and index agree in outer and inner. */
typedef struct line_run {
  int64_t outer, inner, x_along, index_along;
  size_t size;
  wk_dtype dtype;
  const char *from;
  char *to;
  const int64_t *index;
  bool accumulate, reduce;
  wk_scatter_reduction reduction;
} line_run;

static const char *refuse_sizes(const wk_layout *x, const wk_layout *index, int axis) {
  for (int i = 0; i < x->rank; i++)
    if (i != axis && x->dims[i] != index->dims[i]) return "index is smaller than x";
  return NULL;
}

static void line_prepare(line_run *r, const wk_operand *x, const wk_operand *index, int axis) {
  *r = (line_run){.outer = 1, .inner = 1, .x_along = 1, .index_along = 1};
  const int rank = x->layout.rank;
  for (int i = 0; i < axis; i++) r->outer *= x->layout.dims[i];
  for (int i = axis + 1; i < rank; i++) r->inner *= x->layout.dims[i];
  if (rank) r->x_along = x->layout.dims[axis], r->index_along = index->layout.dims[axis];
  r->size = wk_dtype_size(x->layout.dtype);
  r->dtype = x->layout.dtype;
  r->index = (const int64_t *)(const void *)index->data;
}

const char *wk_cpu_refuse_gather(const wk_kernel_call *call) {
  const int axis = ((const wk_gather_arguments *)call->arguments)->axis;
  return refuse_sizes(&call->inputs[0].layout, &call->inputs[1].layout, axis);
}

static void gather_range(void *context, int64_t begin, int64_t end) {
  const line_run *r = context;
  for (int64_t row = begin; row < end; row++) {
    const int64_t outer = row / r->index_along;
    wk_cpu_take_elements(r->to + (size_t)(row * r->inner) * r->size,
                         r->from + (size_t)(outer * r->x_along * r->inner) * r->size,
                         r->index + row * r->inner, r->inner, r->inner, r->size);
  }
}

/* With the axis last, a row is one line of indices. */
static void gather_last_range(void *context, int64_t begin, int64_t end) {
  const line_run *r = context;
  for (int64_t outer = begin; outer < end; outer++)
    wk_cpu_take_rows(r->to + (size_t)(outer * r->index_along) * r->size,
                     r->from + (size_t)(outer * r->x_along) * r->size,
                     r->index + outer * r->index_along, r->index_along, r->size);
}

wk_status wk_cpu_run_gather(const wk_kernel_call *call) {
  const int axis = ((const wk_gather_arguments *)call->arguments)->axis;
  line_run r;
  line_prepare(&r, &call->inputs[0], &call->inputs[1], axis);
  r.from = call->inputs[0].data;
  r.to = call->outputs[0].data;
  const wk_status status = wk_indices_check(&call->inputs[1], r.x_along, false);
  if (status != WK_OK) return status;
  if (r.inner == 1)
    wk_parallel_for(r.outer, block_of_rows(r.index_along), gather_last_range, &r);
  else
    wk_parallel_for(r.outer * r.index_along, block_of_rows(r.inner), gather_range, &r);
  return WK_OK;
}

/* All that is put at one outer place. */
static wk_cpu_lines lines_at(const line_run *r, int64_t outer) {
  const int64_t start = outer * r->index_along * r->inner;
  return (wk_cpu_lines){.dtype = r->dtype,
                        .to = r->to + (size_t)(outer * r->x_along * r->inner) * r->size,
                        .from = r->from + (size_t)start * r->size,
                        .index = r->index + start,
                        .count = r->index_along,
                        .inner = r->inner,
                        .end = r->inner};
}

/* Different outer places never meet, nor do different columns. */
static void put_lines_range(void *context, int64_t begin, int64_t end) {
  const line_run *r = context;
  while (begin < end) {
    const int64_t outer = begin / r->inner, first = begin % r->inner, left = r->inner - first;
    wk_cpu_lines lines = lines_at(r, outer);
    lines.begin = first;
    lines.end = first + (left < end - begin ? left : end - begin);
    if (r->reduce)
      wk_cpu_reduce_lines(&lines, r->reduction);
    else
      wk_cpu_put_lines(&lines, r->accumulate);
    begin += lines.end - lines.begin;
  }
}

/* Index and source row-major, x copied. What to free: two entries of `copies`. */
static wk_status scatter_prepare(line_run *r, const wk_kernel_call *call, int axis,
                                 char *copies[2]) {
  copies[0] = copies[1] = NULL;
  line_prepare(r, &call->inputs[0], &call->inputs[1], axis);
  const wk_status status = wk_indices_check(&call->inputs[1], r->x_along, false);
  if (status != WK_OK) return status;
  r->index = (const int64_t *)(const void *)row_major(&call->inputs[1], &copies[0]);
  r->from = row_major(&call->inputs[2], &copies[1]);
  r->to = call->outputs[0].data;
  if (r->index && r->from) wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
  return wk_error_status();
}

static void put_all_lines(line_run *r) {
  const int64_t columns = block_of_rows(r->index_along); /* at least a cache line of them */
  wk_parallel_for(r->outer * r->inner, columns < 16 ? 16 : columns, put_lines_range, r);
}

static wk_status run_scatter(const wk_kernel_call *call, int axis, bool accumulate) {
  line_run r;
  char *copies[2];
  const wk_status status = scatter_prepare(&r, call, axis, copies);
  r.accumulate = accumulate;
  if (status == WK_OK && r.index_along * r.inner > 0) put_all_lines(&r);
  wk_deallocate(copies[0]);
  wk_deallocate(copies[1]);
  return status;
}

static const char *refuse_scatter(const wk_kernel_call *call, int axis) {
  const wk_layout *index = &call->inputs[1].layout;
  if (!wk_layout_same_dims(index, &call->inputs[2].layout)) return "source is larger than index";
  return refuse_sizes(&call->inputs[0].layout, index, axis);
}

const char *wk_cpu_refuse_scatter(const wk_kernel_call *call) {
  return refuse_scatter(call, ((const wk_scatter_arguments *)call->arguments)->axis);
}

wk_status wk_cpu_run_scatter(const wk_kernel_call *call) {
  return run_scatter(call, ((const wk_scatter_arguments *)call->arguments)->axis, false);
}

const char *wk_cpu_refuse_scatter_add(const wk_kernel_call *call) {
  const char *why = refuse_half(call);
  return why ? why
             : refuse_scatter(call, ((const wk_scatter_add_arguments *)call->arguments)->axis);
}

wk_status wk_cpu_run_scatter_add(const wk_kernel_call *call) {
  return run_scatter(call, ((const wk_scatter_add_arguments *)call->arguments)->axis, true);
}

/* ---- scatter_reduce ---- */

const char *wk_cpu_refuse_scatter_reduce(const wk_kernel_call *call) {
  const wk_scatter_reduce_arguments *a = call->arguments;
  if (a->reduction == WK_SCATTER_REDUCTION_MEAN) return "means";
  const char *why = refuse_half(call);
  return why ? why : refuse_scatter(call, a->axis);
}

/* Without x's own elements: where something is put, what changes nothing is put first. */
static wk_status put_neutral(const line_run *r) {
  char *neutral = wk_allocate_zeroed((size_t)(r->index_along * r->inner) + 1, r->size);
  if (!neutral) return wk_error_status();
  wk_cpu_fill_neutral(r->dtype, r->reduction, neutral, r->index_along * r->inner);
  for (int64_t outer = 0; outer < r->outer; outer++) {
    wk_cpu_lines lines = lines_at(r, outer);
    lines.from = neutral;
    wk_cpu_put_lines(&lines, false);
  }
  wk_deallocate(neutral);
  return WK_OK;
}

wk_status wk_cpu_run_scatter_reduce(const wk_kernel_call *call) {
  const wk_scatter_reduce_arguments *a = call->arguments;
  line_run r;
  char *copies[2];
  wk_status status = scatter_prepare(&r, call, a->axis, copies);
  r.reduce = true;
  r.reduction = a->reduction;
  const bool something = r.index_along * r.inner > 0;
  if (status == WK_OK && a->exclude_x && something) status = put_neutral(&r);
  if (status == WK_OK && something) put_all_lines(&r);
  wk_deallocate(copies[0]);
  wk_deallocate(copies[1]);
  return status;
}
