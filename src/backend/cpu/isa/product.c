/* SPDX-License-Identifier: Apache-2.0 */

/* Tiles of products for one instruction set, in both real types. */

#include "backend/cpu/isa.h"
#include "backend/cpu/isa/parts.h"
#include "backend/cpu/isa/vector.h"

/* A tile's sums, one row of b and a broadcast element fill the registers: 32 of them with AVX-512
 * and on AArch64, otherwise 16; without fused multiply-add a product needs one more. */
#if defined(__AVX512F__)
#define ROW_STEP 4
#define ROW_STEPS 3
#elif WK_VECTOR_BYTES == 32
#define ROW_STEP 2
#define ROW_STEPS 3
#elif defined(__aarch64__)
#define ROW_STEP 4
#define ROW_STEPS 2
#else
#define ROW_STEP 2
#define ROW_STEPS 2
#endif

#if defined(__aarch64__)
#define KEEP(x) "+w"(x)
#else
#define KEEP(x) "+x"(x)
#endif

#define REAL float
#define WITH_OUTER
#define OF_VECTOR(name) wk_f32_##name
#define OF_REAL(name) name##_f32
#define WIDE_TRANSPOSE (WK_VECTOR_BYTES >= 32) /* eight numbers fit a register */
#include "backend/cpu/isa/product_real.h"
#undef WIDE_TRANSPOSE
#undef REAL
#undef OF_VECTOR
#undef OF_REAL
#undef WITH_OUTER

#define REAL double
#define OF_VECTOR(name) wk_f64_##name
#define OF_REAL(name) name##_f64
#define WIDE_TRANSPOSE 0
#include "backend/cpu/isa/product_real.h"

#define PAIR(name, steps, type)                                                                    \
  { name##_##steps##_1_##type, name##_##steps##_2_##type }
#if ROW_STEPS > 2
#define PAIRS(name, type)                                                                          \
  { PAIR(name, 1, type), PAIR(name, 2, type), PAIR(name, 3, type) }
#else
#define PAIRS(name, type)                                                                          \
  { PAIR(name, 1, type), PAIR(name, 2, type) }
#endif
#if ROW_STEPS > 2
#define OUTERS                                                                                     \
  {                                                                                                \
    {outer_1_1, outer_1_2}, {outer_2_1, outer_2_2}, { outer_3_1, outer_3_2 }                       \
  }
#else
#define OUTERS                                                                                     \
  {                                                                                                \
    {outer_1_1, outer_1_2}, { outer_2_1, outer_2_2 }                                               \
  }
#endif
#define TILES(type)                                                                                \
  { PAIRS(row, type), PAIRS(depth, type) }

const wk_isa_product WK_ISA_NAME(wk_isa_product_f32) = {
    ROW_STEP, ROW_STEPS, WK_VECTOR_BYTES / 4, TILES(f32), OUTERS, copy_f32, transpose_f32,
    add_f32,  peak_f32,
};
const wk_isa_product WK_ISA_NAME(wk_isa_product_f64) = {
    ROW_STEP, ROW_STEPS, WK_VECTOR_BYTES / 8, TILES(f64), {{0}}, copy_f64, transpose_f64,
    add_f64,  peak_f64,
};
