/* SPDX-License-Identifier: Apache-2.0 */
#include "base/small.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"

#define STEP 64 /* bytes from one size to the next */
#define SIZE_COUNT 16
#define KEPT_BYTES ((size_t)16 << 10) /* most that is kept of each size */

typedef struct object {
  struct object *next;
} object;

/* `room`: how many more objects of a size are kept. It is zero, so that nothing is, before the
 * thread's end has been seen to, and after that. */
static _Thread_local struct {
  object *first[SIZE_COUNT];
  uint16_t room[SIZE_COUNT];
  bool begun;
} kept;

static void end(void) {
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    for (object *next, *at = kept.first[i]; at; at = next) {
      next = at->next;
      wk_deallocate(at);
    }
  }
  memset(&kept, 0, sizeof kept);
}

static void begin(void) {
  kept.begun = true;
  wk_at_thread_exit(end);
#ifndef WK_WITH_ADDRESS_SANITIZER /* which sees who uses what was freed if nothing is kept */
  if (strcmp(wk_variable_get(WK_VARIABLE_ALLOCATOR), "pool") != 0) return;
  for (size_t i = 0; i < SIZE_COUNT; i++) kept.room[i] = (uint16_t)(KEPT_BYTES / ((i + 1) * STEP));
#endif
}

void *wk_small_allocate(size_t size) {
  const size_t i = (size - 1) / STEP;
  if (i >= SIZE_COUNT) return wk_allocate(size);
  object *taken = kept.first[i];
  if (!taken || wk_memory_must_fail()) {
    if (!kept.begun) begin();
    return taken ? wk_fail_memory(size), NULL : wk_allocate((i + 1) * STEP);
  }
  kept.first[i] = taken->next;
  kept.room[i]++;
  return taken;
}

void wk_small_deallocate(void *memory, size_t size) {
  const size_t i = (size - 1) / STEP;
  if (i >= SIZE_COUNT || !kept.room[i]) {
    wk_deallocate(memory);
  } else if (memory) {
    object *given = memory;
    given->next = kept.first[i];
    kept.first[i] = given;
    kept.room[i]--;
  }
}
