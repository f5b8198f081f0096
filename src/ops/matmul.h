/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_MATMUL_H
#define WICK_OPS_MATMUL_H

#include "ops/kernel.h"

/* The operands of matmul with vectors as matrices: x [..., M, K], y [..., K, N], z [..., M, N]. */
typedef struct wk_matmul_operands {
  wk_operand x, y, z;
} wk_matmul_operands;

wk_matmul_operands wk_matmul_as_matrices(const wk_kernel_call *call);

/* Inputs that a dense layer may have to run as one kernel. */
#define WK_LINEAR_DEPTH 256

#endif
