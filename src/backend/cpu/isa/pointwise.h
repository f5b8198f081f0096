/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_POINTWISE_H
#define WICK_BACKEND_CPU_ISA_POINTWISE_H

/* The vocabulary of the generated pointwise kernels: v_<function> on 16 f32 lanes; what works on one
 * number at a time is in pointwise_scalar.h. Truth values are lanes of all ones or zeros; in memory they are
 * bytes 1 or 0. */

#include <math.h>

#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/vector.h"
#include "backend/cpu/pointwise_scalar.h"

typedef wk_f32x16 v16f;
typedef wk_i32x16 v16i;

WK_LANES_INLINE v16f v_splat(float x) { return wk_f32x16_all(x); }

WK_LANES_INLINE v16f v_select(v16i condition, v16f a, v16f b) {
  return wk_f32x16_select(condition, a, b);
}

/* Lanes past the end are zero when loaded and dropped when stored. */
WK_LANES_INLINE v16f v_load(const char *base, int64_t index, int64_t lanes) {
  const float *from = (const float *)(const void *)base + index;
  return lanes >= 16 ? wk_f32x16_load(from) : wk_f32x16_load_some(from, lanes, 0);
}

WK_LANES_INLINE void v_store(char *base, int64_t index, int64_t lanes, v16f x) {
  float *to = (float *)(void *)base + index;
  if (lanes >= 16)
    wk_f32x16_store(to, x);
  else
    wk_f32x16_store_some(to, lanes, x);
}

typedef int8_t v16b __attribute__((vector_size(16)));

WK_LANES_INLINE v16i v_load_mask(const char *base, int64_t index, int64_t lanes) {
  v16b bytes = {0};
  memcpy(&bytes, base + index, lanes >= 16 ? 16 : (size_t)lanes);
  return __builtin_convertvector(bytes != 0, v16i);
}

WK_LANES_INLINE void v_store_mask(char *base, int64_t index, int64_t lanes, v16i truth) {
  const v16b bytes = __builtin_convertvector(truth, v16b) & 1;
  memcpy(base + index, &bytes, lanes >= 16 ? 16 : (size_t)lanes);
}

WK_LANES_INLINE v16f v_exp(v16f x) { return wk_f32x16_exp(x); }
WK_LANES_INLINE v16f v_log(v16f x) { return wk_f32x16_log(x); }
WK_LANES_INLINE v16f v_sqrt(v16f x) { return wk_f32x16_sqrt(x); }
WK_LANES_INLINE v16f v_tanh(v16f x) { return wk_f32x16_tanh(x); }
WK_LANES_INLINE v16f v_sigmoid(v16f x) { return wk_f32x16_sigmoid(x); }

/* NaN if either is: a sum with a NaN is one. */
WK_LANES_INLINE v16f v_maximum(v16f x, v16f y) {
  return v_select((x != x) | (y != y), x + y, v_select(x > y, x, y));
}
WK_LANES_INLINE v16f v_minimum(v16f x, v16f y) {
  return v_select((x != x) | (y != y), x + y, v_select(x < y, x, y));
}

WK_LANES_INLINE v16f v_abs(v16f x) { return wk_f32x16_magnitude(x); }
WK_LANES_INLINE v16f v_copysign(v16f x, v16f y) {
  return (v16f)(((v16i)x & INT32_MAX) | ((v16i)y & INT32_MIN));
}
/* 0 for NaN */
WK_LANES_INLINE v16f v_sign(v16f x) {
  return (v16f)(((x > v_splat(0)) & (v16i)v_splat(1)) | ((x < v_splat(0)) & (v16i)v_splat(-1)));
}

/* To whole numbers; the compiler has instructions for these from SSE4.1 on. */
#define WK_DEFINE_ROUNDING(name, function)                                                         \
  WK_LANES_INLINE v16f v_##name(v16f x) {                                                          \
    v16f y;                                                                                        \
    for (int i = 0; i < WK_LANES; i++) y[i] = function(x[i]);                                      \
    return y;                                                                                      \
  }
WK_DEFINE_ROUNDING(floor, floorf)
WK_DEFINE_ROUNDING(ceil, ceilf)
WK_DEFINE_ROUNDING(trunc, truncf)
WK_DEFINE_ROUNDING(round, rintf)
#undef WK_DEFINE_ROUNDING

#endif
