/* SPDX-License-Identifier: Apache-2.0 */

/* Layers of sequences and images beside conv2d, and of normalisation. First values are those of
 * PyTorch's layers. */

#include <wick/ops.h>

#include "base/error.h"
#include "nn/layers.h"

/* Ops called here are called on behalf of the user's line. */
#undef WK_HERE
#define WK_HERE wk_forward_place()

/* ---- convolutions ---- */

static wk_status check_groups(const wk_tensor *x, int64_t out_channels, int64_t groups) {
  const int64_t channels = wk_tensor_dim(x, -1);
  if (channels % groups == 0 && out_channels % groups == 0) return WK_OK;
  wk_fail(WK_ERROR_SHAPE,
          "%lld groups do not divide the %lld channels of the input or %lld filters",
          (long long)groups, (long long)channels, (long long)out_channels);
  wk_error_add_hint("the channels and out_channels must be multiples of groups");
  return WK_ERROR_SHAPE;
}

wk_status wk_layer_build_conv1d(wk_module *self, wk_tensor *x) {
  const wk_conv1d_layer_arguments *a = wk_layer_settings(self);
  if (wk_tensor_rank(x) != 3)
    return wk_layer_wrong_input(x, "sequences [N, L, C]", "channels are the last axis");
  if (check_groups(x, a->out_channels, a->groups) != WK_OK) return wk_error_status();
  const wk_shape weight = WK_SHAPE(a->out_channels, a->kernel, wk_tensor_dim(x, 2) / a->groups);
  return wk_layer_add_weights(self, weight, a->no_bias ? 0 : a->out_channels, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_conv1d(wk_module *self, wk_tensor *x) {
  const wk_conv1d_layer_arguments *a = wk_layer_settings(self);
  return wk_conv1d(x, wk_module_parameter(self, "weight"),
                   .bias = wk_module_parameter(self, "bias"), .stride = a->stride,
                   .padding = a->padding, .same = a->same, .dilation = a->dilation,
                   .groups = a->groups);
}

wk_status wk_layer_build_conv_transpose2d(wk_module *self, wk_tensor *x) {
  const wk_conv_transpose2d_layer_arguments *a = wk_layer_settings(self);
  if (wk_tensor_rank(x) != 4)
    return wk_layer_wrong_input(x, "images [N, H, W, C]", "channels are the last axis");
  if (check_groups(x, a->out_channels, a->groups) != WK_OK) return wk_error_status();
  const wk_shape weight =
      WK_SHAPE(wk_tensor_dim(x, 3), a->kernel, a->kernel, a->out_channels / a->groups);
  return wk_layer_add_weights(self, weight, a->no_bias ? 0 : a->out_channels, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_conv_transpose2d(wk_module *self, wk_tensor *x) {
  const wk_conv_transpose2d_layer_arguments *a = wk_layer_settings(self);
  return wk_conv_transpose2d(x, wk_module_parameter(self, "weight"),
                             .bias = wk_module_parameter(self, "bias"),
                             .stride = {a->stride[0], a->stride[1]},
                             .padding = {a->padding[0], a->padding[1]},
                             .output_padding = {a->output_padding[0], a->output_padding[1]},
                             .dilation = {a->dilation[0], a->dilation[1]}, .groups = a->groups);
}

/* ---- pooling and resizing ---- */

wk_tensor *wk_layer_forward_adaptive_average_pool2d(wk_module *self, wk_tensor *x) {
  const wk_adaptive_average_pool2d_layer_arguments *a = wk_layer_settings(self);
  return wk_adaptive_average_pool2d(x, .size = {a->size[0], a->size[1]});
}

wk_tensor *wk_layer_forward_adaptive_max_pool2d(wk_module *self, wk_tensor *x) {
  const wk_adaptive_max_pool2d_layer_arguments *a = wk_layer_settings(self);
  return wk_adaptive_max_pool2d(x, .size = {a->size[0], a->size[1]});
}

wk_tensor *wk_layer_forward_global_average_pool2d(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_global_average_pool2d(x);
}

wk_tensor *wk_layer_forward_global_max_pool2d(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_global_max_pool2d(x);
}

wk_tensor *wk_layer_forward_interpolate(wk_module *self, wk_tensor *x) {
  const wk_interpolate_layer_arguments *a = wk_layer_settings(self);
  return wk_interpolate(x, .scale = a->scale, .mode = a->mode, .align_corners = a->align_corners);
}

/* ---- normalisation ---- */

/* weight, all ones, and bias, all zeros. */
static wk_status add_affine(wk_module *self, wk_shape shape, bool no_weight, bool no_bias,
                            wk_dtype dtype) {
  wk_status status = WK_OK;
  if (!no_weight) status = wk_module_add_filled(self, "weight", shape, dtype, 1, false);
  if (!no_weight && !no_bias && status == WK_OK)
    status = wk_module_add_filled(self, "bias", shape, dtype, 0, false);
  return status;
}

static wk_status check_channels(const wk_tensor *x) {
  if (wk_tensor_rank(x) >= 2) return WK_OK;
  return wk_layer_wrong_input(x, "[N, ..., C]", "channels are the last axis");
}

wk_status wk_layer_build_batch_norm(wk_module *self, wk_tensor *x) {
  const wk_batch_norm_layer_arguments *a = wk_layer_settings(self);
  if (check_channels(x) != WK_OK) return wk_error_status();
  const wk_shape shape = WK_SHAPE(wk_tensor_dim(x, -1));
  const wk_dtype dtype = wk_tensor_dtype(x);
  wk_status status = add_affine(self, shape, a->no_affine, false, dtype);
  if (status == WK_OK) status = wk_module_add_filled(self, "running_mean", shape, dtype, 0, true);
  if (status == WK_OK)
    status = wk_module_add_filled(self, "running_variance", shape, dtype, 1, true);
  return status;
}

wk_tensor *wk_layer_forward_batch_norm(wk_module *self, wk_tensor *x) {
  const wk_batch_norm_layer_arguments *a = wk_layer_settings(self);
  return wk_batch_norm(x, .weight = wk_module_parameter(self, "weight"),
                       .bias = wk_module_parameter(self, "bias"),
                       .running_mean = wk_module_parameter(self, "running_mean"),
                       .running_variance = wk_module_parameter(self, "running_variance"),
                       .training = self->training, .momentum = a->momentum, .epsilon = a->epsilon);
}

/* The sizes of the last `axes` axes. */
static wk_status trailing_shape(const wk_tensor *x, int64_t axes, wk_shape *shape) {
  const int rank = wk_tensor_rank(x);
  if (axes >= rank)
    return wk_layer_wrong_input(x, "of more dimensions than are normalised over",
                                "axes counts the last axes, without the batch");
  shape->rank = (int)axes;
  for (int i = 0; i < shape->rank; i++) shape->dims[i] = wk_tensor_dim(x, rank - shape->rank + i);
  return WK_OK;
}

wk_status wk_layer_build_layer_norm(wk_module *self, wk_tensor *x) {
  const wk_layer_norm_layer_arguments *a = wk_layer_settings(self);
  wk_shape shape;
  if (trailing_shape(x, a->axes, &shape) != WK_OK) return wk_error_status();
  return add_affine(self, shape, a->no_affine, a->no_bias, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_layer_norm(wk_module *self, wk_tensor *x) {
  const wk_layer_norm_layer_arguments *a = wk_layer_settings(self);
  return wk_layer_norm(x, .weight = wk_module_parameter(self, "weight"),
                       .bias = wk_module_parameter(self, "bias"), .axes = a->axes,
                       .epsilon = a->epsilon);
}

wk_status wk_layer_build_rms_norm(wk_module *self, wk_tensor *x) {
  const wk_rms_norm_layer_arguments *a = wk_layer_settings(self);
  wk_shape shape;
  if (trailing_shape(x, a->axes, &shape) != WK_OK) return wk_error_status();
  return add_affine(self, shape, a->no_affine, true, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_rms_norm(wk_module *self, wk_tensor *x) {
  const wk_rms_norm_layer_arguments *a = wk_layer_settings(self);
  return wk_rms_norm(x, .weight = wk_module_parameter(self, "weight"), .axes = a->axes,
                     .epsilon = a->epsilon);
}

wk_status wk_layer_build_group_norm(wk_module *self, wk_tensor *x) {
  const wk_group_norm_layer_arguments *a = wk_layer_settings(self);
  if (check_channels(x) != WK_OK) return wk_error_status();
  return add_affine(self, WK_SHAPE(wk_tensor_dim(x, -1)), a->no_affine, false, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_group_norm(wk_module *self, wk_tensor *x) {
  const wk_group_norm_layer_arguments *a = wk_layer_settings(self);
  return wk_group_norm(x, a->groups, .weight = wk_module_parameter(self, "weight"),
                       .bias = wk_module_parameter(self, "bias"), .epsilon = a->epsilon);
}
