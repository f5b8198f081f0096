/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_LINES_H
#define WICK_BACKEND_CPU_LINES_H

/* The lines of a tensor along one axis, each side by side in memory: where they lie if that is how
 * the tensor lies, else in a copy. */

#include "ops/kernel.h"

typedef struct wk_cpu_lines {
  char *data;
  int64_t count, length;
  void *copy; /* to be freed, or NULL */
} wk_cpu_lines;

/* Of an operand with any strides. wk_cpu_lines_free in any case. */
wk_status wk_cpu_lines_of(const wk_operand *x, int axis, wk_cpu_lines *lines);
void wk_cpu_lines_free(wk_cpu_lines *lines);

/* Room for the lines of a row-major result; wk_cpu_lines_finish moves them to where they belong. */
wk_status wk_cpu_lines_for(const wk_operand *y, int axis, wk_cpu_lines *lines);
void wk_cpu_lines_finish(const wk_operand *y, int axis, wk_cpu_lines *lines);

#endif
