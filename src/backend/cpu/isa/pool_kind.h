/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one real type; see kinds.h. INDEX is an integer as wide as TYPE. */

#include "backend/cpu/isa/kinds.h"

#define vector OF_LANES(_vector)
#define vector_load OF_LANES(_load)
#define vector_store OF_LANES(_store)
#define vector_all OF_LANES(_broadcast)
#define vector_larger OF_LANES(_larger)
#define mask OF_KIND(mask)
#define load_part OF_KIND(load_part)
#define store_part OF_KIND(store_part)
#define pool_part OF_KIND(pool_part)
#define pool_rows OF_KIND(pool_rows)
#define give_to_max OF_KIND(give_to_max)
#define give_to_all OF_KIND(give_to_all)
#define give_part OF_KIND(give_part)
#define image_gradient OF_KIND(image_gradient)
#define gradient OF_KIND(gradient)
#define max OF_KIND(max)
#define max_gradient OF_KIND(max_gradient)
#define average OF_KIND(average)
#define average_gradient OF_KIND(average_gradient)
#undef WIDTH
#define WIDTH (WK_VECTOR_BYTES / (int64_t)sizeof(TYPE))

typedef INDEX mask __attribute__((vector_size(WK_VECTOR_BYTES)));

/* Up to a register of a pixel's channels; what is behind `count` of them is any number. */
WK_INLINE vector load_part(const TYPE *from, int64_t count) {
  if (count >= WIDTH) return vector_load(from);
#if defined(__AVX512F__)
  if (sizeof(TYPE) == 4) return (vector)wk_f32_load_first((const void *)from, count, 0);
#endif
  vector x = {0};
  memcpy(&x, from, (size_t)count * sizeof(TYPE));
  return x;
}
WK_INLINE void store_part(TYPE *to, int64_t count, vector x) {
  if (count >= WIDTH) {
    vector_store(to, x);
    return;
  }
#if defined(__AVX512F__)
  if (sizeof(TYPE) == 4) {
    wk_f32_store_first((void *)to, count, (wk_f32_vector)x);
    return;
  }
#endif
  memcpy(to, &x, (size_t)count * sizeof(TYPE));
}

/* The largest of a window, or its mean, in `registers` of channels from `image` on, of which only
 * the last may be short: `count`. */
WK_INLINE void pool_part(bool largest, int registers, const wk_cpu_pool2d_shape *s,
                         const span *down, const span *across, const TYPE *image, TYPE *to,
                         int64_t count) {
  vector all[WK_POOL_REGISTERS];
  WK_UNROLL for (int k = 0; k < registers; k++) all[k] = vector_all(largest ? -(TYPE)INFINITY : 0);
  for (int64_t i = down->first; i < down->last; i += down->step) {
    const TYPE *from = image + (i * s->width + across->first) * s->channels;
    for (int64_t j = across->first; j < across->last; j += across->step) {
      WK_UNROLL for (int k = 0; k < registers; k++) {
        const vector x = load_part(from + k * WIDTH, k < registers - 1 ? WIDTH : count);
        __builtin_prefetch((const char *)(from + k * WIDTH) + WK_POOL_AHEAD);
        all[k] = largest ? vector_larger(all[k], x) : all[k] + x;
      }
      from += across->step * s->channels;
    }
  }
  const vector size = vector_all(largest ? 1 : (TYPE)count_window(s, down, across));
  WK_UNROLL for (int k = 0; k < registers; k++)
      store_part(to + k * WIDTH, k < registers - 1 ? WIDTH : count,
                 largest ? all[k] : all[k] / size);
}

/* A last register that is not full begins further in front, where there is room. */
WK_INLINE void pool_rows(bool largest, const wk_cpu_pool2d_shape *s, const void *x, void *y,
                         int64_t begin, int64_t end) {
  const int64_t channels = s->channels, most = WK_POOL_REGISTERS * WIDTH;
  for (int64_t row = begin; row < end; row++) {
    const span down = find_rows(s, row % s->out_height);
    const TYPE *image = (const TYPE *)x + row / s->out_height * s->height * s->width * channels;
    for (int64_t j = 0; j < s->out_width; j++) {
      const span across = find_columns(s, j);
      TYPE *to = (TYPE *)y + (row * s->out_width + j) * channels;
      int64_t c = 0;
      for (; c + most <= channels; c += most)
        pool_part(largest, WK_POOL_REGISTERS, s, &down, &across, image + c, to + c, WIDTH);
#if WK_VECTOR_BYTES > 16
      for (; c + 2 * WIDTH <= channels; c += 2 * WIDTH)
        pool_part(largest, 2, s, &down, &across, image + c, to + c, WIDTH);
#endif
      for (; c < channels; c += WIDTH) {
        const int64_t at = c + WIDTH <= channels || channels < WIDTH ? c : channels - WIDTH;
        pool_part(largest, 1, s, &down, &across, image + at, to + at, channels - at);
      }
    }
  }
}

static void max(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin, int64_t end) {
  pool_rows(true, s, x, y, begin, end);
}

static void average(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin,
                    int64_t end) {
  pool_rows(false, s, x, y, begin, end);
}

/* Puts a part of a gradient where no other one comes, or adds it; 0 + -0 is 0 either way. */
WK_INLINE void give_part(bool apart, TYPE *to, int64_t count, vector part) {
  store_part(to, count, (apart ? vector_all(0) : load_part(to, count)) + part);
}

/* Gives y_gradient to the window's first NaN or first largest element, in a register of channels:
 * the first that equals the largest, or itself not. */
WK_INLINE void give_to_max(bool apart, const wk_cpu_pool2d_shape *s, const span *down,
                           const span *across, const TYPE *image, TYPE *x_gradient,
                           vector y_gradient, int64_t count) {
  vector best = vector_all(-(TYPE)INFINITY);
  for (int64_t i = down->first; i < down->last; i += down->step)
    for (int64_t j = across->first; j < across->last; j += across->step)
      best = vector_larger(best, load_part(image + (i * s->width + j) * s->channels, count));
  mask left = ~(mask){0};
  for (int64_t i = down->first; i < down->last; i += down->step)
    for (int64_t j = across->first; j < across->last; j += across->step) {
      const int64_t at = (i * s->width + j) * s->channels;
      const vector x = load_part(image + at, count);
      const mask here = (mask)((x == best) | (x != x)) & left;
      left &= ~here;
      give_part(apart, x_gradient + at, count, (vector)((mask)y_gradient & here));
    }
}

WK_INLINE void give_to_all(bool apart, const wk_cpu_pool2d_shape *s, const span *down,
                           const span *across, TYPE *x_gradient, vector part, int64_t count) {
  for (int64_t i = down->first; i < down->last; i += down->step)
    for (int64_t j = across->first; j < across->last; j += across->step)
      give_part(apart, x_gradient + (i * s->width + j) * s->channels, count, part);
}

/* `count` channels of one image. Rows are zeroed as windows reach them, while they are near. */
WK_INLINE void image_gradient(bool largest, bool apart, const wk_cpu_pool2d_shape *s, const TYPE *x,
                              const TYPE *y_gradient, TYPE *x_gradient, int64_t count) {
  int64_t ready = apart && is_tiled(s->kernel_height, s->stride_height, s->height, s->out_height) &&
                          is_tiled(s->kernel_width, s->stride_width, s->width, s->out_width)
                      ? s->height
                      : 0;
  for (int64_t i = 0; i <= s->out_height; i++) {
    const span down = find_rows(s, i);
    const int64_t reached = i < s->out_height ? down.last : s->height;
    const int64_t pixels = count == s->channels ? s->width : 1; /* that lie side by side */
    for (; ready < reached; ready++)
      for (int64_t j = 0; j < s->width; j += pixels)
        memset(x_gradient + (ready * s->width + j) * s->channels, 0,
               (size_t)(pixels * count) * sizeof(TYPE));
    for (int64_t j = 0; j < s->out_width && i < s->out_height; j++) {
      const span across = find_columns(s, j);
      const vector size = vector_all(largest ? 1 : (TYPE)count_window(s, &down, &across));
      const TYPE *from = y_gradient + (i * s->out_width + j) * s->channels;
      for (int64_t c = 0; c < count; c += WIDTH) {
        const vector part = load_part(from + c, count - c);
        if (largest)
          give_to_max(apart, s, &down, &across, x + c, x_gradient + c, part, count - c);
        else
          give_to_all(apart, s, &down, &across, x_gradient + c, part / size, count - c);
      }
    }
  }
}

/* x is NULL for the average. */
static void gradient(const wk_cpu_pool2d_shape *s, const TYPE *x, const TYPE *y_gradient,
                     TYPE *x_gradient, int64_t begin, int64_t end) {
  const int64_t block = wk_pool_block(s), blocks = (s->channels + block - 1) / block;
  const bool apart = is_apart(s->kernel_height, s->stride_height, s->dilation_height) &&
                     is_apart(s->kernel_width, s->stride_width, s->dilation_width);
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % blocks * block, rest = s->channels - first;
    const int64_t at = item / blocks * s->height * s->width * s->channels + first;
    const TYPE *from =
        y_gradient + item / blocks * s->out_height * s->out_width * s->channels + first;
    const int64_t count = rest < block ? rest : block;
    if (x && apart)
      image_gradient(true, true, s, x + at, from, x_gradient + at, count);
    else if (x)
      image_gradient(true, false, s, x + at, from, x_gradient + at, count);
    else if (apart)
      image_gradient(false, true, s, NULL, from, x_gradient + at, count);
    else
      image_gradient(false, false, s, NULL, from, x_gradient + at, count);
  }
}

static void max_gradient(const wk_cpu_pool2d_shape *s, const void *x, const void *y_gradient,
                         void *x_gradient, int64_t begin, int64_t end) {
  gradient(s, x, y_gradient, x_gradient, begin, end);
}

static void average_gradient(const wk_cpu_pool2d_shape *s, const void *y_gradient, void *x_gradient,
                             int64_t begin, int64_t end) {
  gradient(s, NULL, y_gradient, x_gradient, begin, end);
}

const wk_isa_pool WK_ISA_NAME(OF_KIND(wk_isa_pool)) = {max, max_gradient, average,
                                                       average_gradient};
