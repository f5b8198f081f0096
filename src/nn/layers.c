/* SPDX-License-Identifier: Apache-2.0 */

/* What each layer of schema/layers.toml makes when it is built and computes when it runs, in calls
 * of public ops. First values of parameters are those PyTorch's layers start from: evenly from
 * [-1 / sqrt(fan_in), 1 / sqrt(fan_in)), where fan_in counts the inputs of one output. */

#include <math.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/layers.h"
#include "nn/module.h"

/* Ops called here are called on behalf of the user's line. */
#undef WK_HERE
#define WK_HERE wk_forward_place()

wk_status wk_layer_add_weights(wk_module *self, wk_shape weight, int64_t bias, wk_dtype dtype) {
  double fan_in = 1;
  for (int i = 1; i < weight.rank; i++) fan_in *= (double)weight.dims[i];
  const double bound = fan_in > 0 ? 1 / sqrt(fan_in) : 0;
  const wk_status status = wk_module_add_parameter(self, "weight", weight, dtype, bound);
  if (status < 0 || bias == 0) return status;
  return wk_module_add_parameter(self, "bias", WK_SHAPE(bias), dtype, bound);
}

wk_status wk_layer_wrong_input(const wk_tensor *x, const char *expected, const char *hint) {
  char text[128];
  wk_tensor_describe(x, text, sizeof text);
  wk_fail(WK_ERROR_SHAPE, "the input must be %s, but is %s", expected, text);
  wk_error_add_hint("%s", hint);
  return WK_ERROR_SHAPE;
}

/* ---- dense ---- */

wk_status wk_layer_build_linear(wk_module *self, wk_tensor *x) {
  const wk_linear_layer_arguments *a = wk_layer_settings(self);
  if (wk_tensor_rank(x) < 1)
    return wk_layer_wrong_input(x, "[..., features]", "examples need a dimension");
  return wk_layer_add_weights(self, WK_SHAPE(a->out_features, wk_tensor_dim(x, -1)),
                              a->no_bias ? 0 : a->out_features, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_linear(wk_module *self, wk_tensor *x) {
  return wk_linear(x, wk_module_parameter(self, "weight"),
                   .bias = wk_module_parameter(self, "bias"));
}

/* ---- images, [N, H, W, C] ---- */

static wk_status wrong_groups(const wk_tensor *x, const wk_conv2d_layer_arguments *a) {
  char text[128];
  wk_tensor_describe(x, text, sizeof text);
  wk_fail(WK_ERROR_SHAPE, "%lld groups do not divide the %lld channels of %s or the %lld filters",
          (long long)a->groups, (long long)wk_tensor_dim(x, 3), text, (long long)a->out_channels);
  wk_error_add_hint("the channels and out_channels must be multiples of groups");
  return WK_ERROR_SHAPE;
}

wk_status wk_layer_build_conv2d(wk_module *self, wk_tensor *x) {
  const wk_conv2d_layer_arguments *a = wk_layer_settings(self);
  if (wk_tensor_rank(x) != 4) {
    return wk_layer_wrong_input(x, "images [N, H, W, C]",
                                "put convolutions before flatten and linear layers");
  }
  const int64_t channels = wk_tensor_dim(x, 3);
  if (channels % a->groups != 0 || a->out_channels % a->groups != 0) return wrong_groups(x, a);
  const int64_t width = a->kernel_width ? a->kernel_width : a->kernel;
  return wk_layer_add_weights(self,
                              WK_SHAPE(a->out_channels, a->kernel, width, channels / a->groups),
                              a->no_bias ? 0 : a->out_channels, wk_tensor_dtype(x));
}

wk_tensor *wk_layer_forward_conv2d(wk_module *self, wk_tensor *x) {
  const wk_conv2d_layer_arguments *a = wk_layer_settings(self);
  return wk_conv2d(x, wk_module_parameter(self, "weight"),
                   .bias = wk_module_parameter(self, "bias"),
                   .stride = {a->stride[0], a->stride[1]},
                   .padding = {a->padding[0], a->padding[1]}, .same = a->same,
                   .dilation = {a->dilation[0], a->dilation[1]}, .groups = a->groups);
}

wk_tensor *wk_layer_forward_max_pool2d(wk_module *self, wk_tensor *x) {
  const wk_max_pool2d_layer_arguments *a = wk_layer_settings(self);
  return wk_max_pool2d(x, .window = {a->window, a->window}, .stride = {a->stride[0], a->stride[1]},
                       .padding = {a->padding[0], a->padding[1]}, .ceil_mode = a->ceil_mode);
}

wk_tensor *wk_layer_forward_average_pool2d(wk_module *self, wk_tensor *x) {
  const wk_average_pool2d_layer_arguments *a = wk_layer_settings(self);
  return wk_average_pool2d(x, .window = {a->window, a->window},
                           .stride = {a->stride[0], a->stride[1]},
                           .padding = {a->padding[0], a->padding[1]}, .ceil_mode = a->ceil_mode,
                           .count_padding = a->count_padding);
}

/* ---- element by element, and the rest ---- */

wk_tensor *wk_layer_forward_relu(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_relu(x);
}

wk_tensor *wk_layer_forward_sigmoid(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_sigmoid(x);
}

wk_tensor *wk_layer_forward_tanh(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_tanh(x);
}

wk_tensor *wk_layer_forward_softmax(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_softmax(x);
}

wk_tensor *wk_layer_forward_flatten(wk_module *self, wk_tensor *x) {
  (void)self;
  return wk_flatten(x, 1);
}

wk_tensor *wk_layer_forward_dropout(wk_module *self, wk_tensor *x) {
  const wk_dropout_layer_arguments *a = wk_layer_settings(self);
  return self->training ? wk_dropout(x, a->rate) : x;
}
