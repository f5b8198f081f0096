/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of images as rows, and back: threads share rows of the result. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/parallel.h"
#include "ops/window.h"

typedef struct work {
  wk_window window;
  const int64_t *images; /* sizes [N, H, W, C] */
  const char *from;
  char *to;
  int64_t pixel; /* bytes of one */
} work;

static int64_t block_of(int64_t bytes_per_item) { return 65536 / (bytes_per_item + 1) + 1; }

/* One row of a window, `y` in the image, its first pixel at `x`. */
static void copy_row(const work *w, const char *image, int64_t y, int64_t x, char *to) {
  const wk_window_axis *across = &w->window.width;
  const int64_t width = w->images[2];
  if (y < 0 || y >= w->images[1]) {
    memset(to, 0, (size_t)(across->kernel * w->pixel));
    return;
  }
  const char *row = image + y * width * w->pixel;
  for (int64_t k = 0; k < across->kernel; k++, to += w->pixel) {
    const int64_t column = x + k * across->dilation;
    if (column < 0 || column >= width)
      memset(to, 0, (size_t)w->pixel);
    else
      memcpy(to, row + column * w->pixel, (size_t)w->pixel);
  }
}

static void unfold_rows(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const wk_window_axis *down = &w->window.height, *across = &w->window.width;
  const int64_t image_size = w->images[1] * w->images[2] * w->pixel;
  char *to = w->to + begin * down->kernel * across->kernel * w->pixel;
  for (int64_t row = begin; row < end; row++) {
    const char *image = w->from + row / across->out / down->out * image_size;
    const int64_t y = row / across->out % down->out * down->stride - down->padding_before;
    const int64_t x = row % across->out * across->stride - across->padding_before;
    for (int64_t k = 0; k < down->kernel; k++, to += across->kernel * w->pixel)
      copy_row(w, image, y + k * down->dilation, x, to);
  }
}

wk_status wk_cpu_run_unfold2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  work w = {.images = x->layout.dims, .from = x->data, .to = y->data};
  const wk_status status = wk_unfold2d_window_of(call->op, call->arguments, w.images, &w.window);
  if (status != WK_OK) return status;
  w.pixel = w.images[3] * (int64_t)wk_dtype_size(x->layout.dtype);
  wk_parallel_for(y->layout.dims[0] * y->layout.dims[1],
                  block_of(w.window.height.kernel * w.window.width.kernel * w.pixel), unfold_rows,
                  &w);
  return WK_OK;
}

/* ---- fold2d ---- */

/* Which window sees place `at` with its element k: its number, or -1. */
static int64_t window_at(const wk_window_axis *axis, int64_t at, int64_t k) {
  const int64_t begin = at + axis->padding_before - k * axis->dilation;
  if (begin < 0 || begin % axis->stride) return -1;
  return begin / axis->stride < axis->out ? begin / axis->stride : -1;
}

/* For each pixel of rows [begin, end) of all images, its sum over the windows that see it, their
 * elements in row-major order. */
#define DEFINE_FOLD(name, type)                                                                    \
  static void fold_pixel_##name(const work *w, const type *from, int64_t y, int64_t x, type *to) { \
    const wk_window_axis *down = &w->window.height, *across = &w->window.width;                    \
    const int64_t channels = w->images[3];                                                         \
    for (int64_t c = 0; c < channels; c++) to[c] = 0;                                              \
    for (int64_t i = 0; i < down->kernel; i++) {                                                   \
      const int64_t row = window_at(down, y, i);                                                   \
      for (int64_t j = 0; row >= 0 && j < across->kernel; j++) {                                   \
        const int64_t column = window_at(across, x, j);                                            \
        if (column < 0) continue;                                                                  \
        const type *tap =                                                                          \
            from +                                                                                 \
            (((row * across->out + column) * down->kernel + i) * across->kernel + j) * channels;   \
        for (int64_t c = 0; c < channels; c++) to[c] += tap[c];                                    \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
  static void fold_rows_##name(void *context, int64_t begin, int64_t end) {                        \
    const work *w = context;                                                                       \
    const wk_window_axis *down = &w->window.height, *across = &w->window.width;                    \
    const int64_t height = w->images[1], width = w->images[2], channels = w->images[3];            \
    const int64_t rows = down->out * across->out * down->kernel * across->kernel * channels;       \
    for (int64_t row = begin; row < end; row++)                                                    \
      for (int64_t x = 0; x < width; x++)                                                          \
        fold_pixel_##name(w, (const type *)(const void *)w->from + row / height * rows,            \
                          row % height, x, (type *)(void *)w->to + (row * width + x) * channels);  \
  }
DEFINE_FOLD(f32, float)
DEFINE_FOLD(f64, double)

wk_status wk_cpu_run_fold2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  work w = {.images = y->layout.dims, .from = x->data, .to = y->data};
  const wk_status status = wk_unfold2d_window_of(call->op, call->arguments, w.images, &w.window);
  if (status != WK_OK) return status;
  wk_parallel_for(w.images[0] * w.images[1], block_of(w.images[2] * w.images[3] * 8),
                  y->layout.dtype == WK_F64 ? fold_rows_f64 : fold_rows_f32, &w);
  return WK_OK;
}
