/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* The classic small network for CIFAR-10: two stages of two 3x3 convolutions, each stage pooled and
 * dropped out. 1,250,858 parameters for ten classes of 32x32x3. */
wk_module *wk_model_cifar(int64_t classes) {
  return wk_sequential(wk_conv2d_layer(32, 3, .padding = {1, 1}), wk_relu_layer(),
                       wk_conv2d_layer(32, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_dropout_layer(0.25), wk_conv2d_layer(64, 3, .padding = {1, 1}),
                       wk_relu_layer(), wk_conv2d_layer(64, 3), wk_relu_layer(),
                       wk_max_pool2d_layer(2), wk_dropout_layer(0.25), wk_flatten_layer(),
                       wk_linear_layer(512), wk_relu_layer(), wk_dropout_layer(0.5),
                       wk_linear_layer(classes));
}
