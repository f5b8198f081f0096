/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_CONVERT_H
#define WICK_BACKEND_CPU_CONVERT_H

/* Rows of one dtype as rows of another. Kernels are made for f32, f64, i64 and bool; the other
 * dtypes are widened to one of these on the way in and narrowed on the way out. */

#include "ops/op.h"

/* The dtype whose kernels serve `dtype`: f32 for the floats of 16 bits, i64 for smaller integers,
 * else itself. */
static inline wk_dtype wk_wide_dtype(wk_dtype dtype) {
  if (dtype == WK_F16 || dtype == WK_BF16) return WK_F32;
  return WK_DTYPES_INTEGER >> dtype & 1 ? WK_I64 : dtype;
}

/* `count` elements of `dtype` as its wide dtype; both are contiguous. */
void wk_widen(wk_dtype dtype, void *to, const void *from, int64_t count);

/* Back: floats round to the nearest, integers wrap around. */
void wk_narrow_elements(wk_dtype dtype, void *to, const void *from, int64_t count);

/* By the rules of the op cast, between any two dtypes. */
void wk_convert(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from, int64_t count);

#endif
