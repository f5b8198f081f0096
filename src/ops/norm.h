/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_NORM_H
#define WICK_OPS_NORM_H

#include "ops/op.h"

/* The norm of order `order` of x's vectors along some axes, for composites. */
wk_tensor *wk_norm_over(wk_tensor *x, double order, const wk_axes *axes, bool keep_dims);

#endif
