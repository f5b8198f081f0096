/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DATA_RESIZE_H
#define WICK_DATA_RESIZE_H

#include <wick/base.h>

#include "format/image.h"

/* Writes the image to `to` with another size and `channels` 1 or 3: alpha is dropped, colours
 * become grey by ITU-R 601's weights, sizes change by bilinear interpolation between pixel centres.
 */
wk_status wk_image_fit(const wk_image *from, int64_t height, int64_t width, int64_t channels,
                       uint8_t *to);

#endif
