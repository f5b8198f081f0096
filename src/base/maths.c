/* SPDX-License-Identifier: Apache-2.0 */
#include "base/maths.h"

#define PI 3.141592653589793

double wk_real_lgamma(double x) {
  int sign; /* kept here: lgamma's own place for it is shared by all threads */
  return lgamma_r(x, &sign);
}

/* Both: by recurrence to 10 and beyond, and there by the asymptotic series, Abramowitz and Stegun
 * 6.3.18 and 6.4.12; below 0 by reflection, 6.3.7 and 6.4.7. */
double wk_real_digamma(double x) {
  if (x == 0) return copysign(INFINITY, -x);
  if (x < 0) {
    if (x == floor(x)) return NAN;
    const double turn = x - floor(x); /* tan has period pi */
    return wk_real_digamma(1 - x) - PI / tan(PI * turn);
  }
  double sum = 0;
  for (; x < 10; x++) sum -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 12 -
           z * (1.0 / 120 -
                z * (1.0 / 252 -
                     z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z * (1.0 / 12)))))));
  return sum + (log(x) - 0.5 / x - (x < 1e17 ? series : 0));
}

double wk_real_trigamma(double x) {
  if (x < 0.5) {
    if (x == floor(x)) return INFINITY;
    const double sine = sin(PI * (x - floor(x)));
    return PI * PI / (sine * sine) - wk_real_trigamma(1 - x);
  }
  double sum = 0;
  for (; x < 10; x++) sum += 1 / (x * x);
  const double z = 1 / (x * x);
  const double series =
      z *
      (1.0 / 6 -
       z * (1.0 / 30 -
            z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730 - z * (7.0 / 6)))))));
  return sum + (1 + 0.5 / x + series) / x;
}

/* (-1)^(order + 1) order! times the sum of 1 / (x + k)^(order + 1) for k = 0, 1, ...: its first
 * terms, and the rest by Euler and Maclaurin's formula. */
double wk_real_polygamma(double order, double x) {
  static const double bernoulli[] = {1.0 / 12,         -1.0 / 720,     1.0 / 30240,
                                     -1.0 / 1209600,   1.0 / 47900160, -691.0 / 1307674368000,
                                     1.0 / 74724249600};
  const double s = order + 1, sign = fmod(order, 2) == 1 ? 1 : -1, factorial = tgamma(s);
  if (x <= 0 && x == floor(x)) return sign > 0 ? INFINITY : NAN;
  if (x < -1e6) return NAN; /* too many terms */
  double sum = 0;
  for (; x < 10 + order; x++) sum += pow(x, -s);
  const double power = pow(x, -s);
  double term = s * power / x;
  sum += x * power / order + 0.5 * power;
  for (int j = 0; j < 7; j++) {
    sum += bernoulli[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / (x * x);
  }
  return sign * factorial * sum;
}

/* A first guess (Winitzki 2008, from an approximation of erf), then Halley's method on erfc, whose
 * digits do not run out towards 1. */
double wk_real_erfinv(double x) {
  const double size = fabs(x);
  if (!(size < 1)) return size == 1 ? copysign(INFINITY, x) : NAN;
  if (size < 1e-8) return x * 0.886226925452758;
  const double a = 0.147, l = log1p(-size * size), t = 2 / (PI * a) + 0.5 * l;
  double y = sqrt(sqrt(t * t - l / a) - t);
  for (int step = 0; step < 3; step++) {
    const double error = size < 0.5 ? erf(y) - size : (1 - size) - erfc(y);
    const double newton = error / (1.1283791670955126 * exp(-y * y));
    y -= newton / (1 + y * newton);
  }
  return copysign(y, x);
}
