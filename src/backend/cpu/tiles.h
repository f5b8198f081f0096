/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_TILES_H
#define WICK_BACKEND_CPU_TILES_H

#include "backend/cpu/isa.h"

/* Columns of what is multiplied are a multiple of it; as many rows behind may be touched. */
#define WK_TILE_GRAIN 16

/* c[rows, columns] from a packed left operand and b[depth, columns], depth at most
 * WK_PRODUCT_DEPTH: one term of a product's sum over blocks, on the calling thread. Up to
 * WK_TILE_GRAIN rows behind those of a and c are touched. Strides are in elements of `size` bytes.
 */
typedef struct wk_tiles {
  const wk_isa_product *product;
  int64_t size;
  wk_left_order order;
  int64_t rows, columns, depth;
  const char *a, *b;
  int64_t b_stride;
  char *c;
  int64_t c_stride;
  wk_tile_store store;
} wk_tiles;
void wk_cpu_multiply_tiles(const wk_tiles *t);

#endif
