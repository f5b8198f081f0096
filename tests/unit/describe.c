/* SPDX-License-Identifier: Apache-2.0 */
/* What functions tell about their plans. */
#include "support/unit.h"

#include <wick/wick.h>

static char text[16384];

static void describe(wk_function_body body, wk_tensors in, wk_plan_memory *memory) {
  wk_function *f = wk_compile(body, NULL);
  wk_call(f, in);
  assert_no_error();
  wk_function_describe(f, text, sizeof text);
  *memory = (wk_plan_memory){.struct_size = sizeof *memory};
  wk_function_memory(f, memory);
  wk_function_free(f);
}

#define assert_says(part)                                                                          \
  do {                                                                                             \
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);                         \
  } while (0)

static wk_tensor *products(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_matmul(in.item[0], in.item[1]); /* 2 * 4 * 6 * 5 */
  wk_tensor *y = wk_exp(x);                         /* 24, and x is read again */
  wk_tensor *z = wk_multiply(wk_tanh(y), x);        /* 24 each, in place */
  return wk_sum(wk_add(z, wk_sum(z, .axes = WK_AXES(0))));
}

static void it_counts_and_says_why(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory memory;
  wk_tensor *in[] = {wk_full(WK_SHAPE(4, 5), 1), wk_full(WK_SHAPE(5, 6), 1)};
  describe(products, (wk_tensors){2, in}, &memory);
  assert_says("7 steps, ");
  assert_says(" cpu:matmul                        0.00024 MFLOP");
  assert_says(" in all                           0.000384 MFLOP");
  assert_says("\nstep 2, exp: not in place: operand 1 is read again by step 4");
  assert_null(strstr(text, "step 3,"));
  assert_null(strstr(text, "step 4,"));
  assert_int_equal(memory.loops, 0);
  char few[10];
  wk_function_describe(NULL, few, sizeof few);
  assert_string_equal(few, "not calle");
}

static wk_tensor *pass_on(void *context, wk_tensors in) {
  (void)context;
  return wk_cumulative_sum(wk_exp(wk_relu(wk_permute(in.item[0], WK_AXES(1, 0)))), .axis = 0);
}

static wk_tensor *convolve(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_reshape(in.item[0], WK_SHAPE(1, 4, 6, 1));
  return wk_relu(wk_conv2d(wk_permute(x, WK_AXES(0, 2, 1, 3)), wk_full(WK_SHAPE(2, 3, 3, 1), 1)));
}

static void it_explains_copies_and_results(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory memory;
  wk_tensor *in[] = {wk_full(WK_SHAPE(4, 6), 1)};
  describe(pass_on, (wk_tensors){1, in}, &memory);
  assert_says("relu: not in place: operand 1 is an input");
  describe(convolve, (wk_tensors){1, in}, &memory);
  assert_says("contiguous: a copy: ");
  assert_says("conv2d of step 2 takes no strides");
  assert_says("relu: not in place: it is handed out");
  assert_says("0.000288 MFLOP"); /* 2 * 4 * 2 * 2 * 9 of the convolution */
}

/* ---- loops ---- */

static wk_tensor *below(void *context, wk_tensors s) {
  (void)context;
  return wk_less(wk_sum(s.item[0]), wk_scalar(1000));
}

static wk_status go_on(void *context, wk_tensors s, wk_tensor **next) {
  (void)context;
  next[0] = wk_add(wk_exp(wk_sin(s.item[0])), wk_cos(s.item[0]));
  return wk_error_status();
}

static wk_tensor *loop(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *result;
  wk_while(&result, .condition = below, .body = go_on, .state = in);
  return result;
}

static void it_counts_what_loops_take(void **state) {
  (void)state;
  WK_SCOPE;
  wk_plan_memory memory;
  wk_tensor *in[] = {wk_full(WK_SHAPE(1000), 1)};
  describe(loop, (wk_tensors){1, in}, &memory);
  assert_in_range(memory.loops, 2 * 4000, 4 * 4096); /* two of a trip, and its result */
  assert_says(", loops ");
  assert_says("0.005001 MFLOP"); /* of a trip: sin, exp, cos, add, sum, less */
}

/* A body that asks about its own function while it is traced. */
static wk_tensor *ask(void *context, wk_tensors in) {
  wk_function *const *f = context;
  wk_function_describe(*f, text, sizeof text);
  assert_int_equal(wk_function_plan_count(*f), 0);
  return wk_exp(in.item[0]);
}

static void a_body_may_ask_about_its_function(void **state) {
  (void)state;
  WK_SCOPE;
  wk_function *f;
  f = wk_compile(ask, &f);
  wk_call(f, WK_TENSORS(wk_full(WK_SHAPE(3), 1)));
  assert_no_error();
  assert_string_equal(text, "not called yet");
  wk_function_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_counts_and_says_why),
      cmocka_unit_test(it_explains_copies_and_results),
      cmocka_unit_test(it_counts_what_loops_take),
      cmocka_unit_test(a_body_may_ask_about_its_function),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
