/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_MODEL_INPUT_H
#define WICK_FORMAT_MODEL_INPUT_H

/* What a network expects as its input and what its outputs mean: the part of a model file that data
 * sets fill in and prediction needs. See design.md section 6. */

#include <jansson.h>

#include <wick/tensor.h>

typedef struct wk_model_input {
  wk_dtype dtype; /* of the network's input, after preprocessing */
  wk_shape shape; /* of one example, without the batch dimension: [H, W, C] for images */
  double scale;   /* value in = (file's byte * scale - mean[c]) / deviation[c] */
  double mean[4];
  double deviation[4];
  char **class_names; /* owned; NULL if the labels are not classes */
  size_t class_count;
} wk_model_input;

/* A deep copy into an empty `to`; frees everything in it. */
wk_status wk_model_input_copy(wk_model_input *to, const wk_model_input *from);
void wk_model_input_clear(wk_model_input *input);

/* To and from JSON; the first is a new reference. Reading checks everything it reads. */
json_t *wk_model_input_to_json(const wk_model_input *input);
wk_status wk_model_input_from_json(wk_model_input *input, const json_t *json);

#endif
