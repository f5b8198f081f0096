/* SPDX-License-Identifier: Apache-2.0 */
/* Training in one thread while four others predict with a network that they share: scopes, errors
 * and the recording of gradients are each thread's own. Meant for TSan too. */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "support/temporary.h"

enum { PREDICTORS = 4, ROUNDS = 25, BATCH = 8, CLASSES = 10 };

static wk_module *make_network(void) {
  return wk_sequential(wk_conv2d_layer(4, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_flatten_layer(), wk_dropout_layer(0.5), wk_linear_layer(CLASSES));
}

static wk_tensor *make_images(uint64_t seed) {
  return wk_uniform(WK_SHAPE(BATCH, 12, 12, 1), .keyed = true, .seed = seed);
}

/* ---- one trains, four predict ---- */

typedef struct predictor {
  wk_module *network;
  int index;
  atomic_int *running;
  const float *expected; /* of this one's images */
  const char *problem;   /* NULL: all was well */
} predictor;

static const char *predict_once(predictor *p, int round) {
  WK_SCOPE;
  if (wk_scope_count() != 0) return "a scope is not empty at first";
  if (p->index % 2) wk_set_gradients_recorded(round % 2); /* the others record all the time */
  wk_tensor *output = wk_forward(p->network, make_images((uint64_t)p->index));
  const bool recorded = p->index % 2 == 0 || round % 2;
  if (wk_tensor_requires_gradient(output) != recorded) return "recording leaked between threads";
  float scores[BATCH * CLASSES];
  if (wk_tensor_read(output, scores, sizeof scores) < 0) return "the scores cannot be read";
  if (memcmp(scores, p->expected, sizeof scores)) return "the scores are not the expected ones";
  if (p->index != 3 || round != 10) return NULL;
  wk_add(output, NULL); /* a mistake of this thread alone */
  if (wk_error_status() != WK_ERROR_ARGUMENT) return "the mistake went unnoticed";
  wk_error_clear();
  return NULL;
}

static void *predict(void *context) {
  predictor *p = context;
  for (int round = 0; round < ROUNDS && !p->problem; round++) p->problem = predict_once(p, round);
  if (!p->problem && (wk_error_status() || wk_scope_count())) p->problem = "something is left";
  atomic_fetch_sub(p->running, 1);
  return NULL;
}

static double train_step(wk_module *network, wk_optimizer *optimizer, wk_tensor *images,
                         wk_tensor *labels) {
  WK_SCOPE;
  wk_tensor *loss = wk_cross_entropy(wk_forward(network, images), labels);
  wk_backward(loss);
  wk_optimizer_step(optimizer);
  return wk_item(loss);
}

/* Trains until all predictors are done; the losses of the first and the last step. */
static void train(atomic_int *running, double *first, double *last) {
  WK_SCOPE;
  wk_module *network = make_network();
  wk_module_build_for(network, WK_SHAPE(12, 12, 1), WK_F32, NULL);
  wk_module_set_training(network, true);
  wk_optimizer *optimizer = wk_adam_create(network, .learning_rate = 1e-2);
  wk_tensor *images = make_images(99), *labels = wk_arange(BATCH, .dtype = WK_I64);
  *first = train_step(network, optimizer, images, labels);
  int steps = 1;
  while (atomic_load(running) || steps < 50) {
    *last = train_step(network, optimizer, images, labels);
    steps++;
  }
  wk_optimizer_free(optimizer);
  wk_module_free(network);
}

static wk_module *make_and_load(void) {
  const char *path = temporary_path("shared.safetensors");
  wk_module *network = make_network();
  wk_module_build_for(network, WK_SHAPE(12, 12, 1), WK_F32, NULL);
  wk_module_save(network, path);
  wk_module_free(network);
  return wk_module_load(path);
}

static void test_train_and_predict_at_once(void **state) {
  (void)state;
  static float expected[PREDICTORS][BATCH * CLASSES];
  wk_set_thread_count(2);
  wk_module *network = make_and_load();
  assert_no_error();
  predictor predictors[PREDICTORS];
  pthread_t threads[PREDICTORS];
  atomic_int running = PREDICTORS;
  for (int i = 0; i < PREDICTORS; i++) {
    WK_SCOPE;
    wk_tensor_read(wk_forward(network, make_images((uint64_t)i)), expected[i], sizeof expected[i]);
    predictors[i] = (predictor){network, i, &running, expected[i], NULL};
  }
  for (int i = 0; i < PREDICTORS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, predict, &predictors[i]), 0);
  double first = 0, last = 0;
  train(&running, &first, &last);
  for (int i = 0; i < PREDICTORS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < PREDICTORS; i++)
    if (predictors[i].problem) fail_msg("thread %d: %s", i, predictors[i].problem);
  assert_no_error();
  assert_true(last < first);
  assert_int_equal(wk_scope_count(), 0);
  wk_module_free(network);
}

/* ---- tensors handed from thread to thread ---- */

static void *release_shared(void *tensor) {
  {
    WK_SCOPE;
    for (int i = 0; i < 100; i++) wk_reshape(tensor, WK_SHAPE(-1));
    wk_exp(tensor);
  }
  wk_tensor_release(tensor);
  return NULL;
}

static void test_the_last_owner_may_be_any_thread(void **state) {
  (void)state;
  pthread_t threads[PREDICTORS];
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_statistics_get(wk_device_get("cpu"), &before);
  {
    WK_SCOPE;
    wk_tensor *shared = wk_uniform(WK_SHAPE(64, 64));
    for (int i = 0; i < PREDICTORS; i++)
      pthread_create(&threads[i], NULL, release_shared, wk_tensor_retain(shared));
  }
  for (int i = 0; i < PREDICTORS; i++) pthread_join(threads[i], NULL);
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_int_equal(after.active, before.active);
}

/* ---- a worker's error reaches who waits for it ---- */

static wk_status get_or_fail(void *context, int64_t index, void *input, int64_t *label) {
  (void)context;
  *(float *)input = (float)index;
  *label = 0;
  return index < 12 ? WK_OK : wk_error_set(WK_ERROR_IO, "example %d is damaged", (int)index);
}

static void test_an_error_of_the_loader_s_thread(void **state) {
  (void)state;
  const wk_dataset_functions functions = {.struct_size = sizeof functions,
                                          .get = get_or_fail,
                                          .count = 20,
                                          .shape = {1, {1}},
                                          .dtype = WK_F32};
  wk_dataset *dataset = wk_dataset_create(&functions, NULL);
  wk_loader *loader = wk_loader_create(dataset, .batch_size = 4);
  wk_tensors batch;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(wk_loader_next(loader, &batch), WK_OK);
    assert_no_error(); /* though the worker may have met its error by now */
  }
  assert_int_equal(wk_loader_next(loader, &batch), WK_ERROR_IO);
  assert_error_says(WK_ERROR_IO, "example 12 is damaged");
  wk_loader_free(loader);
  wk_dataset_free(dataset);
}

/* ---- WICK_DEBUG and reports in several threads at once ---- */

static void *report(void *unused) {
  (void)unused;
  for (int i = 0; i < 50; i++) {
    WK_SCOPE;
    char text[512];
    wk_set_anomaly_detection(i % 2);
    wk_tensor *x = wk_uniform(WK_SHAPE(16, 16));
    wk_scope_report(text, sizeof text);
    wk_describe(wk_add(x, x));
  }
  return (void *)(uintptr_t)(wk_error_status() != WK_OK);
}

static void test_reports_at_once(void **state) {
  (void)state;
  pthread_t threads[PREDICTORS];
  for (int i = 0; i < PREDICTORS; i++) pthread_create(&threads[i], NULL, report, NULL);
  for (int i = 0; i < PREDICTORS; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    assert_null(result);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_train_and_predict_at_once),
      cmocka_unit_test(test_the_last_owner_may_be_any_thread),
      cmocka_unit_test(test_an_error_of_the_loader_s_thread),
      cmocka_unit_test(test_reports_at_once),
  };
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  wk_shutdown();
  return failures;
}
