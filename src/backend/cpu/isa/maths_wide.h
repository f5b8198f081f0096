/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_WIDE_H
#define WICK_BACKEND_CPU_ISA_MATHS_WIDE_H

/* Functions of floats, half a register at a time, that are worked out in double and rounded once:
 * errors are at most 0.51 ulp, found by trying every 37th float against libm in double precision.
 * Without fused multiply-add: equal bits on every instruction set. Polynomials are Chebyshev ones,
 * computed with mpmath for the intervals and errors named. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"

typedef double wk_f64xh __attribute__((vector_size(WK_HALF_LANES * 8)));
typedef uint64_t wk_u64xh __attribute__((vector_size(WK_HALF_LANES * 8)));

#define WK_TO_F64(x) __builtin_convertvector(x, wk_f64xh)
#define WK_TO_F32(x) __builtin_convertvector(x, wk_f32xh)
#define WK_WHOLE                                                                                   \
  0x1.8p+52 /* added to a small number it leaves the nearest whole one in the low bits */

WK_LANES_INLINE wk_f32xh wk_f32xh_size(wk_f32xh x) { return (wk_f32xh)((wk_i32xh)x & INT32_MAX); }
WK_LANES_INLINE wk_f32xh wk_f32xh_signed(wk_f32xh size, wk_f32xh sign) {
  return (wk_f32xh)((wk_i32xh)size | ((wk_i32xh)sign & INT32_MIN));
}

/* exp(x) = *scale * (1 + the result), |x| below 700; |r| <= log(2) / 2, relative error of exp 2e-10
 */
WK_LANES_INLINE wk_f64xh wk_wide_exp(wk_f64xh x, wk_f64xh *scale) {
  const wk_f64xh shifted = x * 0x1.71547652b82fep+0 + WK_WHOLE;
  const wk_f64xh r = x - (shifted - WK_WHOLE) * 0x1.62e42fefa39efp-1;
  *scale = (wk_f64xh)(((wk_u64xh)shifted + 1023) << 52);
  wk_f64xh q = r * 0x1.a124f19fe89acp-13 + 0x1.6d43246b523b4p-10;
  q = q * r + 0x1.1110e0f238322p-7;
  q = q * r + 0x1.5554e9063586ep-5;
  q = q * r + 0x1.5555555a78ed4p-3;
  q = q * r + 0x1.0000000b9129bp-1;
  return r + r * r * q;
}

/* The normal distribution function of -x, x from 0 to 16: exp(-x^2 / 2) times a smooth function,
 * which is a polynomial in t = (x - 3) / (x + 3) over x + 3; relative error 2e-10. Its even and odd
 * terms apart: what waits for one another is what takes the time. */
WK_LANES_INLINE wk_f64xh wk_wide_normal_tail(wk_f64xh x) {
  wk_f64xh scale;
  const wk_f64xh e = wk_wide_exp(x * x * -0.5, &scale) + 1;
  const wk_f64xh w = 1 / (x + 3), t = 1 - 6 * w, square = t * t;
  wk_f64xh s = square * -0x1.20f96704ebef8p-17 + 0x1.16f6cea6e7530p-14;
  s = s * square + -0x1.0716bd8fc0f5cp-12;
  s = s * square + 0x1.0d087e6af34d0p-10;
  s = s * square + -0x1.56d7a5faa094cp-7;
  s = s * square + 0x1.d71386e0e21f3p-3;
  s = s * square + 0x1.754a751acd678p-1;
  wk_f64xh odd = square * -0x1.84b5894eb9b96p-17 + 0x1.39fe94a1a81c1p-13;
  odd = odd * square + -0x1.117cd079b74b4p-10;
  odd = odd * square + 0x1.c8eb9f395bca5p-8;
  odd = odd * square + -0x1.832da44a71a17p-5;
  odd = odd * square + -0x1.04c72964d99dap-1;
  s = odd * t + s;
  return e * scale * s * w;
}

WK_LANES_INLINE wk_f32xh wk_f32xh_at_most(wk_f32xh x, float most) {
  return wk_f32xh_select(x > wk_f32xh_all(most), wk_f32xh_all(most), x); /* NaN stays */
}

WK_LANES_INLINE wk_f32xh wk_f32xh_ndtr(wk_f32xh x) {
  const wk_f64xh tail = wk_wide_normal_tail(WK_TO_F64(wk_f32xh_at_most(wk_f32xh_size(x), 16)));
  const wk_f64xh rest = 1 - tail;
  return wk_f32xh_select(x > wk_f32xh_all(0), WK_TO_F32(rest), WK_TO_F32(tail));
}

/* erf(x) = 1 - 2 ndtr(-sqrt(2) x); its power series below 0.1 */
WK_LANES_INLINE wk_f32xh wk_f32xh_erf(wk_f32xh x) {
  const wk_f32xh size = wk_f32xh_size(x);
  const wk_f64xh d = WK_TO_F64(wk_f32xh_at_most(size, 6)), z = d * d;
  const wk_f64xh far = 1 - 2 * wk_wide_normal_tail(d * 1.4142135623730951);
  const wk_f64xh near =
      d * (1.1283791670955126 -
           z * (0.37612638903183754 - z * (0.11283791670955126 - z * 0.026866170645131252)));
  const wk_i32xh is_near = size < wk_f32xh_all(0.1f);
  return wk_f32xh_signed(wk_f32xh_select(is_near, WK_TO_F32(near), WK_TO_F32(far)), x);
}

WK_LANES_INLINE wk_f32xh wk_f32xh_expm1(wk_f32xh x) {
  const wk_f32xh least = wk_f32xh_all(-104);
  wk_f32xh inside = wk_f32xh_at_most(x, 89); /* beyond these it is infinity or -1 */
  inside = wk_f32xh_select(inside < least, least, inside);
  wk_f64xh scale;
  const wk_f64xh p = wk_wide_exp(WK_TO_F64(inside), &scale), y = p * scale + (scale - 1);
  return wk_f32xh_select(x == wk_f32xh_all(0), x, WK_TO_F32(y)); /* -0 */
}

/* 1 + x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) by the series of
 * atanh(s) with s = f / (2 + f), z = s^2 <= 0.0295; relative error 5e-14 */
WK_LANES_INLINE wk_f32xh wk_f32xh_log1p(wk_f32xh x) {
  const wk_f64xh d = WK_TO_F64(x), u = 1 + d, lost = d - (u - 1);
  const uint64_t root = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
  const wk_u64xh bits = (wk_u64xh)u + (0x3ff0000000000000u - root);
  const wk_u64xh k = (bits >> 52) - 1023;
  const wk_f64xh m = (wk_f64xh)((bits & 0x000fffffffffffffu) + root);
  const wk_f64xh f = (m - 1) + lost * (wk_f64xh)((1023 - k) << 52);
  const wk_f64xh whole = (wk_f64xh)(k + 0x4338000000000000u) - WK_WHOLE;
  const wk_f64xh s = f / (2 + f), z = s * s;
  wk_f64xh r = z * 0x1.5477d36339bfdp-3 + 0x1.7381f4c17c676p-3;
  r = r * z + 0x1.c71fd224b1b59p-3;
  r = r * z + 0x1.24924624bca3ap-2;
  r = r * z + 0x1.9999999b8b7f5p-2;
  r = r * z + 0x1.55555555553b3p-1;
  wk_f32xh y = WK_TO_F32(whole * 0x1.62e42fefa39efp-1 + s * (2 + z * r));
  y = wk_f32xh_select((x == wk_f32xh_all(0)) | (x == wk_f32xh_all(INFINITY)), x, y);
  y = wk_f32xh_select(x == wk_f32xh_all(-1), wk_f32xh_all(-INFINITY), y);
  return wk_f32xh_select(x >= wk_f32xh_all(-1), y, wk_f32xh_all(NAN));
}

/* log(x), x normal and positive, by the same series */
WK_LANES_INLINE wk_f64xh wk_wide_log(wk_f64xh x) {
  const uint64_t root = 0x3fe6a09e667f3bcdu;
  const wk_u64xh bits = (wk_u64xh)x + (0x3ff0000000000000u - root);
  const wk_f64xh whole = (wk_f64xh)((bits >> 52) - 1023 + 0x4338000000000000u) - WK_WHOLE;
  const wk_f64xh f = (wk_f64xh)((bits & 0x000fffffffffffffu) + root) - 1;
  const wk_f64xh s = f / (2 + f), z = s * s;
  wk_f64xh r = z * 0x1.5477d36339bfdp-3 + 0x1.7381f4c17c676p-3;
  r = r * z + 0x1.c71fd224b1b59p-3;
  r = r * z + 0x1.24924624bca3ap-2;
  r = r * z + 0x1.9999999b8b7f5p-2;
  r = r * z + 0x1.55555555553b3p-1;
  return whole * 0x1.62e42fefa39efp-1 + s * (2 + z * r);
}

/* A logarithm of other bases: log(x) * factor. */
WK_LANES_INLINE wk_f32xh wk_wide_any_log(wk_f32xh x, double factor) {
  wk_f32xh y = WK_TO_F32(wk_wide_log(WK_TO_F64(x)) * factor);
  y = wk_f32xh_select(x == wk_f32xh_all(INFINITY), x, y);
  y = wk_f32xh_select(x == wk_f32xh_all(0), wk_f32xh_all(-INFINITY), y);
  return wk_f32xh_select(x >= wk_f32xh_all(0), y, wk_f32xh_all(NAN));
}
WK_LANES_INLINE wk_f32xh wk_f32xh_log2(wk_f32xh x) {
  return wk_wide_any_log(x, 0x1.71547652b82fep+0);
}
WK_LANES_INLINE wk_f32xh wk_f32xh_log10(wk_f32xh x) {
  return wk_wide_any_log(x, 0x1.bcb7b1526e50ep-2);
}

/* 2^x, rounded once; beyond 300 either way it is infinity or 0, and NaN stays */
WK_LANES_INLINE wk_f32xh wk_wide_exp2(wk_f64xh x) {
  typedef int64_t mask __attribute__((vector_size(sizeof(wk_f64xh))));
  const wk_f64xh most = x - x + 300;
  x = (wk_f64xh)(((mask)x & (x < 300)) | ((mask)((wk_f64xh){0} + 300) & (x >= 300)) |
                 ((mask)most & (x != x)));
  x = (wk_f64xh)(((mask)x & (x > -300)) | ((mask)((wk_f64xh){0} - 300) & (x <= -300)) |
                 ((mask)x & (x != x)));
  wk_f64xh scale;
  const wk_f64xh p = wk_wide_exp(x * 0x1.62e42fefa39efp-1, &scale);
  return WK_TO_F32(p * scale + scale);
}
WK_LANES_INLINE wk_f32xh wk_f32xh_exp2(wk_f32xh x) { return wk_wide_exp2(WK_TO_F64(x)); }

/* 2^(y log2 |x|), and then what IEEE 754 says of signs, zeros and infinities. */
WK_LANES_INLINE wk_f32xh wk_f32xh_power(wk_f32xh x, wk_f32xh y) {
  const wk_f32xh one = wk_f32xh_all(1), size = wk_f32xh_size(x), reach = wk_f32xh_size(y);
  const wk_i32xh inside = (size > wk_f32xh_all(0)) & (size < wk_f32xh_all(INFINITY));
  const wk_f64xh log = wk_wide_log(WK_TO_F64(wk_f32xh_select(inside, size, one)));
  wk_f32xh z = wk_wide_exp2(WK_TO_F64(y) * (log * 0x1.71547652b82fep+0));
  /* of 0 and infinity */
  const wk_i32xh large = (size > one) == (y > wk_f32xh_all(0));
  const wk_f32xh end = wk_f32xh_select(large, wk_f32xh_all(INFINITY), wk_f32xh_all(0));
  z = wk_f32xh_select(inside | (x != x) | (y != y), z, end);
  /* whole exponents: all from 2^23 on, even ones from 2^24 on */
  const wk_f32xh near = wk_f32xh_select(reach < wk_f32xh_all(0x1p+24f), y, wk_f32xh_all(0));
  const wk_i32xh integer = __builtin_convertvector(near, wk_i32xh);
  const wk_i32xh is_whole =
      (reach >= wk_f32xh_all(0x1p+24f)) | (__builtin_convertvector(integer, wk_f32xh) == y);
  z = wk_f32xh_select((size == one) & is_whole, one, z);
  const wk_i32xh negative = (wk_i32xh)x < 0, odd = is_whole & ((integer & 1) != 0);
  z = (wk_f32xh)((wk_i32xh)z ^ (negative & odd & INT32_MIN));
  z = wk_f32xh_select(negative & inside & ~is_whole, wk_f32xh_all(NAN), z);
  z = wk_f32xh_select((x != x) | (y != y), x + y, z);
  z = wk_f32xh_select(y == wk_f32xh_all(2), x * x, z);
  return wk_f32xh_select((y == wk_f32xh_all(0)) | (x == one), one, z);
}

/* x = n pi / 2 + r, |r| <= pi / 4, with pi / 2 in two parts, the first of 33 bits, so that its
 * product is exact; both polynomials in r^2 have errors below 3e-11. Gives sin(r), cos(r) and n,
 * which is also in the low bits of the result. */
WK_LANES_INLINE wk_u64xh wk_wide_sine_and_cosine(wk_f32xh x, wk_f64xh *sine, wk_f64xh *cosine,
                                                 wk_i32xh *turns) {
  const wk_f64xh d = WK_TO_F64(x), shifted = d * 0x1.45f306dc9c883p-1 + WK_WHOLE;
  const wk_f64xh n = shifted - WK_WHOLE;
  const wk_f64xh r = (d - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34, z = r * r;
  wk_f64xh s = z * 0x1.6dbbee1f24647p-19 + -0x1.a013a11619d1bp-13;
  s = s * z + 0x1.11110dea5e8c0p-7;
  s = s * z + -0x1.555555545c0f8p-3;
  wk_f64xh c = z * -0x1.2522e6d930e5bp-22 + 0x1.a015c02820885p-16;
  c = c * z + -0x1.6c16bf51b0df9p-10;
  c = c * z + 0x1.555555550225fp-5;
  *sine = r + r * z * s;
  *cosine = 1 - 0.5 * z + z * z * c;
  *turns = __builtin_convertvector(n, wk_i32xh);
  return (wk_u64xh)shifted;
}

/* Beyond this many radians, and for what is not finite, libm is asked, lane by lane. */
#define WK_MOST_RADIANS 500000.0f

/* Of `x` inside that range, with the name of libm's. */
#define WK_DEFINE_WAVE(name, evaluate)                                                             \
  WK_LANES_INLINE wk_f32xh wk_f32xh_##name(wk_f32xh x) {                                           \
    const wk_f32xh size = wk_f32xh_size(x);                                                        \
    const wk_i32xh inside = size < wk_f32xh_all(WK_MOST_RADIANS);                                  \
    wk_f32xh y = evaluate((wk_f32xh)((wk_i32xh)x & inside));                                       \
    int32_t all = -1;                                                                              \
    for (int i = 0; i < WK_HALF_LANES; i++) all &= inside[i];                                      \
    for (int i = 0; all == 0 && i < WK_HALF_LANES; i++)                                            \
      if (!inside[i]) y[i] = (float)name((double)x[i]);                                            \
    return y;                                                                                      \
  }

/* sin(x + turn pi / 2) */
WK_LANES_INLINE wk_f32xh wk_wide_wave(wk_f32xh x, int turn) {
  wk_f64xh s, c;
  wk_i32xh n;
  wk_wide_sine_and_cosine(x, &s, &c, &n);
  n += turn;
  const wk_f32xh y = wk_f32xh_select((n & 1) != 0, WK_TO_F32(c), WK_TO_F32(s));
  return (wk_f32xh)((wk_i32xh)y ^ ((n & 2) << 30));
}
WK_LANES_INLINE wk_f32xh wk_wide_sine(wk_f32xh x) {
  const wk_i32xh tiny = wk_f32xh_size(x) < wk_f32xh_all(0x1p-12f);
  return wk_f32xh_select(tiny, x, wk_wide_wave(x, 0));
}
WK_LANES_INLINE wk_f32xh wk_wide_cosine(wk_f32xh x) { return wk_wide_wave(x, 1); }

/* s / c, or -c / s after an odd number of quarter turns */
WK_LANES_INLINE wk_f32xh wk_wide_tangent(wk_f32xh x) {
  wk_f64xh s, c;
  wk_i32xh n;
  const wk_u64xh odd = -(wk_wide_sine_and_cosine(x, &s, &c, &n) & 1);
  const wk_f64xh above = (wk_f64xh)(((wk_u64xh)c & odd) | ((wk_u64xh)s & ~odd));
  const wk_f64xh below = (wk_f64xh)(((wk_u64xh)-s & odd) | ((wk_u64xh)c & ~odd));
  const wk_i32xh tiny = wk_f32xh_size(x) < wk_f32xh_all(0x1p-12f);
  return wk_f32xh_select(tiny, x, WK_TO_F32(above / below));
}
WK_DEFINE_WAVE(sin, wk_wide_sine)
WK_DEFINE_WAVE(cos, wk_wide_cosine)
WK_DEFINE_WAVE(tan, wk_wide_tangent)
#undef WK_DEFINE_WAVE

/* The same of a register: its two halves. */
#if WK_REGISTER_LANES == 16
#define WK_LOW(x) __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7)
#define WK_HIGH(x) __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15)
#define WK_WHOLE_OF(a, b)                                                                          \
  __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif WK_REGISTER_LANES == 8
#define WK_LOW(x) __builtin_shufflevector(x, x, 0, 1, 2, 3)
#define WK_HIGH(x) __builtin_shufflevector(x, x, 4, 5, 6, 7)
#define WK_WHOLE_OF(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7)
#else
#define WK_LOW(x) __builtin_shufflevector(x, x, 0, 1)
#define WK_HIGH(x) __builtin_shufflevector(x, x, 2, 3)
#define WK_WHOLE_OF(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3)
#endif
#define WK_BY_HALVES(name)                                                                         \
  WK_LANES_INLINE wk_f32xn wk_f32xn_##name(wk_f32xn x) {                                           \
    const wk_f32xh low = wk_f32xh_##name(WK_LOW(x)), high = wk_f32xh_##name(WK_HIGH(x));           \
    return WK_WHOLE_OF(low, high);                                                                 \
  }
WK_BY_HALVES(ndtr)
WK_BY_HALVES(erf)
WK_BY_HALVES(expm1)
WK_BY_HALVES(log1p)
WK_BY_HALVES(log2)
WK_BY_HALVES(log10)
WK_BY_HALVES(exp2)
WK_BY_HALVES(sin)
WK_BY_HALVES(cos)
WK_BY_HALVES(tan)
#undef WK_BY_HALVES

WK_LANES_INLINE wk_f32xn wk_f32xn_power(wk_f32xn x, wk_f32xn y) {
  const wk_f32xh low = wk_f32xh_power(WK_LOW(x), WK_LOW(y));
  const wk_f32xh high = wk_f32xh_power(WK_HIGH(x), WK_HIGH(y));
  return WK_WHOLE_OF(low, high);
}

#endif
