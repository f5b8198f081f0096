/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_IDX_H
#define WICK_FORMAT_IDX_H

/* IDX files, the format of the MNIST database: a magic number, big-endian sizes, the values.
 * yann.lecun.com/exdb/mnist describes it. Values are bytes here; other types are refused. */

#include <stddef.h>
#include <stdint.h>

#include <wick/tensor.h>

typedef struct wk_idx {
  wk_shape shape;
  const uint8_t *values; /* shape's worth of bytes */
  void *memory;          /* owned; what `values` points into, or NULL: the parsed data */
} wk_idx;

/* Reads IDX data, plain or gzipped. Plain data must outlive *idx. */
wk_status wk_idx_parse(const void *data, size_t size, wk_idx *idx);

/* Reads an IDX file. Freed with wk_idx_clear. */
wk_status wk_idx_load(const char *path, wk_idx *idx);
void wk_idx_clear(wk_idx *idx);

#endif
