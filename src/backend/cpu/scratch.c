/* SPDX-License-Identifier: Apache-2.0 */

/* Scratch memory that a thread keeps: fresh pages for every product would cost more than packing
 * does. */

#include "backend/cpu/scratch.h"

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"

/* From this size on, memory lies in huge pages. */
#define LEAST_SIZE ((size_t)2 << 20)

static _Thread_local struct {
  void *memory;
  size_t size;
} own;

static void release(void) {
  wk_deallocate_block(own.memory, own.size);
  own.memory = NULL;
  own.size = 0;
}

void *wk_cpu_scratch(size_t size) {
  if (size <= own.size) return own.memory;
  const size_t half = own.size / 2; /* grow by half at least, so that growing ends soon */
  if (size < own.size + half) size = own.size + half;
  if (size < LEAST_SIZE) size = LEAST_SIZE;
  release();
  own.memory = wk_try_allocate_block(size);
  if (!own.memory) {
    wk_fail_memory(size);
    return NULL;
  }
  own.size = size;
  wk_at_thread_exit(release);
  return own.memory;
}
