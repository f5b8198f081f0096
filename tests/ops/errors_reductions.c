/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <math.h>

static wk_tensor *mean_axis(void) { return wk_mean(F32(2, 3), .axes = WK_AXES(-3)); }
static wk_tensor *mean_integers(void) { return wk_mean(I64(1, 3)); }
static wk_tensor *min_of_nothing(void) { return wk_min(F32(2, 0), .axes = WK_AXES(1)); }
static wk_tensor *argmin_axis(void) { return wk_argmin(F32(2, 3), 2); }
static wk_tensor *product_axis_twice(void) { return wk_product(F32(2, 3), .axes = WK_AXES(1, -1)); }
static wk_tensor *norm_of_nothing(void) { return wk_norm(F32(0), .order = INFINITY); }
static wk_tensor *cumulative_sum_axis(void) { return wk_cumulative_sum(F32(2, 3), 2); }
static wk_tensor *recurrence_sizes(void) { return wk_linear_recurrence(F32(3), F32(4), 0); }
static wk_tensor *sort_of_a_number(void) { return wk_sort(NUMBER, 0).values; }
static wk_tensor *top_k_of_few(void) { return wk_top_k(F32(3), 4, 0).values; }
static wk_tensor *top_k_negative(void) { return wk_top_k(F32(3), -1, 0).values; }
static wk_tensor *median_of_nothing(void) { return wk_median(F32(2, 0), 1).values; }
static wk_tensor *quantile_above_one(void) { return wk_quantile(F32(3), 1.5, 0); }
static wk_tensor *search_sorted_sizes(void) { return wk_search_sorted(F32(2, 3), F32(3, 4)); }
static wk_tensor *bucketize_matrix(void) { return wk_bucketize(F32(3), F32(2, 2)); }
static wk_tensor *bin_count_negative(void) { return wk_bin_count(I64(-2, 3)); }
static wk_tensor *histogram_range(void) { return wk_histogram(F32(3), 4, .low = 2, .high = 1); }
static wk_tensor *dot_matrices(void) { return wk_dot(F32(2, 2), F32(2, 2)); }
static wk_tensor *inner_sizes(void) { return wk_inner(F32(2, 3), F32(4)); }
static wk_tensor *tensordot_pairs(void) {
  return wk_tensordot(F32(2, 3), F32(3, 2), .axes_x = WK_AXES(0));
}
static wk_tensor *tensordot_sizes(void) {
  return wk_tensordot(F32(2, 3), F32(3, 2), .axes_x = WK_AXES(1), .axes_y = WK_AXES(1));
}
static wk_tensor *einsum_count(void) { return wk_einsum(WK_TENSORS(F32(2, 3)), "ij,jk->ik"); }
static wk_tensor *einsum_rank(void) { return wk_einsum(WK_TENSORS(F32(2, 3)), "ijk->i"); }
static wk_tensor *einsum_sizes(void) {
  return wk_einsum(WK_TENSORS(F32(2, 3), F32(4, 5)), "ij,jk->ik");
}
static wk_tensor *einsum_result(void) { return wk_einsum(WK_TENSORS(F32(2, 3)), "ij->ik"); }
static wk_tensor *einsum_digit(void) { return wk_einsum(WK_TENSORS(F32(2, 3)), "i1->i"); }
static wk_tensor *einsum_null(void) { return wk_einsum(WK_TENSORS(F32(2, 3)), NULL); }
static wk_tensor *chain_sizes(void) { return wk_chain_matmul(WK_TENSORS(F32(2, 3), F32(2, 3))); }
static wk_tensor *cross_size(void) { return wk_cross(F32(2, 4), F32(2, 4), 1); }
static wk_tensor *distances_sizes(void) { return wk_distances(F32(2, 4), F32(2, 3)); }
static wk_tensor *power_not_square(void) { return wk_matrix_power(F32(2, 3), 2); }
static wk_tensor *cholesky_indefinite(void) { return wk_cholesky(F32(2, 2)); }
static wk_tensor *inverse_singular(void) { return wk_inverse(F32(2, 2)); }
static wk_tensor *solve_rows(void) { return wk_solve(F32(2, 2), F32(3, 1)); }
static wk_tensor *triangular_square(void) { return wk_triangular_solve(F32(2, 3), F32(3, 1)); }
static wk_tensor *determinant_square(void) { return wk_determinant(F32(2, 3)); }
static wk_tensor *qr_vector(void) { return wk_qr(F32(3)).q; }
static wk_tensor *eigen_square(void) { return wk_symmetric_eigen(F32(2, 3)).values; }
static wk_tensor *covariance_rank(void) { return wk_covariance(F32(3)); }
static wk_tensor *difference_axis(void) { return wk_difference(F32(3), 1); }
static wk_tensor *in_top_k_targets(void) { return wk_in_top_k(F32(3, 4), I64(0, 2), 1); }
static wk_tensor *lu_vector(void) { return wk_lu(F32(3)).u; }
static wk_tensor *matrix_norm_vector(void) { return wk_matrix_norm(F32(3)); }

static const wrong_call calls[] = {
    {"mean axis", mean_axis, WK_ERROR_ARGUMENT, "mean", {"axis -3"}},
    {"mean integers", mean_integers, WK_ERROR_DTYPE, "mean", {"i64", "wk_cast(x, WK_F32)"}},
    {"min of nothing", min_of_nothing, WK_ERROR_SHAPE, "min", {"dimension 1 is empty"}},
    {"argmin axis", argmin_axis, WK_ERROR_ARGUMENT, "argmin", {"axis 2"}},
    {"product axis twice", product_axis_twice, WK_ERROR_ARGUMENT, "product", {"axis 1"}},
    {"norm of nothing", norm_of_nothing, WK_ERROR_SHAPE, "norm", {"dimension 0 is empty"}},
    {"cumulative_sum axis", cumulative_sum_axis, WK_ERROR_ARGUMENT, "cumulative_sum", {"axis 2"}},
    {"recurrence sizes", recurrence_sizes, WK_ERROR_SHAPE, "linear_recurrence", {"f32 [3]"}},
    {"sort of a number", sort_of_a_number, WK_ERROR_ARGUMENT, "sort", {"axis 0"}},
    {"top_k of few", top_k_of_few, WK_ERROR_ARGUMENT, "top_k", {"k is 4", "3 elements"}},
    {"top_k negative", top_k_negative, WK_ERROR_ARGUMENT, "top_k", {"k of top_k is -1"}},
    {"median of nothing", median_of_nothing, WK_ERROR_SHAPE, "median", {"dimension 1 is empty"}},
    {"quantile above one", quantile_above_one, WK_ERROR_ARGUMENT, "quantile", {"level", "1.5"}},
    {"search_sorted sizes", search_sorted_sizes, WK_ERROR_SHAPE, "search_sorted", {"f32 [2, 3]"}},
    {"bucketize matrix", bucketize_matrix, WK_ERROR_SHAPE, "bucketize", {"f32 [2, 2]"}},
    {"bin_count negative", bin_count_negative, WK_ERROR_ARGUMENT, "bin_count", {"-2"}},
    {"histogram range", histogram_range, WK_ERROR_ARGUMENT, "histogram", {"low", "high"}},
    {"dot matrices", dot_matrices, WK_ERROR_SHAPE, "dot", {"wk_matmul"}},
    {"inner sizes", inner_sizes, WK_ERROR_SHAPE, "inner", {"3 and 4"}},
    {"tensordot pairs", tensordot_pairs, WK_ERROR_ARGUMENT, "tensordot", {"1 axes of x"}},
    {"tensordot sizes", tensordot_sizes, WK_ERROR_SHAPE, "tensordot", {"dimension 1 (3)", "(2)"}},
    {"einsum count", einsum_count, WK_ERROR_ARGUMENT, "einsum", {"2 tensors", "there are 1"}},
    {"einsum rank", einsum_rank, WK_ERROR_SHAPE, "einsum", {"2 dimensions", "3 letters"}},
    {"einsum sizes", einsum_sizes, WK_ERROR_SHAPE, "einsum", {"size 4", "'j' was 3"}},
    {"einsum result", einsum_result, WK_ERROR_ARGUMENT, "einsum", {"no tensor's axis"}},
    {"einsum digit", einsum_digit, WK_ERROR_ARGUMENT, "einsum", {"only letters"}},
    {"einsum null", einsum_null, WK_ERROR_ARGUMENT, "einsum", {"equation", "NULL"}},
    {"chain sizes", chain_sizes, WK_ERROR_SHAPE, "chain_matmul", {"matrix 2 has 2 rows"}},
    {"cross size", cross_size, WK_ERROR_SHAPE, "cross", {"size 3"}},
    {"distances sizes", distances_sizes, WK_ERROR_SHAPE, "distances", {"f32 [2, 4]"}},
    {"cholesky", cholesky_indefinite, WK_ERROR_ARGUMENT, "cholesky", {"positive definite"}},
    {"inverse singular", inverse_singular, WK_ERROR_ARGUMENT, "inverse", {"singular"}},
    {"solve rows", solve_rows, WK_ERROR_SHAPE, "solve", {"3 rows", "2"}},
    {"triangular square", triangular_square, WK_ERROR_SHAPE, "triangular_solve", {"square"}},
    {"determinant square", determinant_square, WK_ERROR_SHAPE, "determinant", {"square"}},
    {"qr vector", qr_vector, WK_ERROR_SHAPE, "qr", {"1 dimensions"}},
    {"eigen square", eigen_square, WK_ERROR_SHAPE, "symmetric_eigen", {"square"}},
    {"covariance rank", covariance_rank, WK_ERROR_SHAPE, "covariance", {"f32 [3]"}},
    {"difference axis", difference_axis, WK_ERROR_ARGUMENT, "difference", {"axis 1"}},
    {"in_top_k targets", in_top_k_targets, WK_ERROR_SHAPE, "in_top_k", {"i64 [2]"}},
    {"lu vector", lu_vector, WK_ERROR_SHAPE, "lu", {"1 dimensions"}},
    {"matrix_norm vector", matrix_norm_vector, WK_ERROR_SHAPE, "matrix_norm", {"1 dimensions"}},
    {"power not square", power_not_square, WK_ERROR_SHAPE, "matrix_power", {"square"}},
};

const wrong_call_table wrong_reductions = {calls, sizeof calls / sizeof *calls};
