/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_REDUCTION_H
#define WICK_OPS_REDUCTION_H

#include "ops/op.h"

/* reduced[i] for each of `rank` axes, from the list an op was given (empty: all); raises
 * WK_ERROR_ARGUMENT for one out of range or given twice. */
wk_status wk_reduced_axes(const wk_axes *axes, int rank, bool *reduced);

#endif
