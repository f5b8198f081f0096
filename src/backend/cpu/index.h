/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_INDEX_H
#define WICK_BACKEND_CPU_INDEX_H

/* Loops that pick, put and add elements by index, for elements of 1, 2, 4 and 8 bytes. */

#include "ops/kernel.h"

#define WK_CPU_TILE 1024 /* elements */

/* y = x, whatever x's strides; y is row-major. */
void wk_cpu_copy_elements(const wk_operand *y, const wk_operand *x);

/* A place on an axis of `size`; with from_end a negative one counts from the end. */
static inline int64_t wk_cpu_resolve(int64_t place, int64_t size, bool from_end) {
  return from_end && place < 0 ? place + size : place;
}

/* What picks and puts returns false as soon as an index is not a place on its axis. */

/* to[i] = from[rows[i]], rows of `bytes` each. */
bool wk_cpu_take_rows(char *to, const char *from, const int64_t *rows, int64_t count, size_t bytes,
                      int64_t size, bool from_end);

/* to[i] = from[index[i] * stride + i], elements of `bytes` each. */
bool wk_cpu_take_elements(char *to, const char *from, const int64_t *index, int64_t count,
                          int64_t stride, size_t bytes, int64_t size);

/* Lines of `inner` elements, of which columns begin .. end - 1 are put: column i of line k of
 * `from` goes to column i of line index[k * inner + i] of the `size` lines at `to`. If `inner` is
 * 1, only what goes to lines first .. last - 1 is put. */
typedef struct wk_cpu_lines {
  wk_dtype dtype;
  char *to;
  const char *from;
  const int64_t *index;
  int64_t count, inner, begin, end;
  int64_t size, first, last;
  bool from_end;
} wk_cpu_lines;

/* Put in place, or added: integers wrap around, bool is or. Not for sums of floats of 16 bits. */
bool wk_cpu_put_lines(const wk_cpu_lines *lines, bool accumulate);

/* Each combined with what is there, in all lines; not for bool and floats of 16 bits. */
bool wk_cpu_reduce_lines(const wk_cpu_lines *lines, wk_scatter_reduction reduction);

/* The value that the reduction leaves others as they are with, `count` times. */
void wk_cpu_fill_neutral(wk_dtype dtype, wk_scatter_reduction reduction, char *to, int64_t count);

/* to[i] combined with from[i], as wk_cpu_reduce_lines does; a mean is summed. */
void wk_cpu_reduce_row(wk_dtype dtype, wk_scatter_reduction reduction, char *to, const char *from,
                       int64_t count);

/* to[i] /= divisor; integers round down. */
void wk_cpu_divide_row(wk_dtype dtype, char *to, int64_t count, int64_t divisor);

/* to[i] += from[i]; integers wrap around, bool is or. Not for floats of 16 bits. */
void wk_cpu_add_row(wk_dtype dtype, char *to, const char *from, int64_t count);

#endif
