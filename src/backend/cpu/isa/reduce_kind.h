/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one element type. 16 lanes are so many registers, side by side: as one vector
 * wider than a register compilers would keep them in memory. Needs LOWEST and HIGHEST, the
 * identities of max and min; IS_NAN(x), for one element or a register; perhaps OWN_LARGER, the
 * running largest of registers; MULTIPLY_GROUPS, how many times 16 lanes a product has; ADD_TYPE, a
 * type to add and multiply in: integers do so as unsigned ones, which wrap around; and INDEX_TYPE,
 * an integer as wide. */

#include "backend/cpu/isa/kinds.h"

#define part OF_KIND(part)
#define part_anywhere OF_KIND(part_anywhere)
#define part_add OF_KIND(part_add)
#define part_index OF_KIND(part_index)
#define load_part OF_KIND(load_part)
#define select_part OF_KIND(select_part)
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
#define first_of OF_KIND(first_of)
#define find_largest OF_KIND(find_largest)
#define find_smallest OF_KIND(find_smallest)
#define find_largest_columns OF_KIND(find_largest_columns)
#define find_smallest_columns OF_KIND(find_smallest_columns)

typedef TYPE part __attribute__((vector_size(WK_VECTOR_BYTES)));
typedef TYPE part_anywhere
    __attribute__((vector_size(WK_VECTOR_BYTES), aligned(sizeof(TYPE)), may_alias));
typedef ADD_TYPE part_add __attribute__((vector_size(WK_VECTOR_BYTES)));
typedef INDEX_TYPE part_index __attribute__((vector_size(WK_VECTOR_BYTES)));

#define WIDTH (WK_VECTOR_BYTES / (int)sizeof(TYPE)) /* elements of a register */
#define PARTS (WK_LANES / WIDTH)                    /* registers of 16 lanes */
#define STRIP 8                                     /* registers of columns side by side */

#define ADD(a, b) ((part)((part_add)(a) + (part_add)(b)))
#define ADD_ONE(a, b) ((ADD_TYPE)(a) + (ADD_TYPE)(b))
#define MULTIPLY(a, b) ((part)((part_add)(a) * (part_add)(b)))
#define MULTIPLY_ONE(a, b) ((ADD_TYPE)(a) * (ADD_TYPE)(b))
#define LARGER_ONE(a, b) ((b) > (a) || IS_NAN(b) ? (b) : (a))
#define SMALLER_ONE(a, b) ((b) < (a) || IS_NAN(b) ? (b) : (a))

WK_LANES_INLINE part load_part(const TYPE *from) { return *(const part_anywhere *)from; }
WK_LANES_INLINE part select_part(part_index where, part a, part b) {
  return (part)((where & (part_index)a) | (~where & (part_index)b));
}
WK_LANES_INLINE part larger(part best, part x) {
#ifdef OWN_LARGER
  return OWN_LARGER(best, x);
#else
  return select_part((x > best) | IS_NAN(x), x, best);
#endif
}
WK_LANES_INLINE part smaller(part best, part x) {
  return select_part((x < best) | IS_NAN(x), x, best);
}

/* The two functions of a reduction that begins with `start`; `join` is for registers, `join_one`
 * for single elements. What does not depend on its order goes four groups of 16 lanes at a time,
 * which hides the latency of comparisons. */
#define DEFINE_REDUCTION(block, columns_of, groups, start, join, join_one)                         \
  static void block(int64_t count, const void *x_, void *y) {                                      \
    enum { SPAN = (groups)*PARTS };                                                                \
    const TYPE *x = x_;                                                                            \
    TYPE lanes_[(groups)*WK_LANES];                                                                \
    part all[SPAN];                                                                                \
    int64_t i = 0;                                                                                 \
    WK_UNROLL for (int p = 0; p < SPAN; p++) all[p] = (part){0} + (start);                         \
    for (; i + (groups)*WK_LANES <= count; i += (groups)*WK_LANES) {                               \
      WK_UNROLL for (int p = 0; p < SPAN; p++) all[p] =                                            \
          join(all[p], load_part(x + i + p * WIDTH));                                              \
    }                                                                                              \
    if (i < count) {                                                                               \
      for (int k = 0; k < (groups)*WK_LANES; k++) lanes_[k] = (TYPE)(start);                       \
      memcpy(lanes_, x + i, (size_t)(count - i) * sizeof(TYPE));                                   \
      WK_UNROLL for (int p = 0; p < SPAN; p++) all[p] =                                            \
          join(all[p], load_part(lanes_ + p * WIDTH));                                             \
    }                                                                                              \
    memcpy(lanes_, all, sizeof lanes_);                                                            \
    for (int half = (groups)*WK_LANES / 2; half > 0; half /= 2)                                    \
      for (int k = 0; k < half; k++) lanes_[k] = (TYPE)(join_one(lanes_[k], lanes_[k + half]));    \
    *(TYPE *)y = lanes_[0];                                                                        \
  }                                                                                                \
  static void columns_of(int64_t count, int64_t stride, int64_t columns, const void *x_,           \
                         void *y_) {                                                               \
    TYPE *y = y_;                                                                                  \
    int64_t j = 0;                                                                                 \
    for (; j + STRIP * WIDTH <= columns; j += STRIP * WIDTH) {                                     \
      const TYPE *x = (const TYPE *)x_ + j;                                                        \
      part all[STRIP];                                                                             \
      WK_UNROLL for (int p = 0; p < STRIP; p++) all[p] = (part){0} + (start);                      \
      for (int64_t i = 0; i < count; i++, x += stride) {                                           \
        WK_UNROLL for (int p = 0; p < STRIP; p++) all[p] = join(all[p], load_part(x + p * WIDTH)); \
      }                                                                                            \
      memcpy(y + j, all, sizeof all);                                                              \
    }                                                                                              \
    for (; j < columns; j += WIDTH) {                                                              \
      const TYPE *x = (const TYPE *)x_ + j;                                                        \
      const int64_t some = columns - j < WIDTH ? columns - j : WIDTH;                              \
      const int64_t whole = count - (WIDTH - some + stride - 1) / stride; /* inside x, if only */  \
      part all = (part){0} + (start), row = all; /* because other rows follow */                   \
      for (int64_t i = 0; i < count; i++, x += stride) {                                           \
        if (i < whole)                                                                             \
          row = load_part(x);                                                                      \
        else                                                                                       \
          memcpy(&row, x, (size_t)some * sizeof(TYPE));                                            \
        all = join(all, row);                                                                      \
      }                                                                                            \
      memcpy(y + j, &all, (size_t)some * sizeof(TYPE));                                            \
    }                                                                                              \
  }

DEFINE_REDUCTION(sum_block, sum_columns, 1, 0, ADD, ADD_ONE)
DEFINE_REDUCTION(product_block, product_columns, MULTIPLY_GROUPS, 1, MULTIPLY, MULTIPLY_ONE)
DEFINE_REDUCTION(max_block, max_columns, 4, LOWEST, larger, LARGER_ONE)
DEFINE_REDUCTION(min_block, min_columns, 4, HIGHEST, smaller, SMALLER_ONE)

/* The first place that has the value or NaN; there is one. */
static int64_t first_of(const TYPE *x, int64_t count, TYPE value) {
  int64_t i = 0;
  for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) {
    part_index found = {0};
    WK_UNROLL for (int p = 0; p < 4; p++) {
      const part group = load_part(x + i + p * WIDTH);
      found |= (group == value) | IS_NAN(group);
    }
    INDEX_TYPE any = 0;
    for (int k = 0; k < WIDTH; k++) any |= found[k];
    if (any) break;
  }
  while (x[i] != value && !IS_NAN(x[i])) i++;
  return i;
}

/* The best value first, then the first place that has it, or the first NaN; down columns both at
 * once, in places as wide as an element. */
#define DEFINE_SEARCH(rows, columns_of, block, start, compare)                                     \
  static void rows(int64_t columns, const void *x_, int64_t *y, int64_t begin, int64_t end) {      \
    for (int64_t row = begin; row < end; row++) {                                                  \
      const TYPE *x = (const TYPE *)x_ + row * columns;                                            \
      TYPE best;                                                                                   \
      block(columns, x, &best);                                                                    \
      y[row] = first_of(x, columns, best);                                                         \
    }                                                                                              \
  }                                                                                                \
  static void columns_of(int64_t count, int64_t stride, int64_t columns, const void *x_,           \
                         int64_t *y) {                                                             \
    enum { TWO = 2 };                                                                              \
    for (int64_t j = 0; j < columns; j += TWO * WIDTH) {                                           \
      const TYPE *x = (const TYPE *)x_ + j;                                                        \
      const int64_t some = columns - j < TWO * WIDTH ? columns - j : TWO * WIDTH;                  \
      part best[TWO], row[TWO];                                                                    \
      part_index at[TWO] = {{0}};                                                                  \
      memset(best, 0, sizeof best);                                                                \
      memcpy(best, x, (size_t)some * sizeof(TYPE));                                                \
      memcpy(row, best, sizeof row);                                                               \
      for (int64_t i = 1; i < count; i++) {                                                        \
        x += stride;                                                                               \
        if (some == TWO * WIDTH)                                                                   \
          row[0] = load_part(x), row[1] = load_part(x + WIDTH);                                    \
        else                                                                                       \
          memcpy(row, x, (size_t)some * sizeof(TYPE));                                             \
        WK_UNROLL for (int p = 0; p < TWO; p++) {                                                  \
          const part_index better =                                                                \
              (row[p] compare best[p]) | (IS_NAN(row[p]) & ~(part_index)IS_NAN(best[p]));          \
          best[p] = select_part(better, row[p], best[p]);                                          \
          at[p] = (better & ((part_index){0} + (INDEX_TYPE)i)) | (~better & at[p]);                \
        }                                                                                          \
      }                                                                                            \
      for (int64_t k = 0; k < some; k++) y[j + k] = at[k / WIDTH][k % WIDTH];                      \
    }                                                                                              \
  }

DEFINE_SEARCH(find_largest, find_largest_columns, max_block, LOWEST, >)
DEFINE_SEARCH(find_smallest, find_smallest_columns, min_block, HIGHEST, <)

const wk_isa_reduce WK_ISA_NAME(OF_KIND(wk_isa_reduce)) = {
    .block = {sum_block, max_block, min_block, product_block},
    .columns = {sum_columns, max_columns, min_columns, product_columns},
    .find = {find_largest, find_smallest},
    .find_columns = {find_largest_columns, find_smallest_columns},
};

#undef WIDTH
#undef PARTS
#undef STRIP
#undef ADD
#undef ADD_ONE
#undef MULTIPLY
#undef MULTIPLY_ONE
#undef LARGER_ONE
#undef SMALLER_ONE
#undef DEFINE_REDUCTION
#undef DEFINE_SEARCH
