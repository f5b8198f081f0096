/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of gradients, where the gradient is a kernel of its own that has to be taken apart:
 * against central differences of the gradient, in f64. */
#include <math.h>

#include <wick/wick.h>

#include "support/unit.h"

/* A number from x [2, 12]. */
typedef wk_tensor *(*function)(wk_tensor *x);

static wk_tensor *weights_for(const wk_tensor *y) {
  return wk_uniform(wk_tensor_shape(y), .low = -1, .dtype = WK_F64, .keyed = true, .seed = 5);
}

static wk_tensor *weighted(wk_tensor *y) { return wk_sum(wk_multiply(y, weights_for(y))); }

static wk_tensor *softmax(wk_tensor *x) { return weighted(wk_softmax(x, .axes = WK_AXES(0))); }
static wk_tensor *log_softmax(wk_tensor *x) { return weighted(wk_log_softmax(x)); }
static wk_tensor *cross_entropy(wk_tensor *x) {
  return wk_cross_entropy(x, wk_full(WK_SHAPE(2), 3, .dtype = WK_I64));
}
static wk_tensor *weighted_cross_entropy(wk_tensor *x) {
  return wk_cross_entropy(x, wk_full(WK_SHAPE(2), 3, .dtype = WK_I64),
                          .weight = weights_for(wk_sum(x, .axes = WK_AXES(0))),
                          .label_smoothing = 0.2);
}
static wk_tensor *logit_loss(wk_tensor *x) {
  return wk_binary_cross_entropy_with_logits(x, wk_sigmoid(weights_for(x)));
}
static wk_tensor *ctc(wk_tensor *x) {
  wk_tensor *log_p = wk_log_softmax(wk_reshape(x, WK_SHAPE(1, 8, 3)));
  return wk_ctc_loss(log_p, wk_full(WK_SHAPE(1, 3), 1, .dtype = WK_I64),
                     wk_full(WK_SHAPE(1), 7, .dtype = WK_I64),
                     wk_full(WK_SHAPE(1), 3, .dtype = WK_I64));
}
static wk_tensor *attention(wk_tensor *x) {
  wk_tensor *q = wk_reshape(x, WK_SHAPE(1, 2, 4, 3));
  wk_tensor *k = wk_slice(wk_sigmoid(q), 1, 0, 1);
  return weighted(wk_scaled_dot_product_attention(q, k, wk_tanh(k), .causal = true, .dropout = 0.2,
                                                  .keyed = true, .seed = 9));
}
static wk_tensor *lstm(wk_tensor *x) {
  wk_tensor *w = wk_reshape(wk_tanh(x), WK_SHAPE(12, 2));
  wk_tensor *u = wk_concatenate(WK_TENSORS(w, wk_multiply(w, w)), 1);
  const wk_lstm_result r =
      wk_lstm(wk_reshape(x, WK_SHAPE(3, 4, 2)),
              WK_TENSORS(w, wk_slice(u, 1, 0, 3), w, wk_slice(u, 1, 1, 4)), .bidirectional = true,
              .no_bias = true, .lengths = wk_arange(3, .start = 2, .dtype = WK_I64));
  return wk_add(weighted(r.y), weighted(r.cell));
}
static wk_tensor *gru(wk_tensor *x) {
  wk_tensor *w = wk_reshape(wk_tanh(x), WK_SHAPE(6, 4));
  wk_tensor *bias = wk_sum(w, .axes = WK_AXES(1));
  const wk_gru_result r =
      wk_gru(wk_reshape(x, WK_SHAPE(2, 3, 4)), WK_TENSORS(w, wk_slice(w, 1, 0, 2), bias, bias));
  return wk_add(weighted(r.y), weighted(r.hidden));
}

static const struct {
  const char *name;
  function f;
} functions[] = {
    {"softmax", softmax},
    {"log_softmax", log_softmax},
    {"cross_entropy", cross_entropy},
    {"cross_entropy with weights", weighted_cross_entropy},
    {"binary_cross_entropy_with_logits", logit_loss},
    {"ctc_loss", ctc},
    {"attention", attention},
    {"lstm", lstm},
    {"gru", gru},
};

enum { ELEMENTS = 24 };

/* x with `step` added to element `moved`; a leaf. */
static wk_tensor *make_x(int moved, double step) {
  double values[ELEMENTS];
  for (int i = 0; i < ELEMENTS; i++) values[i] = sin(3 * i + 1) + (i == moved ? step : 0);
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(2, 12), WK_F64, values, NULL);
  wk_tensor_set_requires_gradient(x, true);
  return x;
}

/* The gradient of f(x), times weights, summed: what is differentiated once more. */
static wk_tensor *slope(function f, wk_tensor *x, bool create_graph) {
  wk_tensor *gradient = NULL;
  wk_grad(&gradient, f(x), WK_TENSORS(x), .create_graph = create_graph);
  return wk_sum(wk_multiply(gradient, weights_for(gradient)));
}

static double slope_at(function f, int moved, double step) {
  WK_SCOPE;
  return wk_item(slope(f, make_x(moved, step), false));
}

static void test_second_order(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    WK_SCOPE;
    wk_tensor *x = make_x(-1, 0), *second = NULL;
    double found[ELEMENTS];
    wk_grad(&second, slope(functions[i].f, x, true), WK_TENSORS(x));
    wk_tensor_read(second, found, sizeof found);
    if (wk_error_status() != WK_OK) {
      wk_error_report(stderr);
      fail_msg("%s", functions[i].name);
    }
    for (int k = 0; k < ELEMENTS; k++) {
      const double step = 1e-5;
      const double expected =
          (slope_at(functions[i].f, k, step) - slope_at(functions[i].f, k, -step)) / (2 * step);
      if (!(fabs(found[k] - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("%s: element %d is %.12g instead of %.12g", functions[i].name, k, found[k],
                 expected);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_second_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
