/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one element type; see kinds.h. Needs LOWEST, the identity of max; IS_NAN(x), for
 * one element or lanes; and ADD_TYPE and ADD_LANES, types to add in: integers add as unsigned ones,
 * which wrap around. */

#include "backend/cpu/isa/kinds.h"

#define larger OF_KIND(larger)
#define sum_block OF_KIND(sum_block)
#define max_block OF_KIND(max_block)
#define sum_columns OF_KIND(sum_columns)
#define max_columns OF_KIND(max_columns)
#define find_largest OF_KIND(find_largest)

#define ADD(a, b) ((lanes)((ADD_LANES)(a) + (ADD_LANES)(b)))
#define ADD_ONE(a, b) ((ADD_TYPE)(a) + (ADD_TYPE)(b))
#define LARGER_ONE(a, b) ((b) > (a) || IS_NAN(b) ? (b) : (a))

WK_LANES_INLINE lanes larger(lanes best, lanes x) {
  return lanes_select((x > best) | IS_NAN(x), x, best);
}

static void sum_block(int64_t count, const void *x_, void *y) {
  const TYPE *x = x_;
  lanes sum = {0};
  int64_t i = 0;
  for (; i + WK_LANES <= count; i += WK_LANES) sum = ADD(sum, lanes_load(x + i));
  if (i < count) sum = ADD(sum, lanes_load_some(x + i, count - i, 0));
  WK_FOLD_LANES(TYPE, sum, *(TYPE *)y, ADD_ONE);
}

static void max_block(int64_t count, const void *x_, void *y) {
  const TYPE *x = x_;
  lanes best = lanes_all(LOWEST);
  int64_t i = 0;
  for (; i + WK_LANES <= count; i += WK_LANES) best = larger(best, lanes_load(x + i));
  if (i < count) best = larger(best, lanes_load_some(x + i, count - i, LOWEST));
  WK_FOLD_LANES(TYPE, best, *(TYPE *)y, LARGER_ONE);
}

/* Two groups of lanes side by side, which hides most of an addition's latency. */
static void sum_columns(int64_t count, int64_t stride, int64_t columns, const void *x_, void *y_) {
  TYPE *y = y_;
  int64_t j = 0;
  for (; j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    lanes first = {0}, second = {0};
    for (int64_t i = 0; i < count; i++, x += stride) {
      first = ADD(first, lanes_load(x));
      second = ADD(second, lanes_load(x + WK_LANES));
    }
    lanes_store(y + j, first);
    lanes_store(y + j + WK_LANES, second);
  }
  for (; j < columns; j += WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    const int64_t some = columns - j < WK_LANES ? columns - j : WK_LANES;
    lanes sum = {0};
    for (int64_t i = 0; i < count; i++, x += stride) sum = ADD(sum, lanes_load_some(x, some, 0));
    lanes_store_some(y + j, some, sum);
  }
}

static void max_columns(int64_t count, int64_t stride, int64_t columns, const void *x_, void *y) {
  for (int64_t j = 0; j < columns; j += WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    const int64_t some = columns - j < WK_LANES ? columns - j : WK_LANES;
    lanes best = lanes_all(LOWEST);
    for (int64_t i = 0; i < count; i++, x += stride)
      best = larger(best, some == WK_LANES ? lanes_load(x) : lanes_load_some(x, some, LOWEST));
    lanes_store_some((TYPE *)y + j, some, best);
  }
}

/* The largest value first, 16 lanes at a time, then the first place that has it, or the first
 * NaN. */
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

const wk_isa_reduce WK_ISA_NAME(OF_KIND(wk_isa_reduce)) = {
    .block = {sum_block, max_block},
    .columns = {sum_columns, max_columns},
    .argmax = find_largest,
};

#undef ADD
#undef ADD_ONE
#undef LARGER_ONE
