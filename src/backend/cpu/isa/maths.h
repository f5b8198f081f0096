/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_MATHS_H
#define WICK_BACKEND_CPU_ISA_MATHS_H

/* Functions of the floats in a vector, wk_f32x16_exp of 16 lanes and wk_f32xn_exp of one register,
 * without branches and without fused multiply-add, so that every
 * instruction set gives the same bits. Errors in ulp, found by trying all floats against libm in
 * double precision: exp 0.88, log 0.84, tanh 1.31, sigmoid 2.41; sqrt is exactly rounded.
 * Infinities, NaN, signed zeros and denormals come out as libm's do.
 *
 * Polynomials are minimax ones, computed for the intervals named by the Remez exchange algorithm
 * and then rounded to float. The reductions are textbook ones: Cody and Waite, "Software Manual for
 * the Elementary Functions" (1980); for log also Tang, ACM TOMS 16(4), 1990.
 *
 * The f64 twins call libm, lane by lane. */

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

#define WK_DEFINE_BY_LANE(name, expression)                                                        \
  WK_LANES_INLINE wk_f64x16 wk_f64x16_##name(wk_f64x16 x) {                                        \
    wk_f64x16 y;                                                                                   \
    for (int i = 0; i < WK_LANES; i++) y[i] = (expression);                                        \
    return y;                                                                                      \
  }
WK_DEFINE_BY_LANE(exp, exp(x[i]))
WK_DEFINE_BY_LANE(log, log(x[i]))
WK_DEFINE_BY_LANE(tanh, tanh(x[i]))
WK_DEFINE_BY_LANE(sqrt, sqrt(x[i]))
WK_DEFINE_BY_LANE(sigmoid, x[i] < 0 ? exp(x[i]) / (1 + exp(x[i])) : 1 / (1 + exp(-x[i])))
#undef WK_DEFINE_BY_LANE

#endif
