/* SPDX-License-Identifier: Apache-2.0 */
/* Ops whose result's sizes depend on values: nonzero and what selects by masks. They read values on
 * the host. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "ops/position.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */
#define TILE 1024   /* elements that are looked at before what was found is written */

typedef struct listing {
  const char *values;
  wk_layout layout;
  int64_t count, blocks;
  int64_t *found; /* in each block; then how many before it */
  int64_t *to;    /* coordinates, or numbers */
  bool numbers;
} listing;

/* Lists which of `count` elements, of more than one byte, are not 0, and returns how many. Of a
 * float the sign does not count: -0 is 0. */
#define LIST_AS(TYPE, MASK)                                                                        \
  for (int64_t i = 0; i < count; i++) {                                                            \
    list[found] = (int32_t)i;                                                                      \
    found += (((const TYPE *)(const void *)values)[i] & (TYPE)(MASK)) != 0;                        \
  }                                                                                                \
  return found

static int64_t list_tile(wk_dtype dtype, const char *values, int64_t count, int32_t *list) {
  const bool is_float = wk_dtype_is_float(dtype);
  int64_t found = 0;
  switch (wk_dtype_size(dtype)) {
  case 2:
    LIST_AS(uint16_t, is_float ? INT16_MAX : UINT16_MAX);
  case 4:
    LIST_AS(uint32_t, is_float ? INT32_MAX : UINT32_MAX);
  default:
    LIST_AS(uint64_t, is_float ? INT64_MAX : UINT64_MAX);
  }
}

/* The same for elements of one byte, most of which may be 0. */
static int64_t list_bytes(const char *values, int64_t count, int32_t *list) {
  int64_t found = 0;
  uint64_t eight;
  for (int64_t at = 0; at < count; at += 8) {
    const int64_t some = count - at < 8 ? count - at : 8;
    if (some == 8) {
      memcpy(&eight, values + at, sizeof eight);
      if (eight == 0) continue;
    }
    for (int64_t i = at; i < at + some; i++) {
      list[found] = (int32_t)i;
      found += values[i] != 0;
    }
  }
  return found;
}

#define COUNT_AS(TYPE, MASK)                                                                       \
  for (int64_t i = 0; i < count; i++)                                                              \
    found += (((const TYPE *)(const void *)values)[i] & (TYPE)(MASK)) != 0;                        \
  return found

static int32_t count_tile(wk_dtype dtype, const char *values, int64_t count) {
  const bool is_float = wk_dtype_is_float(dtype);
  int32_t found = 0;
  switch (wk_dtype_size(dtype)) {
  case 1:
    COUNT_AS(uint8_t, UINT8_MAX);
  case 2:
    COUNT_AS(uint16_t, is_float ? INT16_MAX : UINT16_MAX);
  case 4:
    COUNT_AS(uint32_t, is_float ? INT32_MAX : UINT32_MAX);
  default:
    COUNT_AS(uint64_t, is_float ? INT64_MAX : UINT64_MAX);
  }
}

/* The elements of a block, tile by tile. */
#define EACH_TILE(l, block)                                                                        \
  for (int64_t at = (block)*BLOCK, count;                                                          \
       count = smallest(TILE, (l)->count - at, (block + 1) * BLOCK - at), count > 0; at += TILE)

static int64_t smallest(int64_t a, int64_t b, int64_t c) {
  const int64_t less = a < b ? a : b;
  return less < c ? less : c;
}

static void count_blocks(void *context, int64_t begin, int64_t end) {
  const listing *l = context;
  const wk_dtype dtype = l->layout.dtype;
  for (int64_t block = begin; block < end; block++) {
    l->found[block] = 0;
    EACH_TILE(l, block)
    l->found[block] += count_tile(dtype, l->values + (size_t)at * wk_dtype_size(dtype), count);
  }
}

/* Numbers first + list[i] as coordinates. Neighbours mostly differ in the last one alone. */
static void write_coordinates(const wk_layout *x, int64_t first, const int32_t *list, int64_t count,
                              int64_t *to) {
  const int rank = x->rank;
  const int64_t width = rank ? x->dims[rank - 1] : 1;
  int64_t row = -1, start = 0, at[WK_MAX_RANK] = {0};
  for (int64_t i = 0; i < count && rank; i++, to += rank) {
    const int64_t place = first + list[i];
    if (row < 0 || place - start >= width) {
      row = place / width;
      start = row * width;
      int64_t rest = row;
      for (int d = rank - 2; d >= 0; d--) {
        at[d] = rest % x->dims[d];
        rest /= x->dims[d];
      }
    }
    at[rank - 1] = place - start;
    for (int d = 0; d < rank; d++) to[d] = at[d];
  }
}

static void write_blocks(void *context, int64_t begin, int64_t end) {
  const listing *l = context;
  const wk_dtype dtype = l->layout.dtype;
  int32_t list[TILE];
  for (int64_t block = begin; block < end; block++) {
    int64_t done = l->found[block];
    EACH_TILE(l, block) {
      const char *values = l->values + (size_t)at * wk_dtype_size(dtype);
      const int64_t found = wk_dtype_size(dtype) == 1 ? list_bytes(values, count, list)
                                                      : list_tile(dtype, values, count, list);
      if (l->numbers)
        for (int64_t i = 0; i < found; i++) l->to[done + i] = at + list[i];
      else
        write_coordinates(&l->layout, at, list, found, l->to + done * l->layout.rank);
      done += found;
    }
  }
}

/* Writes them to a tensor [found, width], whose memory the host can write or not. */
static wk_tensor *write_found(listing *l, int64_t found, const wk_shape *shape, wk_device *device) {
  wk_layout layout;
  if (!wk_layout_contiguous(&layout, WK_I64, shape)) return NULL;
  wk_tensor *y = NULL;
  if (device->host_memory) {
    y = wk_tensor_create(&layout, device);
    if (!y) return NULL;
    l->to = (int64_t *)(void *)wk_tensor_data(y);
    wk_parallel_for(l->blocks, 1, write_blocks, l);
    return wk_scope_add(y);
  }
  l->to = wk_allocate((size_t)(found * shape->dims[shape->rank - 1]) * sizeof *l->to + 1);
  if (!l->to) return NULL;
  wk_parallel_for(l->blocks, 1, write_blocks, l);
  y = wk_tensor_from_data(*shape, WK_I64, l->to, device);
  wk_deallocate(l->to);
  return y;
}

/* The values themselves, where the host can read them, or a copy to be freed. NULL on error. */
static const char *host_values(const wk_tensor *x, char **copy) {
  wk_device *device = wk_tensor_device_of(x);
  if (device->host_memory && wk_layout_is_contiguous(&x->layout))
    return device->functions->synchronise(device, &device->stream) ? NULL : wk_tensor_data(x);
  const size_t bytes = (size_t)wk_layout_count(&x->layout) * wk_dtype_size(x->layout.dtype);
  *copy = wk_allocate(bytes + 1);
  return *copy && wk_tensor_read(x, *copy, bytes) == WK_OK ? *copy : NULL;
}

/* Where x is not 0, in row-major order: coordinates [found, rank], or numbers [found]. */
static wk_tensor *find_nonzero(const wk_tensor *x, bool numbers) {
  listing l = {.layout = x->layout, .numbers = numbers};
  l.count = wk_layout_count(&x->layout);
  l.blocks = (l.count + BLOCK - 1) / BLOCK;
  l.found = wk_allocate((size_t)l.blocks * sizeof *l.found + 1);
  char *copy = NULL;
  wk_tensor *y = NULL;
  if (l.found && (l.values = host_values(x, &copy))) {
    wk_parallel_for(l.blocks, 1, count_blocks, &l);
    int64_t total = 0;
    for (int64_t block = 0; block < l.blocks; block++) {
      const int64_t here = l.found[block];
      l.found[block] = total;
      total += here;
    }
    const wk_shape shape = numbers ? WK_SHAPE(total) : WK_SHAPE(total, x->layout.rank);
    y = write_found(&l, total, &shape, wk_tensor_device_of(x));
  }
  wk_deallocate(copy);
  wk_deallocate(l.found);
  return y;
}

wk_status wk_composite_nonzero(wk_call *call) {
  call->outputs[0] = find_nonzero(call->inputs[0], false);
  return wk_error_status();
}

/* Numbers of the elements of a mask, broadcast to the sizes, that are true. */
static wk_tensor *chosen(wk_tensor *mask, wk_shape shape) {
  wk_tensor *wide = wk_broadcast_to(mask, shape);
  return wide ? find_nonzero(wide, true) : NULL;
}

/* The sizes that x and the mask broadcast to. */
static wk_status joint_shape(wk_call *call, wk_shape *shape) {
  wk_layout joint;
  const wk_status status = wk_broadcast_layouts(call->inputs, 2, &joint);
  if (status == WK_OK) *shape = wk_layout_shape(&joint);
  return status;
}

wk_status wk_composite_masked_select(wk_call *call) {
  wk_shape shape;
  const wk_status status = joint_shape(call, &shape);
  if (status != WK_OK) return status;
  wk_tensor *places = chosen(call->inputs[1], shape);
  if (!places) return wk_error_status();
  wk_tensor *flat = wk_reshape(wk_broadcast_to(call->inputs[0], shape), WK_SHAPE(-1));
  call->outputs[0] = wk_index_get(flat, WK_TENSORS(places));
  return wk_error_status();
}

wk_status wk_composite_masked_scatter(wk_call *call) {
  wk_shape shape;
  const wk_status status = joint_shape(call, &shape);
  if (status != WK_OK) return status;
  wk_tensor *places = chosen(call->inputs[1], shape);
  if (!places) return wk_error_status();
  const int64_t needed = wk_tensor_count(places), given = wk_tensor_count(call->inputs[2]);
  if (given < needed) {
    return wk_fail(WK_ERROR_SHAPE, "the mask has %lld true elements, but source only %lld",
                   (long long)needed, (long long)given);
  }
  wk_tensor *flat = wk_reshape(wk_broadcast_to(call->inputs[0], shape), WK_SHAPE(-1));
  wk_tensor *source = wk_slice(wk_reshape(call->inputs[2], WK_SHAPE(-1)), 0, 0, needed);
  call->outputs[0] = wk_reshape(wk_index_put(flat, source, WK_TENSORS(places)), shape);
  return wk_error_status();
}
