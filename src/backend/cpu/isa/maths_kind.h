/* SPDX-License-Identifier: Apache-2.0 */

/* The functions of maths.h for one width of vectors: F32 and I32 are types of as many lanes, and
 * LANES(exp) names a function on them. */

/* x * 2^n, n being shifted - 1.5 * 2^23. In two steps, since 2^n itself may overflow or be
 * denormal, and the second one rounds, once. */
WK_LANES_INLINE F32 LANES(scale)(F32 x, F32 shifted) {
#ifdef WK_HAS_SCALE
  return wk_f32_scale(x, shifted - 0x1.8p+23f);
#else
  const I32 n = (I32)shifted - 0x4b400000, half = n >> 1;
  return x * (F32)((half + 127) << 23) * (F32)((n - half + 127) << 23);
#endif
}

/* exp(x) = 2^n exp(r) with n the integer nearest to x / log 2, so |r| <= log(2) / 2. The result is
 * exp(r), rounded, and *low what that lost; 2^n by LANES(scale). */
WK_LANES_INLINE F32 LANES(exp_parts)(F32 x, F32 *low, F32 *power) {
  x = LANES(clamp)(x, -104.0f, 89.0f); /* beyond these the result is infinity or 0 anyway */
  /* Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum. */
  const F32 shifted = x * 0x1.715476p+0f + 0x1.8p+23f;
  const F32 whole = shifted - 0x1.8p+23f;
  /* log 2 in two parts, the first short enough for the product to be exact; what r loses in
   * rounding is kept as `rest`. */
  const F32 high = x - whole * 0x1.63p-1f, tail = whole * -0x1.bd0106p-13f;
  const F32 r = high - tail, rest = (high - r) - tail;
  /* (exp(r) - 1 - r) / r^2 on |r| <= 0.34665; relative error of exp 2^-34. Its terms in pairs: what
   * waits for one another is what takes the time. */
  const F32 square = r * r;
  F32 q = r * 0x1.9f0884p-13f + 0x1.6d8d1ep-10f;
  q = q * square + (r * 0x1.11127p-7f + 0x1.55548ep-5f);
  q = q * square + (r * 0x1.555554p-3f + 0x1p-1f);
  const F32 p = (q * square + rest) + r, y = p + 1.0f;
  *low = p - (y - 1.0f);
  *power = shifted;
  return y;
}

WK_LANES_CALLED F32 LANES(exp)(F32 x) {
  F32 low, power;
  const F32 y = LANES(exp_parts)(x, &low, &power);
  return LANES(scale)(y, power);
}

/* x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) by the series of atanh(s)
 * with s = f / (2 + f). */
WK_LANES_CALLED F32 LANES(log)(F32 x) {
  const I32 tiny = x < LANES(all)(0x1p-126f);
  const F32 scaled = LANES(select)(tiny, x * 0x1p+25f, x);
  /* unsigned, since the bits of NaN would overflow; what comes of those is not used */
  typedef uint32_t bits_u32 __attribute__((vector_size(sizeof(F32))));
  I32 bits = (I32)((bits_u32)scaled + (0x3f800000u - 0x3f3504f3u));
  const I32 k = (bits >> 23) - 127 - (tiny & 25);
  bits = (bits & 0x007fffff) + 0x3f3504f3;
  const F32 f = (F32)bits - 1.0f;
  const F32 s = f / (f + 2.0f), z = s * s;
  /* (log(1 + f) / s - 2) / z on z <= 0.02944; relative error of log(1 + f) 2^-30 */
  F32 r = LANES(all)(0x1.31e2f2p-2f);
  r = r * z + 0x1.995ebap-2f;
  r = (r * z + 0x1.55557ap-1f) * z;
  /* log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + r)), which keeps f exact */
  const F32 square = f * f * 0.5f, whole = __builtin_convertvector(k, F32);
  const F32 low = s * (square + r) + whole * 0x1.2fefa4p-17f;
  F32 y = whole * 0x1.62e3p-1f - ((square - low) - f);
  y = LANES(select)(x == LANES(all)(0.0f), LANES(all)(-INFINITY), y);
  y = LANES(select)(x == LANES(all)(INFINITY), x, y);
  const I32 outside = ~(x >= LANES(all)(0.0f)); /* negative or NaN */
  return LANES(select)(outside, LANES(select)(x == x, LANES(all)(NAN), x), y);
}

WK_LANES_INLINE F32 LANES(magnitude)(F32 x) { return (F32)((I32)x & 0x7fffffff); }

/* An odd polynomial below 0.625, 1 - 2 / (exp(2 |x|) + 1) above. */
WK_LANES_CALLED F32 LANES(tanh)(F32 x) {
  const F32 size = LANES(magnitude)(x), z = x * x;
  /* (tanh(x) / x - 1) / x^2 on x^2 <= 0.390625; relative error of tanh 2^-32 */
  F32 p = LANES(all)(0x1.18e1dep-9f);
  p = p * z + -0x1.0bf4fcp-7f;
  p = p * z + 0x1.638b58p-6f;
  p = p * z + -0x1.b9ee9p-5f;
  p = p * z + 0x1.111066p-3f;
  p = p * z + -0x1.555554p-2f;
  const F32 near = x + x * (z * p);
  const F32 far = 1.0f - 2.0f / (LANES(exp)(size + size) + 1.0f);
  const F32 y = LANES(select)(size < LANES(all)(0.625f), near, far);
  return (F32)((I32)y | ((I32)x & INT32_MIN)); /* -0 gives -0, too */
}

/* 1 / (1 + exp(-x)), with the exponential of the magnitude so that it never overflows. What
 * rounding took from the exponential and from the sum is put right to first order. */
WK_LANES_CALLED F32 LANES(sigmoid)(F32 x) {
  F32 low, power;
  const F32 part = LANES(exp_parts)(-LANES(magnitude)(x), &low, &power);
  const F32 e = LANES(scale)(part, power), d = 1.0f + e;
  low = LANES(scale)(low, power);
  const I32 below = x < LANES(all)(0.0f);
  const F32 inverse = 1.0f / d, top = LANES(select)(below, e, LANES(all)(1.0f));
  const F32 lost = (e - (d - 1.0f)) + low, y = top * inverse;
  return y + (LANES(select)(below, low, LANES(all)(0.0f)) - y * lost) * inverse;
}
