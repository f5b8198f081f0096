/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_POINTWISE_H
#define WICK_BACKEND_CPU_ISA_POINTWISE_H

/* The vocabulary of the generated pointwise kernels: f32_<function> and so on, on a register of
 * lanes of one kind, v_f32. Truth values are lanes of all ones or zeros, m_f32; in memory they are
 * bytes 1 or 0. Registers are whole: the caller pads. */

#include <math.h>

#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/maths_more.h"
#include "backend/cpu/isa/maths_wide.h"
#include "backend/cpu/isa/vector.h"
#include "backend/cpu/pointwise_scalar.h"

/* Lanes of a kind; 16 bytes are a group. */
#define V_LANES(kind) V_LANES_##kind
#define V_LANES_f32 WK_REGISTER_LANES
#define V_LANES_i32 WK_REGISTER_LANES
#define V_LANES_f64 (WK_REGISTER_LANES / 2)
#define V_LANES_i64 (WK_REGISTER_LANES / 2)
#define V_LANES_u8 WK_POINTWISE_GROUP
#define V_LANES_b8 WK_POINTWISE_GROUP

/* Compilers make poor code of conversions between vectors of less than eight lanes. */
#define V_DEFINE_KIND(kind, type, integer)                                                         \
  typedef type v_##kind __attribute__((vector_size(V_LANES(kind) * sizeof(type))));                \
  typedef integer m_##kind __attribute__((vector_size(V_LANES(kind) * sizeof(type))));             \
  typedef type v_##kind##_anywhere __attribute__((vector_size(V_LANES(kind) * sizeof(type)),       \
                                                  aligned(sizeof(type)), may_alias));              \
  WK_LANES_INLINE v_##kind kind##_splat(type x) { return x - (v_##kind){0}; }                      \
  WK_LANES_INLINE v_##kind kind##_load(const char *base, int64_t index) {                          \
    return *(const v_##kind##_anywhere *)(const void *)(base + index * (int64_t)sizeof(type));     \
  }                                                                                                \
  WK_LANES_INLINE void kind##_store(char *base, int64_t index, v_##kind x) {                       \
    *(v_##kind##_anywhere *)(void *)(base + index * (int64_t)sizeof(type)) = x;                    \
  }                                                                                                \
  WK_LANES_INLINE v_##kind kind##_select(m_##kind where, v_##kind a, v_##kind b) {                 \
    return (v_##kind)((where & (m_##kind)a) | (~where & (m_##kind)b));                             \
  }                                                                                                \
  WK_LANES_INLINE m_##kind kind##_load_mask(const char *base, int64_t index) {                     \
    typedef int8_t bytes __attribute__((vector_size(V_LANES(kind) < 8 ? 8 : V_LANES(kind))));      \
    bytes truth = {0};                                                                             \
    memcpy(&truth, base + index, V_LANES(kind));                                                   \
    V_WIDEN_MASK_##kind(truth);                                                                    \
  }                                                                                                \
  WK_LANES_INLINE void kind##_store_mask(char *base, int64_t index, m_##kind truth) {              \
    typedef int8_t bytes __attribute__((vector_size(V_LANES(kind) < 8 ? 8 : V_LANES(kind))));      \
    V_NARROW_MASK_##kind(truth);                                                                   \
    memcpy(base + index, &narrow, V_LANES(kind));                                                  \
  }

#define V_WIDEN_BY_LANE(kind, truth)                                                               \
  m_##kind wide;                                                                                   \
  for (int k_ = 0; k_ < V_LANES(kind); k_++) wide[k_] = -(truth[k_] != 0);                         \
  return wide
#define V_NARROW_BY_LANE(kind, truth)                                                              \
  bytes narrow = {0};                                                                              \
  for (int k_ = 0; k_ < V_LANES(kind); k_++) narrow[k_] = (int8_t)(truth[k_] & 1)
#define V_WIDEN_AT_ONCE(kind, truth) return __builtin_convertvector(truth != 0, m_##kind)
#define V_NARROW_AT_ONCE(kind, truth) bytes narrow = __builtin_convertvector(truth, bytes) & 1

#if WK_REGISTER_LANES >= 8
#define V_WIDEN_MASK_f32(truth) V_WIDEN_AT_ONCE(f32, truth)
#define V_NARROW_MASK_f32(truth) V_NARROW_AT_ONCE(f32, truth)
#define V_WIDEN_MASK_i32(truth) V_WIDEN_AT_ONCE(i32, truth)
#define V_NARROW_MASK_i32(truth) V_NARROW_AT_ONCE(i32, truth)
#else
#define V_WIDEN_MASK_f32(truth) V_WIDEN_BY_LANE(f32, truth)
#define V_NARROW_MASK_f32(truth) V_NARROW_BY_LANE(f32, truth)
#define V_WIDEN_MASK_i32(truth) V_WIDEN_BY_LANE(i32, truth)
#define V_NARROW_MASK_i32(truth) V_NARROW_BY_LANE(i32, truth)
#endif
#if WK_REGISTER_LANES >= 16
#define V_WIDEN_MASK_f64(truth) V_WIDEN_AT_ONCE(f64, truth)
#define V_NARROW_MASK_f64(truth) V_NARROW_AT_ONCE(f64, truth)
#define V_WIDEN_MASK_i64(truth) V_WIDEN_AT_ONCE(i64, truth)
#define V_NARROW_MASK_i64(truth) V_NARROW_AT_ONCE(i64, truth)
#else
#define V_WIDEN_MASK_f64(truth) V_WIDEN_BY_LANE(f64, truth)
#define V_NARROW_MASK_f64(truth) V_NARROW_BY_LANE(f64, truth)
#define V_WIDEN_MASK_i64(truth) V_WIDEN_BY_LANE(i64, truth)
#define V_NARROW_MASK_i64(truth) V_NARROW_BY_LANE(i64, truth)
#endif
#define V_WIDEN_MASK_u8(truth) return truth != 0
#define V_NARROW_MASK_u8(truth) const bytes narrow = truth & 1
#define V_WIDEN_MASK_b8(truth) return truth != 0
#define V_NARROW_MASK_b8(truth) const bytes narrow = truth & 1

V_DEFINE_KIND(f32, float, int32_t)
V_DEFINE_KIND(f64, double, int64_t)
V_DEFINE_KIND(i64, int64_t, int64_t)
V_DEFINE_KIND(i32, int32_t, int32_t)
V_DEFINE_KIND(u8, uint8_t, int8_t)
V_DEFINE_KIND(b8, uint8_t, int8_t)
#undef V_DEFINE_KIND

/* To add, subtract and multiply in: unsigned numbers wrap around. */
typedef uint64_t u_i64 __attribute__((vector_size(sizeof(v_i64))));
typedef uint32_t u_i32 __attribute__((vector_size(sizeof(v_i32))));
typedef v_u8 u_u8;
typedef v_b8 u_b8;

/* f32 worked out in f64. */
typedef float v_wide __attribute__((vector_size(V_LANES_f64 * 4)));
WK_LANES_INLINE v_f64 wide_load(const char *base, int64_t index) {
  v_wide x;
  memcpy(&x, base + index * 4, sizeof x);
  return __builtin_convertvector(x, v_f64);
}
WK_LANES_INLINE void wide_store(char *base, int64_t index, v_f64 x) {
  const v_wide y = __builtin_convertvector(x, v_wide);
  memcpy(base + index * 4, &y, sizeof y);
}

WK_LANES_INLINE v_f32 f32_exp(v_f32 x) { return wk_f32xn_exp(x); }
WK_LANES_INLINE v_f32 f32_log(v_f32 x) { return wk_f32xn_log(x); }
WK_LANES_INLINE v_f32 f32_sqrt(v_f32 x) { return wk_f32_root(x); }
WK_LANES_INLINE v_f32 f32_tanh(v_f32 x) { return wk_f32xn_tanh(x); }
WK_LANES_INLINE v_f32 f32_sigmoid(v_f32 x) { return wk_f32xn_sigmoid(x); }

/* Long ones are called, not inlined. */
#define WK_DEFINE_CALL(name)                                                                       \
  static __attribute__((noinline, unused)) v_f32 f32_##name(v_f32 x) { return wk_f32xn_##name(x); }
WK_DEFINE_CALL(erf)
WK_DEFINE_CALL(ndtr)
WK_DEFINE_CALL(expm1)
WK_DEFINE_CALL(log1p)
WK_DEFINE_CALL(sin)
WK_DEFINE_CALL(cos)
WK_DEFINE_CALL(tan)
WK_DEFINE_CALL(exp2)
WK_DEFINE_CALL(log2)
WK_DEFINE_CALL(log10)
#undef WK_DEFINE_CALL

static __attribute__((noinline, unused)) v_f32 f32_power(v_f32 x, v_f32 y) {
  return wk_f32xn_power(x, y);
}

/* NaN if either is: a sum with a NaN is one. */
#define V_DEFINE_REAL(kind, magnitude)                                                             \
  WK_LANES_INLINE v_##kind kind##_maximum(v_##kind x, v_##kind y) {                                \
    return kind##_select((x != x) | (y != y), x + y, kind##_select(x > y, x, y));                  \
  }                                                                                                \
  WK_LANES_INLINE v_##kind kind##_minimum(v_##kind x, v_##kind y) {                                \
    return kind##_select((x != x) | (y != y), x + y, kind##_select(x < y, x, y));                  \
  }                                                                                                \
  WK_LANES_INLINE v_##kind kind##_abs(v_##kind x) { return (v_##kind)((m_##kind)x & magnitude); }
V_DEFINE_REAL(f32, INT32_MAX)
V_DEFINE_REAL(f64, INT64_MAX)
#undef V_DEFINE_REAL

#define V_DEFINE_WHOLE(kind)                                                                       \
  WK_LANES_INLINE v_##kind kind##_maximum(v_##kind x, v_##kind y) {                                \
    return kind##_select(x > y, x, y);                                                             \
  }                                                                                                \
  WK_LANES_INLINE v_##kind kind##_minimum(v_##kind x, v_##kind y) {                                \
    return kind##_select(x < y, x, y);                                                             \
  }
V_DEFINE_WHOLE(i64)
V_DEFINE_WHOLE(i32)
V_DEFINE_WHOLE(u8)
V_DEFINE_WHOLE(b8)
#undef V_DEFINE_WHOLE
WK_LANES_INLINE v_i64 i64_abs(v_i64 x) { return i64_select(x < 0, (v_i64)(-(u_i64)x), x); }
WK_LANES_INLINE v_i32 i32_abs(v_i32 x) { return i32_select(x < 0, (v_i32)(-(u_i32)x), x); }
WK_LANES_INLINE v_u8 u8_abs(v_u8 x) { return x; }

WK_LANES_INLINE v_f64 f64_exp(v_f64 x) { return wk_f64xn_exp(x); }
WK_LANES_INLINE v_f64 f64_log(v_f64 x) { return wk_f64xn_log(x); }
WK_LANES_INLINE v_f64 f64_sigmoid(v_f64 x) { return wk_f64xn_sigmoid(x); }
WK_LANES_INLINE v_f64 f64_tanh(v_f64 x) { return wk_f64xn_tanh(x); }
WK_LANES_INLINE v_f64 f64_erf(v_f64 x) { return wk_f64xn_erf(x); }
WK_LANES_INLINE v_f64 f64_ndtr(v_f64 x) { return wk_f64xn_ndtr(x); }
WK_LANES_INLINE v_f64 f64_sin(v_f64 x) { return wk_f64xn_sin(x); }
WK_LANES_INLINE v_f64 f64_cos(v_f64 x) { return wk_f64xn_cos(x); }
WK_LANES_INLINE v_f64 f64_sqrt(v_f64 x) { return wk_f64_root(x); }
WK_LANES_INLINE v_f32 f32_copysign(v_f32 x, v_f32 y) {
  return (v_f32)(((m_f32)x & INT32_MAX) | ((m_f32)y & INT32_MIN));
}
/* 0 for NaN */
WK_LANES_INLINE v_f32 f32_sign(v_f32 x) {
  return (v_f32)(((x > f32_splat(0)) & (m_f32)f32_splat(1)) |
                 ((x < f32_splat(0)) & (m_f32)f32_splat(-1)));
}

/* To whole numbers; the compiler has instructions for these from SSE4.1 on. */
#define WK_DEFINE_ROUNDING(name, function)                                                         \
  WK_LANES_INLINE v_f32 f32_##name(v_f32 x) {                                                      \
    v_f32 y;                                                                                       \
    for (int i = 0; i < V_LANES_f32; i++) y[i] = function(x[i]);                                   \
    return y;                                                                                      \
  }
WK_DEFINE_ROUNDING(floor, floorf)
WK_DEFINE_ROUNDING(ceil, ceilf)
WK_DEFINE_ROUNDING(trunc, truncf)
WK_DEFINE_ROUNDING(round, rintf)
#undef WK_DEFINE_ROUNDING

#endif
