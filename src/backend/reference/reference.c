/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/reference.h"

#include "backend/reference/kernels.h"
#include "ops/records.gen.h"

#define ROW(OP, name)                                                                              \
  { WK_OP_##OP, "reference:" #name, true, NULL, wk_reference_run_##name }

const wk_kernel wk_reference_kernels[] = {
    {WK_EVERY_POINTWISE, "reference:pointwise", true, NULL, wk_reference_run_pointwise},
    ROW(FULL, full),
    ROW(ARANGE, arange),
    ROW(UNIFORM, uniform),
    ROW(NORMAL, normal),
    ROW(DROPOUT, dropout),
    ROW(MATMUL, matmul),
    ROW(CONV2D, conv2d),
    ROW(CONV2D_DATA_GRADIENT, conv2d_data_gradient),
    ROW(CONV2D_WEIGHT_GRADIENT, conv2d_weight_gradient),
    ROW(SUM, sum),
    ROW(MAX, max),
    ROW(ARGMAX, argmax),
    ROW(SOFTMAX, softmax),
    ROW(SOFTMAX_GRADIENT, softmax_gradient),
    ROW(LOG_SOFTMAX, log_softmax),
    ROW(LOG_SOFTMAX_GRADIENT, log_softmax_gradient),
    ROW(CROSS_ENTROPY, cross_entropy),
    ROW(CROSS_ENTROPY_GRADIENT, cross_entropy_gradient),
    ROW(CONTIGUOUS, contiguous),
    ROW(CAST, cast),
    ROW(CONCATENATE, concatenate),
    ROW(PAD, pad),
    ROW(SLICE_UPDATE, slice_update),
    ROW(GATHER, gather),
    ROW(SCATTER, scatter),
    ROW(SCATTER_ADD, scatter_add),
    ROW(INDEX_GET, index_get),
    ROW(INDEX_PUT, index_put),
    ROW(MAX_POOL2D, max_pool2d),
    ROW(MAX_POOL2D_GRADIENT, max_pool2d_gradient),
    ROW(AVERAGE_POOL2D, average_pool2d),
    ROW(AVERAGE_POOL2D_GRADIENT, average_pool2d_gradient),
};
const int wk_reference_kernel_count = sizeof wk_reference_kernels / sizeof *wk_reference_kernels;
