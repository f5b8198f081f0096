/* SPDX-License-Identifier: Apache-2.0 */
/* What records promise about gradients where there is no slope: at ties and kinks; and gradients
 * that are finite though something on the way to them could overflow or be 0 / 0. */
#include <math.h>

#include <wick/autograd.h>
#include <wick/device.h>
#include <wick/ops.h>

#include "tests.h"

#define LENGTH 4
#define THIRD (1.0f / 3)

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
static wk_tensor *clamp(wk_tensor *x) { return wk_clamp(x, -1, 1); }
static wk_tensor *zero_by(wk_tensor *x) { return wk_divide_no_nan(wk_zeros_like(x), x); }
static wk_tensor *made_negative(wk_tensor *x) { return wk_copysign(x, wk_scalar(-1)); }
static wk_tensor *half_mish(wk_tensor *x) { return wk_mish(wk_cast(x, WK_F16)); }
static wk_tensor *half_logaddexp2(wk_tensor *x) {
  wk_device *device = wk_tensor_device(x);
  return wk_logaddexp2(wk_cast(x, WK_F16),
                       wk_full(WK_SHAPE(LENGTH), 601, .dtype = WK_F16, .device = device));
}
static wk_tensor *half_determinant(wk_tensor *x) {
  return wk_determinant(wk_reshape(wk_cast(x, WK_F16), WK_SHAPE(2, 2)));
}
static wk_tensor *half_l2_normalize(wk_tensor *x) {
  return wk_l2_normalize(wk_reshape(wk_cast(x, WK_F16), WK_SHAPE(LENGTH, 1)), .axis = 1);
}
static wk_tensor *half_polygamma(wk_tensor *x) {
  return wk_multiply(wk_polygamma(wk_cast(x, WK_F16), 3), wk_scalar(0.25));
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
    {"clamp", clamp, {-1, 1, 0.5f, NAN}, {0, 0, 1, 0}},
    {"divide_no_nan of 0", zero_by, {1e-30f, 0, -1e-30f, 2}, {0, 0, 0, 0}},
    {"copysign", made_negative, {1e-40f, INFINITY, -3, 0}, {-1, -1, 1, 0}},
    {"mish in f16", half_mish, {12, 20, 300, -300}, {1, 1, 1, 0}},
    {"logaddexp2 in f16",
     half_logaddexp2,
     {600, 600, 602, 602},
     {THIRD, THIRD, 2 * THIRD, 2 * THIRD}},
    {"determinant in f16", half_determinant, {300, 0, 0, 300}, {300, 0, 0, 300}},
    {"l2_normalize in f16", half_l2_normalize, {1e-3f, -2e-3f, 0.25f, 1}, {0, 0, 0, 0}},
    {"polygamma in f16",
     half_polygamma,
     {0.1875f, 1, 1, 1},
     {-25893.5f, -6.221566f, -6.221566f, -6.221566f}},
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
    if (!(fabsf(gradient[i] - edge->gradient[i]) <= 1e-3f * fabsf(edge->gradient[i])))
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
