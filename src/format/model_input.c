/* SPDX-License-Identifier: Apache-2.0 */
#include "format/model_input.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { CHANNELS = 4 };

/* ---- copies ---- */

void wk_model_input_clear(wk_model_input *input) {
  for (size_t i = 0; i < input->class_count; i++) wk_deallocate(input->class_names[i]);
  wk_deallocate(input->class_names);
  memset(input, 0, sizeof(*input));
}

wk_status wk_model_input_copy(wk_model_input *to, const wk_model_input *from) {
  *to = *from;
  to->class_names = NULL;
  to->class_count = 0;
  if (from->class_count == 0) return WK_OK;
  to->class_names = wk_allocate_zeroed(from->class_count, sizeof(char *));
  if (!to->class_names) return wk_error_status();
  to->class_count = from->class_count;
  for (size_t i = 0; i < from->class_count; i++) {
    to->class_names[i] = wk_duplicate_string(from->class_names[i]);
    if (!to->class_names[i]) {
      wk_model_input_clear(to);
      return wk_error_status();
    }
  }
  return WK_OK;
}

/* ---- writing ---- */

static json_t *numbers_to_json(const double *values, int count) {
  json_t *array = json_array();
  for (int i = 0; i < count; i++) json_array_append_new(array, json_real(values[i]));
  return array;
}

/* Means and deviations are kept for an image's channels; otherwise the first one stands for all. */
static int channel_count(const wk_shape *shape) {
  const int64_t last = shape->rank == 3 ? shape->dims[2] : 1;
  return last >= 1 && last <= CHANNELS ? (int)last : 1;
}

json_t *wk_model_input_to_json(const wk_model_input *input) {
  json_t *shape = json_array(), *names = json_array();
  for (int i = 0; i < input->shape.rank; i++)
    json_array_append_new(shape, json_integer(input->shape.dims[i]));
  for (size_t i = 0; i < input->class_count; i++)
    json_array_append_new(names, json_string(input->class_names[i]));
  const int channels = channel_count(&input->shape);
  json_t *json =
      json_pack("{s:s, s:o, s:f, s:o, s:o, s:o}", "dtype", wk_dtype_name(input->dtype), "shape",
                shape, "scale", input->scale, "mean", numbers_to_json(input->mean, channels),
                "deviation", numbers_to_json(input->deviation, channels), "class_names", names);
  /* jansson drops what it has no memory for, and refuses names that are not UTF-8. */
  const bool whole = json &&
                     json_array_size(json_object_get(json, "shape")) == (size_t)input->shape.rank &&
                     json_array_size(json_object_get(json, "class_names")) == input->class_count;
  if (whole) return json;
  json_decref(json);
  wk_fail(WK_ERROR_ARGUMENT, "a model's input cannot be described: a class name is not UTF-8, or "
                             "memory is short");
  return NULL;
}

/* ---- reading ---- */

static wk_status bad(const char *what) {
  return wk_fail(WK_ERROR_FORMAT, "the description of the model's input is damaged: %s", what);
}

static wk_status read_dtype(wk_model_input *input, const json_t *json) {
  const char *name = json_string_value(json);
  for (int i = WK_F32; name && wk_dtype_size((wk_dtype)i) > 0; i++) {
    if (strcmp(wk_dtype_name((wk_dtype)i), name) == 0) {
      input->dtype = (wk_dtype)i;
      return WK_OK;
    }
  }
  return bad("dtype");
}

static wk_status read_shape(wk_model_input *input, const json_t *json) {
  if (!json_is_array(json) || json_array_size(json) > WK_MAX_RANK) return bad("shape");
  input->shape.rank = (int)json_array_size(json);
  int64_t product = 1;
  for (int i = 0; i < input->shape.rank; i++) {
    const json_t *item = json_array_get(json, (size_t)i);
    const int64_t dim = json_integer_value(item);
    if (!json_is_integer(item) || dim < 0 || !wk_multiply_count(product, dim, &product))
      return bad("shape");
    input->shape.dims[i] = dim;
  }
  return WK_OK;
}

static wk_status read_numbers(const json_t *json, int count, double *values, const char *what) {
  if (json_array_size(json) != (size_t)count) return bad(what);
  for (int i = 0; i < count; i++) {
    const json_t *item = json_array_get(json, (size_t)i);
    values[i] = json_number_value(item);
    if (!json_is_number(item) || !isfinite(values[i])) return bad(what);
  }
  return WK_OK;
}

static wk_status read_preprocessing(wk_model_input *input, const json_t *json) {
  const int channels = channel_count(&input->shape);
  const json_t *scale = json_object_get(json, "scale");
  input->scale = json_number_value(scale);
  if (!json_is_number(scale) || !isfinite(input->scale) || input->scale == 0) return bad("scale");
  for (int i = 0; i < CHANNELS; i++) input->deviation[i] = 1;
  wk_status status = read_numbers(json_object_get(json, "mean"), channels, input->mean, "mean");
  if (status == WK_OK)
    status =
        read_numbers(json_object_get(json, "deviation"), channels, input->deviation, "deviation");
  for (int i = 0; status == WK_OK && i < channels; i++)
    if (!(input->deviation[i] > 0)) status = bad("deviation");
  return status;
}

static wk_status read_class_names(wk_model_input *input, const json_t *json) {
  if (!json_is_array(json)) return bad("class_names");
  const size_t count = json_array_size(json);
  if (count == 0) return WK_OK;
  input->class_names = wk_allocate_zeroed(count, sizeof(char *));
  if (!input->class_names) return wk_error_status();
  input->class_count = count;
  for (size_t i = 0; i < count; i++) {
    const char *name = json_string_value(json_array_get(json, i));
    if (!name) return bad("class_names");
    input->class_names[i] = wk_duplicate_string(name);
    if (!input->class_names[i]) return wk_error_status();
  }
  return WK_OK;
}

wk_status wk_model_input_from_json(wk_model_input *input, const json_t *json) {
  memset(input, 0, sizeof(*input));
  wk_status status = json_is_object(json) ? WK_OK : bad("it is no JSON object");
  if (status == WK_OK) status = read_dtype(input, json_object_get(json, "dtype"));
  if (status == WK_OK) status = read_shape(input, json_object_get(json, "shape"));
  if (status == WK_OK) status = read_preprocessing(input, json);
  if (status == WK_OK) status = read_class_names(input, json_object_get(json, "class_names"));
  if (status < 0) wk_model_input_clear(input);
  return status;
}
