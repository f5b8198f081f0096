/* SPDX-License-Identifier: Apache-2.0 */

/* What attention does to a tile of scores between its products, for one real type; see kinds.h. */

#include "backend/cpu/isa/group_kind.h"

#define add_mask OF_KIND(add_mask)
#define hide_later OF_KIND(hide_later)
#define accumulate OF_KIND(accumulate)
#define rescale OF_KIND(rescale)
#define finish OF_KIND(finish)
#define probabilities OF_KIND(probabilities)
#define drop OF_KIND(drop)
#define slopes OF_KIND(slopes)

static void add_mask(int64_t rows, int64_t columns, int64_t stride, void *scores, const void *mask,
                     bool is_truth, int64_t row_step, int64_t column_step) {
  for (int64_t row = 0; row < rows; row++) {
    TYPE *s = (TYPE *)scores + row * stride;
    const uint8_t *truth = (const uint8_t *)mask + row * row_step;
    const TYPE *term = (const TYPE *)mask + row * row_step;
    if (is_truth) {
      for (int64_t i = 0; i < columns; i++)
        if (!truth[i * column_step]) s[i] = -(TYPE)INFINITY;
    } else {
      for (int64_t i = 0; i < columns; i++) s[i] += term[i * column_step];
    }
  }
}

static void hide_later(int64_t rows, int64_t columns, int64_t stride, void *scores,
                       int64_t diagonal) {
  for (int64_t row = 0; row < rows; row++) {
    TYPE *s = (TYPE *)scores + row * stride;
    const int64_t first = row + diagonal + 1;
    for (int64_t i = first > 0 ? first : 0; i < columns; i++) s[i] = -(TYPE)INFINITY;
  }
}

/* Milakov and Gimelshein 2018, "Online normalizer calculation for softmax". */
static void accumulate(int64_t rows, int64_t columns, int64_t stride, void *scores, void *largest_,
                       void *sum_, void *factor_) {
  TYPE *largest = largest_, *sum = sum_, *factor = factor_;
  for (int64_t row = 0; row < rows; row++) {
    TYPE *s = (TYPE *)scores + row * stride, most, total;
    lanes best = lanes_all(largest[row]), terms = {0};
    EACH_GROUP(i, some) {
      const lanes group = load_group(s + i, some, -(TYPE)INFINITY);
      best = lanes_larger(best, group);
    }
    WK_FOLD_LANES(TYPE, best, most, LARGER_ONE);
    /* as long as everything is masked, nothing is subtracted: exp(-infinity) is the 0 wanted */
    const TYPE shift = most == -(TYPE)INFINITY ? 0 : most;
    EACH_GROUP(i, some) {
      const lanes e = lanes_exp(load_group(s + i, some, -(TYPE)INFINITY) - shift);
      store_group(s + i, some, e);
      terms += e;
    }
    WK_FOLD_LANES(TYPE, terms, total, ADD_ONE);
    factor[row] = lanes_exp(lanes_all(largest[row] - shift))[0];
    sum[row] = sum[row] * factor[row] + total;
    largest[row] = most;
  }
}

static void rescale(int64_t rows, int64_t columns, int64_t stride, void *data, const void *factor) {
  for (int64_t row = 0; row < rows; row++) {
    TYPE *x = (TYPE *)data + row * stride;
    const TYPE by = ((const TYPE *)factor)[row];
    if (by == 1) continue;
    EACH_GROUP(i, some) store_group(x + i, some, load_group(x + i, some, 0) * by);
  }
}

static void finish(int64_t rows, int64_t columns, int64_t stride, const void *data,
                   const void *largest_, const void *sum_, void *y, void *log_sum) {
  const TYPE *largest = largest_, *sum = sum_;
  for (int64_t row = 0; row < rows; row++) {
    const TYPE *x = (const TYPE *)data + row * stride;
    TYPE *to = (TYPE *)y + row * columns;
    const bool nothing = sum[row] == 0;
    const TYPE divisor = nothing ? 1 : sum[row];
    EACH_GROUP(i, some) store_group(to + i, some, load_group(x + i, some, 0) / divisor);
    ((TYPE *)log_sum)[row] = nothing ? 0 : largest[row] + lanes_log(lanes_all(divisor))[0];
  }
}

static void probabilities(int64_t rows, int64_t columns, int64_t stride, void *scores,
                          const void *log_sum) {
  for (int64_t row = 0; row < rows; row++) {
    TYPE *s = (TYPE *)scores + row * stride;
    const TYPE shift = ((const TYPE *)log_sum)[row];
    EACH_GROUP(i, some) store_group(s + i, some, lanes_exp(load_group(s + i, some, 0) - shift));
  }
}

static void drop(int64_t rows, int64_t columns, int64_t stride, const void *from, void *to,
                 int64_t to_stride, const wk_attention_drop *how, uint64_t index) {
  const TYPE scale = (TYPE)wk_random_keep_scale(how->rate);
  for (int64_t row = 0; row < rows; row++) {
    const TYPE *x = (const TYPE *)from + row * stride;
    TYPE *y = (TYPE *)to + row * to_stride;
    const uint64_t first = index + (uint64_t)(row * how->row_step);
    for (int64_t i = 0; i < columns; i++)
      y[i] = wk_random_keep(how->seed, first + (uint64_t)i, how->rate) ? x[i] * scale : 0;
  }
}

static void slopes(int64_t rows, int64_t columns, void *p_, int64_t p_stride, void *slope_,
                   int64_t slope_stride, const void *delta) {
  for (int64_t row = 0; row < rows; row++) {
    TYPE *p = (TYPE *)p_ + row * p_stride, *slope = (TYPE *)slope_ + row * slope_stride;
    const TYPE less = ((const TYPE *)delta)[row];
    EACH_GROUP(i, some) {
      const lanes x = load_group(p + i, some, 0) * (load_group(slope + i, some, 0) - less);
      store_group(p + i, some, x);
      store_group(slope + i, some, x);
    }
  }
}

const wk_isa_attention WK_ISA_NAME(OF_KIND(wk_isa_attention)) = {
    add_mask, hide_later, accumulate, rescale, finish, probabilities, drop, slopes,
};
