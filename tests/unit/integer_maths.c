/* SPDX-License-Identifier: Apache-2.0 */
/* Integer maths at the ends of its range, and where C leaves the result open. */
#include "base/maths.h"

#include "support/unit.h"

static void test_division(void **state) {
  (void)state;
  for (int64_t y = -1; y <= 1; y++) {
    const int64_t least[] = {INT64_MIN, 0, INT64_MIN};
    assert_int_equal(wk_integer_floor_divide(INT64_MIN, y), least[y + 1]);
    assert_int_equal(wk_integer_remainder(INT64_MIN, y), 0);
    assert_int_equal(wk_integer_fmod(INT64_MIN, y), 0);
  }
  static const int64_t rows[][5] = {/* x, y, floor(x / y), remainder, fmod */
                                    {7, 3, 2, 1, 1},    {-7, 3, -3, 2, -1},
                                    {7, -3, -3, -2, 1}, {-7, -3, 2, -1, -1},
                                    {6, 3, 2, 0, 0},    {-6, 3, -2, 0, 0},
                                    {0, 5, 0, 0, 0},    {1, INT64_MIN, -1, INT64_MIN + 1, 1},
                                    {9, 0, 0, 0, 0},    {INT64_MAX, -1, -INT64_MAX, 0, 0}};
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    assert_int_equal(wk_integer_floor_divide(rows[i][0], rows[i][1]), rows[i][2]);
    assert_int_equal(wk_integer_remainder(rows[i][0], rows[i][1]), rows[i][3]);
    assert_int_equal(wk_integer_fmod(rows[i][0], rows[i][1]), rows[i][4]);
  }
}

static void test_power(void **state) {
  (void)state;
  static const int64_t rows[][3] = {{3, 4, 81}, {-2, 63, INT64_MIN}, {2, 64, 0},   {0, 0, 1},
                                    {5, -1, 0}, {1, -9, 1},          {-1, -9, -1}, {-1, -8, 1},
                                    {0, -1, 0}, {-3, 3, -27},        {7, 0, 1}};
  for (size_t i = 0; i < COUNT_OF(rows); i++)
    assert_int_equal(wk_integer_power(rows[i][0], rows[i][1]), rows[i][2]);
}

static void test_shifts(void **state) {
  (void)state;
  assert_int_equal(wk_integer_left_shift(1, 63), INT64_MIN);
  assert_int_equal(wk_integer_left_shift(1, 64), 0);
  assert_int_equal(wk_integer_left_shift(-1, INT64_MIN), 0);
  assert_int_equal(wk_integer_right_shift(INT64_MIN, 63), -1);
  assert_int_equal(wk_integer_right_shift(-5, 1), -3);
  assert_int_equal(wk_integer_right_shift(-5, 64), -1);
  assert_int_equal(wk_integer_right_shift(5, -1), 0);
}

static void test_conversion(void **state) {
  (void)state;
  assert_int_equal(wk_integer_of_real(-2.9), -2);
  assert_int_equal(wk_integer_of_real(NAN), 0);
  assert_int_equal(wk_integer_of_real(INFINITY), INT64_MAX);
  assert_int_equal(wk_integer_of_real(-INFINITY), INT64_MIN);
  assert_int_equal(wk_integer_of_real(0x1p63), INT64_MAX);
  assert_int_equal(wk_integer_abs(INT64_MIN), INT64_MIN);
  assert_int_equal(wk_integer_sign(INT64_MIN), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_division), cmocka_unit_test(test_power),
                                     cmocka_unit_test(test_shifts),
                                     cmocka_unit_test(test_conversion)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
