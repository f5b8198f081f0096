/* SPDX-License-Identifier: Apache-2.0 */

/* Tiles of products whose multiply-adds round once, for a set whose own round twice: then they have
 * the bits of the other sets. Slow, and only for WK_DETERMINISM_MACHINE. */

#include "backend/cpu/isa.h"
#include "backend/cpu/isa/parts.h"
#include "backend/cpu/isa/vector.h"

#if WK_VECTOR_BYTES == 16 && !defined(__aarch64__)

#include <math.h>

enum { ROWS = 2 };

#define TILE(type, name, order, vectors, multiply_add)                                             \
  static void name(int64_t depth, const void *a, const void *b, int64_t b_stride, void *const *c,  \
                   const void *bias, wk_tile_store store) {                                        \
    const int64_t row_step = order == WK_LEFT_BY_ROW ? WK_PRODUCT_DEPTH : 1;                       \
    const int64_t depth_step = order == WK_LEFT_BY_ROW ? 1 : WK_PRODUCT_BLOCK_ROWS;                \
    for (int64_t i = 0; i < ROWS; i++) {                                                           \
      for (int64_t j = 0; j < (vectors) * (int64_t)(16 / sizeof(type)); j++) {                     \
        const type *left = (const type *)a + i * row_step, *right = (const type *)b + j;           \
        type sum = 0, *to = (type *)c[i] + j;                                                      \
        for (int64_t k = 0; k < depth; k++)                                                        \
          sum = multiply_add(left[k * depth_step], right[k * b_stride], sum);                      \
        if (store == WK_TILE_ADD) sum = *to + sum;                                                 \
        if (store == WK_TILE_BIAS) sum = sum + ((const type *)bias)[j];                            \
        *to = sum;                                                                                 \
      }                                                                                            \
    }                                                                                              \
  }
TILE(float, row_1_f32, WK_LEFT_BY_ROW, 1, fmaf)
TILE(float, row_2_f32, WK_LEFT_BY_ROW, 2, fmaf)
TILE(float, depth_1_f32, WK_LEFT_BY_DEPTH, 1, fmaf)
TILE(float, depth_2_f32, WK_LEFT_BY_DEPTH, 2, fmaf)
TILE(double, row_1_f64, WK_LEFT_BY_ROW, 1, fma)
TILE(double, row_2_f64, WK_LEFT_BY_ROW, 2, fma)
TILE(double, depth_1_f64, WK_LEFT_BY_DEPTH, 1, fma)
TILE(double, depth_2_f64, WK_LEFT_BY_DEPTH, 2, fma)

static void outer(int64_t columns, const wk_outer_walk *w, const float *a, const float *b,
                  const float *base, float *c) {
  for (int64_t i = 0; i < ROWS; i++)
    for (int64_t j = 0; j < columns; j++) {
      float sum = 0;
      for (int64_t plane = 0; plane < w->planes; plane++)
        for (int64_t line = 0; line < w->lines; line++)
          for (int64_t k = 0; k < w->columns; k++)
            sum = fmaf(a[plane * w->a_plane + line * w->a_line + k * w->a_step + i * w->a_row],
                       b[plane * w->b_plane + line * w->b_line + k * w->b_step + j], sum);
      c[i * w->c_row + j] = base[i * w->base_row + j] + sum;
    }
}

static void outer_1(const wk_outer_walk *walk, const void *a, const void *b, const void *base,
                    void *c) {
  outer(4, walk, a, b, base, c);
}

static void outer_2(const wk_outer_walk *walk, const void *a, const void *b, const void *base,
                    void *c) {
  outer(8, walk, a, b, base, c);
}

static void use_fused(wk_isa_product *product, const wk_tile_function tiles[2][2]) {
  product->row_step = ROWS, product->row_steps = 1;
  for (int order = 0; order < 2; order++)
    for (int v = 0; v < 2; v++) product->tile[order][0][v] = tiles[order][v];
}

bool WK_ISA_NAME(wk_isa_fuse)(wk_isa_product *f32, wk_isa_product *f64) {
  static const wk_tile_function tiles_f32[2][2] = {{row_1_f32, row_2_f32},
                                                   {depth_1_f32, depth_2_f32}};
  static const wk_tile_function tiles_f64[2][2] = {{row_1_f64, row_2_f64},
                                                   {depth_1_f64, depth_2_f64}};
  use_fused(f32, tiles_f32);
  use_fused(f64, tiles_f64);
  f32->outer[0][0] = outer_1, f32->outer[0][1] = outer_2;
  return true;
}

#else

bool WK_ISA_NAME(wk_isa_fuse)(wk_isa_product *f32, wk_isa_product *f64) {
  (void)f32, (void)f64;
  return false;
}

#endif
