/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/convert.h"

#include <string.h>

#include "base/half.h"

#define MOVE(TO, FROM, EXPRESSION)                                                                 \
  do {                                                                                             \
    TO *restrict t = to;                                                                           \
    const FROM *restrict f = from;                                                                 \
    for (int64_t i = 0; i < count; i++) t[i] = (TO)(EXPRESSION);                                   \
  } while (0)

wk_dtype wk_wide_dtype(wk_dtype dtype) {
  if (dtype == WK_F16 || dtype == WK_BF16) return WK_F32;
  return WK_DTYPES_INTEGER >> dtype & 1 ? WK_I64 : dtype;
}

void wk_widen(wk_dtype dtype, void *to, const void *from, int64_t count) {
  switch (dtype) {
  case WK_F16:
    MOVE(float, uint16_t, wk_f16_to_f32(f[i]));
    break;
  case WK_BF16:
    MOVE(float, uint16_t, wk_bf16_to_f32(f[i]));
    break;
  case WK_I32:
    MOVE(int64_t, int32_t, f[i]);
    break;
  case WK_I16:
    MOVE(int64_t, int16_t, f[i]);
    break;
  case WK_I8:
    MOVE(int64_t, int8_t, f[i]);
    break;
  case WK_U8:
    MOVE(int64_t, uint8_t, f[i]);
    break;
  default:
    memcpy(to, from, (size_t)count * wk_dtype_size(dtype));
  }
}

void wk_narrow_elements(wk_dtype dtype, void *to, const void *from, int64_t count) {
  switch (dtype) {
  case WK_F16:
    MOVE(uint16_t, float, wk_f32_to_f16(f[i]));
    break;
  case WK_BF16:
    MOVE(uint16_t, float, wk_f32_to_bf16(f[i]));
    break;
  case WK_I32:
    MOVE(int32_t, int64_t, f[i]);
    break;
  case WK_I16:
    MOVE(int16_t, int64_t, f[i]);
    break;
  case WK_I8:
    MOVE(int8_t, int64_t, f[i]);
    break;
  case WK_U8:
    MOVE(uint8_t, int64_t, f[i]);
    break;
  default:
    memcpy(to, from, (size_t)count * wk_dtype_size(dtype));
  }
}

/* ---- cast: from one of the wide dtypes to any ---- */

static inline int64_t whole(double value) {
  if (value != value) return 0;
  return value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value;
}

static inline int64_t within(double value, int64_t least, int64_t most) {
  const int64_t integer = whole(value);
  return integer < least ? least : integer > most ? most : integer;
}

/* INTEGER(least, most): f[i] as an integer within them; HALF: as an f32 that rounds to 16 bits as
 * f[i] does. */
#define CAST_FROM(FROM, INTEGER, HALF)                                                             \
  switch (dtype) {                                                                                 \
  case WK_F32:                                                                                     \
    MOVE(float, FROM, f[i]);                                                                       \
    break;                                                                                         \
  case WK_F64:                                                                                     \
    MOVE(double, FROM, f[i]);                                                                      \
    break;                                                                                         \
  case WK_F16:                                                                                     \
    MOVE(uint16_t, FROM, wk_f32_to_f16(HALF));                                                     \
    break;                                                                                         \
  case WK_BF16:                                                                                    \
    MOVE(uint16_t, FROM, wk_f32_to_bf16(HALF));                                                    \
    break;                                                                                         \
  case WK_I64:                                                                                     \
    MOVE(int64_t, FROM, INTEGER(INT64_MIN, INT64_MAX));                                            \
    break;                                                                                         \
  case WK_I32:                                                                                     \
    MOVE(int32_t, FROM, INTEGER(INT32_MIN, INT32_MAX));                                            \
    break;                                                                                         \
  case WK_I16:                                                                                     \
    MOVE(int16_t, FROM, INTEGER(INT16_MIN, INT16_MAX));                                            \
    break;                                                                                         \
  case WK_I8:                                                                                      \
    MOVE(int8_t, FROM, INTEGER(INT8_MIN, INT8_MAX));                                               \
    break;                                                                                         \
  case WK_U8:                                                                                      \
    MOVE(uint8_t, FROM, INTEGER(0, UINT8_MAX));                                                    \
    break;                                                                                         \
  default:                                                                                         \
    MOVE(uint8_t, FROM, f[i] != 0);                                                                \
  }

#define NEAREST(least, most) within((double)f[i], least, most)
#define WRAPPED(least, most) f[i]

static void from_f32(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(float, NEAREST, f[i])
}

static void from_f64(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(double, NEAREST, wk_f64_to_odd_f32(f[i]))
}

static void from_i64(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(int64_t, WRAPPED, wk_i64_to_odd_f32(f[i]))
}

static void from_bool(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(uint8_t, WRAPPED, f[i])
}

#define TILE 512

void wk_convert(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from, int64_t count) {
  const wk_dtype wide = wk_wide_dtype(from_dtype);
  void (*const cast)(wk_dtype, void *, const void *, int64_t) = wide == WK_F32   ? from_f32
                                                                : wide == WK_F64 ? from_f64
                                                                : wide == WK_I64 ? from_i64
                                                                                 : from_bool;
  if (wide == from_dtype) {
    cast(to_dtype, to, from, count);
    return;
  }
  int64_t tile[TILE];
  const size_t to_size = wk_dtype_size(to_dtype), from_size = wk_dtype_size(from_dtype);
  for (int64_t at = 0; at < count; at += TILE) {
    const int64_t part = count - at < TILE ? count - at : TILE;
    wk_widen(from_dtype, tile, (const char *)from + (size_t)at * from_size, part);
    cast(to_dtype, (char *)to + (size_t)at * to_size, tile, part);
  }
}
