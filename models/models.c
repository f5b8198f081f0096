/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

const wk_model wk_models[] = {
    {"convnet", "two convolutions with pooling and a dense layer, for small images",
     wk_model_convnet},
    {"mlp", "two dense layers of 256 with dropout, for small images", wk_model_mlp},
};
const int wk_model_count = sizeof wk_models / sizeof *wk_models;
