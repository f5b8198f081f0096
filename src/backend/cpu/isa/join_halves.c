/* SPDX-License-Identifier: Apache-2.0 */

/* Sums and maxima of floats of 16 bits for one instruction set, in f32, with no f32 in memory.
 * Several sums side by side hide how long an addition takes. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"
#include "base/half.h"

#ifdef WK_HAS_F16
typedef uint16_t halves
    __attribute__((vector_size(WK_LANES * 2), aligned(sizeof(uint16_t)), may_alias));
typedef uint32_t words __attribute__((vector_size(WK_LANES * 4)));

WK_LANES_INLINE wk_f32x16 of_bf16(const uint16_t *x) {
  return (wk_f32x16)(__builtin_convertvector(*(const halves *)x, words) << 16);
}

WK_LANES_INLINE wk_f32x16 of_f16(const uint16_t *x) {
  float wide[WK_LANES];
  for (int i = 0; i < WK_LANES; i += WK_VECTOR_BYTES / 4)
    wk_f32_store(wide + i, wk_f16_load(x + i));
  return wk_f32x16_load(wide);
}

#define EACH_STREAM WK_UNROLL for (int p = 0; p < WK_HALF_STREAMS; p++)
#define JOIN(widen, join)                                                                          \
  for (int64_t i = 0; i < steps; i++)                                                              \
  EACH_STREAM all[p] = join(all[p], widen(x + i * step + p * WK_LANES))
#define ADD(a, b) ((a) + (b))

void WK_ISA_NAME(wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                     const void *x_, float *lanes) {
  const uint16_t *x = x_;
  wk_f32x16 all[WK_HALF_STREAMS];
  EACH_STREAM all[p] = wk_f32x16_all(largest ? -INFINITY : 0.0f);
  if (dtype == WK_BF16 && largest)
    JOIN(of_bf16, wk_f32x16_larger);
  else if (dtype == WK_BF16)
    JOIN(of_bf16, ADD);
  else if (largest)
    JOIN(of_f16, wk_f32x16_larger);
  else
    JOIN(of_f16, ADD);
  EACH_STREAM wk_f32x16_store(lanes + p * WK_LANES, all[p]);
}
#else
void WK_ISA_NAME(wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                     const void *x_, float *lanes) {
  const uint16_t *x = x_;
  for (int k = 0; k < WK_HALF_STREAMS * WK_LANES; k++) lanes[k] = largest ? -INFINITY : 0.0f;
  for (int64_t i = 0; i < steps; i++)
    for (int k = 0; k < WK_HALF_STREAMS * WK_LANES; k++) {
      const uint16_t half = x[i * step + k];
      const float value = dtype == WK_BF16 ? wk_bf16_to_f32(half) : wk_f16_to_f32(half);
      const float best = value > lanes[k] || value != value ? value : lanes[k];
      lanes[k] = largest ? best : lanes[k] + value;
    }
}
#endif
