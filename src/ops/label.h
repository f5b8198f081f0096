/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_LABEL_H
#define WICK_OPS_LABEL_H

#include "ops/kernel.h"

/* Raises WK_ERROR_INDEX, with the position, the value and the valid range, unless every label, i64
 * of any sizes, is from 0 to classes - 1 or `ignored` (-INFINITY: none is). For kernels of ops that
 * take labels. */
wk_status wk_labels_check(const wk_operand *labels, int64_t classes, double ignored);

#endif
