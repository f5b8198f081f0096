/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_AUTOCAST_H
#define WICK_OPS_AUTOCAST_H

/* Mixed precision: which inputs of a call are cast before it is looked at, as its record's
 * `autocast` says, and the layer of dispatch that keeps the casts of weights. */

#include "ops/dispatch.h"

/* The low type of the calling thread, or WK_DTYPE_DEFAULT: autocast is off. */
#define wk_autocasting (wk_thread_here()->autocasting)

/* Whether the call is one that autocast has a say in. Only while it is on. */
bool wk_autocast_applies(const wk_op *op, wk_tensor *const *inputs, int count);

/* Replaces inputs by what they are cast to, recorded, in the innermost scope. */
wk_status wk_autocast_inputs(const wk_op *op, wk_tensor **inputs, int count);

/* Forgets the casts of weights that are kept. */
void wk_autocast_forget(void);

/* The layers beneath which autocast's own casts run, and the one of them that keeps the casts of
 * weights until autocast ends or the weight is written. src/wick.c lists them. */
extern const wk_dispatch_layer *const wk_autocast_layers[];
extern const wk_dispatch_layer wk_autocast_layer;

#endif
