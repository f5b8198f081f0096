/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_SCRATCH_H
#define WICK_BACKEND_CPU_SCRATCH_H

#include <stddef.h>

/* At least `size` bytes of the calling thread's own scratch memory, 64-byte aligned, kept and grown
 * from call to call; what it held is lost. Valid until the same thread's next call, so a kernel
 * asks once, for all it needs and for all the threads it uses. NULL with WK_ERROR_MEMORY pending.
 * Freed when the thread ends and by wk_shutdown. */
void *wk_cpu_scratch(size_t size);

/* `size` rounded up so that what follows it is aligned too. */
static inline size_t wk_scratch_round(size_t size) { return (size + 63) & ~(size_t)63; }

#endif
