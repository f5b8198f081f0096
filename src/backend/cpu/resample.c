/* SPDX-License-Identifier: Apache-2.0 */
/* Resampling of one axis, and its transpose: rows that are weighted sums of rows. Threads share
 * the rows of the result. */
#include "ops/resample.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/scratch.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/records.gen.h"

typedef struct work {
  const wk_isa_resample *isa;
  wk_taps taps, across;       /* across.count is 0 where one axis is all */
  int64_t from, width, inner; /* the axis of x, the one behind it, and what stands behind both */
  int64_t element;
  const char *x;
  char *y, *own; /* own: a row of x for each thread, between the axes */
} work;

static void combine(const work *w, const wk_taps *taps, int64_t first, int64_t rows,
                    int64_t columns, const char *x, char *y) {
  w->isa->combine(rows, taps->start + first, taps->index, taps->weight, columns, x, y);
}

static void run_rows(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const int64_t columns = w->width * w->inner;
  char *own = w->own ? w->own + wk_parallel_index() * columns * w->element : NULL;
  while (begin < end) {
    const int64_t block = begin / w->taps.count, first = begin % w->taps.count;
    const int64_t left = w->taps.count - first;
    const int64_t rows = own ? 1 : left < end - begin ? left : end - begin;
    const int64_t out = own ? w->across.count * w->inner : columns;
    char *y = w->y + begin * out * w->element;
    const char *x = w->x + block * w->from * columns * w->element;
    const int64_t at = w->taps.start[first];
    if (own && /* a row as it is */
        w->taps.start[first + 1] == at + 1 && w->taps.weight[at] == 1)
      x += w->taps.index[at] * columns * w->element;
    else
      combine(w, &w->taps, first, rows, columns, x, own ? own : y), x = own;
    if (own) combine(w, &w->across, 0, w->across.count, w->inner, x, y);
    begin += rows;
  }
}

/* The taps of one axis, or what they are transposed. */
static wk_status make_taps(const wk_resample_settings *s, bool forward, int64_t from, int64_t to,
                           wk_taps *taps) {
  if (forward) return wk_taps_make(s, from, to, taps);
  wk_taps straight;
  wk_status status = wk_taps_make(s, to, from, &straight);
  if (status == WK_OK) status = wk_taps_transpose(&straight, to, taps);
  wk_taps_free(&straight);
  return status;
}

static wk_status run(const wk_kernel_call *call, bool forward) {
  const wk_resample_settings s = wk_resample_settings_of(call->op, call->arguments);
  const wk_layout *x = &call->inputs[0].layout;
  const int64_t *to = call->outputs[0].layout.dims;
  const wk_isa_real real = wk_isa_real_of(x->dtype);
  work w = {.isa = wk_cpu_isa_get()->resample[real],
            .from = x->dims[s.axis],
            .width = s.across ? x->dims[s.axis + 1] : 1,
            .inner = 1,
            .element = (int64_t)wk_isa_real_size(real),
            .x = call->inputs[0].data,
            .y = call->outputs[0].data};
  int64_t outer = 1;
  for (int i = 0; i < s.axis; i++) outer *= x->dims[i];
  for (int i = s.axis + (s.across ? 2 : 1); i < x->rank; i++) w.inner *= x->dims[i];
  const int64_t columns = w.width * w.inner;
  wk_status status = make_taps(&s, forward, w.from, to[s.axis], &w.taps);
  if (status == WK_OK && s.across) {
    status = make_taps(&s, forward, w.width, to[s.axis + 1], &w.across);
    w.own = wk_cpu_scratch((size_t)(columns * w.element) * (size_t)wk_thread_count());
  }
  if (status == WK_OK && (w.own || !s.across)) {
    const int64_t terms = w.taps.start[w.taps.count] / (w.taps.count + 1) + 1;
    wk_parallel_for(outer * w.taps.count, 16384 / (columns * terms + 1) + 1, run_rows, &w);
  }
  wk_taps_free(&w.taps);
  wk_taps_free(&w.across);
  return wk_error_status();
}

wk_status wk_cpu_run_resample(const wk_kernel_call *call) { return run(call, true); }

wk_status wk_cpu_run_resample_gradient(const wk_kernel_call *call) { return run(call, false); }
