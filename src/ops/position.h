/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_POSITION_H
#define WICK_OPS_POSITION_H

/* What ops that pick elements by index share. */

#include "ops/kernel.h"

/* Raises WK_ERROR_INDEX, naming the first, unless all of the i64 indices are from 0 to size - 1, or
 * from -size with `from_end`. */
wk_status wk_indices_check(const wk_operand *indices, int64_t size, bool from_end);

/* An index of several tensors: they take the place of x's axes axis .. axis + count - 1. */
typedef struct wk_index_plan {
  int axis, count;
  wk_layout joint;       /* sizes that the index tensors broadcast to */
  wk_layout selected;    /* sizes of what is selected of x */
  int64_t outer, inner;  /* elements of x before and after those axes */
  int64_t rows, outputs; /* elements of x on those axes; how many of them are selected */
} wk_index_plan;

/* Works it out for x and the layouts that begin at indices; raises errors of sizes. */
wk_status wk_index_plan_make(wk_index_plan *plan, const wk_layout *x,
                             const wk_layout *const *indices, int count, int axis);

/* For each of plan->outputs the row of x that it selects, checked. `rows`: room for them. */
wk_status wk_index_plan_rows(const wk_index_plan *plan, const wk_layout *x,
                             const wk_operand *indices, bool from_end, int64_t *rows);

/* A place on an axis of `size`, counted from the end if negative, made non-negative; -1 on error.
 */
int64_t wk_place_resolve(int64_t place, int64_t size, int axis);

/* An axis where a tensor without dimensions counts as one of a single element; -1 on error. */
int wk_axis_or_zero(int axis, int rank);

/* Strides of a tensor over the joint sizes it is broadcast to, aligned at the last axis. */
void wk_layout_align(const wk_layout *from, const wk_layout *joint, wk_layout *to);

/* Zeros that take no memory: a single one, repeated. */
wk_tensor *wk_zeros_shaped(const wk_layout *layout, const wk_tensor *beside);

/* g with zeros behind until it has the layout's sizes: where source is larger than index. */
wk_tensor *wk_pad_behind(wk_tensor *g, const wk_layout *source);

/* The infer of scatter and its like; resolves *axis. */
wk_status wk_infer_scatter_of(wk_call *call, int *axis);

/* The numbers 0, 1, ... as i64 [count], where `beside` is. */
wk_tensor *wk_counting(int64_t count, const wk_tensor *beside);

#endif
