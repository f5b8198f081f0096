/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_PNG_H
#define WICK_FORMAT_PNG_H

#include <stddef.h>

#include <wick/format.h>

#include "format/image.h"

/* Decodes a PNG file held in memory. image->bytes is freed with wk_deallocate; NULL on failure. */
wk_status wk_png_decode(const void *data, size_t size, wk_image *image);

/* The same from a file; errors name it. */
wk_status wk_png_read(const char *path, wk_image *image);

#endif
