/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/memory.h"
#include "data/resize.h"
#include "data/source.h"
#include "format/png.h"

static bool is_uniform(const wk_model_input *input, int channels) {
  for (int c = 1; c < channels; c++)
    if (input->mean[c] != input->mean[0] || input->deviation[c] != input->deviation[0])
      return false;
  return true;
}

/* The inner loop takes every stride'th value, so that with one channel, or all alike, the compiler
 * sees a plain loop. */
static void apply_channel(const uint8_t *bytes, int64_t count, int64_t stride, float scale,
                          float mean, float deviation, float *values) {
  if (stride == 1)
    for (int64_t i = 0; i < count; i++) values[i] = (bytes[i] * scale - mean) / deviation;
  else
    for (int64_t i = 0; i < count; i += stride) values[i] = (bytes[i] * scale - mean) / deviation;
}

void wk_model_input_apply(const wk_model_input *input, const uint8_t *bytes, int64_t pixels,
                          float *values) {
  const int channels = (int)input->shape.dims[2];
  const float scale = (float)input->scale;
  if (is_uniform(input, channels)) {
    apply_channel(bytes, pixels * channels, 1, scale, (float)input->mean[0],
                  (float)input->deviation[0], values);
    return;
  }
  for (int c = 0; c < channels; c++)
    apply_channel(bytes + c, pixels * channels - c, channels, scale, (float)input->mean[c],
                  (float)input->deviation[c], values + c);
}

/* ---- one image from a file ---- */

static wk_status check_image_input(const wk_model_input *input) {
  const wk_shape *shape = &input->shape;
  if (shape->rank == 3 && input->dtype == WK_F32 && shape->dims[0] >= 1 && shape->dims[1] >= 1 &&
      shape->dims[0] <= 65535 && shape->dims[1] <= 65535 &&
      (shape->dims[2] == 1 || shape->dims[2] == 3))
    return WK_OK;
  return wk_fail(WK_ERROR_SHAPE,
                 "the network's input is no grey or colour image: it is %s with %d "
                 "dimensions",
                 wk_dtype_name(input->dtype), shape->rank);
}

static wk_status load_image(const wk_model_input *input, const char *path, uint8_t *bytes) {
  const int64_t *dims = input->shape.dims;
  wk_image image;
  wk_status status = wk_png_read(path, &image);
  if (status < 0) return status;
  status = wk_image_fit(&image, dims[0], dims[1], dims[2], bytes);
  wk_deallocate(image.bytes);
  return status;
}

wk_tensor *wk_model_input_load_image(const wk_model_input *input, const char *path) {
  if (wk_failed() || check_image_input(input) < 0) return NULL;
  const int64_t *dims = input->shape.dims;
  const int64_t pixels = dims[0] * dims[1];
  const wk_shape shape = {4, {1, dims[0], dims[1], dims[2]}};
  uint8_t *bytes = wk_allocate((size_t)(pixels * dims[2]));
  float *values = bytes ? wk_allocate_zeroed((size_t)(pixels * dims[2]), sizeof(float)) : NULL;
  wk_tensor *tensor = NULL;
  if (values && load_image(input, path, bytes) == WK_OK) {
    wk_model_input_apply(input, bytes, pixels, values);
    tensor = wk_tensor_from_data(shape, WK_F32, values, NULL);
  }
  wk_deallocate(bytes);
  wk_deallocate(values);
  return tensor;
}
