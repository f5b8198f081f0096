/* SPDX-License-Identifier: Apache-2.0 */
/* Resampling of one axis, and its transpose: rows that are weighted sums of rows. Threads share
 * the rows of the result. */
#include "ops/resample.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/records.gen.h"

typedef struct work {
  const wk_isa_resample *isa;
  const wk_taps *taps;
  int64_t from, inner; /* the axis of x, and what stands behind it */
  int64_t element;
  const char *x;
  char *y;
} work;

static void run_rows(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  while (begin < end) {
    const int64_t block = begin / w->taps->count, first = begin % w->taps->count;
    const int64_t left = w->taps->count - first, rows = left < end - begin ? left : end - begin;
    w->isa->combine(rows, w->taps->start + first, w->taps->index, w->taps->weight, w->inner,
                    w->x + block * w->from * w->inner * w->element,
                    w->y + begin * w->inner * w->element);
    begin += rows;
  }
}

static wk_status run(const wk_kernel_call *call, const wk_taps *taps, int axis) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const wk_isa_real real = wk_isa_real_of(y->layout.dtype);
  work w = {.isa = wk_cpu_isa_get()->resample[real],
            .taps = taps,
            .from = x->layout.dims[axis],
            .inner = 1,
            .element = (int64_t)wk_isa_real_size(real),
            .x = x->data,
            .y = y->data};
  int64_t outer = 1;
  for (int i = 0; i < axis; i++) outer *= x->layout.dims[i];
  for (int i = axis + 1; i < x->layout.rank; i++) w.inner *= x->layout.dims[i];
  const int64_t terms = taps->start[taps->count] / (taps->count + 1) + 1;
  wk_parallel_for(outer * taps->count, 16384 / (w.inner * terms + 1) + 1, run_rows, &w);
  return WK_OK;
}

wk_status wk_cpu_run_resample(const wk_kernel_call *call) {
  const wk_resample_settings s = wk_resample_settings_of(call->op, call->arguments);
  wk_taps taps;
  wk_status status = wk_taps_make(&s, call->inputs[0].layout.dims[s.axis], s.size, &taps);
  if (status == WK_OK) status = run(call, &taps, s.axis);
  wk_taps_free(&taps);
  return status;
}

wk_status wk_cpu_run_resample_gradient(const wk_kernel_call *call) {
  const wk_resample_settings s = wk_resample_settings_of(call->op, call->arguments);
  wk_taps taps, transposed = {0};
  wk_status status = wk_taps_make(&s, s.size, call->inputs[0].layout.dims[s.axis], &taps);
  if (status == WK_OK) status = wk_taps_transpose(&taps, s.size, &transposed);
  if (status == WK_OK) status = run(call, &transposed, s.axis);
  wk_taps_free(&taps);
  wk_taps_free(&transposed);
  return status;
}
