/* SPDX-License-Identifier: Apache-2.0 */

/* Sums of squares, less a mean, down the middle of [outer, count, inner]. Blocks of a fixed size
 * are summed in f64, a row of terms in 16 lanes, and their sums in order. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/memory.h"
#include "base/parallel.h"

enum { BLOCK = 16384, BLOCK_ROWS = 256, BLOCK_COLUMNS = 512 };

typedef struct square_sum {
  const wk_isa_square_sum *isa;
  const wk_operand *x, *mean, *y;
  wk_isa_real real;
  size_t element;
  int64_t count, inner, blocks, column_blocks;
  double *sums; /* [outer, blocks, inner] */
} square_sum;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static double mean_at(const square_sum *s, int64_t i) {
  if (!s->mean->data) return 0;
  return s->real == WK_ISA_F64 ? ((const double *)(const void *)s->mean->data)[i]
                               : (double)((const float *)(const void *)s->mean->data)[i];
}

/* Items are (outer, block), */
static void sum_rows(void *context, int64_t begin, int64_t end) {
  const square_sum *s = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t outer = item / s->blocks, first = item % s->blocks * BLOCK;
    s->sums[item] =
        s->isa->row[s->real](smaller(BLOCK, s->count - first),
                             s->x->data + (size_t)(outer * s->count + first) * s->element,
                             mean_at(s, outer));
  }
}

/* or (outer, block of rows, block of columns). */
static void sum_columns(void *context, int64_t begin, int64_t end) {
  const square_sum *s = context;
  double means[BLOCK_COLUMNS];
  for (int64_t item = begin; item < end; item++) {
    const int64_t column = item % s->column_blocks * BLOCK_COLUMNS, to = item / s->column_blocks;
    const int64_t outer = to / s->blocks, first = to % s->blocks * BLOCK_ROWS;
    const int64_t columns = smaller(BLOCK_COLUMNS, s->inner - column);
    double *sums = s->sums + to * s->inner + column;
    for (int64_t j = 0; j < columns; j++) means[j] = mean_at(s, outer * s->inner + column + j);
    memset(sums, 0, (size_t)columns * sizeof *sums);
    s->isa->columns[s->real](smaller(BLOCK_ROWS, s->count - first), s->inner, columns,
                             s->x->data + (size_t)((outer * s->count + first) * s->inner + column) *
                                              s->element,
                             means, sums);
  }
}

static void join_blocks(void *context, int64_t begin, int64_t end) {
  const square_sum *s = context;
  for (int64_t to = begin; to < end; to++) {
    const double *from = s->sums + to / s->inner * s->blocks * s->inner + to % s->inner;
    double sum = 0;
    for (int64_t block = 0; block < s->blocks; block++) sum += from[block * s->inner];
    if (s->real == WK_ISA_F64)
      ((double *)(void *)s->y->data)[to] = sum;
    else
      ((float *)(void *)s->y->data)[to] = (float)sum;
  }
}

wk_status wk_cpu_run_square_sum(const wk_kernel_call *call) {
  const int64_t *dims = call->inputs[0].layout.dims, results = dims[0] * dims[2];
  square_sum s = {.isa = wk_cpu_isa_get()->square_sum, .x = &call->inputs[0]};
  s.mean = &call->inputs[1], s.y = &call->outputs[0];
  s.real = wk_isa_real_of(s.x->layout.dtype), s.element = wk_isa_real_size(s.real);
  s.count = dims[1], s.inner = dims[2];
  const int64_t rows = s.inner == 1 ? BLOCK : BLOCK_ROWS;
  s.blocks = (s.count + rows - 1) / rows;
  s.column_blocks = s.inner == 1 ? 1 : (s.inner + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
  double few[64];
  const int64_t sums = results * s.blocks, items = dims[0] * s.blocks * s.column_blocks;
  s.sums = sums <= 64 ? few : wk_allocate((size_t)sums * sizeof *s.sums);
  if (!s.sums) return wk_error_status();
  const int64_t terms = items > 0 ? dims[0] * s.count * s.inner / items : 1;
  wk_parallel_for(items, BLOCK / (terms + 1) + 1, s.inner == 1 ? sum_rows : sum_columns, &s);
  wk_parallel_for(results, BLOCK / (s.blocks + 1) + 1, join_blocks, &s);
  if (s.sums != few) wk_deallocate(s.sums);
  return WK_OK;
}
