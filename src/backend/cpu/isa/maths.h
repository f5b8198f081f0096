/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_H
#define WICK_BACKEND_CPU_ISA_MATHS_H

/* Functions of 16 floats at once, without branches and without fused multiply-add, so that every
 * instruction set gives the same bits. Errors in ulp, found by trying all floats against libm in
 * double precision: exp 0.88, log 0.84, tanh 1.31, sigmoid 2.41; sqrt is exactly rounded.
 * Infinities, NaN, signed zeros and denormals come out as libm's do.
 *
 * Polynomials are minimax ones, computed for the intervals named by the Remez exchange algorithm
 * and then rounded to float. The reductions are textbook ones: Cody and Waite, "Software Manual for
 * the Elementary Functions" (1980); for log also Tang, ACM TOMS 16(4), 1990.
 *
 * The f64 twins call libm, lane by lane. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"

/* exp(x) = 2^n exp(r) with n the integer nearest to x / log 2, so |r| <= log(2) / 2. */
WK_LANES_INLINE wk_f32x16 wk_f32x16_exp(wk_f32x16 x) {
  const wk_f32x16 most = wk_f32x16_all(89.0f), least = wk_f32x16_all(-104.0f);
  x = wk_f32x16_select(x > most, most, x); /* beyond these the result is infinity or 0 anyway */
  x = wk_f32x16_select(x < least, least, x);
  /* Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum. */
  const wk_f32x16 shifted = x * 0x1.715476p+0f + 0x1.8p+23f;
  const wk_i32x16 n = (wk_i32x16)shifted - 0x4b400000;
  const wk_f32x16 whole = shifted - 0x1.8p+23f;
  /* log 2 in two parts, the first short enough for the product to be exact; what r loses in
   * rounding is kept as `rest`. */
  const wk_f32x16 high = x - whole * 0x1.63p-1f, low = whole * -0x1.bd0106p-13f;
  const wk_f32x16 r = high - low, rest = (high - r) - low;
  /* (exp(r) - 1 - r) / r^2 on |r| <= 0.34665; relative error of exp 2^-34 */
  wk_f32x16 q = wk_f32x16_all(0x1.9f0884p-13f);
  q = q * r + 0x1.6d8d1ep-10f;
  q = q * r + 0x1.11127p-7f;
  q = q * r + 0x1.55548ep-5f;
  q = q * r + 0x1.555554p-3f;
  q = q * r + 0x1p-1f;
  const wk_f32x16 p = ((q * (r * r) + rest) + r) + 1.0f;
  /* In two steps, since 2^n itself may overflow or be denormal; the second one rounds, once. */
  const wk_i32x16 half = n >> 1;
  const wk_f32x16 first = (wk_f32x16)((half + 127) << 23);
  const wk_f32x16 second = (wk_f32x16)((n - half + 127) << 23);
  return p * first * second;
}

/* x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) by the series of atanh(s)
 * with s = f / (2 + f). */
WK_LANES_INLINE wk_f32x16 wk_f32x16_log(wk_f32x16 x) {
  const wk_i32x16 tiny = x < wk_f32x16_all(0x1p-126f);
  const wk_f32x16 scaled = wk_f32x16_select(tiny, x * 0x1p+25f, x);
  /* unsigned, since the bits of NaN would overflow; what comes of those is not used */
  typedef uint32_t bits_u32 __attribute__((vector_size(sizeof(wk_f32x16))));
  wk_i32x16 bits = (wk_i32x16)((bits_u32)scaled + (0x3f800000u - 0x3f3504f3u));
  const wk_i32x16 k = (bits >> 23) - 127 - (tiny & 25);
  bits = (bits & 0x007fffff) + 0x3f3504f3;
  const wk_f32x16 f = (wk_f32x16)bits - 1.0f;
  const wk_f32x16 s = f / (f + 2.0f), z = s * s;
  /* (log(1 + f) / s - 2) / z on z <= 0.02944; relative error of log(1 + f) 2^-30 */
  wk_f32x16 r = wk_f32x16_all(0x1.31e2f2p-2f);
  r = r * z + 0x1.995ebap-2f;
  r = (r * z + 0x1.55557ap-1f) * z;
  /* log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + r)), which keeps f exact */
  const wk_f32x16 square = f * f * 0.5f, whole = __builtin_convertvector(k, wk_f32x16);
  const wk_f32x16 low = s * (square + r) + whole * 0x1.2fefa4p-17f;
  wk_f32x16 y = whole * 0x1.62e3p-1f - ((square - low) - f);
  y = wk_f32x16_select(x == wk_f32x16_all(0.0f), wk_f32x16_all(-INFINITY), y);
  y = wk_f32x16_select(x == wk_f32x16_all(INFINITY), x, y);
  const wk_i32x16 outside = ~(x >= wk_f32x16_all(0.0f)); /* negative or NaN */
  return wk_f32x16_select(outside, wk_f32x16_select(x == x, wk_f32x16_all(NAN), x), y);
}

WK_LANES_INLINE wk_f32x16 wk_f32x16_magnitude(wk_f32x16 x) {
  return (wk_f32x16)((wk_i32x16)x & 0x7fffffff);
}

/* An odd polynomial below 0.625, 1 - 2 / (exp(2 |x|) + 1) above. */
WK_LANES_INLINE wk_f32x16 wk_f32x16_tanh(wk_f32x16 x) {
  const wk_f32x16 size = wk_f32x16_magnitude(x), z = x * x;
  /* (tanh(x) / x - 1) / x^2 on x^2 <= 0.390625; relative error of tanh 2^-32 */
  wk_f32x16 p = wk_f32x16_all(0x1.18e1dep-9f);
  p = p * z + -0x1.0bf4fcp-7f;
  p = p * z + 0x1.638b58p-6f;
  p = p * z + -0x1.b9ee9p-5f;
  p = p * z + 0x1.111066p-3f;
  p = p * z + -0x1.555554p-2f;
  const wk_f32x16 near = x + x * (z * p);
  const wk_f32x16 far = 1.0f - 2.0f / (wk_f32x16_exp(size + size) + 1.0f);
  const wk_f32x16 y = wk_f32x16_select(size < wk_f32x16_all(0.625f), near, far);
  return (wk_f32x16)((wk_i32x16)y | ((wk_i32x16)x & INT32_MIN)); /* -0 gives -0, too */
}

/* 1 / (1 + exp(-x)), with the exponential of the magnitude so that it never overflows. */
WK_LANES_INLINE wk_f32x16 wk_f32x16_sigmoid(wk_f32x16 x) {
  const wk_f32x16 e = wk_f32x16_exp(-wk_f32x16_magnitude(x));
  const wk_f32x16 top = wk_f32x16_select(x < wk_f32x16_all(0.0f), e, wk_f32x16_all(1.0f));
  return top / (1.0f + e);
}

WK_LANES_INLINE wk_f32x16 wk_f32x16_sqrt(wk_f32x16 x) {
  wk_f32x16 y;
  for (int i = 0; i < WK_LANES; i++) y[i] = sqrtf(x[i]);
  return y;
}

#define WK_DEFINE_BY_LANE(name, expression)                                                        \
  WK_LANES_INLINE wk_f64x16 wk_f64x16_##name(wk_f64x16 x) {                                        \
    wk_f64x16 y;                                                                                   \
    for (int i = 0; i < WK_LANES; i++) y[i] = (expression);                                        \
    return y;                                                                                      \
  }
WK_DEFINE_BY_LANE(exp, exp(x[i]))
WK_DEFINE_BY_LANE(log, log(x[i]))
WK_DEFINE_BY_LANE(tanh, tanh(x[i]))
WK_DEFINE_BY_LANE(sqrt, sqrt(x[i]))
WK_DEFINE_BY_LANE(sigmoid, x[i] < 0 ? exp(x[i]) / (1 + exp(x[i])) : 1 / (1 + exp(-x[i])))
#undef WK_DEFINE_BY_LANE

#endif
