/* SPDX-License-Identifier: Apache-2.0 */

/* wk_tensor_text, whose expected texts are PyTorch's without its prefix, wk_describe and wk_print.
 */

#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

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

/* ---- wk_describe and wk_print ---- */

static void one_line_for_debuggers(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(2, 3), WK_F32, (float[]){1, 2, 3, 4, 5, 6.5f}, NULL);
  assert_string_equal(wk_describe(x),
                      "f32 [2, 3]: [[1.0000, 2.0000, 3.0000], [4.0000, 5.0000, 6.5000]]");
  wk_tensor_set_requires_gradient(x, true);
  assert_string_equal(wk_describe(wk_permute(wk_relu(x), WK_AXES(1, 0))),
                      "f32 [3, 2] permute, strides [1, 3], requires gradient: [[1.0000, 4.0000], "
                      "[2.0000, 5.0000], [3.0000, 6.5000]]");
  wk_tensor *many = wk_reshape(wk_arange(100, .dtype = WK_I64), WK_SHAPE(10, 10));
  assert_string_equal(wk_describe(many),
                      "i64 [10, 10] reshape: [[0, 1, ..., 8, 9], ..., [90, 91, ..., 98, 99]]");
  assert_string_equal(wk_describe(wk_tensor_to(wk_full(WK_SCALAR, 2), wk_device_get("reference"))),
                      "f32 [], on reference: 2.");
  assert_string_equal(wk_describe(NULL), "NULL");
  assert_no_error();
}

static void looking_works_while_an_error_is_pending(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(2), 3);
  wk_add(x, NULL);
  assert_string_equal(wk_describe(x), "f32 [2] full: [3., 3.]");
  assert_error(WK_ERROR_ARGUMENT);
}

static void long_descriptions_are_cut(void **state) {
  (void)state;
  WK_SCOPE;
  const char *text = wk_describe(wk_full(WK_SHAPE(3, 3, 3, 3, 3, 3, 3, 3), -0.123456789));
  assert_true(strlen(text) > 1000 && strlen(text) < 2048);
  assert_string_equal(text + strlen(text) - 3, "...");
}

static void printed_to_a_stream(void **state) {
  (void)state;
  WK_SCOPE;
  FILE *stream = tmpfile();
  wk_print(stream, wk_reshape(wk_arange(4), WK_SHAPE(2, 2)));
  wk_print(stream, NULL);
  wk_print(NULL, NULL);
  char text[200] = "";
  rewind(stream);
  assert_true(fread(text, 1, sizeof text - 1, stream) > 0);
  fclose(stream);
  assert_string_equal(text, "f32 [2, 2] reshape\n[[0., 1.],\n [2., 3.]]\nNULL\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(floats),
      cmocka_unit_test(integers),
      cmocka_unit_test(long_rows_are_wrapped),
      cmocka_unit_test(large_tensors_show_their_edges),
      cmocka_unit_test(short_buffers_are_cut),
      cmocka_unit_test(one_line_for_debuggers),
      cmocka_unit_test(looking_works_while_an_error_is_pending),
      cmocka_unit_test(long_descriptions_are_cut),
      cmocka_unit_test(printed_to_a_stream),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
