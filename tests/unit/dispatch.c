/* SPDX-License-Identifier: Apache-2.0 */
/* How ops take their arguments: defaults, ranges, other versions of the structs, and what an error
 * says. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

#include "ops/dispatch.h"
#include "ops/records.gen.h"

static wk_tensor *ones(wk_shape shape) { return wk_full(shape, 1); }

static void test_defaults_are_filled_in(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *y = wk_conv2d(ones(WK_SHAPE(1, 4, 4, 2)), ones(WK_SHAPE(3, 3, 3, 2)));
  assert_int_equal(wk_tensor_dim(y, 1), 2);
  y = wk_conv2d(ones(WK_SHAPE(1, 5, 5, 2)), ones(WK_SHAPE(3, 3, 3, 2)), .stride = {2});
  assert_int_equal(wk_tensor_dim(y, 1), 2);
  assert_int_equal(wk_tensor_dim(y, 2), 2);
  y = wk_conv2d(ones(WK_SHAPE(1, 5, 5, 2)), ones(WK_SHAPE(3, 3, 3, 2)), .padding = {1, 0});
  assert_int_equal(wk_tensor_dim(y, 1), 5);
  assert_int_equal(wk_tensor_dim(y, 2), 3);
  assert_no_error();
}

static void test_ranges_are_checked(void **state) {
  (void)state;
  WK_SCOPE;
  assert_null(wk_conv2d(ones(WK_SHAPE(1, 4, 4, 2)), ones(WK_SHAPE(3, 3, 3, 2)), .groups = -1));
  assert_error_says(WK_ERROR_ARGUMENT, "groups of conv2d is -1");
  assert_null(wk_dropout(ones(WK_SHAPE(3)), 1.5));
  assert_error_says(WK_ERROR_ARGUMENT, "rate of dropout is 1.5");
  assert_null(wk_arange(-1));
  assert_error(WK_ERROR_ARGUMENT);
}

static void test_an_older_caller_has_fewer_settings(void **state) {
  (void)state;
  WK_SCOPE;
  wk_sum_arguments arguments = {.x = ones(WK_SHAPE(2, 3)), .keep_dims = true};
  arguments.struct_size = offsetof(wk_sum_arguments, keep_dims);
  wk_tensor *y = wk_sum_at(WK_HERE, &arguments);
  assert_no_error();
  assert_int_equal(wk_tensor_rank(y), 0);
}

static void test_a_newer_caller_may_leave_new_settings_zero(void **state) {
  (void)state;
  WK_SCOPE;
  struct {
    wk_sum_arguments known;
    int64_t later;
  } arguments = {.known = {.struct_size = sizeof arguments, .x = ones(WK_SHAPE(2, 3))}};
  assert_non_null(wk_sum_at(WK_HERE, &arguments.known));
  arguments.later = 1;
  assert_null(wk_sum_at(WK_HERE, &arguments.known));
  assert_error(WK_ERROR_UNSUPPORTED);
  arguments.known.struct_size = 8;
  assert_null(wk_sum_at(WK_HERE, &arguments.known));
  assert_error(WK_ERROR_ARGUMENT);
}

static void test_errors_name_everything(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ones(WK_SHAPE(2, 3));
  const int line = __LINE__ + 1;
  assert_null(wk_matmul(x, wk_permute(ones(WK_SHAPE(5, 4)), WK_AXES(1, 0))));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_SHAPE);
  assert_string_equal(error.op, "matmul");
  assert_int_equal(error.line, line);
  assert_string_equal(error.function, __func__);
  assert_non_null(strstr(error.shapes, "[2, 3]"));
  assert_non_null(strstr(error.shapes, "[4, 5]"));
  assert_non_null(strstr(error.shapes, "from permute"));
  assert_non_null(strstr(error.hint, "wk_permute"));
}

static void test_calls_do_nothing_while_an_error_is_pending(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ones(WK_SHAPE(2, 3));
  assert_null(wk_add(x, NULL));
  const size_t count = wk_scope_count();
  assert_null(wk_add(x, x));
  assert_null(wk_relu(NULL)); /* a second mistake: the first stays */
  assert_int_equal(wk_scope_count(), count);
  assert_error_says(WK_ERROR_ARGUMENT, "y of add is NULL");
}

static void test_products_do_not_mix_dtypes_and_devices(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = ones(WK_SHAPE(3, 3));
  assert_null(wk_matmul(x, wk_full(WK_SHAPE(3, 3), 1, .dtype = WK_F64)));
  assert_error_says(WK_ERROR_DTYPE, "wk_cast");
  assert_null(wk_add(x, wk_tensor_to(x, wk_device_get("reference"))));
  assert_error_says(WK_ERROR_DEVICE, "wk_tensor_to");
  assert_null(wk_softmax(wk_cast(x, WK_I64)));
  assert_error(WK_ERROR_DTYPE);
}

static void test_an_op_needs_a_scope(void **state) {
  (void)state;
  wk_tensor *kept;
  {
    WK_SCOPE;
    kept = wk_tensor_retain(ones(WK_SHAPE(3)));
  }
  assert_null(wk_add(kept, kept));
  assert_error_says(WK_ERROR_STATE, "scope");
  wk_tensor *sum;
  const wk_add_arguments arguments = {.struct_size = sizeof arguments, .x = kept, .y = kept};
  assert_int_equal(wk_call_op(WK_HERE, "add", &arguments, &sum, 1), WK_OK);
  wk_tensor_release(sum);
  wk_tensor_release(kept);
}

static void test_call_op_by_name(void **state) {
  (void)state;
  wk_tensor *output;
  const wk_full_arguments arguments = {.struct_size = sizeof arguments, .value = 3};
  assert_int_equal(wk_call_op(WK_HERE, "full", &arguments, &output, 1), WK_OK);
  assert_true(wk_item(output) == 3);
  wk_tensor_release(output);
  assert_int_equal(wk_call_op(WK_HERE, "nothing", &arguments, &output, 1), WK_ERROR_NOT_FOUND);
  wk_error_clear();
  assert_int_equal(wk_call_op(WK_HERE, "adam_update", &arguments, NULL, 0), WK_ERROR_NOT_FOUND);
  wk_error_clear();
  bool listed = false;
  for (int i = 0; wk_op_name_at(i); i++) listed = listed || !strcmp(wk_op_name_at(i), "full");
  assert_true(listed);
  assert_null(wk_op_name_at(100000));
}

static void test_random_ops_use_up_their_generator(void **state) {
  (void)state;
  WK_SCOPE;
  wk_generator *generator = wk_generator_create(7);
  wk_tensor *both = wk_uniform(WK_SHAPE(10), .keyed = true, .seed = 7);
  wk_tensor *head = wk_uniform(WK_SHAPE(4), .generator = generator);
  wk_tensor *tail = wk_uniform(WK_SHAPE(6), .generator = generator);
  float values[10], joined[10];
  wk_tensor_read(both, values, sizeof values);
  wk_tensor_read(wk_concatenate(WK_TENSORS(head, tail), 0), joined, sizeof joined);
  assert_memory_equal(values, joined, sizeof values);
  uint64_t seed, offset;
  wk_generator_get(generator, &seed, &offset);
  assert_int_equal(offset, 10);
  wk_generator_free(generator);
  assert_no_error();
}

static void test_reshape_of_what_is_not_contiguous(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_reshape(wk_arange(24), WK_SHAPE(2, 3, 4));
  wk_tensor *turned = wk_permute(x, WK_AXES(1, 0, 2));
  float values[24];
  wk_tensor_read(wk_reshape(turned, WK_SHAPE(6, 4)), values, sizeof values);
  assert_true(values[4] == 12 && values[8] == 4);
  wk_tensor *view = wk_reshape(turned, WK_SHAPE(3, 2, 2, 2)); /* regular in memory: no copy */
  assert_false(wk_tensor_is_contiguous(view));
  assert_null(wk_reshape(x, WK_SHAPE(5, -1)));
  assert_error(WK_ERROR_SHAPE);
  assert_null(wk_reshape(x, WK_SHAPE(-1, -1)));
  assert_error(WK_ERROR_SHAPE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_defaults_are_filled_in),
      cmocka_unit_test(test_ranges_are_checked),
      cmocka_unit_test(test_an_older_caller_has_fewer_settings),
      cmocka_unit_test(test_a_newer_caller_may_leave_new_settings_zero),
      cmocka_unit_test(test_errors_name_everything),
      cmocka_unit_test(test_calls_do_nothing_while_an_error_is_pending),
      cmocka_unit_test(test_products_do_not_mix_dtypes_and_devices),
      cmocka_unit_test(test_an_op_needs_a_scope),
      cmocka_unit_test(test_call_op_by_name),
      cmocka_unit_test(test_random_ops_use_up_their_generator),
      cmocka_unit_test(test_reshape_of_what_is_not_contiguous),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
