/* SPDX-License-Identifier: Apache-2.0 */
/* Layers over sequences: sizes, parameters, and that they learn. */
#include <wick/wick.h>

#include "support/unit.h"

/* Whether a sequence's first feature is larger at its first step than at its last. */
static void make_examples(wk_tensor **x, wk_tensor **labels) {
  *x = wk_uniform(WK_SHAPE(64, 6, 4), .keyed = true, .seed = 3);
  wk_tensor *first = wk_slice(wk_slice(*x, 2, 0, 1), 1, 0, 1);
  wk_tensor *last = wk_slice(wk_slice(*x, 2, 0, 1), 1, 5, 6);
  *labels = wk_cast(wk_reshape(wk_greater(first, last), WK_SHAPE(64)), WK_I64);
}

static void check_learning(wk_module *network, int64_t parameters) {
  WK_SCOPE;
  wk_tensor *x, *labels;
  make_examples(&x, &labels);
  wk_generator *generator = wk_generator_create(5);
  wk_module_build_for(network, WK_SHAPE(6, 4), WK_F32, generator);
  wk_optimizer *optimizer = wk_adam_create(network, .learning_rate = 0.02);
  assert_int_equal(wk_parameters_element_count(wk_module_parameters(network)), parameters);
  double loss = 0;
  for (int i = 0; i < 60; i++) {
    WK_SCOPE;
    wk_tensor *now = wk_cross_entropy(wk_forward(network, x), labels);
    wk_backward(now);
    wk_optimizer_step(optimizer);
    loss = wk_item(now);
  }
  if (wk_error_report(stderr)) fail();
  assert_true(loss < 0.35);
  wk_optimizer_free(optimizer);
  wk_generator_free(generator);
  wk_module_free(network);
}

static void test_lstm(void **state) {
  (void)state;
  check_learning(wk_sequential(wk_lstm_layer(8, .layers = 2, .bidirectional = true,
                                             .only_last = true),
                               wk_linear_layer(2)),
                 2 * (32 * 4 + 32 * 8 + 32) + 2 * (32 * 16 + 32 * 8 + 32) + 2 * 16 + 2);
}

static void test_gru(void **state) {
  (void)state;
  check_learning(wk_sequential(wk_gru_layer(8, .only_last = true), wk_linear_layer(2)),
                 24 * 4 + 24 * 8 + 2 * 24 + 2 * 8 + 2);
}

static void test_attention(void **state) {
  (void)state;
  check_learning(wk_sequential(wk_lstm_layer(8, .no_bias = true), wk_multi_head_attention_layer(2),
                               wk_flatten_layer(), wk_linear_layer(2)),
                 32 * 4 + 32 * 8 + 4 * (8 * 8 + 8) + 2 * 48 + 2);
}

static void test_wrong_input(void **state) {
  (void)state;
  wk_module *network = wk_sequential(wk_gru_layer(8), wk_linear_layer(2));
  assert_true(wk_module_build_for(network, WK_SHAPE(6), WK_F32, NULL) < 0);
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_non_null(strstr(error.message, "[N, L, features]"));
  wk_module_free(network);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lstm), cmocka_unit_test(test_gru),
                                     cmocka_unit_test(test_attention),
                                     cmocka_unit_test(test_wrong_input)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
