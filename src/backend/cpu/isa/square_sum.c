/* SPDX-License-Identifier: Apache-2.0 */

/* Sums of squared differences from a mean for one instruction set: in f64, and where they run along
 * a row in 16 lanes, so that all sets give the same bits. */

#include <string.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

enum { WIDTH = WK_VECTOR_BYTES / 8, PARTS = WK_LANES / WIDTH };
typedef float singles
    __attribute__((vector_size(WK_VECTOR_BYTES / 2), aligned(sizeof(float)), may_alias));

#define DEFINE_SQUARES(kind, TYPE, PLACE)                                                          \
  static double row_##kind(int64_t count, const void *x_, double mean) {                           \
    const TYPE *x = x_;                                                                            \
    wk_f64_vector sums[PARTS] = {{0}};                                                             \
    int64_t i = 0;                                                                                 \
    for (; i + WK_LANES <= count; i += WK_LANES) {                                                 \
      WK_UNROLL for (int p = 0; p < PARTS; p++) {                                                  \
        const wk_f64_vector v =                                                                    \
            __builtin_convertvector(*(const PLACE *)(x + i + p * WIDTH), wk_f64_vector) - mean;    \
        sums[p] += v * v;                                                                          \
      }                                                                                            \
    }                                                                                              \
    double all[WK_LANES], sum = 0;                                                                 \
    memcpy(all, sums, sizeof all);                                                                 \
    for (int lane = 0; i + lane < count; lane++) {                                                 \
      const double v = (double)x[i + lane] - mean;                                                 \
      all[lane] += v * v;                                                                          \
    }                                                                                              \
    for (int lane = 0; lane < WK_LANES; lane++) sum += all[lane];                                  \
    return sum;                                                                                    \
  }                                                                                                \
  static void columns_##kind(int64_t rows, int64_t stride, int64_t columns, const void *x_,        \
                             const double *means, double *sums) {                                  \
    for (int64_t r = 0; r < rows; r++) {                                                           \
      const TYPE *x = (const TYPE *)x_ + r * stride;                                               \
      int64_t j = 0;                                                                               \
      for (; j + WIDTH <= columns; j += WIDTH) {                                                   \
        const wk_f64_vector v = __builtin_convertvector(*(const PLACE *)(x + j), wk_f64_vector) -  \
                                wk_f64_load(means + j);                                            \
        wk_f64_store(sums + j, wk_f64_load(sums + j) + v * v);                                     \
      }                                                                                            \
      for (; j < columns; j++) {                                                                   \
        const double v = (double)x[j] - means[j];                                                  \
        sums[j] += v * v;                                                                          \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_SQUARES(f32, float, singles)
DEFINE_SQUARES(f64, double, wk_f64_anywhere)

const wk_isa_square_sum WK_ISA_NAME(wk_isa_square_sum) = {
    .row = {row_f32, row_f64},
    .columns = {columns_f32, columns_f64},
};
