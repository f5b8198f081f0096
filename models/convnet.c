/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* The network of examples/fashion.c. */
wk_module *wk_model_convnet(int64_t classes) {
  return wk_sequential(wk_conv2d_layer(32, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_conv2d_layer(64, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                       wk_flatten_layer(), wk_linear_layer(classes));
}
