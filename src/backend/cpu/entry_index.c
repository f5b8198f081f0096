/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ops that pick and put elements by index. Elements are added in the order of the
 * indices, whichever thread does it, so that sums have equal bits for any number of threads. */
#include <stdatomic.h>
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

#define BLOCK 16384               /* elements a thread takes at a time */
#define CACHED ((int64_t)1 << 19) /* bytes of the result that stay in a near cache */
#define FAR ((int64_t)1 << 24)    /* bytes of a source that is read from memory */

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
  const int64_t *rows; /* the index itself if it is one list, else `own` */
  int64_t *own;
  const wk_operand *index;
  bool from_end;
  size_t size; /* of an element */
  wk_dtype dtype;
  const char *x;
  char *y;
  wk_operand source;
  bool source_is_dense; /* row-major */
  bool accumulate, reduce, exclude_x;
  wk_scatter_reduction reduction;
  atomic_bool failed; /* an index is not one of its axis */
} index_run;

static wk_status index_prepare(index_run *r, const wk_kernel_call *call, int first, int axis,
                               bool from_end) {
  const wk_layout *x = &call->inputs[0].layout, *layouts[WK_MAX_INPUTS];
  const int count = call->input_count - first;
  for (int k = 0; k < count; k++) layouts[k] = &call->inputs[first + k].layout;
  *r = (index_run){.dtype = x->dtype, .size = wk_dtype_size(x->dtype)};
  r->x = call->inputs[0].data;
  r->y = call->outputs[0].data;
  r->index = &call->inputs[first];
  r->from_end = from_end && count == 1;
  wk_status status = wk_index_plan_make(&r->plan, x, layouts, count, axis);
  if (status != WK_OK) return status;
  r->failed = r->plan.outer * r->plan.inner == 0; /* nobody will look at the index: the end does */
  if (count == 1 && wk_layout_is_contiguous(layouts[0])) {
    r->rows = (const int64_t *)(const void *)r->index->data;
    return WK_OK;
  }
  r->from_end = false;
  r->rows = r->own = wk_allocate((size_t)r->plan.outputs * sizeof *r->own + 1);
  if (!r->own) return wk_error_status();
  status = wk_index_plan_rows(&r->plan, x, r->index, from_end, r->own);
  if (status != WK_OK) wk_deallocate(r->own);
  return status;
}

/* Lets go of what was prepared; raises the error if an index was wrong. */
static wk_status index_finish(index_run *r) {
  wk_deallocate(r->own);
  return r->failed ? wk_indices_check(r->index, r->plan.rows, r->from_end) : WK_OK;
}

static void get_range(void *context, int64_t begin, int64_t end) {
  index_run *r = context;
  const size_t bytes = (size_t)r->plan.inner * r->size;
  const int64_t outputs = r->plan.outputs;
  while (begin < end) {
    const int64_t outer = begin / outputs, first = begin % outputs;
    const int64_t last = end - outer * outputs < outputs ? end - outer * outputs : outputs;
    if (!wk_cpu_take_rows(r->y + (size_t)begin * bytes,
                          r->x + (size_t)(outer * r->plan.rows) * bytes, r->rows + first,
                          last - first, bytes, r->plan.rows, r->from_end))
      r->failed = true;
    begin += last - first;
  }
}

static wk_status run_get(const wk_kernel_call *call, int axis, bool from_end) {
  index_run r;
  const wk_status status = index_prepare(&r, call, 1, axis, from_end);
  if (status != WK_OK) return status;
  wk_parallel_for(r.plan.outer * r.plan.outputs, block_of_rows(r.plan.inner), get_range, &r);
  return index_finish(&r);
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

#define LIST 256
#define AHEAD 12 /* rows that are fetched before they are put */

/* Lists which of the indices from *next on put into rows begin .. end - 1 of the result, at most
 * LIST; -1 if one is wrong. */
static int64_t list_own(const index_run *r, int64_t outer, int64_t begin, int64_t end,
                        int64_t *next, int64_t *list) {
  const int64_t first = begin - outer * r->plan.rows, span = end - begin;
  int64_t count = 0, i = *next;
  for (; i < r->plan.outputs && count < LIST; i++) {
    const int64_t row = wk_cpu_resolve(r->rows[i], r->plan.rows, r->from_end);
    if ((uint64_t)row >= (uint64_t)r->plan.rows) return -1;
    list[count] = i;
    count += (uint64_t)(row - first) < (uint64_t)span;
  }
  *next = i;
  return count;
}

static void fetch(const char *at, size_t bytes) {
  for (size_t i = 0; i < bytes && i < 512; i += 64) __builtin_prefetch(at + i);
}

/* Puts into the rows begin .. end - 1 at one outer place, or first fills them with the neutral. */
static bool put_own(const index_run *r, int64_t outer, int64_t begin, int64_t end, bool neutral) {
  const wk_index_plan *plan = &r->plan;
  const size_t bytes = (size_t)plan->inner * r->size;
  char *const rows = r->y + (size_t)(outer * plan->rows) * bytes;
  int64_t list[LIST];
  for (int64_t next = 0; next < plan->outputs;) {
    const int64_t count = list_own(r, outer, begin, end, &next, list);
    if (count < 0) return false;
    for (int64_t k = 0; k < count; k++) {
      if (k + AHEAD < count) {
        const int64_t i = list[k + AHEAD];
        fetch(rows + (size_t)wk_cpu_resolve(r->rows[i], plan->rows, r->from_end) * bytes, bytes);
        if (r->source_is_dense)
          fetch(r->source.data + (size_t)(outer * plan->outputs + i) * bytes, bytes);
      }
      const int64_t row = wk_cpu_resolve(r->rows[list[k]], plan->rows, r->from_end);
      char *const to = rows + (size_t)row * bytes;
      if (neutral)
        wk_cpu_fill_neutral(r->dtype, r->reduction, to, plan->inner);
      else
        put_row(r, to, (outer * plan->outputs + list[k]) * plan->inner);
    }
  }
  return true;
}

/* All that is put into the rows begin .. end - 1 of the result (its outer and indexed axes). */
static void put_range(void *context, int64_t begin, int64_t end) {
  index_run *r = context;
  for (int64_t outer = begin / r->plan.rows; outer * r->plan.rows < end; outer++)
    if ((r->exclude_x && !put_own(r, outer, begin, end, true)) ||
        !put_own(r, outer, begin, end, false))
      r->failed = true;
}

/* Each piece looks at all indices: few pieces. One thread alone where it waits for little but the
 * source: two that pick from the same lines by turns take longer (measured: 5.0 against 3.4 ms for
 * 2e5 rows of 64). */
static void put_all_rows(index_run *r) {
  const int64_t pieces = wk_thread_count();
  const int64_t rows = r->plan.outer * r->plan.rows, few = (rows + pieces - 1) / pieces;
  const int64_t row_bytes = r->plan.inner * (int64_t)r->size;
  const bool alone = rows * row_bytes <= CACHED && r->plan.outputs * row_bytes >= FAR;
  const int64_t block = alone ? rows : block_of_rows(r->plan.inner);
  if (r->plan.outputs == 0 || r->plan.inner == 0) return;
  if (rows == 0) r->failed = true;
  wk_parallel_for(rows, few > block ? few : block, put_range, r);
}

const char *wk_cpu_refuse_index_put(const wk_kernel_call *call) {
  return ((const wk_index_put_arguments *)call->arguments)->accumulate ? refuse_half(call) : NULL;
}

static void take_source(index_run *r, const wk_operand *source) {
  r->source = *source;
  wk_layout_align(&source->layout, &r->plan.selected, &r->source.layout);
  r->source_is_dense = wk_layout_is_contiguous(&r->source.layout);
}

/* ---- index_reduce ---- */

const char *wk_cpu_refuse_index_reduce(const wk_kernel_call *call) { return refuse_half(call); }

/* Means: rows of sums by how many went in. */
static wk_status divide_rows(const index_run *r) {
  const wk_index_plan *plan = &r->plan;
  int64_t *counts = wk_allocate_zeroed((size_t)plan->rows + 1, sizeof *counts);
  if (!counts) return wk_error_status();
  for (int64_t i = 0; i < plan->outputs; i++)
    counts[wk_cpu_resolve(r->rows[i], plan->rows, r->from_end)]++;
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
  if (a->reduction == WK_SCATTER_REDUCTION_MEAN && !r.failed) status = divide_rows(&r);
  const wk_status finished = index_finish(&r);
  return status != WK_OK ? status : finished;
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
  int64_t outer, inner, x_along, index_along, parts;
  size_t size;
  wk_dtype dtype;
  const char *from, *x; /* x: what is to be copied first, line by line; NULL: it is done */
  char *to;
  const int64_t *index;
  bool one_index; /* the same for all outer places */
  bool from_end, accumulate, reduce;
  wk_scatter_reduction reduction;
  atomic_bool failed; /* an index is not one of its axis */
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
  line_run *r = context;
  for (int64_t row = begin; row < end; row++) {
    const int64_t outer = row / r->index_along;
    if (!wk_cpu_take_elements(r->to + (size_t)(row * r->inner) * r->size,
                              r->from + (size_t)(outer * r->x_along * r->inner) * r->size,
                              r->index + row * r->inner, r->inner, r->inner, r->size, r->x_along))
      r->failed = true;
  }
}

/* With the axis last, items are elements, a row being one line of indices. */
static void gather_last_range(void *context, int64_t begin, int64_t end) {
  line_run *r = context;
  while (begin < end) {
    const int64_t outer = begin / r->index_along, row_end = (outer + 1) * r->index_along;
    const int64_t count = (end < row_end ? end : row_end) - begin;
    if (!wk_cpu_take_rows(r->to + (size_t)begin * r->size,
                          r->from + (size_t)(outer * r->x_along) * r->size, r->index + begin, count,
                          r->size, r->x_along, false))
      r->failed = true;
    begin += count;
  }
}

wk_status wk_cpu_run_gather(const wk_kernel_call *call) {
  const int axis = ((const wk_gather_arguments *)call->arguments)->axis;
  line_run r;
  line_prepare(&r, &call->inputs[0], &call->inputs[1], axis);
  r.from = call->inputs[0].data;
  r.to = call->outputs[0].data;
  if (r.inner == 1)
    wk_parallel_for(r.outer * r.index_along, BLOCK, gather_last_range, &r);
  else
    wk_parallel_for(r.outer * r.index_along, block_of_rows(r.inner), gather_range, &r);
  return r.failed ? wk_indices_check(&call->inputs[1], r.x_along, false) : WK_OK;
}

/* All that is put at one outer place. */
static wk_cpu_lines lines_at(const line_run *r, int64_t outer) {
  const int64_t start = outer * r->index_along * r->inner;
  return (wk_cpu_lines){.dtype = r->dtype,
                        .to = r->to + (size_t)(outer * r->x_along * r->inner) * r->size,
                        .from = r->from + (size_t)start * r->size,
                        .index = r->index + (r->one_index ? 0 : start),
                        .count = r->index_along,
                        .inner = r->inner,
                        .end = r->inner,
                        .size = r->x_along,
                        .last = r->x_along,
                        .from_end = r->from_end};
}

static void put_lines(line_run *r, const wk_cpu_lines *lines) {
  const bool right =
      r->reduce ? wk_cpu_reduce_lines(lines, r->reduction) : wk_cpu_put_lines(lines, r->accumulate);
  if (!right) r->failed = true;
}

static void copy_line(const line_run *r, int64_t outer, int64_t first, int64_t last) {
  const size_t at = (size_t)(outer * r->x_along + first) * r->size;
  if (r->x) memcpy(r->to + at, r->x + at, (size_t)(last - first) * r->size);
}

/* Different outer places never meet, nor do different columns. */
static void put_lines_range(void *context, int64_t begin, int64_t end) {
  line_run *r = context;
  const int64_t fitting = CACHED / (r->x_along * (int64_t)r->size + 1);
  const int64_t columns = fitting > 16 ? fitting : 16;
  while (begin < end) {
    const int64_t outer = begin / r->inner, first = begin % r->inner, left = r->inner - first;
    const int64_t most = left < columns ? left : columns;
    wk_cpu_lines lines = lines_at(r, outer);
    lines.begin = first;
    lines.end = first + (most < end - begin ? most : end - begin);
    copy_line(r, outer, 0, r->x_along);
    put_lines(r, &lines);
    begin += lines.end - lines.begin;
  }
}

/* Parts of the axis at one outer place: each part looks at all indices, which takes as long as to
 * put them where all lies in a cache. */
#define LEAST_PARTED ((int64_t)1 << 22)
static void put_parts_range(void *context, int64_t begin, int64_t end) {
  line_run *r = context;
  const int64_t parts = r->parts;
  for (int64_t item = begin; item < end; item++) {
    wk_cpu_lines lines = lines_at(r, item / parts);
    lines.first = item % parts * r->x_along / parts;
    lines.last = (item % parts + 1) * r->x_along / parts;
    copy_line(r, item / parts, lines.first, lines.last);
    put_lines(r, &lines);
  }
}

/* Whether x may be copied line by line while indices are put. */
static void take_x(line_run *r, const wk_operand *y, const wk_operand *x) {
  if (r->inner == 1 && wk_layout_is_contiguous(&x->layout))
    r->x = x->data;
  else
    wk_cpu_copy_elements(y, x);
}

/* Index and source row-major. What to free: two entries of `copies`. */
static wk_status scatter_prepare(line_run *r, const wk_kernel_call *call, int axis,
                                 char *copies[2]) {
  line_prepare(r, &call->inputs[0], &call->inputs[1], axis);
  r->index = (const int64_t *)(const void *)row_major(&call->inputs[1], &copies[0]);
  r->from = row_major(&call->inputs[2], &copies[1]);
  r->to = call->outputs[0].data;
  return wk_error_status();
}

/* Lets go of the copies; raises the error if an index was wrong. */
static wk_status scatter_finish(const line_run *r, const wk_kernel_call *call, char *copies[2],
                                wk_status status) {
  wk_deallocate(copies[0]);
  wk_deallocate(copies[1]);
  if (status != WK_OK || !r->failed) return status;
  return wk_indices_check(&call->inputs[1], r->x_along, false);
}

static void put_all_lines(line_run *r) {
  const int64_t items = r->outer * r->inner;
  r->parts = wk_thread_count();
  if (r->inner == 1 && items < 2 * r->parts && r->index_along > BLOCK && !r->reduce &&
      r->x_along >= LEAST_PARTED) {
    wk_parallel_for(r->outer * r->parts, 1, put_parts_range, r);
    return;
  }
  const int64_t columns = block_of_rows(r->index_along); /* at least a cache line of them */
  wk_parallel_for(items, columns < 16 && r->inner > 1 ? 16 : columns, put_lines_range, r);
}

static wk_status run_scatter(const wk_kernel_call *call, int axis, bool accumulate) {
  line_run r;
  char *copies[2] = {NULL, NULL};
  const wk_status status = scatter_prepare(&r, call, axis, copies);
  r.accumulate = accumulate;
  if (status == WK_OK) {
    take_x(&r, &call->outputs[0], &call->inputs[0]);
    put_all_lines(&r);
  }
  return scatter_finish(&r, call, copies, status);
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
static wk_status put_neutral(line_run *r) {
  char *neutral = wk_allocate_zeroed((size_t)(r->index_along * r->inner) + 1, r->size);
  if (!neutral) return wk_error_status();
  wk_cpu_fill_neutral(r->dtype, r->reduction, neutral, r->index_along * r->inner);
  for (int64_t outer = 0; outer < r->outer; outer++) {
    wk_cpu_lines lines = lines_at(r, outer);
    lines.from = neutral;
    if (!wk_cpu_put_lines(&lines, false)) r->failed = true;
  }
  wk_deallocate(neutral);
  return WK_OK;
}

wk_status wk_cpu_run_scatter_reduce(const wk_kernel_call *call) {
  const wk_scatter_reduce_arguments *a = call->arguments;
  line_run r;
  char *copies[2] = {NULL, NULL};
  wk_status status = scatter_prepare(&r, call, a->axis, copies);
  r.reduce = a->reduction != WK_SCATTER_REDUCTION_SUM;
  r.accumulate = !r.reduce;
  r.reduction = a->reduction;
  if (status == WK_OK) {
    if (a->exclude_x)
      wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
    else
      take_x(&r, &call->outputs[0], &call->inputs[0]);
    if (a->exclude_x) status = put_neutral(&r);
    if (status == WK_OK) put_all_lines(&r);
  }
  return scatter_finish(&r, call, copies, status);
}

/* ---- index_put: rows of single elements are put as scatter's are ---- */

static void put_elements(index_run *r, const wk_kernel_call *call) {
  line_run lines = {.outer = r->plan.outer,
                    .inner = 1,
                    .x_along = r->plan.rows,
                    .index_along = r->plan.outputs,
                    .size = r->size,
                    .dtype = r->dtype,
                    .from = r->source.data,
                    .to = r->y,
                    .index = r->rows,
                    .one_index = true,
                    .from_end = r->from_end,
                    .accumulate = r->accumulate};
  take_x(&lines, &call->outputs[0], &call->inputs[0]);
  put_all_lines(&lines);
  if (lines.failed) r->failed = true;
}

wk_status wk_cpu_run_index_put(const wk_kernel_call *call) {
  const wk_index_put_arguments *a = call->arguments;
  index_run r;
  const wk_status status = index_prepare(&r, call, 2, a->axis, true);
  if (status != WK_OK) return status;
  r.accumulate = a->accumulate;
  take_source(&r, &call->inputs[1]);
  if (r.plan.inner == 1 && r.source_is_dense) {
    put_elements(&r, call);
  } else {
    wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
    put_all_rows(&r);
  }
  return index_finish(&r);
}
