/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_PARALLEL_H
#define WICK_BASE_PARALLEL_H

/* The only way to run on several threads. */

#include <stdint.h>

/* Calls run(context, begin, end) over pieces that together cover [0, count), each a whole number of
 * blocks of `block` items (the last may be short), on up to wk_thread_count() threads, the caller
 * being one; returns when all are done. Which thread runs which piece is not fixed, so a result
 * must depend on the blocks alone. With one block, one thread, or inside a running parallel_for,
 * the caller runs everything as one piece. `run` must not raise errors. */
void wk_parallel_for(int64_t count, int64_t block,
                     void (*run)(void *context, int64_t begin, int64_t end), void *context);

/* Calls run(context, step, part) for each step of [0, steps) and each part of [0, parts), a step
 * when all of the one before is done; otherwise as above. One job for many short steps: a thread
 * takes the same parts of each step, and others' once those are done. At most 64 parts. */
void wk_parallel_steps(int64_t steps, int parts, void (*run)(void *context, int64_t step, int part),
                       void *context);

/* Index of the executing thread, from 0 (the caller) to wk_thread_count() - 1: for scratch memory.
 * A nested call keeps its thread's index. */
int wk_parallel_index(void);

/* Ends the worker threads; the next wk_parallel_for starts them again. */
void wk_parallel_shutdown(void);

#endif
