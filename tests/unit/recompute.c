/* SPDX-License-Identifier: Apache-2.0 */
/* wk_checkpoint: gradients as without it, from less memory. */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

#include "tensor/tensor.h"

static wk_tensor *random_leaf(wk_shape shape, uint64_t seed) {
  wk_tensor *tensor = wk_uniform(shape, -1, 1, .dtype = WK_F64, .keyed = true, .seed = seed);
  wk_tensor_set_requires_gradient(tensor, true);
  return tensor;
}

/* Sums of gradients may be added up in another order, in a unit of the last place each. */
static void assert_equal_values(const wk_tensor *a, const wk_tensor *b, double tolerance) {
  double x[64], y[64];
  assert_non_null(a);
  assert_non_null(b);
  const size_t size = (size_t)wk_tensor_count(a) * sizeof *x;
  assert_true(size <= sizeof x && wk_tensor_count(a) == wk_tensor_count(b));
  wk_tensor_read(a, x, size);
  wk_tensor_read(b, y, size);
  assert_no_error();
  for (int64_t i = 0; i < wk_tensor_count(a); i++)
    if (fabs(x[i] - y[i]) > tolerance) fail_msg("%.17g instead of %.17g", x[i], y[i]);
}

/* A block that reaches a weight through its context, and draws random numbers. */
typedef struct block {
  wk_tensor *weight;
  wk_generator *generator;
  int runs, recomputed, ends;
  struct block *inner; /* runs in a checkpoint of its own */
} block;

static wk_tensor *forward(void *context, wk_tensors in) {
  block *b = context;
  b->runs++;
  b->recomputed += wk_is_recomputing();
  wk_tensor *y = wk_tanh(wk_matmul(in.item[0], b->weight));
  y = wk_dropout(y, 0.5, .generator = b->generator);
  if (b->inner) y = wk_checkpoint(forward, b->inner, WK_TENSORS(y));
  return wk_add(y, wk_dropout(in.item[0], 0.3));
}

static void end(void *context) { ((block *)context)->ends++; }

typedef struct outcome {
  wk_tensor *y, *x_gradient, *w_gradient, *v_gradient;
} outcome;

/* Runs the block, in a checkpoint or not, with the same numbers; gradients are kept in `o`. */
static block run(bool checkpointed, outcome *o) {
  wk_generator_set(wk_generator_default(), 5, 100);
  wk_generator *generator = wk_generator_create(9);
  wk_tensor *x = random_leaf(WK_SHAPE(3, 4), 1), *w = random_leaf(WK_SHAPE(4, 4), 2);
  wk_tensor *v = random_leaf(WK_SHAPE(4, 4), 3);
  wk_tensor *scaled = wk_multiply(v, wk_scalar(2)); /* reached through the context, and no leaf */
  static block inner, b; /* after a failure the record outlives this call, and its end is told */
  inner = (block){scaled, generator, 0, 0, 0, NULL};
  b = (block){w, generator, 0, 0, 0, &inner};
  wk_tensor *input = wk_multiply(x, wk_scalar(3));
  o->y = checkpointed ? wk_checkpoint(forward, &b, WK_TENSORS(input), .destroy = end)
                      : forward(&b, WK_TENSORS(input));
  wk_tensor *next = wk_uniform(WK_SHAPE(4), .dtype = WK_F64);
  wk_backward(wk_sum(wk_multiply(wk_multiply(o->y, o->y), wk_add(input, next))));
  o->x_gradient = wk_tensor_gradient(x), o->w_gradient = wk_tensor_gradient(w);
  o->v_gradient = wk_tensor_gradient(v);
  wk_generator_free(generator);
  return b;
}

static void test_equal_to_a_plain_run(void **state) {
  (void)state;
  WK_SCOPE;
  outcome plain, checkpointed;
  uint64_t seed, before, after;
  block b = run(false, &plain);
  wk_generator_get(wk_generator_default(), &seed, &before);
  assert_no_error();
  b = run(true, &checkpointed);
  wk_generator_get(wk_generator_default(), &seed, &after);
  assert_no_error();
  assert_int_equal(after, before); /* the second run uses up no numbers */
  assert_int_equal(b.runs, 2);
  assert_int_equal(b.recomputed, 1);
  assert_int_equal(b.ends, 1); /* as soon as backward is through */
  assert_false(wk_is_recomputing());
  assert_equal_values(checkpointed.y, plain.y, 0);
  assert_equal_values(checkpointed.x_gradient, plain.x_gradient, 1e-14);
  assert_equal_values(checkpointed.w_gradient, plain.w_gradient, 1e-14);
  assert_equal_values(checkpointed.v_gradient, plain.v_gradient, 1e-14);
}

static void test_only_the_context_requires_a_gradient(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_detach(random_leaf(WK_SHAPE(3, 4), 1)), *w = random_leaf(WK_SHAPE(4, 4), 2);
  block b = {w, NULL, 0, 0, 0, NULL};
  wk_backward(wk_sum(wk_checkpoint(forward, &b, WK_TENSORS(x))));
  assert_no_error();
  assert_non_null(wk_tensor_gradient(w));
  assert_int_equal(b.runs, 2);
}

static wk_tensor *smooth(void *context, wk_tensors in) {
  return wk_tanh(wk_multiply(in.item[0], wk_multiply(in.item[1], context)));
}

static wk_tensor *checkpointed_twice(void *context, wk_tensors in) {
  wk_tensor *y = wk_checkpoint(smooth, context, in);
  return wk_checkpoint(smooth, context, WK_TENSORS(y, in.item[1]));
}

static wk_tensor *within_another(void *context, wk_tensors in) {
  return wk_checkpoint(checkpointed_twice, context, in);
}

static void test_higher_orders(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(2, 3), 4), *y = random_leaf(WK_SHAPE(3), 5);
  wk_tensor *constant = wk_full(WK_SCALAR, 1.5, .dtype = WK_F64);
  wk_gradient_check(checkpointed_twice, constant, WK_TENSORS(x, y), .order = 2);
  assert_no_error();
  wk_gradient_check(within_another, constant, WK_TENSORS(x, y), .order = 2);
  assert_no_error();
}

static wk_tensor *itself(void *context, wk_tensors in) {
  (void)context;
  return in.item[0];
}

static void test_a_function_that_returns_its_input(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(2), 6);
  wk_backward(wk_sum(wk_checkpoint(itself, NULL, WK_TENSORS(x))));
  wk_backward(wk_sum(wk_checkpoint(itself, NULL, WK_TENSORS(wk_negative(x)))));
  assert_no_error();
  double g[2];
  wk_tensor_read(wk_tensor_gradient(x), g, sizeof g);
  assert_true(g[0] == 0);
}

static void test_nothing_to_record(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(3, 4), 1), *w = random_leaf(WK_SHAPE(4, 4), 2);
  block b = {wk_detach(w), NULL, 0, 0, 0, NULL};
  wk_tensor *y = wk_checkpoint(forward, &b, WK_TENSORS(wk_detach(x)), .destroy = end);
  assert_false(wk_tensor_requires_gradient(y));
  assert_int_equal(b.ends, 1);
  WK_NO_GRADIENT;
  y = wk_checkpoint(forward, &b, WK_TENSORS(x), .destroy = end);
  assert_false(wk_tensor_requires_gradient(y));
  assert_int_equal(b.ends, 2);
  assert_no_error();
}

/* ---- modules ---- */

static wk_tensor *run_module(void *context, wk_tensors in) {
  return wk_forward(context, in.item[0]);
}

static wk_module *make_network(void) {
  wk_module *network =
      wk_sequential(wk_linear_layer(8), wk_relu_layer(), wk_dropout_layer(0.4), wk_linear_layer(3));
  wk_generator *generator = wk_generator_create(3);
  wk_module_build_for(network, WK_SHAPE(4), WK_F64, generator);
  wk_generator_free(generator);
  return network;
}

static wk_parameters *train_module(wk_module *network, bool checkpointed) {
  WK_SCOPE;
  wk_generator_set(wk_generator_default(), 8, 0);
  wk_tensor *x = wk_uniform(WK_SHAPE(5, 4), .dtype = WK_F64);
  wk_tensor *y =
      checkpointed ? wk_checkpoint(run_module, network, WK_TENSORS(x)) : wk_forward(network, x);
  wk_backward(wk_sum(wk_multiply(y, y)));
  assert_no_error();
  return wk_module_parameters(network);
}

static void test_parameters_of_a_module(void **state) {
  (void)state;
  wk_module *plain = make_network(), *checkpointed = make_network();
  wk_parameters *a = train_module(plain, false), *b = train_module(checkpointed, true);
  assert_int_equal(wk_parameters_count(a), 4);
  for (size_t i = 0; i < wk_parameters_count(a); i++)
    assert_equal_values(wk_tensor_gradient(wk_parameters_get(b, i)),
                        wk_tensor_gradient(wk_parameters_get(a, i)), 0);
  wk_module_free(plain);
  wk_module_free(checkpointed);
}

/* ---- memory ---- */

static int64_t active(void) {
  wk_memory_statistics s = {.struct_size = sizeof s};
  wk_memory_statistics_get(wk_device_get("cpu"), &s);
  return (int64_t)s.active;
}

static wk_tensor *deep(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *y = in.item[0];
  for (int i = 0; i < 16; i++) y = wk_tanh(y);
  return y;
}

static void test_memory(void **state) {
  (void)state;
  WK_SCOPE;
  const int64_t size = 4096;
  wk_tensor *x = random_leaf(WK_SHAPE(size), 7);
  const int64_t start = active(), bytes = size * (int64_t)sizeof(double);
  {
    WK_SCOPE;
    wk_tensor *y = wk_checkpoint(deep, NULL, WK_TENSORS(x));
    assert_int_equal(active() - start, bytes); /* the result alone */
    wk_backward(wk_sum(y));
  }
  assert_no_error();
  assert_int_equal(active() - start, bytes); /* the gradient */
  {
    WK_SCOPE; /* never gone back through */
    block b = {x, NULL, 0, 0, 0, NULL};
    wk_checkpoint(deep, &b, WK_TENSORS(x), .destroy = end);
    assert_int_equal(b.ends, 0);
  }
  assert_int_equal(active() - start, bytes);
}

/* ---- mistakes ---- */

static wk_tensor *grows(void *context, wk_tensors in) {
  int *runs = context;
  return ++*runs == 1 ? wk_exp(in.item[0]) : wk_concatenate(WK_TENSORS(in.item[0], in.item[0]), 0);
}

static wk_tensor *draws_more(void *context, wk_tensors in) {
  int *runs = context;
  wk_tensor *y = wk_dropout(in.item[0], 0.5);
  return ++*runs == 1 ? y : wk_dropout(y, 0.5);
}

static wk_tensor *gives_nothing(void *context, wk_tensors in) {
  (void)context, (void)in;
  return NULL;
}

static void test_mistakes(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = random_leaf(WK_SHAPE(3), 8);
  int runs = 0;
  wk_backward(wk_sum(wk_checkpoint(grows, &runs, WK_TENSORS(x))));
  assert_error_says(WK_ERROR_STATE, "gave f64 [3] at first and f64 [6]");
  runs = 0;
  wk_backward(wk_sum(wk_checkpoint(draws_more, &runs, WK_TENSORS(x))));
  assert_error_says(WK_ERROR_STATE, "other random numbers");
  assert_null(wk_checkpoint(gives_nothing, NULL, WK_TENSORS(x)));
  assert_error_says(WK_ERROR_CALLBACK, "no result");
  assert_null(wk_checkpoint(NULL, NULL, WK_TENSORS(x)));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(wk_checkpoint(itself, NULL, WK_TENSORS(NULL)));
  assert_error(WK_ERROR_ARGUMENT);

  wk_tensor *scale = wk_full(WK_SHAPE(3), 2, .dtype = WK_F64);
  wk_tensor *y = wk_checkpoint(smooth, scale, WK_TENSORS(x, scale));
  const double sevens[3] = {7, 7, 7};
  wk_tensor_write(scale, sevens, sizeof sevens);
  wk_backward(wk_sum(y));
  assert_error_says(WK_ERROR_STATE, "overwritten");
  wk_backward(wk_sum(wk_checkpoint(smooth, scale, WK_TENSORS(x, scale))));
  assert_no_error();
}

static bool attempt(void *context) {
  (void)context;
  WK_SCOPE;
  outcome o;
  run(true, &o);
  return wk_error_status() == WK_OK;
}

static void test_out_of_memory(void **state) {
  (void)state;
  fail_each_allocation(attempt, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal_to_a_plain_run),
      cmocka_unit_test(test_only_the_context_requires_a_gradient),
      cmocka_unit_test(test_higher_orders),
      cmocka_unit_test(test_a_function_that_returns_its_input),
      cmocka_unit_test(test_nothing_to_record),
      cmocka_unit_test(test_parameters_of_a_module),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
