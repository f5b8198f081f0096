/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parallel.h"

#define MOST 5000

typedef struct coverage {
  int64_t count, block;
  atomic_int seen[MOST];
  atomic_int inside[256]; /* by thread index: a second thread with the same index is a mistake */
  atomic_int mistakes;
} coverage;

static void cover(void *context, int64_t begin, int64_t end) {
  coverage *c = context;
  const int index = wk_parallel_index();
  if (index < 0 || index >= wk_thread_count()) atomic_fetch_add(&c->mistakes, 1);
  if (atomic_exchange(&c->inside[index], 1)) atomic_fetch_add(&c->mistakes, 1);
  if (begin % c->block || (end % c->block && end != c->count) || begin >= end)
    atomic_fetch_add(&c->mistakes, 1);
  for (int64_t i = begin; i < end; i++) atomic_fetch_add(&c->seen[i], 1);
  atomic_store(&c->inside[index], 0);
}

static void check_coverage(int64_t count, int64_t block) {
  static coverage c;
  memset(&c, 0, sizeof c);
  c.count = count, c.block = block;
  wk_parallel_for(count, block, cover, &c);
  assert_int_equal(c.mistakes, 0);
  for (int64_t i = 0; i < MOST; i++) assert_int_equal(c.seen[i], i < count);
}

static void every_item_runs_once(void **state) {
  (void)state;
  static const int threads[] = {1, 2, 3, 8};
  for (size_t t = 0; t < COUNT_OF(threads); t++) {
    assert_int_equal(wk_set_thread_count(threads[t]), WK_OK);
    assert_int_equal(wk_thread_count(), threads[t]);
    for (int64_t count = 0; count < 40; count++)
      for (int64_t block = 1; block < 9; block++) check_coverage(count, block);
    check_coverage(MOST, 1);
    check_coverage(MOST, 7);
    check_coverage(MOST, MOST * 3);
  }
}

static void touch(void *context, int64_t begin, int64_t end) {
  atomic_fetch_add((atomic_llong *)context, end - begin);
}

static void many_small_jobs(void **state) {
  (void)state;
  wk_set_thread_count(4);
  atomic_llong sum = 0;
  for (int i = 0; i < 20000; i++) wk_parallel_for(16, 1, touch, &sum);
  assert_int_equal(sum, 20000 * 16);
  for (int i = 0; i < 20; i++) { /* and with workers that have gone to sleep */
    usleep(1000);
    wk_parallel_for(16, 1, touch, &sum);
  }
  assert_int_equal(sum, 20020 * 16);
}

static void slow(void *context, int64_t begin, int64_t end) {
  usleep(2000);
  touch(context, begin, end);
}

static void the_caller_waits_for_slow_workers(void **state) {
  (void)state;
  wk_set_thread_count(4);
  for (int i = 0; i < 5; i++) {
    atomic_llong sum = 0;
    wk_parallel_for(7, 1, slow, &sum);
    assert_int_equal(sum, 7);
  }
}

typedef struct nest {
  atomic_llong items, calls, mistakes;
} nest;

static void inner(void *context, int64_t begin, int64_t end) {
  nest *n = context;
  atomic_fetch_add(&n->calls, 1);
  if (begin != 0 || end != 100) atomic_fetch_add(&n->mistakes, 1);
  atomic_fetch_add(&n->items, end - begin);
}

static void outer(void *context, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) {
    const int index = wk_parallel_index();
    wk_parallel_for(100, 1, inner, context);
    if (wk_parallel_index() != index) atomic_fetch_add(&((nest *)context)->mistakes, 1);
  }
}

static void nested_calls_run_as_one_piece(void **state) {
  (void)state;
  wk_set_thread_count(4);
  nest n = {0};
  wk_parallel_for(50, 1, outer, &n);
  assert_int_equal(n.items, 5000);
  assert_int_equal(n.calls, 50);
  assert_int_equal(n.mistakes, 0);
}

static void *call_often(void *result) {
  for (int i = 0; i < 3000; i++) wk_parallel_for(20, 2, touch, result);
  return NULL;
}

static void several_callers_at_once(void **state) {
  (void)state;
  wk_set_thread_count(3);
  pthread_t threads[3];
  atomic_llong sums[3] = {0};
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, call_often, &sums[i]);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 3; i++) assert_int_equal(sums[i], 60000);
}

typedef struct share {
  pthread_t caller;
  atomic_int elsewhere, highest;
} share;

static void note_thread(void *context, int64_t begin, int64_t end) {
  share *s = context;
  (void)begin, (void)end;
  if (!pthread_equal(pthread_self(), s->caller)) atomic_fetch_add(&s->elsewhere, 1);
  int highest = s->highest;
  const int index = wk_parallel_index();
  while (index > highest && !atomic_compare_exchange_weak(&s->highest, &highest, index)) {
  }
  usleep(100);
}

static void *call_with_budget_of_one(void *context) {
  share *s = context;
  s->caller = pthread_self();
  wk_set_thread_budget(1);
  if (wk_thread_count() != 1) return NULL;
  for (int i = 0; i < 20; i++) wk_parallel_for(64, 1, note_thread, s);
  return s;
}

static void a_thread_keeps_its_budget(void **state) {
  (void)state;
  wk_set_thread_count(4);
  share own = {.caller = pthread_self()}, other = {0};
  pthread_t thread;
  pthread_create(&thread, NULL, call_with_budget_of_one, &other);
  void *done;
  pthread_join(thread, &done);
  assert_true(done == &other && other.elsewhere == 0);
  assert_int_equal(wk_thread_budget(), 0);
  assert_int_equal(wk_thread_count(), 4);
  assert_int_equal(wk_set_thread_budget(2), WK_OK);
  assert_int_equal(wk_thread_count(), 2);
  for (int i = 0; i < 20; i++) wk_parallel_for(64, 1, note_thread, &own);
  assert_true(own.highest <= 1);
  assert_true(own.elsewhere > 0);
  assert_int_equal(wk_set_thread_budget(-1), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  wk_set_thread_budget(100);
  assert_int_equal(wk_thread_count(), 4);
  wk_set_thread_budget(0);
}

static void try_to_resize(void *context, int64_t begin, int64_t end) {
  (void)begin, (void)end;
  if (wk_set_thread_count(5) == WK_ERROR_STATE) atomic_fetch_add((atomic_int *)context, 1);
  wk_error_clear();
}

static void the_thread_count_has_rules(void **state) {
  (void)state;
  wk_set_thread_count(2);
  assert_int_equal(wk_set_thread_count(0), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(wk_set_thread_count(257), WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  atomic_int refused = 0;
  wk_parallel_for(10, 1, try_to_resize, &refused);
  assert_true(refused > 0);
  assert_int_equal(wk_thread_count(), 2);
}

static void count_unblocked_signals(void *context, int64_t begin, int64_t end) {
  (void)begin, (void)end;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  if (wk_parallel_index() > 0 && !sigismember(&mask, SIGINT))
    atomic_fetch_add((atomic_int *)context, 1);
  usleep(100);
}

static void workers_take_no_signals(void **state) {
  (void)state;
  wk_set_thread_count(1);
  wk_set_thread_count(4);
  atomic_int unblocked = 0;
  wk_parallel_for(40, 1, count_unblocked_signals, &unblocked);
  assert_int_equal(unblocked, 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  assert_false(sigismember(&mask, SIGINT));
}

/* Each part adds what the one beside it had after the step before, which must be whole by then. */
typedef struct relay {
  int parts;
  int64_t value[2][64];
} relay;

static void hand_on(void *context, int64_t step, int part) {
  relay *r = context;
  const int64_t *from = r->value[step % 2];
  r->value[(step + 1) % 2][part] = from[part] + from[(part + 1) % r->parts];
}

static void steps_follow_each_other(void **state) {
  (void)state;
  for (int parts = 1; parts <= 64; parts += parts < 8 ? 1 : 28)
    for (int threads = 1; threads <= 4; threads++) {
      wk_set_thread_count(threads);
      relay r = {.parts = parts};
      for (int i = 0; i < parts; i++) r.value[0][i] = 1;
      wk_parallel_steps(40, parts, hand_on, &r);
      for (int i = 0; i < parts; i++) assert_int_equal(r.value[0][i], (int64_t)1 << 40);
    }
}

static void a_shut_down_pool_starts_again(void **state) {
  (void)state;
  wk_set_thread_count(3);
  for (int i = 0; i < 20; i++) {
    check_coverage(100, 1);
    if (i % 2)
      wk_parallel_shutdown();
    else
      wk_shutdown();
  }
}

static void a_forked_child_is_serial(void **state) {
  (void)state;
  wk_set_thread_count(4);
  check_coverage(100, 1);
  const pid_t child = fork();
  if (child == 0) {
    atomic_llong sum = 0;
    wk_parallel_for(1000, 1, touch, &sum);
    _exit(sum == 1000 && wk_thread_count() == 1 ? 0 : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  check_coverage(100, 1);
  wk_shutdown();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_item_runs_once),
      cmocka_unit_test(many_small_jobs),
      cmocka_unit_test(the_caller_waits_for_slow_workers),
      cmocka_unit_test(nested_calls_run_as_one_piece),
      cmocka_unit_test(several_callers_at_once),
      cmocka_unit_test(a_thread_keeps_its_budget),
      cmocka_unit_test(the_thread_count_has_rules),
      cmocka_unit_test(workers_take_no_signals),
      cmocka_unit_test(steps_follow_each_other),
      cmocka_unit_test(a_shut_down_pool_starts_again),
      cmocka_unit_test(a_forked_child_is_serial),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
