/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/pointwise.h"

#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/isa.h"
#include "base/parallel.h"
#include "ops/position.h"

#define TILE 1024         /* elements; a handful of such tiles fit a 32 KiB cache */
#define BLOCK (16 * TILE) /* elements a thread takes at a time */
#define MAX_OPERANDS (WK_MAX_INPUTS + 1)

typedef struct pointwise_run {
  const wk_kernel_call *call;
  wk_pointwise_kernel kernel;
  int operand_count;
  const wk_operand *operands[MAX_OPERANDS];
  wk_layout layouts[MAX_OPERANDS]; /* strides made to fit the joint sizes; 0 where broadcast */
  bool direct[MAX_OPERANDS]; /* contiguous in the joint order, of a kernel's dtype: in place */
  bool stored[MAX_OPERANDS]; /* written by the kernel */
} pointwise_run;

static wk_dtype main_dtype(const wk_kernel_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (call->op->inputs[i].same_dtype) return call->inputs[i].layout.dtype;
  }
  return call->inputs[0].layout.dtype;
}

static wk_pointwise_kernel find_kernel(const wk_kernel_call *call) {
  const wk_dtype dtype = wk_wide_dtype(main_dtype(call));
  const int place = wk_pointwise_place[call->op->id];
  if (dtype == WK_F32 || dtype == WK_F64) {
    const int kind = dtype == WK_F32 ? WK_KIND_F32 : WK_KIND_F64;
    const wk_pointwise_kernel vectorised = wk_cpu_isa_get()->pointwise[place][kind];
    return vectorised ? vectorised : wk_pointwise_table_scalar[place][kind];
  }
  return wk_pointwise_table_scalar[place][dtype == WK_BOOL ? WK_KIND_BOOL : WK_KIND_I64];
}

const char *wk_cpu_pointwise_refuse(const wk_kernel_call *call) {
  return find_kernel(call) ? NULL : "no pointwise kernel for this dtype";
}

/* The row after the next one: where short rows lie apart, nothing else fetches them in time. */
static inline void fetch_row(const char *source, const wk_layout *layout, size_t bytes) {
  if (layout->rank < 2 || bytes > 1024) return;
  const int64_t step = layout->strides[layout->rank - 2] * (int64_t)wk_dtype_size(layout->dtype);
  const uintptr_t row = (uintptr_t)source + 2 * (uintptr_t)step; /* only fetched: it may be none */
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)(row + i));
}

static void reverse_run(char *to, const char *last, int64_t count) {
  uint32_t *out = (uint32_t *)(void *)to;
  const uint32_t *in = (const uint32_t *)(const void *)last - (count - 1);
  for (int64_t i = 0; i < count; i++) out[i] = in[count - 1 - i];
}

/* Runs along the last axis, an odometer over the others. */
void wk_collect(char *to, const char *from, const wk_layout *layout, int64_t begin, int64_t count) {
  const size_t size = wk_dtype_size(layout->dtype);
  const int last = layout->rank - 1;
  if (last < 0) {
    memcpy(to, from, size);
    return;
  }
  int64_t index[WK_MAX_RANK], rest = begin, position = 0;
  for (int i = last; i >= 0; i--) {
    index[i] = rest % layout->dims[i];
    rest /= layout->dims[i];
    position += index[i] * layout->strides[i];
  }
  while (count > 0) {
    const int64_t left = layout->dims[last] - index[last], run = left < count ? left : count;
    const int64_t stride = layout->strides[last];
    const char *source = from + position * (int64_t)size;
    if (stride == 1) {
      fetch_row(source, layout, (size_t)run * size);
      memcpy(to, source, (size_t)run * size);
    } else if (stride == -1 && size == 4) {
      reverse_run(to, source, run);
    } else if (size == 4) {
      for (int64_t i = 0; i < run; i++) memcpy(to + i * 4, source + i * stride * 4, 4);
    } else if (size == 8) {
      for (int64_t i = 0; i < run; i++) memcpy(to + i * 8, source + i * stride * 8, 8);
    } else if (size == 2) {
      for (int64_t i = 0; i < run; i++) memcpy(to + i * 2, source + i * stride * 2, 2);
    } else {
      for (int64_t i = 0; i < run; i++) to[i] = source[i * stride];
    }
    to += (size_t)run * size;
    count -= run;
    index[last] += run;
    position += run * stride;
    for (int i = last; i > 0 && index[i] == layout->dims[i]; i--) {
      position += layout->strides[i - 1] - index[i] * layout->strides[i];
      index[i] = 0;
      index[i - 1]++;
    }
  }
}

/* An operand's elements from `at` on as a kernel takes them, in `tile`; they may be the kernel's to
 * write only, but reading them first costs little and happens for few dtypes. */
static void load_tile(const pointwise_run *r, int operand, char *tile, int64_t at, int64_t count) {
  const wk_layout *layout = &r->layouts[operand];
  if (wk_wide_dtype(layout->dtype) == layout->dtype) {
    wk_collect(tile, r->operands[operand]->data, layout, at, count);
    return;
  }
  char narrow[TILE * 4];
  wk_collect(narrow, r->operands[operand]->data, layout, at, count);
  wk_widen(layout->dtype, tile, narrow, count);
}

/* Results are contiguous, so that only their dtype can make them take a tile. */
static void store_tile(const pointwise_run *r, int operand, const char *tile, int64_t at,
                       int64_t count) {
  const wk_dtype dtype = r->layouts[operand].dtype;
  wk_narrow_elements(dtype, r->operands[operand]->data + (size_t)at * wk_dtype_size(dtype), tile,
                     count);
}

/* Whether tiles are needed at all is settled before; without them the range is one tile. */
static void run_range(void *context, int64_t begin, int64_t end) {
  const pointwise_run *r = context;
  _Alignas(64) char tiles[MAX_OPERANDS][TILE * 8];
  bool all_direct = true;
  for (int i = 0; i < r->operand_count; i++) all_direct = all_direct && r->direct[i];
  const int64_t step = all_direct ? end - begin : TILE;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t count = end - at < step ? end - at : step;
    char *operand[MAX_OPERANDS];
    for (int i = 0; i < r->operand_count; i++) {
      const wk_layout *layout = &r->layouts[i];
      if (r->direct[i]) {
        operand[i] = r->operands[i]->data + (size_t)at * wk_dtype_size(layout->dtype);
      } else {
        operand[i] = tiles[i];
        load_tile(r, i, tiles[i], at, count);
      }
    }
    r->kernel(operand, count, r->call->arguments);
    for (int i = 0; i < r->operand_count; i++)
      if (r->stored[i] && !r->direct[i]) store_tile(r, i, tiles[i], at, count);
  }
}

/* Whether the operand's elements lie side by side, one for each of the joint sizes. */
static bool lies_in_order(const wk_layout *layout, const wk_layout *joint) {
  if (layout->rank != joint->rank || wk_wide_dtype(layout->dtype) != layout->dtype) return false;
  int64_t stride = 1;
  for (int i = joint->rank - 1; i >= 0; i--) {
    const int64_t size = joint->dims[i];
    if (layout->dims[i] != size || (layout->strides[i] != stride && size != 1)) return false;
    stride *= size;
  }
  return true;
}

/* Most small calls need no plan: all operands lie in order, and one thread does it all. */
static bool run_in_place(const wk_kernel_call *call, const wk_layout *joint,
                         wk_pointwise_kernel kernel) {
  char *operand[MAX_OPERANDS];
  int count = 0;
  for (; count < call->input_count; count++) {
    if (!lies_in_order(&call->inputs[count].layout, joint)) return false;
    operand[count] = call->inputs[count].data;
  }
  if (call->output_count) {
    if (!lies_in_order(&call->outputs[0].layout, joint)) return false;
    operand[count++] = call->outputs[0].data;
  }
  const int64_t elements = wk_layout_count(joint);
  if (elements > BLOCK) return false;
  kernel(operand, elements, call->arguments);
  return true;
}

wk_status wk_cpu_pointwise_run(const wk_kernel_call *call) {
  const wk_layout *joint = call->output_count ? &call->outputs[0].layout : &call->inputs[0].layout;
  const wk_pointwise_kernel kernel = find_kernel(call);
  if (run_in_place(call, joint, kernel)) return WK_OK;
  pointwise_run r = {.call = call, .kernel = kernel, .operand_count = call->input_count};
  for (int i = 0; i < call->input_count; i++) r.operands[i] = &call->inputs[i];
  if (call->output_count) r.operands[r.operand_count++] = &call->outputs[0];
  for (int i = 0; i < r.operand_count; i++) {
    wk_layout_align(&r.operands[i]->layout, joint, &r.layouts[i]);
    const wk_dtype dtype = r.layouts[i].dtype;
    r.direct[i] = wk_wide_dtype(dtype) == dtype && wk_layout_is_contiguous(&r.layouts[i]);
    r.stored[i] = i >= call->input_count || call->op->inputs[i].written;
  }
  wk_parallel_for(wk_layout_count(joint), BLOCK, run_range, &r);
  return WK_OK;
}
