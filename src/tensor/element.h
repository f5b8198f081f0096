/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_ELEMENT_H
#define WICK_TENSOR_ELEMENT_H

/* One element on the host, read as the number it stands for. */

#include <wick/tensor.h>

#include "base/half.h"

/* Of integers and bool; 0 for floats. */
static inline int64_t wk_read_integer(wk_dtype dtype, const void *address) {
  switch (dtype) {
  case WK_I64:
    return *(const int64_t *)address;
  case WK_I32:
    return *(const int32_t *)address;
  case WK_I16:
    return *(const int16_t *)address;
  case WK_I8:
    return *(const int8_t *)address;
  case WK_U8:
  case WK_BOOL:
    return *(const uint8_t *)address;
  default:
    return 0;
  }
}

/* Of any dtype; large i64 are rounded. */
static inline double wk_read_real(wk_dtype dtype, const void *address) {
  switch (dtype) {
  case WK_F32:
    return (double)*(const float *)address;
  case WK_F64:
    return *(const double *)address;
  case WK_F16:
    return (double)wk_f16_to_f32(*(const uint16_t *)address);
  case WK_BF16:
    return (double)wk_bf16_to_f32(*(const uint16_t *)address);
  default:
    return (double)wk_read_integer(dtype, address);
  }
}

#endif
