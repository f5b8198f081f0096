/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_IMAGE_H
#define WICK_FORMAT_IMAGE_H

#include <stdint.h>

/* An image in memory: rows from top to bottom, channels side by side (1 grey, 2 grey and alpha,
 * 3 colours, 4 colours and alpha). */
typedef struct wk_image {
  int64_t height, width, channels;
  uint8_t *bytes; /* owned; height * width * channels of them, freed with wk_deallocate */
} wk_image;

#endif
