/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of reductions: over any axes, of tensors that lie in memory without gaps in any order of
 * their axes. */
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/lines.h"
#include "backend/cpu/reduce.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "ops/records.gen.h"
#include "ops/reduction.h"

#define BLOCK 16384 /* elements a thread takes at a time */

/* ---- what is to be done ---- */

static const wk_axes *axes_of(const wk_kernel_call *call) {
  switch (call->op->id) {
  case WK_OP_SUM:
    return &((const wk_sum_arguments *)call->arguments)->axes;
  case WK_OP_PRODUCT:
    return &((const wk_product_arguments *)call->arguments)->axes;
  case WK_OP_MAX:
    return &((const wk_max_arguments *)call->arguments)->axes;
  case WK_OP_MIN:
    return &((const wk_min_arguments *)call->arguments)->axes;
  case WK_OP_ALL:
    return &((const wk_all_arguments *)call->arguments)->axes;
  default:
    return &((const wk_any_arguments *)call->arguments)->axes;
  }
}

static wk_cpu_reduction kind_of(const wk_op *op) {
  switch (op->id) {
  case WK_OP_SUM:
    return WK_CPU_SUM;
  case WK_OP_PRODUCT:
    return WK_CPU_PRODUCT;
  case WK_OP_MIN:
  case WK_OP_ALL:
    return WK_CPU_MIN;
  default:
    return WK_CPU_MAX;
  }
}

static bool is_logical(const wk_op *op) { return op->id == WK_OP_ALL || op->id == WK_OP_ANY; }

/* What the kernels reduce in. Truth is 0 or 1 in i32. */
static wk_dtype working_dtype(const wk_kernel_call *call) {
  const wk_dtype x = call->inputs[0].layout.dtype;
  if (is_logical(call->op)) return WK_I32;
  const bool narrow = call->op->id == WK_OP_MAX || call->op->id == WK_OP_MIN;
  if (wk_wide_dtype(x) == WK_F32) return WK_F32;
  return x == WK_F32 || x == WK_F64 || (x == WK_I32 && narrow) ? x : WK_I64;
}

/* Sizes and flags of the axes in the order in which they lie in memory, those of size 1 left out.
 */
typedef struct axis_order {
  int rank;
  int64_t dims[WK_MAX_RANK];
  bool reduced[WK_MAX_RANK];
} axis_order;

/* False if there are gaps, or the axes that stay are in another order than in the result. */
static bool find_order(const wk_layout *x, const bool *reduced, axis_order *order) {
  int axes[WK_MAX_RANK], last_kept = -1;
  order->rank = 0;
  for (int i = 0; i < x->rank; i++) {
    if (x->dims[i] == 1) continue;
    int at = order->rank++;
    for (; at > 0 && x->strides[axes[at - 1]] < x->strides[i]; at--) axes[at] = axes[at - 1];
    axes[at] = i;
  }
  int64_t stride = 1;
  for (int i = order->rank - 1; i >= 0; i--) {
    if (x->strides[axes[i]] != stride) return false;
    stride *= x->dims[axes[i]];
  }
  for (int i = 0; i < order->rank; i++) {
    order->dims[i] = x->dims[axes[i]], order->reduced[i] = reduced[axes[i]];
    if (!order->reduced[i] && axes[i] < last_kept) return false;
    if (!order->reduced[i]) last_kept = axes[i];
  }
  return true;
}

static bool order_of(const wk_kernel_call *call, axis_order *order) {
  const wk_layout *x = &call->inputs[0].layout;
  bool reduced[WK_MAX_RANK];
  return wk_reduced_axes(axes_of(call), x->rank, reduced) == WK_OK && find_order(x, reduced, order);
}

const char *wk_cpu_refuse_reduce(const wk_kernel_call *call) {
  const wk_layout *x = &call->inputs[0].layout;
  return wk_layout_count(x) > 0 ? NULL : "no elements";
}

const char *wk_cpu_refuse_reduce_in_place(const wk_kernel_call *call) {
  const char *reason = wk_cpu_refuse_reduce(call);
  if (reason) return reason;
  axis_order order;
  return order_of(call, &order) ? NULL : "gaps in memory";
}

/* ---- conversions ---- */

typedef struct conversion {
  wk_dtype from_dtype, to_dtype;
  bool logical;
  const char *from;
  char *to;
} conversion;

/* Elements [begin, end) of the conversion's. */
static void convert_part(const conversion *c, char *to, int64_t begin, int64_t end) {
  const size_t from_size = wk_dtype_size(c->from_dtype), to_size = wk_dtype_size(c->to_dtype);
  uint8_t truth[1024];
  if (!c->logical) {
    wk_convert(c->to_dtype, to, c->from_dtype, c->from + (size_t)begin * from_size, end - begin);
    return;
  }
  for (int64_t at = begin; at < end; at += (int64_t)sizeof truth) {
    const int64_t count = end - at < (int64_t)sizeof truth ? end - at : (int64_t)sizeof truth;
    wk_convert(WK_BOOL, truth, c->from_dtype, c->from + (size_t)at * from_size, count);
    wk_convert(c->to_dtype, to + (size_t)(at - begin) * to_size, WK_BOOL, truth, count);
  }
}

static void convert_range(void *context, int64_t begin, int64_t end) {
  const conversion *c = context;
  convert_part(c, c->to + (size_t)begin * wk_dtype_size(c->to_dtype), begin, end);
}

static void convert(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                    int64_t count, bool logical) {
  conversion c = {from_dtype, to_dtype, logical, from, to};
  wk_parallel_for(count, BLOCK, convert_range, &c);
}

/* ---- groups of neighbouring reduced axes, the last first ---- */

typedef struct middle {
  int64_t outer, count, inner;
} middle;

/* Takes the last group of reduced axes off the order; false if there is none. */
static bool take_group(axis_order *order, middle *m) {
  *m = (middle){1, 1, 1};
  int end = order->rank;
  while (end > 0 && !order->reduced[end - 1]) m->inner *= order->dims[--end];
  if (end == 0) return false;
  int begin = end;
  while (begin > 0 && order->reduced[begin - 1]) m->count *= order->dims[--begin];
  for (int i = 0; i < begin; i++) m->outer *= order->dims[i];
  const int kept = order->rank - end;
  memmove(order->dims + begin, order->dims + end, (size_t)kept * sizeof *order->dims);
  memmove(order->reduced + begin, order->reduced + end, (size_t)kept * sizeof *order->reduced);
  order->rank = begin + kept;
  return true;
}

static bool has_group(const axis_order *order) {
  for (int i = 0; i < order->rank; i++)
    if (order->reduced[i]) return true;
  return false;
}

/* Reduces x, which is in the working dtype, to y in the same. */
static wk_status reduce_groups(wk_cpu_reduction kind, wk_dtype dtype, axis_order order,
                               const void *x, void *y) {
  void *before = NULL;
  wk_status status = WK_OK;
  middle m;
  bool any = false;
  while (status == WK_OK && take_group(&order, &m)) {
    const bool last = !has_group(&order);
    void *to = last ? y : wk_allocate((size_t)(m.outer * m.inner) * wk_dtype_size(dtype));
    status = to ? wk_cpu_reduce(kind, dtype, m.outer, m.count, m.inner, before ? before : x, to)
                : wk_error_status();
    wk_deallocate(before);
    before = last ? NULL : to;
    any = true;
  }
  wk_deallocate(before);
  if (!any) { /* only axes of size 1: a copy */
    int64_t count = 1;
    for (int i = 0; i < order.rank; i++) count *= order.dims[i];
    memcpy(y, x, (size_t)count * wk_dtype_size(dtype));
  }
  return status;
}

/* ---- narrow elements ---- */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#define TERMS 2048 /* converted at a time, to memory that stays in the cache */
#define ROWS 8     /* or so many rows of COLUMNS */
#define COLUMNS (TERMS / ROWS)
/* Sums and maxima of floats of 16 bits need no conversion: so many lanes side by side, in blocks so
 * long. */
#define HALF_LANES (16 * WK_HALF_STREAMS)
#define HALF_TERMS 8192
#define HALF_ROWS 32

typedef struct narrow {
  conversion conversion; /* `to`: one result for each block of each row or column */
  wk_cpu_reduction kind;
  wk_isa_join_halves join; /* or NULL */
  int64_t count, inner, blocks, terms, rows, columns, column_blocks;
} narrow;

/* The lanes, `step` apart, of `steps` steps from element `at` on. */
static void join_halves(const narrow *n, int64_t at, int64_t steps, int64_t step, float *lanes) {
  n->join(n->conversion.from_dtype, n->kind == WK_CPU_MAX, steps, step, n->conversion.from + at * 2,
          lanes);
}

static void reduce_blocks(void *context, int64_t begin, int64_t end) {
  const narrow *n = context;
  int64_t space[TERMS]; /* of the working dtype, none of which is larger */
  const size_t size = wk_dtype_size(n->conversion.to_dtype);
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % n->blocks * n->terms;
    const int64_t at = item / n->blocks * n->count + first;
    const int64_t terms = smaller(n->count - first, n->terms);
    /* lanes first, then the terms that fill no more of them */
    const int64_t lanes = n->join ? HALF_LANES : 0, steps = lanes ? terms / lanes : 0;
    if (lanes) join_halves(n, at, steps, HALF_LANES, (float *)(void *)space);
    convert_part(&n->conversion, (char *)space + (size_t)lanes * size, at + steps * lanes,
                 at + terms);
    wk_reduce_block(n->kind, n->conversion.to_dtype, lanes + terms - steps * lanes, space,
                    n->conversion.to + (size_t)item * size);
  }
}

/* Items are (outer, block of rows, block of columns). */
static void reduce_column_blocks(void *context, int64_t begin, int64_t end) {
  const narrow *n = context;
  int64_t space[TERMS];
  const size_t size = wk_dtype_size(n->conversion.to_dtype);
  for (int64_t item = begin; item < end; item++) {
    const int64_t column = item % n->column_blocks * n->columns;
    const int64_t block = item / n->column_blocks, first = block % n->blocks * n->rows;
    const int64_t rows = smaller(n->count - first, n->rows);
    const int64_t some = smaller(n->inner - column, n->columns);
    const int64_t at = (block / n->blocks * n->count + first) * n->inner + column;
    char *to = n->conversion.to + (size_t)(block * n->inner + column) * size;
    if (n->join && some == HALF_LANES) {
      join_halves(n, at, rows, n->inner, (float *)(void *)to);
      continue;
    }
    for (int64_t r = 0; r < rows; r++)
      convert_part(&n->conversion, (char *)space + (size_t)(r * some) * size, at + r * n->inner,
                   at + r * n->inner + some);
    wk_reduce_columns(n->kind, n->conversion.to_dtype, rows, some, space, to);
  }
}

/* The last reduced axes of x, if they lie last in memory or in front of enough others, as fewer
 * elements of the working dtype, whose number takes the place of those axes in the order; else all
 * elements converted. To be freed; NULL with an error pending. */
static void *widen_and_reduce(const wk_kernel_call *call, wk_dtype working, axis_order *order) {
  const wk_operand *x = &call->inputs[0];
  const bool logical = is_logical(call->op);
  const int64_t all = wk_layout_count(&x->layout);
  const size_t size = wk_dtype_size(working);
  narrow n = {.conversion = {x->layout.dtype, working, logical, x->data, NULL},
              .kind = kind_of(call->op)};
  n.count = n.inner = 1;
  int end = order->rank;
  while (end > 0 && !order->reduced[end - 1]) n.inner *= order->dims[--end];
  int begin = end;
  while (begin > 0 && order->reduced[begin - 1]) n.count *= order->dims[--begin];
  const bool by_column = n.inner > 1;
  if (n.count < 16 || (by_column && n.inner < 32)) { /* not worth it */
    n.conversion.to = wk_allocate((size_t)all * size);
    if (n.conversion.to) convert(working, n.conversion.to, x->layout.dtype, x->data, all, logical);
    return n.conversion.to;
  }
  const bool halves = wk_wide_dtype(x->layout.dtype) == WK_F32 && !logical;
  if (halves && (n.kind == WK_CPU_SUM || n.kind == WK_CPU_MAX))
    n.join = wk_cpu_isa_get()->join_halves;
  n.terms = n.join ? HALF_TERMS : TERMS;
  n.rows = n.join ? HALF_ROWS : ROWS, n.columns = n.join ? HALF_LANES : COLUMNS;
  const int64_t block = by_column ? n.rows : n.terms;
  n.blocks = (n.count + block - 1) / block;
  n.column_blocks = (n.inner + n.columns - 1) / n.columns;
  const int64_t blocks = all / (n.count * n.inner) * n.blocks;
  n.conversion.to = wk_allocate((size_t)(blocks * n.inner) * size);
  if (!n.conversion.to) return NULL;
  if (by_column)
    wk_parallel_for(blocks * n.column_blocks, 16, reduce_column_blocks, &n);
  else
    wk_parallel_for(blocks, 16384 / n.count + 1, reduce_blocks, &n);
  /* the group's axes become one of n.blocks, or none */
  order->dims[begin] = n.blocks, order->reduced[begin] = true;
  const int kept = order->rank - end, to = begin + 1;
  memmove(order->dims + to, order->dims + end, (size_t)kept * sizeof *order->dims);
  memmove(order->reduced + to, order->reduced + end, (size_t)kept * sizeof *order->reduced);
  order->rank = to + kept;
  return n.conversion.to;
}

/* ---- reductions ---- */

/* Some of the rows of a sum over the first axes. */
static wk_status reduce_part(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const wk_dtype dtype = x->layout.dtype;
  const wk_part *part = call->part;
  axis_order order;
  middle m;
  if (part->step) {
    const bool fits = working_dtype(call) == dtype && y->layout.dtype == dtype &&
                      order_of(call, &order) && take_group(&order, &m) && !has_group(&order) &&
                      m.outer == 1 && m.inner > 1;
    *part->step = fits ? 1 : 0;
    *part->state_size = fits ? wk_reduce_part_state(dtype, m.count, m.inner) : 0;
    return WK_OK;
  }
  order_of(call, &order);
  take_group(&order, &m);
  const int64_t rows = m.count / x->layout.dims[0]; /* of what is cut into parts */
  return wk_reduce_part(kind_of(call->op), dtype, part->whole * rows, m.inner, part->begin * rows,
                        m.count, x->data, y->data, part->state);
}

wk_status wk_cpu_run_reduce(const wk_kernel_call *call) {
  if (call->part) return reduce_part(call);
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const wk_dtype working = working_dtype(call);
  const int64_t results = wk_layout_count(&y->layout);
  axis_order order;
  order_of(call, &order);
  void *wide = NULL, *result = NULL;
  /* What all and any look at is whether a number is 0. */
  const bool widens = x->layout.dtype != working || is_logical(call->op),
             narrows = y->layout.dtype != working;
  if (widens && !(wide = widen_and_reduce(call, working, &order))) return wk_error_status();
  wk_status status = WK_OK;
  if (narrows && !(result = wk_allocate((size_t)results * wk_dtype_size(working))))
    status = wk_error_status();
  if (status == WK_OK)
    status = reduce_groups(kind_of(call->op), working, order, widens ? wide : x->data,
                           narrows ? result : y->data);
  if (status == WK_OK && narrows)
    convert(y->layout.dtype, y->data, working, result, results, false);
  wk_deallocate(wide);
  wk_deallocate(result);
  return status;
}

/* ---- argmax, argmin ---- */

const char *wk_cpu_refuse_find(const wk_kernel_call *call) {
  const wk_layout *x = &call->inputs[0].layout;
  if (wk_wide_dtype(x->dtype) == WK_F32 && x->dtype != WK_F32) return "no floats of 16 bits";
  return wk_layout_count(x) > 0 ? NULL : "no elements";
}

#define LEAST_COLUMNS 8 /* side by side that are worth searching down together */

/* As it lies, or with the axis moved to the end. */
static wk_status find_lines(const wk_operand *x, int axis, wk_cpu_lines *lines, middle *m) {
  const wk_layout *layout = &x->layout;
  *m = (middle){1, layout->rank ? layout->dims[axis] : 1, 1};
  for (int i = 0; i < layout->rank; i++) {
    if (i < axis) m->outer *= layout->dims[i];
    if (i > axis) m->inner *= layout->dims[i];
  }
  if (wk_layout_is_contiguous(layout) && m->inner >= LEAST_COLUMNS && m->count < INT32_MAX) {
    *lines = (wk_cpu_lines){.data = x->data};
    return WK_OK;
  }
  m->outer *= m->inner, m->inner = 1;
  return wk_cpu_lines_of(x, axis, lines);
}

static wk_status find(const wk_kernel_call *call, int axis, bool largest) {
  const wk_operand *x = &call->inputs[0];
  const wk_dtype dtype = x->layout.dtype;
  const wk_dtype working = dtype == WK_F32 || dtype == WK_F64 || dtype == WK_I32 ? dtype : WK_I64;
  wk_cpu_lines lines;
  middle m;
  wk_status status = find_lines(x, wk_axis_resolve(axis, x->layout.rank), &lines, &m);
  void *wide = NULL;
  const int64_t count = m.outer * m.count * m.inner;
  if (status == WK_OK && dtype != working) {
    wide = wk_allocate((size_t)count * wk_dtype_size(working));
    if (wide)
      convert(working, wide, dtype, lines.data, count, false);
    else
      status = wk_error_status();
  }
  if (status == WK_OK)
    status = wk_cpu_find(largest, working, m.outer, m.count, m.inner, wide ? wide : lines.data,
                         (int64_t *)(void *)call->outputs[0].data);
  wk_deallocate(wide);
  wk_cpu_lines_free(&lines);
  return status;
}

wk_status wk_cpu_run_argmax(const wk_kernel_call *call) {
  return find(call, ((const wk_argmax_arguments *)call->arguments)->axis, true);
}

wk_status wk_cpu_run_argmin(const wk_kernel_call *call) {
  return find(call, ((const wk_argmin_arguments *)call->arguments)->axis, false);
}
