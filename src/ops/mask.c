/* SPDX-License-Identifier: Apache-2.0 */
/* Ops whose result's sizes depend on values: nonzero and what selects by masks. They read values on
 * the host. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"
#include "tensor/element.h"

/* Lists in `places` where one of `count` elements is not 0; returns how many. */
static int64_t list_nonzero(wk_dtype dtype, const char *values, int64_t count, int64_t *places) {
  int64_t found = 0;
  const size_t size = wk_dtype_size(dtype);
  if (size == 1) {
    for (int64_t i = 0; i < count; i++) {
      places[found] = i;
      found += values[i] != 0;
    }
    return found;
  }
  for (int64_t i = 0; i < count; i++) {
    const char *at = values + (size_t)i * size;
    places[found] = i;
    found +=
        wk_dtype_is_float(dtype) ? wk_read_real(dtype, at) != 0 : wk_read_integer(dtype, at) != 0;
  }
  return found;
}

/* Row-major numbers of x's elements that are not 0, in memory to be freed; NULL on error. */
static int64_t *find_nonzero(const wk_tensor *x, int64_t *found) {
  const size_t size = wk_dtype_size(x->layout.dtype);
  const int64_t count = wk_layout_count(&x->layout);
  char *values = wk_allocate((size_t)count * size + 1);
  int64_t *places = wk_allocate_zeroed((size_t)count + 1, sizeof *places);
  *found = 0;
  if (values && places && wk_tensor_read(x, values, (size_t)count * size) == WK_OK)
    *found = list_nonzero(x->layout.dtype, values, count, places);
  wk_deallocate(values);
  if (!wk_failed()) return places;
  wk_deallocate(places);
  return NULL;
}

/* Row-major numbers as coordinates. Neighbours mostly differ in the last one alone. */
static void list_coordinates(const wk_layout *x, const int64_t *places, int64_t count,
                             int64_t *coordinates) {
  const int rank = x->rank;
  const int64_t width = rank ? x->dims[rank - 1] : 1;
  int64_t row = -1, start = 0, at[WK_MAX_RANK] = {0};
  for (int64_t i = 0; i < count && rank; i++, coordinates += rank) {
    if (row < 0 || places[i] - start >= width) {
      row = places[i] / width;
      start = row * width;
      int64_t rest = row;
      for (int d = rank - 2; d >= 0; d--) {
        at[d] = rest % x->dims[d];
        rest /= x->dims[d];
      }
    }
    at[rank - 1] = places[i] - start;
    memcpy(coordinates, at, (size_t)rank * sizeof *at);
  }
}

wk_status wk_composite_nonzero(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  int64_t count;
  int64_t *places = find_nonzero(call->inputs[0], &count);
  if (!places) return wk_error_status();
  int64_t *coordinates =
      wk_allocate_zeroed((size_t)count * (size_t)x->rank + 1, sizeof *coordinates);
  if (coordinates) {
    list_coordinates(x, places, count, coordinates);
    call->outputs[0] = wk_tensor_from_data(WK_SHAPE(count, x->rank), WK_I64, coordinates,
                                           wk_tensor_device_of(call->inputs[0]));
  }
  wk_deallocate(coordinates);
  wk_deallocate(places);
  return wk_error_status();
}

/* Numbers of the elements of a mask, broadcast to the sizes, that are true. */
static wk_tensor *chosen(wk_tensor *mask, wk_shape shape) {
  wk_tensor *wide = wk_broadcast_to(mask, shape);
  if (!wide) return NULL;
  int64_t count;
  int64_t *places = find_nonzero(wide, &count);
  if (!places) return NULL;
  wk_tensor *result =
      wk_tensor_from_data(WK_SHAPE(count), WK_I64, places, wk_tensor_device_of(mask));
  wk_deallocate(places);
  return result;
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
