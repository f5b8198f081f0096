/* SPDX-License-Identifier: Apache-2.0 */
/* Loops and choices: values, gradients of both orders, and what is refused. */
#include "support/unit.h"

#include <math.h>

#include <wick/wick.h>

static void assert_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance)) fail_msg("%.17g, not %.17g", value, expected);
}

static wk_tensor *number(double value) { return wk_full(WK_SHAPE(1), value, .dtype = WK_F64); }

static wk_tensor *variable(double value) {
  wk_tensor *x = number(value);
  wk_tensor_set_requires_gradient(x, true);
  return x;
}

static wk_tensor *as_variable(wk_tensor *x) {
  wk_tensor *y = wk_clone(x);
  wk_tensor_set_requires_gradient(y, true);
  return y;
}

/* ---- y = x; while (y < limit) y = y * x ---- */

typedef struct power {
  wk_tensor *x;
  double limit;
  wk_loop_policy policy;
} power;

static wk_tensor *is_below(void *context, wk_tensors s) {
  return wk_less(s.item[0], number(((power *)context)->limit));
}

static wk_status multiply(void *context, wk_tensors s, wk_tensor **next) {
  next[0] = wk_multiply(s.item[0], ((power *)context)->x);
  return wk_error_status();
}

static wk_tensor *run_power(void *context, wk_tensors in) {
  power *p = context;
  if (in.count) p->x = in.item[0];
  wk_tensor *y = NULL;
  wk_while(&y, is_below, multiply, p, WK_TENSORS(p->x), p->policy);
  return y;
}

/* x^n with its first and second derivative. */
static void check_power(double x, double limit, int n, wk_loop_policy policy) {
  WK_SCOPE;
  power p = {variable(x), limit, policy};
  wk_tensor *y = run_power(&p, (wk_tensors){0}), *slope, *second;
  assert_no_error();
  assert_near(wk_item(y), pow(x, n), 1e-9 * pow(x, n));
  wk_grad(&slope, y, WK_TENSORS(p.x), .create_graph = true);
  assert_no_error();
  assert_near(wk_item(slope), n * pow(x, n - 1), 1e-9 * n * pow(x, n));
  if (n < 2) return;
  wk_grad(&second, slope, WK_TENSORS(p.x));
  assert_no_error();
  assert_near(wk_item(second), n * (n - 1) * pow(x, n - 2), 1e-9 * n * n * pow(x, n));
  wk_backward(run_power(&p, (wk_tensors){0}));
  assert_no_error();
  assert_near(wk_item(wk_tensor_gradient(p.x)), wk_item(slope), 1e-9 * n * pow(x, n));
}

static void the_probe(void **state) {
  (void)state;
  for (int policy = 0; policy < 2; policy++) {
    check_power(1.5, 100, 12, (wk_loop_policy)policy); /* 129.746 and 1037.97 */
    check_power(1.5, 1, 1, (wk_loop_policy)policy);    /* no trip */
    check_power(1.5, 2, 2, (wk_loop_policy)policy);    /* one */
    check_power(1.01, 100, 463, (wk_loop_policy)policy);
  }
}

/* ---- a loop in a loop whose length depends on the outer state ---- */

static wk_tensor *below_ten(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[0], number(10));
}

static wk_status grow_to_ten(void *context, wk_tensors s, wk_tensor **next) {
  wk_tensor *y;
  wk_while(&y, below_ten, multiply, context, WK_TENSORS(s.item[0]), ((power *)context)->policy);
  next[0] = wk_multiply(y, number(0.5));
  next[1] = wk_add(s.item[1], number(1));
  return wk_error_status();
}

static wk_tensor *below_three(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[1], number(3));
}

static wk_tensor *run_nested(void *context, wk_tensors in) {
  power *p = context;
  if (in.count) p->x = in.item[0];
  wk_tensor *y[2] = {NULL, NULL};
  wk_while(y, below_three, grow_to_ten, p, WK_TENSORS(p->x, number(0)), p->policy);
  return y[0];
}

/* The outer trips multiply by x^a, x^b, x^c, and by an eighth. */
static void check_nested(double value, double slope, double second) {
  const double x = 1.3;
  double y = x;
  int n = 1;
  for (int i = 0; i < 3; i++, y *= 0.5)
    for (; y < 10; n++) y *= x;
  assert_near(value, y, 1e-9 * y);
  assert_near(slope, n * y / x, 1e-8 * y);
  if (!isnan(second)) assert_near(second, n * (n - 1) * y / x / x, 1e-7 * y);
}

static void loops_in_loops(void **state) {
  (void)state;
  for (int policy = 0; policy < 2; policy++) {
    WK_SCOPE;
    power p = {variable(1.3), 0, (wk_loop_policy)policy};
    wk_tensor *y = run_nested(&p, (wk_tensors){0}), *slope, *second;
    wk_grad(&slope, y, WK_TENSORS(p.x), .create_graph = true);
    wk_grad(&second, slope, WK_TENSORS(p.x));
    assert_no_error();
    check_nested(wk_item(y), wk_item(slope), wk_item(second));
  }
}

/* ---- the same numbers when a trip runs again ---- */

static wk_status shake(void *context, wk_tensors s, wk_tensor **next) {
  next[0] = wk_multiply(s.item[0], wk_add(wk_dropout(context, 0.5), number(0.5)));
  next[1] = wk_add(s.item[1], number(1));
  return wk_error_status();
}

static wk_tensor *twenty(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[1], number(20));
}

static void random_numbers_again(void **state) {
  (void)state;
  double value[2], slope[2];
  for (int policy = 0; policy < 2; policy++) {
    WK_SCOPE;
    wk_generator_set(wk_generator_default(), 7, 0);
    wk_tensor *x = variable(1.1), *y[2], *g;
    wk_while(y, twenty, shake, x, WK_TENSORS(x, number(0)), (wk_loop_policy)policy);
    wk_grad(&g, y[0], WK_TENSORS(x));
    assert_no_error();
    value[policy] = wk_item(y[0]), slope[policy] = wk_item(g);
  }
  assert_true(value[0] == value[1]);
  assert_near(slope[0], slope[1], 1e-12 * fabs(slope[0]));
}

/* ---- choices, scans ---- */

static wk_status squared(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_multiply(in.item[0], in.item[0]);
  return wk_error_status();
}

static wk_status negated(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_negative(in.item[0]);
  return wk_error_status();
}

static void choices(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = variable(3), *y, *g;
  wk_cond(&y, wk_less(x, number(5)), squared, negated, NULL, WK_TENSORS(x));
  wk_grad(&g, y, WK_TENSORS(x));
  assert_true(wk_item(y) == 9 && wk_item(g) == 6);
  wk_cond(&y, wk_less(x, number(2)), squared, negated, NULL, WK_TENSORS(x));
  wk_grad(&g, y, WK_TENSORS(x));
  assert_true(wk_item(y) == -3 && wk_item(g) == -1);
}

/* s' = s * x_t, y_t = s' */
static wk_status product(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = results[1] = wk_multiply(in.item[0], in.item[1]);
  return wk_error_status();
}

static void scans(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(4, 1), WK_F64, (double[]){2, 3, 4, 5}, NULL);
  wk_tensor_set_requires_gradient(x, true);
  for (int reverse = 0; reverse < 2; reverse++) {
    wk_tensor *r[2], *g;
    wk_scan(r, product, NULL, WK_TENSORS(number(1)), WK_TENSORS(x), .output_count = 1,
            .reverse = reverse);
    wk_grad(&g, r[0], WK_TENSORS(x));
    assert_no_error();
    assert_true(wk_item(r[0]) == 120);
    assert_true(wk_item(wk_select(r[1], 0, 1)) == (reverse ? 60 : 6));
    assert_true(wk_item(wk_select(g, 0, 0)) == 60 && wk_item(wk_select(g, 0, 3)) == 24);
  }
}

/* ---- compiled ---- */

static wk_tensor *slope_of_power(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *slope = NULL;
  wk_grad(&slope, run_power(context, WK_TENSORS(x)), WK_TENSORS(x));
  return slope;
}

static wk_tensor *slope_of_nested(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *slope = NULL;
  wk_grad(&slope, run_nested(context, WK_TENSORS(x)), WK_TENSORS(x));
  return slope;
}

static wk_tensor *second_of_power(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *slope = NULL, *second = NULL;
  wk_grad(&slope, run_power(context, WK_TENSORS(x)), WK_TENSORS(x), .create_graph = true);
  wk_grad(&second, slope, WK_TENSORS(x));
  return second;
}

static wk_tensor *second_of_nested(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *slope = NULL, *second = NULL;
  wk_grad(&slope, run_nested(context, WK_TENSORS(x)), WK_TENSORS(x), .create_graph = true);
  wk_grad(&second, slope, WK_TENSORS(x));
  return second;
}

static double call_compiled(wk_function_body body, double x, double limit, int policy) {
  WK_SCOPE;
  power p = {NULL, limit, (wk_loop_policy)policy};
  wk_function *f = wk_compile(body, &p);
  wk_tensor *y = wk_call(f, WK_TENSORS(number(x)));
  assert_no_error();
  const double value = wk_item(y);
  wk_function_free(f);
  return value;
}

static void compiled_loops(void **state) {
  (void)state;
  for (int policy = 0; policy < 2; policy++) {
    for (int i = 0; i < 4; i++) {
      const double x = i == 3 ? 1.01 : 1.5, limit = (double[]){100, 1, 2, 100}[i];
      const int n = (int[]){12, 1, 2, 463}[i];
      assert_near(call_compiled(run_power, x, limit, policy), pow(x, n), 1e-9 * pow(x, n));
      assert_near(call_compiled(slope_of_power, x, limit, policy), n * pow(x, n - 1),
                  1e-9 * n * pow(x, n));
      if (n > 100) continue; /* the second derivative takes the square of it */
      assert_near(call_compiled(second_of_power, x, limit, policy), n * (n - 1) * pow(x, n - 2),
                  1e-9 * n * n * pow(x, n));
    }
    check_nested(call_compiled(run_nested, 1.3, 0, policy),
                 call_compiled(slope_of_nested, 1.3, 0, policy),
                 call_compiled(second_of_nested, 1.3, 0, policy));
  }
}

static wk_tensor *slope_of_choice(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *y = NULL, *slope = NULL;
  wk_cond(&y, wk_less(x, number(5)), squared, negated, context, WK_TENSORS(x));
  wk_grad(&slope, y, WK_TENSORS(x));
  return wk_add(wk_multiply(slope, number(100)), y);
}

/* One plan serves both branches. */
static void compiled_choices(void **state) {
  (void)state;
  WK_SCOPE;
  wk_function *f = wk_compile(slope_of_choice, NULL);
  assert_near(wk_item(wk_call(f, WK_TENSORS(number(3)))), 609, 0);
  assert_near(wk_item(wk_call(f, WK_TENSORS(number(7)))), -107, 0);
  assert_no_error();
  assert_int_equal(wk_function_plan_count(f), 1);
  wk_function_free(f);
}

static bool compile_choice(void *context) {
  WK_SCOPE;
  (void)context;
  wk_function *f = wk_compile(slope_of_choice, NULL);
  const wk_tensor *y = wk_call(f, WK_TENSORS(number(3)));
  wk_function_free(f);
  return y != NULL;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  assert_true(fail_each_allocation(compile_choice, NULL) > 100);
}

/* Values that change places, and one that stays. */
static wk_status change_places(void *context, wk_tensors s, wk_tensor **next) {
  (void)context;
  next[0] = s.item[1], next[1] = s.item[0], next[2] = s.item[2];
  next[3] = wk_add(s.item[3], number(1));
  return wk_error_status();
}

static wk_tensor *below_five(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[3], number(5));
}

static wk_tensor *exchange(void *context, wk_tensors in) {
  wk_tensor *y[4] = {NULL};
  wk_while(y, below_five, change_places, context,
           WK_TENSORS(in.item[0], number(3), number(7), number(0)));
  return wk_add(wk_multiply(y[0], number(100)), wk_add(wk_multiply(y[1], number(10)), y[2]));
}

static void values_change_places(void **state) {
  (void)state;
  WK_SCOPE;
  wk_function *f = wk_compile(exchange, NULL);
  assert_near(wk_item(wk_call(f, WK_TENSORS(number(2)))), 327, 0);
  assert_no_error();
  wk_function_free(f);
}

/* ---- what a compiled loop keeps ---- */

static wk_status scale_row(void *context, wk_tensors s, wk_tensor **next) {
  next[0] = wk_multiply(s.item[0], context);
  next[1] = wk_add(s.item[1], number(1));
  return wk_error_status();
}

static wk_tensor *thousand(void *context, wk_tensors s) {
  (void)context;
  return wk_less(s.item[1], number(1000));
}

static wk_tensor *scale_rows(void *context, wk_tensors in) {
  wk_tensor *y[2] = {NULL, NULL};
  wk_while(y, thousand, scale_row, context, WK_TENSORS(in.item[0], number(0)));
  return y[0];
}

static wk_tensor *slope_of_rows(void *context, wk_tensors in) {
  wk_tensor *g = NULL;
  wk_grad(&g, wk_sum(scale_rows(context, in)), WK_TENSORS(context));
  return g;
}

/* Bytes that a call takes for a while. */
static size_t peak_of(wk_function_body body) {
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(256), 1, .dtype = WK_F64);
  wk_function *f = wk_compile(body, variable(1.001));
  wk_device *device = wk_tensor_device(x);
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_statistics_get(device, &before);
  wk_memory_peak_reset(device);
  wk_call(f, WK_TENSORS(x));
  assert_no_error();
  wk_memory_statistics_get(device, &after);
  wk_function_free(f);
  return after.peak - before.active;
}

/* States are kept for a gradient, and only if there is one. */
static void states_are_kept_for_gradients(void **state) {
  (void)state;
  assert_in_range(peak_of(slope_of_rows), 2000000, 3000000);
  assert_in_range(peak_of(scale_rows), 2000, 100000);
}

/* ---- wrong use ---- */

static wk_status widen(void *context, wk_tensors s, wk_tensor **next) {
  next[0] = context ? wk_cast(s.item[0], WK_F32) : wk_concatenate(WK_TENSORS(s.item[0], s.item[0]));
  return wk_error_status();
}

static wk_status nothing(void *context, wk_tensors s, wk_tensor **next) {
  (void)context, (void)s, (void)next;
  return WK_OK;
}

static wk_tensor *two_answers(void *context, wk_tensors s) {
  (void)context, (void)s;
  return wk_ones(WK_SHAPE(2));
}

static wk_tensor *wrong(void *context, wk_tensors in) {
  const int which = *(int *)context;
  wk_tensor *y = NULL;
  static power p = {.limit = 100};
  wk_tensor *x = in.item[0];
  if (which == 0) wk_while(&y, is_below, widen, &p, WK_TENSORS(x));
  if (which == 1) wk_while(&y, is_below, nothing, &p, WK_TENSORS(x));
  if (which == 2) wk_while(&y, two_answers, squared, NULL, WK_TENSORS(x));
  if (which == 3) wk_while(&y, is_below, NULL, &p, WK_TENSORS(x));
  if (which == 4) wk_while(&y, is_below, squared, &p, WK_TENSORS(NULL));
  return y;
}

static const struct {
  wk_status status;
  const char *says;
} refusals[] = {{WK_ERROR_DTYPE, "carried value 0 changes from f64 [1] to f32 [1]"},
                {WK_ERROR_CALLBACK, "the body gave no result 0"},
                {WK_ERROR_SHAPE, "the condition is f32 [2], but a choice has one element"},
                {WK_ERROR_ARGUMENT, "a loop needs a condition"},
                {WK_ERROR_ARGUMENT, "state 0 is NULL"}};

static void wrong_use(void **state) {
  (void)state;
  WK_SCOPE;
  for (int which = 0; which < (int)COUNT_OF(refusals); which++) {
    wk_tensor *y = wrong(&which, WK_TENSORS(number(2)));
    assert_null(y);
    assert_error_says(refusals[which].status, refusals[which].says);
    wk_function *f = wk_compile(wrong, &which);
    assert_null(wk_call(f, WK_TENSORS(number(2))));
    assert_error_says(refusals[which].status, refusals[which].says);
    wk_function_free(f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_probe),
      cmocka_unit_test(loops_in_loops),
      cmocka_unit_test(random_numbers_again),
      cmocka_unit_test(choices),
      cmocka_unit_test(scans),
      cmocka_unit_test(compiled_loops),
      cmocka_unit_test(compiled_choices),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(values_change_places),
      cmocka_unit_test(states_are_kept_for_gradients),
      cmocka_unit_test(wrong_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
