/* SPDX-License-Identifier: Apache-2.0 */
/* What records promise about gradients where there is no slope: at ties and kinks. */
#include <wick/autograd.h>
#include <wick/device.h>
#include <wick/ops.h>

#include "tests.h"

#define LENGTH 4

static wk_tensor *two_largest(wk_tensor *x) { return wk_max(x); }
static wk_tensor *itself_maximum(wk_tensor *x) {
  return wk_maximum(x, wk_full(WK_SHAPE(LENGTH), 3, .device = wk_tensor_device(x)));
}
static wk_tensor *itself_minimum(wk_tensor *x) {
  return wk_minimum(x, wk_full(WK_SHAPE(LENGTH), 3, .device = wk_tensor_device(x)));
}
static wk_tensor *one_window(wk_tensor *x) {
  return wk_max_pool2d(wk_reshape(x, WK_SHAPE(1, 2, 2, 1)), {2, 2});
}
static wk_tensor *relu(wk_tensor *x) { return wk_relu(x); }
static wk_tensor *used_twice(wk_tensor *x) { return wk_add(x, x); }
static wk_tensor *not_used(wk_tensor *x) {
  return wk_where(wk_greater(x, x), x, wk_full(WK_SCALAR, 1, .device = wk_tensor_device(x)));
}

static const struct edge {
  const char *name;
  wk_tensor *(*run)(wk_tensor *x);
  float x[LENGTH], gradient[LENGTH];
} edges[] = {
    {"max", two_largest, {3, 1, 3, 2}, {0.5f, 0, 0.5f, 0}},
    {"maximum", itself_maximum, {3, 1, 4, 3}, {0.5f, 0, 1, 0.5f}},
    {"minimum", itself_minimum, {3, 1, 4, 3}, {0.5f, 1, 0, 0.5f}},
    {"max_pool2d", one_window, {1, 3, 3, 3}, {0, 1, 0, 0}},
    {"relu", relu, {0, -0.0f, -1, 1}, {0, 0, 0, 1}},
    {"add of itself", used_twice, {1, 2, 3, 4}, {2, 2, 2, 2}},
    {"where not chosen", not_used, {1, 2, 3, 4}, {0, 0, 0, 0}},
};

static void check_edge(const struct edge *edge, const char *device) {
  WK_SCOPE;
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(LENGTH), WK_F32, edge->x, wk_device_get(device));
  wk_tensor_set_requires_gradient(x, true);
  assert_int_equal(wk_backward(wk_sum(edge->run(x))), WK_OK);
  float gradient[LENGTH];
  assert_int_equal(wk_tensor_read(wk_tensor_gradient(x), gradient, sizeof gradient), WK_OK);
  for (int i = 0; i < LENGTH; i++)
    if (gradient[i] != edge->gradient[i])
      fail_msg("%s on %s: gradient %d is %g instead of %g", edge->name, device, i,
               (double)gradient[i], (double)edge->gradient[i]);
}

static void test_edges(void **state) {
  for (size_t i = 0; i < COUNT_OF(edges); i++) check_edge(&edges[i], *state);
}

int run_edge_tests(void) {
  const struct CMUnitTest tests[] = {
      {.name = "edges on cpu", .test_func = test_edges, .initial_state = "cpu"},
      {.name = "edges on reference", .test_func = test_edges, .initial_state = "reference"},
  };
  return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
