/* SPDX-License-Identifier: Apache-2.0 */

/* The table of one instruction set. */

#include "backend/cpu/isa/parts.h"

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)

const wk_cpu_isa WK_ISA_NAME(wk_cpu_isa) = {
    .name = TEXT(WICK_ISA),
    .product = {&WK_ISA_NAME(wk_isa_product_f32), &WK_ISA_NAME(wk_isa_product_f64)},
    .depthwise = {&WK_ISA_NAME(wk_isa_depthwise_f32), &WK_ISA_NAME(wk_isa_depthwise_f64)},
    .pool = {&WK_ISA_NAME(wk_isa_pool_f32), &WK_ISA_NAME(wk_isa_pool_f64)},
    .softmax = {&WK_ISA_NAME(wk_isa_softmax_f32), &WK_ISA_NAME(wk_isa_softmax_f64)},
    .pointwise = WK_ISA_NAME(wk_pointwise_table),
    .reduce = {&WK_ISA_NAME(wk_isa_reduce_f32), &WK_ISA_NAME(wk_isa_reduce_f64),
               &WK_ISA_NAME(wk_isa_reduce_i64), &WK_ISA_NAME(wk_isa_reduce_i32)},
};
