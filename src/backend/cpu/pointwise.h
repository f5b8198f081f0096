/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_POINTWISE_H
#define WICK_BACKEND_CPU_POINTWISE_H

/* Pointwise ops and optimizer updates on the processor. The generated kernels work on contiguous
 * elements only; the driver cuts every call into tiles that fit the first-level cache and copies
 * broadcast or strided operands of a tile side by side first. */

#include "ops/kernel.h"

/* The dtypes that kernels are made for; the others, and what has no kernel of its own, are widened
 * to one of the first two or to i64: convert.h. */
enum { WK_KIND_F32, WK_KIND_F64, WK_KIND_I64, WK_KIND_I32, WK_KIND_U8, WK_KIND_BOOL, WK_KINDS };

/* `operand`: the inputs in order, then the result (updates have none: they write their inputs).
 * Operands do not overlap. */
typedef void (*wk_pointwise_kernel)(char *const *operand, int64_t count, const void *arguments);

/* An op's row in the tables below; row 0 is empty, and belongs to the ops that are not pointwise.
 */
extern const uint16_t wk_pointwise_place[];

/* Kernels of an instruction set take whole groups of as many elements only. */
#define WK_POINTWISE_GROUP 16
extern const wk_pointwise_kernel wk_pointwise_table_baseline[][WK_KINDS];
extern const wk_pointwise_kernel wk_pointwise_table_avx2[][WK_KINDS];
extern const wk_pointwise_kernel wk_pointwise_table_avx512[][WK_KINDS];

/* Of any processor and for any count: what the tables above have no kernel for. */
extern const wk_pointwise_kernel wk_pointwise_table_scalar[][WK_KINDS];

/* For the list of kernels. */
const char *wk_cpu_pointwise_refuse(const wk_kernel_call *call);
wk_status wk_cpu_pointwise_run(const wk_kernel_call *call);

/* Copies elements [begin, begin + count), in row-major order, of a tensor with any strides side by
 * side. */
void wk_collect(char *to, const char *from, const wk_layout *layout, int64_t begin, int64_t count);

#endif
