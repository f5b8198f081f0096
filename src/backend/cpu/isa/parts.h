/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_PARTS_H
#define WICK_BACKEND_CPU_ISA_PARTS_H

/* The parts of one instruction set's table, each made by one file of this folder. */

#include "backend/cpu/isa.h"
#include "backend/cpu/isa/vector.h"

/* Sets that have kernels of f64 for normalisation and softmax, where they gain most. */
#if !defined(WICK_ISA_F32_ONLY) || defined(__AVX512F__)
#define WK_OWN_F64_ROWS
#endif

extern const wk_isa_product WK_ISA_NAME(wk_isa_product_f32), WK_ISA_NAME(wk_isa_product_f64);
extern const wk_isa_depthwise WK_ISA_NAME(wk_isa_depthwise_f32), WK_ISA_NAME(wk_isa_depthwise_f64);
extern const wk_isa_pool WK_ISA_NAME(wk_isa_pool_f32), WK_ISA_NAME(wk_isa_pool_f64);
extern const wk_isa_softmax WK_ISA_NAME(wk_isa_softmax_f32), WK_ISA_NAME(wk_isa_softmax_f64);
extern const wk_isa_resample WK_ISA_NAME(wk_isa_resample_f32), WK_ISA_NAME(wk_isa_resample_f64);
extern const wk_isa_normalise WK_ISA_NAME(wk_isa_normalise_f32), WK_ISA_NAME(wk_isa_normalise_f64);
extern const wk_isa_attention WK_ISA_NAME(wk_isa_attention_f32);
extern const wk_isa_attention WK_ISA_NAME(wk_isa_attention_f64);
extern const wk_isa_recurrent WK_ISA_NAME(wk_isa_recurrent_f32);
extern const wk_isa_recurrent WK_ISA_NAME(wk_isa_recurrent_f64);
extern const wk_isa_square_sum WK_ISA_NAME(wk_isa_square_sum);
extern const wk_isa_convert WK_ISA_NAME(wk_isa_convert);
extern const wk_isa_reduce WK_ISA_NAME(wk_isa_reduce_f32), WK_ISA_NAME(wk_isa_reduce_f64);
extern const wk_isa_reduce WK_ISA_NAME(wk_isa_reduce_i64), WK_ISA_NAME(wk_isa_reduce_i32);
void WK_ISA_NAME(wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                     const void *x, float *lanes);
void WK_ISA_NAME(wk_isa_random_words)(uint64_t seed, uint64_t block, int64_t blocks,
                                      uint64_t stream, uint32_t *to);
void WK_ISA_NAME(wk_isa_random_normals)(uint64_t seed, uint64_t block, int64_t blocks, double mean,
                                        double deviation, double *to);
bool WK_ISA_NAME(wk_isa_fuse)(wk_isa_product *f32, wk_isa_product *f64);

#endif
