/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_REDUCTION_H
#define WICK_OPS_REDUCTION_H

#include "ops/op.h"

/* reduced[i] for each of `rank` axes, from the list an op was given (empty: all); raises
 * WK_ERROR_ARGUMENT for one out of range or given twice. */
wk_status wk_reduced_axes(const wk_axes *axes, int rank, bool *reduced);

/* How many elements of x become one. */
wk_status wk_reduced_count(const wk_layout *x, const wk_axes *axes, int64_t *count);

/* Sizes of x with the reduced axes set to 1: what broadcasts against x. */
wk_shape wk_reduced_kept_shape(const wk_layout *x, const wk_axes *axes);

/* Raises WK_ERROR_SHAPE if no elements would become one: they have no `what`. */
wk_status wk_reduced_not_empty(const wk_layout *x, const wk_axes *axes, const char *what);

/* What sums of a dtype are: itself for floats, i64 for others. */
wk_dtype wk_sum_dtype(wk_dtype dtype);

#endif
