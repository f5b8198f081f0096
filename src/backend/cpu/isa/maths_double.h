/* SPDX-License-Identifier: Apache-2.0 */

/* The functions of maths.h in double for one width of vectors: F64 and U64 are types of as many
 * lanes, LANES(exp) names a function on them, and SELECT(mask, a, b) chooses. They go as those of
 * maths_kind.h do, with longer polynomials. */

WK_LANES_INLINE F64 LANES(scale)(F64 x, F64 shifted) {
#ifdef WK_HAS_SCALE
  const F64 n = shifted - 0x1.8p+52;
  for (int i = 0; i < (int)(sizeof x / sizeof(wk_f64_vector)); i++)
    ((wk_f64_anywhere *)&x)[i] =
        wk_f64_scale(((const wk_f64_anywhere *)&x)[i], ((const wk_f64_anywhere *)&n)[i]);
  return x;
#else
  const U64 n = (U64)shifted - 0x4338000000000000u;
  const U64 half = ((n + 4096) >> 1) - 2048; /* of signed numbers, which stay above -4096 */
  return x * (F64)((half + 1023) << 52) * (F64)((n - half + 1023) << 52);
#endif
}

WK_LANES_INLINE F64 LANES(exp_parts)(F64 x, F64 *low, F64 *power) {
  x = SELECT(x > 710, (F64){0} + 710, x); /* beyond these it is infinity or 0 anyway */
  x = SELECT(x < -746, (F64){0} - 746, x);
  const F64 shifted = x * 0x1.71547652b82fep+0 + 0x1.8p+52, whole = shifted - 0x1.8p+52;
  const F64 high = x - whole * 0x1.62e42feep-1, tail = whole * 0x1.a39ef35793c76p-33;
  const F64 r = high - tail, rest = (high - r) - tail;
  /* (exp(r) - 1 - r) / r^2 on |r| <= 0.34665; relative error of exp 2^-61 */
  F64 q = r * 0x1.1f730b86989dap-29 + 0x1.af4df7e870362p-26;
  q = q * r + 0x1.27e4db6075799p-22;
  q = q * r + 0x1.71de022aa7c92p-19;
  q = q * r + 0x1.a01a01a6d9c97p-16;
  q = q * r + 0x1.a01a01abea2dap-13;
  q = q * r + 0x1.6c16c16c162d2p-10;
  q = q * r + 0x1.11111111100d8p-7;
  q = q * r + 0x1.5555555555556p-5;
  q = q * r + 0x1.5555555555557p-3;
  q = q * r + 0x1p-1;
  const F64 small = q * (r * r) + rest, p = small + r, y = p + 1;
  *low = (p - (y - 1)) + (small - (p - r));
  *power = shifted;
  return y;
}

WK_LANES_CALLED_F64 F64 LANES(exp)(F64 x) {
  F64 low, power;
  const F64 y = LANES(exp_parts)(x, &low, &power);
  return LANES(scale)(y, power);
}

WK_LANES_CALLED_F64 F64 LANES(log)(F64 x) {
  const uint64_t root = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
  const F64 scaled = SELECT(x < 0x1p-1022, x * 0x1p+54, x);
  const U64 bits = (U64)scaled + (0x3ff0000000000000u - root);
  const U64 k = (bits >> 52) - 1023 - ((U64)(x < 0x1p-1022) & 54);
  const F64 whole = (F64)(k + 0x4338000000000000u) - 0x1.8p+52;
  const F64 f = (F64)((bits & 0x000fffffffffffffu) + root) - 1;
  const F64 s = f / (f + 2), z = s * s;
  /* (log(1 + f) / s - 2) / z on z <= 0.02945; relative error of log(1 + f) 2^-57 */
  F64 r = z * 0x1.2b5b5fc28d1cap-3 + 0x1.39fe208ab4655p-3;
  r = r * z + 0x1.7462b697134e2p-3;
  r = r * z + 0x1.c71c62debf470p-3;
  r = r * z + 0x1.2492492df694cp-2;
  r = r * z + 0x1.99999999952b2p-2;
  r = (r * z + 0x1.5555555555558p-1) * z;
  const F64 square = f * f * 0.5, low = s * (square + r) + whole * 0x1.a39ef35793c76p-33;
  F64 y = whole * 0x1.62e42feep-1 - ((square - low) - f);
  y = SELECT(x == 0, (F64){0} - INFINITY, y);
  y = SELECT(x == INFINITY, x, y);
  return SELECT(x >= 0, y, SELECT(x == x, (F64){0} + NAN, x));
}

/* As maths_kind.h's. */
WK_LANES_CALLED_F64 F64 LANES(sigmoid)(F64 x) {
  F64 low, power;
  const F64 part = LANES(exp_parts)((F64)((U64)x | 0x8000000000000000u), &low, &power);
  const F64 e = LANES(scale)(part, power), d = 1 + e;
  low = LANES(scale)(low, power);
  const F64 inverse = 1 / d, top = SELECT(x < 0, e, (F64){0} + 1);
  const F64 lost = (e - (d - 1)) + low, y = top * inverse;
  return y + (SELECT(x < 0, low, (F64){0}) - y * lost) * inverse;
}

/* m / (m + 2) with m = exp(2 |x|) - 1, in two parts; what sums lose is put right to first order. */
WK_LANES_CALLED_F64 F64 LANES(tanh)(F64 x) {
  const U64 sign = (U64)x & 0x8000000000000000u;
  const F64 size = (F64)((U64)x ^ sign), near = SELECT(size > 20, (F64){0} + 20, size);
  F64 low, power;
  const F64 y = LANES(exp_parts)(near + near, &low, &power), part = LANES(scale)(y, power) - 1;
  low = LANES(scale)(low, power);
  const F64 m = part + low, d = m + 2, t = m / d, rest = low - (m - part);
  const F64 lost = (m - (d - 2)) + rest;
  return (F64)((U64)(t + (rest - t * lost) / d) | sign);
}
