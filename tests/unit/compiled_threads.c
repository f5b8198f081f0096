/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads that call one compiled function at the same time. Meant for TSan too. */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <wick/wick.h>

enum { THREADS = 4, CALLS = 200, SIZES = 12, FEATURES = 6, CLASSES = 5 };

typedef struct worker {
  wk_function *function;
  int index;
  const char *problem; /* NULL: all was well */
} worker;

/* Runs `run` in all threads; fails with what one of them says. */
static void run_workers(wk_function *function, void *(*run)(void *worker)) {
  worker workers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){function, i, NULL};
    assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++)
    if (workers[i].problem) fail_msg("thread %d: %s", i, workers[i].problem);
  assert_no_error();
}

/* ---- calls that change nothing ---- */

static wk_module *network;
static float expected[SIZES][SIZES * CLASSES];

static wk_tensor *make_input(int size) {
  return wk_uniform(WK_SHAPE(size, FEATURES), -1, 1, .keyed = true, .seed = (uint64_t)size);
}

static wk_tensor *predict(void *context, wk_tensors in) {
  WK_NO_GRADIENT;
  return wk_softmax(wk_forward(context, in.item[0]));
}

static const char *predict_once(const worker *w, int size) {
  WK_SCOPE;
  wk_tensor *in[] = {make_input(size)};
  float found[SIZES * CLASSES];
  wk_tensor *out = wk_call(w->function, (wk_tensors){1, in});
  const size_t bytes = (size_t)(size * CLASSES) * sizeof *found;
  if (wk_tensor_read(out, found, bytes) < 0) return "the call failed";
  return memcmp(found, expected[size - 1], bytes) ? "the results are others" : NULL;
}

static void *predict_often(void *context) {
  worker *w = context;
  for (int i = 0; i < CALLS && !w->problem; i++)
    w->problem = predict_once(w, (i * (w->index + 1) + w->index) % SIZES + 1);
  wk_error_clear();
  return NULL;
}

static void predict_at_once(int64_t plan_limit) {
  WK_SCOPE;
  network = wk_sequential(wk_linear_layer(16), wk_tanh_layer(), wk_linear_layer(CLASSES));
  wk_module_build_for(network, WK_SHAPE(FEATURES), WK_F32, NULL);
  wk_module_set_training(network, false);
  for (int size = 1; size <= SIZES; size++) {
    wk_tensor *in[] = {make_input(size)};
    wk_tensor_read(predict(network, (wk_tensors){1, in}), expected[size - 1],
                   (size_t)(size * CLASSES) * sizeof(float));
  }
  wk_function *function = wk_compile(predict, network, .plan_limit = plan_limit);
  run_workers(function, predict_often);
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_statistics_get(wk_device_get("cpu"), &before);
  run_workers(function, predict_often);
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_true(after.active <= before.active + ((size_t)64 << 10));
  if (plan_limit)
    assert_in_range(wk_function_plan_count(function), 1, THREADS);
  else
    assert_int_equal(wk_function_plan_count(function), SIZES);
  wk_function_free(function);
  wk_module_free(network);
  assert_no_error();
}

static void predictions_run_at_once(void **state) {
  (void)state;
  predict_at_once(0);
}

static void plans_that_run_are_not_dropped(void **state) {
  (void)state;
  predict_at_once(1); /* each new one drops all that do not run */
}

/* ---- calls that change something take turns ---- */

static wk_tensor *counter;

static wk_tensor *count_on(void *context, wk_tensors in) {
  (void)context;
  wk_assign(counter, wk_add(counter, in.item[0]));
  return wk_add(counter, wk_scalar(0.5));
}

static const char *count_once(const worker *w) {
  WK_SCOPE;
  wk_tensor *in[] = {wk_full(WK_SHAPE(1), 1, .dtype = WK_F64)};
  double found;
  if (wk_tensor_read(wk_call(w->function, (wk_tensors){1, in}), &found, sizeof found) < 0)
    return "the call failed";
  static atomic_int seen[THREADS * CALLS + 1];
  const int at = (int)found;
  if (at < 1 || at > THREADS * CALLS || (double)at + 0.5 != found) return "a wrong count";
  return atomic_fetch_add(&seen[at], 1) ? "a count came twice" : NULL;
}

static void *count_often(void *context) {
  worker *w = context;
  for (int i = 0; i < CALLS && !w->problem; i++) w->problem = count_once(w);
  wk_error_clear();
  return NULL;
}

static void changes_take_turns(void **state) {
  (void)state;
  WK_SCOPE;
  counter = wk_full(WK_SHAPE(1), 0, .dtype = WK_F64);
  wk_function *function = wk_compile(count_on, NULL);
  run_workers(function, count_often);
  assert_true(wk_item(counter) == THREADS * CALLS);
  wk_function_free(function);
}

static wk_optimizer *optimizer;

static wk_tensor *train_step(void *context, wk_tensors in) {
  wk_tensor *loss = wk_mean(wk_square(wk_forward(context, in.item[0])));
  wk_backward(loss);
  wk_optimizer_step(optimizer);
  return loss;
}

static void train(wk_function *function, int calls) {
  WK_SCOPE;
  wk_tensor *in[] = {make_input(SIZES)};
  for (int i = 0; i < calls && wk_error_status() == WK_OK; i++) {
    WK_SCOPE;
    wk_call(function, (wk_tensors){1, in});
  }
}

static void *train_often(void *context) {
  worker *w = context;
  train(w->function, CALLS / 4);
  if (wk_error_status()) w->problem = "a step failed";
  wk_error_clear();
  return NULL;
}

/* Steps of Adam from several threads are those of one, since each is of the same batch. */
static void training_steps_take_turns(void **state) {
  (void)state;
  WK_SCOPE;
  double sums[2];
  for (int k = 0; k < 2; k++) {
    wk_module *m = wk_sequential(wk_linear_layer(16), wk_tanh_layer(), wk_linear_layer(1));
    wk_generator_set(wk_generator_default(), 3, 0);
    wk_module_build_for(m, WK_SHAPE(FEATURES), WK_F32, NULL);
    optimizer = wk_adam_create(m, .learning_rate = 1e-2);
    wk_function *step = wk_compile(train_step, m);
    if (k)
      run_workers(step, train_often);
    else
      train(step, THREADS * (CALLS / 4));
    assert_no_error();
    assert_int_equal(wk_function_trace_count(step), 1);
    wk_tensor *in[] = {make_input(3)};
    sums[k] = wk_item(wk_sum(wk_forward(m, in[0])));
    wk_function_free(step);
    wk_optimizer_free(optimizer);
    wk_module_free(m);
  }
  assert_true(sums[0] == sums[1]);
}

/* ---- one function within another ---- */

static wk_tensor *call_other(void *context, wk_tensors in) { return wk_call(context, in); }

static void a_call_in_a_traced_function_is_refused(void **state) {
  (void)state;
  WK_SCOPE;
  counter = wk_full(WK_SHAPE(1), 0, .dtype = WK_F64);
  wk_tensor *in[] = {wk_full(WK_SHAPE(1), 1, .dtype = WK_F64)};
  wk_function *inner = wk_compile(count_on, NULL), *outer = wk_compile(call_other, inner);
  wk_call(inner, (wk_tensors){1, in}); /* so that it has a plan for these inputs */
  assert_no_error();
  assert_null(wk_call(outer, (wk_tensors){1, in}));
  assert_error_says(WK_ERROR_STATE, "a compiled function is called while one is traced");
  assert_true(wk_item(counter) == 1);
  wk_function_free(outer);
  wk_function_free(inner);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(predictions_run_at_once),
      cmocka_unit_test(plans_that_run_are_not_dropped),
      cmocka_unit_test(changes_take_turns),
      cmocka_unit_test(training_steps_take_turns),
      cmocka_unit_test(a_call_in_a_traced_function_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
