/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_MORE_H
#define WICK_BACKEND_CPU_ISA_MATHS_MORE_H

/* erf, the normal distribution function, sine and cosine of doubles, a register at a time. Without
 * fused multiply-add: equal bits on every instruction set. Errors in ulp, found by trying millions
 * of numbers against libm in long double: erf 1.7, ndtr 7.5, sine and cosine 0.9. Polynomials are
 * Chebyshev ones, computed with mpmath for the intervals named. */

#include <math.h>

#include "backend/cpu/isa/maths.h"

#define F64 wk_f64xn
#define U64 wk_u64xn
#define SELECT(mask, a, b) wk_f64xn_select(mask, a, b)
#define SIGN 0x8000000000000000u

/* One copy of long code, called. */
#ifdef __clang__
#define OWN_CODE static __attribute__((noinline, unused))
#else
#define OWN_CODE static __attribute__((noinline, noclone, unused))
#endif

/* The normal distribution function of -x, from 0 on: exp(-x^2 / 2) times a smooth function, which
 * is a polynomial in t = (x - 5) / (x + 5) over x + 5. The square is that of x's first half, which
 * is exact, and what that leaves. */
OWN_CODE F64 wk_f64xn_normal_tail(F64 x) {
  x = SELECT(x > 40, (F64){0} + 40, x);
  const F64 half = (F64)((U64)x & 0xfffffffff8000000u), d = (half - x) * (half + x) * 0.5;
  F64 low, power;
  F64 e = wk_f64xn_exp_parts(half * half * -0.5, &low, &power);
  e = e + (low + e * (d + d * d * (d * 0x1.5555555555555p-3 + 0.5)));
  const F64 w = 1 / (x + 5), t = (x - 5) * w, square = t * t;
  F64 s = square * -0x1.8d6f2393e8a27p-33 + 0x1.0771b8d6722dfp-27;
  s = s * square + -0x1.1ad198b314e3cp-24;
  s = s * square + 0x1.d0e9a77b4fdcep-22;
  s = s * square + -0x1.73ab1fe49c4b4p-19;
  s = s * square + 0x1.17dd09c920f56p-16;
  s = s * square + -0x1.f2145fdfd5bd4p-15;
  s = s * square + -0x1.a25037dc79cd0p-11;
  s = s * square + 0x1.54b4d4f4c511ep-6;
  s = s * square + 0x1.51f6329f0171ep-3;
  s = s * square + 0x1.fb31653876f92p-2;
  s = s * square + 0x1.89d3abe1f95aep-1;
  F64 odd = square * 0x1.d04c406715840p-30 + -0x1.3a33e415385dap-27;
  odd = odd * square + 0x1.6990eb9e16b58p-25;
  odd = odd * square + -0x1.6953c53876a56p-22;
  odd = odd * square + 0x1.0b26d911af570p-18;
  odd = odd * square + -0x1.a170d25216a98p-15;
  odd = odd * square + 0x1.1daf1d4fc84f5p-11;
  odd = odd * square + -0x1.88590eab49716p-9;
  odd = odd * square + -0x1.1b1c254c99e8bp-4;
  odd = odd * square + -0x1.410ed5f875a85p-2;
  odd = odd * square + -0x1.54ad03f27ca17p-1;
  s = odd * t + s;
  return wk_f64xn_scale(e * (s * w), power);
}

WK_LANES_INLINE F64 wk_f64xn_ndtr(F64 x) {
  const F64 tail = wk_f64xn_normal_tail((F64)((U64)x & ~SIGN));
  return SELECT(x > 0, 1 - tail, tail);
}

/* erf(x) = 1 - 2 ndtr(-sqrt(2) x) from 1 on; below erf(x) / x - 1 is a polynomial in x^2. */
WK_LANES_INLINE F64 wk_f64xn_erf(F64 x) {
  const F64 size = (F64)((U64)x & ~SIGN), z = x * x;
  const F64 far = 1 - 2 * wk_f64xn_normal_tail(size * 0x1.6a09e667f3bcdp+0);
  F64 p = z * -0x1.ac9585a44fe29p-31 + 0x1.d76af6ca49787p-27;
  p = p * z + -0x1.5c131500d3f88p-23;
  p = p * z + 0x1.b981d78881a5dp-20;
  p = p * z + -0x1.f4ca838adb73bp-17;
  p = p * z + 0x1.f9a2be4f731a1p-14;
  p = p * z + -0x1.c02db0665e53dp-11;
  p = p * z + 0x1.565bccfa44156p-8;
  p = p * z + -0x1.b82ce31203772p-6;
  p = p * z + 0x1.ce2f21a040f66p-4;
  p = p * z + -0x1.812746b0379c1p-2;
  p = p * z + 0x1.06eba8214db68p-3;
  const F64 near = size + size * p;
  return (F64)((U64)SELECT(size < 1, near, far) | ((U64)x & SIGN));
}

static __attribute__((noinline, cold, unused)) F64 wk_f64xn_libm_wave(F64 x, int turn) {
  for (int i = 0; i < (int)(sizeof x / sizeof x[0]); i++) x[i] = turn ? cos(x[i]) : sin(x[i]);
  return x;
}

/* sin(x + turn pi / 2). x = n pi / 2 + r + rest, |r| <= pi / 4, with pi / 2 in three parts, the
 * first two of 33 bits, so that their products are exact. Beyond 500,000 radians, and for what is
 * not finite, libm is asked. */
OWN_CODE F64 wk_f64xn_wave(F64 x, int turn) {
  const F64 size = (F64)((U64)x & ~SIGN);
  const wk_i64xn_mask inside = size < 500000;
  const F64 d = (F64)((wk_i64xn_mask)x & inside);
  const F64 shifted = d * 0x1.45f306dc9c883p-1 + 0x1.8p+52, n = shifted - 0x1.8p+52;
  const F64 a = d - n * 0x1.921fb544p+0, w = n * 0x1.0b4611a6p-34, b = a - w;
  const F64 v = n * 0x1.3198a2e037073p-69 - ((a - b) - w), r = b - v, rest = (b - r) - v, z = r * r;
  F64 s = z * 0x1.5e0b05bff20f2p-33 + -0x1.ae600aca92c64p-26;
  s = s * z + 0x1.71de379654304p-19;
  s = s * z + -0x1.a01a019e83816p-13;
  s = s * z + 0x1.1111111110bb2p-7;
  s = s * z + -0x1.5555555555555p-3;
  F64 c = z * -0x1.907d8f29fe831p-37 + 0x1.1eeb68cd22f56p-29;
  c = c * z + -0x1.27e4fa17bf139p-22;
  c = c * z + 0x1.a01a019f4e9b4p-16;
  c = c * z + -0x1.6c16c16c16967p-10;
  c = c * z + 0x1.5555555555555p-5;
  const F64 half = 0.5 * z, most = 1 - half;
  const F64 sine = SELECT(size < 0x1p-27, d, r + (r * z * s + rest * most));
  const F64 cosine = most + (((1 - most) - half) + (z * z * c - r * rest));
  const U64 quarter = (U64)shifted + (uint64_t)turn;
  F64 y = SELECT((wk_i64xn_mask) - (quarter & 1), cosine, sine);
  y = (F64)((U64)y ^ (quarter & 2) << 62);
  int64_t all = -1;
  for (int i = 0; i < (int)(sizeof y / sizeof y[0]); i++) all &= inside[i];
  return all ? y : SELECT(inside, y, wk_f64xn_libm_wave(x, turn));
}
WK_LANES_INLINE F64 wk_f64xn_sin(F64 x) { return wk_f64xn_wave(x, 0); }
WK_LANES_INLINE F64 wk_f64xn_cos(F64 x) { return wk_f64xn_wave(x, 1); }

#undef F64
#undef U64
#undef SELECT
#undef SIGN
#undef OWN_CODE

#endif
