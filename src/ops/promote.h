/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_PROMOTE_H
#define WICK_OPS_PROMOTE_H

/* The common dtype of operands that differ, by PyTorch's rules. */

#include "ops/op.h"

/* Whether the op promotes and an input has to be converted (or brought to the others' device)
 * before it can run. */
bool wk_must_promote(const wk_op *op, wk_tensor *const *inputs, int count);

/* Writes to `promoted` the inputs, converted where need be by recorded ops; new tensors belong to
 * the innermost scope. */
wk_status wk_promote_inputs(const wk_op *op, wk_tensor *const *inputs, int count,
                            wk_tensor **promoted);

#endif
