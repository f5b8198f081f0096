/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the cpu device's kernels. What is not here the reference computes. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/pointwise.h"
#include "ops/records.gen.h"

const char *wk_cpu_refuse_unless_float(const wk_kernel_call *call) {
  const wk_dtype dtype = call->outputs[0].layout.dtype;
  return dtype == WK_F32 || dtype == WK_F64 ? NULL : "only f32 and f64";
}

#define FLOATS(op, function)                                                                       \
  { op, "cpu:" #function, false, wk_cpu_refuse_unless_float, wk_cpu_run_##function }

const wk_kernel wk_cpu_kernels[] = {
    {WK_EVERY_POINTWISE, "cpu:pointwise", true, wk_cpu_pointwise_refuse, wk_cpu_pointwise_run},
    {WK_OP_MATMUL, "cpu:matmul", true, wk_cpu_refuse_unless_float, wk_cpu_run_matmul},
    FLOATS(WK_OP_CONV2D, conv2d),
    FLOATS(WK_OP_CONV2D_DATA_GRADIENT, conv2d_data_gradient),
    FLOATS(WK_OP_CONV2D_WEIGHT_GRADIENT, conv2d_weight_gradient),
    FLOATS(WK_OP_MAX_POOL2D, max_pool2d),
    FLOATS(WK_OP_MAX_POOL2D_GRADIENT, max_pool2d_gradient),
    FLOATS(WK_OP_AVERAGE_POOL2D, average_pool2d),
    FLOATS(WK_OP_AVERAGE_POOL2D_GRADIENT, average_pool2d_gradient),
    FLOATS(WK_OP_SOFTMAX, softmax),
    FLOATS(WK_OP_SOFTMAX_GRADIENT, softmax_gradient),
    FLOATS(WK_OP_LOG_SOFTMAX, log_softmax),
    FLOATS(WK_OP_LOG_SOFTMAX_GRADIENT, log_softmax_gradient),
    FLOATS(WK_OP_CROSS_ENTROPY, cross_entropy),
    FLOATS(WK_OP_CROSS_ENTROPY_GRADIENT, cross_entropy_gradient),
    {WK_OP_SUM, "cpu:sum", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_SUM, "cpu:sum", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_PRODUCT, "cpu:product", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_PRODUCT, "cpu:product", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_MAX, "cpu:max", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_MAX, "cpu:max", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_MIN, "cpu:min", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_MIN, "cpu:min", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_ALL, "cpu:all", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_ALL, "cpu:all", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_ANY, "cpu:any", true, wk_cpu_refuse_reduce_in_place, wk_cpu_run_reduce},
    {WK_OP_ANY, "cpu:any", false, wk_cpu_refuse_reduce, wk_cpu_run_reduce},
    {WK_OP_ARGMAX, "cpu:argmax", true, wk_cpu_refuse_find, wk_cpu_run_argmax},
    {WK_OP_ARGMIN, "cpu:argmin", true, wk_cpu_refuse_find, wk_cpu_run_argmin},
    {WK_OP_CUMULATIVE_SUM, "cpu:cumulative_sum", false, wk_cpu_refuse_scan, wk_cpu_run_cumulative_sum},
    {WK_OP_CUMULATIVE_PRODUCT, "cpu:cumulative_product", false, wk_cpu_refuse_scan, wk_cpu_run_cumulative_product},
    FLOATS(WK_OP_LINEAR_RECURRENCE, linear_recurrence),
    {WK_OP_SORT, "cpu:sort", true, wk_cpu_refuse_sort, wk_cpu_run_sort},
    {WK_OP_TOP_K, "cpu:top_k", true, wk_cpu_refuse_sort, wk_cpu_run_top_k},
    {WK_OP_CONTIGUOUS, "cpu:contiguous", true, NULL, wk_cpu_run_contiguous},
    {WK_OP_SLICE_UPDATE, "cpu:slice_update", true, NULL, wk_cpu_run_slice_update},
    {WK_OP_GATHER, "cpu:gather", false, wk_cpu_refuse_gather, wk_cpu_run_gather},
    {WK_OP_SCATTER, "cpu:scatter", true, wk_cpu_refuse_scatter, wk_cpu_run_scatter},
    {WK_OP_SCATTER_ADD, "cpu:scatter_add", true, wk_cpu_refuse_scatter_add, wk_cpu_run_scatter_add},
    {WK_OP_INDEX_GET, "cpu:index_get", false, NULL, wk_cpu_run_index_get},
    {WK_OP_INDEX_PUT, "cpu:index_put", true, wk_cpu_refuse_index_put, wk_cpu_run_index_put},
    {WK_OP_CAST, "cpu:cast", false, NULL, wk_cpu_run_cast},
    {WK_OP_FULL, "cpu:full", true, NULL, wk_cpu_run_creation},
    {WK_OP_ARANGE, "cpu:arange", true, NULL, wk_cpu_run_creation},
    {WK_OP_LINSPACE, "cpu:linspace", true, NULL, wk_cpu_run_creation},
    FLOATS(WK_OP_UNIFORM, uniform),
    FLOATS(WK_OP_NORMAL, random_real),
    FLOATS(WK_OP_LOG_NORMAL, random_real),
    FLOATS(WK_OP_TRUNCATED_NORMAL, random_real),
    FLOATS(WK_OP_EXPONENTIAL, random_real),
    FLOATS(WK_OP_GEOMETRIC, random_real),
    FLOATS(WK_OP_CAUCHY, random_real),
    FLOATS(WK_OP_GUMBEL, random_real),
    FLOATS(WK_OP_DROPOUT, dropout),
    {WK_EVERY_OP, "cpu:half", false, wk_cpu_refuse_unless_half, wk_cpu_run_half},
};
const int wk_cpu_kernel_count = sizeof wk_cpu_kernels / sizeof *wk_cpu_kernels;
