/* SPDX-License-Identifier: Apache-2.0 */
/* What oneDNN computes: the kernels are chosen where they should be, never its reference kernels;
 * results are the reference device's, with the same bits whatever the number of threads. */
#include "support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "backend/onednn/onednn.h"
#include "ops/dispatch.h"
#include "ops/kernel.h"
#include "ops/records.gen.h"
#include "tensor/tensor.h"

static bool is_there(void) {
  char text[1200];
  wk_onednn_describe(text, sizeof text);
  return strncmp(text, "not used", 8) != 0;
}

static void assert_chosen(const char *name) {
  assert_non_null(wk_kernel_chosen);
  assert_string_equal(wk_kernel_chosen->name, name);
}

typedef struct layer {
  int64_t batch, size, channels, filters, kernel, stride, padding, dilation;
} layer;

/* Of ResNet-50 and VGG-19, smaller images of the largest, and some that are less regular. */
static const layer layers[] = {
    {4, 56, 3, 64, 7, 2, 3, 1},    {4, 56, 64, 64, 1, 1, 0, 1},   {4, 56, 64, 64, 3, 1, 1, 1},
    {4, 56, 64, 256, 1, 1, 0, 1},  {4, 56, 128, 128, 3, 2, 1, 1}, {4, 28, 256, 512, 3, 2, 0, 1},
    {4, 14, 256, 256, 3, 1, 1, 1}, {4, 28, 512, 128, 1, 1, 0, 1}, {4, 7, 512, 512, 3, 1, 1, 1},
    {4, 56, 3, 64, 3, 1, 1, 1},    {4, 28, 128, 256, 3, 1, 1, 1}, {5, 31, 40, 72, 5, 3, 1, 1},
    {5, 33, 48, 80, 3, 1, 4, 2},   {4, 30, 20, 100, 4, 2, 0, 1},
};

typedef struct results {
  wk_tensor *y, *data, *weights;
} results;

#define SETTINGS(l)                                                                                \
  .stride = {(l)->stride, (l)->stride}, .padding = {(l)->padding, (l)->padding},                   \
  .dilation = {(l)->dilation, (l)->dilation}

static results run_layer(const layer *l, wk_tensor *x, wk_tensor *weight, wk_tensor *bias,
                         wk_tensor *gradient, bool on_onednn) {
  results r;
  wk_kernel_chosen = NULL;
  r.y = wk_conv2d(x, weight, .bias = bias, SETTINGS(l));
  if (on_onednn) assert_chosen("onednn:conv2d");
  wk_kernel_chosen = NULL;
  r.data = wk_conv2d_data_gradient(gradient, weight, wk_tensor_shape(x), SETTINGS(l));
  if (on_onednn) assert_chosen("onednn:conv2d_data_gradient");
  r.weights = wk_conv2d_weight_gradient(gradient, x, wk_tensor_shape(weight), SETTINGS(l));
  assert_no_error();
  return r;
}

static const float *values(const wk_tensor *tensor) {
  return (const float *)(const void *)wk_tensor_data(tensor);
}

static void assert_same_bits(wk_tensor *a, wk_tensor *b) {
  const size_t bytes = (size_t)wk_tensor_count(a) * sizeof(float);
  assert_memory_equal(values(a), values(b), bytes);
}

static void assert_all_close(wk_tensor *a, wk_tensor *b, double terms) {
  const float *p = values(a), *q = values(b);
  for (int64_t i = 0; i < wk_tensor_count(a); i++)
    assert_true(fabs((double)p[i] - (double)q[i]) < 4e-6 * sqrt(terms) + 1e-6 * fabs((double)q[i]));
}

static void check_layer(const layer *l) {
  WK_SCOPE;
  const int64_t reach = (l->kernel - 1) * l->dilation + 1;
  const int64_t out = (l->size + 2 * l->padding - reach) / l->stride + 1;
  wk_tensor *x = wk_uniform(WK_SHAPE(l->batch, l->size, l->size, l->channels), .low = -1);
  wk_tensor *weight =
      wk_uniform(WK_SHAPE(l->filters, l->kernel, l->kernel, l->channels), .low = -1);
  wk_tensor *bias = wk_uniform(WK_SHAPE(l->filters), .low = -1);
  wk_tensor *gradient = wk_uniform(WK_SHAPE(l->batch, out, out, l->filters), .low = -1);
  wk_set_thread_count(1);
  const results one = run_layer(l, x, weight, bias, gradient, true);
  for (int threads = 2; threads <= 3; threads++) {
    wk_set_thread_count(threads);
    const results more = run_layer(l, x, weight, bias, gradient, true);
    assert_same_bits(one.y, more.y);
    assert_same_bits(one.data, more.data);
    assert_same_bits(one.weights, more.weights);
  }
  /* In f64 our own kernels compute it. */
  wk_tensor *wide[] = {wk_cast(x, WK_F64), wk_cast(weight, WK_F64), wk_cast(bias, WK_F64),
                       wk_cast(gradient, WK_F64)};
  const results want = run_layer(l, wide[0], wide[1], wide[2], wide[3], false);
  const double taps = (double)(l->kernel * l->kernel);
  assert_all_close(one.y, wk_cast(want.y, WK_F32), taps * (double)l->channels);
  assert_all_close(one.data, wk_cast(want.data, WK_F32), taps * (double)l->filters);
  assert_all_close(one.weights, wk_cast(want.weights, WK_F32), (double)(l->batch * out * out));
}

static void test_convolutions(void **state) {
  (void)state;
  if (!is_there()) skip();
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check_layer(&layers[i]);
}

static void check_product(wk_tensor *a, wk_tensor *b) {
  WK_SCOPE;
  wk_kernel_chosen = NULL;
  wk_set_thread_count(1);
  wk_tensor *one = wk_matmul(a, b);
  assert_chosen("onednn:matmul");
  wk_set_thread_count(3);
  assert_same_bits(one, wk_matmul(a, b));
  wk_tensor *want = wk_cast(wk_matmul(wk_cast(a, WK_F64), wk_cast(b, WK_F64)), WK_F32);
  assert_all_close(one, want, (double)wk_tensor_dim(a, 1));
}

static void test_products(void **state) {
  (void)state;
  if (!is_there()) skip();
  WK_SCOPE;
  wk_tensor *a = wk_uniform(WK_SHAPE(515, 384), .low = -1);
  wk_tensor *b = wk_uniform(WK_SHAPE(384, 401), .low = -1);
  check_product(a, b);                                         /* with rows left over */
  check_product(a, wk_uniform(WK_SHAPE(384, 448), .low = -1)); /* whole panels */
  wk_tensor *a_by_columns = wk_contiguous(wk_transpose(a, 0, 1));
  wk_tensor *b_by_columns = wk_contiguous(wk_transpose(b, 0, 1));
  check_product(wk_transpose(a_by_columns, 0, 1), b);
  check_product(a, wk_transpose(b_by_columns, 0, 1));
  assert_no_error();
}

static void test_small_calls_stay_away(void **state) {
  (void)state;
  WK_SCOPE;
  wk_kernel_chosen = NULL;
  wk_tensor *x = wk_full(WK_SHAPE(64, 64), 1);
  wk_kernel_chosen = NULL;
  wk_matmul(x, x);
  assert_chosen("cpu:matmul");
  x = wk_full(WK_SHAPE(64, 8, 8, 4), 1);
  wk_tensor *weight = wk_full(WK_SHAPE(8, 3, 3, 4), 1);
  wk_kernel_chosen = NULL;
  wk_conv2d(x, weight);
  assert_chosen("cpu:conv2d");
  x = wk_full(WK_SHAPE(8, 7, 7, 512), 1), weight = wk_full(WK_SHAPE(512, 1, 1, 512), 1);
  wk_kernel_chosen = NULL;
  wk_conv2d(x, weight);
  assert_chosen("cpu:conv2d");
  assert_no_error();
}

/* More kinds of calls than primitives are kept, twice over. */
static void test_many_shapes(void **state) {
  (void)state;
  if (!is_there()) skip();
  wk_set_thread_count(2);
  for (int64_t i = 0; i < 300; i++) {
    WK_SCOPE;
    wk_tensor *a = wk_full(WK_SHAPE(384, 384), 1);
    wk_tensor *b = wk_full(WK_SHAPE(384, 384 + i % 150), 0.5);
    wk_kernel_chosen = NULL;
    wk_tensor *c = wk_matmul(a, b);
    assert_chosen("onednn:matmul");
    assert_true(values(c)[0] == 192.0f);
    assert_true(values(c)[wk_tensor_count(c) - 1] == 192.0f);
  }
  assert_no_error();
}

typedef struct net {
  wk_tensor *first, *second;
} net;

static wk_tensor *two_layers(void *context, wk_tensors inputs) {
  const net *n = context;
  wk_tensor *x = wk_relu(wk_conv2d(inputs.item[0], n->first, .padding = {1, 1}));
  return wk_mean(wk_conv2d(x, n->second, .padding = {1, 1}), .axes = WK_AXES(1, 2));
}

/* By pieces of two images, fewer than a call of its own may have; what the kernels take meanwhile
 * is as announced. */
static void test_pieces_of_a_batch(void **state) {
  (void)state;
  if (!is_there()) skip();
  WK_SCOPE;
  net n = {wk_uniform(WK_SHAPE(64, 3, 3, 32), .low = -1),
           wk_uniform(WK_SHAPE(64, 3, 3, 64), .low = -1)};
  wk_tensor *x = wk_uniform(WK_SHAPE(16, 28, 28, 32), .low = -1);
  const wk_tensors inputs = {1, &x};
  wk_tensor *want = two_layers(&n, inputs);
  wk_function *f = wk_compile(two_layers, &n, .memory_budget = 2 << 20);
  wk_kernel_chosen = NULL;
  assert_same_bits(want, wk_call(f, inputs));
  assert_no_error();
  char text[2000];
  wk_function_describe(f, text, sizeof text);
  assert_non_null(strstr(text, "by pieces of the batch"));
  assert_non_null(strstr(text, "onednn:conv2d"));
  wk_plan_memory plan = {.struct_size = sizeof plan};
  wk_function_memory(f, &plan);
  wk_device *device = wk_tensor_device(x);
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_peak_reset(device);
  wk_memory_statistics_get(device, &before);
  wk_call(f, inputs);
  wk_memory_statistics_get(device, &after);
  assert_true(plan.scratch > 64 * 64 * 9 * sizeof(float));
  assert_int_equal(after.peak - before.active, plan.results + plan.scratch);
  wk_function_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_convolutions),
                                     cmocka_unit_test(test_products),
                                     cmocka_unit_test(test_small_calls_stay_away),
                                     cmocka_unit_test(test_pieces_of_a_batch),
                                     cmocka_unit_test(test_many_shapes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
