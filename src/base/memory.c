/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define BLOCK_ALIGNMENT 64

_Atomic int64_t wk_memory_successes_left = -1;

int64_t wk_memory_fail_after(int64_t successes) {
  return atomic_exchange(&wk_memory_successes_left, successes);
}

void *wk_allocate(size_t size) {
  void *memory = wk_memory_must_fail() ? NULL : malloc(size ? size : 1);
  if (!memory) wk_fail_memory(size);
  return memory;
}

void *wk_allocate_zeroed(size_t count, size_t size) {
  const bool empty = !count || !size;
  void *memory = wk_memory_must_fail() ? NULL : calloc(empty ? 1 : count, empty ? 1 : size);
  if (!memory) {
    size_t bytes;
    wk_fail_memory(wk_multiply_size(count, size, &bytes) ? bytes : SIZE_MAX);
  }
  return memory;
}

void *wk_reallocate(void *old, size_t count, size_t size) {
  size_t bytes;
  if (!wk_multiply_size(count, size, &bytes)) return wk_fail_memory(SIZE_MAX), NULL;
  void *memory = wk_memory_must_fail() ? NULL : realloc(old, bytes ? bytes : 1);
  if (!memory) wk_fail_memory(bytes);
  return memory;
}

static void *try_allocate_aligned(size_t alignment, size_t size) {
  void *memory = NULL;
  if (wk_memory_must_fail() || posix_memalign(&memory, alignment, size ? size : 1)) return NULL;
  return memory;
}

void *wk_allocate_aligned(size_t alignment, size_t size) {
  void *memory = try_allocate_aligned(alignment, size);
  if (!memory) wk_fail_memory(size);
  return memory;
}

void wk_deallocate(void *memory) {
  const int number = errno;
  free(memory);
  errno = number;
}

char *wk_duplicate_string(const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = wk_allocate(size);
  return copy ? memcpy(copy, text, size) : NULL;
}

/* ---- blocks ---- */

static size_t round_to_huge_page(size_t size) { return (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1); }

/* Whole huge pages of their own: maps one more than needed, then cuts off what is not aligned. */
static void *map_pages(size_t size) {
  const size_t wanted = round_to_huge_page(size);
  char *const start =
      mmap(NULL, wanted + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  const size_t before = (HUGE_PAGE - ((uintptr_t)start & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
  if (before) munmap(start, before);
  munmap(start + before + wanted, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
  madvise(start + before, wanted, MADV_HUGEPAGE); /* only advice: a refusal changes nothing */
#endif
  return start + before;
}

void *wk_try_allocate_block(size_t size) {
  if (size > PTRDIFF_MAX - 2 * HUGE_PAGE) return NULL;
  if (size < HUGE_PAGE) return try_allocate_aligned(BLOCK_ALIGNMENT, size);
  return wk_memory_must_fail() ? NULL : map_pages(size);
}

void wk_deallocate_block(void *memory, size_t size) {
  if (size < HUGE_PAGE) {
    wk_deallocate(memory);
  } else if (memory) {
    const int number = errno;
    munmap(memory, round_to_huge_page(size));
    errno = number;
  }
}

/* ---- growing arrays ---- */

bool wk_grow(void *array_address, size_t *capacity, size_t count, size_t element_size) {
  if (count < *capacity) return true;
  size_t larger;
  if (!wk_multiply_size(*capacity, 2, &larger)) return wk_fail_memory(SIZE_MAX), false;
  if (larger < 8) larger = 8;
  void *array;
  memcpy(&array, array_address, sizeof array); /* its real type is some T *, not void * */
  array = wk_reallocate(array, larger, element_size);
  if (!array) return false;
  memcpy(array_address, &array, sizeof array);
  *capacity = larger;
  return true;
}
