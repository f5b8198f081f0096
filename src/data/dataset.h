/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_DATASET_H
#define WICK_DATA_DATASET_H

#include <wick/data.h>

#include "format/model_input.h"

/* How one of the data set's examples looks, for the model file. Borrowed. */
const wk_model_input *wk_dataset_input(const wk_dataset *dataset);

/* Prepares the image file `path` as a network with this input expects it: decoded, channels
 * converted, resized, scaled; [1, height, width, channels] in the innermost scope. */
wk_tensor *wk_model_input_load_image(const wk_model_input *input, const char *path);

#endif
