/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of copies. */
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/index.h"
#include "backend/cpu/pointwise.h"
#include "base/parallel.h"
#include "ops/position.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */

wk_status wk_cpu_run_contiguous(const wk_kernel_call *call) {
  wk_cpu_copy_elements(&call->outputs[0], &call->inputs[0]);
  return WK_OK;
}

/* ---- slice_update ---- */

typedef struct part_run {
  wk_operand source;
  wk_layout part; /* in y, from `start` on */
  char *start;
} part_run;

/* Rows along the last axis of the part, one at a time. */
static void part_range(void *context, int64_t begin, int64_t end) {
  const part_run *r = context;
  const size_t size = wk_dtype_size(r->part.dtype);
  const int last = r->part.rank - 1;
  const int64_t row = r->part.dims[last], stride = r->part.strides[last];
  char values[1024 * 8];
  for (int64_t i = begin * row; i < end * row;) {
    const int64_t left = row - i % row, count = left < 1024 ? left : 1024;
    char *to = r->start + wk_layout_position(&r->part, i) * (int64_t)size;
    wk_collect(values, r->source.data, &r->source.layout, i, count);
    if (stride == 1) {
      memcpy(to, values, (size_t)count * size);
    } else {
      for (int64_t k = 0; k < count; k++)
        memcpy(to + k * stride * (int64_t)size, values + (size_t)k * size, size);
    }
    i += count;
  }
}

wk_status wk_cpu_run_slice_update(const wk_kernel_call *call) {
  const wk_slice_update_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  wk_cpu_copy_elements(y, &call->inputs[0]);
  const int64_t end = a->end < 0 ? -1 : a->end; /* WK_FIRST: backwards to the first element */
  const int64_t way = a->step > 0 ? 1 : -1, reach = (end - way - a->start) * way;
  if (reach < 0) return WK_OK; /* nothing between the bounds */
  part_run r = {.source = call->inputs[1], .part = y->layout};
  r.part.dims[a->axis] = reach / (a->step * way) + 1;
  r.part.strides[a->axis] *= a->step;
  r.start =
      y->data + a->start * y->layout.strides[a->axis] * (int64_t)wk_dtype_size(y->layout.dtype);
  wk_layout_align(&call->inputs[1].layout, &r.part, &r.source.layout);
  const int64_t row = r.part.dims[r.part.rank - 1], count = wk_layout_count(&r.part);
  if (count) wk_parallel_for(count / row, BLOCK / row + 1, part_range, &r);
  return WK_OK;
}

static void cast_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const size_t x_size = wk_dtype_size(x->layout.dtype), y_size = wk_dtype_size(y->layout.dtype);
  wk_convert(y->layout.dtype, y->data + (size_t)begin * y_size, x->layout.dtype,
             x->data + (size_t)begin * x_size, end - begin);
}

wk_status wk_cpu_run_cast(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, cast_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}
