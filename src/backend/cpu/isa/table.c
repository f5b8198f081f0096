/* SPDX-License-Identifier: Apache-2.0 */

/* The table of one instruction set. */

#include "backend/cpu/isa/parts.h"

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)

/* Of the kernels that wait for memory more than they compute, some sets have those of f32 alone, to
 * keep the library small; for other dtypes they take the baseline's. */
#ifdef WICK_ISA_F32_ONLY
#define OTHER_NAME(name) name##_baseline
extern const wk_isa_pool wk_isa_pool_f64_baseline;
extern const wk_isa_resample wk_isa_resample_f64_baseline;
extern const wk_isa_attention wk_isa_attention_f64_baseline;
extern const wk_isa_recurrent wk_isa_recurrent_f64_baseline;
#else
#define OTHER_NAME(name) WK_ISA_NAME(name)
#endif

#ifdef WK_OWN_F64_ROWS
#define ROWS_NAME(name) WK_ISA_NAME(name)
#else
#define ROWS_NAME(name) name##_baseline
extern const wk_isa_softmax wk_isa_softmax_f64_baseline;
extern const wk_isa_normalise wk_isa_normalise_f64_baseline;
#endif

const wk_cpu_isa WK_ISA_NAME(wk_cpu_isa) = {
    .name = TEXT(WICK_ISA),
    .product = {&WK_ISA_NAME(wk_isa_product_f32), &WK_ISA_NAME(wk_isa_product_f64)},
    .depthwise = {&WK_ISA_NAME(wk_isa_depthwise_f32), &WK_ISA_NAME(wk_isa_depthwise_f64)},
    .pool = {&WK_ISA_NAME(wk_isa_pool_f32), &OTHER_NAME(wk_isa_pool_f64)},
    .softmax = {&WK_ISA_NAME(wk_isa_softmax_f32), &ROWS_NAME(wk_isa_softmax_f64)},
    .resample = {&WK_ISA_NAME(wk_isa_resample_f32), &OTHER_NAME(wk_isa_resample_f64)},
    .normalise = {&WK_ISA_NAME(wk_isa_normalise_f32), &ROWS_NAME(wk_isa_normalise_f64)},
    .attention = {&WK_ISA_NAME(wk_isa_attention_f32), &OTHER_NAME(wk_isa_attention_f64)},
    .recurrent = {&WK_ISA_NAME(wk_isa_recurrent_f32), &OTHER_NAME(wk_isa_recurrent_f64)},
    .square_sum = &WK_ISA_NAME(wk_isa_square_sum),
    .convert = &WK_ISA_NAME(wk_isa_convert),
    .join_halves = WK_ISA_NAME(wk_isa_join_halves),
    .random_words = WK_ISA_NAME(wk_isa_random_words),
    .random_normals = WK_ISA_NAME(wk_isa_random_normals),
    .pointwise = WK_ISA_NAME(wk_pointwise_table),
    .reduce = {&WK_ISA_NAME(wk_isa_reduce_f32), &WK_ISA_NAME(wk_isa_reduce_f64),
               &WK_ISA_NAME(wk_isa_reduce_i64), &WK_ISA_NAME(wk_isa_reduce_i32)},
};
