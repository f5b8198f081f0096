/* SPDX-License-Identifier: Apache-2.0 */
/* What follows products and convolutions at once, row by row: eager's bits, whichever kernel tells
 * the rows, and no place that is written too early. */
#include "support/unit.h"

#include <wick/graph.h>
#include <wick/wick.h>

#include "graph/timeline.h"

typedef struct layer {
  const char *name;
  int64_t batch, size, channels, filters, kernel, groups;
  int least; /* steps that run with others */
} layer;

static const layer layers[] = {
    {"direct", 3, 17, 20, 20, 3, 1, 4},     {"product", 2, 30, 64, 64, 1, 1, 4},
    {"few rows", 1, 3, 64, 64, 1, 1, 4},    {"patches", 1, 9, 256, 256, 3, 1, 4},
    {"depthwise", 2, 19, 24, 24, 3, 24, 4}, {"groups", 2, 11, 24, 24, 3, 3, 4},
    {"one column", 2, 40, 1, 1, 3, 1, 4},
};

static wk_tensor *random(wk_shape shape, uint64_t seed) {
  return wk_uniform(shape, -1, 1, .keyed = true, .seed = seed);
}

/* The input dies with the sum, which must not take its place: other rows still read it. */
static wk_tensor *block(void *context, wk_tensors in) {
  const layer *l = context;
  wk_tensor *const *p = in.item;
  wk_tensor *x = wk_tanh(p[0]);
  wk_tensor *y = wk_conv2d(x, p[1], .same = true, .groups = l->groups);
  y = wk_batch_norm(y, .weight = p[2], .bias = p[3], .running_mean = p[4],
                    .running_variance = wk_square(p[5]));
  return wk_multiply(wk_relu(wk_add(y, x)), wk_scalar(0.5));
}

static int count_joined(wk_function *f, wk_tensors in) {
  const wk_plan *plan = wk_function_plan(f, in);
  int count = 0;
  for (size_t i = 0; plan && i < plan->step_count; i++) count += plan->steps[i].joined;
  return count;
}

static void check_bits(wk_function_body body, void *context, wk_tensors in, int least) {
  WK_SCOPE;
  wk_tensor *eager = body(context, in);
  wk_function *f = wk_compile(body, context);
  wk_tensor *compiled = wk_call(f, in);
  assert_no_error();
  const size_t size = (size_t)wk_tensor_count(eager) * wk_dtype_size(wk_tensor_dtype(eager));
  assert_memory_equal(wk_tensor_data(eager), wk_tensor_data(compiled), size);
  assert_true(count_joined(f, in) >= least);
  wk_function_free(f);
}

static void test_convolutions(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT_OF(layers); i++) {
    WK_SCOPE;
    const layer *l = &layers[i];
    const wk_shape row = WK_SHAPE(l->filters);
    const wk_shape filter = WK_SHAPE(l->filters, l->kernel, l->kernel, l->channels / l->groups);
    const wk_tensors in =
        WK_TENSORS(random(WK_SHAPE(l->batch, l->size, l->size, l->channels), 10), random(filter, 1),
                   random(row, 2), random(row, 3), random(row, 4), random(row, 5));
    check_bits(block, (void *)(uintptr_t)l, in, l->least);
  }
}

/* Deep and shallow sums, many and few rows. */
static wk_tensor *dense(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *const *p = in.item;
  wk_tensor *y = wk_gelu(wk_linear(p[0], p[1], p[2]));
  y = wk_add(wk_matmul(y, p[3]), p[4]);
  return wk_relu(wk_add(p[0], y));
}

static void test_dense(void **state) {
  (void)state;
  static const wk_shape shapes[] = {{2, {1, 20}},    {2, {300, 40}},   {2, {5, 700}},
                                    {2, {64, 3000}}, {3, {4, 50, 64}}, {4, {2, 3, 7, 33}}};
  for (size_t i = 0; i < COUNT_OF(shapes); i++) {
    WK_SCOPE;
    const int64_t n = shapes[i].dims[shapes[i].rank - 1];
    check_bits(dense, NULL,
               WK_TENSORS(random(shapes[i], 10), random(WK_SHAPE(96, n), 1),
                          random(WK_SHAPE(96), 2), random(WK_SHAPE(96, n), 3),
                          random(WK_SHAPE(n), 4)),
               4);
  }
}

static wk_tensor *batched(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *products = wk_matmul(in.item[0], wk_transpose(in.item[0], -1, -2));
  return wk_exp(wk_multiply(products, wk_scalar(0.1)));
}

static void test_batches(void **state) {
  (void)state;
  WK_SCOPE;
  check_bits(batched, NULL, WK_TENSORS(random(WK_SHAPE(3, 40, 24), 10)), 2);
}

/* The result goes where the convolution still reads: nothing runs with it. */
static wk_tensor *over_itself(void *context, wk_tensors in) {
  (void)in;
  WK_NO_GRADIENT;
  wk_tensor *memory = context;
  wk_assign(memory, wk_relu(wk_conv2d(memory, random(WK_SHAPE(8, 3, 3, 8), 1), .same = true)));
  return wk_sum(memory);
}

static void test_over_itself(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *first = wk_clone(random(WK_SHAPE(2, 40, 40, 8), 3)), *second = wk_clone(first);
  const wk_tensors in = WK_TENSORS(wk_scalar(1));
  over_itself(first, in);
  wk_function *f = wk_compile(over_itself, second);
  wk_call(f, in);
  assert_no_error();
  assert_memory_equal(wk_tensor_data(first), wk_tensor_data(second), 2 * 40 * 40 * 8 * 4);
  wk_function_free(f);
}

/* Why a node does not run with the product is told. */
static wk_tensor *apart(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *y = wk_matmul(in.item[0], in.item[0]);
  return wk_add(wk_transpose(y, 0, 1), wk_scalar(1));
}

static void test_reason(void **state) {
  (void)state;
  WK_SCOPE;
  char text[4096];
  wk_function *f = wk_compile(apart, NULL);
  wk_call(f, WK_TENSORS(random(WK_SHAPE(9, 9), 1)));
  wk_function_describe(f, text, sizeof text);
  assert_no_error();
  assert_non_null(strstr(text, "apart from the product"));
  wk_function_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_convolutions), cmocka_unit_test(test_dense),
      cmocka_unit_test(test_batches),      cmocka_unit_test(test_over_itself),
      cmocka_unit_test(test_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
