/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_NN_LAYERS_H
#define WICK_NN_LAYERS_H

/* What the files of layers share. */

#include "nn/module.h"

/* Adds the parameters weight and, unless `bias` is 0, bias of so many elements. */
wk_status wk_layer_add_weights(wk_module *self, wk_shape weight, int64_t bias, wk_dtype dtype);

/* Raises WK_ERROR_SHAPE: the layer expected something else. */
wk_status wk_layer_wrong_input(const wk_tensor *x, const char *expected, const char *hint);

#endif
