/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_POINTWISE_H
#define WICK_BACKEND_CPU_ISA_POINTWISE_H

/* The vocabulary of the generated pointwise kernels: v_<function> on a register of f32 lanes; what
 * works on one number at a time is in pointwise_scalar.h. Truth values are lanes of all ones or
 * zeros; in memory they are bytes 1 or 0. */

#include <math.h>

#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/maths_wide.h"
#include "backend/cpu/isa/vector.h"
#include "backend/cpu/pointwise_scalar.h"

#define V_LANES WK_REGISTER_LANES
typedef wk_f32xn vf32;
typedef wk_i32xn vi32;

WK_LANES_INLINE vf32 v_splat(float x) { return wk_f32xn_all(x); }

WK_LANES_INLINE vf32 v_select(vi32 condition, vf32 a, vf32 b) {
  return wk_f32xn_select(condition, a, b);
}

/* Lanes past the end are zero when loaded and dropped when stored. */
WK_LANES_INLINE vf32 v_load(const char *base, int64_t index, int64_t lanes) {
  const float *from = (const float *)(const void *)base + index;
  return lanes >= V_LANES ? wk_f32xn_load(from) : wk_f32xn_load_some(from, lanes, 0);
}

WK_LANES_INLINE void v_store(char *base, int64_t index, int64_t lanes, vf32 x) {
  float *to = (float *)(void *)base + index;
  if (lanes >= V_LANES)
    wk_f32xn_store(to, x);
  else
    wk_f32xn_store_some(to, lanes, x);
}

typedef int8_t vi8 __attribute__((vector_size(V_LANES)));

/* Four bytes are too few for what compilers make of conversions between vectors. */
WK_LANES_INLINE vi32 v_load_mask(const char *base, int64_t index, int64_t lanes) {
  vi8 bytes = {0};
  memcpy(&bytes, base + index, lanes >= V_LANES ? V_LANES : (size_t)lanes);
#if WK_REGISTER_LANES == 4
  return (vi32){bytes[0], bytes[1], bytes[2], bytes[3]} != 0;
#else
  return __builtin_convertvector(bytes != 0, vi32);
#endif
}

WK_LANES_INLINE void v_store_mask(char *base, int64_t index, int64_t lanes, vi32 truth) {
#if WK_REGISTER_LANES == 4
  const vi32 ones = truth & 1;
  const vi8 bytes = {(int8_t)ones[0], (int8_t)ones[1], (int8_t)ones[2], (int8_t)ones[3]};
#else
  const vi8 bytes = __builtin_convertvector(truth, vi8) & 1;
#endif
  memcpy(base + index, &bytes, lanes >= V_LANES ? V_LANES : (size_t)lanes);
}

WK_LANES_INLINE vf32 v_exp(vf32 x) { return wk_f32xn_exp(x); }
WK_LANES_INLINE vf32 v_log(vf32 x) { return wk_f32xn_log(x); }
WK_LANES_INLINE vf32 v_sqrt(vf32 x) { return wk_f32xn_sqrt(x); }
WK_LANES_INLINE vf32 v_tanh(vf32 x) { return wk_f32xn_tanh(x); }
WK_LANES_INLINE vf32 v_sigmoid(vf32 x) { return wk_f32xn_sigmoid(x); }

/* Long ones are called, not inlined. */
#define WK_DEFINE_CALL(name)                                                                       \
  static __attribute__((noinline, unused)) vf32 v_##name(vf32 x) { return wk_f32xn_##name(x); }
WK_DEFINE_CALL(erf)
WK_DEFINE_CALL(ndtr)
WK_DEFINE_CALL(expm1)
WK_DEFINE_CALL(log1p)
WK_DEFINE_CALL(sin)
WK_DEFINE_CALL(cos)
#undef WK_DEFINE_CALL

/* NaN if either is: a sum with a NaN is one. */
WK_LANES_INLINE vf32 v_maximum(vf32 x, vf32 y) {
  return v_select((x != x) | (y != y), x + y, v_select(x > y, x, y));
}
WK_LANES_INLINE vf32 v_minimum(vf32 x, vf32 y) {
  return v_select((x != x) | (y != y), x + y, v_select(x < y, x, y));
}

WK_LANES_INLINE vf32 v_abs(vf32 x) { return wk_f32xn_magnitude(x); }
WK_LANES_INLINE vf32 v_copysign(vf32 x, vf32 y) {
  return (vf32)(((vi32)x & INT32_MAX) | ((vi32)y & INT32_MIN));
}
/* 0 for NaN */
WK_LANES_INLINE vf32 v_sign(vf32 x) {
  return (vf32)(((x > v_splat(0)) & (vi32)v_splat(1)) | ((x < v_splat(0)) & (vi32)v_splat(-1)));
}

/* To whole numbers; the compiler has instructions for these from SSE4.1 on. */
#define WK_DEFINE_ROUNDING(name, function)                                                         \
  WK_LANES_INLINE vf32 v_##name(vf32 x) {                                                          \
    vf32 y;                                                                                        \
    for (int i = 0; i < V_LANES; i++) y[i] = function(x[i]);                                       \
    return y;                                                                                      \
  }
WK_DEFINE_ROUNDING(floor, floorf)
WK_DEFINE_ROUNDING(ceil, ceilf)
WK_DEFINE_ROUNDING(trunc, truncf)
WK_DEFINE_ROUNDING(round, rintf)
#undef WK_DEFINE_ROUNDING

#endif
