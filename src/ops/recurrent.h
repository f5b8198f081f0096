/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_RECURRENT_H
#define WICK_OPS_RECURRENT_H

/* What recurrent layers share: steps along axis 1 of [N, L, ...], of which for each sequence only
 * the first `lengths` [N] count; NULL: all. */

#include "ops/op.h"

/* Part `part` of `parts` along the last axis. */
wk_tensor *wk_part_of(wk_tensor *x, int part, int parts);

/* Step `step` of x [N, L, K], as [N, K]; NULL of NULL. */
wk_tensor *wk_step_of(wk_tensor *x, int64_t step);

/* One or more steps [N, K] as one tensor [N, L, K]; the array is used up. */
wk_tensor *wk_join_steps(wk_tensor **steps, int64_t count);

/* [N, 1]: whether step `step` counts; NULL: always. */
wk_tensor *wk_counts(wk_tensor *lengths, int64_t step);

/* x where the condition holds or is NULL, else other; `other` NULL is zero. */
wk_tensor *wk_choose(wk_tensor *condition, wk_tensor *x, wk_tensor *other);

/* The states [N, L, H] before each step: those in `states`, moved by one, and `first` [N, H] in
 * front of the first step that counts. */
wk_tensor *wk_states_before(wk_tensor *states, wk_tensor *first, wk_tensor *lengths, bool reverse);

/* The gradient of a weight [K, H] from those of its products [N, L, K] with states [N, L, H]. */
wk_tensor *wk_weight_gradient(wk_tensor *products, wk_tensor *states);

/* a + b; b may be NULL. */
wk_tensor *wk_add_maybe(wk_tensor *a, wk_tensor *b);

/* Checks projected [N, L, gates * H] against weight [gates * H, H], hidden [N, H] and lengths. */
wk_status wk_check_layer(wk_tensor *const *in, int gates, const wk_tensor *lengths);

#endif
