/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_PAD_H
#define WICK_OPS_PAD_H

#include <wick/enums.gen.h>

/* Which of an axis' `size` elements stands at place `i`, counted from the first one and beyond both
 * ends; -1: none, so the value. */
static inline int64_t wk_pad_source(wk_pad_mode mode, int64_t i, int64_t size) {
  if (i >= 0 && i < size) return i;
  switch (mode) {
  case WK_PAD_MODE_REFLECT:
    return i < 0 ? -i : 2 * (size - 1) - i;
  case WK_PAD_MODE_REPLICATE:
    return i < 0 ? 0 : size - 1;
  case WK_PAD_MODE_CIRCULAR:
    return (i % size + size) % size;
  default:
    return -1;
  }
}

#endif
