/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_LANES_H
#define WICK_BACKEND_CPU_ISA_LANES_H

/* Vectors of 16 lanes whatever the processor: the compiler splits them into the registers it has,
 * so the same code gives the same bits from SSE2 to AVX-512. Comparisons give vectors of integers
 * as wide as the elements, all ones where true. */

#include <stdint.h>
#include <string.h>

#include "backend/cpu/isa/vector.h"

/* Everything here is inlined: how such vectors would be passed in calls is no concern. GCC heeds
 * only the same option on its command line. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define WK_LANES 16
#if defined(__AVX2__) || !defined(__x86_64__) || !defined(WICK_ISA)
#define WK_LANES_INLINE static inline __attribute__((always_inline, unused))
#define WK_LANES_CALLED WK_LANES_INLINE
/* In f64 the vectors are twice as many, and a call costs little beside the work. */
#define WK_LANES_CALLED_F64 static __attribute__((noinline, unused))
#else /* the plain set for x86 is kept small, and the compiler knows when a call is smaller */
#define WK_LANES_INLINE static inline __attribute__((unused))
/* Of these functions all its files share one copy; the linker drops the others. */
#define WK_LANES_CALLED __attribute__((weak, visibility("hidden")))
#define WK_LANES_CALLED_F64 WK_LANES_CALLED
#define WK_LANES_BY_REGISTER /* the functions of 16 lanes are loops over registers */
#endif

/* For each type, called `name` here, a vector of `count` lanes and
 *   _load, _store     anywhere in memory
 *   _load_some        the first lanes from memory, `other` in the rest
 *   _store_some       the first lanes to memory
 *   _all              the same value in every lane
 *   _select           where the mask is set a, elsewhere b
 *   _larger           x where it is larger than `best` or NaN, elsewhere `best`
 *   _clamp            x inside [least, most]; NaN stays */
#define WK_DEFINE_LANES(name, lane_count, type, mask)                                              \
  typedef type name __attribute__((vector_size((lane_count) * sizeof(type))));                     \
  typedef type name##_anywhere                                                                     \
      __attribute__((vector_size((lane_count) * sizeof(type)), aligned(sizeof(type)), may_alias)); \
  WK_LANES_INLINE name name##_load(const type *from) { return *(const name##_anywhere *)from; }    \
  WK_LANES_INLINE void name##_store(type *to, name x) { *(name##_anywhere *)to = x; }              \
  /* x - 0 is x for every x, so this is a plain broadcast */                                       \
  WK_LANES_INLINE name name##_all(type x) { return x - (name){0}; }                                \
  WK_LANES_INLINE name name##_load_some(const type *from, int64_t count, type other) {             \
    type lanes[lane_count];                                                                        \
    for (int i = 0; i < (int)(lane_count); i++) lanes[i] = other;                                  \
    memcpy(lanes, from, (size_t)count * sizeof(type));                                             \
    return name##_load(lanes);                                                                     \
  }                                                                                                \
  WK_LANES_INLINE void name##_store_some(type *to, int64_t count, name x) {                        \
    type lanes[lane_count];                                                                        \
    name##_store(lanes, x);                                                                        \
    memcpy(to, lanes, (size_t)count * sizeof(type));                                               \
  }                                                                                                \
  WK_LANES_INLINE name name##_select(mask where, name a, name b) {                                 \
    return (name)((where & (mask)a) | (~where & (mask)b));                                         \
  }                                                                                                \
  WK_LANES_INLINE name name##_larger(name best, name x) {                                          \
    return name##_select((mask)((x > best) | (x != x)), x, best);                                  \
  }                                                                                                \
  WK_LANES_INLINE name name##_clamp(name x, type least, type most) {                               \
    x = name##_select((mask)(x > most), name##_all(most), x);                                      \
    return name##_select((mask)(x < least), name##_all(least), x);                                 \
  }

typedef int32_t wk_i32x16_mask __attribute__((vector_size(WK_LANES * sizeof(int32_t))));
typedef int64_t wk_i64x16_mask __attribute__((vector_size(WK_LANES * sizeof(int64_t))));
WK_DEFINE_LANES(wk_f32x16, WK_LANES, float, wk_i32x16_mask)
WK_DEFINE_LANES(wk_i32x16, WK_LANES, int32_t, wk_i32x16_mask)
WK_DEFINE_LANES(wk_f64x16, WK_LANES, double, wk_i64x16_mask)
WK_DEFINE_LANES(wk_i64x16, WK_LANES, int64_t, wk_i64x16_mask)

/* One register of the instruction set, for what works on each element by itself: there the width
 * decides nothing, and compilers make shorter code of it than of 16 lanes, of comparisons above
 * all. */
#define WK_REGISTER_LANES (WK_VECTOR_BYTES / 4)
typedef int32_t wk_i32xn_mask __attribute__((vector_size(WK_VECTOR_BYTES)));
typedef int64_t wk_i64xn_mask __attribute__((vector_size(WK_VECTOR_BYTES)));
WK_DEFINE_LANES(wk_f32xn, WK_REGISTER_LANES, float, wk_i32xn_mask)
WK_DEFINE_LANES(wk_i32xn, WK_REGISTER_LANES, int32_t, wk_i32xn_mask)
WK_DEFINE_LANES(wk_f64xn, WK_REGISTER_LANES / 2, double, wk_i64xn_mask)

/* Half as many, for what is worked out in double: those fill a register then. */
#define WK_HALF_LANES (WK_REGISTER_LANES / 2)
typedef int32_t wk_i32xh_mask __attribute__((vector_size(WK_VECTOR_BYTES / 2)));
WK_DEFINE_LANES(wk_f32xh, WK_HALF_LANES, float, wk_i32xh_mask)
WK_DEFINE_LANES(wk_i32xh, WK_HALF_LANES, int32_t, wk_i32xh_mask)
#undef WK_DEFINE_LANES

#if defined(__AVX512F__)
#define wk_f32x16_load_some wk_f32_load_first
#define wk_f32x16_larger wk_f32_larger
#define wk_f32x16_clamp wk_f32_clamp
#define wk_f32x16_store_some wk_f32_store_first
#define wk_f32xn_load_some wk_f32_load_first
#define wk_f32xn_store_some wk_f32_store_first
#define wk_f32xn_clamp wk_f32_clamp
#endif

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
