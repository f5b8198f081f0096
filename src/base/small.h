/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_SMALL_H
#define WICK_BASE_SMALL_H

/* Memory of small objects that come and go with every op: a freed one is kept by the thread that
 * freed it, for its next request of that size. Above 1 KiB these are wk_allocate and
 * wk_deallocate. */

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

#define WK_SMALL_STEP 64 /* bytes from one size to the next */
#define WK_SMALL_MOST (WK_SMALL_STEP * WK_SMALL_SIZES)

typedef struct wk_small_object {
  struct wk_small_object *next;
} wk_small_object;

/* Where nothing of its size is kept. */
void *wk_small_allocate_new(size_t size);

/* Uninitialised; fails as wk_allocate. */
static inline void *wk_small_allocate(size_t size) {
  if (size > WK_SMALL_MOST) return wk_allocate(size);
  wk_small_list *list = &WK_THREAD->small[(size - 1) / WK_SMALL_STEP];
  wk_small_object *taken = list->first;
  if (!taken) return wk_small_allocate_new(size);
  if (wk_memory_must_fail()) return wk_fail_memory(size), NULL;
  list->first = taken->next;
  list->room++;
  return taken;
}

/* Of the same size; NULL is fine. */
static inline void wk_small_deallocate(void *memory, size_t size) {
  wk_small_object *given = memory;
  wk_small_list *list = size > WK_SMALL_MOST ? NULL : &WK_THREAD->small[(size - 1) / WK_SMALL_STEP];
  if (!given || !list || !list->room) {
    wk_deallocate(memory);
    return;
  }
  given->next = list->first;
  list->first = given;
  list->room--;
}

#endif
