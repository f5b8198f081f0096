/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

#include <wick/ops.h>

static wk_tensor *forward(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  wk_tensor *y = wk_forward(wk_module_child(self, 0), x);
  wk_module *shortcut = wk_module_child(self, 1);
  return wk_add(y, shortcut ? wk_forward(shortcut, x) : x);
}

static wk_module *load(const char *settings) {
  (void)settings;
  return wk_module_create(&wk_model_residual_type, NULL); /* its children come from the file */
}

const wk_module_type wk_model_residual_type = {.struct_size = sizeof(wk_module_type),
                                               .name = "residual",
                                               .forward = forward,
                                               .save = wk_model_save_nothing,
                                               .load = load};

wk_module *wk_model_residual(wk_module *body, wk_module *shortcut) {
  wk_module *self = wk_module_create(&wk_model_residual_type, NULL);
  wk_module_add(self, "body", body);
  if (shortcut) wk_module_add(self, "shortcut", shortcut);
  return self;
}

wk_module *wk_model_convolution(int64_t channels, int64_t kernel, int64_t stride, int64_t groups) {
  return wk_sequential(wk_conv2d_layer(channels, kernel, .stride = {stride, stride},
                                       .padding = {kernel / 2, kernel / 2}, .groups = groups,
                                       .no_bias = true),
                       wk_batch_norm_layer());
}
