/* SPDX-License-Identifier: Apache-2.0 */

/* Normalisation for one real type; see kinds.h. Sums along a row run in 16 lanes, folded in halves
 * at the end; sums down a column run from top to bottom. Where columns are no multiple of 16, the
 * last group of 16 begins earlier and overlaps the one before; fewer than 16 columns are taken
 * together with those of the next rows. */

#include "backend/cpu/isa/kinds.h"

#define lane_numbers OF_KIND(lane_numbers)
#define last_only OF_KIND(last_only)
#define repeat OF_KIND(repeat)
#define narrow_sums OF_KIND(narrow_sums)
#define narrow_moments OF_KIND(narrow_moments)
#define narrow_products OF_KIND(narrow_products)
#define column_moments OF_KIND(column_moments)
#define moments_strip OF_KIND(moments_strip)
#define apply_group OF_KIND(apply_group)
#define column_apply OF_KIND(column_apply)
#define column_products OF_KIND(column_products)
#define products_strip OF_KIND(products_strip)
#define gradient_group OF_KIND(gradient_group)
#define column_gradient OF_KIND(column_gradient)
#define load_row OF_KIND(load_row)
#define store_row OF_KIND(store_row)
#define row_moments OF_KIND(row_moments)
#define row_forward OF_KIND(row_forward)
#define row_gradient OF_KIND(row_gradient)
#define one_row_gradient OF_KIND(one_row_gradient)
#define add_row_products OF_KIND(add_row_products)

#define ADD_ONE(a, b) ((a) + (b))

static const TYPE lane_numbers[WK_LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* The last `some` lanes of x, zeros in the others. */
WK_LANES_INLINE lanes last_only(lanes x, int64_t some) {
  const lanes zero = {0};
  return lanes_select(lanes_load(lane_numbers) >= (TYPE)(WK_LANES - some), x, zero);
}

/* ---- fewer than 16 columns: 16 rows are so many groups ---- */

#define NARROW (WK_LANES * WK_LANES)

static void repeat(int64_t columns, const TYPE *from, TYPE *to) {
  for (int64_t i = 0; i < WK_LANES * columns; i++) to[i] = from[i % columns];
}

/* The sums by column of what stands in `groups` and, behind whole groups, in `rest`. */
static void narrow_sums(int64_t columns, const lanes *groups, const TYPE *rest, TYPE *sums) {
  for (int64_t c = 0; c < columns; c++) sums[c] = 0;
  for (int64_t i = 0; i < WK_LANES * columns; i++)
    sums[i % columns] += groups[i / WK_LANES][i % WK_LANES];
  for (int64_t i = 0; i < columns; i++) sums[i] += rest[i];
}

/* For whole groups at `i` of rows * columns elements, group number `g` of 16 rows. */
#define EACH_NARROW(i, g)                                                                          \
  for (int64_t i = 0, g = 0; i + WK_LANES <= rows * columns;                                       \
       i += WK_LANES, g = g + 1 < columns ? g + 1 : 0)
/* For each element `i` behind them. */
#define EACH_LEFT(i) for (int64_t i = rows * columns / WK_LANES * WK_LANES; i < rows * columns; i++)

static void narrow_moments(int64_t rows, int64_t columns, const TYPE *x, bool centred, TYPE *mean,
                           TYPE *rest, TYPE *squares) {
  lanes sum[WK_LANES] = {{0}}, total[WK_LANES] = {{0}};
  TYPE left[WK_LANES] = {0}, left_total[WK_LANES] = {0}, middle[NARROW];
  if (centred) {
    EACH_NARROW(i, g) sum[g] += lanes_load(x + i);
    EACH_LEFT(i) left[i % columns] += x[i];
  }
  narrow_sums(columns, sum, left, mean);
  for (int64_t c = 0; c < columns; c++) mean[c] /= (TYPE)rows;
  repeat(columns, mean, middle);
  memset(sum, 0, sizeof sum);
  memset(left, 0, sizeof left);
  EACH_NARROW(i, g) {
    const lanes part = lanes_load(x + i) - lanes_load(middle + g * WK_LANES);
    sum[g] += part;
    total[g] += part * part;
  }
  EACH_LEFT(i) {
    const TYPE part = x[i] - mean[i % columns];
    left[i % columns] += part;
    left_total[i % columns] += part * part;
  }
  narrow_sums(columns, sum, left, rest);
  narrow_sums(columns, total, left_total, squares);
}

static void narrow_products(int64_t rows, int64_t columns, const TYPE *g, const TYPE *x,
                            const TYPE *mean, TYPE *sums, TYPE *products) {
  lanes sum[WK_LANES] = {{0}}, product[WK_LANES] = {{0}};
  TYPE left[WK_LANES] = {0}, left_product[WK_LANES] = {0}, middle[NARROW];
  repeat(columns, mean, middle);
  EACH_NARROW(i, group) {
    const lanes gradient = lanes_load(g + i);
    sum[group] += gradient;
    product[group] += gradient * (lanes_load(x + i) - lanes_load(middle + group * WK_LANES));
  }
  EACH_LEFT(i) {
    left[i % columns] += g[i];
    left_product[i % columns] += g[i] * (x[i] - mean[i % columns]);
  }
  narrow_sums(columns, sum, left, sums);
  narrow_sums(columns, product, left_product, products);
}

/* ---- columns ---- */

/* Calls `strip` for all groups of columns from `j` on: GROUPS at a time, then one by one, the last
 * of which may overlap. */
#define EACH_STRIP(j, strip)                                                                       \
  do {                                                                                             \
    int64_t j = 0;                                                                                 \
    for (; j + GROUPS * WK_LANES <= columns; j += GROUPS * WK_LANES) strip(GROUPS);                \
    for (; j < columns; j += WK_LANES) {                                                           \
      if (j + WK_LANES > columns) j = columns - WK_LANES;                                          \
      strip(1);                                                                                    \
    }                                                                                              \
  } while (0)

/* `groups` is a constant. */
WK_LANES_INLINE void moments_strip(int groups, int64_t rows, int64_t columns, const TYPE *x,
                                   bool centred, TYPE *mean, TYPE *rest, TYPE *squares) {
  lanes sum[GROUPS] = {{0}}, left[GROUPS] = {{0}}, total[GROUPS] = {{0}};
  for (int64_t r = 0; centred && r < rows; r++) {
    WK_UNROLL
    for (int g = 0; g < groups; g++) sum[g] += lanes_load(x + r * columns + g * WK_LANES);
  }
  for (int g = 0; g < groups; g++) sum[g] /= (TYPE)rows;
  for (int64_t r = 0; r < rows; r++) {
    WK_UNROLL
    for (int g = 0; g < groups; g++) {
      const lanes part = lanes_load(x + r * columns + g * WK_LANES) - sum[g];
      left[g] += part;
      total[g] += part * part;
    }
  }
  for (int g = 0; g < groups; g++) {
    lanes_store(mean + g * WK_LANES, sum[g]);
    lanes_store(rest + g * WK_LANES, left[g]);
    lanes_store(squares + g * WK_LANES, total[g]);
  }
}

static void column_moments(int64_t rows, int64_t columns, const void *x_, bool centred, void *mean_,
                           void *rest_, void *squares_) {
  const TYPE *x = x_;
  TYPE *mean = mean_, *rest = rest_, *squares = squares_;
#define STRIP(groups)                                                                              \
  moments_strip(groups, rows, columns, x + j, centred, mean + j, rest + j, squares + j)
  if (columns < WK_LANES)
    narrow_moments(rows, columns, x, centred, mean, rest, squares);
  else
    EACH_STRIP(j, STRIP);
#undef STRIP
}

/* Elements i .. i + 15 of x, which meet j .. j + 15 of the columns' numbers. */
WK_LANES_INLINE void apply_group(const TYPE *x, const TYPE *mean, const TYPE *scale,
                                 const TYPE *shift, int64_t i, int64_t j, TYPE *y) {
  lanes_store(y + i, (lanes_load(x + i) - lanes_load(mean + j)) * lanes_load(scale + j) +
                         lanes_load(shift + j));
}

static void column_apply(int64_t rows, int64_t columns, const void *x_, const void *mean_,
                         const void *scale_, const void *shift_, void *y_) {
  const TYPE *x = x_, *mean = mean_, *scale = scale_, *shift = shift_;
  TYPE *y = y_;
  if (columns < WK_LANES) {
    TYPE all[3][NARROW];
    repeat(columns, mean, all[0]);
    repeat(columns, scale, all[1]);
    repeat(columns, shift, all[2]);
    EACH_NARROW(i, g) apply_group(x, all[0], all[1], all[2], i, g * WK_LANES, y);
    EACH_LEFT(i) {
      const int64_t c = i % columns;
      y[i] = (x[i] - mean[c]) * scale[c] + shift[c];
    }
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    int64_t j = 0;
    for (; j + WK_LANES <= columns; j += WK_LANES)
      apply_group(x, mean, scale, shift, r * columns + j, j, y);
    if (j == columns) continue;
    j = columns - WK_LANES;
    apply_group(x, mean, scale, shift, r * columns + j, j, y);
  }
}

WK_LANES_INLINE void products_strip(int groups, int64_t rows, int64_t columns, const TYPE *g,
                                    const TYPE *x, const TYPE *mean, TYPE *sums, TYPE *products) {
  lanes sum[GROUPS] = {{0}}, product[GROUPS] = {{0}}, middle[GROUPS] = {{0}};
  for (int i = 0; i < groups; i++) middle[i] = lanes_load(mean + i * WK_LANES);
  for (int64_t r = 0; r < rows; r++) {
    WK_UNROLL
    for (int i = 0; i < groups; i++) {
      const lanes gradient = lanes_load(g + r * columns + i * WK_LANES);
      sum[i] += gradient;
      product[i] += gradient * (lanes_load(x + r * columns + i * WK_LANES) - middle[i]);
    }
  }
  for (int i = 0; i < groups; i++) {
    lanes_store(sums + i * WK_LANES, sum[i]);
    lanes_store(products + i * WK_LANES, product[i]);
  }
}

static void column_products(int64_t rows, int64_t columns, const void *g_, const void *x_,
                            const void *mean_, void *sums_, void *products_) {
  const TYPE *g = g_, *x = x_, *mean = mean_;
  TYPE *sums = sums_, *products = products_;
#define STRIP(groups)                                                                              \
  products_strip(groups, rows, columns, g + j, x + j, mean + j, sums + j, products + j)
  if (columns < WK_LANES)
    narrow_products(rows, columns, g, x, mean, sums, products);
  else
    EACH_STRIP(j, STRIP);
#undef STRIP
}

/* As apply_group; `numbers` are the columns' mean, a, b and c. */
WK_LANES_INLINE void gradient_group(const TYPE *g, const TYPE *x, const TYPE *const *numbers,
                                    int64_t i, int64_t j, TYPE *to) {
  lanes_store(to + i,
              lanes_load(numbers[1] + j) * lanes_load(g + i) +
                  lanes_load(numbers[2] + j) * (lanes_load(x + i) - lanes_load(numbers[0] + j)) +
                  lanes_load(numbers[3] + j));
}

static void column_gradient(int64_t rows, int64_t columns, const void *g_, const void *x_,
                            const void *mean, const void *a, const void *b, const void *c_,
                            void *to_) {
  const TYPE *g = g_, *x = x_, *const numbers[] = {mean, a, b, c_};
  TYPE *to = to_;
  if (columns < WK_LANES) {
    TYPE all[4][NARROW];
    for (int k = 0; k < 4; k++) repeat(columns, numbers[k], all[k]);
    const TYPE *const repeated[] = {all[0], all[1], all[2], all[3]};
    EACH_NARROW(i, group) gradient_group(g, x, repeated, i, group * WK_LANES, to);
    EACH_LEFT(i) {
      const int64_t c = i % columns;
      to[i] = numbers[1][c] * g[i] + numbers[2][c] * (x[i] - numbers[0][c]) + numbers[3][c];
    }
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    int64_t j = 0;
    for (; j + WK_LANES <= columns; j += WK_LANES)
      gradient_group(g, x, numbers, r * columns + j, j, to);
    if (j == columns) continue;
    j = columns - WK_LANES;
    gradient_group(g, x, numbers, r * columns + j, j, to);
  }
}

/* ---- rows ---- */

/* For each group of up to 16 columns from `first` on, `some` of them from column `i` on. */
#define EACH_GROUP(first, i, some)                                                                 \
  for (int64_t i = first, some;                                                                    \
       (some = columns - i < WK_LANES ? columns - i : WK_LANES), i < columns; i += WK_LANES)
/* For each two whole groups from column `i` on; what is left begins at `i`, too. */
#define EACH_TWO(i) for (; i + 2 * WK_LANES <= columns; i += 2 * WK_LANES)

/* A group of a row: of the last one, the lanes that end with the row; of a short row, its elements
 * and zeros. */
WK_LANES_INLINE lanes load_row(const TYPE *row, int64_t columns, int64_t i, int64_t some) {
  if (some == WK_LANES) return lanes_load(row + i);
  return columns >= WK_LANES ? lanes_load(row + columns - WK_LANES) : lanes_load_some(row, some, 0);
}
WK_LANES_INLINE void store_row(TYPE *row, int64_t columns, int64_t i, int64_t some, lanes x) {
  if (some == WK_LANES)
    lanes_store(row + i, x);
  else if (columns >= WK_LANES)
    lanes_store(row + columns - WK_LANES, x);
  else
    lanes_store_some(row, some, x);
}

/* A group's share of a sum: what overlaps does not count, nor what is behind a short row. */
#define COUNTED(x)                                                                                 \
  (some == WK_LANES      ? (x)                                                                     \
   : columns >= WK_LANES ? last_only(x, some)                                                      \
                         : lanes_select(lanes_load(lane_numbers) < (TYPE)some, x, nothing))

/* The mean comes in two parts, for it may be large beside the differences from it. */
WK_LANES_INLINE void row_moments(int64_t columns, const TYPE *x, bool centred, TYPE *mean,
                                 TYPE *rest, TYPE *variance) {
  const lanes nothing = {0};
  lanes sum = {0}, more = {0}, left = {0}, squares = {0}, more_squares = {0};
  const TYPE count = (TYPE)(columns ? columns : 1);
  int64_t j = centred ? 0 : columns;
  EACH_TWO(j) {
    sum += lanes_load(x + j);
    more += lanes_load(x + j + WK_LANES);
  }
  EACH_GROUP(j, i, some) {
    const lanes group = load_row(x, columns, i, some);
    sum += COUNTED(group);
  }
  sum += more;
  WK_FOLD_LANES(TYPE, sum, *mean, ADD_ONE);
  *mean /= count;
  j = 0;
  EACH_TWO(j) {
    const lanes part = lanes_load(x + j) - *mean, other = lanes_load(x + j + WK_LANES) - *mean;
    left += part + other;
    squares += part * part;
    more_squares += other * other;
  }
  EACH_GROUP(j, i, some) {
    const lanes part = load_row(x, columns, i, some) - *mean, counted = COUNTED(part);
    left += counted;
    squares += counted * counted;
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
    EACH_GROUP(0, i, some) {
      lanes z = (load_row(x, columns, i, some) - middle - rest) * inverse;
      if (weight) z *= load_row(weight, columns, i, some);
      if (bias) z += load_row(bias, columns, i, some);
      store_row(y, columns, i, some, z);
    }
  }
}

WK_LANES_INLINE void one_row_gradient(int64_t columns, const TYPE *g, const TYPE *x, TYPE middle,
                                      TYPE inverse, const TYPE *weight, bool centred, TYPE *to) {
  const lanes nothing = {0};
  lanes sum = {0}, more = {0}, products = {0}, more_products = {0};
  int64_t j = 0;
  EACH_TWO(j) {
    lanes h = lanes_load(g + j), other = lanes_load(g + j + WK_LANES);
    if (weight) h *= lanes_load(weight + j), other *= lanes_load(weight + j + WK_LANES);
    sum += h, more += other;
    products += h * (lanes_load(x + j) - middle);
    more_products += other * (lanes_load(x + j + WK_LANES) - middle);
  }
  EACH_GROUP(j, i, some) {
    const lanes gradient = load_row(g, columns, i, some);
    lanes h = COUNTED(gradient);
    if (weight) h *= load_row(weight, columns, i, some);
    sum += h;
    products += h * (load_row(x, columns, i, some) - middle);
  }
  sum += more;
  products = (products + more_products) * inverse;
  TYPE mean, slope;
  WK_FOLD_LANES(TYPE, sum, mean, ADD_ONE);
  WK_FOLD_LANES(TYPE, products, slope, ADD_ONE);
  mean = centred ? mean / (TYPE)columns : 0;
  slope /= (TYPE)columns;
  EACH_GROUP(0, i, some) {
    lanes h = load_row(g, columns, i, some);
    if (weight) h *= load_row(weight, columns, i, some);
    const lanes z = (load_row(x, columns, i, some) - middle) * inverse;
    store_row(to, columns, i, some, inverse * (h - mean - z * slope));
  }
}

/* Adds one row's g * z and g to the columns' sums. */
WK_LANES_INLINE void add_row_products(int64_t columns, const TYPE *g, const TYPE *x, TYPE middle,
                                      TYPE inverse, TYPE *products, TYPE *sums) {
  const lanes nothing = {0};
  EACH_GROUP(0, i, some) {
    const lanes group = load_row(g, columns, i, some), gradient = COUNTED(group);
    const lanes z = (load_row(x, columns, i, some) - middle) * inverse;
    const lanes share = gradient * z;
    store_row(products, columns, i, some, load_row(products, columns, i, some) + COUNTED(share));
    store_row(sums, columns, i, some, load_row(sums, columns, i, some) + gradient);
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
#undef NARROW
#undef EACH_NARROW
#undef EACH_LEFT
#undef EACH_STRIP
#undef EACH_GROUP
#undef EACH_TWO
#undef COUNTED
