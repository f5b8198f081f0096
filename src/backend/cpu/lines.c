/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/lines.h"

#include "backend/cpu/pointwise.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

#define BLOCK 16384 /* elements a thread takes at a time */

typedef struct collection {
  char *to;
  const char *from;
  const wk_layout *layout;
} collection;

static void collect_range(void *context, int64_t begin, int64_t end) {
  const collection *c = context;
  wk_collect(c->to + (size_t)begin * wk_dtype_size(c->layout->dtype), c->from, c->layout, begin,
             end - begin);
}

static void collect(void *to, const void *from, const wk_layout *layout) {
  collection c = {to, from, layout};
  wk_parallel_for(wk_layout_count(layout), BLOCK, collect_range, &c);
}

/* The layout with `axis` moved to the end. */
static wk_layout axis_last(const wk_layout *x, int axis) {
  wk_layout y = *x;
  int at = 0;
  for (int i = 0; i < x->rank; i++) {
    if (i == axis) continue;
    y.dims[at] = x->dims[i], y.strides[at++] = x->strides[i];
  }
  if (x->rank > 0) y.dims[at] = x->dims[axis], y.strides[at] = x->strides[axis];
  return y;
}

static void measure(const wk_layout *x, int axis, wk_cpu_lines *lines) {
  *lines = (wk_cpu_lines){.count = 1, .length = x->rank ? x->dims[axis] : 1};
  for (int i = 0; i < x->rank; i++) lines->count *= i == axis ? 1 : x->dims[i];
}

static wk_status make_room(const wk_layout *x, wk_cpu_lines *lines) {
  lines->copy = wk_allocate((size_t)wk_layout_count(x) * wk_dtype_size(x->dtype) + 1);
  lines->data = lines->copy;
  return lines->copy ? WK_OK : wk_error_status();
}

wk_status wk_cpu_lines_of(const wk_operand *x, int axis, wk_cpu_lines *lines) {
  measure(&x->layout, axis, lines);
  const wk_layout moved = axis_last(&x->layout, axis);
  if (wk_layout_is_contiguous(&moved)) {
    lines->data = x->data;
    return WK_OK;
  }
  const wk_status status = make_room(&x->layout, lines);
  if (status == WK_OK) collect(lines->data, x->data, &moved);
  return status;
}

void wk_cpu_lines_free(wk_cpu_lines *lines) { wk_deallocate(lines->copy); }

wk_status wk_cpu_lines_for(const wk_operand *y, int axis, wk_cpu_lines *lines) {
  measure(&y->layout, axis, lines);
  const wk_layout moved = axis_last(&y->layout, axis);
  if (!wk_layout_is_contiguous(&moved)) return make_room(&y->layout, lines);
  lines->data = y->data;
  return WK_OK;
}

void wk_cpu_lines_finish(const wk_operand *y, int axis, wk_cpu_lines *lines) {
  if (!lines->copy) return;
  /* The room is row-major with the axis last: y's own order of axes, with the room's strides. */
  wk_layout room = axis_last(&y->layout, axis), view = y->layout;
  wk_layout_set_strides(&room);
  for (int i = 0; i < view.rank; i++)
    view.strides[i] = room.strides[i < axis ? i : i == axis ? view.rank - 1 : i - 1];
  collect(y->data, lines->data, &view);
  wk_deallocate(lines->copy);
}
