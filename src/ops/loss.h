/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_LOSS_H
#define WICK_OPS_LOSS_H

#include "ops/op.h"

/* The mean or the sum of losses, or the losses as they are. */
wk_tensor *wk_reduce_losses(wk_tensor *losses, wk_reduction reduction);

/* log(1 + exp(x)), without overflow. */
wk_tensor *wk_softplus_of(wk_tensor *x);

/* x + number, x * number, max(x, number) for a number of x's own dtype. */
wk_tensor *wk_plus(wk_tensor *x, double number);
wk_tensor *wk_times(wk_tensor *x, double number);
wk_tensor *wk_at_least(wk_tensor *x, double number);
wk_tensor *wk_square_of(wk_tensor *x);

/* Sizes of x without its last axis. */
wk_shape wk_row_shape(const wk_tensor *x);

#endif
