/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* MobileNet of width 1 (Howard et al. 2017, arXiv:1704.04861): depthwise separable convolutions.
 * 4,231,976 parameters for 1,000 classes. */
wk_module *wk_model_mobilenet(int64_t classes) {
  static const struct {
    int64_t channels, stride;
  } pairs[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
               {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
  wk_module *layers[60];
  size_t count = 0;
  int64_t channels = 32;
  layers[count++] = wk_model_convolution(channels, 3, 2, 1);
  layers[count++] = wk_relu_layer();
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    layers[count++] = wk_model_convolution(channels, 3, pairs[i].stride, channels);
    layers[count++] = wk_relu_layer();
    channels = pairs[i].channels;
    layers[count++] = wk_model_convolution(channels, 1, 1, 1);
    layers[count++] = wk_relu_layer();
  }
  layers[count++] = wk_global_average_pool2d_layer();
  layers[count++] = wk_linear_layer(classes);
  return wk_sequential_at(WK_HERE, count, layers);
}
