/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_MATHS_H
#define WICK_BASE_MATHS_H

/* Functions on one number that libm lacks, or means otherwise. Real ones in double, integer ones
 * without overflow: they wrap around, and nothing they are given makes them fail. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* -1, 0 or 1; 0 for NaN. */
static inline double wk_real_sign(double x) { return (double)((x > 0) - (x < 0)); }

/* pow, with the exponents that programs mostly have done faster. */
static inline double wk_real_power(double x, double exponent) {
  return exponent == 2 ? x * x : pow(x, exponent);
}

/* x - y * floor(x / y): of the divisor's sign, as Python's. */
static inline double wk_real_remainder(double x, double y) {
  const double rest = fmod(x, y);
  return rest != 0 && (y < 0) != (rest < 0) ? rest + y : rest;
}

/* floor(x / y) as if the quotient were not rounded. */
static inline double wk_real_floor_divide(double x, double y) {
  if (y == 0) return x / y;
  const double rest = fmod(x, y);
  double quotient = (x - rest) / y; /* nearly whole */
  if (rest != 0 && (y < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return copysign(0, x / y);
  const double whole = floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

/* The normal distribution function. What rounding took from erfc's argument would be hundreds of
 * ulp far below 0, so it is put right to first order. */
static inline double wk_real_ndtr(double x) {
  const double a = -0.7071067811865476 * x;
  if (!(fabs(x) < 40)) return 0.5 * erfc(a);
  const double rest = fma(-0.7071067811865476, x, -a) + 0x1.bdd3413b26456p-55 * x;
  return 0.5 * (erfc(a) - 1.1283791670955126 * exp(-a * a) * rest);
}

/* log(exp(x) + exp(y)) */
static inline double wk_real_logaddexp(double x, double y) {
  if (x == y) return x + 0.6931471805599453; /* infinities, too */
  return (x > y ? x : y) + log1p(exp(-fabs(x - y)));
}

double wk_real_lgamma(double x);   /* log |gamma(x)| */
double wk_real_digamma(double x);  /* its derivative; NaN at negative whole numbers */
double wk_real_trigamma(double x); /* the derivative of that */
double wk_real_polygamma(double order, double x); /* derivative of digamma; order 1, 2, ... */
double wk_real_erfinv(double x);                  /* NaN outside [-1, 1] */

/* The nearest integer towards 0 that fits; 0 for NaN. */
static inline int64_t wk_integer_of_real(double x) {
  if (x != x) return 0;
  return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (int64_t)x;
}

static inline int64_t wk_integer_abs(int64_t x) { return x < 0 ? (int64_t)(0 - (uint64_t)x) : x; }
static inline int64_t wk_integer_sign(int64_t x) { return (x > 0) - (x < 0); }

/* Towards minus infinity; 0 where y is 0. */
static inline int64_t wk_integer_floor_divide(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return (int64_t)(0 - (uint64_t)x);
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

/* What is left of division: fmod's has x's sign, remainder's y's. 0 where y is 0. */
static inline int64_t wk_integer_fmod(int64_t x, int64_t y) {
  return y == 0 || y == -1 ? 0 : x % y;
}
static inline int64_t wk_integer_remainder(int64_t x, int64_t y) {
  const int64_t rest = wk_integer_fmod(x, y);
  return rest != 0 && (y < 0) != (rest < 0) ? rest + y : rest;
}

/* By repeated squaring; a negative exponent gives the whole part of the fraction. */
static inline int64_t wk_integer_power(int64_t x, int64_t exponent) {
  if (exponent < 0) return x == 1 ? 1 : x == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = (uint64_t)x;
  for (; exponent; exponent >>= 1, square *= square)
    if (exponent & 1) result *= square;
  return (int64_t)result;
}

/* By any number of places: beyond the word, or negative ones, all bits leave it. */
static inline int64_t wk_integer_left_shift(int64_t x, int64_t places) {
  return places < 0 || places > 63 ? 0 : (int64_t)((uint64_t)x << places);
}
static inline int64_t wk_integer_right_shift(int64_t x, int64_t places) {
  return x >> (places < 0 || places > 63 ? 63 : places);
}

#endif
