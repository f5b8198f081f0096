/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DEVICE_HOST_MEMORY_H
#define WICK_DEVICE_HOST_MEMORY_H

/* How memory of host devices is kept; see wk_host_device_functions. */

#include <stdint.h>

#include <wick/base.h>

typedef enum wk_host_allocator {
  WK_HOST_POOL = 0,   /* freed blocks are kept by size and reused */
  WK_HOST_SYSTEM = 1, /* every request goes to the system: for memory checkers */
  WK_HOST_GUARD = 2   /* as system, and pattern bytes around each block are checked at its free */
} wk_host_allocator;

/* Changes how host devices allocate; $WICK_ALLOCATOR says what holds at first. WK_ERROR_STATE while
 * any of their memory is in use. [one thread at a time] */
wk_status wk_host_allocator_set(wk_host_allocator allocator);
wk_host_allocator wk_host_allocator_get(void);

/* Number of blocks freed so far, by any thread, whose guard bytes had been written to. */
int64_t wk_host_guard_damage(void);

#endif
