/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_AUTOGRAD_HOOKS_H
#define WICK_AUTOGRAD_HOOKS_H

/* Functions of the user's on a tensor's gradient. A leaf's stand at its wk_leaf, an op's result's
 * at the output of its node. */

#include "tensor/tensor.h"

/* What becomes of a leaf with hooks in a backward: these run once, so its gradient is summed up
 * here until all that it is made of have been met. */
typedef struct wk_leaf_sum {
  wk_tensor *gradient; /* owned; NULL: nothing yet */
  int64_t pending;     /* nodes still to come that may add to it; 0: no backward runs */
} wk_leaf_sum;

/* Whether there are hooks for a gradient (`after` false), or for one that has arrived in a leaf. */
bool wk_hooks_are_set(const wk_hooks *hooks, bool after);

/* A leaf's sum; hooks are not NULL. */
wk_leaf_sum *wk_hooks_sum(wk_hooks *hooks);

/* Runs them in the order in which they were added. Returns the gradient that results, of the
 * innermost scope, or NULL with an error pending. `tensor` is the leaf, or NULL. */
wk_tensor *wk_hooks_run(wk_hooks *hooks, bool after, wk_tensor *tensor, wk_tensor *gradient);

#endif
