/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_H
#define WICK_BACKEND_CPU_ISA_MATHS_H

/* Functions of the floats in a vector, wk_f32x16_exp of 16 lanes and wk_f32xn_exp of one register,
 * without branches and without fused multiply-add, so that every
 * instruction set gives the same bits. Errors in ulp, found by trying all floats against libm in
 * double precision: exp 0.88, log 0.84, tanh 1.31, sigmoid 1.79; sqrt is exactly rounded.
 * Infinities, NaN, signed zeros and denormals come out as libm's do.
 *
 * Polynomials are minimax ones, computed for the intervals named by the Remez exchange algorithm
 * and then rounded to float. The reductions are textbook ones: Cody and Waite, "Software Manual for
 * the Elementary Functions" (1980); for log also Tang, ACM TOMS 16(4), 1990.
 *
 * The f64 twins: exp, log and sigmoid by maths_double.h, at most 2 ulp; tanh by libm, by lane. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"

#define F32 wk_f32x16
#define I32 wk_i32x16
#define LANES(name) wk_f32x16_##name
#include "backend/cpu/isa/maths_kind.h"
#undef F32
#undef I32
#undef LANES
#define F32 wk_f32xn
#define I32 wk_i32xn
#define LANES(name) wk_f32xn_##name
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

#define WK_DEFINE_BY_LANE(name, function)                                                          \
  WK_LANES_INLINE wk_f64x16 wk_f64x16_##name(wk_f64x16 x) {                                        \
    wk_f64x16 y;                                                                                   \
    for (int i = 0; i < WK_LANES; i++) y[i] = function(x[i]);                                      \
    return y;                                                                                      \
  }
WK_DEFINE_BY_LANE(tanh, tanh)
WK_DEFINE_BY_LANE(sqrt, sqrt)
#undef WK_DEFINE_BY_LANE

#endif
