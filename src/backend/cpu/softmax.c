/* SPDX-License-Identifier: Apache-2.0 */

/* Softmax and its family: threads share rows. */

#include <math.h>

#include "backend/cpu/reduce.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

typedef struct work {
  const wk_isa_softmax *isa;
  int64_t columns;
  const void *x, *y, *gradient; /* operands of the function, the result and its gradient */
  const int64_t *labels;
  void *result;
  double scale;
} work;

static void run_rows(wk_dtype dtype, int64_t rows, work *w,
                     void (*run)(void *context, int64_t begin, int64_t end)) {
  w->isa = wk_cpu_isa_get()->softmax[wk_isa_real_of(dtype)];
  wk_parallel_for(rows, 4096 / (w->columns + 1) + 1, run, w);
}

static void run_softmax(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->softmax(w->columns, w->x, w->result, begin, end);
}

void wk_cpu_softmax(wk_dtype dtype, int64_t rows, int64_t columns, const void *x, void *y) {
  run_rows(dtype, rows, &(work){.columns = columns, .x = x, .result = y}, run_softmax);
}

static void run_log_softmax(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->log_softmax(w->columns, w->x, w->result, begin, end);
}

void wk_cpu_log_softmax(wk_dtype dtype, int64_t rows, int64_t columns, const void *x, void *y) {
  run_rows(dtype, rows, &(work){.columns = columns, .x = x, .result = y}, run_log_softmax);
}

static void run_softmax_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->softmax_gradient(w->columns, w->y, w->gradient, w->result, begin, end);
}

void wk_cpu_softmax_gradient(wk_dtype dtype, int64_t rows, int64_t columns, const void *y,
                             const void *y_gradient, void *x_gradient) {
  work w = {.columns = columns, .y = y, .gradient = y_gradient, .result = x_gradient};
  run_rows(dtype, rows, &w, run_softmax_gradient);
}

static void run_log_softmax_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->log_softmax_gradient(w->columns, w->y, w->gradient, w->result, begin, end);
}

void wk_cpu_log_softmax_gradient(wk_dtype dtype, int64_t rows, int64_t columns, const void *y,
                                 const void *y_gradient, void *x_gradient) {
  work w = {.columns = columns, .y = y, .gradient = y_gradient, .result = x_gradient};
  run_rows(dtype, rows, &w, run_log_softmax_gradient);
}

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
