/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/index.h"

#include <string.h>

/* Runs LOOP with `element` as an unsigned type of `size` bytes. */
#define FOR_SIZE(size, LOOP)                                                                       \
  do {                                                                                             \
    switch (size) {                                                                                \
    case 1: {                                                                                      \
      typedef uint8_t element;                                                                     \
      LOOP                                                                                         \
    } break;                                                                                       \
    case 2: {                                                                                      \
      typedef uint16_t element;                                                                    \
      LOOP                                                                                         \
    } break;                                                                                       \
    case 4: {                                                                                      \
      typedef uint32_t element;                                                                    \
      LOOP                                                                                         \
    } break;                                                                                       \
    default: {                                                                                     \
      typedef uint64_t element;                                                                    \
      LOOP                                                                                         \
    }                                                                                              \
    }                                                                                              \
  } while (0)

/* Runs LOOP with `element` as the type whose addition is the dtype's; integers wrap around. */
#define FOR_SUMS(dtype, LOOP)                                                                      \
  do {                                                                                             \
    if ((dtype) == WK_F32) {                                                                       \
      typedef float element;                                                                       \
      LOOP                                                                                         \
    } else if ((dtype) == WK_F64) {                                                                \
      typedef double element;                                                                      \
      LOOP                                                                                         \
    } else {                                                                                       \
      FOR_SIZE(wk_dtype_size(dtype), LOOP);                                                        \
    }                                                                                              \
  } while (0)

void wk_cpu_take_rows(char *to, const char *from, const int64_t *rows, int64_t count,
                      size_t bytes) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
    for (int64_t i = 0; i < count; i++)
      memcpy(to + (size_t)i * bytes, from + (size_t)rows[i] * bytes, bytes);
    return;
  }
  FOR_SIZE(bytes, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    for (int64_t i = 0; i < count; i++) out[i] = in[rows[i]];
  });
}

void wk_cpu_take_elements(char *to, const char *from, const int64_t *index, int64_t count,
                          int64_t stride, size_t size) {
  FOR_SIZE(size, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    for (int64_t i = 0; i < count; i++) out[i] = in[index[i] * stride + i];
  });
}

/* Bool: what is not 0 is true, so that or is addition. */
static void or_lines(char *to, const char *from, const int64_t *index, int64_t count,
                     int64_t inner) {
  for (int64_t i = 0; i < count; i++)
    to[index[i] * inner + i % inner] = to[index[i] * inner + i % inner] || from[i];
}

void wk_cpu_put_lines(wk_dtype dtype, char *to, const char *from, const int64_t *index,
                      int64_t count, int64_t inner, bool accumulate) {
  if (accumulate && dtype == WK_BOOL) {
    or_lines(to, from, index, count, inner);
  } else if (accumulate) {
    FOR_SUMS(dtype, {
      element *out = (element *)(void *)to;
      const element *in = (const element *)(const void *)from;
      for (int64_t line = 0; line < count; line += inner)
        for (int64_t i = 0; i < inner; i++) {
          element *sum = &out[index[line + i] * inner + i];
          *sum = (element)(*sum + in[line + i]);
        }
    });
  } else {
    FOR_SIZE(wk_dtype_size(dtype), {
      element *out = (element *)(void *)to;
      const element *in = (const element *)(const void *)from;
      for (int64_t line = 0; line < count; line += inner)
        for (int64_t i = 0; i < inner; i++) out[index[line + i] * inner + i] = in[line + i];
    });
  }
}

void wk_cpu_add_row(wk_dtype dtype, char *to, const char *from, int64_t count) {
  if (dtype == WK_BOOL) {
    for (int64_t i = 0; i < count; i++) to[i] = to[i] || from[i];
    return;
  }
  FOR_SUMS(dtype, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    for (int64_t i = 0; i < count; i++) out[i] = (element)(out[i] + in[i]);
  });
}
