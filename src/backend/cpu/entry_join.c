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
#define WEAVE 512   /* rows that are woven at a time */

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

/* elements[i * stride] = the i-th of those that lie side by side */
#define SPREAD(TYPE)                                                                               \
  for (int64_t i = 0; i < count; i++) ((TYPE *)(void *)to)[i * stride] = ((const TYPE *)from)[i]

static void spread(char *to, int64_t stride, const void *from, int64_t count, size_t size) {
  switch (size) {
  case 1:
    SPREAD(uint8_t);
    break;
  case 2:
    SPREAD(uint16_t);
    break;
  case 4:
    SPREAD(uint32_t);
    break;
  default:
    SPREAD(uint64_t);
  }
}

/* Each row holds one element of every input. */
static void weave_range(void *context, int64_t begin, int64_t end) {
  const join_run *r = context;
  const wk_operand *y = &r->call->outputs[0];
  const size_t size = wk_dtype_size(y->layout.dtype);
  uint64_t values[WEAVE];
  for (int64_t row = begin; row < end; row += WEAVE) {
    const int64_t count = end - row < WEAVE ? end - row : WEAVE;
    for (int k = 0; k < r->call->input_count; k++) {
      const wk_operand *x = &r->call->inputs[k];
      const void *from = values;
      if (wk_layout_is_contiguous(&x->layout))
        from = x->data + (size_t)row * size;
      else
        wk_collect((char *)values, x->data, &x->layout, row, count);
      spread(y->data + (size_t)(row * r->row + k) * size, r->row, from, count, size);
    }
  }
}

static bool can_weave(const join_run *r) {
  for (int k = 0; k < r->call->input_count; k++)
    if (elements_from(&r->call->inputs[k].layout, r->axis) != 1) return false;
  return r->row > 1;
}

wk_status wk_cpu_run_concatenate(const wk_kernel_call *call) {
  const wk_layout *y = &call->outputs[0].layout;
  const int axis = ((const wk_concatenate_arguments *)call->arguments)->axis;
  join_run r = {call, axis, elements_from(y, axis)};
  if (can_weave(&r)) {
    wk_parallel_for(wk_layout_count(y) / r.row, BLOCK / r.row + 1, weave_range, &r);
    return WK_OK;
  }
  wk_parallel_for(wk_layout_count(y), BLOCK, join_range, &r);
  return WK_OK;
}

/* ---- pad ---- */

#define PUT_BYTES 4096 /* that are copied at a time, so that they stay near */

typedef struct pad_run {
  const wk_pad_arguments *a;
  const wk_operand *x, *y;
  int axis;      /* the last one that is padded, */
  int64_t inner; /* and the elements behind it, which lie side by side in x too */
  size_t size;   /* of an element */
  char value[8];
} pad_run;

/* The first element, then as much again each time. */
static void put_value(const pad_run *r, char *to, int64_t count) {
  const size_t bytes = (size_t)(count * r->inner) * r->size;
  if (bytes == 0) return;
  memcpy(to, r->value, r->size);
  for (size_t done = r->size; done < bytes;) {
    size_t more = bytes - done < done ? bytes - done : done;
    if (more > PUT_BYTES) more = PUT_BYTES;
    memcpy(to + done, to, more);
    done += more;
  }
}

/* Places first .. end - 1 of a row of the result, where x is not, one by one. */
static void pad_ends(const pad_run *r, char *to, const char *from, int64_t first, int64_t end) {
  const size_t bytes = (size_t)r->inner * r->size;
  if (r->a->mode == WK_PAD_MODE_CONSTANT) {
    if (end > first) put_value(r, to + (size_t)first * bytes, end - first);
    return;
  }
  for (int64_t i = first; i < end; i++) {
    const int64_t place =
        wk_pad_source(r->a->mode, i - r->a->before.dims[r->axis], r->x->layout.dims[r->axis]);
    memcpy(to + (size_t)i * bytes, from + place * r->x->layout.strides[r->axis] * (int64_t)r->size,
           bytes);
  }
}

/* Places first .. first + count - 1 of x along the axis, and what is behind it. */
static void collect_line(const pad_run *r, char *to, const char *from, const wk_layout *line,
                         int64_t first, int64_t count) {
  const int64_t stride = line->strides[0];
  if (stride == r->inner)
    memcpy(to, from + first * stride * (int64_t)r->size, (size_t)(count * r->inner) * r->size);
  else
    wk_collect(to, from, line, first * r->inner, count * r->inner);
}

/* Rows of the result along the last axis that is padded. */
static void pad_range(void *context, int64_t begin, int64_t end) {
  const pad_run *r = context;
  const wk_layout *x = &r->x->layout, *y = &r->y->layout;
  const int axis = r->axis;
  const size_t bytes = (size_t)r->inner * r->size;
  const int64_t width = y->dims[axis], before = r->a->before.dims[axis];
  const int64_t from = before > 0 ? before : 0;
  const int64_t stop = before + x->dims[axis], limit = stop < width ? stop : width;
  const wk_layout line = {.dtype = x->dtype,
                          .rank = r->inner > 1 ? 2 : 1,
                          .dims = {x->dims[axis], r->inner},
                          .strides = {x->strides[axis], 1}};
  for (int64_t row = begin; row < end; row++) {
    char *to = r->y->data + (size_t)(row * width) * bytes;
    int64_t rest = row, position = 0;
    bool inside = true;
    for (int d = axis - 1; d >= 0; d--) {
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
    collect_line(r, to + (size_t)from * bytes, source, &line, from - before, limit - from);
    pad_ends(r, to, source, limit, width);
  }
}

const char *wk_cpu_refuse_pad(const wk_kernel_call *call) {
  return call->outputs[0].layout.rank ? NULL : "a single number";
}

static bool is_padded(const wk_pad_arguments *a, int axis) {
  return a->before.dims[axis] != 0 || a->after.dims[axis] != 0;
}

wk_status wk_cpu_run_pad(const wk_kernel_call *call) {
  const wk_layout *x = &call->inputs[0].layout, *y = &call->outputs[0].layout;
  pad_run r = {.a = call->arguments, .x = &call->inputs[0], .y = &call->outputs[0], .inner = 1};
  r.size = wk_dtype_size(y->dtype);
  wk_convert(y->dtype, r.value, WK_F64, &r.a->value, 1);
  for (r.axis = y->rank - 1; r.axis > 0; r.axis--) {
    if (is_padded(r.a, r.axis) || x->strides[r.axis] != r.inner) break;
    r.inner *= y->dims[r.axis];
  }
  const int64_t width = y->dims[r.axis] * r.inner;
  if (width == 0) return WK_OK;
  wk_parallel_for(wk_layout_count(y) / width, BLOCK / width + 1, pad_range, &r);
  return WK_OK;
}
