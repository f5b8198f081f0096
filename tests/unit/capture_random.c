/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers in compiled functions: the same as eagerly, call by call. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

enum { CALLS = 3, MOST = 64 };

/* What calls of the function gave, and where they left the generator. */
typedef struct seen {
  float values[CALLS][MOST];
  uint64_t seeds[CALLS], offsets[CALLS];
} seen;

static seen run(wk_function_body body, void *context, wk_tensors in, bool compiled) {
  WK_SCOPE;
  seen s = {0};
  wk_generator_set(wk_generator_default(), 9, 4);
  wk_function *f = compiled ? wk_compile(body, context) : NULL;
  for (int i = 0; i < CALLS; i++) {
    wk_tensor *y = compiled ? wk_call(f, in) : body(context, in);
    assert_no_error();
    assert_true(wk_tensor_count(y) <= MOST);
    wk_tensor_read(y, s.values[i], (size_t)wk_tensor_count(y) * sizeof(float));
    wk_generator_get(wk_generator_default(), &s.seeds[i], &s.offsets[i]);
  }
  wk_function_free(f);
  return s;
}

static void check_same(wk_function_body body, void *context, wk_tensors in) {
  const seen eager = run(body, context, in, false), compiled = run(body, context, in, true);
  assert_memory_equal(eager.offsets, compiled.offsets, sizeof eager.offsets);
  assert_memory_equal(eager.seeds, compiled.seeds, sizeof eager.seeds);
  assert_memory_equal(eager.values, compiled.values, sizeof eager.values);
}

/* ---- numbers that the user names ---- */

/* Where the generator stands at the first call, and where the first draw leaves it. */
static wk_tensor *draw_keyed(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *first = wk_uniform(WK_SHAPE(6), 0, 1);
  wk_tensor *a = wk_uniform(WK_SHAPE(6), 0, 1, .keyed = true, .seed = 9, .offset = 4);
  wk_tensor *b = wk_dropout(in.item[0], 0.5, .keyed = true, .seed = 9, .offset = 10);
  return wk_concatenate(WK_TENSORS(first, a, wk_dropout(in.item[0], 0.5), b));
}

static void keyed_ops_are_no_draws(void **state) {
  (void)state;
  WK_SCOPE;
  check_same(draw_keyed, NULL, WK_TENSORS(wk_ones(WK_SHAPE(6))));
}

/* ---- loops ---- */

typedef struct walk {
  wk_tensor *weight, *variable; /* that the body reaches */
  wk_loop_policy policy;
  wk_generator *own;
  wk_list *list;
  bool condition_draws, nested, second;
} walk;

static wk_tensor *sum_below(void *context, wk_tensors s) {
  const walk *w = context;
  wk_tensor *limit = wk_full(WK_SHAPE(1), 30);
  if (w->condition_draws) limit = wk_multiply(limit, wk_uniform(WK_SHAPE(1), 0.5, 1));
  return wk_less(s.item[1], limit);
}

static wk_tensor *small(void *context, wk_tensors s) {
  (void)context;
  return wk_less(wk_sum(s.item[0]), wk_scalar(3));
}

static wk_status double_some(void *context, wk_tensors s, wk_tensor **next) {
  const walk *w = context;
  next[0] = wk_add(wk_dropout(wk_multiply(s.item[0], w->weight), 0.5), wk_ones(WK_SHAPE(4)));
  return wk_error_status();
}

/* x and how far it got: a trip adds as much as it draws. */
static wk_status wander(void *context, wk_tensors s, wk_tensor **next) {
  walk *w = context;
  wk_tensor *x = wk_dropout(wk_multiply(s.item[0], w->weight), 0.25), *more;
  if (w->nested) wk_while(&x, small, double_some, w, WK_TENSORS(x), w->policy);
  more = wk_uniform(WK_SHAPE(1), 0, 9, .generator = w->own);
  wk_uniform(WK_SHAPE(3), 0, 1); /* which nobody reads */
  next[0] = wk_add(x, more), next[1] = wk_add(s.item[1], more);
  return wk_error_status();
}

static wk_tensor *wander_off(walk *w, wk_tensor *x) {
  wk_tensor *end[2] = {NULL, NULL};
  wk_tensor *first = wk_dropout(x, 0.5), *last = wk_zeros(WK_SHAPE(1));
  wk_while(end, sum_below, wander, w, WK_TENSORS(first, last), w->policy);
  return wk_multiply(wk_dropout(end[0], 0.5), wk_uniform(WK_SHAPE(4), 1, 2));
}

static wk_tensor *forward(void *context, wk_tensors in) {
  walk *w = context;
  w->weight = in.item[1];
  return wk_concatenate(WK_TENSORS(wander_off(w, in.item[0]), wander_off(w, in.item[0])));
}

static wk_tensor *as_variable(wk_tensor *x) {
  wk_tensor *y = wk_clone(x);
  wk_tensor_set_requires_gradient(y, true);
  return y;
}

static wk_tensor *slopes(void *context, wk_tensors in) {
  walk *w = context;
  wk_tensor *x = as_variable(in.item[0]), *g[2] = {NULL, NULL};
  w->weight = as_variable(in.item[1]);
  wk_tensor *y = wander_off(w, x);
  wk_grad(g, wk_sum(y), WK_TENSORS(x, w->weight), .create_graph = w->second);
  return wk_concatenate(WK_TENSORS(y, g[0], g[1], wk_uniform(WK_SHAPE(2), 0, 1)));
}

static void loops_draw(void **state) {
  (void)state;
  for (int i = 0; i < 16; i++) {
    WK_SCOPE;
    wk_generator *own = wk_generator_create(5);
    walk w = {.policy = (wk_loop_policy)(i & 1),
              .nested = i & 2,
              .condition_draws = i & 4,
              .own = i & 8 ? own : NULL};
    wk_tensor *x = wk_arange(4), *weight = wk_full(WK_SHAPE(4), 0.75);
    const wk_tensors in = WK_TENSORS(wk_cast(x, WK_F32), weight);
    for (int k = 0; k < 2; k++) {
      wk_function_body body = k ? slopes : forward;
      wk_generator_set(own, 5, 0);
      const seen eager = run(body, &w, in, false);
      uint64_t offset[2];
      wk_generator_get(own, NULL, &offset[0]);
      wk_generator_set(own, 5, 0);
      const seen compiled = run(body, &w, in, true);
      wk_generator_get(own, NULL, &offset[1]);
      assert_true(offset[0] == offset[1] && (offset[0] > 0) == (i >= 8));
      assert_memory_equal(eager.offsets, compiled.offsets, sizeof eager.offsets);
      assert_memory_equal(eager.values, compiled.values, sizeof eager.values);
    }
    wk_generator_free(own);
  }
}

/* ---- where else they stand ---- */

static wk_status drop(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_dropout(in.item[0], 0.5);
  return wk_error_status();
}

static wk_status drop_twice(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_dropout(wk_dropout(in.item[0], 0.25), 0.25);
  return wk_error_status();
}

/* Of which the branches draw different counts; one after the other, and a gradient. */
static wk_tensor *choose(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *g = NULL;
  wk_tensor *y[2] = {NULL, x};
  for (int i = 0; i < 5; i++, y[1] = y[0])
    wk_cond(y, wk_less(wk_uniform(WK_SHAPE(1), 0, 1), wk_full(WK_SHAPE(1), 0.5)), drop, drop_twice,
            context, WK_TENSORS(y[1]));
  wk_grad(&g, wk_sum(y[1]), WK_TENSORS(x));
  return wk_concatenate(WK_TENSORS(y[1], g, wk_uniform(WK_SHAPE(2), 0, 1)));
}

static wk_tensor *wander_again(void *context, wk_tensors in) {
  return wander_off(context, in.item[0]);
}

/* A checkpoint's second run draws what the first one did, with draws of its own between. */
static wk_tensor *checkpointed(void *context, wk_tensors in) {
  walk *w = context;
  wk_tensor *x = as_variable(in.item[0]), *g[2] = {NULL, NULL};
  w->weight = as_variable(in.item[1]);
  wk_tensor *y = wk_checkpoint(wander_again, w, WK_TENSORS(x));
  y = wk_dropout(wk_checkpoint(wander_again, w, WK_TENSORS(y)), 0.5);
  wk_grad(g, wk_sum(y), WK_TENSORS(x, w->weight));
  return wk_concatenate(WK_TENSORS(y, g[0], g[1], wk_uniform(WK_SHAPE(2), 0, 1)));
}

/* A loop whose results nobody reads moves the generator all the same. */
static wk_tensor *in_vain(void *context, wk_tensors in) {
  walk *w = context;
  w->weight = in.item[1];
  wander_off(w, in.item[0]);
  return wk_uniform(WK_SHAPE(5), 0, 1);
}

static wk_tensor *scanned(void *context, wk_tensors in) {
  walk w = {.weight = in.item[1]};
  wk_tensor *end[2] = {NULL, NULL}, *begin = wk_uniform(WK_SHAPE(1), 0, 1);
  (void)context;
  wk_scan(end, wander, &w, WK_TENSORS(in.item[0], begin), WK_TENSORS(wk_zeros(WK_SHAPE(5, 1))));
  return wk_concatenate(WK_TENSORS(end[0], end[1], wk_uniform(WK_SHAPE(2), 0, 1)));
}

static wk_status gather(void *context, wk_tensors s, wk_tensor **next) {
  wk_tensor *more = wk_uniform(WK_SHAPE(1), 0, 9);
  wk_list_append(((walk *)context)->list, more);
  next[0] = s.item[0], next[1] = wk_add(s.item[1], more);
  return wk_error_status();
}

/* How often it is drawn decides a size, for which the run begins again. */
static wk_tensor *gathered(void *context, wk_tensors in) {
  walk w = {.list = wk_list_create()};
  wk_tensor *end[2] = {NULL, NULL}, *begin = wk_uniform(WK_SHAPE(1), 0, 20);
  (void)context;
  wk_while(end, sum_below, gather, &w, WK_TENSORS(in.item[0], begin));
  wk_tensor *sum = wk_sum(wk_list_stack(w.list), .axes = WK_AXES(0));
  wk_list_free(w.list);
  return wk_concatenate(WK_TENSORS(sum, end[1], wk_uniform(WK_SHAPE(2), 0, 1)));
}

static void other_places(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_cast(wk_arange(4), WK_F32), *weight = wk_full(WK_SHAPE(4), 0.75);
  const wk_tensors in = WK_TENSORS(x, weight);
  check_same(choose, NULL, in);
  check_same(gathered, NULL, in);
  check_same(scanned, NULL, in);
  for (int policy = 0; policy < 2; policy++) {
    walk w = {.policy = (wk_loop_policy)policy};
    check_same(checkpointed, &w, in);
    check_same(in_vain, &w, in);
  }
}

/* ---- failures ---- */

static wk_tensor *fail_behind(void *context, wk_tensors in) {
  walk *w = context;
  w->weight = in.item[1];
  wk_tensor *y = wander_off(w, in.item[0]);
  return wk_index_select(y, wk_full(WK_SHAPE(1), 4, .dtype = WK_I64), 0);
}

/* The loop would use numbers of before it, for the gradient of what was dropped there. */
static wk_status lead_back(void *context, wk_tensors s, wk_tensor **next) {
  walk *w = context;
  wk_tensor *g = NULL;
  wk_grad(&g, w->weight, WK_TENSORS(w->variable));
  next[0] = wk_add(s.item[0], g), next[1] = wk_add(s.item[1], wk_full(WK_SHAPE(1), 9));
  return wk_error_status();
}

static wk_tensor *drop_outside(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *y[2] = {NULL, NULL};
  walk w = {.weight = wk_sum(wk_dropout(x, 0.5)), .variable = x};
  (void)context;
  wk_while(y, sum_below, lead_back, &w, WK_TENSORS(in.item[1], wk_zeros(WK_SHAPE(1))));
  return y[0];
}

static void refused(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_cast(wk_arange(4), WK_F32), *weight = wk_full(WK_SHAPE(4), 0.75);
  static const struct {
    wk_function_body body;
    wk_status status;
    const char *says;
  } cases[] = {
      {fail_behind, WK_ERROR_INDEX, "4"},
      {slopes, WK_ERROR_UNSUPPORTED, "gradients of gradients of a compiled loop in which random"},
      {drop_outside, WK_ERROR_UNSUPPORTED, "random numbers drawn outside of a compiled loop"},
  };
  for (int i = 0; i < (int)COUNT_OF(cases); i++) {
    walk w = {.second = true};
    uint64_t before, after;
    wk_generator_get(wk_generator_default(), NULL, &before);
    wk_function *f = wk_compile(cases[i].body, &w);
    assert_null(wk_call(f, WK_TENSORS(x, weight)));
    assert_error_says(cases[i].status, cases[i].says);
    wk_generator_get(wk_generator_default(), NULL, &after);
    assert_true(before == after);
    wk_function_free(f);
  }
}

static wk_status drop_on(void *context, wk_tensors s, wk_tensor **next) {
  (void)context;
  next[0] = wk_dropout(s.item[0], 0.5), next[1] = wk_add(s.item[1], s.item[1]);
  return wk_error_status();
}

static wk_tensor *slope(void *context, wk_tensors in) {
  wk_tensor *x = as_variable(in.item[0]), *end[2] = {NULL, NULL}, *g = NULL;
  wk_while(end, sum_below, drop_on, context, WK_TENSORS(x, in.item[0]), WK_LOOP_SQUARE_ROOT);
  wk_grad(&g, end[0], WK_TENSORS(x));
  return g;
}

static bool compile_slope(void *context) {
  WK_SCOPE;
  walk w = {.condition_draws = true};
  (void)context;
  wk_function *f = wk_compile(slope, &w);
  wk_tensor *y = wk_call(f, WK_TENSORS(wk_ones(WK_SHAPE(1))));
  wk_function_free(f);
  return y != NULL;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  assert_true(fail_each_allocation(compile_slope, NULL) > 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keyed_ops_are_no_draws),
      cmocka_unit_test(loops_draw),
      cmocka_unit_test(other_places),
      cmocka_unit_test(refused),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
