/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_LANES_H
#define WICK_BACKEND_CPU_ISA_LANES_H

/* Vectors of 16 lanes whatever the processor: the compiler splits them into the registers it has,
 * so the same code gives the same bits from SSE2 to AVX-512. Comparisons give vectors of integers
 * as wide as the elements, all ones where true. */

#include <stdint.h>
#include <string.h>

/* Everything here is inlined: how such vectors would be passed in calls is no concern. GCC heeds
 * only the same option on its command line. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define WK_LANES 16
#define WK_LANES_INLINE static inline __attribute__((always_inline, unused))

/* For each type: wk_<name>x16 and
 *   _load, _store     anywhere in memory
 *   _load_some        the first `count` lanes from memory, `other` in the rest
 *   _store_some       the first `count` lanes to memory
 *   _all              the same value in every lane
 *   _select           where the mask is set a, elsewhere b */
#define WK_DEFINE_LANES(name, type, mask)                                                          \
  typedef type wk_##name##x16 __attribute__((vector_size(WK_LANES * sizeof(type))));               \
  typedef type wk_##name##x16_anywhere                                                             \
      __attribute__((vector_size(WK_LANES * sizeof(type)), aligned(sizeof(type)), may_alias));     \
  WK_LANES_INLINE wk_##name##x16 wk_##name##x16_load(const type *from) {                           \
    return *(const wk_##name##x16_anywhere *)from;                                                 \
  }                                                                                                \
  WK_LANES_INLINE void wk_##name##x16_store(type *to, wk_##name##x16 x) {                          \
    *(wk_##name##x16_anywhere *)to = x;                                                            \
  }                                                                                                \
  WK_LANES_INLINE wk_##name##x16 wk_##name##x16_all(type x) {                                      \
    return (wk_##name##x16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};                       \
  }                                                                                                \
  WK_LANES_INLINE wk_##name##x16 wk_##name##x16_load_some(const type *from, int64_t count,         \
                                                          type other) {                            \
    type lanes[WK_LANES];                                                                          \
    for (int i = 0; i < WK_LANES; i++) lanes[i] = other;                                           \
    memcpy(lanes, from, (size_t)count * sizeof(type));                                             \
    return wk_##name##x16_load(lanes);                                                             \
  }                                                                                                \
  WK_LANES_INLINE void wk_##name##x16_store_some(type *to, int64_t count, wk_##name##x16 x) {      \
    type lanes[WK_LANES];                                                                          \
    wk_##name##x16_store(lanes, x);                                                                \
    memcpy(to, lanes, (size_t)count * sizeof(type));                                               \
  }                                                                                                \
  WK_LANES_INLINE wk_##name##x16 wk_##name##x16_select(mask where, wk_##name##x16 a,               \
                                                       wk_##name##x16 b) {                         \
    return (wk_##name##x16)((where & (mask)a) | (~where & (mask)b));                               \
  }

typedef int32_t wk_i32x16_mask __attribute__((vector_size(WK_LANES * sizeof(int32_t))));
typedef int64_t wk_i64x16_mask __attribute__((vector_size(WK_LANES * sizeof(int64_t))));
WK_DEFINE_LANES(f32, float, wk_i32x16_mask)
WK_DEFINE_LANES(i32, int32_t, wk_i32x16_mask)
WK_DEFINE_LANES(f64, double, wk_i64x16_mask)
WK_DEFINE_LANES(i64, int64_t, wk_i64x16_mask)
#undef WK_DEFINE_LANES

/* One value from 16, in the order that every sum of 16 lanes has: lane i with lane i + 8, then + 4,
 * + 2, + 1. `join(a, b)` is an expression over two values. */
#define WK_FOLD_LANES(type, lanes, result, join)                                                   \
  do {                                                                                             \
    type fold_[WK_LANES];                                                                          \
    for (int i_ = 0; i_ < WK_LANES; i_++) fold_[i_] = (lanes)[i_];                                 \
    for (int half_ = WK_LANES / 2; half_ > 0; half_ /= 2)                                          \
      for (int i_ = 0; i_ < half_; i_++) fold_[i_] = (type)(join(fold_[i_], fold_[i_ + half_]));   \
    (result) = fold_[0];                                                                           \
  } while (0)

#endif
