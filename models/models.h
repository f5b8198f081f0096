/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_MODELS_H
#define WICK_MODELS_H

/* Networks by name, for `wick train --model NAME` and `wick inspect NAME`. Each is written in the
 * public API alone. */

#include <wick/nn.h>

typedef struct wk_model {
  const char *name;
  const char *summary;
  wk_module *(*create)(int64_t classes); /* not built; freed with wk_module_free */
  int64_t classes, parameters;           /* those that it was published with, and trainable */
  wk_shape example;                      /* what it was made for, one of a batch */
  wk_dtype dtype;
} wk_model;

/* The first is the default. */
extern const wk_model wk_models[];
extern const int wk_model_count;

/* The one called `name`, or NULL. */
const wk_model *wk_model_find(const char *name);

/* Makes the module types of these networks known, so that saved ones load. */
wk_status wk_models_register(void);

wk_module *wk_model_convnet(int64_t classes);
wk_module *wk_model_lenet(int64_t classes);
wk_module *wk_model_cifar(int64_t classes);
wk_module *wk_model_mlp(int64_t classes);
wk_module *wk_model_alexnet(int64_t classes);
wk_module *wk_model_vgg19(int64_t classes);
wk_module *wk_model_resnet50(int64_t classes);
wk_module *wk_model_mobilenet(int64_t classes);
wk_module *wk_model_transformer(int64_t classes);

/* ---- parts of networks ---- */

/* x + body(x), or shortcut(x) + body(x) unless that is NULL. Takes both. */
wk_module *wk_model_residual(wk_module *body, wk_module *shortcut);

/* A convolution without bias, padded to keep the size divided by the stride, and batch
 * normalisation. */
wk_module *wk_model_convolution(int64_t channels, int64_t kernel, int64_t stride, int64_t groups);

/* Their types, which wk_models_register makes known. */
extern const wk_module_type wk_model_residual_type, wk_model_positions_type, wk_model_mean_type;

/* For types without settings. */
size_t wk_model_save_nothing(const void *context, char *buffer, size_t size);

#endif
