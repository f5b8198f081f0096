/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

/* VGG-19, configuration E (Simonyan and Zisserman 2015, arXiv:1409.1556). 143,667,240 parameters
 * for 1,000 classes. */
wk_module *wk_model_vgg19(int64_t classes) {
  static const struct {
    int64_t channels, convolutions;
  } stages[] = {{64, 2}, {128, 2}, {256, 4}, {512, 4}, {512, 4}};
  wk_module *layers[50];
  size_t count = 0;
  for (int s = 0; s < 5; s++) {
    for (int64_t i = 0; i < stages[s].convolutions; i++) {
      layers[count++] = wk_conv2d_layer(stages[s].channels, 3, .padding = {1, 1});
      layers[count++] = wk_relu_layer();
    }
    layers[count++] = wk_max_pool2d_layer(2);
  }
  layers[count++] = wk_flatten_layer();
  for (int i = 0; i < 2; i++) {
    layers[count++] = wk_linear_layer(4096);
    layers[count++] = wk_relu_layer();
    layers[count++] = wk_dropout_layer(0.5);
  }
  layers[count++] = wk_linear_layer(classes);
  return wk_sequential_at(WK_HERE, count, layers);
}
