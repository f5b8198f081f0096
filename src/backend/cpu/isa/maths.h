/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_H
#define WICK_BACKEND_CPU_ISA_MATHS_H

/* Functions of the numbers in a vector, wk_f32xn_exp of one register and wk_f32x16_exp of 16 lanes,
 * without branches and without fused multiply-add, so that every instruction set gives the same
 * bits. Errors in ulp, found by trying all floats against libm in
 * double precision: exp 0.88, log 0.84, tanh 1.31, sigmoid 1.79; sqrt is exactly rounded.
 * Infinities, NaN, signed zeros and denormals come out as libm's do.
 *
 * Polynomials are minimax ones, computed for the intervals named by the Remez exchange algorithm
 * and then rounded to float. The reductions are textbook ones: Cody and Waite, "Software Manual for
 * the Elementary Functions" (1980); for log also Tang, ACM TOMS 16(4), 1990.
 *
 * The f64 twins: exp, log, sigmoid and tanh by maths_double.h, at most 2 ulp. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"

#define F32 wk_f32xn
#define I32 wk_i32xn
#define LANES(name) wk_f32xn_##name
#include "backend/cpu/isa/maths_kind.h"
#undef F32
#undef I32
#undef LANES

typedef uint64_t wk_u64xn __attribute__((vector_size(sizeof(wk_f64xn))));
#define F64 wk_f64xn
#define U64 wk_u64xn
#define LANES(name) wk_f64xn_##name
#define SELECT(mask, a, b) wk_f64xn_select(mask, a, b)
#include "backend/cpu/isa/maths_double.h"
#undef F64
#undef U64
#undef LANES
#undef SELECT

#ifdef WK_LANES_BY_REGISTER
#define WK_DEFINE_BY_REGISTER(kind, type, name)                                                    \
  WK_LANES_CALLED wk_##kind##x16 wk_##kind##x16_##name(wk_##kind##x16 x) {                         \
    type lanes[WK_LANES];                                                                          \
    wk_##kind##x16_store(lanes, x);                                                                \
    for (int i = 0; i < WK_LANES; i += (int)(sizeof(wk_##kind##xn) / sizeof(type)))                \
      wk_##kind##xn_store(lanes + i, wk_##kind##xn_##name(wk_##kind##xn_load(lanes + i)));         \
    return wk_##kind##x16_load(lanes);                                                             \
  }
WK_DEFINE_BY_REGISTER(f32, float, exp)
WK_DEFINE_BY_REGISTER(f32, float, log)
WK_DEFINE_BY_REGISTER(f64, double, exp)
WK_DEFINE_BY_REGISTER(f64, double, log)
#undef WK_DEFINE_BY_REGISTER
#else
#define F32 wk_f32x16
#define I32 wk_i32x16
#define LANES(name) wk_f32x16_##name
#include "backend/cpu/isa/maths_kind.h"
#undef F32
#undef I32
#undef LANES

typedef uint64_t wk_u64x16 __attribute__((vector_size(sizeof(wk_f64x16))));
#define F64 wk_f64x16
#define U64 wk_u64x16
#define LANES(name) wk_f64x16_##name
#define SELECT(mask, a, b) wk_f64x16_select(mask, a, b)
#include "backend/cpu/isa/maths_double.h"
#undef F64
#undef U64
#undef LANES
#undef SELECT
#endif

#endif
