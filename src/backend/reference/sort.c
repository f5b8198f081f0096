/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "backend/reference/lines.h"
#include "base/memory.h"
#include "ops/records.gen.h"

typedef struct item {
  double real;
  int64_t integer;
  int64_t place;
} item;

/* Below 0 if a comes before b in ascending order; NaN is larger than all. */
static int compare(const item *a, const item *b) {
  if (isnan(a->real) || isnan(b->real)) return (isnan(a->real) ? 1 : 0) - (isnan(b->real) ? 1 : 0);
  if (a->real != b->real) return a->real < b->real ? -1 : 1;
  return a->integer < b->integer ? -1 : a->integer > b->integer;
}

/* Equal ones by their places, in both directions: so the order is stable. */
static int by_place(const item *a, const item *b) { return a->place < b->place ? -1 : 1; }

static int ascending(const void *a, const void *b) {
  const int order = compare(a, b);
  return order ? order : by_place(a, b);
}

static int descending(const void *a, const void *b) {
  const int order = compare(b, a);
  return order ? order : by_place(a, b);
}

static item item_at(const wk_operand *x, int64_t position, int64_t place) {
  if (wk_element_is_real(x->layout.dtype)) return (item){wk_element_real(x, position), 0, place};
  return (item){0, wk_element_integer(x, position), place};
}

/* Sorts every line of x; the outputs take as many elements of each as they have. */
static wk_status sort_lines(const wk_kernel_call *call, int axis, bool largest_first) {
  const wk_operand *x = &call->inputs[0], *values = &call->outputs[0], *places = &call->outputs[1];
  const int64_t length = wk_line_length(&x->layout, axis);
  const int64_t taken = wk_line_length(&values->layout, axis);
  const int64_t lines = length ? wk_line_count(&x->layout, axis) : 0;
  const int64_t x_step = wk_line_step(&x->layout, axis);
  const int64_t y_step = wk_line_step(&values->layout, axis);
  item *items = wk_allocate_zeroed((size_t)length + 1, sizeof *items);
  if (!items) return wk_error_status();
  for (int64_t line = 0; line < lines; line++) {
    const int64_t x_start = wk_line_start(&x->layout, axis, line);
    const int64_t y_start = wk_line_start(&values->layout, axis, line);
    for (int64_t i = 0; i < length; i++) items[i] = item_at(x, x_start + i * x_step, i);
    qsort(items, (size_t)length, sizeof *items, largest_first ? descending : ascending);
    for (int64_t i = 0; i < taken; i++) {
      wk_element_copy(values, y_start + i * y_step, x, x_start + items[i].place * x_step);
      wk_element_set_integer(places, y_start + i * y_step, items[i].place);
    }
  }
  wk_deallocate(items);
  return WK_OK;
}

wk_status wk_reference_run_sort(const wk_kernel_call *call) {
  const wk_sort_arguments *a = call->arguments;
  return sort_lines(call, a->axis, a->descending);
}

wk_status wk_reference_run_top_k(const wk_kernel_call *call) {
  const wk_top_k_arguments *a = call->arguments;
  return sort_lines(call, a->axis, !a->smallest);
}

/* How many of the line's elements come before `value`, or are equal to it if `right`. */
static int64_t search(const wk_operand *sorted, int64_t start, const item *value, bool right) {
  const int last = sorted->layout.rank - 1;
  int64_t low = 0, high = sorted->layout.dims[last];
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const item here = item_at(sorted, start + middle * sorted->layout.strides[last], 0);
    const int order = compare(&here, value);
    if (order < 0 || (right && order == 0))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

wk_status wk_reference_run_search_sorted(const wk_kernel_call *call) {
  const wk_search_sorted_arguments *a = call->arguments;
  const wk_operand *sorted = &call->inputs[0], *values = &call->inputs[1];
  const wk_layout *layout = &values->layout;
  const int last = layout->rank - 1;
  const int64_t count = wk_layout_count(layout);
  const int64_t length = layout->rank ? layout->dims[last] : 1;
  for (int64_t i = 0; i < count; i++) {
    const int64_t start = sorted->layout.rank == 1
                              ? 0
                              : wk_line_start(&sorted->layout, sorted->layout.rank - 1, i / length);
    const item value = item_at(values, wk_layout_position(layout, i), 0);
    wk_element_set_integer(&call->outputs[0], i, search(sorted, start, &value, a->right));
  }
  return WK_OK;
}
