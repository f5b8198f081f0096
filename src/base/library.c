/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"

#include <pthread.h>

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
