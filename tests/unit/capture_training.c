/* SPDX-License-Identifier: Apache-2.0 */
/* What training steps decide by the values of gradients, compiled: clipping by their norm, steps
 * that a loss scaler leaves out, and mixed precision. All give eager mode's bits. */
#include "support/unit.h"

#include <math.h>

#include <wick/graph.h>
#include <wick/wick.h>

#include "optim/loss_scaler.h"

enum { STEPS = 9, BATCH = 5 };

typedef struct trainer {
  wk_module *network;
  wk_optimizer *optimizer;
  wk_loss_scaler *scaler;
  wk_dtype precision;
} trainer;

static wk_tensor *loss_of(trainer *t, wk_tensors in) {
  WK_AUTOCAST(t->precision);
  return wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
}

static wk_tensor *plain(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t, in);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  return loss;
}

static wk_tensor *clip_by_function(void *context, wk_tensors in) {
  trainer *t = context;
  wk_parameters *set = wk_module_parameters(t->network);
  wk_tensor *loss = loss_of(t, in);
  wk_backward(loss);
  wk_clip_gradient_norm(set, 0.25);
  wk_clip_gradient_value(set, 0.05);
  wk_optimizer_step(t->optimizer);
  return loss;
}

static wk_tensor *scaled(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t, in);
  wk_backward(wk_loss_scaler_scale(t->scaler, loss));
  wk_loss_scaler_step(t->scaler, t->optimizer);
  wk_loss_scaler_update(t->scaler);
  return loss;
}

static wk_tensor *scaled_and_clipped(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t, in);
  wk_backward(wk_loss_scaler_scale(t->scaler, loss));
  wk_loss_scaler_unscale(t->scaler, t->optimizer);
  wk_clip_gradient_norm(wk_module_parameters(t->network), 0.5);
  wk_loss_scaler_step(t->scaler, t->optimizer);
  wk_loss_scaler_update(t->scaler);
  return loss;
}

static trainer create_trainer(wk_dtype precision, double clip_norm) {
  wk_generator_set(wk_generator_default(), 5, 0);
  trainer t = {.network = wk_sequential(wk_conv2d_layer(4, 3), wk_relu_layer(), wk_flatten_layer(),
                                        wk_dropout_layer(0.3), wk_linear_layer(8), wk_relu_layer(),
                                        wk_linear_layer(5)),
               .precision = precision};
  wk_module_build_for(t.network, WK_SHAPE(6, 6, 2), WK_F32, NULL);
  t.optimizer = wk_adamw_create(t.network, .learning_rate = 1e-2, .clip_norm = clip_norm);
  /* So large that the first steps are left out, and so quick that it grows again. */
  t.scaler = wk_loss_scaler_create(.scale = 0x1p40, .backoff = 0x1p-8, .interval = 2);
  return t;
}

/* Everything that a run leaves. */
typedef struct outcome {
  float values[4096];
  size_t count;
  double scale;
  int64_t good_steps, skipped, steps, traces;
} outcome;

static void run(wk_function_body body, wk_dtype precision, double clip_norm, bool compiled,
                outcome *o) {
  WK_SCOPE;
  *o = (outcome){0};
  trainer t = create_trainer(precision, clip_norm);
  wk_function *f = wk_compile(body, &t);
  for (int i = 0; i < STEPS; i++) {
    WK_SCOPE;
    wk_tensor *x = wk_uniform(WK_SHAPE(BATCH, 6, 6, 2), -1, 1, .keyed = true, .seed = 3,
                              .offset = (uint64_t)(i * 1000));
    wk_tensor *y = wk_random_integers(WK_SHAPE(BATCH), 5, .keyed = true, .seed = 4,
                                      .offset = (uint64_t)(i * 10));
    const wk_tensors in = WK_TENSORS(x, y);
    o->values[o->count++] = (float)wk_item(compiled ? wk_call(f, in) : body(&t, in));
    assert_no_error();
  }
  wk_parameters *set = wk_module_parameters(t.network);
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_tensor *p = wk_parameters_get(set, i);
    const size_t n = (size_t)wk_tensor_count(p);
    assert_true(o->count + n <= COUNT_OF(o->values));
    wk_tensor_read(p, o->values + o->count, n * sizeof *o->values);
    o->count += n;
  }
  wk_loss_scaler_get_state(t.scaler, &o->scale, &o->good_steps);
  o->skipped = wk_loss_scaler_skipped(t.scaler);
  o->steps = wk_optimizer_step_count(t.optimizer);
  o->traces = wk_function_trace_count(f);
  wk_function_free(f);
  wk_loss_scaler_free(t.scaler);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
  assert_no_error();
}

static outcome eager, compiled;

static void assert_same(wk_function_body body, wk_dtype precision, double clip_norm) {
  run(body, precision, clip_norm, false, &eager);
  run(body, precision, clip_norm, true, &compiled);
  assert_int_equal(eager.count, compiled.count);
  for (size_t i = 0; i < eager.count; i++)
    if (memcmp(&eager.values[i], &compiled.values[i], sizeof *eager.values) != 0)
      fail_msg("value %zu: %.9g, but eagerly %.9g", i, (double)compiled.values[i],
               (double)eager.values[i]);
  assert_true(eager.scale == compiled.scale);
  assert_int_equal(eager.good_steps, compiled.good_steps);
  assert_int_equal(eager.skipped, compiled.skipped);
  assert_int_equal(eager.steps, compiled.steps);
  assert_int_equal(compiled.traces, 1);
}

static void an_optimizer_clips_by_the_norm(void **state) {
  (void)state;
  assert_same(plain, WK_DTYPE_DEFAULT, 0.3);
}

static void gradients_are_clipped_by_their_norm(void **state) {
  (void)state;
  assert_same(clip_by_function, WK_DTYPE_DEFAULT, 0);
}

static void autocast_within(void **state) {
  (void)state;
  assert_same(plain, WK_BF16, 0);
  assert_same(plain, WK_F16, 0.3);
}

static void a_loss_scaler_leaves_steps_out(void **state) {
  (void)state;
  assert_same(scaled, WK_F16, 0);
  assert_true(eager.skipped >= 2 && eager.steps >= 3);
  assert_int_equal(eager.steps + eager.skipped, STEPS);
  assert_same(scaled, WK_F16, 0.3);
  assert_same(scaled_and_clipped, WK_F16, 0);
  assert_true(eager.skipped >= 2);
}

/* ---- modes around the call ---- */

static wk_tensor *forward(void *context, wk_tensors in) {
  return wk_forward(((trainer *)context)->network, in.item[0]);
}

static void autocast_around_is_traced_anew(void **state) {
  (void)state;
  WK_SCOPE;
  WK_NO_GRADIENT;
  trainer t = create_trainer(WK_DTYPE_DEFAULT, 0);
  wk_module_set_training(t.network, false);
  wk_function *f = wk_compile(forward, &t);
  const wk_tensors in = WK_TENSORS(wk_uniform(WK_SHAPE(BATCH, 6, 6, 2), -1, 1));
  for (int i = 0; i < 3; i++) {
    {
      WK_AUTOCAST(WK_BF16);
      wk_tensor *y = wk_call(f, in);
      assert_int_equal(wk_tensor_dtype(y), WK_BF16);
      assert_true(wk_item(wk_all(wk_equal(y, forward(&t, in)))) == 1);
    }
    assert_int_equal(wk_tensor_dtype(wk_call(f, in)), WK_F32);
    /* What is cast in a plan is cast anew when the weights have changed. */
    wk_tensor *p = wk_parameters_get(wk_module_parameters(t.network), 0);
    float values[72];
    wk_tensor_read(p, values, sizeof values);
    for (int k = 0; k < 72; k++) values[k] += 0.5f;
    wk_tensor_write(p, values, sizeof values);
    assert_no_error();
  }
  assert_int_equal(wk_function_trace_count(f), 2);
  wk_function_free(f);
  wk_loss_scaler_free(t.scaler);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
}

/* ---- what is refused ---- */

static wk_tensor *sparse_step(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_sum(wk_forward(t->network, in.item[0]));
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  return loss;
}

static void row_sparse_gradients_are_refused(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = {.network = wk_embedding_layer(10, 4, .sparse = true)};
  wk_module_build_for(t.network, WK_SHAPE(3), WK_I64, NULL);
  t.optimizer = wk_adam_create(t.network);
  wk_function *f = wk_compile(sparse_step, &t);
  assert_null(wk_call(f, WK_TENSORS(wk_random_integers(WK_SHAPE(2, 3), 10))));
  assert_error_says(WK_ERROR_UNSUPPORTED, ".sparse = false");
  assert_null(wk_tensor_gradient(wk_parameters_get(wk_module_parameters(t.network), 0)));
  wk_function_free(f);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
}

static wk_tensor *measure(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = loss_of(t, in);
  wk_backward(loss);
  wk_clip_gradient_norm(wk_module_parameters(t->network), (double)INFINITY);
  return loss;
}

static void a_norm_that_is_only_measured_is_refused(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = create_trainer(WK_DTYPE_DEFAULT, 0);
  wk_function *f = wk_compile(measure, &t);
  assert_null(wk_call(f, WK_TENSORS(wk_uniform(WK_SHAPE(BATCH, 6, 6, 2), -1, 1),
                                    wk_random_integers(WK_SHAPE(BATCH), 5))));
  assert_error_says(WK_ERROR_STATE, "the norm has no value");
  wk_function_free(f);
  wk_loss_scaler_free(t.scaler);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_optimizer_clips_by_the_norm),
      cmocka_unit_test(gradients_are_clipped_by_their_norm),
      cmocka_unit_test(autocast_within),
      cmocka_unit_test(a_loss_scaler_leaves_steps_out),
      cmocka_unit_test(autocast_around_is_traced_anew),
      cmocka_unit_test(row_sparse_gradients_are_refused),
      cmocka_unit_test(a_norm_that_is_only_measured_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
