/* SPDX-License-Identifier: Apache-2.0 */

/* Softmax and its family: threads share rows. */

#include <math.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

typedef struct work {
  const wk_isa_softmax *isa;
  int64_t columns;
  const void *x;
  const int64_t *labels;
  void *result;
  double scale;
} work;

static void run_rows(wk_dtype dtype, int64_t rows, work *w,
                     void (*run)(void *context, int64_t begin, int64_t end)) {
  w->isa = wk_cpu_isa_get()->softmax[wk_isa_real_of(dtype)];
  wk_parallel_for(rows, 4096 / (w->columns + 1) + 1, run, w);
}

/* ---- one function of the family; along an axis that is not the last turned, a block of
 * neighbouring rows at a time ---- */

#define BLOCK_ROWS 32

typedef struct turned {
  wk_cpu_row_function function;
  wk_dtype dtype;
  const wk_isa_softmax *isa;
  const wk_isa_product *moves;
  int64_t size, count, inner, blocks, tile_rows;
  const char *x, *gradient;
  char *result, *scratch;
} turned;

/* Rows from `first` on. */
static void run_block(const turned *t, int64_t first, int64_t rows, const void *x, const void *g,
                      void *to) {
  switch (t->function) {
  case WK_CPU_SOFTMAX:
    t->isa->softmax(t->count, x, to, first, rows);
    break;
  case WK_CPU_LOG_SOFTMAX:
    t->isa->log_softmax(t->count, x, to, first, rows);
    break;
  case WK_CPU_SOFTMAX_GRADIENT:
    t->isa->softmax_gradient(t->count, x, g, to, first, rows);
    break;
  case WK_CPU_LOG_SOFTMAX_GRADIENT:
    t->isa->log_softmax_gradient(t->count, x, g, to, first, rows);
    break;
  }
}

static void run_lying(void *context, int64_t begin, int64_t end) {
  const turned *t = context;
  run_block(t, begin, end, t->x, t->gradient, t->result);
}

static size_t tile_bytes(const turned *t) {
  return wk_scratch_round((size_t)(t->tile_rows * t->count * t->size));
}

/* Rows of f16 or bf16 as f32, a few at a time. */
static void run_narrow(void *context, int64_t begin, int64_t end) {
  const turned *t = context;
  const size_t bytes = tile_bytes(t);
  char *x = t->scratch + (size_t)wk_parallel_index() * 3 * bytes, *g = x + bytes, *to = g + bytes;
  for (int64_t row = begin; row < end; row += t->tile_rows) {
    const int64_t rows = end - row < t->tile_rows ? end - row : t->tile_rows;
    const int64_t count = rows * t->count, at = row * t->count * 2;
    wk_widen(t->dtype, x, t->x + at, count);
    if (t->gradient) wk_widen(t->dtype, g, t->gradient + at, count);
    run_block(t, 0, rows, x, g, to);
    wk_narrow_elements(t->dtype, t->result + at, to, count);
  }
}

static void run_turned(void *context, int64_t begin, int64_t end) {
  const turned *t = context;
  const size_t bytes = tile_bytes(t);
  char *x = t->scratch + (size_t)wk_parallel_index() * 3 * bytes, *g = x + bytes, *to = g + bytes;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % t->blocks * BLOCK_ROWS;
    const int64_t rows = t->inner - first < BLOCK_ROWS ? t->inner - first : BLOCK_ROWS;
    const int64_t at = (item / t->blocks * t->count * t->inner + first) * t->size;
    t->moves->transpose(x, t->count, t->x + at, t->inner, t->count, rows);
    if (t->gradient) t->moves->transpose(g, t->count, t->gradient + at, t->inner, t->count, rows);
    run_block(t, 0, rows, x, g, to);
    t->moves->transpose(t->result + at, t->inner, to, t->count, rows, t->count);
  }
}

wk_status wk_cpu_rows(wk_cpu_row_function function, wk_dtype dtype, int64_t outer, int64_t count,
                      int64_t inner, const void *x, const void *y_gradient, void *result) {
  if (outer * count * inner == 0) return WK_OK;
  const wk_isa_real real = wk_isa_real_of(dtype);
  turned t = {.function = function,
              .dtype = dtype,
              .isa = wk_cpu_isa_get()->softmax[real],
              .moves = wk_cpu_isa_get()->product[real],
              .size = (int64_t)wk_isa_real_size(real),
              .count = count,
              .inner = inner,
              .blocks = (inner + BLOCK_ROWS - 1) / BLOCK_ROWS,
              .tile_rows = inner == 1 ? 4096 / (count + 1) + 1 : BLOCK_ROWS,
              .x = x,
              .gradient = y_gradient,
              .result = result};
  const bool narrow = wk_wide_dtype(dtype) != dtype;
  if (inner == 1 && !narrow) {
    wk_parallel_for(outer, t.tile_rows, run_lying, &t);
    return WK_OK;
  }
  t.scratch = wk_cpu_scratch((size_t)wk_thread_count() * 3 * tile_bytes(&t));
  if (!t.scratch) return WK_ERROR_MEMORY;
  if (narrow)
    wk_parallel_for(outer, t.tile_rows, run_narrow, &t);
  else
    wk_parallel_for(outer * t.blocks, 4096 / (count * BLOCK_ROWS) + 1, run_turned, &t);
  return WK_OK;
}

/* ---- cross entropy ---- */

static void run_cross_entropy(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->cross_entropy(w->columns, w->x, w->labels, w->result, begin, end);
}

wk_status wk_cpu_cross_entropy(wk_dtype dtype, int64_t rows, int64_t columns, const void *logits,
                               const int64_t *labels, void *loss) {
  const size_t losses = wk_scratch_round((size_t)rows * wk_dtype_size(dtype));
  char *scratch = wk_cpu_scratch(losses + wk_reduce_scratch_size(dtype, 1, rows, 1));
  if (!scratch) return WK_ERROR_MEMORY;
  work w = {.columns = columns, .x = logits, .labels = labels, .result = scratch};
  run_rows(dtype, rows, &w, run_cross_entropy);
  wk_reduce_with(WK_CPU_SUM, dtype, 1, rows, 1, scratch, loss, scratch + losses);
  if (dtype == WK_F64)
    *(double *)loss /= (double)rows;
  else
    *(float *)loss /= (float)rows;
  return WK_OK;
}

static void run_cross_entropy_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->cross_entropy_gradient(w->columns, w->x, w->labels, w->scale, w->result, begin, end);
}

void wk_cpu_cross_entropy_gradient(wk_dtype dtype, int64_t rows, int64_t columns,
                                   const void *logits, const int64_t *labels,
                                   const void *loss_gradient, void *logits_gradient) {
  work w = {.columns = columns, .x = logits, .labels = labels, .result = logits_gradient};
  w.scale =
      (dtype == WK_F64 ? *(const double *)loss_gradient : (double)*(const float *)loss_gradient) /
      (double)rows;
  run_rows(dtype, rows, &w, run_cross_entropy_gradient);
}
