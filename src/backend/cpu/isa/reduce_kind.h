/* SPDX-License-Identifier: Apache-2.0 */

/* Reductions for one element type; see kinds.h. Needs LOWEST, the identity of max; IS_NAN(x), for
 * one element or lanes; and ADD_TYPE and ADD_LANES, types to add in: integers add as unsigned ones,
 * which wrap around. */

#define ADD(a, b) ((lanes)((ADD_LANES)(a) + (ADD_LANES)(b)))
#define ADD_ONE(a, b) ((ADD_TYPE)(a) + (ADD_TYPE)(b))
#define LARGER_ONE(a, b) ((b) > (a) || IS_NAN(b) ? (b) : (a))

WK_LANES_INLINE lanes OF_KIND(larger)(lanes best, lanes x) {
  return LANES_(select)((x > best) | IS_NAN(x), x, best);
}

static void OF_KIND(sum_block)(int64_t count, const void *x_, void *y) {
  const TYPE *x = x_;
  lanes sum = {0};
  int64_t i = 0;
  for (; i + WK_LANES <= count; i += WK_LANES) sum = ADD(sum, LANES_(load)(x + i));
  if (i < count) sum = ADD(sum, LANES_(load_some)(x + i, count - i, 0));
  WK_FOLD_LANES(TYPE, sum, *(TYPE *)y, ADD_ONE);
}

static void OF_KIND(max_block)(int64_t count, const void *x_, void *y) {
  const TYPE *x = x_;
  lanes best = LANES_(all)(LOWEST);
  int64_t i = 0;
  for (; i + WK_LANES <= count; i += WK_LANES) best = OF_KIND(larger)(best, LANES_(load)(x + i));
  if (i < count) best = OF_KIND(larger)(best, LANES_(load_some)(x + i, count - i, LOWEST));
  WK_FOLD_LANES(TYPE, best, *(TYPE *)y, LARGER_ONE);
}

/* Two groups of lanes side by side, which hides most of an addition's latency. */
static void OF_KIND(sum_columns)(int64_t count, int64_t stride, int64_t columns, const void *x_,
                                 void *y_) {
  TYPE *y = y_;
  int64_t j = 0;
  for (; j + 2 * WK_LANES <= columns; j += 2 * WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    lanes first = {0}, second = {0};
    for (int64_t i = 0; i < count; i++, x += stride) {
      first = ADD(first, LANES_(load)(x));
      second = ADD(second, LANES_(load)(x + WK_LANES));
    }
    LANES_(store)(y + j, first);
    LANES_(store)(y + j + WK_LANES, second);
  }
  for (; j < columns; j += WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    const int64_t some = columns - j < WK_LANES ? columns - j : WK_LANES;
    lanes sum = {0};
    for (int64_t i = 0; i < count; i++, x += stride) sum = ADD(sum, LANES_(load_some)(x, some, 0));
    LANES_(store_some)(y + j, some, sum);
  }
}

static void OF_KIND(max_columns)(int64_t count, int64_t stride, int64_t columns, const void *x_,
                                 void *y) {
  for (int64_t j = 0; j < columns; j += WK_LANES) {
    const TYPE *x = (const TYPE *)x_ + j;
    const int64_t some = columns - j < WK_LANES ? columns - j : WK_LANES;
    lanes best = LANES_(all)(LOWEST);
    for (int64_t i = 0; i < count; i++, x += stride)
      best = OF_KIND(larger)(best, some == WK_LANES ? LANES_(load)(x)
                                                    : LANES_(load_some)(x, some, LOWEST));
    LANES_(store_some)((TYPE *)y + j, some, best);
  }
}

/* The largest value first, 16 lanes at a time, then the first place that has it, or the first
 * NaN. */
static void OF_KIND(argmax)(int64_t columns, const void *x_, int64_t *y, int64_t begin,
                            int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)x_ + row * columns;
    TYPE best;
    OF_KIND(max_block)(columns, x, &best);
    int64_t i = 0;
    while (x[i] != best && !IS_NAN(x[i])) i++;
    y[row] = i;
  }
}

const wk_isa_reduce WK_ISA_NAME(OF_KIND(wk_isa_reduce)) = {
    .block = {OF_KIND(sum_block), OF_KIND(max_block)},
    .columns = {OF_KIND(sum_columns), OF_KIND(max_columns)},
    .argmax = OF_KIND(argmax),
};

#undef ADD
#undef ADD_ONE
#undef LARGER_ONE
