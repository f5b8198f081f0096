/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_LABEL_H
#define WICK_OPS_LABEL_H

#include "ops/kernel.h"

/* For kernels of ops that take labels or lengths: what can only be judged by the values.
 *
 * Raises WK_ERROR_INDEX, with the position, the value and the valid range, unless every label, i64
 * of any sizes, is from 0 to classes - 1 or `ignored` (-INFINITY: none is). */
wk_status wk_labels_check(const wk_operand *labels, int64_t classes, double ignored);

/* The same unless every length [N] i64 is from 0 to `most`; `what` names them. */
wk_status wk_lengths_check(const char *what, const wk_operand *lengths, int64_t most);

#endif
