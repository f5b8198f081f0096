/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_CPU_H
#define WICK_BACKEND_CPU_CPU_H

/* The cpu device's kernels: thin entries from operands to the compute code of kernels.h. */

#include "ops/kernel.h"

extern const wk_kernel wk_cpu_kernels[];
extern const int wk_cpu_kernel_count;

/* The entries, by family; cpu.c lists them. */
const char *wk_cpu_refuse_unless_float(const wk_kernel_call *call);
wk_status wk_cpu_run_matmul(const wk_kernel_call *call);
wk_status wk_cpu_run_linear(const wk_kernel_call *call);
wk_status wk_cpu_run_conv2d(const wk_kernel_call *call);
wk_status wk_cpu_run_conv2d_data_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_conv2d_weight_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_max_pool2d(const wk_kernel_call *call);
wk_status wk_cpu_run_max_pool2d_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_average_pool2d(const wk_kernel_call *call);
wk_status wk_cpu_run_average_pool2d_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_unfold2d(const wk_kernel_call *call);
wk_status wk_cpu_run_fold2d(const wk_kernel_call *call);
wk_status wk_cpu_run_max_unpool2d(const wk_kernel_call *call);
wk_status wk_cpu_run_max_unpool2d_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_resample(const wk_kernel_call *call);
wk_status wk_cpu_run_resample_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_normalise(const wk_kernel_call *call);
wk_status wk_cpu_run_normalise_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_softmax(const wk_kernel_call *call);
wk_status wk_cpu_run_softmax_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_log_softmax(const wk_kernel_call *call);
wk_status wk_cpu_run_log_softmax_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_cross_entropy(const wk_kernel_call *call);
wk_status wk_cpu_run_cross_entropy_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_lstm_steps(const wk_kernel_call *call);
wk_status wk_cpu_run_lstm_steps_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_gru_steps(const wk_kernel_call *call);
wk_status wk_cpu_run_gru_steps_gradient(const wk_kernel_call *call);
wk_status wk_cpu_run_attention(const wk_kernel_call *call);
wk_status wk_cpu_run_attention_gradient(const wk_kernel_call *call);
const char *wk_cpu_refuse_reduce(const wk_kernel_call *call);
wk_status wk_cpu_run_reduce(const wk_kernel_call *call);
wk_status wk_cpu_run_square_sum(const wk_kernel_call *call);
const char *wk_cpu_refuse_reduce_in_place(const wk_kernel_call *call);
const char *wk_cpu_refuse_find(const wk_kernel_call *call);
wk_status wk_cpu_run_argmax(const wk_kernel_call *call);
wk_status wk_cpu_run_argmin(const wk_kernel_call *call);
const char *wk_cpu_refuse_scan(const wk_kernel_call *call);
wk_status wk_cpu_run_cumulative_sum(const wk_kernel_call *call);
wk_status wk_cpu_run_cumulative_product(const wk_kernel_call *call);
const char *wk_cpu_refuse_wide(const wk_kernel_call *call);
wk_status wk_cpu_run_cumulative_max(const wk_kernel_call *call);
wk_status wk_cpu_run_cumulative_min(const wk_kernel_call *call);
wk_status wk_cpu_run_search_sorted(const wk_kernel_call *call);
wk_status wk_cpu_run_linear_recurrence(const wk_kernel_call *call);
const char *wk_cpu_refuse_sort(const wk_kernel_call *call);
wk_status wk_cpu_run_sort(const wk_kernel_call *call);
wk_status wk_cpu_run_top_k(const wk_kernel_call *call);
wk_status wk_cpu_run_cholesky(const wk_kernel_call *call);
const char *wk_cpu_refuse_equations(const wk_kernel_call *call);
wk_status wk_cpu_run_solve(const wk_kernel_call *call);
wk_status wk_cpu_run_triangular_solve(const wk_kernel_call *call);
wk_status wk_cpu_run_determinant(const wk_kernel_call *call);
wk_status wk_cpu_run_qr(const wk_kernel_call *call);
wk_status wk_cpu_run_cast(const wk_kernel_call *call);
const char *wk_cpu_refuse_unless_half(const wk_kernel_call *call);
wk_status wk_cpu_run_half(const wk_kernel_call *call);
wk_status wk_cpu_run_contiguous(const wk_kernel_call *call);
wk_status wk_cpu_run_creation(const wk_kernel_call *call);
wk_status wk_cpu_run_random_real(const wk_kernel_call *call);
wk_status wk_cpu_run_uniform(const wk_kernel_call *call);
wk_status wk_cpu_run_dropout(const wk_kernel_call *call);
wk_status wk_cpu_run_slice_update(const wk_kernel_call *call);
const char *wk_cpu_refuse_gather(const wk_kernel_call *call);
wk_status wk_cpu_run_gather(const wk_kernel_call *call);
const char *wk_cpu_refuse_scatter(const wk_kernel_call *call);
wk_status wk_cpu_run_scatter(const wk_kernel_call *call);
const char *wk_cpu_refuse_scatter_add(const wk_kernel_call *call);
wk_status wk_cpu_run_scatter_add(const wk_kernel_call *call);
wk_status wk_cpu_run_index_get(const wk_kernel_call *call);
const char *wk_cpu_refuse_index_put(const wk_kernel_call *call);
wk_status wk_cpu_run_index_put(const wk_kernel_call *call);
const char *wk_cpu_refuse_scatter_reduce(const wk_kernel_call *call);
wk_status wk_cpu_run_scatter_reduce(const wk_kernel_call *call);
const char *wk_cpu_refuse_index_reduce(const wk_kernel_call *call);
wk_status wk_cpu_run_index_reduce(const wk_kernel_call *call);
wk_status wk_cpu_run_embedding(const wk_kernel_call *call);
wk_status wk_cpu_run_embedding_bag(const wk_kernel_call *call);
wk_status wk_cpu_run_embedding_bag_gradient(const wk_kernel_call *call);
const char *wk_cpu_refuse_embedding_bag_max(const wk_kernel_call *call);
wk_status wk_cpu_run_embedding_bag_max(const wk_kernel_call *call);
wk_status wk_cpu_run_put_rows(const wk_kernel_call *call);
wk_status wk_cpu_run_concatenate(const wk_kernel_call *call);
const char *wk_cpu_refuse_pad(const wk_kernel_call *call);
wk_status wk_cpu_run_pad(const wk_kernel_call *call);

#endif
