/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/index.h"

#include <math.h>
#include <string.h>

/* Runs the loop with `element` as an unsigned type of `size` bytes. */
#define FOR_SIZE(size, ...)                                                                        \
  do {                                                                                             \
    switch (size) {                                                                                \
    case 1: {                                                                                      \
      typedef uint8_t element;                                                                     \
      __VA_ARGS__                                                                                  \
    } break;                                                                                       \
    case 2: {                                                                                      \
      typedef uint16_t element;                                                                    \
      __VA_ARGS__                                                                                  \
    } break;                                                                                       \
    case 4: {                                                                                      \
      typedef uint32_t element;                                                                    \
      __VA_ARGS__                                                                                  \
    } break;                                                                                       \
    default: {                                                                                     \
      typedef uint64_t element;                                                                    \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
    }                                                                                              \
  } while (0)

/* Runs the loop with `element` as the type whose addition is the dtype's; integers wrap around. */
#define FOR_SUMS(dtype, ...)                                                                       \
  do {                                                                                             \
    if ((dtype) == WK_F32) {                                                                       \
      typedef float element;                                                                       \
      __VA_ARGS__                                                                                  \
    } else if ((dtype) == WK_F64) {                                                                \
      typedef double element;                                                                      \
      __VA_ARGS__                                                                                  \
    } else {                                                                                       \
      FOR_SIZE(wk_dtype_size(dtype), __VA_ARGS__);                                                 \
    }                                                                                              \
  } while (0)

/* Runs the loop with `element` as the C type of the dtype, and LEAST and MOST as its ends. */
#define CASE_NUMBER(DTYPE, type, least_value, most_value, ...)                                     \
  case DTYPE: {                                                                                    \
    typedef type element;                                                                          \
    const element least = least_value, most = most_value;                                          \
    (void)least, (void)most;                                                                       \
    __VA_ARGS__                                                                                    \
  } break;

#define FOR_NUMBERS(dtype, ...)                                                                    \
  do {                                                                                             \
    switch (dtype) {                                                                               \
      CASE_NUMBER(WK_F32, float, -INFINITY, INFINITY, __VA_ARGS__)                                 \
      CASE_NUMBER(WK_F64, double, -INFINITY, INFINITY, __VA_ARGS__)                                \
      CASE_NUMBER(WK_I64, int64_t, INT64_MIN, INT64_MAX, __VA_ARGS__)                              \
      CASE_NUMBER(WK_I32, int32_t, INT32_MIN, INT32_MAX, __VA_ARGS__)                              \
      CASE_NUMBER(WK_I16, int16_t, INT16_MIN, INT16_MAX, __VA_ARGS__)                              \
      CASE_NUMBER(WK_I8, int8_t, INT8_MIN, INT8_MAX, __VA_ARGS__)                                  \
      CASE_NUMBER(WK_U8, uint8_t, 0, UINT8_MAX, __VA_ARGS__)                                       \
    default:                                                                                       \
      break;                                                                                       \
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

/* Runs over the lines with `at` the element put to and `b` the one put. */
#define FOR_LINES(...)                                                                             \
  do {                                                                                             \
    element *out = (element *)(void *)l->to;                                                       \
    const element *in = (const element *)(const void *)l->from;                                    \
    for (int64_t line = 0; line < l->count * l->inner; line += l->inner)                           \
      for (int64_t i = l->begin; i < l->end; i++) {                                                \
        element *at = &out[l->index[line + i] * l->inner + i];                                     \
        const element b = in[line + i];                                                            \
        __VA_ARGS__                                                                                \
      }                                                                                            \
  } while (0)

void wk_cpu_put_lines(const wk_cpu_lines *l, bool accumulate) {
  if (accumulate && l->dtype == WK_BOOL) {
    typedef uint8_t element;
    FOR_LINES(*at = *at || b;);
  } else if (accumulate) {
    FOR_SUMS(l->dtype, FOR_LINES(*at = (element)(*at + b););); /* small ones wrap around */
  } else {
    FOR_SIZE(wk_dtype_size(l->dtype), FOR_LINES(*at = b;););
  }
}

/* The product of integers is taken in unsigned ones, so that it wraps around. */
void wk_cpu_reduce_lines(const wk_cpu_lines *l, wk_scatter_reduction reduction) {
  const bool is_float = l->dtype == WK_F32 || l->dtype == WK_F64;
  if (reduction == WK_SCATTER_REDUCTION_SUM)
    wk_cpu_put_lines(l, true);
  else if (reduction == WK_SCATTER_REDUCTION_PRODUCT && !is_float)
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = (element)((uint64_t)*at * (uint64_t)b);););
  else if (reduction == WK_SCATTER_REDUCTION_PRODUCT)
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = (element)(*at * b);););
  else if (reduction == WK_SCATTER_REDUCTION_MAX)
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = *at != *at || *at > b ? *at : b;););
  else
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = *at != *at || *at < b ? *at : b;););
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

void wk_cpu_fill_neutral(wk_dtype dtype, wk_scatter_reduction reduction, char *to, int64_t count) {
  FOR_NUMBERS(dtype, {
    element *out = (element *)(void *)to;
    const element value = reduction == WK_SCATTER_REDUCTION_MAX       ? least
                          : reduction == WK_SCATTER_REDUCTION_MIN     ? most
                          : reduction == WK_SCATTER_REDUCTION_PRODUCT ? 1
                                                                      : 0;
    for (int64_t i = 0; i < count; i++) out[i] = value;
  });
}

/* The product of integers is taken in unsigned ones, so that it wraps around. */
static void multiply_row(wk_dtype dtype, char *to, const char *from, int64_t count) {
  const bool is_float = dtype == WK_F32 || dtype == WK_F64;
  FOR_NUMBERS(dtype, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    if (is_float)
      for (int64_t i = 0; i < count; i++) out[i] = (element)(out[i] * in[i]);
    else
      for (int64_t i = 0; i < count; i++) out[i] = (element)((uint64_t)out[i] * (uint64_t)in[i]);
  });
}

/* What is not equal to itself, NaN, stays. Without branches, so that it is vectorised. */
#define FOR_ROW(KEPT)                                                                              \
  FOR_NUMBERS(dtype, {                                                                             \
    element *out = (element *)(void *)to;                                                          \
    const element *in = (const element *)(const void *)from;                                       \
    for (int64_t i = 0; i < count; i++) {                                                          \
      const element a = out[i], b = in[i];                                                         \
      out[i] = ((a != a) | (KEPT)) ? a : b;                                                        \
    }                                                                                              \
  })

void wk_cpu_reduce_row(wk_dtype dtype, wk_scatter_reduction reduction, char *to, const char *from,
                       int64_t count) {
  switch (reduction) {
  case WK_SCATTER_REDUCTION_PRODUCT:
    multiply_row(dtype, to, from, count);
    break;
  case WK_SCATTER_REDUCTION_MAX:
    FOR_ROW(a > b);
    break;
  case WK_SCATTER_REDUCTION_MIN:
    FOR_ROW(a < b);
    break;
  default:
    wk_cpu_add_row(dtype, to, from, count);
  }
}

void wk_cpu_divide_row(wk_dtype dtype, char *to, int64_t count, int64_t divisor) {
  if (dtype == WK_F32) {
    float *out = (float *)(void *)to;
    for (int64_t i = 0; i < count; i++) out[i] /= (float)divisor;
    return;
  }
  if (dtype == WK_F64) {
    double *out = (double *)(void *)to;
    for (int64_t i = 0; i < count; i++) out[i] /= (double)divisor;
    return;
  }
  FOR_NUMBERS(dtype, {
    element *out = (element *)(void *)to;
    for (int64_t i = 0; i < count; i++) {
      const int64_t whole = (int64_t)out[i];
      out[i] = (element)(whole / divisor - (whole % divisor < 0));
    }
  });
}
