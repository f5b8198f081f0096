/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that grow, eagerly and in compiled loops. */
#include "support/unit.h"

#include <wick/wick.h>

static wk_tensor *number(double value) { return wk_full(WK_SHAPE(1), value, .dtype = WK_F64); }

static void eagerly(void **state) {
  (void)state;
  WK_SCOPE;
  wk_list *list = wk_list_create();
  wk_tensor *x = number(2), *all, *g;
  wk_tensor_set_requires_gradient(x, true);
  for (int i = 0; i < 3; i++) wk_list_append(list, wk_multiply(x, number(i)));
  all = wk_list_stack(list);
  wk_grad(&g, wk_sum(wk_multiply(all, all)), WK_TENSORS(x));
  assert_true(wk_list_length(list) == 3 && wk_item(wk_list_get(list, -1)) == 4);
  assert_true(wk_item(g) == 20);
  wk_list_append(list, wk_zeros(WK_SHAPE(2), .dtype = WK_F64));
  assert_error_says(WK_ERROR_SHAPE, "changes from f64 [1] to f64 [2]");
  assert_null(wk_list_get(list, 3));
  assert_error_says(WK_ERROR_INDEX, "no item 3 in a list of 3");
  wk_list_free(list);
}

/* ---- compiled: state n goes up to the limit, and the list gets n * n + 1 ---- */

typedef struct growth {
  wk_list *list;
  wk_tensor *limit;
  int depth; /* loops around the one that appends */
  wk_loop_policy policy;
} growth;

static wk_tensor *is_below(void *context, wk_tensors s) {
  return wk_less(s.item[0], ((growth *)context)->limit);
}

static wk_status append(void *context, wk_tensors s, wk_tensor **next) {
  growth *g = context;
  next[0] = wk_add(s.item[0], number(1));
  return wk_list_append(g->list, wk_add(wk_multiply(s.item[0], s.item[0]), number(1)));
}

/* A loop up to the state in a loop up to the limit: 0, 0 1, 0 1 2, ... */
static wk_status append_up_to(void *context, wk_tensors s, wk_tensor **next) {
  growth inner = *(growth *)context;
  wk_tensor *end;
  inner.limit = s.item[0];
  wk_while(&end, is_below, append, &inner, WK_TENSORS(number(0)));
  next[0] = wk_add(s.item[0], number(1));
  return wk_error_status();
}

static wk_tensor *run(void *context, wk_tensors in) {
  growth g = *(growth *)context;
  wk_tensor *end;
  g.list = wk_list_create();
  g.limit = in.item[1];
  wk_while(&end, is_below, g.depth ? append_up_to : append, &g, WK_TENSORS(in.item[0]), g.policy);
  wk_tensor *all = wk_list_stack(g.list);
  wk_list_free(g.list);
  return all;
}

static void check_equal(wk_function *f, growth *g, double from, double to) {
  WK_SCOPE;
  wk_tensor *want = run(g, WK_TENSORS(number(from), number(to)));
  wk_tensor *got = wk_call(f, WK_TENSORS(number(from), number(to)));
  assert_no_error();
  assert_true(wk_tensor_dim(got, 0) == wk_tensor_dim(want, 0));
  assert_true(wk_item(wk_sum(wk_abs(wk_subtract(got, want)))) == 0);
}

static void compiled(void **state) {
  (void)state;
  WK_SCOPE;
  for (int depth = 0; depth < 2; depth++) {
    growth g = {.depth = depth};
    wk_function *f = wk_compile(run, &g);
    for (int turn = 0; turn < 2; turn++)
      for (int to = 5; to > 1; to--) check_equal(f, &g, depth, to);
    assert_true(wk_function_plan_count(f) <= 5); /* one for the first guess */
    const int64_t traces = wk_function_trace_count(f);
    check_equal(f, &g, depth, 3);
    assert_true(wk_function_trace_count(f) == traces);
    assert_null(wk_call(f, WK_TENSORS(number(7), number(5))));
    assert_error_says(WK_ERROR_STATE, "an empty list has nothing to stack");
    check_equal(f, &g, depth, 4);
    wk_function_free(f);
  }
}

/* What stands before the loop, between two and behind them; read by index and by length. */
static wk_tensor *mixed(void *context, wk_tensors in) {
  growth g = {.list = wk_list_create(), .limit = in.item[1]};
  wk_tensor *end, *counter = context;
  wk_assign(counter, wk_add(counter, number(1))); /* undone where a length was not the one taken */
  wk_list_append(g.list, number(100));
  wk_while(&end, is_below, append, &g, WK_TENSORS(in.item[0]));
  wk_list_append(g.list, number(200));
  const int64_t first = wk_list_length(g.list);
  wk_while(&end, is_below, append, &g, WK_TENSORS(in.item[0]));
  wk_tensor *last = wk_list_get(g.list, -1), *sum = wk_sum(wk_list_stack(g.list));
  wk_list_free(g.list);
  return wk_stack(WK_TENSORS(wk_reshape(last, WK_SHAPE(1)), wk_reshape(sum, WK_SHAPE(1)),
                             number((double)first)),
                  .axis = 0);
}

static void lengths_are_found_one_by_one(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *counter = number(0), *other = number(0);
  wk_function *f = wk_compile(mixed, counter, .verify = 1); /* of no effect with loops */
  for (int to = 3; to < 6; to++) {
    wk_tensor *got = wk_call(f, WK_TENSORS(number(0), number(to)));
    wk_tensor *want = mixed(other, WK_TENSORS(number(0), number(to)));
    assert_no_error();
    assert_true(wk_item(wk_sum(wk_abs(wk_subtract(got, want)))) == 0);
    assert_true(wk_item(counter) == wk_item(other));
  }
  wk_function_free(f);
}

static wk_tensor *length(void *context, wk_tensors in) {
  growth g = {.list = wk_list_create(), .limit = in.item[1]};
  wk_tensor *end;
  (void)context;
  wk_while(&end, is_below, append, &g, WK_TENSORS(in.item[0]));
  const int64_t count = wk_list_length(g.list);
  wk_list_free(g.list);
  return number((double)count);
}

static void no_trips(void **state) {
  (void)state;
  WK_SCOPE;
  wk_function *f = wk_compile(length, NULL);
  for (int to = 2; to >= 0; to--) {
    wk_tensor *got = wk_call(f, WK_TENSORS(number(0), number(to)));
    assert_no_error();
    assert_true(wk_item(got) == to);
  }
  wk_function_free(f);
}

/* A gradient of the loop's state goes through; lists do not grow again for it. */
static wk_tensor *slope(void *context, wk_tensors in) {
  growth g = *(growth *)context;
  wk_tensor *x = wk_clone(in.item[0]), *end, *slope = NULL;
  wk_tensor_set_requires_gradient(x, true);
  g.list = wk_list_create();
  g.limit = in.item[1];
  wk_while(&end, is_below, append, &g, WK_TENSORS(x), g.policy);
  wk_grad(&slope, end, WK_TENSORS(x));
  wk_tensor *all = NULL;
  if (g.depth) {
    all = wk_list_stack(g.list);
  } else {
    WK_NO_GRADIENT;
    all = wk_list_stack(g.list);
  }
  wk_list_free(g.list);
  return all ? wk_concatenate(WK_TENSORS(slope, wk_reshape(wk_sum(all), WK_SHAPE(1)))) : NULL;
}

static void gradients(void **state) {
  (void)state;
  WK_SCOPE;
  for (int policy = 0; policy < 2; policy++) {
    growth g = {.policy = (wk_loop_policy)policy};
    wk_function *f = wk_compile(slope, &g);
    wk_tensor *got = wk_call(f, WK_TENSORS(number(0), number(5)));
    wk_tensor *want = slope(&g, WK_TENSORS(number(0), number(5)));
    assert_no_error();
    for (int i = 0; i < 2; i++) {
      assert_true(wk_item(wk_select(want, 0, i)) == (i ? 35 : 1));
      assert_true(wk_item(wk_select(got, 0, i)) == (i ? 35 : 1));
    }
    wk_function_free(f);
  }
  growth through = {.depth = 1};
  wk_function *f = wk_compile(slope, &through);
  assert_null(wk_call(f, WK_TENSORS(number(0), number(5))));
  assert_error_says(WK_ERROR_UNSUPPORTED, "no gradient flows through a list that grew");
  wk_function_free(f);
}

static wk_tensor *into_older(void *context, wk_tensors in) {
  growth g = {.list = context, .limit = in.item[1]};
  wk_tensor *end = NULL;
  wk_while(&end, is_below, append, &g, WK_TENSORS(in.item[0]));
  return end;
}

static void refused(void **state) {
  (void)state;
  WK_SCOPE;
  wk_list *older = wk_list_create();
  wk_function *f = wk_compile(into_older, older);
  assert_null(wk_call(f, WK_TENSORS(number(0), number(5))));
  assert_error_says(WK_ERROR_UNSUPPORTED, "a list made outside of a compiled function grows in it");
  assert_true(wk_list_length(older) == 0);
  wk_function_free(f);
  wk_list_free(older);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eagerly),   cmocka_unit_test(compiled),
      cmocka_unit_test(gradients), cmocka_unit_test(lengths_are_found_one_by_one),
      cmocka_unit_test(no_trips),  cmocka_unit_test(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
