/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_IMAGES_H
#define WICK_DATA_IMAGES_H

/* Labelled images of one size, as bytes in memory: what every reader of images makes. */

#include <wick/data.h>

#include "base/text.h"

typedef struct wk_images {
  int64_t count, height, width, channels;
  uint8_t *bytes;  /* count * height * width * channels */
  int64_t *labels; /* count */
  char **class_names;
  size_t class_count;
  wk_text sources; /* the files read, one per line */
} wk_images;

/* Allocates bytes and labels for empty images; sizes must be positive. */
wk_status wk_images_allocate(wk_images *images, int64_t count, int64_t height, int64_t width,
                             int64_t channels);
wk_status wk_images_name_classes(wk_images *images, const char *const *names, size_t count);
void wk_images_clear(wk_images *images);

static inline int64_t wk_images_pixel_count(const wk_images *images) {
  return images->height * images->width * images->channels;
}

/* The readers. They leave `images` cleared on failure. Sizes in the arguments are a wish that the
 * folder reader fulfils itself; wk_images_fit does it for the others. */
wk_status wk_images_read_idx(const wk_dataset_arguments *arguments, wk_images *images);
wk_status wk_images_read_folder(const wk_dataset_arguments *arguments, wk_images *images);
wk_status wk_images_make_glyphs(const wk_dataset_arguments *arguments, wk_images *images);

/* Brings all images to the size and channels asked for (0: as they are). */
wk_status wk_images_fit(wk_images *images, int64_t height, int64_t width, int64_t channels);

#endif
