/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/pointwise.h"

#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/isa.h"
#include "base/parallel.h"
#include "ops/position.h"

#define TILE 1024         /* elements; a handful of such tiles fit a 32 KiB cache */
#define BLOCK (16 * TILE) /* elements a thread takes at a time */
#define FEW 256           /* elements for which repeating one is cheaper than planning */
#define MAX_OPERANDS (WK_MAX_INPUTS + 1)

typedef struct pointwise_run {
  const wk_kernel_call *call;
  wk_pointwise_kernel kernel;
  bool by_group; /* the kernel takes whole groups only */
  bool native;   /* and elements as they are, not widened */
  int operand_count;
  const wk_operand *operands[MAX_OPERANDS];
  wk_layout layouts[MAX_OPERANDS]; /* strides made to fit the joint sizes; 0 where broadcast */
  bool direct[MAX_OPERANDS];  /* contiguous in the joint order, of a kernel's dtype: in place */
  bool single[MAX_OPERANDS];  /* the same element throughout */
  bool stored[MAX_OPERANDS];  /* written by the kernel */
  size_t sizes[MAX_OPERANDS]; /* of an element as the kernel takes it */
} pointwise_run;

static const wk_operand *operand_at(const wk_kernel_call *call, int index) {
  return index < call->input_count ? &call->inputs[index] : &call->outputs[0];
}

static bool is_stored(const wk_kernel_call *call, int index) {
  return index >= call->input_count || call->op->inputs[index].written;
}

static wk_dtype main_dtype(const wk_kernel_call *call) {
  for (int i = 0; i < call->input_count; i++)
    if (call->op->inputs[i].same_dtype) return call->inputs[i].layout.dtype;
  return call->inputs[0].layout.dtype;
}

/* A dtype's own kind, or WK_KINDS, and that of the dtype it is widened to: convert.h. */
static const struct {
  uint8_t own, wide;
} kinds[] = {
    [WK_F32] = {WK_KIND_F32, WK_KIND_F32}, [WK_F64] = {WK_KIND_F64, WK_KIND_F64},
    [WK_I64] = {WK_KIND_I64, WK_KIND_I64}, [WK_I32] = {WK_KIND_I32, WK_KIND_I64},
    [WK_U8] = {WK_KIND_U8, WK_KIND_I64},   [WK_BOOL] = {WK_KIND_BOOL, WK_KIND_BOOL},
    [WK_F16] = {WK_KINDS, WK_KIND_F32},    [WK_BF16] = {WK_KINDS, WK_KIND_F32},
    [WK_I8] = {WK_KINDS, WK_KIND_I64},     [WK_I16] = {WK_KINDS, WK_KIND_I64},
};

/* The dtype's own kernel of the instruction set, else that of the dtype it is widened to, else the
 * one for any processor. */
static bool find_kernel(const wk_kernel_call *call, pointwise_run *r) {
  const wk_dtype dtype = main_dtype(call);
  const int place = wk_pointwise_place[call->op->id];
  const int own = kinds[dtype].own, wide = kinds[dtype].wide;
  const wk_pointwise_kernel *row = wk_cpu_isa_get()->pointwise[place];
  r->native = own < WK_KINDS && row[own];
  r->kernel = row[r->native ? own : wide];
  r->by_group = r->kernel != NULL;
  if (!r->kernel) r->kernel = wk_pointwise_table_scalar[place][wide];
  return r->kernel != NULL;
}

const char *wk_cpu_pointwise_refuse(const wk_kernel_call *call) {
  pointwise_run r;
  return find_kernel(call, &r) ? NULL : "no pointwise kernel for this dtype";
}

/* One run of elements `stride` apart. */
#define COLLECT(type)                                                                              \
  do {                                                                                             \
    type *restrict t = (type *)(void *)to;                                                         \
    const type *restrict f = (const type *)(const void *)from;                                     \
    if (stride == 0) {                                                                             \
      const type same = *f;                                                                        \
      for (int64_t i = 0; i < count; i++) t[i] = same;                                             \
    } else {                                                                                       \
      for (int64_t i = 0; i < count; i++) t[i] = f[i * stride];                                    \
    }                                                                                              \
  } while (0)

static void collect_run(size_t size, char *to, const char *from, int64_t stride, int64_t count) {
  if (stride == 1)
    memcpy(to, from, (size_t)count * size);
  else if (size == 4)
    COLLECT(uint32_t);
  else if (size == 8)
    COLLECT(uint64_t);
  else if (size == 2)
    COLLECT(uint16_t);
  else
    COLLECT(uint8_t);
}

/* The row after the next one: where short rows lie apart, nothing else fetches them in time. */
static inline void fetch_row(const char *source, int64_t step, size_t bytes) {
  if (bytes > 1024) return;
  const uintptr_t row = (uintptr_t)source + 2 * (uintptr_t)step; /* only fetched: it may be none */
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)(row + i));
}

typedef uint32_t quad __attribute__((vector_size(16)));
typedef uint32_t quad_anywhere __attribute__((vector_size(16), aligned(4), may_alias));

static void reverse_run(char *to, const char *last, int64_t count) {
  uint32_t *out = (uint32_t *)(void *)to;
  const uint32_t *in = (const uint32_t *)(const void *)last - (count - 1);
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const quad x = *(const quad_anywhere *)(in + count - 4 - i);
    *(quad_anywhere *)(out + i) = __builtin_shufflevector(x, x, 3, 2, 1, 0);
  }
  for (; i < count; i++) out[i] = in[count - 1 - i];
}

/* Runs along the last axis, those in front that go on from it taken in, and an odometer over the
 * others. */
void wk_collect(char *to, const char *from, const wk_layout *layout, int64_t begin, int64_t count) {
  const size_t size = wk_dtype_size(layout->dtype);
  int last = layout->rank - 1;
  if (last < 0) {
    memcpy(to, from, size);
    return;
  }
  int64_t width = layout->dims[last], stride = layout->strides[last];
  for (; last > 0; last--) {
    const int64_t next = layout->strides[last - 1];
    if (width == 1)
      stride = next;
    else if (layout->dims[last - 1] != 1 && next != stride * width)
      break;
    width *= layout->dims[last - 1];
  }
  int64_t index[WK_MAX_RANK], rest = begin / width, position = begin % width * stride;
  index[last] = begin % width;
  for (int i = last - 1; i >= 0; i--) {
    index[i] = rest % layout->dims[i];
    rest /= layout->dims[i];
    position += index[i] * layout->strides[i];
  }
  const int64_t step = last > 0 ? layout->strides[last - 1] * (int64_t)size : 0;
  while (count > 0) {
    const int64_t left = width - index[last], run = left < count ? left : count;
    const char *source = from + position * (int64_t)size;
    if (stride == 1 && step) fetch_row(source, step, (size_t)run * size);
    if (stride == -1 && size == 4)
      reverse_run(to, source, run);
    else
      collect_run(size, to, source, stride, run);
    to += (size_t)run * size;
    count -= run;
    index[last] += run;
    position += run * stride;
    if (last == 0 || index[last] < width) continue;
    position += layout->strides[last - 1] - width * stride;
    index[last] = 0;
    index[last - 1]++;
    for (int i = last - 1; i > 0 && index[i] == layout->dims[i]; i--) {
      position += layout->strides[i - 1] - index[i] * layout->strides[i];
      index[i] = 0;
      index[i - 1]++;
    }
  }
}

static wk_dtype kernel_dtype(const pointwise_run *r, wk_dtype dtype) {
  return r->native ? dtype : wk_wide_dtype(dtype);
}

/* An operand's elements from `at` on as a kernel takes them, in `tile`. */
static void load_tile(const pointwise_run *r, int operand, char *tile, int64_t at, int64_t count) {
  const wk_layout *layout = &r->layouts[operand];
  const char *from = r->operands[operand]->data;
  if (kernel_dtype(r, layout->dtype) == layout->dtype) {
    wk_collect(tile, from, layout, at, count);
    return;
  }
  if (wk_layout_is_contiguous(layout)) {
    wk_widen(layout->dtype, tile, from + (size_t)at * wk_dtype_size(layout->dtype), count);
    return;
  }
  char narrow[TILE * 4];
  wk_collect(narrow, from, layout, at, count);
  wk_widen(layout->dtype, tile, narrow, count);
}

/* Results are contiguous, so that only their dtype can make them take a tile. */
static void store_tile(const pointwise_run *r, int operand, const char *tile, int64_t at,
                       int64_t count) {
  const wk_dtype dtype = r->layouts[operand].dtype;
  wk_narrow_elements(dtype, r->operands[operand]->data + (size_t)at * wk_dtype_size(dtype), tile,
                     count);
}

/* The last few elements go through groups of their own, with zeros behind them. */
static void run_rest(const pointwise_run *r, char *const *operand, int64_t from, int64_t count) {
  _Alignas(64) char groups[MAX_OPERANDS][WK_POINTWISE_GROUP * 8];
  char *padded[MAX_OPERANDS];
  for (int i = 0; i < r->operand_count; i++) {
    const size_t bytes = (size_t)count * r->sizes[i];
    padded[i] = groups[i];
    memcpy(groups[i], operand[i] + (size_t)from * r->sizes[i], bytes);
    memset(groups[i] + bytes, 0, WK_POINTWISE_GROUP * r->sizes[i] - bytes);
  }
  r->kernel(padded, WK_POINTWISE_GROUP, r->call->arguments);
  for (int i = 0; i < r->operand_count; i++)
    if (is_stored(r->call, i))
      memcpy(operand[i] + (size_t)from * r->sizes[i], groups[i], (size_t)count * r->sizes[i]);
}

static void run_kernel(const pointwise_run *r, char *const *operand, int64_t count) {
  const int64_t whole = r->by_group ? count / WK_POINTWISE_GROUP * WK_POINTWISE_GROUP : count;
  if (whole > 0) r->kernel(operand, whole, r->call->arguments);
  if (whole < count) run_rest(r, operand, whole, count - whole);
}

/* Whether tiles are needed at all is settled before; without them the range is one tile. A single
 * element fills its tile once. */
static void run_range(void *context, int64_t begin, int64_t end) {
  const pointwise_run *r = context;
  _Alignas(64) char tiles[MAX_OPERANDS][TILE * 8];
  bool all_direct = true;
  for (int i = 0; i < r->operand_count; i++) {
    all_direct = all_direct && r->direct[i];
    if (r->single[i]) load_tile(r, i, tiles[i], 0, end - begin < TILE ? end - begin : TILE);
  }
  const int64_t step = all_direct ? end - begin : TILE;
  for (int64_t at = begin; at < end; at += step) {
    const int64_t count = end - at < step ? end - at : step;
    char *operand[MAX_OPERANDS];
    for (int i = 0; i < r->operand_count; i++) {
      operand[i] = r->direct[i] ? r->operands[i]->data + (size_t)at * r->sizes[i] : tiles[i];
      if (!r->direct[i] && !r->single[i] && i < r->call->input_count)
        load_tile(r, i, tiles[i], at, count);
    }
    run_kernel(r, operand, count);
    for (int i = 0; i < r->operand_count; i++)
      if (r->stored[i] && !r->direct[i]) store_tile(r, i, tiles[i], at, count);
  }
}

/* Whether the operand's elements lie side by side, as those of the joint sizes do, which are
 * row-major. */
static bool lies_in_order(const wk_layout *layout, const wk_layout *joint) {
  if (layout->rank != joint->rank) return false;
  for (int i = 0; i < joint->rank; i++) {
    if (layout->dims[i] != joint->dims[i]) return false;
    if (layout->strides[i] != joint->strides[i] && layout->dims[i] != 1) return false;
  }
  return true;
}

static bool is_single(const wk_layout *x) {
  for (int i = 0; i < x->rank; i++)
    if (x->strides[i] != 0 && x->dims[i] != 1) return false;
  return true;
}

/* Most small calls need no plan: all operands lie in order, or are one element that few stand for,
 * and one thread does it all. */
static bool run_in_place(pointwise_run *r, const wk_layout *joint) {
  const int64_t elements = wk_layout_count(joint);
  if (elements > BLOCK) return false;
  _Alignas(64) char filled[MAX_OPERANDS][FEW * 8];
  char *operand[MAX_OPERANDS];
  for (int i = 0; i < r->operand_count; i++) {
    const wk_operand *o = operand_at(r->call, i);
    const wk_dtype dtype = o->layout.dtype;
    if (kernel_dtype(r, dtype) != dtype) return false;
    operand[i] = o->data;
    r->sizes[i] = wk_dtype_bytes[dtype];
    if (&o->layout == joint || lies_in_order(&o->layout, joint)) continue;
    if (elements > FEW || is_stored(r->call, i) || !is_single(&o->layout)) return false;
    collect_run(r->sizes[i], filled[i], o->data, 0, elements);
    operand[i] = filled[i];
  }
  run_kernel(r, operand, elements);
  return true;
}

wk_status wk_cpu_pointwise_run(const wk_kernel_call *call) {
  const wk_layout *joint = call->output_count ? &call->outputs[0].layout : &call->inputs[0].layout;
  pointwise_run r; /* field by field: clearing it all first takes longer */
  r.call = call, r.operand_count = call->input_count + call->output_count;
  find_kernel(call, &r);
  if (run_in_place(&r, joint)) return WK_OK;
  for (int i = 0; i < r.operand_count; i++) {
    r.operands[i] = operand_at(call, i), r.stored[i] = is_stored(call, i);
    wk_layout_align(&r.operands[i]->layout, joint, &r.layouts[i]);
    const wk_dtype dtype = r.layouts[i].dtype;
    const wk_dtype taken = kernel_dtype(&r, dtype);
    r.sizes[i] = wk_dtype_size(taken);
    r.direct[i] = taken == dtype && wk_layout_is_contiguous(&r.layouts[i]);
    r.single[i] = !r.direct[i] && !r.stored[i] && is_single(&r.layouts[i]);
  }
  wk_parallel_for(wk_layout_count(joint), BLOCK, run_range, &r);
  return WK_OK;
}
