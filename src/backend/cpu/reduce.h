/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_REDUCE_H
#define WICK_BACKEND_CPU_REDUCE_H

#include <stddef.h>

#include "backend/cpu/isa.h"

/* wk_cpu_reduce for callers that have scratch memory already: how much it takes, and the reduction
 * itself. */
size_t wk_reduce_scratch_size(wk_dtype dtype, int64_t outer, int64_t count, int64_t inner);
void wk_reduce_with(wk_cpu_reduction reduction, wk_dtype dtype, int64_t outer, int64_t count,
                    int64_t inner, const void *x, void *y, void *scratch);

/* y [inner] from some rows of [count, inner], inner > 1: `rows` of them from `first` on, at x. All
 * calls in order do what one with all rows does; wk_reduce_part_state bytes are kept in between. */
size_t wk_reduce_part_state(wk_dtype dtype, int64_t count, int64_t inner);
wk_status wk_reduce_part(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, int64_t inner,
                         int64_t first, int64_t rows, const void *x, void *y, void *state);

/* *y from x[0 .. count), one after the other in 16 lanes. */
void wk_reduce_block(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, const void *x,
                     void *y);

/* y[j] from x[i * columns + j], one after the other. */
void wk_reduce_columns(wk_cpu_reduction reduction, wk_dtype dtype, int64_t count, int64_t columns,
                       const void *x, void *y);

#endif
