/* SPDX-License-Identifier: Apache-2.0 */
#include "base/small.h"

#include <stdbool.h>
#include <string.h>

#include "base/environment.h"
#include "base/library.h"

#define KEPT_BYTES ((size_t)16 << 10) /* most that is kept of each size */

/* Whether the thread's end has been seen to; before that, and after it, no list has room. */
static _Thread_local bool begun;

static void end(void) {
  wk_thread *thread = wk_thread_here();
  for (size_t i = 0; i < WK_SMALL_SIZES; i++) {
    for (wk_small_object *next, *at = thread->small[i].first; at; at = next) {
      next = at->next;
      wk_deallocate(at);
    }
  }
  memset(thread->small, 0, sizeof thread->small);
  begun = false;
}

static void begin(void) {
  begun = true;
  wk_at_thread_exit(end);
#ifndef WK_WITH_ADDRESS_SANITIZER /* which sees who uses what was freed if nothing is kept */
  if (strcmp(wk_variable_get(WK_VARIABLE_ALLOCATOR), "pool") != 0) return;
  wk_thread *thread = wk_thread_here();
  for (size_t i = 0; i < WK_SMALL_SIZES; i++)
    thread->small[i].room = (uint16_t)(KEPT_BYTES / ((i + 1) * WK_SMALL_STEP));
#endif
}

void *wk_small_allocate_new(size_t size) {
  if (!begun) begin();
  return wk_allocate((size + WK_SMALL_STEP - 1) / WK_SMALL_STEP * WK_SMALL_STEP);
}
