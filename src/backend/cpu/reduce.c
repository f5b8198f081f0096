/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions of [outer, count, inner] over the middle.
 *
 * Their order: `count` is cut into blocks, of BLOCK_TERMS terms where inner is 1 and BLOCK_ROWS
 * otherwise. A block of a row is added in 16 lanes (term i to lane i mod 16; products of f32 have
 * 32), which are then folded in halves; a block of columns is added from top to bottom. The blocks'
 * results are reduced in the same way, until one is left. So the order depends on `count` and on
 * whether inner is 1, no more.
 */

#include "backend/cpu/reduce.h"

#include <string.h>

#include "backend/cpu/scratch.h"
#include "base/parallel.h"

#define BLOCK_TERMS 4096
#define BLOCK_ROWS 256
/* Columns that a thread takes at a time. */
#define BLOCK_COLUMNS 1024

typedef struct level {
  const wk_isa_reduce *isa;
  wk_cpu_reduction reduction;
  size_t element;
  int64_t count, inner, blocks, column_blocks;
  const char *x;
  char *y;
} level;

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static const wk_isa_reduce *isa_of(wk_dtype dtype) {
  const wk_cpu_isa *isa = wk_cpu_isa_get();
  switch (dtype) {
  case WK_F64:
    return isa->reduce[1];
  case WK_I64:
    return isa->reduce[2];
  case WK_I32:
    return isa->reduce[3];
  default:
    return isa->reduce[0];
  }
}

static int64_t block_count(int64_t count, int64_t inner) {
  const int64_t blocks = divide_up(count, inner == 1 ? BLOCK_TERMS : BLOCK_ROWS);
  return blocks > 0 ? blocks : 1;
}

/* Items are (outer, block), */
static void run_terms(void *context, int64_t begin, int64_t end) {
  const level *l = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % l->blocks * BLOCK_TERMS;
    const int64_t at = item / l->blocks * l->count + first;
    l->isa->block[l->reduction](smaller(BLOCK_TERMS, l->count - first),
                                l->x + (size_t)at * l->element, l->y + (size_t)item * l->element);
  }
}

/* or (outer, block, block of columns). */
static void run_columns(void *context, int64_t begin, int64_t end) {
  const level *l = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t column = item % l->column_blocks * BLOCK_COLUMNS;
    const int64_t to = item / l->column_blocks;
    const int64_t first = to % l->blocks * BLOCK_ROWS;
    const int64_t at = (to / l->blocks * l->count + first) * l->inner + column;
    l->isa->columns[l->reduction](smaller(BLOCK_ROWS, l->count - first), l->inner,
                                  smaller(BLOCK_COLUMNS, l->inner - column),
                                  l->x + (size_t)at * l->element,
                                  l->y + (size_t)(to * l->inner + column) * l->element);
  }
}

static void run_level(level *l, int64_t outer) {
  l->column_blocks = divide_up(l->inner, BLOCK_COLUMNS);
  const int64_t items = outer * l->blocks * l->column_blocks;
  const int64_t terms = outer * l->count * l->inner / (items > 0 ? items : 1);
  const int64_t block = 16384 / (terms + 1) + 1; /* items worth a thread's while */
  wk_parallel_for(items, block, l->inner == 1 ? run_terms : run_columns, l);
}

size_t wk_reduce_scratch_size(wk_dtype dtype, int64_t outer, int64_t count, int64_t inner) {
  const int64_t blocks = block_count(count, inner);
  if (blocks == 1) return 0;
  const int64_t second = block_count(blocks, inner);
  return (size_t)(outer * inner * (blocks + second)) * wk_dtype_size(dtype);
}

void wk_reduce_with(wk_cpu_reduction reduction, wk_dtype dtype, int64_t outer, int64_t count,
                    int64_t inner, const void *x, void *y, void *scratch) {
  level l = {.isa = isa_of(dtype), .reduction = reduction, .element = wk_dtype_size(dtype)};
  l.count = count, l.inner = inner, l.x = x;
  /* Each level's results go to the half of scratch that the level before did not write. */
  char *halves[2] = {scratch, (char *)scratch +
                                  (size_t)(outer * inner * block_count(count, inner)) * l.element};
  for (int turn = 0;; turn ^= 1) {
    l.blocks = block_count(l.count, inner);
    l.y = l.blocks == 1 ? y : halves[turn];
    run_level(&l, outer);
    if (l.blocks == 1) return;
    l.x = l.y, l.count = l.blocks;
  }
}

wk_status wk_cpu_reduce(wk_cpu_reduction reduction, wk_dtype dtype, int64_t outer, int64_t count,
                        int64_t inner, const void *x, void *y) {
  const size_t size = wk_reduce_scratch_size(dtype, outer, count, inner);
  void *scratch = y; /* never used when there is one level only */
  if (size > 0 && !(scratch = wk_cpu_scratch(size))) return WK_ERROR_MEMORY;
  wk_reduce_with(reduction, dtype, outer, count, inner, x, y, scratch);
  return WK_OK;
}

size_t wk_reduce_part_state(wk_dtype dtype, int64_t count, int64_t inner) {
  return (size_t)(block_count(count, inner) * inner) * wk_dtype_size(dtype);
}

/* The state is what the blocks give, of which the last one may have begun before these rows. */
wk_status wk_reduce_part(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, int64_t inner,
                         int64_t first, int64_t rows, const void *x, void *y, void *state) {
  level l = {.isa = isa_of(dtype), .reduction = reduction, .element = wk_dtype_size(dtype)};
  const size_t row = (size_t)inner * l.element;
  const int64_t begun = first % BLOCK_ROWS, end = first + rows;
  l.inner = inner, l.x = x, l.y = (char *)state + (size_t)(first / BLOCK_ROWS) * row;
  if (begun) {
    const int64_t some = smaller(BLOCK_ROWS - begun, rows);
    char *joined = wk_cpu_scratch((size_t)(some + 1) * row);
    if (!joined) return WK_ERROR_MEMORY;
    memcpy(joined, l.y, row);
    memcpy(joined + row, l.x, (size_t)some * row);
    l.isa->columns[reduction](some + 1, inner, inner, joined, l.y);
    l.x += (size_t)some * row, l.y += row, rows -= some;
  }
  if (rows > 0) {
    l.count = rows, l.blocks = block_count(rows, inner);
    run_level(&l, 1);
  }
  const int64_t blocks = block_count(count, inner);
  return end < count ? WK_OK : wk_cpu_reduce(reduction, dtype, 1, blocks, inner, state, y);
}

void wk_reduce_block(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, const void *x,
                     void *y) {
  isa_of(dtype)->block[reduction](count, x, y);
}

void wk_reduce_columns(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, int64_t columns,
                       const void *x, void *y) {
  isa_of(dtype)->columns[reduction](count, columns, columns, x, y);
}

/* ---- where the largest and smallest are ---- */

/* A long row is searched in blocks of so many elements, whose bests are then compared in order. */
#define LONG_ROW 65536
#define FIND_COLUMNS 128 /* that a thread takes at a time */

typedef struct search {
  const wk_isa_reduce *isa;
  int which; /* 0: largest, 1: smallest */
  size_t element;
  int64_t count, inner, blocks;
  const char *x;
  int64_t *y;
} search;

static void find_in_rows(void *context, int64_t begin, int64_t end) {
  const search *s = context;
  s->isa->find[s->which](s->count, s->x, s->y, begin, end);
}

static void find_in_blocks(void *context, int64_t begin, int64_t end) {
  const search *s = context;
  for (int64_t block = begin; block < end; block++) {
    const int64_t first = block * LONG_ROW;
    s->isa->find[s->which](smaller(LONG_ROW, s->count - first), s->x + (size_t)first * s->element,
                           &s->y[block], 0, 1);
    s->y[block] += first;
  }
}

static void find_in_columns(void *context, int64_t begin, int64_t end) {
  const search *s = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t column = item % s->blocks * FIND_COLUMNS, outer = item / s->blocks;
    s->isa->find_columns[s->which](s->count, s->inner, smaller(FIND_COLUMNS, s->inner - column),
                                   s->x +
                                       (size_t)(outer * s->count * s->inner + column) * s->element,
                                   s->y + outer * s->inner + column);
  }
}

/* One row: the best of each block, gathered, is searched again. */
static wk_status find_in_long_row(search *s, int64_t *y) {
  const int64_t blocks = divide_up(s->count, LONG_ROW);
  const size_t places = wk_scratch_round((size_t)blocks * sizeof(int64_t));
  char *scratch = wk_cpu_scratch(places + (size_t)blocks * s->element);
  if (!scratch) return WK_ERROR_MEMORY;
  s->y = (int64_t *)(void *)scratch;
  wk_parallel_for(blocks, 1, find_in_blocks, s);
  for (int64_t i = 0; i < blocks; i++)
    memcpy(scratch + places + (size_t)i * s->element, s->x + (size_t)s->y[i] * s->element,
           s->element);
  int64_t best;
  s->isa->find[s->which](blocks, scratch + places, &best, 0, 1);
  *y = s->y[best];
  return WK_OK;
}

wk_status wk_cpu_find(bool largest, wk_dtype dtype, int64_t outer, int64_t count, int64_t inner,
                      const void *x, int64_t *y) {
  search s = {isa_of(dtype), largest ? 0 : 1, wk_dtype_size(dtype), count, inner, 1, x, y};
  if (inner == 1 && outer == 1 && count > LONG_ROW) return find_in_long_row(&s, y);
  if (inner == 1) {
    wk_parallel_for(outer, 16384 / (count + 1) + 1, find_in_rows, &s);
    return WK_OK;
  }
  s.blocks = divide_up(inner, FIND_COLUMNS);
  wk_parallel_for(outer * s.blocks, 16384 / (count * smaller(inner, FIND_COLUMNS) + 1) + 1,
                  find_in_columns, &s);
  return WK_OK;
}
