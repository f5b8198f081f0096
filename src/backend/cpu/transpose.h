/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_TRANSPOSE_H
#define WICK_BACKEND_CPU_TRANSPOSE_H

#include "ops/kernel.h"

/* Copies x to y, which is row-major, in tiles of a cache line each way. False, with nothing done,
 * if no axis but the last one has x's elements side by side. */
bool wk_cpu_transpose(const wk_operand *y, const wk_operand *x);

#endif
