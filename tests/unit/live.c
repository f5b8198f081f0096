/* SPDX-License-Identifier: Apache-2.0 */
/* What is alive: wk_scope_report, WICK_DEBUG=scope, and the list in an out-of-memory error. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <wick/wick.h>

#define assert_contains(text, part)                                                                \
  do {                                                                                             \
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);                         \
  } while (0)

static void test_nothing_is_alive(void **state) {
  (void)state;
  char text[256];
  wk_scope_report(text, sizeof text);
  assert_string_equal(text, "this thread's scopes hold nothing\n");
}

static void test_groups_by_op(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(256, 1024), 1);
  for (int i = 0; i < 3; i++) wk_relu(x);
  wk_reshape(x, WK_SHAPE(1024, 256)); /* a view holds nothing of its own */
  char text[1024];
  const size_t length = wk_scope_report(text, sizeof text);
  assert_int_equal(length, strlen(text));
  assert_string_equal(text, "this thread's scopes hold 4.00 MiB in 4 tensors\n"
                            "    3.00 MiB  3 tensors, largest f32 [256, 1024] from relu\n"
                            "    1.00 MiB  f32 [256, 1024] from full\n");
  char cut[20];
  assert_int_equal(wk_scope_report(cut, sizeof cut), length);
  assert_int_equal(strlen(cut), sizeof cut - 1);
}

static wk_module *make_network(void) {
  wk_module *network = wk_sequential(wk_linear_layer(512), wk_relu_layer(), wk_linear_layer(8));
  wk_module_build_for(network, WK_SHAPE(64), WK_F32, NULL);
  return network;
}

/* Module calls drop their handles, so what a forward keeps is found in the records. */
static void test_what_gradients_need_is_found(void **state) {
  (void)state;
  wk_module *network = make_network();
  WK_SCOPE;
  wk_tensor *loss = wk_mean(wk_forward(network, wk_uniform(WK_SHAPE(128, 64))));
  char text[2048];
  wk_scope_report(text, sizeof text);
  assert_contains(text, "f32 [128, 512] from relu at network.1 (relu)");
  assert_contains(text, "f32 [512, 64] 0.weight");
  assert_contains(text, "from uniform");
  wk_backward(loss);
  wk_scope_report(text, sizeof text);
  assert_null(strstr(text, "from relu"));
  assert_no_error();
  wk_module_free(network);
}

static void test_a_long_chain_needs_no_deep_stack(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(1), 1);
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *y = wk_tensor_retain(wk_exp(x));
  for (int i = 0; i < 200000; i++) {
    WK_SCOPE;
    wk_tensor *next = wk_tensor_retain(wk_negative(y));
    wk_tensor_release(y);
    y = next;
  }
  wk_negative(y);
  char text[1024];
  wk_scope_report(text, sizeof text);
  assert_contains(text, "from negative");
  wk_tensor_release(y);
}

static void test_out_of_memory_lists_the_largest(void **state) {
  (void)state;
  wk_module *network = make_network();
  {
    WK_SCOPE;
    wk_tensor *hidden = wk_forward(network, wk_uniform(WK_SHAPE(128, 64)));
    assert_null(wk_contiguous(wk_broadcast_to(hidden, WK_SHAPE((int64_t)1 << 35, 128, 8))));
    wk_error error = {.struct_size = sizeof error};
    assert_true(wk_error_take(&error));
    assert_int_equal(error.status, WK_ERROR_MEMORY);
    assert_contains(error.message, "TiB requested");
    assert_contains(error.message, "are active");
    assert_contains(error.message, "\nthis thread's scopes hold ");
    assert_contains(error.message, "f32 [128, 512] from relu at network.1 (relu)");
  }
  wk_module_free(network);
}

/* The report of the worst moment comes with wk_error_report, error or not. */
static void test_the_peak_is_reported(void **state) {
  (void)state;
  {
    WK_SCOPE;
    wk_exp(wk_full(WK_SHAPE(16, 1024, 1024), 0));
  }
  {
    WK_SCOPE;
    wk_full(WK_SHAPE(4), 0);
  }
  FILE *stream = tmpfile();
  assert_int_equal(wk_error_report(stream), 0);
  char text[4096] = "";
  rewind(stream);
  assert_true(fread(text, 1, sizeof text - 1, stream) > 0);
  fclose(stream);
  assert_contains(text, "wick: at the most, this thread's scopes hold 128.0 MiB in 2 tensors");
  assert_contains(text, "\n    64.0 MiB  f32 [16, 1024, 1024] from exp\n");
}

int main(void) {
  setenv("WICK_DEBUG", "else,scope", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_peak_is_reported), /* first: before any other peak */
      cmocka_unit_test(test_nothing_is_alive),
      cmocka_unit_test(test_groups_by_op),
      cmocka_unit_test(test_what_gradients_need_is_found),
      cmocka_unit_test(test_out_of_memory_lists_the_largest),
      cmocka_unit_test(test_a_long_chain_needs_no_deep_stack),
  };
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  wk_shutdown();
  return failures;
}
