/* SPDX-License-Identifier: Apache-2.0 */
/* What a forked child can do: everything, on one thread until wk_after_fork, whatever the parent's
 * threads were doing. A child that hangs is ended by its alarm. */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wick/wick.h>

#include "base/text.h"

/* Under TSan a child of a program with threads may not start any. ASan's allocator itself may be
 * locked by another thread for ever in the child. */
#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define WITH_THREAD_SANITIZER 1
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define WITH_ADDRESS_SANITIZER 1
#endif

/* Exit status of a child that runs `work`: 0 when it returns true without an error. */
static int in_child(bool (*work)(void *context), void *context) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const bool well = work(context);
    wk_error_report(stderr);
    /* Not _exit: leak checkers would list what the threads that are not here held. */
    const char *const result = well ? "true" : "false";
    execlp(result, result, (char *)NULL);
    _exit(2);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) fail_msg("the child was ended by signal %d", WTERMSIG(status));
  return WEXITSTATUS(status);
}

static bool train_a_little(void *context) {
  (void)context;
  WK_SCOPE;
  wk_module *network =
      wk_sequential(wk_conv2d_layer(8, 3), wk_relu_layer(), wk_flatten_layer(), wk_linear_layer(3));
  wk_module_build_for(network, WK_SHAPE(16, 16, 1), WK_F32, NULL);
  wk_optimizer *optimizer = wk_adam_create(network);
  wk_tensor *x = wk_uniform(WK_SHAPE(32, 16, 16, 1));
  wk_backward(wk_mean(wk_forward(network, x)));
  wk_optimizer_step(optimizer);
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  return wk_error_status() == WK_OK;
}

static bool serial_then_parallel(void *context) {
  if (wk_thread_count() != 1 || !train_a_little(context)) return false;
  wk_after_fork();
  if (wk_thread_count() != 4) return false;
#ifndef WITH_THREAD_SANITIZER
  if (!train_a_little(context)) return false;
#endif
  wk_after_fork(); /* once more changes nothing */
  return wk_thread_count() == 4;
}

static void test_a_child_is_serial_until_it_says_otherwise(void **state) {
  (void)state;
  wk_set_thread_count(4);
  assert_true(train_a_little(NULL));
  assert_int_equal(in_child(serial_then_parallel, NULL), 0);
  wk_after_fork(); /* in the parent: nothing */
  assert_int_equal(wk_thread_count(), 4);
  assert_true(train_a_little(NULL));
}

static bool a_child_of_its_own(void *context) {
  wk_after_fork();
  return train_a_little(context) && in_child(serial_then_parallel, NULL) == 0;
}

static void test_children_of_children(void **state) {
  (void)state;
#ifdef WITH_THREAD_SANITIZER
  skip();
#endif
  assert_int_equal(in_child(a_child_of_its_own, NULL), 0);
}

/* ---- while other threads hold whatever locks there are ---- */

static void *keep_busy(void *stop) {
  while (!atomic_load((atomic_bool *)stop)) {
    WK_SCOPE;
    wk_full(WK_SHAPE(100), 1);
    for (int i = 0; i < 20; i++)
      wk_intern("a name that takes a while to be worked on, since it is long");
  }
  return NULL;
}

static bool allocate_and_intern(void *context) {
  (void)context;
  WK_SCOPE;
  for (int i = 0; i < 20; i++) wk_full(WK_SHAPE(i + 1, 100), 1);
  return wk_intern("a name of the child's") && wk_error_status() == WK_OK;
}

static void test_locks_are_free_in_the_child(void **state) {
  (void)state;
#ifdef WITH_ADDRESS_SANITIZER
  skip();
#endif
  atomic_bool stop = false;
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, keep_busy, &stop);
  int bad = 0;
  for (int i = 0; i < 100; i++) bad += in_child(allocate_and_intern, NULL) != 0;
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  assert_int_equal(bad, 0);
}

/* ---- loaders ---- */

typedef struct loading {
  wk_dataset *dataset;
  wk_loader *loader, *unthreaded;
} loading;

static wk_status get_slowly(void *context, int64_t index, void *input, int64_t *label) {
  (void)context;
  usleep(2000); /* so that the worker holds the data set's lock when the fork comes */
  *(float *)input = (float)index;
  *label = index % 2;
  return WK_OK;
}

static bool load(void *context) {
  loading *l = context;
  wk_tensors batch;
  if (wk_loader_next(l->loader, &batch) != WK_ERROR_STATE) return false;
  char text[1024];
  wk_error_text(text, sizeof text);
  if (!strstr(text, "create the loader after the fork")) return false;
  wk_error_clear();
  wk_loader_free(l->loader);
  if (wk_loader_next(l->unthreaded, &batch) != WK_OK) return false;
#ifndef WITH_THREAD_SANITIZER
  wk_loader *own = wk_loader_create(l->dataset, .batch_size = 4);
  for (int i = 0; i < 3; i++)
    if (wk_loader_next(own, &batch) != WK_OK) return false;
  wk_loader_free(own);
#endif
  return true;
}

static void test_loaders(void **state) {
  (void)state;
  const wk_dataset_functions functions = {.struct_size = sizeof functions,
                                          .get = get_slowly,
                                          .count = 400,
                                          .shape = {1, {1}},
                                          .dtype = WK_F32};
  wk_dataset *dataset = wk_dataset_create(&functions, NULL);
  loading l = {dataset, wk_loader_create(dataset, .batch_size = 4),
               wk_loader_create(dataset, .batch_size = 4, .no_prefetch = true)};
  wk_tensors batch;
  assert_int_equal(wk_loader_next(l.loader, &batch), WK_OK);
  assert_int_equal(in_child(load, &l), 0);
  assert_int_equal(wk_loader_next(l.loader, &batch), WK_OK); /* the parent's goes on */
  wk_loader_free(l.loader);
  wk_loader_free(l.unthreaded);
  wk_dataset_free(dataset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_child_is_serial_until_it_says_otherwise),
      cmocka_unit_test(test_children_of_children),
      cmocka_unit_test(test_locks_are_free_in_the_child),
      cmocka_unit_test(test_loaders),
  };
  const int failures = cmocka_run_group_tests(tests, NULL, NULL);
  wk_shutdown();
  return failures;
}
