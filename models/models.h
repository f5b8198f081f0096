/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_MODELS_H
#define WICK_MODELS_H

/* Networks by name, for `wick train --model NAME`. Each is written in the public API alone. */

#include <wick/nn.h>

typedef struct wk_model {
  const char *name;
  const char *summary;
  wk_module *(*create)(int64_t classes); /* not built; freed with wk_module_free */
} wk_model;

/* The first is the default. */
extern const wk_model wk_models[];
extern const int wk_model_count;

wk_module *wk_model_convnet(int64_t classes);
wk_module *wk_model_lenet(int64_t classes);
wk_module *wk_model_cifar(int64_t classes);
wk_module *wk_model_mlp(int64_t classes);

#endif
