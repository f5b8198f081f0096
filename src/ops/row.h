/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_ROW_H
#define WICK_OPS_ROW_H

/* What ops along neighbouring axes see: [outer, count, inner], the middle being their rows. */

#include "ops/kernel.h"

typedef struct wk_middle {
  int64_t outer, count, inner;
} wk_middle;

/* The axes as the middle of a row-major tensor; none are the last one. Raises WK_ERROR_SHAPE or
 * WK_ERROR_ARGUMENT. */
wk_status wk_middle_of(const wk_axes *axes, const wk_layout *layout, wk_middle *middle);

#endif
