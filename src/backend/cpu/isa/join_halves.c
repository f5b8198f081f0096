/* SPDX-License-Identifier: Apache-2.0 */

/* Sums and maxima of floats of 16 bits for one instruction set, in f32, with no f32 in memory.
 * Several sums side by side hide how long an addition takes. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"
#include "base/half.h"

enum { LANES = WK_HALF_STREAMS * WK_LANES };

#ifdef WK_HAS_F16
enum { WIDTH = WK_VECTOR_BYTES / 4 };
#define EACH_STREAM WK_UNROLL for (int p = 0; p < WK_HALF_STREAMS; p++)
#define JOIN(widen, join)                                                                          \
  for (int64_t i = 0; i < steps; i++)                                                              \
  EACH_STREAM all[p] = join(all[p], widen(x + i * step + p * WIDTH))
#define ADD(a, b) ((a) + (b))

/* As many registers of lanes as there are streams. */
static void join_some(wk_dtype dtype, bool largest, int64_t steps, int64_t step, const uint16_t *x,
                      float *lanes) {
  wk_f32_vector all[WK_HALF_STREAMS];
  EACH_STREAM all[p] = wk_f32_broadcast(largest ? -INFINITY : 0.0f);
  if (dtype == WK_BF16 && largest)
    JOIN(wk_bf16_load, wk_f32_larger);
  else if (dtype == WK_BF16)
    JOIN(wk_bf16_load, ADD);
  else if (largest)
    JOIN(wk_f16_load, wk_f32_larger);
  else
    JOIN(wk_f16_load, ADD);
  EACH_STREAM wk_f32_store(lanes + p * WIDTH, all[p]);
}

void WK_ISA_NAME(wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                     const void *x, float *lanes) {
  for (int k = 0; k < LANES; k += WK_HALF_STREAMS * WIDTH)
    join_some(dtype, largest, steps, step, (const uint16_t *)x + k, lanes + k);
}
#else
void WK_ISA_NAME(wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                     const void *x_, float *lanes) {
  const uint16_t *x = x_;
  for (int k = 0; k < LANES; k++) lanes[k] = largest ? -INFINITY : 0.0f;
  for (int64_t i = 0; i < steps; i++)
    for (int k = 0; k < LANES; k++) {
      const uint16_t half = x[i * step + k];
      const float value = dtype == WK_BF16 ? wk_bf16_to_f32(half) : wk_f16_to_f32(half);
      const float best = value > lanes[k] || value != value ? value : lanes[k];
      lanes[k] = largest ? best : lanes[k] + value;
    }
}
#endif
