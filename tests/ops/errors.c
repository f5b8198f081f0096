/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong calls: each is refused with the right status, and the error names the op, the operands and
 * the place of the call. */
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "tests.h"

wk_device *wrong_call_device;

static wk_tensor *add_sizes(void) { return wk_add(F32(3, 5), F32(4, 5)); }
static wk_tensor *matmul_dtypes(void) { return wk_matmul(F32(3, 3), F64(3, 3)); }
static wk_tensor *add_null(void) { return wk_add(F32(3), NULL); }
static wk_tensor *softmax_integer(void) { return wk_softmax(I64(1, 3)); }
static wk_tensor *where_condition(void) { return wk_where(F32(3), F32(3), F32(3)); }
static wk_tensor *matmul_sizes(void) { return wk_matmul(F32(3, 5), F32(4, 2)); }
static wk_tensor *matmul_number(void) { return wk_matmul(F32(5), NUMBER); }
static wk_tensor *linear_sizes(void) { return wk_linear(F32(64, 1568), F32(10, 3136)); }
static wk_tensor *conv2d_channels(void) { return wk_conv2d(F32(1, 5, 5, 3), F32(4, 3, 3, 2)); }
static wk_tensor *conv2d_rank(void) { return wk_conv2d(F32(5, 5, 3), F32(4, 3, 3, 3)); }
static wk_tensor *conv2d_bias(void) {
  return wk_conv2d(F32(1, 5, 5, 3), F32(4, 3, 3, 3), .bias = F32(3));
}
static wk_tensor *conv2d_groups(void) {
  return wk_conv2d(F32(1, 5, 5, 4), F32(3, 3, 3, 2), .groups = 2);
}
static wk_tensor *conv2d_stride(void) {
  return wk_conv2d(F32(1, 5, 5, 3), F32(4, 3, 3, 3), .stride = {-1, 1});
}
static wk_tensor *conv2d_small(void) { return wk_conv2d(F32(1, 2, 2, 3), F32(4, 3, 3, 3)); }
static wk_tensor *pool_rank(void) { return wk_max_pool2d(F32(5, 5), {2, 2}); }
static wk_tensor *pool_window(void) { return wk_average_pool2d(F32(1, 5, 5, 3), {0, 0}); }
static wk_tensor *pool_padding(void) {
  return wk_max_pool2d(F32(1, 5, 5, 3), {2, 2}, .padding = {2, 2});
}
static wk_tensor *sum_axis(void) { return wk_sum(F32(3, 5), .axes = WK_AXES(2)); }
static wk_tensor *sum_axis_twice(void) { return wk_sum(F32(3, 5), .axes = WK_AXES(1, -1)); }
static wk_tensor *max_empty(void) { return wk_max(F32(3, 0)); }
static wk_tensor *argmax_axis(void) { return wk_argmax(F32(3, 5), -3); }
static wk_tensor *softmax_number(void) { return wk_softmax(NUMBER); }
static wk_tensor *label_high(void) { return wk_cross_entropy(F32(4, 10), I64(10, 4)); }
static wk_tensor *label_low(void) { return wk_cross_entropy(F32(4, 10), I64(-1, 4)); }
static wk_tensor *label_dtype(void) { return wk_cross_entropy(F32(4, 10), F32(4)); }
static wk_tensor *label_sizes(void) { return wk_cross_entropy(F32(4, 10), I64(1, 5)); }
static wk_tensor *reshape_count(void) { return wk_reshape(F32(3, 4), WK_SHAPE(5, 2)); }
static wk_tensor *reshape_unknown(void) { return wk_reshape(F32(3, 4), WK_SHAPE(-1, -1)); }
static wk_tensor *permute_twice(void) { return wk_permute(F32(3, 4), WK_AXES(0, 0)); }
static wk_tensor *broadcast_sizes(void) { return wk_broadcast_to(F32(3, 4), WK_SHAPE(3, 5)); }
static wk_tensor *slice_axis(void) { return wk_slice(F32(3, 4), 2, 0, 1); }
static wk_tensor *concatenate_sizes(void) {
  return wk_concatenate(WK_TENSORS(F32(2, 3), F32(3, 4)), 1);
}
static wk_tensor *concatenate_nothing(void) { return wk_concatenate((wk_tensors){0, NULL}, 1); }
static wk_tensor *pad_rank(void) { return wk_pad(F32(2, 3), WK_SHAPE(1), WK_SHAPE(1)); }
static wk_tensor *pad_negative(void) { return wk_pad(F32(2, 3), WK_SHAPE(-3, 0), WK_SHAPE(0, 0)); }
static wk_tensor *dropout_rate(void) { return wk_dropout(F32(3), 1.5); }
static wk_tensor *full_negative(void) { return F32(3, -1); }
static wk_tensor *full_huge(void) { return F32(INT64_MAX, 4); }
static wk_tensor *uniform_dtype(void) {
  return wk_uniform(WK_SHAPE(3), .dtype = WK_I64, .device = wrong_call_device);
}
static wk_tensor *arange_count(void) { return wk_arange(-1, .device = wrong_call_device); }
static wk_tensor *two_devices(void) {
  wk_device *other =
      wk_device_get(strcmp(wk_device_name(wrong_call_device), "cpu") ? "cpu" : "reference");
  return wk_add(F32(3, 5), wk_full(WK_SHAPE(3, 5), 1, .device = other));
}

static const wrong_call wrong_calls[] = {
    {"add sizes", add_sizes, WK_ERROR_SHAPE, "add", {"f32 [3, 5]", "f32 [4, 5]"}},
    {"matmul dtypes",
     matmul_dtypes,
     WK_ERROR_DTYPE,
     "matmul",
     {"f32 [3, 3]", "f64 [3, 3]", "wk_cast"}},
    {"add NULL", add_null, WK_ERROR_ARGUMENT, "add", {"y of add is NULL", "f32 [3]"}},
    {"softmax integer", softmax_integer, WK_ERROR_DTYPE, "softmax", {"i64 [3]", "wk_cast"}},
    {"where condition", where_condition, WK_ERROR_DTYPE, "where", {"condition"}},
    {"matmul sizes", matmul_sizes, WK_ERROR_SHAPE, "matmul", {"f32 [3, 5]", "f32 [4, 2]", "(5)"}},
    {"matmul number", matmul_number, WK_ERROR_SHAPE, "matmul", {"f32 [5]", "f32 []"}},
    {"linear sizes",
     linear_sizes,
     WK_ERROR_SHAPE,
     "linear",
     {"f32 [64, 1568]", "f32 [10, 3136]", "3136"}},
    {"conv2d channels",
     conv2d_channels,
     WK_ERROR_SHAPE,
     "conv2d",
     {"f32 [1, 5, 5, 3]", "f32 [4, 3, 3, 2]", "3 channels"}},
    {"conv2d rank", conv2d_rank, WK_ERROR_SHAPE, "conv2d", {"f32 [5, 5, 3]", "[N, H, W, C]"}},
    {"conv2d bias", conv2d_bias, WK_ERROR_SHAPE, "conv2d", {"f32 [3]", "bias", "[4]"}},
    {"conv2d groups", conv2d_groups, WK_ERROR_SHAPE, "conv2d", {"groups", "f32 [3, 3, 3, 2]"}},
    {"conv2d stride", conv2d_stride, WK_ERROR_ARGUMENT, "conv2d", {"stride", "-1"}},
    {"conv2d small", conv2d_small, WK_ERROR_SHAPE, "conv2d", {"f32 [1, 2, 2, 3]", "height"}},
    {"pool rank", pool_rank, WK_ERROR_SHAPE, "max_pool2d", {"f32 [5, 5]"}},
    {"pool window", pool_window, WK_ERROR_ARGUMENT, "average_pool2d", {"window", "at least 1"}},
    {"pool padding", pool_padding, WK_ERROR_ARGUMENT, "max_pool2d", {"padding"}},
    {"sum axis", sum_axis, WK_ERROR_ARGUMENT, "sum", {"axis 2", "f32 [3, 5]"}},
    {"sum axis twice", sum_axis_twice, WK_ERROR_ARGUMENT, "sum", {"axis 1", "twice"}},
    {"max of nothing", max_empty, WK_ERROR_SHAPE, "max", {"f32 [3, 0]", "empty"}},
    {"argmax axis", argmax_axis, WK_ERROR_ARGUMENT, "argmax", {"axis -3", "f32 [3, 5]"}},
    {"softmax of a number", softmax_number, WK_ERROR_SHAPE, "softmax", {"f32 []"}},
    {"label too high",
     label_high,
     WK_ERROR_INDEX,
     "cross_entropy",
     {"label 10", "position 0", "9"}},
    {"label too low", label_low, WK_ERROR_INDEX, "cross_entropy", {"label -1", "position 0", "9"}},
    {"label dtype", label_dtype, WK_ERROR_DTYPE, "cross_entropy", {"labels", "i64"}},
    {"label sizes", label_sizes, WK_ERROR_SHAPE, "cross_entropy", {"f32 [4, 10]", "i64 [5]"}},
    {"reshape count", reshape_count, WK_ERROR_SHAPE, "reshape", {"f32 [3, 4]", "12", "10"}},
    {"reshape unknown", reshape_unknown, WK_ERROR_SHAPE, "reshape", {"f32 [3, 4]", "-1"}},
    {"permute twice", permute_twice, WK_ERROR_ARGUMENT, "permute", {"f32 [3, 4]"}},
    {"broadcast sizes", broadcast_sizes, WK_ERROR_SHAPE, "broadcast_to", {"f32 [3, 4]", "5"}},
    {"slice axis", slice_axis, WK_ERROR_ARGUMENT, "slice", {"axis 2", "f32 [3, 4]"}},
    {"concatenate sizes",
     concatenate_sizes,
     WK_ERROR_SHAPE,
     "concatenate",
     {"f32 [2, 3]", "f32 [3, 4]"}},
    {"concatenate nothing", concatenate_nothing, WK_ERROR_ARGUMENT, "concatenate", {"tensor"}},
    {"pad rank", pad_rank, WK_ERROR_ARGUMENT, "pad", {"f32 [2, 3]"}},
    {"pad negative", pad_negative, WK_ERROR_SHAPE, "pad", {"f32 [2, 3]", "less than nothing"}},
    {"dropout rate", dropout_rate, WK_ERROR_ARGUMENT, "dropout", {"rate", "1.5"}},
    {"full negative", full_negative, WK_ERROR_SHAPE, "full", {"-1"}},
    {"full huge", full_huge, WK_ERROR_SHAPE, "full", {"larger than any memory"}},
    {"uniform dtype", uniform_dtype, WK_ERROR_DTYPE, "uniform", {"i64"}},
    {"arange count", arange_count, WK_ERROR_ARGUMENT, "arange", {"count", "-1"}},
    {"two devices", two_devices, WK_ERROR_DEVICE, "add", {"cpu", "reference", "wk_tensor_to"}},
};

/* The tables of errors_<family>.c. */
static const wrong_call_table *const tables[] = {&wrong_pointwise, &wrong_reductions,
                                                 &wrong_indexing, &wrong_windows, &wrong_networks};

static int check(bool good, const wrong_call *wrong, const char *what, const char *text) {
  if (!good)
    print_error("%s on %s: %s: %s\n", wrong->name, wk_device_name(wrong_call_device), what, text);
  return !good;
}

static int check_error(const wrong_call *wrong, const wk_error *error) {
  char text[4096];
  snprintf(text, sizeof text, "%s\n%s\n%s", error->message, error->shapes, error->hint);
  int failures =
      check(error->status == wrong->status, wrong, "status", wk_status_name(error->status));
  failures += check(strcmp(error->op, wrong->op) == 0, wrong, "op", error->op);
  failures += check(strstr(error->file, "errors") != NULL, wrong, "file", error->file);
  failures += check(error->line > 0, wrong, "line", error->file);
  failures += check(error->function[0] != '\0', wrong, "function", error->function);
  for (size_t i = 0; i < COUNT_OF(wrong->says) && wrong->says[i]; i++)
    failures += check(strstr(text, wrong->says[i]) != NULL, wrong, wrong->says[i], text);
  return failures;
}

static int check_wrong_call(const wrong_call *wrong) {
  WK_SCOPE;
  const wk_tensor *result = wrong->call();
  wk_error error = {.struct_size = sizeof error};
  if (!wk_error_take(&error)) return check(false, wrong, "accepted", "no error");
  return check(result == NULL, wrong, "result", "not NULL") + check_error(wrong, &error);
}

static void test_wrong_calls(void **state) {
  int failures = 0;
  wrong_call_device = wk_device_get(*state);
  for (size_t i = 0; i < COUNT_OF(wrong_calls); i++) failures += check_wrong_call(&wrong_calls[i]);
  for (size_t t = 0; t < COUNT_OF(tables); t++)
    for (int i = 0; i < tables[t]->count; i++) failures += check_wrong_call(&tables[t]->calls[i]);
  assert_int_equal(failures, 0);
}

/* The first error stays; calls after it do nothing, not even draw random numbers. */
static void test_first_error_wins(void **state) {
  (void)state;
  WK_SCOPE;
  wrong_call_device = wk_device_get("cpu");
  wk_tensor *x = F32(3, 5);
  const size_t count = wk_scope_count();
  uint64_t seed, before, after;
  wk_generator_get(wk_generator_default(), &seed, &before);
  assert_null(wk_matmul(x, x));
  assert_null(wk_exp(x));
  assert_null(wk_dropout(x, 0.5));
  wk_generator_get(wk_generator_default(), &seed, &after);
  assert_int_equal(before, after);
  assert_int_equal(wk_scope_count(), count);
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_string_equal(error.op, "matmul");
  assert_non_null(wk_exp(x));
}

static void test_no_scope(void **state) {
  (void)state;
  assert_null(wk_full(WK_SHAPE(3), 1));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_STATE);
  assert_non_null(strstr(error.hint, "WK_SCOPE"));
}

int run_error_tests(void) {
  const struct CMUnitTest tests[] = {
      {.name = "wrong calls on cpu", .test_func = test_wrong_calls, .initial_state = "cpu"},
      {.name = "wrong calls on reference",
       .test_func = test_wrong_calls,
       .initial_state = "reference"},
      cmocka_unit_test(test_first_error_wins),
      cmocka_unit_test(test_no_scope),
  };
  return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
