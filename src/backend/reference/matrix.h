/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_MATRIX_H
#define WICK_BACKEND_REFERENCE_MATRIX_H

#include "tensor/tensor.h"

/* Index of an operand's element [0, ..., 0] of the matrix that belongs to the result's matrix
 * number `batch`: the axes before the last two broadcast. */
int64_t wk_matrix_start(const wk_layout *operand, const wk_layout *result, int64_t batch);

#endif
