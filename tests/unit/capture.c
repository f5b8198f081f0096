/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled functions: the bits of eager mode, whatever changes between calls, and what is refused.
 */
#include "support/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wick/graph.h>
#include <wick/wick.h>

#include "graph/capture.h"
#include "graph/function.h"
#include "optim/optimizer.h"
#include "support/trainer.h"

enum { STEPS = 8, BATCH = 6 };

static wk_tensor *backward_only(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  return loss;
}

static wk_tensor *step_only(void *context, wk_tensors in) {
  wk_optimizer_step(((trainer *)context)->optimizer);
  return wk_sum(in.item[0]);
}

static wk_tensor *predict(void *context, wk_tensors in) {
  WK_NO_GRADIENT;
  return wk_forward(((trainer *)context)->network, in.item[0]);
}

static trainer create_trainer(void) {
  wk_generator_set(wk_generator_default(), 7, 0);
  trainer t = {.network =
                   wk_sequential(wk_conv2d_layer(4, 3), wk_batch_norm_layer(), wk_relu_layer(),
                                 wk_max_pool2d_layer(2), wk_flatten_layer(), wk_dropout_layer(0.3),
                                 wk_linear_layer(8), wk_relu_layer(), wk_linear_layer(5))};
  wk_module_build_for(t.network, WK_SHAPE(8, 8, 2), WK_F32, NULL);
  t.optimizer = wk_adam_create(t.network, .learning_rate = 1e-2);
  return t;
}

static void make_batch(int step, int64_t size, wk_tensor **batch) {
  batch[0] = wk_uniform(WK_SHAPE(size, 8, 8, 2), -1, 1, .keyed = true, .seed = 3,
                        .offset = (uint64_t)(step * 10000));
  batch[1] = wk_random_integers(WK_SHAPE(size), 5, .keyed = true, .seed = 4,
                                .offset = (uint64_t)(step * 100));
}

static wk_tensor *three_steps(void *context, wk_tensors in);

/* What step `i` of a run does, eagerly or with functions. */
typedef struct runner {
  trainer trainer;
  wk_function *step, *backward, *update, *predict, *three;
} runner;

typedef wk_tensor *(*act)(runner *r, bool compiled, int i, wk_tensors batch);

static wk_tensor *do_call(wk_function *f, wk_function_body body, runner *r, bool compiled,
                          wk_tensors batch) {
  return compiled ? wk_call(f, batch) : body(&r->trainer, batch);
}

/* Runs STEPS steps; the results' first elements, and at the end all parameters, are put into
 * `values`. Returns how many. */
static size_t run(act action, bool compiled, float *values, size_t most, int64_t *traces) {
  WK_SCOPE;
  runner r = {.trainer = create_trainer()};
  r.step = wk_compile(train_step, &r.trainer);
  r.backward = wk_compile(backward_only, &r.trainer);
  r.update = wk_compile(step_only, &r.trainer);
  r.predict = wk_compile(predict, &r.trainer);
  r.three = wk_compile(three_steps, &r.trainer);
  size_t count = 0;
  for (int i = 0; i < STEPS; i++) {
    WK_SCOPE;
    wk_tensor *batch[2];
    make_batch(i, BATCH, batch);
    values[count++] = (float)wk_item(wk_sum(action(&r, compiled, i, (wk_tensors){2, batch})));
    assert_no_error();
  }
  wk_parameters *parameters = wk_module_parameters(r.trainer.network);
  for (size_t i = 0; i < wk_parameters_count(parameters); i++) {
    const wk_tensor *p = wk_parameters_get(parameters, i);
    const size_t n = (size_t)wk_tensor_count(p);
    assert_true(count + n <= most);
    wk_tensor_read(p, values + count, n * sizeof *values);
    count += n;
  }
  if (traces) *traces = wk_function_trace_count(r.step);
  wk_function *all[] = {r.step, r.backward, r.update, r.predict, r.three};
  for (size_t i = 0; i < COUNT_OF(all); i++) wk_function_free(all[i]);
  free_trainer(&r.trainer);
  assert_no_error();
  return count;
}

enum { MOST = 4096 };
static float eager[MOST], compiled[MOST];

static int64_t assert_same_bits(act action) {
  int64_t traces = 0;
  const size_t count = run(action, false, eager, MOST, NULL);
  assert_int_equal(run(action, true, compiled, MOST, &traces), count);
  for (size_t i = 0; i < count; i++)
    if (memcmp(&eager[i], &compiled[i], sizeof *eager) != 0)
      fail_msg("value %zu: %.9g, but eagerly %.9g", i, (double)compiled[i], (double)eager[i]);
  return traces;
}

static wk_tensor *plain(runner *r, bool c, int i, wk_tensors batch) {
  (void)i;
  return do_call(r->step, train_step, r, c, batch);
}

static void a_training_step_gives_eager_bits(void **state) {
  (void)state;
  assert_int_equal(assert_same_bits(plain), 1);
}

static wk_tensor *change_rate(runner *r, bool c, int i, wk_tensors batch) {
  if (i == 3) wk_optimizer_set(r->trainer.optimizer, "learning_rate", 1e-3);
  return do_call(r->step, train_step, r, c, batch);
}

static void the_learning_rate_may_change(void **state) {
  (void)state;
  assert_int_equal(assert_same_bits(change_rate), 1); /* and needs no new trace */
}

static wk_tensor *evaluate_between(runner *r, bool c, int i, wk_tensors batch) {
  wk_module_set_training(r->trainer.network, i % 2 == 0);
  return i % 2 == 0 ? do_call(r->step, train_step, r, c, batch)
                    : do_call(r->predict, predict, r, c, batch);
}

static void evaluation_between_steps(void **state) {
  (void)state;
  assert_int_equal(assert_same_bits(evaluate_between), 1);
}

static wk_tensor *train_in_evaluation_mode(runner *r, bool c, int i, wk_tensors batch) {
  wk_module_set_training(r->trainer.network, i < 4);
  return do_call(r->step, train_step, r, c, batch);
}

static void another_mode_is_traced_anew(void **state) {
  (void)state;
  assert_int_equal(assert_same_bits(train_in_evaluation_mode), 2);
}

static wk_tensor *freeze(runner *r, bool c, int i, wk_tensors batch) {
  if (i == 2) wk_parameters_freeze(wk_module_parameters(r->trainer.network), 0, true);
  if (i == 5) wk_parameters_freeze(wk_module_parameters(r->trainer.network), 0, false);
  return do_call(r->step, train_step, r, c, batch);
}

static void layers_may_be_frozen_and_freed(void **state) {
  (void)state;
  assert_int_equal(assert_same_bits(freeze), 2);
}

static wk_tensor *accumulate(runner *r, bool c, int i, wk_tensors batch) {
  wk_tensor *loss = do_call(r->backward, backward_only, r, c, batch);
  if (i % 3 == 2) do_call(r->update, step_only, r, c, batch);
  return loss;
}

static void gradients_of_several_calls_add_up(void **state) {
  (void)state;
  assert_same_bits(accumulate);
}

static wk_tensor *mixed(runner *r, bool c, int i, wk_tensors batch) {
  return do_call(r->step, train_step, r, c && i % 2, batch);
}

static void eager_and_compiled_steps_may_alternate(void **state) {
  (void)state;
  assert_same_bits(mixed);
}

static wk_tensor *three_steps(void *context, wk_tensors in) {
  train_step(context, in);
  train_step(context, in);
  return train_step(context, in);
}

static wk_tensor *three_at_once(runner *r, bool c, int i, wk_tensors batch) {
  if (i == 4) wk_optimizer_set(r->trainer.optimizer, "learning_rate", 1e-3);
  return do_call(r->three, three_steps, r, c, batch);
}

static void three_adam_steps_in_one_function(void **state) {
  (void)state;
  assert_same_bits(three_at_once);
}

/* ---- one weight in two places ---- */

static wk_status build_tied(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  return wk_module_add_parameter(self, "weight", WK_SHAPE(6, wk_tensor_dim(x, -1)), WK_F32, 0.3);
}

static wk_tensor *forward_tied(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  wk_tensor *weight = wk_module_parameter(self, "weight");
  return wk_linear(wk_relu(wk_linear(x, weight)), wk_permute(weight, WK_AXES(1, 0)));
}

static const wk_module_type tied_type = {.struct_size = sizeof(wk_module_type),
                                         .name = "tied",
                                         .build = build_tied,
                                         .forward = forward_tied};

static void run_tied(bool compiled_too, float *losses, float *weight) {
  WK_SCOPE;
  wk_generator_set(wk_generator_default(), 9, 0);
  trainer t = {.network = wk_module_create(&tied_type, NULL)};
  wk_module_build_for(t.network, WK_SHAPE(4), WK_F32, NULL);
  t.optimizer = wk_adam_create(t.network, .learning_rate = 1e-2);
  wk_function *f = wk_compile(train_step, &t);
  wk_tensor *x = wk_uniform(WK_SHAPE(5, 4), -1, 1), *y = wk_random_integers(WK_SHAPE(5), 4);
  const wk_tensors in = WK_TENSORS(x, y);
  for (int i = 0; i < STEPS; i++)
    losses[i] = (float)wk_item(compiled_too ? wk_call(f, in) : train_step(&t, in));
  wk_tensor_read(wk_module_parameter(t.network, "weight"), weight, 24 * sizeof *weight);
  assert_no_error();
  wk_function_free(f);
  free_trainer(&t);
}

static void tied_weights(void **state) {
  (void)state;
  float losses[2][STEPS], weights[2][24];
  for (int i = 0; i < 2; i++) run_tied(i, losses[i], weights[i]);
  assert_memory_equal(losses[0], losses[1], sizeof *losses);
  assert_memory_equal(weights[0], weights[1], sizeof *weights);
  assert_true(losses[0][STEPS - 1] < losses[0][0]);
}

/* ---- assignments ---- */

static wk_tensor *average; /* of the first parameter, moving */

static wk_tensor *step_and_average(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = train_step(context, in);
  WK_NO_GRADIENT;
  const wk_tensor *p = wk_parameters_get(wk_module_parameters(t->network), 0);
  wk_assign(average, wk_add(wk_multiply(average, wk_scalar(0.9)),
                            wk_multiply((wk_tensor *)(uintptr_t)p, wk_scalar(0.1))));
  return loss;
}

static void a_moving_average_is_assigned(void **state) {
  (void)state;
  float values[2][72];
  for (int i = 0; i < 2; i++) {
    WK_SCOPE;
    trainer t = create_trainer();
    average = wk_zeros(WK_SHAPE(4, 3, 3, 2));
    wk_function *f = wk_compile(step_and_average, &t);
    for (int step = 0; step < STEPS; step++) {
      wk_tensor *batch[2];
      make_batch(step, BATCH, batch);
      const wk_tensors in = {2, batch};
      i ? wk_call(f, in) : step_and_average(&t, in);
    }
    wk_tensor_read(average, values[i], sizeof values[i]);
    assert_no_error();
    wk_function_free(f);
    free_trainer(&t);
  }
  assert_memory_equal(values[0], values[1], sizeof *values);
}

/* ---- what is refused ---- */

static wk_tensor *count_in_c(void *context, wk_tensors in) {
  int *calls = context;
  return wk_multiply(in.item[0], wk_full(WK_SCALAR, ++*calls));
}

static wk_tensor *count_in_tensor(void *context, wk_tensors in) {
  int *calls = context;
  const float value = (float)++*calls;
  return wk_multiply(in.item[0], wk_tensor_from_data(WK_SCALAR, WK_F32, &value, NULL));
}

static wk_tensor *kept;
static wk_tensor *keep(void *context, wk_tensors in) {
  (void)context;
  kept = wk_tensor_retain(wk_exp(in.item[0]));
  return wk_sum(kept);
}

static wk_tensor *read(void *context, wk_tensors in) {
  (void)context;
  return wk_item(wk_sum(in.item[0])) > 0 ? wk_exp(in.item[0]) : wk_log(in.item[0]);
}

static void assert_refused(wk_function_body body, void *context, const char *text) {
  WK_SCOPE;
  wk_function *f = wk_compile(body, context);
  wk_tensor *x = wk_uniform(WK_SHAPE(4), 0, 1);
  assert_null(wk_call(f, WK_TENSORS(x)));
  assert_int_equal(wk_error_status(), WK_ERROR_STATE);
  wk_error error = {.struct_size = sizeof error};
  wk_error_take(&error);
  if (!strstr(error.message, text)) fail_msg("%s", error.message);
  wk_function_free(f);
}

static void state_of_their_own_is_refused(void **state) {
  (void)state;
  int calls = 0;
  assert_refused(count_in_c, &calls, "not do the same twice");
  assert_refused(count_in_tensor, &calls, "not do the same twice");
  assert_refused(keep, NULL, "keeps the result of exp");
  wk_tensor_release(kept);
  assert_refused(read, NULL, "the result of sum has no values");
}

/* All parameters, running statistics and optimizer slots. */
static size_t read_all(const trainer *t, float *values) {
  wk_parameters *set = wk_module_parameters(t->network);
  size_t count = 0;
  for (int slot = -1; slot < 2; slot++)
    for (size_t i = 0; i < wk_parameters_count(set); i++) {
      wk_tensor *x = slot < 0 ? wk_tensor_retain(wk_parameters_get(set, i))
                              : wk_optimizer_slot(t->optimizer, slot, i);
      const size_t n = (size_t)wk_tensor_count(x);
      assert_true(count + n <= MOST);
      wk_tensor_read(x, values + count, n * sizeof *values);
      wk_tensor_release(x);
      count += n;
    }
  return count;
}

static wk_tensor *fail_half_way(void *context, wk_tensors in) {
  train_step(context, in);
  return wk_matmul(in.item[0], in.item[1]);
}

static wk_tensor *give_up_half_way(void *context, wk_tensors in) {
  wk_forward(((trainer *)context)->network, in.item[0]);
  train_step(context, in);
  return NULL;
}

static wk_tensor *write_from_host(void *context, wk_tensors in) {
  wk_tensor *loss = train_step(context, in);
  WK_NO_GRADIENT;
  static const float zeros[72];
  wk_tensor *p = wk_parameters_get(wk_module_parameters(((trainer *)context)->network), 0);
  wk_tensor_write(p, zeros, sizeof zeros);
  return loss;
}

static wk_tensor *read_what_it_writes(void *context, wk_tensors in) {
  wk_tensor *loss = train_step(context, in);
  static float values[72];
  const trainer *t = context;
  wk_tensor_read(wk_parameters_get(wk_module_parameters(t->network), 0), values, sizeof values);
  return loss;
}

/* What the labels are is found out at a call, in the middle of the plan. */
static wk_tensor *look_up_labels(void *context, wk_tensors in) {
  wk_tensor *loss = train_step(context, in);
  return wk_add(loss, wk_sum(wk_index_select(in.item[0], in.item[2], 0)));
}

static void assert_nothing_changed(wk_function_body body, int64_t label, const char *text) {
  WK_SCOPE;
  trainer t = create_trainer();
  wk_tensor *batch[3], *p = wk_parameters_get(wk_module_parameters(t.network), 0);
  make_batch(0, BATCH, batch);
  batch[2] = wk_full(WK_SHAPE(2), (double)label, .dtype = WK_I64);
  train_step(&t, (wk_tensors){2, batch}); /* so that there are slots */
  uint64_t offset_before, offset_after;
  wk_generator_get(wk_generator_default(), NULL, &offset_before);
  const size_t count = read_all(&t, eager);
  wk_function *f = wk_compile(body, &t);
  assert_null(wk_call(f, (wk_tensors){3, batch}));
  assert_int_not_equal(wk_error_status(), WK_OK);
  assert_error_says(wk_error_status(), text);
  assert_int_equal(read_all(&t, compiled), count);
  assert_memory_equal(eager, compiled, count * sizeof *eager);
  wk_generator_get(wk_generator_default(), NULL, &offset_after);
  assert_int_equal(offset_before, offset_after);
  assert_int_equal(wk_optimizer_step_count(t.optimizer), 1);
  assert_null(wk_tensor_gradient(p));
  wk_function_free(f);
  free_trainer(&t);
}

static void a_failure_half_way_changes_nothing(void **state) {
  (void)state;
  assert_nothing_changed(fail_half_way, 0, "matmul");
  assert_nothing_changed(give_up_half_way, 0, "gave no result");
  assert_nothing_changed(write_from_host, 0, "cannot write values from the host");
  assert_nothing_changed(read_what_it_writes, 0, "it is written in it");
}

static void a_failure_in_a_plan_changes_nothing(void **state) {
  (void)state;
  assert_nothing_changed(look_up_labels, BATCH, "index 6");
}

/* ---- several results ---- */

static wk_status divide(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[0] = wk_floor(wk_divide(in.item[0], in.item[1]));
  results[1] = wk_subtract(in.item[0], wk_multiply(results[0], in.item[1]));
  return wk_error_status();
}

static wk_status give_one(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  results[1] = in.item[0];
  return WK_OK;
}

/* Nodes without elements are not there, but what they would make is read. */
static wk_tensor *read_empty(void *context, wk_tensors in) {
  (void)context;
  wk_tensor *x = wk_clone(in.item[0]), *gradient = NULL;
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *none = wk_expand(x, WK_SHAPE(0, 3)), *squares = wk_multiply(x, x);
  wk_grad(&gradient, wk_add(wk_sum(none), wk_sum(squares)), WK_TENSORS(x));
  return wk_concatenate(WK_TENSORS(wk_add(none, none), wk_reshape(gradient, WK_SHAPE(1, 3))));
}

static void nothing_is_read(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(3), 7.5);
  wk_function *f = wk_compile(read_empty, NULL);
  wk_tensor *y = wk_call(f, WK_TENSORS(x));
  assert_no_error();
  assert_true(wk_tensor_dim(y, 0) == 1 && wk_item(wk_sum(y)) == 45);
  assert_true(wk_item(wk_sum(read_empty(NULL, WK_TENSORS(x)))) == 45);
  wk_function_free(f);
}

static void several_results(void **state) {
  (void)state;
  WK_SCOPE;
  const wk_tensors in = WK_TENSORS(wk_full(WK_SHAPE(3), 7.5), wk_full(WK_SHAPE(3), 2));
  wk_function *f = wk_compile(.body_all = divide, .result_count = 2);
  wk_tensor *results[2];
  for (int i = 0; i < 3; i++) {
    assert_int_equal(wk_call_all(f, in, results), WK_OK);
    assert_true(wk_item(wk_sum(results[0])) == 9 && wk_item(wk_sum(results[1])) == 4.5);
  }
  assert_null(wk_call(f, in));
  assert_error_says(WK_ERROR_ARGUMENT, "wk_call_all");
  wk_call_all(f, in, NULL);
  assert_error_says(WK_ERROR_ARGUMENT, "no place for the results");
  wk_function_free(f);
  f = wk_compile(.body_all = give_one, .result_count = 2);
  assert_int_equal(wk_call_all(f, in, results), WK_ERROR_CALLBACK);
  assert_error_says(WK_ERROR_CALLBACK, "gave no result");
  assert_null(results[1]);
  wk_function_free(f);
  assert_null(wk_compile(.body_all = divide));
  assert_error_says(WK_ERROR_ARGUMENT, "result_count is 0");
  assert_null(wk_compile(predict, NULL, .body_all = divide));
  assert_error_says(WK_ERROR_ARGUMENT, "both body and body_all");
  assert_null(wk_compile(NULL));
  assert_error_says(WK_ERROR_ARGUMENT, "is NULL");
}

/* ---- shapes and the graph itself ---- */

static void new_sizes_are_traced_once(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = create_trainer();
  wk_function *f = wk_compile(predict, &t);
  wk_module_set_training(t.network, false);
  for (int i = 0; i < 12; i++) {
    WK_SCOPE;
    wk_tensor *batch[2];
    make_batch(i, 1 + i % 3, batch);
    wk_tensor *y = wk_call(f, (wk_tensors){1, batch}), *z = predict(&t, (wk_tensors){1, batch});
    assert_int_equal(wk_tensor_dim(y, 0), 1 + i % 3);
    assert_true(wk_item(wk_all(wk_equal(y, z))) == 1);
    assert_no_error();
  }
  assert_int_equal(wk_function_trace_count(f), 3);
  assert_int_equal(wk_function_plan_count(f), 3);
  wk_function_free(f);
  free_trainer(&t);
}

static wk_tensor *sum_of(void *context, wk_tensors in) {
  (void)context;
  return wk_sum(wk_square(in.item[0]));
}

/* When plans go to make room for new ones, each call still runs its own. */
static void test_plans_that_make_room(void **state) {
  (void)state;
  wk_function *f = wk_compile(sum_of, NULL, .plan_limit = 6000);
  for (int64_t i = 0; i < 40; i++) {
    WK_SCOPE;
    const int64_t size = 1 + i * 7 % 11;
    assert_true(wk_item(wk_call(f, WK_TENSORS(wk_full(WK_SHAPE(size), 2)))) == 4.0 * (double)size);
  }
  assert_true(wk_function_plan_count(f) > 1 && wk_function_plan_count(f) < 11);
  assert_true(wk_function_trace_count(f) > 11);
  wk_function_free(f);
  assert_no_error();
}

static wk_tensor *step_and_look_up(void *context, wk_tensors in) {
  train_step(context, in);
  return wk_index_select(in.item[0], in.item[2], 0);
}

/* Parameters that were stepped before something fails are put back. */
static void test_steps_before_a_failure_are_put_back(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = create_trainer();
  wk_function *f = wk_compile(step_and_look_up, &t);
  wk_tensor *batch[3];
  make_batch(0, BATCH, batch);
  static float before[3][MOST], after[3][MOST];
  size_t sizes[3];
  wk_parameters *set = wk_module_parameters(t.network);
  for (int call = 0; call < 3; call++) {
    const int64_t row = call < 2 ? call : BATCH;
    batch[2] = wk_tensor_from_data(WK_SHAPE(1), WK_I64, &row, NULL);
    const bool fine = wk_call(f, (wk_tensors){3, batch}) != NULL;
    assert_true(fine == (call < 2));
    if (!fine) assert_error(WK_ERROR_INDEX);
    for (int i = 0; i < 3; i++) {
      const wk_tensor *w = wk_parameters_get(set, (size_t)i);
      sizes[i] = (size_t)wk_tensor_count(w) * sizeof(float);
      wk_tensor_read(w, call < 2 ? before[i] : after[i], sizes[i]);
    }
  }
  for (int i = 0; i < 3; i++) assert_memory_equal(before[i], after[i], sizes[i]);
  wk_function_free(f);
  free_trainer(&t);
  assert_no_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_training_step_gives_eager_bits),
      cmocka_unit_test(the_learning_rate_may_change),
      cmocka_unit_test(evaluation_between_steps),
      cmocka_unit_test(another_mode_is_traced_anew),
      cmocka_unit_test(layers_may_be_frozen_and_freed),
      cmocka_unit_test(gradients_of_several_calls_add_up),
      cmocka_unit_test(eager_and_compiled_steps_may_alternate),
      cmocka_unit_test(three_adam_steps_in_one_function),
      cmocka_unit_test(tied_weights),
      cmocka_unit_test(a_moving_average_is_assigned),
      cmocka_unit_test(state_of_their_own_is_refused),
      cmocka_unit_test(a_failure_half_way_changes_nothing),
      cmocka_unit_test(a_failure_in_a_plan_changes_nothing),
      cmocka_unit_test(several_results),
      cmocka_unit_test(nothing_is_read),
      cmocka_unit_test(new_sizes_are_traced_once),
      cmocka_unit_test(test_plans_that_make_room),
      cmocka_unit_test(test_steps_before_a_failure_are_put_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
