/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"

#include <stdatomic.h>

#include <wick/base.h>

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

/* Enough for every user in the library; they are all known when it is built. */
#define MAX_FUNCTIONS 32

typedef void (*end_function)(void);

typedef struct function_list {
  end_function item[MAX_FUNCTIONS];
  int count;
} function_list;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static function_list at_shutdown;
static bool key_exists;
static pthread_key_t thread_exit_key;
static _Thread_local function_list at_thread_exit;

const char *wk_version(void) {
  return TEXT(WK_VERSION_MAJOR) "." TEXT(WK_VERSION_MINOR) "." TEXT(WK_VERSION_PATCH);
}

static bool add(function_list *list, end_function function) {
  for (int i = 0; i < list->count; i++)
    if (list->item[i] == function) return false;
  if (list->count == MAX_FUNCTIONS) return false;
  list->item[list->count++] = function;
  return true;
}

/* ---- forks ---- */

#define MAX_MUTEXES 16

static pthread_mutex_t
    *_Atomic mutexes[MAX_MUTEXES]; /* only ever appended to; `lock` is not here */
static int mutexes_locked;         /* by the fork that is under way */
static _Atomic(end_function) in_child[MAX_FUNCTIONS];
static wk_object_mutex *object_mutexes; /* guarded by `lock` */
static atomic_uint fork_count;

/* `lock` comes last, because the holders of all others may take it. */
static void before_fork(void) {
  int count = 0;
  while (count < MAX_MUTEXES && atomic_load(&mutexes[count])) count++;
  for (int i = 0; i < count; i++) pthread_mutex_lock(atomic_load(&mutexes[i]));
  pthread_mutex_lock(&lock);
  mutexes_locked = count;
}

static void after_fork(void) {
  const int count = mutexes_locked;
  pthread_mutex_unlock(&lock);
  for (int i = count; i-- > 0;) pthread_mutex_unlock(atomic_load(&mutexes[i]));
}

static void after_fork_in_child(void) {
  for (wk_object_mutex *m = object_mutexes; m; m = m->next) pthread_mutex_init(&m->mutex, NULL);
  after_fork();
  atomic_fetch_add(&fork_count, 1);
  for (int i = 0; i < MAX_FUNCTIONS; i++) {
    const end_function function = atomic_load(&in_child[i]);
    if (function) function();
  }
}

static void register_fork_handlers(void) {
  pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static void watch_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_fork_handlers);
}

void wk_at_fork_lock(pthread_mutex_t *mutex) {
  watch_forks();
  for (int i = 0; i < MAX_MUTEXES; i++) {
    pthread_mutex_t *expected = NULL;
    if (atomic_load_explicit(&mutexes[i], memory_order_relaxed) == mutex) return;
    if (atomic_compare_exchange_strong(&mutexes[i], &expected, mutex) || expected == mutex) return;
  }
}

void wk_at_fork_in_child(void (*function)(void)) {
  watch_forks();
  for (int i = 0; i < MAX_FUNCTIONS; i++) {
    end_function expected = NULL;
    if (atomic_compare_exchange_strong(&in_child[i], &expected, function) || expected == function)
      return;
  }
}

void wk_object_mutex_create(wk_object_mutex *mutex) {
  watch_forks();
  pthread_mutex_init(&mutex->mutex, NULL);
  pthread_mutex_lock(&lock);
  mutex->previous = NULL, mutex->next = object_mutexes;
  if (mutex->next) mutex->next->previous = mutex;
  object_mutexes = mutex;
  pthread_mutex_unlock(&lock);
}

void wk_object_mutex_destroy(wk_object_mutex *mutex) {
  pthread_mutex_lock(&lock);
  if (mutex->next) mutex->next->previous = mutex->previous;
  *(mutex->previous ? &mutex->previous->next : &object_mutexes) = mutex->next;
  pthread_mutex_unlock(&lock);
  pthread_mutex_destroy(&mutex->mutex);
}

unsigned wk_fork_count(void) { return atomic_load(&fork_count); }

/* ---- ends ---- */

static end_function take_last(function_list *list) {
  return list->count ? list->item[--list->count] : NULL;
}

void wk_at_shutdown(void (*function)(void)) {
  pthread_mutex_lock(&lock);
  add(&at_shutdown, function);
  pthread_mutex_unlock(&lock);
}

static void run_thread_exit(void *list) {
  for (end_function function; (function = take_last(list));) function();
}

void wk_at_thread_exit(void (*function)(void)) {
  if (!add(&at_thread_exit, function)) return;
  pthread_mutex_lock(&lock);
  if (!key_exists) key_exists = pthread_key_create(&thread_exit_key, run_thread_exit) == 0;
  if (key_exists) pthread_setspecific(thread_exit_key, &at_thread_exit);
  pthread_mutex_unlock(&lock);
}

static end_function take_last_at_shutdown(void) {
  pthread_mutex_lock(&lock);
  end_function function = take_last(&at_shutdown);
  pthread_mutex_unlock(&lock);
  return function;
}

void wk_shutdown(void) {
  run_thread_exit(&at_thread_exit);
  for (end_function function; (function = take_last_at_shutdown());) function();
  /* A thread that ends after the library is unloaded must not call into it. */
  pthread_mutex_lock(&lock);
  if (key_exists) pthread_key_delete(thread_exit_key);
  key_exists = false;
  pthread_mutex_unlock(&lock);
}
