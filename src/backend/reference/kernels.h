/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_KERNELS_H
#define WICK_BACKEND_REFERENCE_KERNELS_H

/* The run functions behind reference.c's table; a file per family. */

#include "ops/kernel.h"

wk_status wk_reference_run_pointwise(const wk_kernel_call *call); /* and optimizer updates */

wk_status wk_reference_run_creation(const wk_kernel_call *call); /* full, arange, linspace */

wk_status wk_reference_run_bitcast(const wk_kernel_call *call);

wk_status wk_reference_run_uniform(const wk_kernel_call *call);
wk_status wk_reference_run_random_real(const wk_kernel_call *call); /* normal and others */
wk_status wk_reference_run_random_integers(const wk_kernel_call *call);
wk_status wk_reference_run_random_permutation(const wk_kernel_call *call);
wk_status wk_reference_run_random_of_parameters(const wk_kernel_call *call); /* gamma, ... */
wk_status wk_reference_run_multinomial(const wk_kernel_call *call);
wk_status wk_reference_run_dropout(const wk_kernel_call *call);

wk_status wk_reference_run_matmul(const wk_kernel_call *call);
wk_status wk_reference_run_linear(const wk_kernel_call *call);
wk_status wk_reference_run_cholesky(const wk_kernel_call *call);
wk_status wk_reference_run_triangular_solve(const wk_kernel_call *call);
wk_status wk_reference_run_solve(const wk_kernel_call *call);
wk_status wk_reference_run_determinant(const wk_kernel_call *call);
wk_status wk_reference_run_log_determinant(const wk_kernel_call *call);
wk_status wk_reference_run_qr(const wk_kernel_call *call);
wk_status wk_reference_run_symmetric_eigen(const wk_kernel_call *call);
wk_status wk_reference_run_svd(const wk_kernel_call *call);
wk_status wk_reference_run_lu(const wk_kernel_call *call);
wk_status wk_reference_run_conv2d(const wk_kernel_call *call);
wk_status wk_reference_run_conv2d_data_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_conv2d_weight_gradient(const wk_kernel_call *call);

wk_status wk_reference_run_sum(const wk_kernel_call *call);
wk_status wk_reference_run_square_sum(const wk_kernel_call *call);
wk_status wk_reference_run_product(const wk_kernel_call *call);
wk_status wk_reference_run_max(const wk_kernel_call *call);
wk_status wk_reference_run_min(const wk_kernel_call *call);
wk_status wk_reference_run_all(const wk_kernel_call *call);
wk_status wk_reference_run_any(const wk_kernel_call *call);
wk_status wk_reference_run_argmax(const wk_kernel_call *call);
wk_status wk_reference_run_argmin(const wk_kernel_call *call);

wk_status wk_reference_run_cumulative_sum(const wk_kernel_call *call);
wk_status wk_reference_run_cumulative_product(const wk_kernel_call *call);
wk_status wk_reference_run_cumulative_max(const wk_kernel_call *call);
wk_status wk_reference_run_cumulative_min(const wk_kernel_call *call);
wk_status wk_reference_run_log_cumulative_sum_exp(const wk_kernel_call *call);
wk_status wk_reference_run_linear_recurrence(const wk_kernel_call *call);

wk_status wk_reference_run_sort(const wk_kernel_call *call);
wk_status wk_reference_run_top_k(const wk_kernel_call *call);
wk_status wk_reference_run_search_sorted(const wk_kernel_call *call);

wk_status wk_reference_run_softmax(const wk_kernel_call *call);
wk_status wk_reference_run_softmax_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_log_softmax(const wk_kernel_call *call);
wk_status wk_reference_run_log_softmax_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_cross_entropy(const wk_kernel_call *call);
wk_status wk_reference_run_cross_entropy_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_pick_label(const wk_kernel_call *call);
wk_status wk_reference_run_spread_label(const wk_kernel_call *call);

wk_status wk_reference_run_attention(const wk_kernel_call *call);
wk_status wk_reference_run_attention_gradient(const wk_kernel_call *call);

wk_status wk_reference_run_lstm_steps(const wk_kernel_call *call);
wk_status wk_reference_run_lstm_steps_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_gru_steps(const wk_kernel_call *call);
wk_status wk_reference_run_gru_steps_gradient(const wk_kernel_call *call);

wk_status wk_reference_run_ctc(const wk_kernel_call *call);
wk_status wk_reference_run_ctc_gradient(const wk_kernel_call *call);

wk_status wk_reference_run_contiguous(const wk_kernel_call *call);
wk_status wk_reference_run_cast(const wk_kernel_call *call);
wk_status wk_reference_run_concatenate(const wk_kernel_call *call);
wk_status wk_reference_run_pad(const wk_kernel_call *call);
wk_status wk_reference_run_slice_update(const wk_kernel_call *call);

wk_status wk_reference_run_gather(const wk_kernel_call *call);
wk_status wk_reference_run_scatter(const wk_kernel_call *call);
wk_status wk_reference_run_scatter_add(const wk_kernel_call *call);
wk_status wk_reference_run_index_get(const wk_kernel_call *call);
wk_status wk_reference_run_index_put(const wk_kernel_call *call);
wk_status wk_reference_run_scatter_reduce(const wk_kernel_call *call);
wk_status wk_reference_run_index_reduce(const wk_kernel_call *call);
wk_status wk_reference_run_embedding(const wk_kernel_call *call);
wk_status wk_reference_run_embedding_bag(const wk_kernel_call *call);
wk_status wk_reference_run_embedding_bag_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_embedding_bag_max(const wk_kernel_call *call);
wk_status wk_reference_run_put_rows_update(const wk_kernel_call *call);

wk_status wk_reference_run_max_pool2d(const wk_kernel_call *call);
wk_status wk_reference_run_max_pool2d_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_max_pool2d_pick(const wk_kernel_call *call);
wk_status wk_reference_run_max_pool2d_with_indices(const wk_kernel_call *call);
wk_status wk_reference_run_max_unpool2d(const wk_kernel_call *call);
wk_status wk_reference_run_max_unpool2d_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_unfold2d(const wk_kernel_call *call);
wk_status wk_reference_run_fold2d(const wk_kernel_call *call);
wk_status wk_reference_run_resample(const wk_kernel_call *call);
wk_status wk_reference_run_resample_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_normalise(const wk_kernel_call *call);
wk_status wk_reference_run_normalise_gradient(const wk_kernel_call *call);
wk_status wk_reference_run_average_pool2d(const wk_kernel_call *call);
wk_status wk_reference_run_average_pool2d_gradient(const wk_kernel_call *call);

#endif
