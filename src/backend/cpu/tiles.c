/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/tiles.h"

void wk_cpu_multiply_tiles(const wk_tiles *t) {
  const wk_isa_product *p = t->product;
  const int64_t row_bytes = (t->order == WK_LEFT_BY_ROW ? WK_PRODUCT_DEPTH : 1) * t->size;
  for (int64_t j = 0; j < t->columns;) {
    const int vectors = t->columns - j >= 2 * p->vector_columns ? 2 : 1;
    for (int64_t i = 0; i < t->rows;) {
      const int64_t left = (t->rows - i + p->row_step - 1) / p->row_step;
      const int steps = (int)(left < p->row_steps ? left : p->row_steps);
      void *row[WK_PRODUCT_MAX_TILE_ROWS];
      for (int r = 0; r < steps * p->row_step; r++)
        row[r] = t->c + ((i + r) * t->c_stride + j) * t->size;
      p->tile[t->order][steps - 1][vectors - 1](t->depth, t->a + i * row_bytes, t->b + j * t->size,
                                                t->b_stride, row, NULL, t->store);
      i += steps * p->row_step;
    }
    j += vectors * p->vector_columns;
  }
}
