/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of one dtype as rows of another, for one instruction set: loops that compilers make vectors
 * of. Nothing in them branches on an element, and counts are whole groups. */

#include <string.h>

#include "backend/cpu/isa/parts.h"
#include "base/half.h"

#define MOVE(TO, FROM, EXPRESSION)                                                                 \
  do {                                                                                             \
    for (int64_t group = 0; group < count; group += WK_CONVERT_GROUP) {                            \
      TO *restrict t = (TO *)to + group;                                                           \
      const FROM *restrict f = (const FROM *)from + group;                                         \
      for (int i = 0; i < WK_CONVERT_GROUP; i++) t[i] = (TO)(EXPRESSION);                          \
    }                                                                                              \
  } while (0)

/* The processor's own conversions of f16, which round as base/half.h does. */
#ifdef WK_HAS_F16
#define WIDEN_F16                                                                                  \
  for (int64_t i = 0; i < count; i += WK_VECTOR_BYTES / 4)                                         \
  wk_f32_store((float *)to + i, wk_f16_load((const uint16_t *)from + i))
#define NARROW_F16                                                                                 \
  for (int64_t i = 0; i < count; i += WK_VECTOR_BYTES / 4)                                         \
  wk_f16_store((uint16_t *)to + i, wk_f32_load((const float *)from + i))
#else
#define WIDEN_F16 MOVE(float, uint16_t, wk_f16_to_f32(f[i]))
#define NARROW_F16 MOVE(uint16_t, float, wk_f32_to_f16(f[i]))
#endif

/* ---- to the wide dtype and back ---- */

static void widen(wk_dtype dtype, void *to, const void *from, int64_t count) {
  switch (dtype) {
  case WK_F16:
    WIDEN_F16;
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

static void narrow(wk_dtype dtype, void *to, const void *from, int64_t count) {
  switch (dtype) {
  case WK_F16:
    NARROW_F16;
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

/* ---- cast ---- */

/* 0 for NaN, and no further than the ends, which are exact in double. */
static inline double bounded(double x, double least, double most) {
  x = x == x ? x : 0;
  x = x > least ? x : least;
  return x < most ? x : most;
}
static inline int32_t within(double x, int32_t least, int32_t most) {
  return (int32_t)bounded(x, least, most);
}
static inline int64_t whole(double x) {
  const int64_t inside = (int64_t)bounded(x, -0x1p63, 0x1.fffffffffffffp62);
  return x >= 0x1p63 ? INT64_MAX : inside;
}

/* WHOLE: f[i] as an i64; WITHIN(least, most): as a smaller integer; HALF: as an f32 that rounds to
 * 16 bits as f[i] does. */
#define CAST_FROM(FROM, WHOLE, WITHIN, HALF)                                                       \
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
    MOVE(int64_t, FROM, WHOLE);                                                                    \
    break;                                                                                         \
  case WK_I32:                                                                                     \
    MOVE(int32_t, FROM, WITHIN(INT32_MIN, INT32_MAX));                                             \
    break;                                                                                         \
  case WK_I16:                                                                                     \
    MOVE(int16_t, FROM, WITHIN(INT16_MIN, INT16_MAX));                                             \
    break;                                                                                         \
  case WK_I8:                                                                                      \
    MOVE(int8_t, FROM, WITHIN(INT8_MIN, INT8_MAX));                                                \
    break;                                                                                         \
  case WK_U8:                                                                                      \
    MOVE(uint8_t, FROM, WITHIN(0, UINT8_MAX));                                                     \
    break;                                                                                         \
  default:                                                                                         \
    MOVE(uint8_t, FROM, f[i] != 0);                                                                \
  }

#define NEAREST(least, most) within((double)f[i], least, most)
#define WRAPPED(least, most) f[i]

static void from_f32(wk_dtype dtype, void *to, const void *from, int64_t count) {
  if (dtype == WK_F16 || dtype == WK_BF16) {
    narrow(dtype, to, from, count);
    return;
  }
  CAST_FROM(float, whole((double)f[i]), NEAREST, f[i])
}

static void from_f64(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(double, whole(f[i]), NEAREST, wk_f64_to_odd_f32(f[i]))
}

static void from_i64(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(int64_t, f[i], WRAPPED, wk_i64_to_odd_f32(f[i]))
}

static void from_bool(wk_dtype dtype, void *to, const void *from, int64_t count) {
  CAST_FROM(uint8_t, f[i], WRAPPED, f[i])
}

/* Those of the smaller dtypes that programs do often. */
static bool cast_small(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                       int64_t count) {
  if (to_dtype == WK_F32 && from_dtype == WK_I32)
    MOVE(float, int32_t, f[i]);
  else if (to_dtype == WK_F32 && from_dtype == WK_U8)
    MOVE(float, uint8_t, f[i]);
  else if (to_dtype == WK_F64 && from_dtype == WK_I32)
    MOVE(double, int32_t, f[i]);
  else if (to_dtype == (from_dtype == WK_F16 || from_dtype == WK_BF16 ? WK_F32 : WK_I64))
    widen(from_dtype, to, from, count);
  else
    return false;
  return true;
}

static bool cast(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                 int64_t count) {
  switch (from_dtype) {
  case WK_F32:
    from_f32(to_dtype, to, from, count);
    return true;
  case WK_F64:
    from_f64(to_dtype, to, from, count);
    return true;
  case WK_I64:
    from_i64(to_dtype, to, from, count);
    return true;
  case WK_BOOL:
    from_bool(to_dtype, to, from, count);
    return true;
  default:
    return cast_small(to_dtype, to, from_dtype, from, count);
  }
}

const wk_isa_convert WK_ISA_NAME(wk_isa_convert) = {widen, narrow, cast};
