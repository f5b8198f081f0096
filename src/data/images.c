/* SPDX-License-Identifier: Apache-2.0 */
#include "data/images.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/resize.h"

wk_status wk_images_allocate(wk_images *images, int64_t count, int64_t height, int64_t width,
                             int64_t channels) {
  int64_t size;
  if (!wk_multiply_count(height, width, &size) || !wk_multiply_count(size, channels, &size) ||
      !wk_multiply_count(size, count, &size))
    return wk_fail(WK_ERROR_SHAPE, "%lld images of %lldx%lldx%lld are too many bytes",
                   (long long)count, (long long)height, (long long)width, (long long)channels);
  images->count = count;
  images->height = height;
  images->width = width;
  images->channels = channels;
  images->bytes = wk_allocate((size_t)size);
  images->labels = wk_allocate_zeroed((size_t)count, sizeof(int64_t));
  return images->bytes && images->labels ? WK_OK : wk_error_status();
}

wk_status wk_images_name_classes(wk_images *images, const char *const *names, size_t count) {
  images->class_names = wk_allocate_zeroed(count, sizeof(char *));
  if (!images->class_names) return wk_error_status();
  images->class_count = count;
  for (size_t i = 0; i < count; i++) {
    images->class_names[i] = wk_duplicate_string(names[i]);
    if (!images->class_names[i]) return wk_error_status();
  }
  return WK_OK;
}

void wk_images_clear(wk_images *images) {
  wk_deallocate(images->bytes);
  wk_deallocate(images->labels);
  for (size_t i = 0; i < images->class_count; i++) wk_deallocate(images->class_names[i]);
  wk_deallocate(images->class_names);
  wk_text_free(&images->sources);
  memset(images, 0, sizeof(*images));
}

wk_status wk_images_fit(wk_images *images, int64_t height, int64_t width, int64_t channels) {
  if (height == 0) height = images->height;
  if (width == 0) width = images->width;
  if (channels == 0) channels = images->channels;
  if (height == images->height && width == images->width && channels == images->channels)
    return WK_OK;
  int64_t total;
  if (!wk_multiply_count(height * width * channels, images->count, &total))
    return wk_fail(WK_ERROR_SHAPE, "images of %lldx%lld are too large", (long long)height,
                   (long long)width);
  uint8_t *bytes = wk_allocate((size_t)total);
  if (!bytes) return wk_error_status();
  wk_status status = WK_OK;
  for (int64_t i = 0; status == WK_OK && i < images->count; i++) {
    const wk_image from = {images->height, images->width, images->channels,
                           images->bytes + i * wk_images_pixel_count(images)};
    status = wk_image_fit(&from, height, width, channels, bytes + i * (height * width * channels));
  }
  wk_deallocate(images->bytes);
  images->bytes = bytes;
  images->height = height;
  images->width = width;
  images->channels = channels;
  return status;
}
