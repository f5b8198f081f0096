/* SPDX-License-Identifier: Apache-2.0 */
#include "models/models.h"

const wk_model wk_models[] = {
    {"convnet", "two convolutions with pooling and a dense layer, for small images",
     wk_model_convnet},
    {"lenet", "LeNet-5 of 1998 with max pooling and rectifiers, for 28x28", wk_model_lenet},
    {"cifar", "four convolutions with pooling and dropout and a dense layer of 512, for 32x32",
     wk_model_cifar},
    {"mlp", "two dense layers of 256 with dropout, for small images", wk_model_mlp},
};
const int wk_model_count = sizeof wk_models / sizeof *wk_models;
