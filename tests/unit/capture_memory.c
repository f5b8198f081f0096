/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled functions under a memory budget, and what they make again: the bits of eager mode. */
#include "support/unit.h"

#include <math.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "graph/function.h"

static wk_tensor *deep(void *context, wk_tensors in) {
  wk_tensor *x = in.item[0], *y = x, *gradient = NULL;
  (void)context;
  wk_tensor_set_requires_gradient(x, true);
  for (int i = 0; i < 24; i++) y = wk_tanh(wk_multiply(wk_dropout(y, 0.1), wk_sigmoid(y)));
  wk_grad(&gradient, wk_sum(y), WK_TENSORS(x));
  return gradient;
}

static wk_tensor *call_deep(int64_t budget, double recompute, wk_plan_memory *memory) {
  wk_generator_set(wk_generator_default(), 5, 0);
  wk_function *f = wk_compile(deep, NULL, .memory_budget = budget, .recompute = recompute);
  if (f) f->limits.pieces = 0; /* in which the same would need nothing made again: pieces.c */
  wk_tensor *y = wk_call(f, WK_TENSORS(wk_uniform(WK_SHAPE(64, 64), -1, 1, .keyed = true)));
  *memory = (wk_plan_memory){.struct_size = sizeof *memory};
  wk_function_memory(f, memory);
  wk_function_free(f);
  return y;
}

static void a_budget_changes_no_bit(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory all, memory;
  wk_tensor *expected = call_deep(0, WK_EXACTLY_ZERO, &all);
  assert_no_error();
  assert_int_equal(all.again, 0);
  for (int percent = 90; percent >= 50; percent -= 10) {
    const size_t budget = all.arena / 100 * (size_t)percent;
    wk_tensor *y = call_deep((int64_t)budget, 0, &memory);
    assert_no_error();
    assert_true(memory.arena <= budget);
    assert_true(memory.again > 0);
    assert_true(wk_item(wk_all(wk_equal(y, expected))) == 1);
  }
}

static void what_is_cheap_is_made_again(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory all, memory;
  wk_tensor *expected = call_deep(0, WK_EXACTLY_ZERO, &all);
  assert_int_equal(all.again, 0);
  for (int percent = 5; percent <= 80; percent *= 2) {
    wk_tensor *y = call_deep(0, percent / 100.0, &memory);
    assert_no_error();
    assert_true(memory.again > 0 && memory.arena < all.arena);
    assert_true(wk_item(wk_all(wk_equal(y, expected))) == 1);
  }
  call_deep(0, 0, &memory); /* what WICK_RECOMPUTE says */
  assert_true(memory.again > 0 && memory.arena < all.arena);
  assert_null(call_deep(0, -1, &memory));
  assert_error(WK_ERROR_ARGUMENT);
  assert_null(call_deep(0, NAN, &memory));
  assert_error(WK_ERROR_ARGUMENT);
}

/* Windows side by side, whose gradient takes x's place, and such as overlap and stick out. */
static wk_tensor *pooled_relu(void *context, wk_tensors in) {
  const bool *apart = context;
  wk_tensor *x = in.item[0], *gradient = NULL;
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *y = wk_relu(wk_multiply(x, wk_scalar(2)));
  y = *apart ? wk_max_pool2d(y, {2, 2})
             : wk_max_pool2d(y, {3, 3}, .stride = {2, 2}, .padding = {1, 1});
  wk_grad(&gradient, wk_sum(wk_multiply(y, in.item[1])), WK_TENSORS(x));
  return gradient;
}

static void a_pooled_relu_has_eager_gradients(void **state) {
  (void)state;
  for (int apart = 0; apart < 2; apart++) {
    WK_SCOPE;
    bool side_by_side = apart;
    float x[2 * 4 * 6 * 3], g[2 * 2 * 3 * 3], expected[2 * 4 * 6 * 3], found[2 * 4 * 6 * 3];
    for (int i = 0; i < 144; i++)
      x[i] = i % 31 == 5 ? NAN : i % 7 == 3 ? -0.0F : (float)(i % 5 - 2);
    for (int i = 0; i < 36; i++) g[i] = i % 4 ? (float)(i - 9) : -0.0F;
    const wk_tensors in = WK_TENSORS(wk_tensor_from_data(WK_SHAPE(2, 4, 6, 3), WK_F32, x, NULL),
                                     wk_tensor_from_data(WK_SHAPE(2, 2, 3, 3), WK_F32, g, NULL));
    wk_function *f = wk_compile(pooled_relu, &side_by_side);
    wk_tensor_read(wk_call(f, in), found, sizeof found);
    wk_tensor_read(pooled_relu(&side_by_side, in), expected, sizeof expected);
    assert_no_error();
    assert_memory_equal(found, expected, sizeof found);
    wk_function_free(f);
  }
}

static void a_budget_that_is_too_small_names_the_least(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory memory;
  assert_null(call_deep(64, 0, &memory));
  wk_error error = {.struct_size = sizeof error};
  assert_true(wk_error_take(&error));
  assert_int_equal(error.status, WK_ERROR_MEMORY);
  const char *least = strstr(error.hint, "that works is ");
  assert_non_null(least);
  assert_non_null(call_deep(strtoll(least + strlen("that works is "), NULL, 10), 0, &memory));
  assert_no_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_budget_changes_no_bit),
      cmocka_unit_test(what_is_cheap_is_made_again),
      cmocka_unit_test(a_pooled_relu_has_eager_gradients),
      cmocka_unit_test(a_budget_that_is_too_small_names_the_least),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
