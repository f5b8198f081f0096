/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of copies into a larger tensor: concatenate and pad. */
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/pointwise.h"
#include "base/parallel.h"
#include "ops/pad.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */

/* ---- concatenate ---- */

typedef struct join_run {
  const wk_kernel_call *call;
  int axis;
  int64_t row; /* elements of the result for one place of the axes before the joint one */
} join_run;

static int64_t elements_from(const wk_layout *layout, int axis) {
  int64_t count = 1;
  for (int i = axis; i < layout->rank; i++) count *= layout->dims[i];
  return count;
}

/* Each row holds a part of every input. */
static void join_range(void *context, int64_t begin, int64_t end) {
  const join_run *r = context;
  const wk_operand *y = &r->call->outputs[0];
  const size_t size = wk_dtype_size(y->layout.dtype);
  while (begin < end) {
    const int64_t row = begin / r->row;
    int64_t at = begin % r->row;
    for (int k = 0; k < r->call->input_count && begin < end; k++) {
      const wk_operand *x = &r->call->inputs[k];
      const int64_t part = elements_from(&x->layout, r->axis);
      if (at < part) {
        const int64_t left = part - at, count = left < end - begin ? left : end - begin;
        wk_collect(y->data + (size_t)begin * size, x->data, &x->layout, row * part + at, count);
        begin += count;
        at += count;
      }
      at -= part;
    }
  }
}

wk_status wk_cpu_run_concatenate(const wk_kernel_call *call) {
  const wk_layout *y = &call->outputs[0].layout;
  const int axis = ((const wk_concatenate_arguments *)call->arguments)->axis;
  join_run r = {call, axis, elements_from(y, axis)};
  wk_parallel_for(wk_layout_count(y), BLOCK, join_range, &r);
  return WK_OK;
}

/* ---- pad ---- */

typedef struct pad_run {
  const wk_pad_arguments *a;
  const wk_operand *x, *y;
  size_t size;
  char value[8];
} pad_run;

static void put_value(const pad_run *r, char *to, int64_t count) {
  for (int64_t i = 0; i < count; i++) memcpy(to + (size_t)i * r->size, r->value, r->size);
}

/* Elements first .. end - 1 of a row of the result, where x is not, one by one. */
static void pad_ends(const pad_run *r, char *to, const char *from, int64_t first, int64_t end) {
  const int last = r->y->layout.rank - 1;
  if (r->a->mode == WK_PAD_MODE_CONSTANT) {
    if (end > first) put_value(r, to + (size_t)first * r->size, end - first);
    return;
  }
  for (int64_t i = first; i < end; i++) {
    const int64_t place =
        wk_pad_source(r->a->mode, i - r->a->before.dims[last], r->x->layout.dims[last]);
    memcpy(to + (size_t)i * r->size, from + place * r->x->layout.strides[last] * (int64_t)r->size,
           r->size);
  }
}

/* Rows of the result along its last axis. */
static void pad_range(void *context, int64_t begin, int64_t end) {
  const pad_run *r = context;
  const wk_layout *x = &r->x->layout, *y = &r->y->layout;
  const int last = y->rank - 1;
  const int64_t width = y->dims[last], before = r->a->before.dims[last];
  const int64_t from = before > 0 ? before : 0;
  const int64_t stop = before + x->dims[last], limit = stop < width ? stop : width;
  for (int64_t row = begin; row < end; row++) {
    char *to = r->y->data + (size_t)(row * width) * r->size;
    int64_t rest = row, position = 0;
    bool inside = true;
    for (int d = last - 1; d >= 0; d--) {
      const int64_t place =
          wk_pad_source(r->a->mode, rest % y->dims[d] - r->a->before.dims[d], x->dims[d]);
      inside = inside && place >= 0;
      position += place * x->strides[d];
      rest /= y->dims[d];
    }
    if (!inside || limit <= from) {
      if (inside && r->a->mode != WK_PAD_MODE_CONSTANT)
        pad_ends(r, to, r->x->data + position * (int64_t)r->size, 0, width);
      else
        put_value(r, to, width);
      continue;
    }
    const char *source = r->x->data + position * (int64_t)r->size;
    pad_ends(r, to, source, 0, from);
    wk_layout line = {.dtype = x->dtype,
                      .rank = 1,
                      .dims = {x->dims[last]},
                      .strides = {x->strides[last]}};
    wk_collect(to + (size_t)from * r->size, source, &line, from - before, limit - from);
    pad_ends(r, to, source, limit, width);
  }
}

const char *wk_cpu_refuse_pad(const wk_kernel_call *call) {
  return call->outputs[0].layout.rank ? NULL : "a single number";
}

wk_status wk_cpu_run_pad(const wk_kernel_call *call) {
  const wk_layout *y = &call->outputs[0].layout;
  pad_run r = {.a = call->arguments, .x = &call->inputs[0], .y = &call->outputs[0]};
  r.size = wk_dtype_size(y->dtype);
  wk_convert(y->dtype, r.value, WK_F64, &r.a->value, 1);
  const int64_t width = y->dims[y->rank - 1];
  wk_parallel_for(wk_layout_count(y) / width, BLOCK / width + 1, pad_range, &r);
  return WK_OK;
}
