/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

static wk_tensor *conv2d_filters_rank(void) { return wk_conv2d(F32(1, 5, 5, 3), F32(4, 3, 3)); }
static wk_tensor *conv1d_rank(void) { return wk_conv1d(F32(5, 3), F32(4, 3, 3)); }
static wk_tensor *conv1d_channels(void) { return wk_conv1d(F32(1, 5, 3), F32(4, 3, 2)); }
static wk_tensor *conv3d_small(void) { return wk_conv3d(F32(1, 2, 5, 5, 3), F32(4, 3, 3, 3, 3)); }
static wk_tensor *conv3d_filters(void) { return wk_conv3d(F32(1, 2, 5, 5, 3), F32(4, 3, 3, 3)); }
static wk_tensor *transpose_channels(void) {
  return wk_conv_transpose2d(F32(1, 3, 3, 4), F32(3, 3, 3, 4));
}
static wk_tensor *transpose_output_padding(void) {
  return wk_conv_transpose2d(F32(1, 3, 3, 4), F32(4, 3, 3, 2), .stride = {2, 2},
                             .output_padding = {2, 0});
}
static wk_tensor *transpose_padding(void) {
  return wk_conv_transpose2d(F32(1, 3, 3, 4), F32(4, 3, 3, 2), .padding = {4, 4});
}
static wk_tensor *transpose_bias(void) {
  return wk_conv_transpose1d(F32(1, 3, 4), F32(4, 3, 2), .bias = F32(4));
}
static wk_tensor *separable_pointwise(void) {
  return wk_separable_conv2d(F32(1, 5, 5, 3), F32(3, 3, 3, 1), F32(4, 3, 3, 3));
}
static wk_tensor *pool1d_rank(void) { return wk_max_pool1d(F32(1, 5, 5, 3), 2); }
static wk_tensor *pool3d_rank(void) { return wk_average_pool3d(F32(1, 5, 5, 3), {2, 2, 2}); }
static wk_tensor *pool_dilation(void) {
  return wk_max_pool2d(F32(1, 4, 4, 3), {3, 3}, .dilation = {2, 2});
}
static wk_tensor *adaptive_empty(void) {
  return wk_adaptive_average_pool2d(F32(1, 0, 4, 3), {2, 2});
}
static wk_tensor *adaptive_rank(void) { return wk_adaptive_max_pool2d(F32(4, 4, 3), {2, 2}); }
static wk_tensor *global_rank(void) { return wk_global_average_pool2d(F32(4, 3)); }
static wk_tensor *unpool_sizes(void) {
  return wk_max_unpool2d(F32(1, 2, 2, 3), I64(0, 1, 2, 2, 1), {4, 4});
}
static wk_tensor *unpool_index(void) {
  return wk_max_unpool2d(F32(1, 2, 2, 3), I64(16, 1, 2, 2, 3), {4, 4});
}
static wk_tensor *unfold_small(void) { return wk_unfold2d(F32(1, 2, 2, 3), {3, 3}); }
static wk_tensor *fold_rows(void) { return wk_fold2d(F32(1, 9, 12), {5, 5}, {2, 2}); }
static wk_tensor *interpolate_nothing(void) { return wk_interpolate(F32(1, 4, 4, 3)); }
static wk_tensor *interpolate_sizes(void) {
  return wk_interpolate(F32(1, 4, 4, 3), .size = WK_SHAPE(8));
}
static wk_tensor *interpolate_corners(void) {
  return wk_interpolate(F32(1, 4, 4, 3), .scale = 2, .align_corners = true);
}
static wk_tensor *interpolate_zero(void) {
  return wk_interpolate(F32(1, 4, 4, 3), .scale = 0.1, .mode = WK_INTERPOLATION_LINEAR);
}
static wk_tensor *interpolate_mode(void) {
  return wk_interpolate(F32(1, 4, 4, 3), .scale = 2, .mode = (wk_interpolation)9);
}
static wk_tensor *shuffle_channels(void) { return wk_pixel_shuffle(F32(1, 4, 4, 6), 2); }
static wk_tensor *unshuffle_sizes(void) { return wk_pixel_unshuffle(F32(1, 4, 5, 6), 2); }
static wk_tensor *grid_batch(void) { return wk_grid_sample(F32(2, 4, 4, 3), F32(1, 3, 3, 2)); }
static wk_tensor *theta_sizes(void) { return wk_affine_grid(F32(2, 3, 3), {4, 4}); }
static wk_tensor *batch_norm_weight(void) {
  return wk_batch_norm(F32(4, 3), .weight = F32(4), .training = true);
}
static wk_tensor *batch_norm_nothing(void) { return wk_batch_norm(F32(4, 3)); }
static wk_tensor *batch_norm_half(void) { return wk_batch_norm(F32(4, 3), .running_mean = F32(3)); }
static wk_tensor *batch_norm_single(void) { return wk_batch_norm(F32(1, 3), .training = true); }
static wk_tensor *layer_norm_weight(void) { return wk_layer_norm(F32(4, 3), .weight = F32(4)); }
static wk_tensor *layer_norm_axes(void) { return wk_layer_norm(F32(4, 3), .axes = 3); }
static wk_tensor *rms_norm_dtype(void) { return wk_rms_norm(F32(4, 3), .weight = F64(3)); }
static wk_tensor *group_norm_groups(void) { return wk_group_norm(F32(4, 2, 6), 4); }
static wk_tensor *group_norm_rank(void) { return wk_group_norm(F32(6), 2); }
static wk_tensor *instance_norm_bias(void) {
  return wk_instance_norm(F32(4, 2, 6), .bias = F32(2));
}
static wk_tensor *normalize_axis(void) { return wk_l2_normalize(F32(4, 3), 2); }

static wk_tensor *lp_pool_exponent(void) { return wk_lp_pool2d(F32(1, 4, 4, 3), {2, 2}, .p = -1); }
static wk_tensor *max_pool3d_rank(void) { return wk_max_pool3d(F32(1, 5, 5, 3), {2, 2, 2}); }
static wk_tensor *average_pool1d_window(void) { return wk_average_pool1d(F32(1, 5, 3), 0); }
static wk_tensor *indices_rank(void) {
  return wk_max_pool2d_with_indices(F32(5, 5, 3), {2, 2}).indices;
}
static wk_tensor *adaptive1d_rank(void) { return wk_adaptive_average_pool1d(F32(5, 3), 2); }
static wk_tensor *adaptive1d_max_rank(void) { return wk_adaptive_max_pool1d(F32(5, 3), 2); }
static wk_tensor *adaptive3d_rank(void) {
  return wk_adaptive_average_pool3d(F32(1, 5, 5, 3), {2, 2, 2});
}
static wk_tensor *global_max_rank(void) { return wk_global_max_pool2d(F32(4, 3)); }
static wk_tensor *response_number(void) { return wk_local_response_norm(NUMBER, 3); }
static wk_tensor *transpose3d_filters(void) {
  return wk_conv_transpose3d(F32(1, 2, 2, 2, 4), F32(4, 2, 2, 3));
}
static wk_tensor *transpose1d_rank(void) { return wk_conv_transpose1d(F32(3, 4), F32(4, 3, 2)); }

static const wrong_call calls[] = {
    {"conv2d filters rank", conv2d_filters_rank, WK_ERROR_SHAPE, "conv2d", {"f32 [4, 3, 3]"}},
    {"conv1d rank", conv1d_rank, WK_ERROR_SHAPE, "conv1d", {"f32 [5, 3]", "[N, L, C]"}},
    {"conv1d channels", conv1d_channels, WK_ERROR_SHAPE, "conv1d", {"3 channels"}},
    {"conv3d small", conv3d_small, WK_ERROR_SHAPE, "conv3d", {"depth (3)", "(2)"}},
    {"conv3d filters", conv3d_filters, WK_ERROR_SHAPE, "conv3d", {"weight", "KD"}},
    {"conv_transpose2d channels",
     transpose_channels,
     WK_ERROR_SHAPE,
     "conv_transpose2d",
     {"4 channels", "for 3"}},
    {"conv_transpose2d output_padding",
     transpose_output_padding,
     WK_ERROR_ARGUMENT,
     "conv_transpose2d",
     {"output_padding (2)", "stride (2)"}},
    {"conv_transpose2d padding",
     transpose_padding,
     WK_ERROR_SHAPE,
     "conv_transpose2d",
     {"size 3", "padding"}},
    {"conv_transpose1d bias", transpose_bias, WK_ERROR_SHAPE, "conv_transpose1d", {"[2]"}},
    {"separable pointwise",
     separable_pointwise,
     WK_ERROR_SHAPE,
     "separable_conv2d",
     {"pointwise", "f32 [4, 3, 3, 3]"}},
    {"pool1d rank", pool1d_rank, WK_ERROR_SHAPE, "max_pool1d", {"4 dimensions", "[N, L, C]"}},
    {"pool3d rank", pool3d_rank, WK_ERROR_SHAPE, "average_pool3d", {"[N, D, H, W, C]"}},
    {"pool dilation", pool_dilation, WK_ERROR_SHAPE, "max_pool2d", {"(5)", "(4)"}},
    {"adaptive pool of nothing",
     adaptive_empty,
     WK_ERROR_SHAPE,
     "adaptive_average_pool2d",
     {"size 0", "2 bins"}},
    {"adaptive pool rank", adaptive_rank, WK_ERROR_SHAPE, "adaptive_max_pool2d", {"[N, H, W, C]"}},
    {"global pool rank", global_rank, WK_ERROR_SHAPE, "global_average_pool2d", {"f32 [4, 3]"}},
    {"unpool sizes", unpool_sizes, WK_ERROR_SHAPE, "max_unpool2d", {"i64 [1, 2, 2, 1]"}},
    {"unpool index",
     unpool_index,
     WK_ERROR_INDEX,
     "max_unpool2d",
     {"index 16", "position 0", "16 pixels"}},
    {"unfold small", unfold_small, WK_ERROR_SHAPE, "unfold2d", {"height (3)"}},
    {"fold rows", fold_rows, WK_ERROR_SHAPE, "fold2d", {"4 x 4 windows", "9 rows"}},
    {"interpolate to nothing",
     interpolate_nothing,
     WK_ERROR_ARGUMENT,
     "interpolate",
     {"size or scale"}},
    {"interpolate sizes", interpolate_sizes, WK_ERROR_ARGUMENT, "interpolate", {"2 sizes"}},
    {"interpolate corners",
     interpolate_corners,
     WK_ERROR_ARGUMENT,
     "interpolate",
     {"align_corners"}},
    {"interpolate to zero", interpolate_zero, WK_ERROR_SHAPE, "interpolate", {"from 4 to 0"}},
    {"interpolate mode", interpolate_mode, WK_ERROR_ARGUMENT, "interpolate", {"mode", "9"}},
    {"shuffle channels", shuffle_channels, WK_ERROR_SHAPE, "pixel_shuffle", {"f * f"}},
    {"unshuffle sizes", unshuffle_sizes, WK_ERROR_SHAPE, "pixel_unshuffle", {"multiples"}},
    {"grid batch", grid_batch, WK_ERROR_SHAPE, "grid_sample", {"[2, OH, OW, 2]"}},
    {"theta sizes", theta_sizes, WK_ERROR_SHAPE, "affine_grid", {"[N, 2, 3]"}},
    {"batch_norm weight", batch_norm_weight, WK_ERROR_SHAPE, "batch_norm", {"weight", "[3]"}},
    {"batch_norm of nothing",
     batch_norm_nothing,
     WK_ERROR_ARGUMENT,
     "batch_norm",
     {"running_mean", ".training"}},
    {"batch_norm half", batch_norm_half, WK_ERROR_ARGUMENT, "batch_norm", {"together"}},
    {"batch_norm single", batch_norm_single, WK_ERROR_SHAPE, "batch_norm", {"single value"}},
    {"layer_norm weight",
     layer_norm_weight,
     WK_ERROR_SHAPE,
     "layer_norm",
     {"weight must be f32 [3]"}},
    {"layer_norm axes", layer_norm_axes, WK_ERROR_SHAPE, "layer_norm", {"2 dimensions", "3"}},
    {"rms_norm dtype", rms_norm_dtype, WK_ERROR_DTYPE, "rms_norm", {"f64"}},
    {"group_norm groups", group_norm_groups, WK_ERROR_SHAPE, "group_norm", {"6 channels", "4"}},
    {"group_norm rank", group_norm_rank, WK_ERROR_SHAPE, "group_norm", {"[N, ..., C]"}},
    {"instance_norm bias", instance_norm_bias, WK_ERROR_SHAPE, "instance_norm", {"bias", "[6]"}},
    {"lp_pool2d exponent", lp_pool_exponent, WK_ERROR_ARGUMENT, "lp_pool2d", {"p of", "-1"}},
    {"max_pool3d rank", max_pool3d_rank, WK_ERROR_SHAPE, "max_pool3d", {"[N, D, H, W, C]"}},
    {"average_pool1d window",
     average_pool1d_window,
     WK_ERROR_ARGUMENT,
     "average_pool1d",
     {"window", "at least 1"}},
    {"pool with indices rank",
     indices_rank,
     WK_ERROR_SHAPE,
     "max_pool2d_with_indices",
     {"[N, H, W, C]"}},
    {"adaptive pool 1d rank",
     adaptive1d_rank,
     WK_ERROR_SHAPE,
     "adaptive_average_pool1d",
     {"[N, L, C]"}},
    {"adaptive max pool 1d rank",
     adaptive1d_max_rank,
     WK_ERROR_SHAPE,
     "adaptive_max_pool1d",
     {"[N, L, C]"}},
    {"adaptive pool 3d rank",
     adaptive3d_rank,
     WK_ERROR_SHAPE,
     "adaptive_average_pool3d",
     {"[N, D, H, W, C]"}},
    {"global max pool rank", global_max_rank, WK_ERROR_SHAPE, "global_max_pool2d", {"f32 [4, 3]"}},
    {"local_response_norm of a number",
     response_number,
     WK_ERROR_SHAPE,
     "local_response_norm",
     {"channels"}},
    {"conv_transpose3d filters",
     transpose3d_filters,
     WK_ERROR_SHAPE,
     "conv_transpose3d",
     {"weight", "KD"}},
    {"conv_transpose1d rank", transpose1d_rank, WK_ERROR_SHAPE, "conv_transpose1d", {"[N, L, I]"}},
    {"l2_normalize axis", normalize_axis, WK_ERROR_ARGUMENT, "l2_normalize", {"axis 2"}},
};

const wrong_call_table wrong_windows = {calls, sizeof calls / sizeof *calls};
