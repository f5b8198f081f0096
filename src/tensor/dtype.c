/* SPDX-License-Identifier: Apache-2.0 */
#include <wick/tensor.h>

static const struct {
  const char *name;
  size_t size;
} table[] = {
    [WK_DTYPE_DEFAULT] = {"default", 0},
    [WK_F32] = {"f32", 4},
    [WK_F64] = {"f64", 8},
    [WK_I64] = {"i64", 8},
    [WK_I32] = {"i32", 4},
    [WK_U8] = {"u8", 1},
    [WK_BOOL] = {"bool", 1},
    [WK_F16] = {"f16", 2},
    [WK_BF16] = {"bf16", 2},
    [WK_I8] = {"i8", 1},
    [WK_I16] = {"i16", 2},
};

static bool is_known(wk_dtype dtype) { return (size_t)dtype < sizeof table / sizeof *table; }

size_t wk_dtype_size(wk_dtype dtype) { return is_known(dtype) ? table[dtype].size : 0; }

const char *wk_dtype_name(wk_dtype dtype) {
  return is_known(dtype) ? table[dtype].name : "unknown";
}
