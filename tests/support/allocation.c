/* SPDX-License-Identifier: Apache-2.0 */
#include "support/allocation.h"

#include <stdatomic.h>
#include <stdint.h>

#include <wick/device.h>

/* sanitizer/allocator_interface.h; absent in other programs, where their addresses are NULL. */
__attribute__((weak)) int
__sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
                                          void (*freed)(const volatile void *));
__attribute__((weak)) size_t __sanitizer_get_allocated_size(const volatile void *memory);

static _Atomic bool watching;
static _Atomic int64_t now, most;
static size_t tensors_before;

/* Memory from before the watch is also freed during it, so `now` may be negative. */
static void add(int64_t size) {
  const int64_t sum = atomic_fetch_add(&now, size) + size;
  int64_t seen = atomic_load(&most);
  while (sum > seen && !atomic_compare_exchange_weak(&most, &seen, sum)) continue;
}

static void on_allocation(const volatile void *memory, size_t size) {
  if (memory && atomic_load(&watching)) add((int64_t)size);
}

static void on_free(const volatile void *memory) {
  if (memory && atomic_load(&watching)) add(-(int64_t)__sanitizer_get_allocated_size(memory));
}

static wk_memory_statistics tensor_memory(void) {
  wk_memory_statistics statistics = {.struct_size = sizeof statistics};
  wk_memory_statistics_get(wk_device_get("cpu"), &statistics);
  return statistics;
}

bool allocation_watch_begin(void) {
  static bool installed;
  if (!__sanitizer_install_malloc_and_free_hooks || !__sanitizer_get_allocated_size) return false;
  if (!installed) installed = __sanitizer_install_malloc_and_free_hooks(on_allocation, on_free) > 0;
  wk_memory_peak_reset(wk_device_get("cpu"));
  tensors_before = tensor_memory().active;
  atomic_store(&now, 0);
  atomic_store(&most, 0);
  atomic_store(&watching, installed);
  return installed;
}

size_t allocation_watch_end(void) {
  atomic_store(&watching, false);
  const size_t peak = tensor_memory().peak;
  return (size_t)atomic_load(&most) + (peak > tensors_before ? peak - tensors_before : 0);
}
