/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* LeNet-5 with today's parts: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied
 * to Document Recognition". 61,706 parameters for ten classes of 28x28x1. */
wk_module *wk_model_lenet(int64_t classes) {
  return wk_sequential(wk_conv2d_layer(6, 5, .padding = {2, 2}), wk_relu_layer(),
                       wk_max_pool2d_layer(2), wk_conv2d_layer(16, 5), wk_relu_layer(),
                       wk_max_pool2d_layer(2), wk_flatten_layer(), wk_linear_layer(120),
                       wk_relu_layer(), wk_linear_layer(84), wk_relu_layer(),
                       wk_linear_layer(classes));
}
