/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiled function may change of the objects around it, and what it may not. */
#include "support/unit.h"

#include <wick/wick.h>

#include "support/trainer.h"

static trainer create_trainer(void) {
  wk_generator_set(wk_generator_default(), 7, 0);
  trainer t = {.network = wk_sequential(wk_linear_layer(6), wk_relu_layer(), wk_dropout_layer(0.5),
                                        wk_linear_layer(3))};
  wk_module_build_for(t.network, WK_SHAPE(4), WK_F32, NULL);
  t.optimizer = wk_sgd_create(t.network, .learning_rate = 0.1);
  return t;
}

static wk_tensors make_batch(wk_tensor **batch) {
  batch[0] = wk_uniform(WK_SHAPE(5, 4), -1, 1, .keyed = true, .seed = 3);
  batch[1] = wk_random_integers(WK_SHAPE(5), 3, .keyed = true, .seed = 4);
  return (wk_tensors){2, batch};
}

/* The body's results over some calls, eagerly and compiled. */
static void assert_same(wk_function_body body, int64_t traces) {
  float values[2][4];
  bool training[2];
  for (int compiled = 0; compiled < 2; compiled++) {
    WK_SCOPE;
    trainer t = create_trainer();
    wk_function *f = wk_compile(body, &t);
    wk_tensor *batch[2];
    const wk_tensors in = make_batch(batch);
    for (int i = 0; i < 4; i++)
      values[compiled][i] = (float)wk_item(wk_sum(compiled ? wk_call(f, in) : body(&t, in)));
    assert_no_error();
    training[compiled] = wk_module_is_training(t.network);
    if (compiled) assert_int_equal(wk_function_trace_count(f), traces);
    wk_function_free(f);
    free_trainer(&t);
  }
  assert_memory_equal(values[0], values[1], sizeof values[0]);
  assert_int_equal(training[0], training[1]);
}

/* ---- what is done as in eager mode ---- */

static wk_tensor *gradient_of_input(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *x = wk_detach(in.item[0]);
  wk_tensor_set_requires_gradient(x, true);
  for (int i = 0; i < 2; i++) wk_backward(wk_cross_entropy(wk_forward(t->network, x), in.item[1]));
  wk_tensor *gradient = wk_multiply(wk_tensor_gradient(x), x);
  wk_optimizer_step(t->optimizer);
  return gradient;
}

static void inputs_may_have_gradients(void **state) {
  (void)state;
  assert_same(gradient_of_input, 1);
}

static wk_tensor *evaluate_within(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  wk_module_set_training(t->network, false);
  wk_tensor *after = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_module_set_training(t->network, true);
  return wk_subtract(loss, after);
}

static void evaluation_within_a_step(void **state) {
  (void)state;
  assert_same(evaluate_within, 1);
}

static wk_tensor *end_in_evaluation(void *context, wk_tensors in) {
  trainer *t = context;
  wk_module_set_training(t->network, !wk_module_is_training(t->network));
  return wk_forward(t->network, in.item[0]);
}

static void a_mode_that_is_left_lasts(void **state) {
  (void)state;
  assert_same(end_in_evaluation, 2);
}

static wk_tensor *freeze_within(void *context, wk_tensors in) {
  trainer *t = context;
  wk_parameters *set = wk_module_parameters(t->network);
  wk_parameters_freeze(set, 0, true);
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  wk_parameters_freeze(set, 0, false);
  return loss;
}

static void a_layer_frozen_within_a_step(void **state) {
  (void)state;
  assert_same(freeze_within, 1);
}

static wk_tensor *forward(void *context, wk_tensors in) {
  return wk_forward(((trainer *)context)->network, in.item[0]);
}

static wk_status double_it(void *context, void *event) {
  (void)context;
  wk_gradient_event *e = event;
  e->replacement = wk_multiply(e->gradient, wk_scalar(2));
  return WK_OK;
}

static wk_tensor *recompute_and_hook(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *y = wk_checkpoint(forward, t, WK_TENSORS(in.item[0]));
  wk_tensor *loss = wk_cross_entropy(y, in.item[1]);
  const wk_callback callback = {.struct_size = sizeof callback, .run = double_it};
  wk_tensor_add_hook(y, &callback, NULL);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  return loss;
}

static void checkpoints_and_hooks(void **state) {
  (void)state;
  assert_same(recompute_and_hook, 1);
}

/* ---- what is refused, and lasts in no way ---- */

static wk_tensor *make_optimizer(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer *own = wk_sgd_create(t->network);
  wk_optimizer_step(own);
  wk_optimizer_free(own);
  return loss;
}

static wk_tensor *make_scaler(void *context, wk_tensors in) {
  (void)context;
  wk_loss_scaler *own = wk_loss_scaler_create();
  wk_tensor *y = wk_loss_scaler_scale(own, in.item[0]);
  wk_loss_scaler_free(own);
  return y;
}

static wk_tensor *make_generator(void *context, wk_tensors in) {
  (void)context;
  wk_generator *own = wk_generator_create(3);
  wk_tensor *y = wk_dropout(in.item[0], 0.5, .generator = own);
  wk_generator_free(own);
  return y;
}

static wk_tensor *seed(void *context, wk_tensors in) {
  (void)context;
  wk_generator_set(wk_generator_default(), 1, 0);
  return wk_dropout(in.item[0], 0.5);
}

static wk_tensor *schedule(void *context, wk_tensors in) {
  trainer *t = context;
  wk_optimizer_set(t->optimizer, "learning_rate", 0.5);
  return wk_exp(in.item[0]);
}

static void assert_refused(wk_function_body body, const char *text) {
  WK_SCOPE;
  trainer t = create_trainer();
  wk_function *f = wk_compile(body, &t);
  wk_tensor *batch[2];
  uint64_t offset;
  assert_null(wk_call(f, make_batch(batch)));
  assert_error_says(WK_ERROR_STATE, text);
  uint64_t seed_now;
  wk_generator_get(wk_generator_default(), &seed_now, &offset);
  assert_int_equal(seed_now, 7);
  assert_true(wk_optimizer_get(t.optimizer, "learning_rate") == 0.1);
  assert_no_error();
  wk_function_free(f);
  free_trainer(&t);
}

static void objects_are_made_outside(void **state) {
  (void)state;
  assert_refused(make_optimizer, "an optimizer cannot be made");
  assert_refused(make_scaler, "a loss scaler cannot be made");
  assert_refused(make_generator, "a generator cannot be made");
  assert_refused(seed, "a generator cannot be set");
  assert_refused(schedule, "a setting cannot be changed");
}

/* ---- memory ---- */

static bool compile_and_call(void *context) {
  WK_SCOPE;
  trainer *t = context;
  for (int verify = 0; verify < 2; verify++) {
    wk_function *f = wk_compile(train_step, t, .verify = verify);
    wk_tensor *batch[2];
    const wk_tensors in = make_batch(batch);
    for (int i = 0; i < 2; i++) wk_call(f, in);
    wk_function_free(f);
  }
  return wk_error_status() == WK_OK;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  trainer t = create_trainer();
  assert_true(fail_each_allocation(compile_and_call, &t) > 20);
  free_trainer(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checkpoints_and_hooks),        cmocka_unit_test(inputs_may_have_gradients),
      cmocka_unit_test(evaluation_within_a_step),     cmocka_unit_test(a_mode_that_is_left_lasts),
      cmocka_unit_test(a_layer_frozen_within_a_step), cmocka_unit_test(objects_are_made_outside),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
