/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <wick/wick.h>

#include "tensor/tensor.h"

static wk_tensor *vector(int64_t count, double value) {
  return wk_full(WK_SHAPE(count), value, .dtype = WK_F64);
}

static wk_tensor *leaf(int64_t count, double value) {
  wk_tensor *tensor = vector(count, value);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

static double first(const wk_tensor *tensor) {
  double values[8] = {0};
  wk_tensor_read(tensor, values, sizeof(double) * (size_t)wk_tensor_count(tensor));
  return values[0];
}

static void test_backward_fills_leaves(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(3, 2), *y = leaf(3, 5);
  wk_backward(wk_sum(wk_multiply(x, y)));
  assert_no_error();
  assert_true(first(wk_tensor_gradient(x)) == 5);
  assert_true(first(wk_tensor_gradient(y)) == 2);
}

static void test_gradients_add_up_until_cleared(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(3, 2);
  assert_null(wk_tensor_gradient(x));
  wk_backward(wk_sum(x));
  wk_backward(wk_sum(x));
  assert_true(first(wk_tensor_gradient(x)) == 2);
  wk_tensor_clear_gradient(x);
  assert_null(wk_tensor_gradient(x));
  wk_backward(wk_sum(x));
  assert_true(first(wk_tensor_gradient(x)) == 1);
}

static void test_one_tensor_used_twice(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3);
  wk_tensor *square = wk_multiply(x, x);
  wk_backward(wk_sum(wk_multiply(square, square))); /* 4 x^3 */
  assert_no_error();
  assert_true(first(wk_tensor_gradient(x)) == 108);
}

static void test_broadcast_gradients_are_summed(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(2, 1, 3), 1, .dtype = WK_F64), *y = leaf(3, 1);
  wk_tensor *z = wk_full(WK_SCALAR, 4, .dtype = WK_F64);
  wk_tensor_set_requires_gradient(z, true);
  wk_backward(wk_sum(wk_multiply(wk_multiply(x, y), z)));
  assert_no_error();
  assert_int_equal(wk_tensor_rank(wk_tensor_gradient(y)), 1);
  assert_true(first(wk_tensor_gradient(y)) == 8);
  assert_true(first(wk_tensor_gradient(z)) == 6);
}

static void test_grad_of_inner_results_and_unrelated_tensors(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3), *unrelated = leaf(4, 1);
  wk_tensor *inner = wk_multiply(x, x), *loss = wk_sum(wk_multiply(inner, inner));
  wk_tensor *gradients[3];
  wk_grad(gradients, loss, WK_TENSORS(inner, x, unrelated));
  assert_no_error();
  assert_true(first(gradients[0]) == 18);
  assert_true(first(gradients[1]) == 108);
  assert_true(first(gradients[2]) == 0);
  assert_null(wk_tensor_gradient(x)); /* leaves stay as they are */
}

static void test_graph_is_spent_unless_kept(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3), *loss = wk_sum(wk_multiply(x, x));
  wk_backward(loss, .retain_graph = true);
  wk_backward(loss);
  assert_no_error();
  assert_true(first(wk_tensor_gradient(x)) == 12);
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "retain_graph");
}

static void test_overwriting_what_the_gradient_needs_is_seen(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3), *y = vector(2, 4), *loss = wk_sum(wk_multiply(x, y));
  const double values[2] = {7, 7};
  assert_int_equal(wk_tensor_write(y, values, sizeof values), WK_OK);
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "overwritten");
}

static void test_writing_a_leaf_needs_no_gradient(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3);
  const double values[2] = {7, 7};
  wk_tensor_write(x, values, sizeof values);
  assert_error(WK_ERROR_STATE);
  WK_NO_GRADIENT;
  assert_int_equal(wk_tensor_write(x, values, sizeof values), WK_OK);
}

static void test_nothing_is_recorded_without_need(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(2, 3);
  assert_true(wk_tensor_requires_gradient(wk_multiply(x, x)));
  assert_false(wk_tensor_requires_gradient(wk_detach(wk_multiply(x, x))));
  assert_false(wk_tensor_requires_gradient(wk_argmax(x, 0)));
  assert_false(wk_tensor_requires_gradient(wk_cast(x, WK_I64)));
  {
    WK_NO_GRADIENT;
    assert_false(wk_tensor_requires_gradient(wk_multiply(x, x)));
  }
  assert_true(wk_gradients_are_recorded());
  assert_no_error();
}

static void test_a_long_chain_needs_no_deep_stack(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(1, 1), *y = wk_tensor_retain(wk_multiply(x, x));
  for (int i = 0; i < 200000; i++) {
    WK_SCOPE;
    wk_tensor *next = wk_tensor_retain(wk_negative(y));
    wk_tensor_release(y);
    y = next;
  }
  wk_backward(y);
  assert_no_error();
  assert_true(first(wk_tensor_gradient(x)) == 2);
  wk_tensor_release(y);
}

/* After forward, memory holds what the tape saved and nothing else; after backward, nothing. */
static void test_the_tape_lets_go(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(1024, 1);
  wk_backward(wk_sum(x)); /* makes the gradient's memory */
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_statistics_get(wk_device_get("cpu"), &before);
  {
    WK_SCOPE;
    wk_tensor *loss = wk_sum(wk_exp(wk_negative(x)));
    wk_memory_statistics_get(wk_device_get("cpu"), &after);
    assert_true(after.active > before.active);
    wk_backward(loss);
  }
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_int_equal(after.active, before.active);
}

static void test_mistakes(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(3, 2);
  wk_backward(wk_multiply(x, x));
  assert_error_says(WK_ERROR_SHAPE, "3 elements");
  wk_backward(wk_sum(vector(3, 1)));
  assert_error_says(WK_ERROR_STATE, "requires");
  wk_backward(NULL);
  assert_error(WK_ERROR_ARGUMENT);
  wk_tensor_set_requires_gradient(wk_arange(3, .dtype = WK_I64), true);
  assert_error(WK_ERROR_DTYPE);
}

/* A gradient that only the walk knows becomes the leaf's where it lies. */
static void test_memory_of_fresh_gradients(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(3, 2), *y = leaf(3, 5), *seed = vector(3, 7);
  for (int i = 0; i < 3; i++) {
    wk_tensor_clear_gradient(x);
    wk_tensor_clear_gradient(y);
    wk_tensor *const before = x->leaf ? x->leaf->gradient : NULL;
    wk_backward(wk_multiply(x, y), .gradient = seed); /* a gradient each */
    assert_true(first(wk_tensor_gradient(x)) == 35 && first(wk_tensor_gradient(y)) == 14);
    assert_true(!before || wk_tensor_gradient(x) == before);
    wk_tensor_clear_gradient(x);
    wk_tensor_clear_gradient(y);
    wk_backward(wk_add(x, y), .gradient = seed); /* the seed itself for both */
    wk_backward(wk_add(x, x), .gradient = seed);
    assert_true(first(wk_tensor_gradient(x)) == 21 && first(wk_tensor_gradient(y)) == 7);
    assert_true(first(seed) == 7);
  }
  wk_tensor *view = wk_detach(wk_tensor_gradient(y)); /* sees what is written later, as ever */
  wk_tensor_clear_gradient(y);
  wk_backward(wk_multiply(x, y), .gradient = seed);
  assert_true(first(view) == 14 && first(wk_tensor_gradient(y)) == 14);
  assert_no_error();
}

/* A small dense layer is one op with the bits of those that it stands for, a row whatever is beside
 * it. */
static void test_small_dense_layers(void **state) {
  (void)state;
  const int64_t sizes[][3] = {{1, 64, 64},  {5, 17, 33}, {3, 1, 1},
                              {7, 256, 40}, {2, 300, 9}, {0, 4, 4}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    WK_SCOPE;
    const int64_t rows = sizes[i][0], inner = sizes[i][1], units = sizes[i][2];
    wk_tensor *x = wk_normal(WK_SHAPE(rows, inner)), *bias = wk_normal(WK_SHAPE(units));
    wk_tensor *weight = wk_normal(WK_SHAPE(units, inner)), *whole = wk_linear(x, weight, bias);
    wk_tensor *parts = wk_add(wk_matmul(x, wk_permute(weight, WK_AXES(1, 0))), bias);
    wk_tensor *row = wk_linear(wk_slice(x, 0, 0, 1), weight, bias);
    float a[320], b[320], c[64];
    wk_tensor_read(whole, a, sizeof(float) * (size_t)(rows * units));
    wk_tensor_read(parts, b, sizeof(float) * (size_t)(rows * units));
    assert_memory_equal(a, b, sizeof(float) * (size_t)(rows * units));
    if (rows) {
      wk_tensor_read(row, c, sizeof(float) * (size_t)units);
      assert_memory_equal(a, c, sizeof(float) * (size_t)units);
    }
    assert_no_error();
    assert_string_equal(whole->producer, inner <= 256 ? "linear" : "add");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_backward_fills_leaves),
      cmocka_unit_test(test_gradients_add_up_until_cleared),
      cmocka_unit_test(test_one_tensor_used_twice),
      cmocka_unit_test(test_broadcast_gradients_are_summed),
      cmocka_unit_test(test_grad_of_inner_results_and_unrelated_tensors),
      cmocka_unit_test(test_graph_is_spent_unless_kept),
      cmocka_unit_test(test_overwriting_what_the_gradient_needs_is_seen),
      cmocka_unit_test(test_writing_a_leaf_needs_no_gradient),
      cmocka_unit_test(test_nothing_is_recorded_without_need),
      cmocka_unit_test(test_a_long_chain_needs_no_deep_stack),
      cmocka_unit_test(test_the_tape_lets_go),
      cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_memory_of_fresh_gradients),
      cmocka_unit_test(test_small_dense_layers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
