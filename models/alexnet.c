/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* AlexNet with one tower: Krizhevsky 2014, "One weird trick", arXiv:1404.5997. 61,100,840
 * parameters for 1,000 classes. */
wk_module *wk_model_alexnet(int64_t classes) {
  return wk_sequential(wk_conv2d_layer(64, 11, .stride = {4, 4}, .padding = {2, 2}),
                       wk_relu_layer(), wk_max_pool2d_layer(3, .stride = {2, 2}),
                       wk_conv2d_layer(192, 5, .padding = {2, 2}), wk_relu_layer(),
                       wk_max_pool2d_layer(3, .stride = {2, 2}),
                       wk_conv2d_layer(384, 3, .padding = {1, 1}), wk_relu_layer(),
                       wk_conv2d_layer(256, 3, .padding = {1, 1}), wk_relu_layer(),
                       wk_conv2d_layer(256, 3, .padding = {1, 1}), wk_relu_layer(),
                       wk_max_pool2d_layer(3, .stride = {2, 2}), wk_flatten_layer(),
                       wk_dropout_layer(0.5), wk_linear_layer(4096), wk_relu_layer(),
                       wk_dropout_layer(0.5), wk_linear_layer(4096), wk_relu_layer(),
                       wk_linear_layer(classes));
}
