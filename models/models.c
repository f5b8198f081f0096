/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

#include <string.h>

#define IMAGE(height, width, channels) .example = {3, {height, width, channels}}, .dtype = WK_F32

const wk_model wk_models[] = {
    {"convnet", "two convolutions with pooling and a dense layer, for small images",
     wk_model_convnet, 10, 34826, IMAGE(28, 28, 1)},
    {"lenet", "LeNet-5 of 1998 with max pooling and rectifiers, for 28x28", wk_model_lenet, 10,
     61706, IMAGE(28, 28, 1)},
    {"cifar", "four convolutions with pooling and dropout and a dense layer of 512, for 32x32",
     wk_model_cifar, 10, 1250858, IMAGE(32, 32, 3)},
    {"mlp", "two dense layers of 256 with dropout, for small images", wk_model_mlp, 10, 269322,
     IMAGE(28, 28, 1)},
    {"alexnet", "five convolutions and three dense layers, for 224x224", wk_model_alexnet, 1000,
     61100840, IMAGE(224, 224, 3)},
    {"vgg19", "sixteen convolutions of 3x3 and three dense layers, for 224x224", wk_model_vgg19,
     1000, 143667240, IMAGE(224, 224, 3)},
    {"resnet50", "sixteen residual bottlenecks, for 224x224", wk_model_resnet50, 1000, 25557032,
     IMAGE(224, 224, 3)},
    {"mobilenet", "thirteen depthwise separable convolutions, for 224x224", wk_model_mobilenet,
     1000, 4231976, IMAGE(224, 224, 3)},
    {"transformer", "two encoder layers of four heads over 128 features, for 64 words of 8192",
     wk_model_transformer, 2, 1453570, .example = {1, {64}}, .dtype = WK_I64},
};
const int wk_model_count = sizeof wk_models / sizeof *wk_models;

const wk_model *wk_model_find(const char *name) {
  for (int i = 0; i < wk_model_count; i++)
    if (strcmp(wk_models[i].name, name) == 0) return &wk_models[i];
  return NULL;
}

wk_status wk_models_register(void) {
  wk_module_register(&wk_model_residual_type);
  wk_module_register(&wk_model_positions_type);
  return wk_module_register(&wk_model_mean_type);
}

size_t wk_model_save_nothing(const void *context, char *buffer, size_t size) {
  static const char nothing[] = "{}";
  (void)context;
  for (size_t i = 0; i < size && i < sizeof nothing; i++) buffer[i] = nothing[i];
  return sizeof nothing - 1;
}
