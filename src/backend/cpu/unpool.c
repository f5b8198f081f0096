/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels put at and picked from numbered places: max_unpool2d and its gradient. Threads share
 * images, within which places may repeat, and pixels. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/parallel.h"

typedef struct work {
  const int64_t *indices;
  const char *from;
  char *to;
  int64_t area, places, channels; /* of an image; its indices' */
} work;

/* Before threads, which cannot fail. */
static wk_status check_indices(const wk_operand *indices, int64_t area) {
  const int64_t *index = (const int64_t *)(const void *)indices->data;
  const int64_t count = wk_layout_count(&indices->layout);
  for (int64_t i = 0; i < count; i++) {
    if (index[i] >= 0 && index[i] < area) continue;
    return wk_fail(WK_ERROR_INDEX,
                   "index %lld at position %lld is outside the image of %lld pixels",
                   (long long)index[i], (long long)i, (long long)area);
  }
  return WK_OK;
}

static work make_work(const wk_kernel_call *call, const int64_t *images) {
  const int64_t *dims = call->inputs[1].layout.dims;
  return (work){.indices = (const int64_t *)(const void *)call->inputs[1].data,
                .from = call->inputs[0].data,
                .to = call->outputs[0].data,
                .area = images[1] * images[2],
                .places = dims[1] * dims[2],
                .channels = dims[3]};
}

#define DEFINE_UNPOOL(name, type)                                                                  \
  static void put_##name(void *context, int64_t begin, int64_t end) {                              \
    const work *w = context;                                                                       \
    const int64_t size = w->area * w->channels, count = w->places * w->channels;                   \
    for (int64_t n = begin; n < end; n++) {                                                        \
      const int64_t *index = w->indices + n * count;                                               \
      const type *from = (const type *)(const void *)w->from + n * count;                          \
      type *to = (type *)(void *)w->to + n * size;                                                 \
      memset(to, 0, (size_t)size * sizeof *to);                                                    \
      for (int64_t i = 0; i < count; i++) to[index[i] * w->channels + i % w->channels] += from[i]; \
    }                                                                                              \
  }                                                                                                \
  static void pick_##name(void *context, int64_t begin, int64_t end) {                             \
    const work *w = context;                                                                       \
    for (int64_t place = begin; place < end; place++) {                                            \
      const int64_t *index = w->indices + place * w->channels;                                     \
      const type *from =                                                                           \
          (const type *)(const void *)w->from + place / w->places * w->area * w->channels;         \
      type *to = (type *)(void *)w->to + place * w->channels;                                      \
      for (int64_t c = 0; c < w->channels; c++) to[c] = from[index[c] * w->channels + c];          \
    }                                                                                              \
  }
DEFINE_UNPOOL(f32, float)
DEFINE_UNPOOL(f64, double)

wk_status wk_cpu_run_max_unpool2d(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  work w = make_work(call, y->layout.dims);
  const wk_status status = check_indices(&call->inputs[1], w.area);
  if (status != WK_OK) return status;
  wk_parallel_for(y->layout.dims[0], 16384 / (w.area * w.channels + 1) + 1,
                  y->layout.dtype == WK_F64 ? put_f64 : put_f32, &w);
  return WK_OK;
}

wk_status wk_cpu_run_max_unpool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *y = &call->outputs[0];
  work w = make_work(call, g->layout.dims);
  const wk_status status = check_indices(&call->inputs[1], w.area);
  if (status != WK_OK) return status;
  wk_parallel_for(y->layout.dims[0] * w.places, 16384 / (w.channels + 1) + 1,
                  y->layout.dtype == WK_F64 ? pick_f64 : pick_f32, &w);
  return WK_OK;
}
