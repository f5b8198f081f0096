/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_MEMORY_H
#define WICK_BASE_MEMORY_H

/* The library's only door to malloc. Every function raises WK_ERROR_MEMORY and returns NULL when
 * memory cannot be had, so a caller only passes the NULL on. Products are checked for overflow. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WK_WITH_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WK_WITH_ADDRESS_SANITIZER 1
#endif

void *wk_allocate(size_t size); /* uninitialised */
void *wk_allocate_zeroed(size_t count, size_t size);
void *wk_reallocate(void *old, size_t count, size_t size); /* old stays valid on failure */
void *wk_allocate_aligned(size_t alignment, size_t size);  /* freed by wk_deallocate too */
void wk_deallocate(void *memory);                          /* NULL is fine; keeps errno */
char *wk_duplicate_string(const char *text);

/* As wk_allocate_aligned, but only returns NULL on failure: for callers that can free something and
 * try again. Memory of 2 MiB and more lies in pages of its own, huge ones where the system has
 * them; it starts at a multiple of 2 MiB. Freed by wk_deallocate_block with the same size. */
void *wk_try_allocate_block(size_t size);
void wk_deallocate_block(void *memory, size_t size);

/* For tests of failure paths: `successes` more allocations of the process succeed, the one after
 * them fails, later ones succeed again. Negative: none fails. Returns what was left of the previous
 * count, negative when its failure has happened (or none was asked for). [any thread] */
int64_t wk_memory_fail_after(int64_t successes);

/* Successful allocations left before the one that is to fail; negative: none is. */
extern _Atomic int64_t wk_memory_successes_left;

/* Counts one allocation; true if it is the one to fail. Called by whoever keeps memory of its own
 * and wants its requests to count. */
static inline bool wk_memory_must_fail(void) {
  return atomic_load_explicit(&wk_memory_successes_left, memory_order_relaxed) >= 0 &&
         atomic_fetch_sub(&wk_memory_successes_left, 1) == 0;
}

/* a*b and a+b into *result; false on overflow. */
static inline bool wk_multiply_size(size_t a, size_t b, size_t *result) {
  return !__builtin_mul_overflow(a, b, result);
}
static inline bool wk_multiply_count(int64_t a, int64_t b, int64_t *result) {
  return !__builtin_mul_overflow(a, b, result);
}
static inline bool wk_add_size(size_t a, size_t b, size_t *result) {
  return !__builtin_add_overflow(a, b, result);
}

/* Makes room for one more element in a growing array, doubling its capacity. Returns false, with
 * an error pending and the array as it was, when memory cannot be had. */
bool wk_grow(void *array_address, size_t *capacity, size_t count, size_t element_size);

#endif
