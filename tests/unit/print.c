/* SPDX-License-Identifier: Apache-2.0 */

/* wk_tensor_text; the expected texts are PyTorch's, without its prefix. */

#include "support/unit.h"

#include <math.h>

#include "tensor/tensor.h"

static void check(wk_shape shape, wk_dtype dtype, const void *data, const char *expected) {
  WK_SCOPE;
  static char text[10000];
  const size_t length =
      wk_tensor_text(wk_tensor_from_data(shape, dtype, data, NULL), text, sizeof text);
  assert_no_error();
  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
}

static void floats(void **state) {
  (void)state;
  check(WK_SCALAR, WK_F32, (float[]){0.5f}, "0.5000");
  check(WK_SHAPE(3), WK_F32, (float[]){1, 2, 3}, "[1., 2., 3.]");
  check(WK_SHAPE(2, 2), WK_F32, (float[]){0.1f, 2, 3, -4.5f},
        "[[ 0.1000,  2.0000],\n [ 3.0000, -4.5000]]");
  check(WK_SHAPE(2), WK_F64, (double[]){1e-5, 1}, "[1.0000e-05, 1.0000e+00]");
  check(WK_SHAPE(2), WK_F64, (double[]){1, 1e9}, "[1.0000e+00, 1.0000e+09]");
  check(WK_SHAPE(3), WK_F32, (float[]){NAN, 1, -INFINITY}, "[ nan,   1., -inf]");
  check(WK_SHAPE(2), WK_F32, (float[]){0, 0}, "[0., 0.]");
  check(WK_SHAPE(1), WK_F64, (double[]){-1e300}, "[-1.0000e+300]");
}

static void integers(void **state) {
  (void)state;
  check(WK_SHAPE(1, 2, 2), WK_I64, (int64_t[]){1, -20, 3, INT64_MIN},
        "[[[                   1,                  -20],\n"
        "  [                   3, -9223372036854775808]]]");
  check(WK_SHAPE(2, 1, 1), WK_I32, (int32_t[]){7, 8}, "[[[7]],\n\n [[8]]]");
  check(WK_SHAPE(2), WK_U8, (uint8_t[]){0, 255}, "[  0, 255]");
  check(WK_SHAPE(2), WK_BOOL, (uint8_t[]){1, 0}, "[ true, false]");
  check(WK_SHAPE(2, 0), WK_I32, NULL, "[]");
}

static void long_rows_are_wrapped(void **state) {
  (void)state;
  int32_t data[30];
  for (int i = 0; i < 30; i++) data[i] = i;
  check(WK_SHAPE(30), WK_I32, data,
        "[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,\n"
        " 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]");
}

static void large_tensors_show_their_edges(void **state) {
  (void)state;
  static int64_t data[2000];
  for (int i = 0; i < 2000; i++) data[i] = i;
  check(WK_SHAPE(2000), WK_I64, data, "[   0,    1,    2, ..., 1997, 1998, 1999]");
  check(WK_SHAPE(2, 1000), WK_I64, data,
        "[[   0,    1,    2, ...,  997,  998,  999],\n"
        " [1000, 1001, 1002, ..., 1997, 1998, 1999]]");
  check(WK_SHAPE(1000, 2), WK_I64, data,
        "[[   0,    1],\n [   2,    3],\n [   4,    5],\n ...,\n"
        " [1994, 1995],\n [1996, 1997],\n [1998, 1999]]");
}

static void short_buffers_are_cut(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *t = wk_tensor_from_data(WK_SHAPE(3), WK_I32, (int32_t[]){1, 2, 3}, NULL);
  char text[5] = "xxxx";
  assert_int_equal(wk_tensor_text(t, text, sizeof text), 9);
  assert_string_equal(text, "[1, ");
  assert_int_equal(wk_tensor_text(t, NULL, 0), 9);
  assert_int_equal(wk_tensor_text(NULL, text, sizeof text), 0);
  assert_string_equal(text, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(floats),
      cmocka_unit_test(integers),
      cmocka_unit_test(long_rows_are_wrapped),
      cmocka_unit_test(large_tensors_show_their_edges),
      cmocka_unit_test(short_buffers_are_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
