/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_SOURCE_H
#define WICK_DATA_SOURCE_H

/* The insides of data sets. Every one is a set of functions, the user's or ours. */

#include "base/library.h"
#include "data/dataset.h"
#include "data/images.h"

struct wk_dataset {
  wk_model_input input;
  int64_t count;
  size_t example_size; /* bytes of one input */
  wk_dataset_functions functions;
  void *context;
  wk_object_mutex lock; /* examples are asked for one at a time, whatever loaders there are */
  char *sources;        /* NULL: read from no file */
};

/* Writes example `index`, which is in range, to `input` and `*label`. */
wk_status wk_dataset_fill(wk_dataset *dataset, int64_t index, void *input, int64_t *label);

/* A data set over the images, which it takes, also when this fails; *images is emptied. */
wk_dataset *wk_dataset_from_images(wk_images *images);

/* The one formula from bytes to what a network sees: (byte * scale - mean) / deviation, for
 * `pixels` pixels of the input's channels. */
void wk_model_input_apply(const wk_model_input *input, const uint8_t *bytes, int64_t pixels,
                          float *values);

#endif
