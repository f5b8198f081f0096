/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/tensor.h"

const uint8_t wk_dtype_bytes[] = {
    [WK_DTYPE_DEFAULT] = 0, [WK_F32] = 4, [WK_F64] = 8,  [WK_I64] = 8, [WK_I32] = 4, [WK_U8] = 1,
    [WK_BOOL] = 1,          [WK_F16] = 2, [WK_BF16] = 2, [WK_I8] = 1,  [WK_I16] = 2,
};

static const char *const names[] = {
    [WK_DTYPE_DEFAULT] = "default",
    [WK_F32] = "f32",
    [WK_F64] = "f64",
    [WK_I64] = "i64",
    [WK_I32] = "i32",
    [WK_U8] = "u8",
    [WK_BOOL] = "bool",
    [WK_F16] = "f16",
    [WK_BF16] = "bf16",
    [WK_I8] = "i8",
    [WK_I16] = "i16",
};

static bool is_known(wk_dtype dtype) { return (size_t)dtype < sizeof names / sizeof *names; }

size_t wk_dtype_size(wk_dtype dtype) { return is_known(dtype) ? wk_dtype_bytes[dtype] : 0; }

const char *wk_dtype_name(wk_dtype dtype) { return is_known(dtype) ? names[dtype] : "unknown"; }
