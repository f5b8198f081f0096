/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_LIBRARY_H
#define WICK_BASE_LIBRARY_H

/* What happens at the end of the library and of a thread, and at a fork: higher rooms say here what
 * they keep. */

#include <pthread.h>

/* What only debuggers use stays in a program that the library is linked into, also where the linker
 * drops what nothing refers to. */
#if defined(__has_attribute)
#if __has_attribute(retain)
#define WK_KEEP __attribute__((used, retain))
#endif
#endif
#ifndef WK_KEEP
#define WK_KEEP __attribute__((used))
#endif

/* A row of the tables that tell debuggers where the fields of wk_TYPE lie. */
#define WK_DEBUG_FIELD(type, field)                                                                \
  { #type "." #field, offsetof(wk_##type, field) }

/* Has `function` called by wk_shutdown, last registered first. Registering it again before then
 * changes nothing; after a shutdown it must be registered anew. [any thread] */
void wk_at_shutdown(void (*function)(void));

/* Has `function` called when the calling thread ends, or in the thread that calls wk_shutdown; last
 * registered first, once. For what a thread-local variable owns. [any thread] */
void wk_at_thread_exit(void (*function)(void));

/* Has forks wait for `mutex`, a static one, so that the child finds it free and what it guards
 * whole. Whoever holds such a mutex takes no other of them. Calling it again changes nothing; to be
 * called before the mutex is first locked. [any thread] */
void wk_at_fork_lock(pthread_mutex_t *mutex);

/* A mutex of an object that comes and goes: forks do not wait for it, but the child finds it free,
 * even if a thread that the child does not have held it. */
typedef struct wk_object_mutex {
  pthread_mutex_t mutex;
  struct wk_object_mutex *previous, *next;
} wk_object_mutex;

void wk_object_mutex_create(wk_object_mutex *mutex);
void wk_object_mutex_destroy(wk_object_mutex *mutex);

/* Has `function` called in every child that is forked from now on. [any thread] */
void wk_at_fork_in_child(void (*function)(void));

/* Number of forks between the process that first used Wick and this one: an object that a thread
 * works for is of no use where this has changed. [any thread] */
unsigned wk_fork_count(void);

#endif
