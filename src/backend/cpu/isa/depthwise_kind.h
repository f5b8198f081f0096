/* SPDX-License-Identifier: Apache-2.0 */

/* Depthwise convolution for one real type; see kinds.h. Products are rounded before they are
 * added, so that bits do not depend on the instruction set. */

#include "backend/cpu/isa/kinds.h"

#define tap_list OF_KIND(tap_list)
#define sum_taps OF_KIND(sum_taps)
#define add_taps OF_KIND(add_taps)
#define push_tap OF_KIND(push_tap)
#define forward OF_KIND(forward)
#define forward_pixel OF_KIND(forward_pixel)
#define seen_by OF_KIND(seen_by)
#define data_gradient OF_KIND(data_gradient)
#define add_tap_gradient OF_KIND(add_tap_gradient)
#define weight_gradient OF_KIND(weight_gradient)

/* The taps that reach a pixel: what to multiply with what. Many taps come in several batches. */
#define MAX_TAPS 32
typedef struct tap_list {
  int count;
  const TYPE *pixel[MAX_TAPS], *weight[MAX_TAPS];
} tap_list;

WK_LANES_INLINE lanes sum_taps(const tap_list *taps, int64_t channel, lanes sum) {
  for (int i = 0; i < taps->count; i++)
    sum = sum + lanes_load(taps->pixel[i] + channel) * lanes_load(taps->weight[i] + channel);
  return sum;
}

/* y += sum over taps, for all channels. */
static void add_taps(tap_list *taps, int64_t channels, TYPE *y) {
  int64_t c = 0;
  for (; c + WK_LANES <= channels; c += WK_LANES)
    lanes_store(y + c, sum_taps(taps, c, lanes_load(y + c)));
  for (; c < channels; c++)
    for (int i = 0; i < taps->count; i++) y[c] += taps->pixel[i][c] * taps->weight[i][c];
  taps->count = 0;
}

static void push_tap(tap_list *taps, const TYPE *pixel, const TYPE *weight, int64_t channels,
                     TYPE *y) {
  if (taps->count == MAX_TAPS) add_taps(taps, channels, y);
  taps->pixel[taps->count] = pixel;
  taps->weight[taps->count++] = weight;
}

static void forward_pixel(const wk_cpu_conv2d_shape *s, const TYPE *image, const TYPE *weight,
                          int64_t top, int64_t left, TYPE *y) {
  tap_list taps = {0};
  for (int64_t i = 0; i < s->kernel_height; i++) {
    const int64_t row = top + i * s->dilation_height;
    if (row < 0 || row >= s->height) continue;
    for (int64_t j = 0; j < s->kernel_width; j++) {
      const int64_t column = left + j * s->dilation_width;
      if (column < 0 || column >= s->width) continue;
      push_tap(&taps, image + (row * s->width + column) * s->channels,
               weight + (i * s->kernel_width + j) * s->channels, s->channels, y);
    }
  }
  add_taps(&taps, s->channels, y);
}

static void forward(const wk_cpu_conv2d_shape *s, const void *x, const void *weight,
                    const void *bias, void *y, int64_t begin, int64_t end) {
  const size_t bytes = (size_t)s->channels * sizeof(TYPE);
  for (int64_t row = begin; row < end; row++) {
    const int64_t image = row / s->out_height, i = row % s->out_height;
    for (int64_t j = 0; j < s->out_width; j++) {
      TYPE *to = (TYPE *)y + (row * s->out_width + j) * s->channels;
      if (bias)
        memcpy(to, bias, bytes);
      else
        memset(to, 0, bytes);
      forward_pixel(s, (const TYPE *)x + image * s->height * s->width * s->channels, weight,
                    i * s->stride_height - s->padding_top, j * s->stride_width - s->padding_left,
                    to);
    }
  }
}

/* The pixel of y that sees pixel `at` of x through tap `k`, or -1. */
static inline int64_t seen_by(int64_t at, int64_t k, int64_t stride, int64_t padding,
                              int64_t dilation, int64_t size) {
  const int64_t distance = at + padding - k * dilation;
  if (distance < 0 || distance % stride != 0 || distance / stride >= size) return -1;
  return distance / stride;
}

static void data_gradient(const wk_cpu_conv2d_shape *s, const void *y_gradient, const void *weight,
                          void *x_gradient, int64_t begin, int64_t end) {
  for (int64_t pixel = begin * s->width; pixel < end * s->width; pixel++) {
    const int64_t row = pixel / s->width, column = pixel % s->width;
    const int64_t first = row / s->height * s->out_height;
    TYPE *to = (TYPE *)x_gradient + pixel * s->channels;
    memset(to, 0, (size_t)s->channels * sizeof(TYPE));
    tap_list taps = {0};
    for (int64_t k = 0; k < s->kernel_height; k++) {
      const int64_t i = seen_by(row % s->height, k, s->stride_height, s->padding_top,
                                s->dilation_height, s->out_height);
      for (int64_t l = 0; i >= 0 && l < s->kernel_width; l++) {
        const int64_t j =
            seen_by(column, l, s->stride_width, s->padding_left, s->dilation_width, s->out_width);
        if (j < 0) continue;
        push_tap(&taps, (const TYPE *)y_gradient + ((first + i) * s->out_width + j) * s->channels,
                 (const TYPE *)weight + (k * s->kernel_width + l) * s->channels, s->channels, to);
      }
    }
    add_taps(&taps, s->channels, to);
  }
}

/* weight_gradient[c] += sum over j < count of x[j * step + c] * y_gradient[j * channels + c] */
static void add_tap_gradient(const TYPE *x, const TYPE *y_gradient, int64_t step, int64_t channels,
                             int64_t count, TYPE *weight_gradient) {
  int64_t c = 0;
  for (; c + WK_LANES <= channels; c += WK_LANES) {
    lanes sum = lanes_load(weight_gradient + c);
    for (int64_t j = 0; j < count; j++)
      sum = sum + lanes_load(x + j * step + c) * lanes_load(y_gradient + j * channels + c);
    lanes_store(weight_gradient + c, sum);
  }
  for (; c < channels; c++)
    for (int64_t j = 0; j < count; j++)
      weight_gradient[c] += x[j * step + c] * y_gradient[j * channels + c];
}

static void weight_gradient(const wk_cpu_conv2d_shape *s, const void *x, const void *y_gradient,
                            void *weight_gradient, int64_t begin, int64_t end) {
  const int64_t taps = s->kernel_height * s->kernel_width;
  for (int64_t row = begin; row < end; row++)
    for (int64_t tap = 0; tap < taps; tap++) {
      const int64_t i = row % s->out_height * s->stride_height - s->padding_top +
                        tap / s->kernel_width * s->dilation_height;
      if (i < 0 || i >= s->height) continue;
      const int64_t left = tap % s->kernel_width * s->dilation_width - s->padding_left;
      int64_t first = 0, last = s->out_width; /* columns of y whose pixel of x exists */
      while (first < last && first * s->stride_width + left < 0) first++;
      while (last > first && (last - 1) * s->stride_width + left >= s->width) last--;
      if (first == last) continue;
      const int64_t line = row / s->out_height * s->height + i;
      const int64_t x_pixel = line * s->width + first * s->stride_width + left;
      add_tap_gradient((const TYPE *)x + x_pixel * s->channels,
                       (const TYPE *)y_gradient + (row * s->out_width + first) * s->channels,
                       s->stride_width * s->channels, s->channels, last - first,
                       (TYPE *)weight_gradient + tap * s->channels);
    }
}

const wk_isa_depthwise WK_ISA_NAME(OF_KIND(wk_isa_depthwise)) = {forward, data_gradient,
                                                                 weight_gradient};

#undef MAX_TAPS
