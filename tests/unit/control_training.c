/* SPDX-License-Identifier: Apache-2.0 */
/* Training steps inside the loops and choices of compiled functions. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

enum { CALLS = 3, MOST = 256 };

typedef struct trainer {
  wk_module *network;
  wk_optimizer *optimizer;
  wk_tensor *images, *labels;
} trainer;

/* All that calls of the function left. */
typedef struct seen {
  float losses[CALLS], values[CALLS][MOST];
  double steps[CALLS];
  uint64_t offsets[CALLS];
} seen;

static wk_tensor *loss_of(const trainer *t) {
  return wk_cross_entropy(wk_forward(t->network, t->images), t->labels);
}

/* The state: how many steps are left, and the last loss. */
static wk_tensor *is_left(void *context, wk_tensors s) {
  (void)context;
  return wk_less(wk_zeros(WK_SHAPE(1)), s.item[0]);
}

static wk_status train(void *context, wk_tensors s, wk_tensor **next) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  next[0] = wk_subtract(s.item[0], wk_ones(WK_SHAPE(1)));
  next[1] = wk_reshape(wk_detach(loss), WK_SHAPE(1));
  return wk_error_status();
}

static wk_tensor *take_steps(trainer *t, wk_tensor *count) {
  wk_tensor *end[2] = {NULL, NULL};
  wk_while(end, is_left, train, t, WK_TENSORS(count, wk_zeros(WK_SHAPE(1))));
  return end[1];
}

/* in: how many steps, the images and labels. */
static wk_tensor *some_steps(void *context, wk_tensors in) {
  trainer *t = context;
  t->images = in.item[1], t->labels = in.item[2];
  return take_steps(t, in.item[0]);
}

/* One step before the loop, one behind it. */
static wk_tensor *steps_around(void *context, wk_tensors in) {
  trainer *t = context;
  t->images = in.item[1], t->labels = in.item[2];
  wk_backward(loss_of(t));
  wk_optimizer_step(t->optimizer);
  wk_tensor *inner = take_steps(t, in.item[0]), *loss = loss_of(t);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  return wk_add(wk_detach(loss), wk_sum(inner));
}

static wk_status step_on(void *context, wk_tensors in, wk_tensor **results) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  results[0] = wk_add(in.item[0], wk_detach(loss));
  return wk_error_status();
}

static wk_status leave(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_multiply(in.item[0], wk_full(WK_SHAPE(1), 2));
  return wk_error_status();
}

/* Steps only while there are many left. */
static wk_tensor *chosen_steps(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *y = in.item[0];
  t->images = in.item[1], t->labels = in.item[2];
  for (int i = 0; i < 3; i++)
    wk_cond(&y, wk_less(y, wk_full(WK_SHAPE(1), 3)), step_on, leave, t, WK_TENSORS(y));
  return wk_sum(y);
}

static trainer create_trainer(bool keeps) {
  wk_generator_set(wk_generator_default(), 7, 0);
  trainer t = {.network = wk_sequential(wk_linear_layer(6), wk_relu_layer(), wk_dropout_layer(0.5),
                                        wk_linear_layer(3))};
  wk_module_build_for(t.network, WK_SHAPE(4), WK_F32, NULL);
  t.optimizer =
      wk_adam_create(t.network, .learning_rate = 0.1, .clip_norm = 0.5, .keep_gradients = keeps);
  return t;
}

static void free_trainer(trainer *t) {
  wk_optimizer_free(t->optimizer);
  wk_module_free(t->network);
}

static wk_tensors make_inputs(wk_tensor **in, double count) {
  in[0] = wk_full(WK_SHAPE(1), count);
  in[1] = wk_uniform(WK_SHAPE(5, 4), -1, 1, .keyed = true, .seed = 3);
  in[2] = wk_random_integers(WK_SHAPE(5), 3, .keyed = true, .seed = 4);
  return (wk_tensors){3, in};
}

/* All parameters' values, one after the other. */
static void read_all(const trainer *t, float *values) {
  const wk_parameters *all = wk_module_parameters(t->network);
  size_t at = 0;
  for (size_t p = 0; p < wk_parameters_count(all); p++) {
    wk_tensor *tensor = wk_parameters_get(all, p);
    const size_t count = (size_t)wk_tensor_count(tensor);
    assert_in_range(at + count, 1, MOST);
    wk_tensor_read(tensor, values + at, count * sizeof *values);
    at += count;
  }
}

static seen run(wk_function_body body, bool compiled, const float *counts) {
  WK_SCOPE;
  seen s = {.losses = {0}};
  trainer t = create_trainer(false);
  wk_function *f = compiled ? wk_compile(body, &t) : NULL;
  for (int i = 0; i < CALLS; i++) {
    wk_tensor *batch[3];
    const wk_tensors in = make_inputs(batch, counts[i]);
    s.losses[i] = (float)wk_item(compiled ? wk_call(f, in) : body(&t, in));
    assert_no_error();
    read_all(&t, s.values[i]);
    s.steps[i] = (double)wk_optimizer_step_count(t.optimizer);
    wk_generator_get(wk_generator_default(), NULL, &s.offsets[i]);
  }
  if (compiled) assert_int_equal(wk_function_trace_count(f), 1);
  wk_function_free(f);
  free_trainer(&t);
  return s;
}

static void check_same(wk_function_body body, const float *counts) {
  const seen eager = run(body, false, counts), compiled = run(body, true, counts);
  assert_memory_equal(eager.steps, compiled.steps, sizeof eager.steps);
  assert_memory_equal(eager.offsets, compiled.offsets, sizeof eager.offsets);
  assert_memory_equal(eager.losses, compiled.losses, sizeof eager.losses);
  assert_memory_equal(eager.values, compiled.values, sizeof eager.values);
}

/* Goes down while the slope is large, which the condition finds. */
static wk_tensor *is_steep(void *context, wk_tensors s) {
  wk_tensor *x = wk_detach(s.item[0]), *g = NULL;
  (void)context;
  wk_tensor_set_requires_gradient(x, true);
  wk_grad(&g, wk_multiply(x, x), WK_TENSORS(x));
  return wk_less(wk_full(WK_SHAPE(1), 0.25), g);
}

static wk_status go_down(void *context, wk_tensors s, wk_tensor **next) {
  wk_tensor *x = wk_detach(s.item[0]), *g = NULL;
  (void)context;
  wk_tensor_set_requires_gradient(x, true);
  wk_grad(&g, wk_multiply(x, wk_dropout(x, 0.25)), WK_TENSORS(x));
  next[0] = wk_subtract(s.item[0], wk_multiply(g, wk_full(WK_SHAPE(1), 0.125)));
  return wk_error_status();
}

static wk_tensor *descend(void *context, wk_tensors in) {
  wk_tensor *end = NULL;
  wk_while(&end, is_steep, go_down, context, WK_TENSORS(in.item[0]));
  return end;
}

static void steps_in_loops(void **state) {
  (void)state;
  check_same(descend, (float[]){3, 0, 9});
  check_same(some_steps, (float[]){3, 5, 1});
  check_same(some_steps, (float[]){0, 3, 0}); /* no trip */
  check_same(steps_around, (float[]){3, 0, 2});
  check_same(chosen_steps, (float[]){1, 2, 9});
}

/* ---- what is refused, and leaves all as it was ---- */

static wk_status carry_history(void *context, wk_tensors s, wk_tensor **next) {
  const trainer *t = context;
  wk_tensor *loss = loss_of(t);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  next[0] = wk_add(s.item[0], wk_reshape(loss, WK_SHAPE(1)));
  return wk_error_status();
}

static wk_status only_backward(void *context, wk_tensors s, wk_tensor **next) {
  wk_backward(loss_of(context));
  next[0] = wk_subtract(s.item[0], wk_ones(WK_SHAPE(1)));
  return wk_error_status();
}

static wk_status only_step(void *context, wk_tensors s, wk_tensor **next) {
  wk_optimizer_step(((trainer *)context)->optimizer);
  next[0] = wk_subtract(s.item[0], wk_ones(WK_SHAPE(1)));
  return wk_error_status();
}

static wk_tensor *loop_with(trainer *t, wk_tensors in, wk_control_body body) {
  wk_tensor *end = NULL;
  t->images = in.item[1], t->labels = in.item[2];
  wk_while(&end, is_left, body, t, WK_TENSORS(in.item[0]));
  return end;
}

static wk_tensor *history_is_carried(void *context, wk_tensors in) {
  return loop_with(context, in, carry_history);
}

static wk_tensor *gradients_are_left(void *context, wk_tensors in) {
  return loop_with(context, in, only_backward);
}

static wk_tensor *gradient_of_steps(void *context, wk_tensors in) {
  trainer *t = context;
  t->images = in.item[1], t->labels = in.item[2];
  wk_backward(loss_of(t));
  wk_tensor *x = wk_clone(in.item[0]), *g = NULL;
  wk_tensor_set_requires_gradient(x, true);
  wk_grad(&g, loop_with(t, WK_TENSORS(x, in.item[1], in.item[2]), only_step), WK_TENSORS(x));
  return g;
}

static wk_tensor *failure_behind(void *context, wk_tensors in) {
  wk_tensor *end = some_steps(context, in);
  return wk_index_select(end, wk_full(WK_SHAPE(1), 1, .dtype = WK_I64), 0);
}

static void refused(void **state) {
  (void)state;
  static const struct {
    wk_function_body body;
    wk_status status;
    const char *says;
  } cases[] = {
      {history_is_carried, WK_ERROR_UNSUPPORTED,
       "takes gradients in its trips, and carried value 0"},
      {gradients_are_left, WK_ERROR_UNSUPPORTED, "leaves gradients or modes as it does not find"},
      {gradient_of_steps, WK_ERROR_UNSUPPORTED, "a compiled loop with an optimizer's step in it"},
      {failure_behind, WK_ERROR_INDEX, "index"},
  };
  for (int i = 0; i < (int)COUNT_OF(cases); i++) {
    WK_SCOPE;
    float before[MOST] = {0}, after[MOST] = {0};
    trainer t = create_trainer(cases[i].body == gradient_of_steps);
    wk_tensor *in[3];
    make_inputs(in, 2);
    some_steps(&t, (wk_tensors){3, in}); /* so that there are slots */
    read_all(&t, before);
    uint64_t offsets[2];
    wk_generator_get(wk_generator_default(), NULL, &offsets[0]);
    const int64_t steps = wk_optimizer_step_count(t.optimizer);
    wk_function *f = wk_compile(cases[i].body, &t);
    assert_null(wk_call(f, (wk_tensors){3, in}));
    assert_error_says(cases[i].status, cases[i].says);
    read_all(&t, after);
    wk_generator_get(wk_generator_default(), NULL, &offsets[1]);
    assert_memory_equal(before, after, sizeof before);
    assert_true(offsets[0] == offsets[1]);
    assert_int_equal(wk_optimizer_step_count(t.optimizer), steps);
    wk_function_free(f);
    free_trainer(&t);
  }
}

static bool compile_steps(void *context) {
  WK_SCOPE;
  wk_tensor *in[3];
  wk_function *f = wk_compile(some_steps, context);
  wk_tensor *y = wk_call(f, make_inputs(in, 2));
  wk_function_free(f);
  return y != NULL;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  trainer t = {.network = wk_sequential(wk_linear_layer(3))};
  wk_module_build_for(t.network, WK_SHAPE(4), WK_F32, NULL);
  t.optimizer = wk_sgd_create(t.network, .learning_rate = 0.1);
  assert_true(fail_each_allocation(compile_steps, &t) > 20);
  free_trainer(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_in_loops),
      cmocka_unit_test(refused),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
