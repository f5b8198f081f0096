/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one real type; see kinds.h. INDEX_LANES are 16 integers as wide as TYPE. */

#include "backend/cpu/isa/kinds.h"

#define average OF_KIND(average)
#define load_group OF_KIND(load_group)
#define store_group OF_KIND(store_group)
#define is_better OF_KIND(is_better)
#define pool_groups OF_KIND(pool_groups)
#define pool_rows OF_KIND(pool_rows)
#define max OF_KIND(max)
#define give_to_max OF_KIND(give_to_max)
#define give_to_all OF_KIND(give_to_all)
#define image_gradient OF_KIND(image_gradient)
#define max_gradient OF_KIND(max_gradient)
#define average_gradient OF_KIND(average_gradient)

/* Up to 16 channels of a pixel; a short group is padded, and its padding never stored. */
WK_LANES_INLINE lanes load_group(const TYPE *from, int64_t count) {
  return count >= WK_LANES ? lanes_load(from) : lanes_load_some(from, count, 0);
}
WK_LANES_INLINE void store_group(TYPE *to, int64_t count, lanes x) {
  if (count >= WK_LANES)
    lanes_store(to, x);
  else
    lanes_store_some(to, count, x);
}

/* Where x takes the place of `best`: it is larger, or the first NaN. */
WK_LANES_INLINE INDEX_LANES is_better(lanes x, lanes best) {
  return (INDEX_LANES)((x > best) | ((x != x) & (best == best)));
}

/* The largest of a window, or its mean, for `groups` (1 or WK_POOL_GROUPS) of 16 channels from
 * `image` on; a single group may be short. */
WK_LANES_INLINE void pool_groups(bool largest, int groups, const wk_cpu_pool2d_shape *s,
                                 const window *w, const TYPE *image, TYPE *to, int64_t count) {
  lanes all[WK_POOL_GROUPS];
  for (int k = 0; k < groups; k++) all[k] = lanes_all(largest ? -(TYPE)INFINITY : 0);
  for (int64_t i = w->top; i < w->bottom; i += w->down) {
    const TYPE *from = image + (i * s->width + w->left) * s->channels;
    for (int64_t j = w->left; j < w->right; j += w->across, from += w->across * s->channels) {
      WK_UNROLL
      for (int k = 0; k < groups; k++) {
        const lanes x = load_group(from + k * WK_LANES, groups > 1 ? WK_LANES : count);
        all[k] = largest ? lanes_select((x > all[k]) | (x != x), x, all[k]) : all[k] + x;
      }
    }
  }
  for (int k = 0; k < groups; k++)
    store_group(to + k * WK_LANES, groups > 1 ? WK_LANES : count,
                largest ? all[k] : all[k] / (TYPE)w->size);
}

WK_LANES_INLINE void pool_rows(bool largest, const wk_cpu_pool2d_shape *s, const void *x, void *y,
                               int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *image = (const TYPE *)x + row / s->out_height * s->height * s->width * s->channels;
    for (int64_t j = 0; j < s->out_width; j++) {
      const window w = find_window(s, row % s->out_height, j);
      TYPE *to = (TYPE *)y + (row * s->out_width + j) * s->channels;
      int64_t c = 0;
      for (; c + WK_POOL_GROUPS * WK_LANES <= s->channels; c += WK_POOL_GROUPS * WK_LANES)
        pool_groups(largest, WK_POOL_GROUPS, s, &w, image + c, to + c, WK_LANES);
      for (; c < s->channels; c += WK_LANES) {
        const int64_t at = group_start(s->channels, c);
        pool_groups(largest, 1, s, &w, image + at, to + at, s->channels - at);
      }
    }
  }
}

static void max(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin, int64_t end) {
  pool_rows(true, s, x, y, begin, end);
}

/* Gives `gradient` to the window's best element in each of up to 16 channels. */
WK_LANES_INLINE void give_to_max(const wk_cpu_pool2d_shape *s, const window *w, const TYPE *image,
                                 TYPE *x_gradient, lanes gradient, int64_t count) {
  lanes best = lanes_all(-(TYPE)INFINITY);
  INDEX_LANES where = {0}, index = {0};
  for (int64_t i = w->top; i < w->bottom; i += w->down)
    for (int64_t j = w->left; j < w->right; j += w->across, index += 1) {
      const lanes x = load_group(image + (i * s->width + j) * s->channels, count);
      const INDEX_LANES better = is_better(x, best);
      best = lanes_select(better, x, best);
      where = (where & ~better) | (index & better);
    }
  index = (INDEX_LANES){0};
  for (int64_t i = w->top; i < w->bottom; i += w->down)
    for (int64_t j = w->left; j < w->right; j += w->across, index += 1) {
      TYPE *to = x_gradient + (i * s->width + j) * s->channels;
      const lanes part = (lanes)((INDEX_LANES)gradient & (INDEX_LANES)(where == index));
      store_group(to, count, load_group(to, count) + part);
    }
}

WK_LANES_INLINE void give_to_all(const wk_cpu_pool2d_shape *s, const window *w, TYPE *x_gradient,
                                 lanes gradient, int64_t count) {
  const lanes part = gradient / (TYPE)w->size;
  for (int64_t i = w->top; i < w->bottom; i += w->down)
    for (int64_t j = w->left; j < w->right; j += w->across) {
      TYPE *to = x_gradient + (i * s->width + j) * s->channels;
      store_group(to, count, load_group(to, count) + part);
    }
}

/* Channels [first, first + count) of one image; x is NULL for the average. */
static void image_gradient(const wk_cpu_pool2d_shape *s, const TYPE *x, const TYPE *y_gradient,
                           TYPE *x_gradient, int64_t count) {
  for (int64_t pixel = 0; pixel < s->height * s->width; pixel++)
    memset(x_gradient + pixel * s->channels, 0, (size_t)count * sizeof(TYPE));
  for (int64_t i = 0; i < s->out_height; i++)
    for (int64_t j = 0; j < s->out_width; j++) {
      const window w = find_window(s, i, j);
      const TYPE *from = y_gradient + (i * s->out_width + j) * s->channels;
      for (int64_t c = 0; c < count; c += WK_LANES) {
        const lanes gradient = load_group(from + c, count - c);
        if (x)
          give_to_max(s, &w, x + c, x_gradient + c, gradient, count - c);
        else
          give_to_all(s, &w, x_gradient + c, gradient, count - c);
      }
    }
}

static void max_gradient(const wk_cpu_pool2d_shape *s, const void *x, const void *y_gradient,
                         void *x_gradient, int64_t begin, int64_t end) {
  const int64_t blocks = (s->channels + WK_POOL_CHANNELS - 1) / WK_POOL_CHANNELS;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % blocks * WK_POOL_CHANNELS, rest = s->channels - first;
    const int64_t at = item / blocks * s->height * s->width * s->channels + first;
    const int64_t y_at = item / blocks * s->out_height * s->out_width * s->channels + first;
    image_gradient(s, x ? (const TYPE *)x + at : NULL, (const TYPE *)y_gradient + y_at,
                   (TYPE *)x_gradient + at, rest < WK_POOL_CHANNELS ? rest : WK_POOL_CHANNELS);
  }
}

static void average_gradient(const wk_cpu_pool2d_shape *s, const void *y_gradient, void *x_gradient,
                             int64_t begin, int64_t end) {
  max_gradient(s, NULL, y_gradient, x_gradient, begin, end);
}

static void average(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin,
                    int64_t end) {
  pool_rows(false, s, x, y, begin, end);
}

const wk_isa_pool WK_ISA_NAME(OF_KIND(wk_isa_pool)) = {max, max_gradient, average,
                                                       average_gradient};
