/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one real type; see kinds.h. Needs INDEX, the integer as wide as TYPE, and its lanes. */

/* The part of a window that lies inside x. */
#ifndef WK_POOL_WINDOW
#define WK_POOL_WINDOW
typedef struct window {
  int64_t top, bottom, left, right; /* [top, bottom) x [left, right) */
} window;

static window find_window(const wk_cpu_pool2d_shape *s, int64_t i, int64_t j) {
  window w = {i * s->stride_height - s->padding_top, 0, j * s->stride_width - s->padding_left, 0};
  w.bottom = w.top + s->kernel_height, w.right = w.left + s->kernel_width;
  if (w.top < 0) w.top = 0;
  if (w.left < 0) w.left = 0;
  if (w.bottom > s->height) w.bottom = s->height;
  if (w.right > s->width) w.right = s->width;
  if (w.bottom < w.top) w.bottom = w.top;
  if (w.right < w.left) w.right = w.left;
  return w;
}

/* What an average divides by. */
static int64_t window_size(const wk_cpu_pool2d_shape *s, const window *w) {
  if (s->count_include_pad) return s->kernel_height * s->kernel_width;
  const int64_t inside = (w->bottom - w->top) * (w->right - w->left);
  return inside > 0 ? inside : 1;
}
#endif

/* Up to 16 channels of a pixel; a short group is padded, and its padding never stored. */
WK_LANES_INLINE lanes OF_KIND(load_group)(const TYPE *from, int64_t count) {
  return count >= WK_LANES ? LANES_(load)(from) : LANES_(load_some)(from, count, 0);
}
WK_LANES_INLINE void OF_KIND(store_group)(TYPE *to, int64_t count, lanes x) {
  if (count >= WK_LANES) LANES_(store)(to, x);
  else LANES_(store_some)(to, count, x);
}

/* Where x takes the place of `best`: it is larger, or the first NaN. */
WK_LANES_INLINE INDEX_LANES OF_KIND(is_better)(lanes x, lanes best) {
  return (INDEX_LANES)((x > best) | ((x != x) & (best == best)));
}

/* The largest of a window for up to 16 channels from `image` on. */
WK_LANES_INLINE lanes OF_KIND(window_max)(const wk_cpu_pool2d_shape *s, const window *w,
                                          const TYPE *image, int64_t count) {
  lanes best = LANES_(all)(-(TYPE)INFINITY);
  for (int64_t i = w->top; i < w->bottom; i++)
    for (int64_t j = w->left; j < w->right; j++) {
      const lanes x = OF_KIND(load_group)(image + (i * s->width + j) * s->channels, count);
      best = LANES_(select)(OF_KIND(is_better)(x, best), x, best);
    }
  return best;
}

static void OF_KIND(max)(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin,
                         int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *image =
        (const TYPE *)x + row / s->out_height * s->height * s->width * s->channels;
    for (int64_t j = 0; j < s->out_width; j++) {
      const window w = find_window(s, row % s->out_height, j);
      TYPE *to = (TYPE *)y + (row * s->out_width + j) * s->channels;
      for (int64_t c = 0; c < s->channels; c += WK_LANES)
        OF_KIND(store_group)(to + c, s->channels - c,
                             OF_KIND(window_max)(s, &w, image + c, s->channels - c));
    }
  }
}

/* Gives `gradient` to the window's best element in each of up to 16 channels. */
WK_LANES_INLINE void OF_KIND(give_to_max)(const wk_cpu_pool2d_shape *s, const window *w,
                                          const TYPE *image, TYPE *x_gradient, lanes gradient,
                                          int64_t count) {
  lanes best = LANES_(all)(-(TYPE)INFINITY);
  INDEX_LANES where = {0}, index = {0};
  for (int64_t i = w->top; i < w->bottom; i++)
    for (int64_t j = w->left; j < w->right; j++, index += 1) {
      const lanes x = OF_KIND(load_group)(image + (i * s->width + j) * s->channels, count);
      const INDEX_LANES better = OF_KIND(is_better)(x, best);
      best = LANES_(select)(better, x, best);
      where = (where & ~better) | (index & better);
    }
  index = (INDEX_LANES){0};
  for (int64_t i = w->top; i < w->bottom; i++)
    for (int64_t j = w->left; j < w->right; j++, index += 1) {
      TYPE *to = x_gradient + (i * s->width + j) * s->channels;
      const lanes part = (lanes)((INDEX_LANES)gradient & (INDEX_LANES)(where == index));
      OF_KIND(store_group)(to, count, OF_KIND(load_group)(to, count) + part);
    }
}

WK_LANES_INLINE void OF_KIND(give_to_all)(const wk_cpu_pool2d_shape *s, const window *w,
                                          TYPE *x_gradient, lanes gradient, int64_t count) {
  const lanes part = gradient / (TYPE)window_size(s, w);
  for (int64_t i = w->top; i < w->bottom; i++)
    for (int64_t j = w->left; j < w->right; j++) {
      TYPE *to = x_gradient + (i * s->width + j) * s->channels;
      OF_KIND(store_group)(to, count, OF_KIND(load_group)(to, count) + part);
    }
}

/* Channels [first, first + count) of one image; x is NULL for the average. */
static void OF_KIND(image_gradient)(const wk_cpu_pool2d_shape *s, const TYPE *x,
                                    const TYPE *y_gradient, TYPE *x_gradient, int64_t count) {
  for (int64_t pixel = 0; pixel < s->height * s->width; pixel++)
    memset(x_gradient + pixel * s->channels, 0, (size_t)count * sizeof(TYPE));
  for (int64_t i = 0; i < s->out_height; i++)
    for (int64_t j = 0; j < s->out_width; j++) {
      const window w = find_window(s, i, j);
      const TYPE *from = y_gradient + (i * s->out_width + j) * s->channels;
      for (int64_t c = 0; c < count; c += WK_LANES) {
        const lanes gradient = OF_KIND(load_group)(from + c, count - c);
        if (x) OF_KIND(give_to_max)(s, &w, x + c, x_gradient + c, gradient, count - c);
        else OF_KIND(give_to_all)(s, &w, x_gradient + c, gradient, count - c);
      }
    }
}

static void OF_KIND(max_gradient)(const wk_cpu_pool2d_shape *s, const void *x,
                                  const void *y_gradient, void *x_gradient, int64_t begin,
                                  int64_t end) {
  const int64_t blocks = (s->channels + WK_POOL_CHANNELS - 1) / WK_POOL_CHANNELS;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % blocks * WK_POOL_CHANNELS, rest = s->channels - first;
    const int64_t at = item / blocks * s->height * s->width * s->channels + first;
    const int64_t y_at = item / blocks * s->out_height * s->out_width * s->channels + first;
    OF_KIND(image_gradient)(s, x ? (const TYPE *)x + at : NULL, (const TYPE *)y_gradient + y_at,
                            (TYPE *)x_gradient + at,
                            rest < WK_POOL_CHANNELS ? rest : WK_POOL_CHANNELS);
  }
}

static void OF_KIND(average_gradient)(const wk_cpu_pool2d_shape *s, const void *y_gradient,
                                      void *x_gradient, int64_t begin, int64_t end) {
  OF_KIND(max_gradient)(s, NULL, y_gradient, x_gradient, begin, end);
}

WK_LANES_INLINE lanes OF_KIND(window_average)(const wk_cpu_pool2d_shape *s, const window *w,
                                              const TYPE *image, int64_t count) {
  lanes sum = {0};
  for (int64_t i = w->top; i < w->bottom; i++)
    for (int64_t j = w->left; j < w->right; j++)
      sum += OF_KIND(load_group)(image + (i * s->width + j) * s->channels, count);
  return sum / (TYPE)window_size(s, w);
}

static void OF_KIND(average)(const wk_cpu_pool2d_shape *s, const void *x, void *y, int64_t begin,
                             int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *image =
        (const TYPE *)x + row / s->out_height * s->height * s->width * s->channels;
    for (int64_t j = 0; j < s->out_width; j++) {
      const window w = find_window(s, row % s->out_height, j);
      TYPE *to = (TYPE *)y + (row * s->out_width + j) * s->channels;
      for (int64_t c = 0; c < s->channels; c += WK_LANES)
        OF_KIND(store_group)(to + c, s->channels - c,
                             OF_KIND(window_average)(s, &w, image + c, s->channels - c));
    }
  }
}

const wk_isa_pool WK_ISA_NAME(OF_KIND(wk_isa_pool)) = {OF_KIND(max), OF_KIND(max_gradient),
                                                       OF_KIND(average), OF_KIND(average_gradient)};
