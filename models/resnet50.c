/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

static wk_module *bottleneck(int64_t width, int64_t stride, bool project) {
  wk_module *body = wk_sequential(wk_model_convolution(width, 1, 1, 1), wk_relu_layer(),
                                  wk_model_convolution(width, 3, stride, 1), wk_relu_layer(),
                                  wk_model_convolution(4 * width, 1, 1, 1));
  return wk_model_residual(body, project ? wk_model_convolution(4 * width, 1, stride, 1) : NULL);
}

/* ResNet-50 (He, Zhang, Ren, Sun 2016, arXiv:1512.03385) in its version 1.5, where the 3x3 has the
 * stride. 25,557,032 parameters for 1,000 classes. */
wk_module *wk_model_resnet50(int64_t classes) {
  static const struct {
    int64_t width, blocks, stride;
  } stages[] = {{64, 3, 1}, {128, 4, 2}, {256, 6, 2}, {512, 3, 2}};
  wk_module *layers[40];
  size_t count = 0;
  layers[count++] = wk_model_convolution(64, 7, 2, 1);
  layers[count++] = wk_relu_layer();
  layers[count++] = wk_max_pool2d_layer(3, .stride = {2, 2}, .padding = {1, 1});
  for (int s = 0; s < 4; s++)
    for (int64_t i = 0; i < stages[s].blocks; i++) {
      layers[count++] = bottleneck(stages[s].width, i == 0 ? stages[s].stride : 1, i == 0);
      layers[count++] = wk_relu_layer();
    }
  layers[count++] = wk_global_average_pool2d_layer();
  layers[count++] = wk_linear_layer(classes);
  return wk_sequential_at(WK_HERE, count, layers);
}
