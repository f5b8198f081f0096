/* SPDX-License-Identifier: Apache-2.0 */

/* The functions of vectors of floats against libm in double precision: every 97th float there is,
 * and what is special. The bounds are those that maths.h states, found by trying all floats. */

#include "support/unit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/maths_more.h"
#include "backend/cpu/isa/maths_wide.h"
#include "backend/cpu/isa/vector.h"
#include "base/maths.h"

static double plain_ndtr(double x) { return wk_real_ndtr(x); }
static double plain_sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }

typedef struct function {
  const char *name;
  double (*plain)(double x);
  double ulps;
} function;

/* The first four of 16 lanes, the others of one register. */
static const function functions[] = {
    {"exp", exp, 0.88},         {"log", log, 0.84},
    {"tanh", tanh, 1.31},       {"sigmoid", plain_sigmoid, 1.79},
    {"sqrt", sqrt, 0.5},        {"sin", sin, 0.51},
    {"cos", cos, 0.51},         {"erf", erf, 0.51},
    {"ndtr", plain_ndtr, 0.51}, {"expm1", expm1, 0.51},
    {"log1p", log1p, 0.51},     {"tan", tan, 0.51},
    {"exp2", exp2, 0.51},       {"log2", log2, 0.51},
    {"log10", log10, 0.51},
};

static wk_f32xn evaluate_register(size_t index, wk_f32xn x) {
  switch (index) {
  case 4:
    return (wk_f32xn)wk_f32_root((wk_f32_vector)x);
  case 5:
    return wk_f32xn_sin(x);
  case 6:
    return wk_f32xn_cos(x);
  case 7:
    return wk_f32xn_erf(x);
  case 8:
    return wk_f32xn_ndtr(x);
  case 9:
    return wk_f32xn_expm1(x);
  case 10:
    return wk_f32xn_log1p(x);
  case 11:
    return wk_f32xn_tan(x);
  case 12:
    return wk_f32xn_exp2(x);
  case 13:
    return wk_f32xn_log2(x);
  default:
    return wk_f32xn_log10(x);
  }
}

/* On as many registers as 16 floats take. */
static void evaluate_wide(size_t index, const float *x, float *y) {
  for (int i = 0; i < WK_LANES; i += WK_REGISTER_LANES)
    wk_f32xn_store(y + i, evaluate_register(index, wk_f32xn_load(x + i)));
}

static void evaluate(size_t index, const float *x, float *y) {
  const wk_f32x16 in = wk_f32x16_load(x);
  switch (index) {
  case 0:
    wk_f32x16_store(y, wk_f32x16_exp(in));
    break;
  case 1:
    wk_f32x16_store(y, wk_f32x16_log(in));
    break;
  case 2:
    wk_f32x16_store(y, wk_f32x16_tanh(in));
    break;
  case 3:
    wk_f32x16_store(y, wk_f32x16_sigmoid(in));
    break;
  default:
    evaluate_wide(index, x, y);
    break;
  }
}

/* Distance from `want` in units of the last place a float has there. */
static double error_in_ulps(float got, double want) {
  if (isnan(want)) return isnan(got) ? 0 : INFINITY;
  if (isinf(got) || isinf((float)want)) return got == (float)want ? 0 : INFINITY;
  int exponent;
  frexp(want, &exponent);
  if (exponent < FLT_MIN_EXP) exponent = FLT_MIN_EXP;
  return fabs(got - want) / ldexp(1, exponent - FLT_MANT_DIG);
}

static void check_lanes(size_t index, const float *x) {
  float y[WK_LANES];
  evaluate(index, x, y);
  for (int i = 0; i < WK_LANES; i++) {
    const double want = functions[index].plain((double)x[i]);
    const double error = error_in_ulps(y[i], want);
    if (!(error <= functions[index].ulps))
      fail_msg("%s(%a) is %a, not %a: %g ulp", functions[index].name, (double)x[i], (double)y[i],
               want, error);
    if (want == 0) assert_int_equal(!signbit(y[i]), !signbit(want));
  }
}

static void sweep_finds_no_larger_error(void **state) {
  (void)state;
  const char *asked = getenv("WICK_TEST_MATHS_STEP");
  const uint64_t step = asked ? strtoull(asked, NULL, 10) : 397; /* 1: all floats, half an hour */
  for (size_t index = 0; index < COUNT_OF(functions); index++) {
    float x[WK_LANES];
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += WK_LANES * step) {
      for (int i = 0; i < WK_LANES; i++) {
        const uint32_t word = (uint32_t)(bits + (uint64_t)i * step);
        memcpy(&x[i], &word, sizeof word);
      }
      check_lanes(index, x);
    }
  }
}

static void check_powers(const float *x, const float *y) {
  float got[WK_LANES];
  for (int i = 0; i < WK_LANES; i += WK_REGISTER_LANES)
    wk_f32xn_store(got + i, wk_f32xn_power(wk_f32xn_load(x + i), wk_f32xn_load(y + i)));
  for (int i = 0; i < WK_LANES; i++) {
    const double want = pow((double)x[i], (double)y[i]), error = error_in_ulps(got[i], want);
    if (!(error <= 0.51))
      fail_msg("power(%a, %a) is %a, not %a: %g ulp", (double)x[i], (double)y[i], (double)got[i],
               want, error);
    if (want == 0) assert_int_equal(!signbit(got[i]), !signbit(want));
  }
}

/* Bases and exponents of any bits, others that do not overflow, and what is special. */
static void powers(void **state) {
  (void)state;
  static const float special[] = {0.0f,        -0.0f,       1.0f,  -1.0f,  2.0f,     -2.0f,
                                  0.5f,        -0.5f,       3.0f,  -3.0f,  INFINITY, -INFINITY,
                                  NAN,         1e-45f,      1e38f, -1e38f, 0x1p+23f, 0x1p+24f,
                                  16777215.0f, -8388609.0f, 2.5f};
  float x[WK_LANES], y[WK_LANES];
  const int count = COUNT_OF(special);
  for (int at = 0; at < count * count; at += WK_LANES) {
    for (int i = 0; i < WK_LANES; i++) {
      x[i] = special[(at + i) / count % count];
      y[i] = special[(at + i) % count];
    }
    check_powers(x, y);
  }
  uint64_t bits = 1;
  for (int round = 0; round < 200000; round++) {
    for (int i = 0; i < WK_LANES; i++) {
      bits = bits * 6364136223846793005u + 1442695040888963407u;
      const uint32_t first = (uint32_t)(bits >> 32), second = first * 2654435761u ^ (uint32_t)bits;
      memcpy(&x[i], &first, sizeof first);
      memcpy(&y[i], &second, sizeof second);
      if (round % 2) y[i] = (float)((double)second * 0x1p-25 - 64) / fabsf(log2f(fabsf(x[i])));
    }
    check_powers(x, y);
  }
}

static void special_values(void **state) {
  (void)state;
  const float x[2 * WK_LANES] = {
      0.0f,           -0.0f,         INFINITY,  -INFINITY,   NAN,        FLT_MIN,     -FLT_MIN,
      FLT_TRUE_MIN,   -FLT_TRUE_MIN, FLT_MAX,   -FLT_MAX,    1.0f,       -1.0f,       88.72283f,
      88.72284f,      -87.33655f,    -103.972f, -103.973f,   -104.5f,    0.625f,      0.62499994f,
      -0.625f,        9.01f,         -9.02f,    0.99999994f, 1.0000001f, 0.70710677f, 0.7071068f,
      1.1754942e-38f, 1e-45f,        89.5f,     1e10f};
  for (size_t index = 0; index < COUNT_OF(functions); index++) {
    check_lanes(index, x);
    check_lanes(index, x + WK_LANES);
  }
}

static void check_double(double got, long double want, long double ulps) {
  if (isnan(want) || isinf(want) || want == 0) {
    assert_true(isnan(want) ? isnan(got) : (long double)got == want);
    return;
  }
  int exponent;
  frexpl(want, &exponent);
  if (exponent < DBL_MIN_EXP) exponent = DBL_MIN_EXP;
  const long double error = fabsl(got - want) / ldexpl(1, exponent - DBL_MANT_DIG);
  if (!(error <= ulps)) fail_msg("%a, not %La: %Lg ulp", got, want, error);
}

static void check_double_lanes(const double *x) {
  double e[WK_LANES], l[WK_LANES], s[WK_LANES], t[WK_LANES];
  const wk_f64x16 in = wk_f64x16_load(x);
  wk_f64x16_store(e, wk_f64x16_exp(in));
  wk_f64x16_store(l, wk_f64x16_log(in));
  wk_f64x16_store(s, wk_f64x16_sigmoid(in));
  wk_f64x16_store(t, wk_f64x16_tanh(in));
  for (int i = 0; i < WK_LANES; i++) {
    const long double wide = x[i], f = expl(-fabsl(wide));
    check_double(e[i], wide > 709.782712893384 ? INFINITY : expl(wide), 2);
    check_double(l[i], x[i] < 0 ? NAN : logl(wide), 2);
    check_double(s[i], isnan(wide) ? wide : (wide < 0 ? f : 1) / (1 + f), 2);
    check_double(t[i], tanhl(wide), 2);
  }
}

static void check_double_register(const double *x) {
  enum { LANES = sizeof(wk_f64xn) / sizeof(double) };
  double e[LANES], p[LANES], s[LANES], c[LANES];
  const wk_f64xn in = wk_f64xn_load(x);
  wk_f64xn_store(e, wk_f64xn_erf(in));
  wk_f64xn_store(p, wk_f64xn_ndtr(in));
  wk_f64xn_store(s, wk_f64xn_sin(in));
  wk_f64xn_store(c, wk_f64xn_cos(in));
  for (int i = 0; i < LANES; i++) {
    const long double wide = x[i];
    check_double(e[i], erfl(wide), 2);
    check_double(p[i], erfcl(wide * -0.70710678118654752440084436210485L) / 2, 8);
    check_double(s[i], sinl(wide), 1);
    check_double(c[i], cosl(wide), 1);
  }
}

static void double_twins(void **state) {
  (void)state;
  double x[WK_LANES] = {0,       -0.0,     INFINITY, -INFINITY, NAN,     DBL_MIN, DBL_TRUE_MIN,
                        DBL_MAX, -DBL_MAX, 709.7827, 709.79,    -745.13, -745.14, -708.5,
                        1,       -1};
  check_double_lanes(x);
  check_double_register(x);
  uint64_t bits = 1;
  for (int round = 0; round < 400000; round++) {
    for (int i = 0; i < WK_LANES; i++) {
      bits = bits * 6364136223846793005u + 1442695040888963407u;
      memcpy(&x[i], &bits, sizeof bits);
      if (round % 4) x[i] = ((double)(bits >> 11) * 0x1p-52 - 1) * (round % 4 == 1 ? 1 : 740);
    }
    check_double_lanes(x);
    for (int i = 0; i < WK_LANES; i++)
      if (round % 4 > 1) x[i] *= round % 4 == 2 ? 0x1p-7 : 0x1p+10;
    check_double_register(x);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sweep_finds_no_larger_error),
      cmocka_unit_test(special_values),
      cmocka_unit_test(powers),
      cmocka_unit_test(double_twins),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
