/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_REFERENCE_H
#define WICK_BACKEND_REFERENCE_REFERENCE_H

/* A plain kernel for every primitive that is not a view: in double precision (int64_t for
 * integers), any strides, one rounding at the end. The oracle of the other devices and their last
 * resort. */

#include "ops/kernel.h"

extern const wk_kernel wk_reference_kernels[];
extern const int wk_reference_kernel_count;

#endif
