/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one element type; see kinds.h. Needs LOWEST and HIGHEST, the identities of max and
 * min; IS_NAN(x), for one element or lanes; and ADD_TYPE and ADD_LANES, types to add and multiply
 * in: integers do so as unsigned ones, which wrap around. */

#include "backend/cpu/isa/kinds.h"

#define larger OF_KIND(larger)
#define smaller OF_KIND(smaller)
#define sum_block OF_KIND(sum_block)
#define sum_columns OF_KIND(sum_columns)
#define product_block OF_KIND(product_block)
#define product_columns OF_KIND(product_columns)
#define max_block OF_KIND(max_block)
#define max_columns OF_KIND(max_columns)
#define min_block OF_KIND(min_block)
#define min_columns OF_KIND(min_columns)
#define find_largest OF_KIND(find_largest)
#define find_smallest OF_KIND(find_smallest)

#define ADD(a, b) ((lanes)((ADD_LANES)(a) + (ADD_LANES)(b)))
#define ADD_ONE(a, b) ((ADD_TYPE)(a) + (ADD_TYPE)(b))
#define MULTIPLY(a, b) ((lanes)((ADD_LANES)(a) * (ADD_LANES)(b)))
#define MULTIPLY_ONE(a, b) ((ADD_TYPE)(a) * (ADD_TYPE)(b))
#define LARGER_ONE(a, b) ((b) > (a) || IS_NAN(b) ? (b) : (a))
#define SMALLER_ONE(a, b) ((b) < (a) || IS_NAN(b) ? (b) : (a))

WK_LANES_INLINE lanes larger(lanes best, lanes x) {
  return lanes_select((x > best) | IS_NAN(x), x, best);
}

WK_LANES_INLINE lanes smaller(lanes best, lanes x) {
  return lanes_select((x < best) | IS_NAN(x), x, best);
}

/* The two functions of a reduction that begins with `start`; `join` is for lanes, `join_one` for
 * single elements. Columns go two groups of lanes at a time, which hides most of an addition's
 * latency. */
#define DEFINE_REDUCTION(block, columns_of, start, join, join_one)                                 \
  static void block(int64_t count, const void *x_, void *y) {                                      \
    const TYPE *x = x_;                                                                            \
    lanes all = lanes_all(start);                                                                  \
    int64_t i = 0;                                                                                 \
    for (; i + WK_LANES <= count; i += WK_LANES) all = join(all, lanes_load(x + i));               \
    if (i < count) all = join(all, lanes_load_some(x + i, count - i, start));                      \
    WK_FOLD_LANES(TYPE, all, *(TYPE *)y, join_one);                                                \
  }                                                                                                \
  static void columns_of(int64_t count, int64_t stride, int64_t columns, const void *x_,           \
                         void *y_) {                                                               \
    TYPE *y = y_;                                                                                  \
    int64_t j = 0;                                                                                 \
    for (; j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {                                       \
      const TYPE *x = (const TYPE *)x_ + j;                                                        \
      lanes first = lanes_all(start), second = lanes_all(start);                                   \
      for (int64_t i = 0; i < count; i++, x += stride) {                                           \
        first = join(first, lanes_load(x));                                                        \
        second = join(second, lanes_load(x + WK_LANES));                                           \
      }                                                                                            \
      lanes_store(y + j, first);                                                                   \
      lanes_store(y + j + WK_LANES, second);                                                       \
    }                                                                                              \
    for (; j < columns; j += WK_LANES) {                                                           \
      const TYPE *x = (const TYPE *)x_ + j;                                                        \
      const int64_t some = columns - j < WK_LANES ? columns - j : WK_LANES;                        \
      lanes all = lanes_all(start);                                                                \
      for (int64_t i = 0; i < count; i++, x += stride)                                             \
        all = join(all, lanes_load_some(x, some, start));                                          \
      lanes_store_some(y + j, some, all);                                                          \
    }                                                                                              \
  }

DEFINE_REDUCTION(sum_block, sum_columns, 0, ADD, ADD_ONE)
DEFINE_REDUCTION(product_block, product_columns, 1, MULTIPLY, MULTIPLY_ONE)
DEFINE_REDUCTION(max_block, max_columns, LOWEST, larger, LARGER_ONE)
DEFINE_REDUCTION(min_block, min_columns, HIGHEST, smaller, SMALLER_ONE)

/* The best value first, 16 lanes at a time, then the first place that has it, or the first NaN. */
static void find_largest(int64_t columns, const void *x_, int64_t *y, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)x_ + row * columns;
    TYPE best;
    max_block(columns, x, &best);
    int64_t i = 0;
    while (x[i] != best && !IS_NAN(x[i])) i++;
    y[row] = i;
  }
}

static void find_smallest(int64_t columns, const void *x_, int64_t *y, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)x_ + row * columns;
    TYPE best;
    min_block(columns, x, &best);
    int64_t i = 0;
    while (x[i] != best && !IS_NAN(x[i])) i++;
    y[row] = i;
  }
}

const wk_isa_reduce WK_ISA_NAME(OF_KIND(wk_isa_reduce)) = {
    .block = {sum_block, max_block, min_block, product_block},
    .columns = {sum_columns, max_columns, min_columns, product_columns},
    .argmax = find_largest,
    .argmin = find_smallest,
};

#undef ADD
#undef ADD_ONE
#undef MULTIPLY
#undef MULTIPLY_ONE
#undef LARGER_ONE
#undef SMALLER_ONE
#undef DEFINE_REDUCTION
