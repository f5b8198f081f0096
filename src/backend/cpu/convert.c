/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/convert.h"

#include <string.h>

#include "backend/cpu/isa.h"

static void widen(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                  int64_t count) {
  (void)to_dtype;
  wk_cpu_isa_get()->convert->widen(from_dtype, to, from, count);
}

static void narrow(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                   int64_t count) {
  (void)from_dtype;
  wk_cpu_isa_get()->convert->narrow(to_dtype, to, from, count);
}

#define TILE 512

/* Any dtype but those that are cast at once goes by way of its wide one. */
static void cast(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                 int64_t count) {
  const wk_isa_convert *convert = wk_cpu_isa_get()->convert;
  if (convert->cast(to_dtype, to, from_dtype, from, count)) return;
  int64_t tile[TILE];
  const size_t to_size = wk_dtype_size(to_dtype), from_size = wk_dtype_size(from_dtype);
  for (int64_t at = 0; at < count; at += TILE) {
    const int64_t part = count - at < TILE ? count - at : TILE;
    convert->widen(from_dtype, tile, (const char *)from + (size_t)at * from_size, part);
    convert->cast(to_dtype, (char *)to + (size_t)at * to_size, wk_wide_dtype(from_dtype), tile,
                  part);
  }
}

/* Whole groups where they lie; the last few elements with zeros behind them. */
static void convert(void (*run)(wk_dtype, void *, wk_dtype, const void *, int64_t),
                    wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from,
                    int64_t count) {
  const int64_t whole = count / WK_CONVERT_GROUP * WK_CONVERT_GROUP, rest = count - whole;
  const size_t to_size = wk_dtype_size(to_dtype), from_size = wk_dtype_size(from_dtype);
  if (whole > 0) run(to_dtype, to, from_dtype, from, whole);
  if (rest == 0) return;
  int64_t in[WK_CONVERT_GROUP] = {0}, out[WK_CONVERT_GROUP];
  memcpy(in, (const char *)from + (size_t)whole * from_size, (size_t)rest * from_size);
  run(to_dtype, out, from_dtype, in, WK_CONVERT_GROUP);
  memcpy((char *)to + (size_t)whole * to_size, out, (size_t)rest * to_size);
}

void wk_widen(wk_dtype dtype, void *to, const void *from, int64_t count) {
  convert(widen, wk_wide_dtype(dtype), to, dtype, from, count);
}

void wk_narrow_elements(wk_dtype dtype, void *to, const void *from, int64_t count) {
  convert(narrow, dtype, to, wk_wide_dtype(dtype), from, count);
}

void wk_convert(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from, int64_t count) {
  convert(cast, to_dtype, to, from_dtype, from, count);
}
