/* SPDX-License-Identifier: Apache-2.0 */
/* The floats of 16 bits: every value there and back, and rounding at and beside every midpoint. */
#include "base/half.h"

#include <math.h>

#include "support/unit.h"

static double f16_value(int half) {
  const int sign = half >> 15, exponent = half >> 10 & 31, fraction = half & 1023;
  const double value = exponent == 31 ? (fraction ? (double)NAN : INFINITY)
                       : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                      : ldexp(fraction, -24);
  return sign ? -value : value;
}

static void test_every_value_returns(void **state) {
  (void)state;
  for (int i = 0; i <= UINT16_MAX; i++) {
    const double value = f16_value(i);
    const float single = wk_f16_to_f32((uint16_t)i), other = wk_bf16_to_f32((uint16_t)i);
    assert_true(isnan(value) ? isnan(single) : value == (double)single);
    if (isnan(value)) {
      assert_true(isnan(wk_f16_to_f32(wk_f32_to_f16(single))));
    } else {
      assert_int_equal(wk_f32_to_f16(single), i);
      assert_int_equal(wk_f64_to_f16(value), i);
    }
    if (isnan(other)) {
      assert_true(isnan(wk_bf16_to_f32(wk_f32_to_bf16(other))));
    } else {
      assert_int_equal(wk_f32_to_bf16(other), i);
      assert_int_equal(wk_f64_to_bf16((double)other), i);
    }
  }
}

/* Between neighbours i and i + 1: to the even one in the middle, else to the nearer one. */
static void check_middle(int i, double low, double high, uint16_t (*round)(double)) {
  const double middle = (low + high) / 2;
  assert_int_equal(round(middle), i & 1 ? i + 1 : i);
  assert_int_equal(round(nextafter(middle, 0)), i);
  assert_int_equal(round(nextafter(middle, INFINITY)), i + 1);
  assert_int_equal(round(-middle), (i & 1 ? i + 1 : i) | 0x8000);
}

static void test_doubles_round_once(void **state) {
  (void)state;
  for (int i = 0; i < 0x7C00; i++)
    check_middle(i, f16_value(i), i == 0x7BFF ? 65536 : f16_value(i + 1), wk_f64_to_f16);
  for (int i = 0; i < 0x7F80; i++)
    check_middle(i, (double)wk_bf16_to_f32((uint16_t)i),
                 i == 0x7F7F ? 0x1p128 : (double)wk_bf16_to_f32((uint16_t)(i + 1)), wk_f64_to_bf16);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_value_returns),
      cmocka_unit_test(test_doubles_round_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
