/* SPDX-License-Identifier: Apache-2.0 */

/* Normalisation for one real type; see kinds.h. Sums along a row run in 16 lanes, folded in halves
 * at the end; sums down a column run from top to bottom. */

#include "backend/cpu/isa/kinds.h"

#define load_group OF_KIND(load_group)
#define store_group OF_KIND(store_group)
#define column_moments OF_KIND(column_moments)
#define moments_strip OF_KIND(moments_strip)
#define column_apply OF_KIND(column_apply)
#define column_products OF_KIND(column_products)
#define products_strip OF_KIND(products_strip)
#define column_gradient OF_KIND(column_gradient)
#define row_moments OF_KIND(row_moments)
#define row_forward OF_KIND(row_forward)
#define row_gradient OF_KIND(row_gradient)
#define one_row_gradient OF_KIND(one_row_gradient)
#define add_row_products OF_KIND(add_row_products)

#define ADD_ONE(a, b) ((a) + (b))

/* For each group of up to 16 columns from `i` on, `some` of them. */
#define EACH_GROUP(i, some)                                                                        \
  for (int64_t i = 0, some; (some = columns - i < WK_LANES ? columns - i : WK_LANES), i < columns; \
       i += WK_LANES)

WK_LANES_INLINE lanes load_group(const TYPE *from, int64_t some) {
  return some == WK_LANES ? lanes_load(from) : lanes_load_some(from, some, 0);
}
WK_LANES_INLINE void store_group(TYPE *to, int64_t some, lanes x) {
  if (some == WK_LANES)
    lanes_store(to, x);
  else
    lanes_store_some(to, some, x);
}

/* ---- columns ---- */

/* `groups` is a constant; with one, `some` of its 16 columns count, with more all do. */
WK_LANES_INLINE void moments_strip(int groups, int64_t rows, int64_t columns, int64_t some,
                                   const TYPE *x, bool centred, TYPE *mean, TYPE *rest,
                                   TYPE *squares) {
  lanes sum[GROUPS] = {{0}}, left[GROUPS] = {{0}}, total[GROUPS] = {{0}};
  for (int64_t r = 0; centred && r < rows; r++) {
    WK_UNROLL
    for (int g = 0; g < groups; g++) sum[g] += load_group(x + r * columns + g * WK_LANES, some);
  }
  for (int g = 0; g < groups; g++) sum[g] /= (TYPE)rows;
  for (int64_t r = 0; r < rows; r++) {
    WK_UNROLL
    for (int g = 0; g < groups; g++) {
      const lanes part = load_group(x + r * columns + g * WK_LANES, some) - sum[g];
      left[g] += part;
      total[g] += part * part;
    }
  }
  for (int g = 0; g < groups; g++) {
    store_group(mean + g * WK_LANES, some, sum[g]);
    store_group(rest + g * WK_LANES, some, left[g]);
    store_group(squares + g * WK_LANES, some, total[g]);
  }
}

static void column_moments(int64_t rows, int64_t columns, const void *x_, bool centred, void *mean_,
                           void *rest_, void *squares_) {
  const TYPE *x = x_;
  TYPE *mean = mean_, *rest = rest_, *squares = squares_;
  int64_t j = 0;
  for (; j + GROUPS * WK_LANES <= columns; j += GROUPS * WK_LANES)
    moments_strip(GROUPS, rows, columns, WK_LANES, x + j, centred, mean + j, rest + j, squares + j);
  for (; j < columns; j += WK_LANES)
    moments_strip(1, rows, columns, columns - j < WK_LANES ? columns - j : WK_LANES, x + j, centred,
                  mean + j, rest + j, squares + j);
}

static void column_apply(int64_t rows, int64_t columns, const void *x_, const void *mean_,
                         const void *scale_, const void *shift_, void *y_) {
  const TYPE *x = x_, *mean = mean_, *scale = scale_, *shift = shift_;
  TYPE *y = y_;
  for (int64_t r = 0; r < rows; r++, x += columns, y += columns) EACH_GROUP(j, some)
  store_group(y + j, some,
              (load_group(x + j, some) - load_group(mean + j, some)) * load_group(scale + j, some) +
                  load_group(shift + j, some));
}

WK_LANES_INLINE void products_strip(int groups, int64_t rows, int64_t columns, int64_t some,
                                    const TYPE *g, const TYPE *x, const TYPE *mean, TYPE *sums,
                                    TYPE *products) {
  lanes sum[GROUPS] = {{0}}, product[GROUPS] = {{0}}, middle[GROUPS] = {{0}};
  for (int i = 0; i < groups; i++) middle[i] = load_group(mean + i * WK_LANES, some);
  for (int64_t r = 0; r < rows; r++) {
    WK_UNROLL
    for (int i = 0; i < groups; i++) {
      const lanes gradient = load_group(g + r * columns + i * WK_LANES, some);
      sum[i] += gradient;
      product[i] += gradient * (load_group(x + r * columns + i * WK_LANES, some) - middle[i]);
    }
  }
  for (int i = 0; i < groups; i++) {
    store_group(sums + i * WK_LANES, some, sum[i]);
    store_group(products + i * WK_LANES, some, product[i]);
  }
}

static void column_products(int64_t rows, int64_t columns, const void *g_, const void *x_,
                            const void *mean_, void *sums_, void *products_) {
  const TYPE *g = g_, *x = x_, *mean = mean_;
  TYPE *sums = sums_, *products = products_;
  int64_t j = 0;
  for (; j + GROUPS * WK_LANES <= columns; j += GROUPS * WK_LANES)
    products_strip(GROUPS, rows, columns, WK_LANES, g + j, x + j, mean + j, sums + j, products + j);
  for (; j < columns; j += WK_LANES)
    products_strip(1, rows, columns, columns - j < WK_LANES ? columns - j : WK_LANES, g + j, x + j,
                   mean + j, sums + j, products + j);
}

static void column_gradient(int64_t rows, int64_t columns, const void *g_, const void *x_,
                            const void *mean_, const void *a_, const void *b_, const void *c_,
                            void *to_) {
  const TYPE *g = g_, *x = x_, *mean = mean_, *a = a_, *b = b_, *c = c_;
  TYPE *to = to_;
  for (int64_t r = 0; r < rows; r++, x += columns, g += columns, to += columns) EACH_GROUP(j, some)
  store_group(to + j, some,
              load_group(a + j, some) * load_group(g + j, some) +
                  load_group(b + j, some) * (load_group(x + j, some) - load_group(mean + j, some)) +
                  load_group(c + j, some));
}

/* ---- rows ---- */

/* The mean comes in two parts, for it may be large beside the differences from it. */
WK_LANES_INLINE void row_moments(int64_t columns, const TYPE *x, bool centred, TYPE *mean,
                                 TYPE *rest, TYPE *variance) {
  lanes sum = {0}, more = {0}, left = {0}, squares = {0}, more_squares = {0};
  const TYPE count = (TYPE)(columns ? columns : 1);
  int64_t j = 0;
  for (; centred && j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {
    sum += lanes_load(x + j);
    more += lanes_load(x + j + WK_LANES);
  }
  for (int64_t some; centred && j < columns; j += some) {
    some = columns - j < WK_LANES ? columns - j : WK_LANES;
    sum += load_group(x + j, some);
  }
  sum += more;
  WK_FOLD_LANES(TYPE, sum, *mean, ADD_ONE);
  *mean /= count;
  for (j = 0; j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {
    const lanes part = lanes_load(x + j) - *mean, other = lanes_load(x + j + WK_LANES) - *mean;
    left += part + other;
    squares += part * part;
    more_squares += other * other;
  }
  for (int64_t some; j < columns; j += some) {
    some = columns - j < WK_LANES ? columns - j : WK_LANES;
    const lanes part =
        (some == WK_LANES ? lanes_load(x + j) : lanes_load_some(x + j, some, *mean)) - *mean;
    left += part;
    squares += part * part;
  }
  squares += more_squares;
  WK_FOLD_LANES(TYPE, left, *rest, ADD_ONE);
  WK_FOLD_LANES(TYPE, squares, *variance, ADD_ONE);
  *rest = centred ? *rest / count : 0;
  *variance = *variance / count - *rest * *rest;
}

static void row_forward(int64_t columns, const void *x_, const void *weight_, const void *bias_,
                        double epsilon, bool centred, void *y_, void *mean_, void *variance_,
                        int64_t begin, int64_t end) {
  const TYPE *weight = weight_, *bias = bias_;
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)x_ + row * columns;
    TYPE *y = (TYPE *)y_ + row * columns;
    TYPE middle, rest, *variance = (TYPE *)variance_ + row;
    row_moments(columns, x, centred, &middle, &rest, variance);
    ((TYPE *)mean_)[row] = middle + rest;
    const TYPE inverse = 1 / ROOT(*variance + (TYPE)epsilon);
    EACH_GROUP(i, some) {
      lanes z = (load_group(x + i, some) - middle - rest) * inverse;
      if (weight) z *= load_group(weight + i, some);
      if (bias) z += load_group(bias + i, some);
      store_group(y + i, some, z);
    }
  }
}

WK_LANES_INLINE void one_row_gradient(int64_t columns, const TYPE *g, const TYPE *x, TYPE middle,
                                      TYPE inverse, const TYPE *weight, bool centred, TYPE *to) {
  lanes sum = {0}, products = {0}, more = {0}, more_products = {0};
  int64_t j = 0;
  for (; j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {
    lanes h = lanes_load(g + j), other = lanes_load(g + j + WK_LANES);
    if (weight) h *= lanes_load(weight + j), other *= lanes_load(weight + j + WK_LANES);
    sum += h, more += other;
    products += h * (lanes_load(x + j) - middle);
    more_products += other * (lanes_load(x + j + WK_LANES) - middle);
  }
  for (int64_t some; j < columns; j += some) { /* beyond the row's end g is 0 */
    some = columns - j < WK_LANES ? columns - j : WK_LANES;
    lanes h = load_group(g + j, some);
    if (weight) h *= load_group(weight + j, some);
    sum += h;
    products += h * (load_group(x + j, some) - middle);
  }
  sum += more;
  products = (products + more_products) * inverse;
  TYPE mean, slope;
  WK_FOLD_LANES(TYPE, sum, mean, ADD_ONE);
  WK_FOLD_LANES(TYPE, products, slope, ADD_ONE);
  mean = centred ? mean / (TYPE)columns : 0;
  slope /= (TYPE)columns;
  EACH_GROUP(i, some) {
    lanes h = load_group(g + i, some);
    if (weight) h *= load_group(weight + i, some);
    const lanes z = (load_group(x + i, some) - middle) * inverse;
    store_group(to + i, some, inverse * (h - mean - z * slope));
  }
}

/* Adds one row's g * z and g to the columns' sums. */
WK_LANES_INLINE void add_row_products(int64_t columns, const TYPE *g, const TYPE *x, TYPE middle,
                                      TYPE inverse, TYPE *products, TYPE *sums) {
  EACH_GROUP(i, some) {
    const lanes gradient = load_group(g + i, some);
    const lanes z = (load_group(x + i, some) - middle) * inverse;
    store_group(products + i, some, load_group(products + i, some) + gradient * z);
    store_group(sums + i, some, load_group(sums + i, some) + gradient);
  }
}

static void row_gradient(int64_t columns, const void *g_, const void *x_, const void *mean,
                         const void *variance, const void *weight, double epsilon, bool centred,
                         void *to, void *products, void *sums, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *g = (const TYPE *)g_ + row * columns, *x = (const TYPE *)x_ + row * columns;
    const TYPE middle = ((const TYPE *)mean)[row];
    const TYPE inverse = 1 / ROOT(((const TYPE *)variance)[row] + (TYPE)epsilon);
    one_row_gradient(columns, g, x, middle, inverse, weight, centred, (TYPE *)to + row * columns);
    if (products) add_row_products(columns, g, x, middle, inverse, products, sums);
  }
}

const wk_isa_normalise WK_ISA_NAME(OF_KIND(wk_isa_normalise)) = {
    column_moments, column_apply, column_products, column_gradient, row_forward, row_gradient,
};

#undef ADD_ONE
#undef EACH_GROUP
