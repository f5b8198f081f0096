/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of gradients. */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

#include "base/random.h"

static wk_tensor *random_leaf(wk_shape shape, uint64_t seed) {
  wk_tensor *tensor = wk_uniform(shape, -1, 1, .dtype = WK_F64, .keyed = true, .seed = seed);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

static double value_at(const wk_tensor *tensor, int64_t index) {
  double values[64] = {0};
  assert_true(wk_tensor_count(tensor) <= 64);
  wk_tensor_read(tensor, values, sizeof(double) * (size_t)wk_tensor_count(tensor));
  return values[index];
}

static void assert_near(double actual, double expected) {
  if (fabs(actual - expected) > 1e-9 * fmax(1, fabs(expected)))
    fail_msg("%.15g instead of %.15g", actual, expected);
}

static wk_tensor *slope(wk_tensor *y, wk_tensor *x) {
  wk_tensor *gradient;
  wk_grad(&gradient, wk_sum(y), WK_TENSORS(x), .create_graph = true);
  return gradient;
}

static void test_third_derivatives(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(5), 1);
  wk_tensor *cube = slope(slope(slope(wk_multiply(wk_multiply(x, x), x), x), x), x);
  wk_tensor *power = slope(slope(slope(wk_exp(wk_multiply(x, wk_scalar(2))), x), x), x);
  wk_tensor *logistic = slope(slope(slope(wk_sigmoid(x), x), x), x);
  wk_tensor *hyperbolic = slope(slope(slope(wk_tanh(x), x), x), x);
  wk_tensor *root = slope(slope(slope(wk_sqrt(wk_add(x, wk_scalar(2))), x), x), x);
  assert_no_error();
  for (int i = 0; i < 5; i++) {
    const double v = value_at(x, i), s = 1 / (1 + exp(-v)), t = tanh(v);
    assert_near(value_at(cube, i), 6);
    assert_near(value_at(power, i), 8 * exp(2 * v));
    assert_near(value_at(logistic, i), s * (1 - s) * (1 - 6 * s + 6 * s * s));
    assert_near(value_at(hyperbolic, i), (1 - t * t) * (6 * t * t - 2));
    assert_near(value_at(root, i), 0.375 * pow(v + 2, -2.5));
  }
}

/* f = sum(x^2)^2: its Hessian is 4 |x|^2 I + 8 x x^T. */
static void test_hessian_vector_product(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(4), 2);
  wk_tensor *v = wk_detach(random_leaf(WK_SHAPE(4), 3));
  wk_tensor *square = wk_sum(wk_multiply(x, x)), *product;
  wk_tensor *g = slope(wk_multiply(square, square), x);
  wk_grad(&product, wk_sum(wk_multiply(g, v)), WK_TENSORS(x));
  assert_no_error();
  double norm = 0, inner = 0;
  for (int i = 0; i < 4; i++) {
    norm += value_at(x, i) * value_at(x, i);
    inner += value_at(x, i) * value_at(v, i);
  }
  for (int i = 0; i < 4; i++)
    assert_near(value_at(product, i), 4 * norm * value_at(v, i) + 8 * inner * value_at(x, i));
}

/* A critic with f(x) = sum(tanh(x w)): the penalty (|df/dx| - 1)^2 is trained through. */
static wk_tensor *penalty(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = in.item[0], *w = in.item[1];
  if (!wk_gradients_are_recorded() || !wk_tensor_requires_gradient(x)) {
    x = wk_detach(x);
    wk_tensor_set_requires_gradient(x, true);
  }
  const bool before = wk_set_gradients_recorded(true);
  wk_tensor *g = slope(wk_tanh(wk_matmul(x, w)), x);
  wk_set_gradients_recorded(before);
  wk_tensor *norm = wk_sqrt(wk_sum(wk_multiply(g, g), .axes = WK_AXES(1)));
  wk_tensor *off = wk_subtract(norm, wk_scalar(1));
  return wk_mean(wk_multiply(off, off));
}

static void test_gradient_penalty(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(3, 4), 4), *w = random_leaf(WK_SHAPE(4, 5), 5);
  assert_int_equal(wk_gradient_check(penalty, NULL, WK_TENSORS(x, w), .relative_tolerance = 1e-5),
                   WK_OK);
  wk_backward(penalty(NULL, WK_TENSORS(x, w)));
  assert_no_error();
  assert_non_null(wk_tensor_gradient(w));
  assert_true(value_at(wk_tensor_gradient(w), 0) != 0);
}

/* ---- ops, by the public checker ---- */

static wk_tensor *broadcast(void *context, wk_tensors in) {
  (void)context;
  return wk_divide(wk_multiply(in.item[0], in.item[1]), wk_exp(in.item[2]));
}

static wk_tensor *product(void *context, wk_tensors in) {
  (void)context;
  return wk_tanh(wk_matmul(in.item[0], in.item[1]));
}

static wk_tensor *convolution(void *context, wk_tensors in) {
  (void)context;
  return wk_tanh(wk_conv2d(in.item[0], in.item[1], .bias = in.item[2], .same = true));
}

static wk_tensor *own_softmax(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *power = wk_exp(in.item[0]);
  return wk_divide(power, wk_sum(power, .axes = WK_AXES(-1), .keep_dims = true));
}

static void test_ops(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *a = random_leaf(WK_SHAPE(2, 1, 3), 6), *b = random_leaf(WK_SHAPE(4, 1), 7);
  wk_tensor *c = random_leaf(WK_SCALAR, 8), *d = random_leaf(WK_SHAPE(3, 2), 9);
  wk_tensor *image = random_leaf(WK_SHAPE(1, 3, 3, 2), 10);
  wk_tensor *weight = random_leaf(WK_SHAPE(2, 2, 2, 2), 11), *bias = random_leaf(WK_SHAPE(2), 12);
  wk_gradient_check(broadcast, NULL, WK_TENSORS(a, b, c), .order = 2);
  assert_no_error();
  wk_gradient_check(product, NULL, WK_TENSORS(wk_detach(a), d), .order = 2);
  assert_no_error();
  wk_gradient_check(convolution, NULL, WK_TENSORS(image, weight, bias), .order = 2);
  assert_no_error();
  wk_gradient_check(own_softmax, NULL, WK_TENSORS(d), .order = 2);
  assert_no_error();
}

/* ---- what the checker says ---- */

static wk_tensor *forgets_its_history(void *context, wk_tensors in) {
  (void)context;
  return wk_multiply(in.item[0], wk_detach(in.item[0]));
}

static wk_tensor *in_f32(void *context, wk_tensors in) {
  (void)context;
  return wk_cast(in.item[0], WK_F32);
}

static wk_tensor *constant(void *context, wk_tensors in) {
  (void)context;
  return wk_full(wk_tensor_shape(in.item[0]), 3, .dtype = WK_F64);
}

static void test_the_checker(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(3), 2, .dtype = WK_F64);
  wk_gradient_check(forgets_its_history, NULL, WK_TENSORS(x));
  assert_error_says(WK_ERROR_NUMERIC, "with respect to input 0, element 0");
  wk_gradient_check(in_f32, NULL, WK_TENSORS(x));
  assert_error_says(WK_ERROR_DTYPE, "differences need f64");
  wk_gradient_check(constant, NULL, WK_TENSORS(x), .order = 2);
  assert_no_error();
  wk_gradient_check(in_f32, NULL, WK_TENSORS(wk_cast(x, WK_F32)));
  assert_error_says(WK_ERROR_DTYPE, "input 0 is f32");
  wk_gradient_check(constant, NULL, WK_TENSORS(x), .order = 3);
  assert_error(WK_ERROR_ARGUMENT);
  wk_gradient_check(NULL, NULL, WK_TENSORS(x));
  assert_error(WK_ERROR_ARGUMENT);
}

/* ---- what stays alive ---- */

static int64_t active(void) {
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(wk_device_get("cpu"), &s);
  return (int64_t)s.active;
}

static void test_memory_is_given_back(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(50), 13), *w = random_leaf(WK_SHAPE(50), 14);
  wk_backward(wk_sum(wk_multiply(x, w))); /* makes the gradients' memory */
  const int64_t before = active();
  for (int i = 0; i < 20; i++) {
    WK_SCOPE;
    wk_tensor *g = slope(wk_exp(wk_multiply(x, w)), x);
    wk_tensor *h = slope(wk_multiply(g, g), w);
    if (i % 2) wk_backward(wk_sum(wk_tanh(h)));
  }
  assert_no_error();
  assert_int_equal(active(), before);
}

static void test_mistakes(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(3), 15), *g[2];
  wk_backward(wk_sum(wk_exp(x)), .create_graph = true);
  assert_error_says(WK_ERROR_UNSUPPORTED, "wk_grad(gradients, loss, inputs, .create_graph = true)");
  wk_grad(g, wk_sum(wk_multiply(x, x)), WK_TENSORS(x)); /* without a graph */
  wk_backward(wk_sum(g[0]));
  assert_error_says(WK_ERROR_STATE, "no gradient leads to this tensor");
  wk_grad(g, wk_sum(wk_multiply(x, x)), WK_TENSORS(x, x)); /* named twice */
  assert_no_error();
  assert_near(value_at(g[0], 1), 2 * value_at(x, 1));
  assert_near(value_at(g[1], 1), 2 * value_at(x, 1));
  wk_tensor *y = wk_exp(x);
  wk_tensor *first = slope(y, x);
  const double zeros[3] = {0};
  {
    WK_NO_GRADIENT;
    wk_tensor_write(wk_detach(x), zeros, sizeof zeros); /* exp needs its result, not x */
  }
  wk_grad(g, wk_sum(first), WK_TENSORS(x));
  assert_no_error();
  {
    WK_NO_GRADIENT;
    wk_tensor_write(wk_detach(y), zeros, sizeof zeros);
  }
  wk_grad(g, wk_sum(first), WK_TENSORS(x));
  assert_error(WK_ERROR_STATE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_third_derivatives), cmocka_unit_test(test_hessian_vector_product),
      cmocka_unit_test(test_gradient_penalty),  cmocka_unit_test(test_ops),
      cmocka_unit_test(test_the_checker),       cmocka_unit_test(test_memory_is_given_back),
      cmocka_unit_test(test_mistakes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
