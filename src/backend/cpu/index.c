/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/index.h"

#include <math.h>
#include <string.h>

#include "backend/cpu/isa.h"

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

#define AHEAD 8 /* rows that are fetched before they are copied */

/* Any bits may be an index: an address that is only fetched need not be one. */
static void fetch_row(const char *from, int64_t row, size_t bytes) {
  const uintptr_t at = (uintptr_t)from + (uintptr_t)row * bytes;
  for (size_t i = 0; i < bytes && i < 512; i += 64) __builtin_prefetch((const void *)(at + i));
}

static bool take_long_rows(char *to, const char *from, const int64_t *rows, int64_t count,
                           size_t bytes, int64_t size, bool from_end) {
  for (int64_t i = 0; i < count; i++) {
    if (bytes >= 64 && i + AHEAD < count) fetch_row(from, rows[i + AHEAD], bytes);
    const int64_t row = wk_cpu_resolve(rows[i], size, from_end);
    if ((uint64_t)row >= (uint64_t)size) return false;
    memcpy(to + (size_t)i * bytes, from + (size_t)row * bytes, bytes);
  }
  return true;
}

bool wk_cpu_take_rows(char *to, const char *from, const int64_t *rows, int64_t count, size_t bytes,
                      int64_t size, bool from_end) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
    return take_long_rows(to, from, rows, count, bytes, size, from_end);
  FOR_SIZE(bytes, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    for (int64_t i = 0; i < count; i++) {
      const int64_t row = wk_cpu_resolve(rows[i], size, from_end);
      if ((uint64_t)row >= (uint64_t)size) return false;
      out[i] = in[row];
    }
  });
  return true;
}

bool wk_cpu_take_elements(char *to, const char *from, const int64_t *index, int64_t count,
                          int64_t stride, size_t bytes, int64_t size) {
  FOR_SIZE(bytes, {
    element *out = (element *)(void *)to;
    const element *in = (const element *)(const void *)from;
    for (int64_t i = 0; i < count; i++) {
      if ((uint64_t)index[i] >= (uint64_t)size) return false;
      out[i] = in[index[i] * stride + i];
    }
  });
  return true;
}

/* Lines lie far apart: some further on are fetched. */
static inline void fetch_line(const wk_cpu_lines *l, const void *from, size_t size, int64_t line) {
  const int64_t later = line + 4 * l->inner, first = later + l->begin, last = later + l->end;
  if (l->inner == 1 || later >= l->count * l->inner) return;
  for (int64_t i = first; i < last; i += 8) __builtin_prefetch(l->index + i);
  for (int64_t i = first; i < last; i += 64 / (int64_t)size)
    __builtin_prefetch((const char *)from + i * (int64_t)size);
}

/* Runs over the lines with `at` the element put to and `b` the one put. Lines of one element are
 * taken as one line, all of whose elements are of column 0. */
#define FOR_LINES(...)                                                                             \
  do {                                                                                             \
    element *const out = (element *)(void *)l->to;                                                 \
    const element *const from = (const element *)(const void *)l->from;                            \
    const int64_t inner = l->inner, begin = l->begin, size = l->size, all = l->count * inner;      \
    const bool from_end = l->from_end, single = inner == 1;                                        \
    const int64_t end = single ? all : l->end, step = single ? all : inner,                        \
                  column = single ? 0 : -1;                                                        \
    for (int64_t line = 0; line < all; line += step) {                                             \
      const int64_t *const index = l->index + line;                                                \
      const element *const in = from + line;                                                       \
      fetch_line(l, from, sizeof(element), line);                                                  \
      for (int64_t i = begin; i < end; i++) {                                                      \
        const int64_t row = wk_cpu_resolve(index[i], size, from_end);                              \
        if ((uint64_t)row >= (uint64_t)size) return false;                                         \
        element *const at = &out[row * inner + (i & column)];                                      \
        const element b = in[i];                                                                   \
        __VA_ARGS__                                                                                \
      }                                                                                            \
    }                                                                                              \
  } while (0)

#define LIST 256

/* Some elements that are put into a part of the lines: where from, and where to. */
typedef struct element_list {
  int64_t count, from[LIST], to[LIST];
} element_list;

/* Lists what goes into the part, from line *next on; lines are single elements. Whether an element
 * does nobody foresees: there is no branch on it. */
static bool list_part(const wk_cpu_lines *l, int64_t *next, element_list *list) {
  const int64_t first = l->first, size = l->size, end = l->count;
  const uint64_t span = (uint64_t)(l->last - first);
  const bool from_end = l->from_end;
  int64_t count = 0, i = *next;
  for (; i < end && count < LIST; i++) {
    const int64_t row = wk_cpu_resolve(l->index[i], size, from_end);
    if ((uint64_t)row >= (uint64_t)size) return false;
    list->from[count] = i;
    list->to[count] = row;
    count += (uint64_t)(row - first) < span;
  }
  list->count = count;
  *next = i;
  return true;
}

/* The same for a part of the lines. */
#define FOR_PART(...)                                                                              \
  do {                                                                                             \
    element *const out = (element *)(void *)l->to;                                                 \
    const element *const from = (const element *)(const void *)l->from;                            \
    element_list list;                                                                             \
    for (int64_t next = 0; next < l->count;) {                                                     \
      if (!list_part(l, &next, &list)) return false;                                               \
      for (int64_t k = 0; k < list.count; k++) {                                                   \
        element *const at = &out[list.to[k]];                                                      \
        const element b = from[list.from[k]];                                                      \
        __VA_ARGS__                                                                                \
      }                                                                                            \
    }                                                                                              \
  } while (0)

bool wk_cpu_put_lines(const wk_cpu_lines *l, bool accumulate) {
  const bool part = l->last - l->first < l->size;
  if (accumulate && l->dtype == WK_BOOL) {
    typedef uint8_t element;
    if (part)
      FOR_PART(*at = *at || b;);
    else
      FOR_LINES(*at = *at || b;);
  } else if (accumulate && part) {
    FOR_SUMS(l->dtype, FOR_PART(*at = (element)(*at + b););); /* small ones wrap around */
  } else if (accumulate) {
    FOR_SUMS(l->dtype, FOR_LINES(*at = (element)(*at + b);););
  } else if (part) {
    FOR_SIZE(wk_dtype_size(l->dtype), FOR_PART(*at = b;););
  } else {
    FOR_SIZE(wk_dtype_size(l->dtype), FOR_LINES(*at = b;););
  }
  return true;
}

/* What is not equal to itself, NaN, stays; without branches. */
#define KEEP_IF(KEPT)                                                                              \
  const element a = *at, both[2] = {b, a};                                                         \
  *at = both[(a != a) | (KEPT)]

/* The product of integers is taken in unsigned ones, so that it wraps around. */
bool wk_cpu_reduce_lines(const wk_cpu_lines *l, wk_scatter_reduction reduction) {
  const bool is_float = l->dtype == WK_F32 || l->dtype == WK_F64;
  if (reduction == WK_SCATTER_REDUCTION_SUM) return wk_cpu_put_lines(l, true);
  if (reduction == WK_SCATTER_REDUCTION_PRODUCT && !is_float)
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = (element)((uint64_t)*at * (uint64_t)b);););
  else if (reduction == WK_SCATTER_REDUCTION_PRODUCT)
    FOR_NUMBERS(l->dtype, FOR_LINES(*at = (element)(*at * b);););
  else if (reduction == WK_SCATTER_REDUCTION_MAX)
    FOR_NUMBERS(l->dtype, FOR_LINES(KEEP_IF(a > b);););
  else
    FOR_NUMBERS(l->dtype, FOR_LINES(KEEP_IF(a < b);););
  return true;
}

void wk_cpu_add_row(wk_dtype dtype, char *to, const char *from, int64_t count) {
  if (dtype == WK_BOOL) {
    for (int64_t i = 0; i < count; i++) to[i] = to[i] || from[i];
    return;
  }
  if (dtype == WK_F32 || dtype == WK_F64) {
    wk_cpu_isa_get()->product[wk_isa_real_of(dtype)]->add(to, from, count);
    return;
  }
  FOR_SIZE(wk_dtype_size(dtype), {
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
