/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

wk_module *wk_model_mlp(int64_t classes) {
  return wk_sequential(wk_flatten_layer(), wk_linear_layer(256), wk_relu_layer(),
                       wk_dropout_layer(0.2), wk_linear_layer(256), wk_relu_layer(),
                       wk_dropout_layer(0.2), wk_linear_layer(classes));
}
