/* SPDX-License-Identifier: Apache-2.0 */

/* Softmax and its family: threads share rows. */

#include <math.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

/* One function of the family; along an axis that is not the last turned, a block of neighbouring
 * rows at a time. */

#define BLOCK_ROWS 32

typedef struct row_work {
  wk_cpu_row_function function;
  wk_dtype dtype;
  const wk_isa_softmax *isa;
  const wk_isa_product *moves;
  int64_t size, count, inner, blocks, tile_rows;
  const char *x, *gradient;
  const int64_t *labels;
  double scale;
  char *result, *scratch;
} row_work;

/* Rows from `first` on, whose labels begin at `label`. */
static void run_block(const row_work *w, int64_t label, int64_t first, int64_t rows, const void *x,
                      const void *g, void *to) {
  switch (w->function) {
  case WK_CPU_SOFTMAX:
    w->isa->softmax(w->count, x, to, first, rows);
    break;
  case WK_CPU_LOG_SOFTMAX:
    w->isa->log_softmax(w->count, x, to, first, rows);
    break;
  case WK_CPU_SOFTMAX_GRADIENT:
    w->isa->softmax_gradient(w->count, x, g, to, first, rows);
    break;
  case WK_CPU_LOG_SOFTMAX_GRADIENT:
    w->isa->log_softmax_gradient(w->count, x, g, to, first, rows);
    break;
  case WK_CPU_CROSS_ENTROPY:
    w->isa->cross_entropy(w->count, x, w->labels + label, to, first, rows);
    break;
  case WK_CPU_CROSS_ENTROPY_GRADIENT:
    w->isa->cross_entropy_gradient(w->count, x, w->labels + label, w->scale, to, first, rows);
    break;
  }
}

static void run_lying(void *context, int64_t begin, int64_t end) {
  const row_work *w = context;
  run_block(w, 0, begin, end, w->x, w->gradient, w->result);
}

static size_t tile_bytes(const row_work *w) {
  return wk_scratch_round((size_t)(w->tile_rows * w->count * w->size));
}

/* What is wanted next is fetched while there is work that needs no memory. */
static void fetch(const char *from, size_t bytes, bool to_write) {
  const uintptr_t at = (uintptr_t)from; /* only fetched: it may lie beyond the end */
  if (bytes > 16384) return;
  for (size_t i = 0; i < bytes; i += 64) {
    if (to_write)
      __builtin_prefetch((const void *)(at + i), 1);
    else
      __builtin_prefetch((const void *)(at + i));
  }
}

/* Rows of f16 or bf16 as f32, one at a time, in place; losses are f32. */
static void run_narrow(void *context, int64_t begin, int64_t end) {
  const row_work *w = context;
  const size_t bytes = tile_bytes(w), row_bytes = (size_t)w->count * 2;
  char *x = w->scratch + (size_t)wk_parallel_index() * 2 * bytes, *g = x + bytes;
  for (int64_t row = begin; row < end; row++) {
    const size_t at = (size_t)row * row_bytes;
    wk_widen(w->dtype, x, w->x + at, w->count);
    fetch(w->x + at + row_bytes, row_bytes, false);
    if (w->gradient) {
      wk_widen(w->dtype, g, w->gradient + at, w->count);
      fetch(w->gradient + at + row_bytes, row_bytes, false);
    }
    if (w->function == WK_CPU_CROSS_ENTROPY) {
      run_block(w, row, 0, 1, x, g, w->result + row * 4);
      continue;
    }
    fetch(w->result + at, row_bytes, true);
    run_block(w, row, 0, 1, x, g, x);
    wk_narrow_elements(w->dtype, w->result + at, x, w->count);
  }
}

static void run_turned(void *context, int64_t begin, int64_t end) {
  const row_work *w = context;
  const size_t bytes = tile_bytes(w);
  char *x = w->scratch + (size_t)wk_parallel_index() * 2 * bytes, *g = x + bytes;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % w->blocks * BLOCK_ROWS;
    const int64_t rows = w->inner - first < BLOCK_ROWS ? w->inner - first : BLOCK_ROWS;
    const int64_t at = (item / w->blocks * w->count * w->inner + first) * w->size;
    w->moves->transpose(x, w->count, w->x + at, w->inner, w->count, rows);
    if (w->gradient) w->moves->transpose(g, w->count, w->gradient + at, w->inner, w->count, rows);
    run_block(w, 0, 0, rows, x, g, x);
    w->moves->transpose(w->result + at, w->inner, x, w->count, rows, w->count);
  }
}

/* Of `w` what was given; `reserve` bytes of scratch memory stay in front, and their place is in
 * *reserved. */
static wk_status run_rows(row_work *w, int64_t outer, size_t reserve, char **reserved) {
  const wk_isa_real real = wk_isa_real_of(w->dtype);
  const bool narrow = wk_wide_dtype(w->dtype) != w->dtype, lies = w->inner == 1;
  w->isa = wk_cpu_isa_get()->softmax[real];
  w->moves = wk_cpu_isa_get()->product[real];
  w->size = (int64_t)wk_isa_real_size(real);
  w->blocks = (w->inner + BLOCK_ROWS - 1) / BLOCK_ROWS;
  w->tile_rows = lies ? 1 : BLOCK_ROWS;
  const size_t tiles = lies && !narrow ? 0 : (size_t)wk_thread_count() * 2 * tile_bytes(w);
  if (reserve + tiles > 0) {
    char *scratch = wk_cpu_scratch(reserve + tiles);
    if (!scratch) return WK_ERROR_MEMORY;
    if (reserved) *reserved = w->result = scratch;
    w->scratch = scratch + reserve;
  }
  if (lies)
    wk_parallel_for(outer, 4096 / (w->count + 1) + 1, narrow ? run_narrow : run_lying, w);
  else
    wk_parallel_for(outer * w->blocks, 4096 / (w->count * BLOCK_ROWS) + 1, run_turned, w);
  return WK_OK;
}

wk_status wk_cpu_rows(wk_cpu_row_function function, wk_dtype dtype, int64_t outer, int64_t count,
                      int64_t inner, const void *x, const void *y_gradient, void *result) {
  if (outer * count * inner == 0) return WK_OK;
  row_work w = {.function = function, .dtype = dtype, .count = count, .inner = inner};
  w.x = x, w.gradient = y_gradient, w.result = result;
  return run_rows(&w, outer, 0, NULL);
}

/* ---- cross entropy ---- */

wk_status wk_cpu_cross_entropy(wk_dtype dtype, int64_t rows, int64_t columns, const void *logits,
                               const int64_t *labels, void *loss) {
  const wk_dtype wide = wk_wide_dtype(dtype);
  const size_t losses = wk_scratch_round((size_t)rows * wk_dtype_size(wide));
  const size_t reserve = losses + wk_reduce_scratch_size(wide, 1, rows, 1);
  row_work w = {.function = WK_CPU_CROSS_ENTROPY, .dtype = dtype, .count = columns, .inner = 1};
  w.x = logits, w.labels = labels;
  char *scratch;
  const wk_status status = run_rows(&w, rows, wk_scratch_round(reserve) + 64, &scratch);
  if (status != WK_OK) return status;
  union {
    double f64;
    float f32;
  } sum;
  wk_reduce_with(WK_CPU_SUM, wide, 1, rows, 1, scratch, &sum, scratch + losses);
  if (wide == WK_F64)
    sum.f64 /= (double)rows;
  else
    sum.f32 /= (float)rows;
  wk_narrow_elements(dtype, loss, &sum, 1);
  return WK_OK;
}

wk_status wk_cpu_cross_entropy_gradient(wk_dtype dtype, int64_t rows, int64_t columns,
                                        const void *logits, const int64_t *labels,
                                        const void *loss_gradient, void *logits_gradient) {
  row_work w = {.function = WK_CPU_CROSS_ENTROPY_GRADIENT, .dtype = dtype, .count = columns};
  w.inner = 1, w.x = logits, w.labels = labels, w.result = logits_gradient;
  wk_convert(WK_F64, &w.scale, dtype, loss_gradient, 1);
  w.scale /= (double)rows;
  return run_rows(&w, rows, 0, NULL);
}
