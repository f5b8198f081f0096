/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/file.h"
#include "base/library.h"
#include "base/processors.h"
#include "base/text.h"

/* A pool of threads that run one job at a time.
 *
 * `state` says everything about the current job: its number, whether it is open to more threads,
 * and how many workers are inside. A worker enters by counting itself in while the job is open; the
 * caller works too, then closes the job and waits only for those that did enter. So a worker that
 * the system has not woken in time costs nothing. The job's other fields change only while the job
 * is closed and nobody is inside. Idle workers look at `state` for a while before they sleep,
 * because the next op's job mostly follows within microseconds. */

#define MAX_THREADS 256
#define PIECES_PER_THREAD 4 /* so that a thread that lost its core for a while holds up little */
#define SPIN_SECONDS 100e-6

#define INSIDE_MASK 0xFFFFu
#define OPEN_BIT 0x10000u
#define JOB_UNIT 0x20000u

static struct {
  /* written by the caller of wk_parallel_for only, between jobs */
  void (*run)(void *context, int64_t begin, int64_t end);
  void *context;
  int64_t count, piece, piece_count;
  int limit; /* threads with this index or a higher one stay out */

  _Alignas(64) atomic_int_fast64_t next_piece;
  _Alignas(64) atomic_uint_fast64_t state;

  _Alignas(64) atomic_bool busy; /* held by the thread whose job runs, or that changes the pool */
  atomic_int thread_count;       /* 0: not known yet */
  int count_before_fork;         /* in a forked child: the parent's thread_count, 0 not known */
  bool forked;                   /* and whether this is one that has yet to say it goes on */
  bool started;                  /* guarded by busy, as are these: */
  bool may_spin;                 /* changes only while there are no workers */
  int worker_count;              /* may be fewer than wanted, when the system refused more */
  pthread_t workers[MAX_THREADS];

  pthread_mutex_t lock; /* for sleeping only */
  pthread_cond_t wake, left;
  atomic_int sleeping;
  atomic_bool caller_sleeps, stop;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .left = PTHREAD_COND_INITIALIZER};

static _Thread_local int thread_index;
static _Thread_local bool inside_job;
static _Thread_local int thread_budget; /* 0: as many as there are */

int wk_parallel_index(void) { return thread_index; }

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* ---- the threads' side of a job ---- */

static void run_pieces(void) {
  inside_job = true;
  for (;;) {
    const int64_t i = atomic_fetch_add_explicit(&pool.next_piece, 1, memory_order_relaxed);
    if (i >= pool.piece_count) break;
    const int64_t begin = i * pool.piece;
    const bool last = i == pool.piece_count - 1;
    pool.run(pool.context, begin, last ? pool.count : begin + pool.piece);
  }
  inside_job = false;
}

/* Leaves the job; the last one out wakes a caller that sleeps. */
static void leave_job(void) {
  const uint64_t now = atomic_fetch_sub(&pool.state, 1) - 1;
  if ((now & (INSIDE_MASK | OPEN_BIT)) == 0 && atomic_load(&pool.caller_sleeps)) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.left);
    pthread_mutex_unlock(&pool.lock);
  }
}

/* True when a job other than number `seen` is open. */
static bool has_news(uint64_t state, uint64_t seen) {
  return (state & OPEN_BIT) && state / JOB_UNIT != seen;
}

/* Waits until there is a job or the pool stops; the state seen. */
static uint64_t wait_for_job(uint64_t seen) {
  const double start = pool.may_spin ? wk_seconds() : 0;
  for (int i = 1;; i++) {
    const uint64_t state = atomic_load(&pool.state);
    if (has_news(state, seen) || atomic_load(&pool.stop)) return state;
    if (i % 16 == 0 && wk_seconds() - start > (pool.may_spin ? SPIN_SECONDS : -1)) break;
    pause_briefly();
  }
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add(&pool.sleeping, 1); /* before the look at state: see wake_workers */
  uint64_t state;
  while (state = atomic_load(&pool.state), !has_news(state, seen) && !atomic_load(&pool.stop))
    pthread_cond_wait(&pool.wake, &pool.lock);
  atomic_fetch_sub(&pool.sleeping, 1);
  pthread_mutex_unlock(&pool.lock);
  return state;
}

static void *work(void *index) {
  thread_index = (int)(intptr_t)index;
  uint64_t seen = 0;
  for (;;) {
    uint64_t state = wait_for_job(seen);
    if (atomic_load(&pool.stop)) return NULL;
    /* Fails when another thread entered or the job closed meanwhile: look again. */
    if (!atomic_compare_exchange_strong(&pool.state, &state, state + 1)) continue;
    seen = state / JOB_UNIT;
    if (thread_index < pool.limit) run_pieces();
    leave_job();
  }
}

/* ---- starting and ending threads; the caller holds `busy` ---- */

static void stop_workers(void) {
  pthread_mutex_lock(&pool.lock);
  atomic_store(&pool.stop, true);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < pool.worker_count; i++) pthread_join(pool.workers[i], NULL);
  pool.worker_count = 0, pool.started = false;
  atomic_store(&pool.stop, false);
}

/* A forked child has none of the workers: it stays on one thread until wk_after_fork. */
static void after_fork_in_child(void) {
  if (!pool.forked) pool.count_before_fork = atomic_load(&pool.thread_count);
  pool.forked = true;
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.wake, NULL);
  pthread_cond_init(&pool.left, NULL);
  pool.worker_count = 0, pool.started = false;
  atomic_store(&pool.thread_count, 1);
  atomic_store(&pool.sleeping, 0);
  atomic_store(&pool.caller_sleeps, false);
  atomic_store(&pool.stop, false);
  atomic_store(&pool.state, 0);
  atomic_store(&pool.busy, inside_job);
}

static void start_workers(int wanted) {
  wk_at_fork_in_child(after_fork_in_child);
  wk_at_shutdown(wk_parallel_shutdown);
  pool.started = true;
  pool.may_spin = wanted < wk_processor_count(); /* else it only keeps others from working */
  sigset_t all, before; /* the program's signals are for the program's threads */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.worker_count < wanted) {
    pthread_t *worker = &pool.workers[pool.worker_count];
    const int index = pool.worker_count + 1;
    if (pthread_create(worker, NULL, work, (void *)(intptr_t)index)) break;
#ifdef __linux__
    pthread_setname_np(*worker, "wick worker");
#endif
    pool.worker_count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the caller's side of a job ---- */

static bool take_pool(void) {
  return !inside_job && !atomic_exchange_explicit(&pool.busy, true, memory_order_acquire);
}

static void give_pool(void) { atomic_store_explicit(&pool.busy, false, memory_order_release); }

/* Either a worker that goes to sleep sees the new state, or this sees that it sleeps: each writes
 * first and then looks, in sequentially consistent order. */
static void wake_workers(int wanted) {
  if (!atomic_load(&pool.sleeping)) return;
  pthread_mutex_lock(&pool.lock);
  for (int i = 0; i < wanted; i++) pthread_cond_signal(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

static void wait_for_workers(void) {
  const double start = wk_seconds();
  for (int i = 1; atomic_load(&pool.state) & INSIDE_MASK; i++) {
    pause_briefly();
    if (i % 16 == 0 && wk_seconds() - start > SPIN_SECONDS) break;
  }
  if (!(atomic_load(&pool.state) & INSIDE_MASK)) return;
  pthread_mutex_lock(&pool.lock);
  atomic_store(&pool.caller_sleeps, true);
  while (atomic_load(&pool.state) & INSIDE_MASK) pthread_cond_wait(&pool.left, &pool.lock);
  atomic_store(&pool.caller_sleeps, false);
  pthread_mutex_unlock(&pool.lock);
}

static void run_job(int threads) {
  atomic_store_explicit(&pool.next_piece, 0, memory_order_relaxed);
  const uint64_t closed = atomic_load(&pool.state);
  atomic_store(&pool.state, (closed + JOB_UNIT) | OPEN_BIT);
  /* Where not all may join, sleepers are told apart only when they look. */
  wake_workers(pool.limit <= pool.worker_count ? pool.worker_count : threads - 1);
  run_pieces();
  atomic_fetch_and(&pool.state, ~(uint_fast64_t)OPEN_BIT);
  wait_for_workers();
}

void wk_parallel_for(int64_t count, int64_t block,
                     void (*run)(void *context, int64_t begin, int64_t end), void *context) {
  if (count <= 0) return;
  if (block < 1) block = 1;
  const int64_t block_count = (count - 1) / block + 1;
  if (block_count < 2 || wk_thread_count() < 2 || !take_pool()) {
    run(context, 0, count);
    return;
  }
  const int available = wk_thread_count();
  const int threads = block_count < available ? (int)block_count : available;
  if (!pool.started) start_workers(atomic_load(&pool.thread_count) - 1);
  const int64_t per_piece = block_count / ((int64_t)threads * PIECES_PER_THREAD);
  const int64_t piece_blocks = per_piece > 1 ? per_piece : 1;
  pool.run = run, pool.context = context, pool.count = count, pool.limit = available;
  pool.piece = piece_blocks * block;
  pool.piece_count = (block_count - 1) / piece_blocks + 1;
  run_job(threads);
  give_pool();
}

/* ---- steps ---- */

#define MAX_PARTS 64

typedef struct step_job {
  int64_t steps;
  int parts, threads;
  void (*run)(void *context, int64_t step, int part);
  void *context;
  _Alignas(64) atomic_int_fast64_t claimed[MAX_PARTS]; /* steps of which each part is taken */
  _Alignas(64) atomic_int_fast64_t done;               /* parts, of all steps */
} step_job;

/* A thread waits for parts that others have taken, and those wait for earlier ones at most: nobody
 * waits for ever, whether or not the other threads come. */
static void wait_for_parts(step_job *job, int64_t count) {
  for (int i = 1; atomic_load_explicit(&job->done, memory_order_acquire) < count; i++) {
    pause_briefly();
    if (i % 4096 == 0) sched_yield(); /* the other one may have lost its core */
  }
}

static void run_steps(void *context, int64_t begin, int64_t end) {
  (void)begin, (void)end;
  step_job *job = context;
  const int first = wk_parallel_index() % job->threads * job->parts / job->threads;
  for (int64_t step = 0; step < job->steps; step++)
    for (int k = 0; k < job->parts; k++) {
      const int part = (first + k) % job->parts;
      int_fast64_t expected = step;
      if (!atomic_compare_exchange_strong(&job->claimed[part], &expected, step + 1)) continue;
      wait_for_parts(job, step * job->parts);
      job->run(job->context, step, part);
      atomic_fetch_add_explicit(&job->done, 1, memory_order_release);
    }
}

void wk_parallel_steps(int64_t steps, int parts, void (*run)(void *context, int64_t step, int part),
                       void *context) {
  const int available = wk_thread_count();
  step_job job = {.steps = steps,
                  .parts = parts,
                  .threads = available < parts ? available : parts,
                  .run = run,
                  .context = context};
  wk_parallel_for(job.threads, 1, run_steps, &job);
}

/* ---- the number of threads ---- */

static int default_thread_count(void) {
  int64_t asked;
  if (wk_parse_integer(wk_variable_get(WK_VARIABLE_THREADS), &asked) && asked >= 1)
    return asked < MAX_THREADS ? (int)asked : MAX_THREADS;
  const int processors = wk_processor_count();
  return processors < MAX_THREADS ? processors : MAX_THREADS;
}

static int pool_size(void) {
  const int count = atomic_load_explicit(&pool.thread_count, memory_order_relaxed);
  if (count) return count;
  int expected = 0;
  const int found = default_thread_count();
  return atomic_compare_exchange_strong(&pool.thread_count, &expected, found) ? found : expected;
}

int wk_thread_count(void) {
  const int count = pool_size();
  return thread_budget && thread_budget < count ? thread_budget : count;
}

int wk_thread_budget(void) { return thread_budget; }

wk_status wk_set_thread_budget_at(wk_place here, int count) {
  if (wk_failed()) return wk_error_pending;
  if (count >= 0)
    thread_budget = count;
  else
    wk_fail(WK_ERROR_ARGUMENT, "a thread budget of %d is negative; 0 means no budget", count);
  wk_error_add_call("set_thread_budget", here);
  return wk_error_status();
}

static wk_status set_thread_count(int count) {
  if (count < 1 || count > MAX_THREADS)
    return wk_fail(WK_ERROR_ARGUMENT, "thread count %d is not between 1 and %d", count,
                   MAX_THREADS);
  if (!take_pool())
    return wk_fail(WK_ERROR_STATE, "the thread count cannot change while a kernel runs");
  if (count != pool_size()) stop_workers();
  atomic_store(&pool.thread_count, count);
  give_pool();
  return WK_OK;
}

wk_status wk_set_thread_count_at(wk_place here, int count) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = set_thread_count(count);
  wk_error_add_call("set_thread_count", here);
  return status;
}

void wk_after_fork(void) {
  if (!pool.forked || !take_pool()) return;
  atomic_store(&pool.thread_count, pool.count_before_fork);
  pool.forked = false;
  give_pool();
}

void wk_parallel_shutdown(void) {
  if (!take_pool()) return;
  stop_workers();
  give_pool();
}
