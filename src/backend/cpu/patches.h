/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_PATCHES_H
#define WICK_BACKEND_CPU_PATCHES_H

/* Images seen as a matrix: a row per pixel of a grid, holding the patch of the image under that
 * pixel's window, [taps_height, taps_width, channels], with zeros where the window sticks out. */

#include "backend/cpu/isa.h"

typedef struct wk_patches {
  wk_isa_real real;
  const char *images; /* [.., height, width, pixel_stride], of which `channels` are looked at */
  int64_t height, width, pixel_stride, channels;
  int64_t taps_height, taps_width, tap_step_height, tap_step_width; /* steps in image pixels */
  int64_t grid_height, grid_width; /* rows are [image, grid_height, grid_width] */
  int64_t grid_step_height, grid_step_width, origin_height, origin_width; /* in image pixels */
} wk_patches;

static inline int64_t wk_patches_columns(const wk_patches *patches) {
  return patches->taps_height * patches->taps_width * patches->channels;
}

/* Writes columns [column, column + columns) of rows [row, row + rows) to `to`, whose rows are
 * to_stride elements apart. */
void wk_patches_copy(const wk_patches *patches, int64_t row, int64_t rows, int64_t column,
                     int64_t columns, char *to, int64_t to_stride);

#endif
