/* SPDX-License-Identifier: Apache-2.0 */

/* Box and Muller's pairs of normally distributed numbers, by additions, products and divisions
 * alone: the same bits on every machine and in vectors of any width. Who includes this names them:
 * wk_normal_real of doubles and wk_normal_words of as many 64-bit integers. Logarithm, sine and
 * cosine are within 3 ulp; their polynomials are Chebyshev ones, computed with mpmath. */

/* The pair is sqrt(square) * cosine, sqrt(square) * sine. */
typedef struct wk_normal_pair {
  wk_normal_real square, cosine, sine;
} wk_normal_pair;

/* `first` and `second` are words of 32 bits. */
static inline __attribute__((always_inline)) wk_normal_pair
wk_normal_from_words(wk_normal_words first, wk_normal_words second) {
  wk_normal_pair pair;
  /* -2 log x of x = (first + 1/2) / 2^32 = 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2), by the
   * series of atanh(f / (2 + f)) */
  const uint64_t root = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
  const wk_normal_real x = ((wk_normal_real)(first | 0x4330000000000000u) - 0x1p52 + 0.5) * 0x1p-32;
  const wk_normal_words bits = (wk_normal_words)x + (0x3ff0000000000000u - root);
  const wk_normal_real k = (wk_normal_real)((bits >> 52) + (0x4338000000000000u - 1023)) - 0x1.8p52;
  const wk_normal_real f = (wk_normal_real)((bits & 0x000fffffffffffffu) + root) - 1;
  const wk_normal_real s = f / (2 + f), y = s * s;
  wk_normal_real p = y * 0x1.2b5dcaa328dabp-3 + 0x1.39fdee717f051p-3;
  p = p * y + 0x1.7462b81922cc6p-3;
  p = p * y + 0x1.c71c62d972097p-3;
  p = p * y + 0x1.2492492dfabd8p-2;
  p = p * y + 0x1.999999999528dp-2;
  p = p * y + 0x1.5555555555558p-1;
  pair.square = -2 * (k * 0x1.62e42fefa39efp-1 + s * (2 + y * p));
  /* the angle 2 pi second / 2^32, quarter turns and the rest of it, from -pi / 4 to pi / 4 */
  const wk_normal_words turns = (second + 0x20000000u) >> 30;
  const wk_normal_words rest = second - (turns << 30) + 0x4338000000000000u;
  const wk_normal_real r = ((wk_normal_real)rest - 0x1.8p52) * 0x1.921fb54442d18p-30, z = r * r;
  p = z * 0x1.5e0b19f8b1451p-33 + -0x1.ae600b02b6262p-26;
  p = p * z + 0x1.71de37968a100p-19;
  p = p * z + -0x1.a01a019e83aaep-13;
  p = p * z + 0x1.1111111110bb2p-7;
  p = p * z + -0x1.5555555555555p-3;
  const wk_normal_words sine = (wk_normal_words)(r + r * z * p);
  p = z * -0x1.907da367a37cbp-37 + 0x1.1eeb68e93b64cp-29;
  p = p * z + -0x1.27e4fa17da09ep-22;
  p = p * z + 0x1.a01a019f4eb01p-16;
  p = p * z + -0x1.6c16c16c16967p-10;
  p = p * z + 0x1.5555555555555p-5;
  const wk_normal_words cosine = (wk_normal_words)(1 - 0.5 * z + z * z * p);
  const wk_normal_words odd = -(turns & 1);
  const wk_normal_words swapped = (sine ^ cosine) & odd;
  pair.cosine = (wk_normal_real)(cosine ^ swapped ^ ((turns + 1) >> 1 << 63));
  pair.sine = (wk_normal_real)(sine ^ swapped ^ (turns >> 1 << 63));
  return pair;
}
