/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/null/null.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

#define NOWHERE ((uintptr_t)1 << (sizeof(uintptr_t) * 8 - 2))
#define ALIGNMENT 64

static _Atomic size_t active, peak;
static _Atomic uint64_t allocations;

static void *allocate(wk_device *device, size_t size, wk_stream *stream) {
  (void)device, (void)stream;
  void *memory = (void *)NOWHERE;
  if (size <= WK_NULL_MOST_BYTES) memory = wk_allocate_aligned(ALIGNMENT, size ? size : 1);
  if (!memory) return NULL;
  if (size <= WK_NULL_MOST_BYTES) memset(memory, 0, size);
  const size_t now = atomic_fetch_add(&active, size) + size;
  atomic_fetch_add(&allocations, 1);
  size_t most = atomic_load(&peak);
  while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
  }
  return memory;
}

static void free_memory(wk_device *device, void *memory, size_t size, wk_stream *stream) {
  (void)device, (void)stream;
  if (!memory) return; /* of a function that is traced */
  atomic_fetch_sub(&active, size);
  if (size <= WK_NULL_MOST_BYTES) wk_deallocate(memory);
}

static wk_status from_host(wk_device *device, void *to, const void *from, size_t size,
                           wk_stream *stream) {
  (void)device, (void)stream;
  if (size && (uintptr_t)to < NOWHERE) memcpy(to, from, size);
  return WK_OK;
}

static wk_status to_host(wk_device *device, void *to, const void *from, size_t size,
                         wk_stream *stream) {
  (void)device, (void)to, (void)from, (void)size, (void)stream;
  wk_fail(WK_ERROR_STATE, "tensors of the null device have sizes and no values");
  wk_error_add_hint("it plans and runs nothing; make them on another device to compute");
  return WK_ERROR_STATE;
}

static wk_status synchronise(wk_device *device, wk_stream *stream) {
  (void)device, (void)stream;
  return WK_OK;
}

static void statistics(const wk_device *device, wk_memory_statistics *result) {
  (void)device;
  result->active = atomic_load(&active), result->peak = atomic_load(&peak);
  result->allocations = atomic_load(&allocations);
}

static void peak_reset(wk_device *device) {
  (void)device;
  atomic_store(&peak, atomic_load(&active));
}

static void trim(wk_device *device) { (void)device; }

const wk_device_functions wk_null_device_functions = {.struct_size = sizeof(wk_device_functions),
                                                      .allocate = allocate,
                                                      .free = free_memory,
                                                      .from_host = from_host,
                                                      .to_host = to_host,
                                                      .synchronise = synchronise,
                                                      .statistics = statistics,
                                                      .peak_reset = peak_reset,
                                                      .trim = trim};
