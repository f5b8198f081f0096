/* SPDX-License-Identifier: Apache-2.0 */

/* The functions of vectors of floats against libm in double precision: every 97th float there is,
 * and what is special. The bounds are those that maths.h states, found by trying all floats. */

#include "support/unit.h"

#include <float.h>
#include <math.h>

#include "backend/cpu/isa/maths.h"
#include "backend/cpu/isa/maths_wide.h"
#include "base/maths.h"

static double plain_ndtr(double x) { return wk_real_ndtr(x); }
static double plain_sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }

typedef struct function {
  const char *name;
  double (*plain)(double x);
  double ulps;
} function;

static const function functions[] = {
    {"exp", exp, 0.88},         {"log", log, 0.84},
    {"tanh", tanh, 1.31},       {"sigmoid", plain_sigmoid, 2.41},
    {"sqrt", sqrt, 0.5},        {"sin", sin, 0.51},
    {"cos", cos, 0.51},         {"erf", erf, 0.51},
    {"ndtr", plain_ndtr, 0.51}, {"expm1", expm1, 0.51},
    {"log1p", log1p, 0.51},
};

/* Those of one register, on as many registers as 16 floats take. */
static void evaluate_wide(size_t index, const float *x, float *y) {
  for (int i = 0; i < WK_LANES; i += WK_REGISTER_LANES) {
    const wk_f32xn in = wk_f32xn_load(x + i);
    const wk_f32xn out = index == 5   ? wk_f32xn_sin(in)
                         : index == 6 ? wk_f32xn_cos(in)
                         : index == 7 ? wk_f32xn_erf(in)
                         : index == 8 ? wk_f32xn_ndtr(in)
                         : index == 9 ? wk_f32xn_expm1(in)
                                      : wk_f32xn_log1p(in);
    wk_f32xn_store(y + i, out);
  }
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
  case 4:
    wk_f32x16_store(y, wk_f32x16_sqrt(in));
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
  for (size_t index = 0; index < COUNT_OF(functions); index++) {
    float x[WK_LANES];
    for (uint64_t bits = 0; bits + WK_LANES * 397 < (uint64_t)1 << 32; bits += WK_LANES * 397) {
      for (int i = 0; i < WK_LANES; i++) {
        const uint32_t word = (uint32_t)(bits + (uint64_t)i * 397);
        memcpy(&x[i], &word, sizeof word);
      }
      check_lanes(index, x);
    }
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

static void double_twins_are_libm(void **state) {
  (void)state;
  double x[WK_LANES], y[WK_LANES];
  for (int i = 0; i < WK_LANES; i++) x[i] = 0.37 * i - 2.5;
  wk_f64x16_store(y, wk_f64x16_exp(wk_f64x16_load(x)));
  for (int i = 0; i < WK_LANES; i++) assert_true(y[i] == exp(x[i]));
  wk_f64x16_store(y, wk_f64x16_sigmoid(wk_f64x16_load(x)));
  for (int i = 0; i < WK_LANES; i++) assert_true(y[i] == plain_sigmoid(x[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sweep_finds_no_larger_error),
      cmocka_unit_test(special_values),
      cmocka_unit_test(double_twins_are_libm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
