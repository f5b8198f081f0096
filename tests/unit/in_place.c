/* SPDX-License-Identifier: Apache-2.0 */
/* Values that a gradient needs and that are written to after they were saved, by whatever way: the
 * backward says so instead of using them. */
#include "support/unit.h"

#include <wick/wick.h>

#include "ops/dispatch.h"
#include "ops/records.gen.h"

static const double sevens[6] = {7, 7, 7, 7, 7, 7};

static wk_tensor *matrix(void) { return wk_full(WK_SHAPE(2, 3), 4, .dtype = WK_F64); }

static wk_tensor *leaf(void) {
  wk_tensor *tensor = wk_full(WK_SHAPE(2, 3), 2, .dtype = WK_F64);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

static void write_sevens(wk_tensor *tensor) {
  WK_NO_GRADIENT;
  const size_t size = sizeof(double) * (size_t)wk_tensor_count(tensor);
  assert_int_equal(wk_tensor_write(tensor, sevens, size), WK_OK);
}

static wk_tensor *row(wk_tensor *tensor) { return wk_slice(tensor, 0, 1, 2); }

static void test_through_a_view(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *y = matrix(), *loss = wk_sum(wk_multiply(x, y));
  write_sevens(row(y));
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "y f64 [2, 3], which the gradient of multiply needs, was "
                                    "overwritten");
}

/* A view made before, a view of a view, and one with other strides. */
static void test_through_earlier_and_turned_views(void **state) {
  (void)state;
  WK_SCOPE;
  for (int i = 0; i < 3; i++) {
    wk_tensor *x = leaf(), *y = matrix(), *before = wk_permute(y, WK_AXES(1, 0));
    wk_tensor *loss = wk_sum(wk_multiply(x, y));
    write_sevens(i == 0 ? before : i == 1 ? row(before) : wk_detach(y));
    wk_backward(loss);
    assert_error_says(WK_ERROR_STATE, "overwritten");
    double values[6];
    wk_tensor_read(y, values, sizeof values);
    assert_true(values[1] == 7); /* the write went through */
  }
}

static void test_the_base_of_a_saved_view(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *y = matrix();
  wk_tensor *loss = wk_sum(wk_multiply(row(x), row(y)));
  write_sevens(y);
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "y f64 [1, 3]");
}

static void test_a_saved_result(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *y = wk_exp(x), *loss = wk_sum(y);
  assert_int_equal(wk_tensor_write(y, sevens, sizeof sevens), WK_ERROR_STATE); /* has a history */
  wk_error_clear();
  write_sevens(wk_detach(y)); /* the same memory, without it */
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "the result f64 [2, 3], which the gradient of exp needs");
}

static void test_a_leaf_and_its_views(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *view = row(x);
  assert_int_equal(wk_tensor_write(x, sevens, sizeof sevens), WK_ERROR_STATE);
  wk_error_clear();
  assert_int_equal(wk_tensor_write(view, sevens, 3 * sizeof(double)), WK_ERROR_STATE);
  wk_error_clear();
  wk_tensor *loss = wk_sum(wk_multiply(x, x));
  write_sevens(view);
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "overwritten");
}

/* By an op that writes: through the tensor itself, a view, and what detach gives. */
static void test_update_ops(void **state) {
  (void)state;
  WK_SCOPE;
  for (int i = 0; i < 6; i++) {
    wk_tensor *x = leaf(), *y = matrix(), *loss = wk_sum(wk_multiply(x, y));
    wk_tensor *target = i % 3 == 0 ? y : i % 3 == 1 ? row(y) : wk_detach(y);
    wk_tensor *values = wk_full(wk_tensor_shape(target), 1, .dtype = WK_F64);
    const wk_op *op = &wk_op_table[i < 3 ? WK_OP_ADD_UPDATE : WK_OP_COPY_UPDATE];
    const wk_add_update_arguments arguments = {sizeof arguments, target, values};
    assert_int_equal(wk_op_run(op, WK_HERE, &arguments, NULL), WK_OK);
    wk_backward(loss);
    assert_error_says(WK_ERROR_STATE, "overwritten");
  }
}

/* The second order reads what was saved again, later. */
static void test_between_two_orders(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *y = wk_exp(x), *g, *second;
  wk_grad(&g, wk_sum(y), WK_TENSORS(x), .create_graph = true);
  assert_no_error();
  write_sevens(wk_detach(y));
  wk_grad(&second, wk_sum(g), WK_TENSORS(x));
  assert_error_says(WK_ERROR_STATE, "overwritten");
}

static void test_what_no_gradient_needs_may_change(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = leaf(), *y = matrix(), *z = matrix();
  wk_tensor *loss = wk_sum(wk_multiply(wk_add(x, z), y)); /* a sum's slope needs no values */
  write_sevens(z);
  wk_backward(loss);
  assert_no_error();
  wk_tensor *again = wk_sum(wk_multiply(x, y));
  wk_backward(again);
  write_sevens(y); /* after the backward */
  assert_no_error();
}

typedef struct pair {
  wk_module *network;
  wk_optimizer *optimizer;
} pair;

static pair make_pair(void) {
  wk_module *network = wk_sequential(wk_linear_layer(4), wk_relu_layer(), wk_linear_layer(2));
  wk_module_build_for(network, WK_SHAPE(3), WK_F64, NULL);
  return (pair){network, wk_sgd_create(network, .learning_rate = 0.5)};
}

static void free_pair(pair p) {
  wk_optimizer_free(p.optimizer);
  wk_module_free(p.network);
}

/* Two losses of the same parameters: the step between them makes the second one's records untrue.
 */
static void test_an_optimizer_step(void **state) {
  (void)state;
  WK_SCOPE;
  pair p = make_pair();
  wk_tensor *first = wk_mean(wk_forward(p.network, matrix()));
  wk_tensor *second = wk_mean(wk_forward(p.network, matrix()));
  wk_backward(first);
  wk_optimizer_step(p.optimizer);
  assert_no_error();
  wk_backward(second);
  assert_error_says(WK_ERROR_STATE, "was overwritten after the op ran");
  wk_backward(wk_mean(wk_forward(p.network, matrix()))); /* a new forward is fine */
  assert_no_error();
  free_pair(p);
}

/* Parameters lie side by side in one chunk, yet each counts its own writes. */
static void test_a_neighbouring_parameter(void **state) {
  (void)state;
  WK_SCOPE;
  pair p = make_pair();
  wk_parameters *set = wk_module_parameters(p.network);
  for (size_t i = 0; i < wk_parameters_count(set); i++)
    wk_parameters_freeze(set, i, strcmp(wk_tensor_name(wk_parameters_get(set, i)), "2.bias") != 0);
  wk_tensor *input = wk_full(WK_SHAPE(2, 3), 4, .dtype = WK_F64);
  wk_tensor_set_requires_gradient(input, true);
  wk_tensor *first = wk_mean(wk_forward(p.network, matrix()));
  wk_tensor *second = wk_mean(wk_forward(p.network, input)); /* needs the weights, no bias */
  wk_backward(first);
  wk_optimizer_step(p.optimizer);
  wk_backward(second);
  assert_no_error();
  free_pair(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_through_a_view),
      cmocka_unit_test(test_through_earlier_and_turned_views),
      cmocka_unit_test(test_the_base_of_a_saved_view),
      cmocka_unit_test(test_a_saved_result),
      cmocka_unit_test(test_a_leaf_and_its_views),
      cmocka_unit_test(test_update_ops),
      cmocka_unit_test(test_between_two_orders),
      cmocka_unit_test(test_what_no_gradient_needs_may_change),
      cmocka_unit_test(test_an_optimizer_step),
      cmocka_unit_test(test_a_neighbouring_parameter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
