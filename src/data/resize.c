/* SPDX-License-Identifier: Apache-2.0 */
#include "data/resize.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Between which two pixels of a row or column a new pixel's centre falls, and how near the second.
 */
typedef struct tap {
  int64_t first, second;
  float weight; /* of the second */
} tap;

static tap *make_taps(int64_t from, int64_t to) {
  tap *taps = wk_allocate_zeroed((size_t)to, sizeof(*taps));
  if (!taps) return NULL;
  const double ratio = (double)from / (double)to;
  for (int64_t i = 0; i < to; i++) {
    double centre = ((double)i + 0.5) * ratio - 0.5;
    if (centre < 0) centre = 0;
    if (centre > (double)(from - 1)) centre = (double)(from - 1);
    const int64_t first = (int64_t)centre;
    taps[i] = (tap){first, first + 1 < from ? first + 1 : first, (float)(centre - (double)first)};
  }
  return taps;
}

static float mix(float a, float b, float weight) { return a + (b - a) * weight; }

static void interpolate(const wk_image *from, const tap *rows, const tap *columns, int64_t height,
                        int64_t width, uint8_t *to) {
  const int64_t channels = from->channels, pitch = from->width * channels;
  for (int64_t y = 0; y < height; y++) {
    const uint8_t *upper = from->bytes + rows[y].first * pitch;
    const uint8_t *lower = from->bytes + rows[y].second * pitch;
    for (int64_t x = 0; x < width; x++) {
      const int64_t left = columns[x].first * channels, right = columns[x].second * channels;
      for (int64_t c = 0; c < channels; c++) {
        const float top = mix(upper[left + c], upper[right + c], columns[x].weight);
        const float bottom = mix(lower[left + c], lower[right + c], columns[x].weight);
        *to++ = (uint8_t)(mix(top, bottom, rows[y].weight) + 0.5f);
      }
    }
  }
}

static wk_status resize(const wk_image *from, int64_t height, int64_t width, uint8_t *to) {
  tap *rows = make_taps(from->height, height), *columns = make_taps(from->width, width);
  const bool good = rows && columns;
  if (good) interpolate(from, rows, columns, height, width, to);
  wk_deallocate(rows);
  wk_deallocate(columns);
  return good ? WK_OK : wk_error_status();
}

static void convert_channels(const wk_image *from, int64_t channels, uint8_t *to) {
  const int64_t pixels = from->height * from->width;
  const bool colour = from->channels >= 3;
  for (int64_t i = 0; i < pixels; i++) {
    const uint8_t *pixel = from->bytes + i * from->channels;
    if (channels == 1)
      *to++ = colour ? (uint8_t)((pixel[0] * 299u + pixel[1] * 587u + pixel[2] * 114u + 500) / 1000)
                     : pixel[0];
    else
      for (int c = 0; c < 3; c++) *to++ = pixel[colour ? c : 0];
  }
}

wk_status wk_image_fit(const wk_image *from, int64_t height, int64_t width, int64_t channels,
                       uint8_t *to) {
  const bool same_size = from->height == height && from->width == width;
  wk_image converted = *from;
  if (from->channels != channels) {
    /* Both sides are below 2^16, so this product is far from overflowing. */
    const size_t size = (size_t)(from->height * from->width * channels);
    uint8_t *bytes = same_size ? to : wk_allocate(size);
    if (!bytes) return wk_error_status();
    convert_channels(from, channels, bytes);
    converted.bytes = bytes;
    converted.channels = channels;
  }
  wk_status status = WK_OK;
  if (!same_size)
    status = resize(&converted, height, width, to);
  else if (converted.bytes == from->bytes)
    memcpy(to, from->bytes, (size_t)(height * width * channels));
  if (converted.bytes != from->bytes && converted.bytes != to) wk_deallocate(converted.bytes);
  return status;
}
