/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "tensor/tensor.h"

static bool check_shape(int rank, const int64_t *dims) {
  if (rank < 0 || rank > WK_MAX_RANK) {
    wk_fail(WK_ERROR_SHAPE, "a tensor has 0 to %d dimensions, not %d", WK_MAX_RANK, rank);
    return false;
  }
  for (int i = 0; i < rank; i++) {
    if (dims[i] >= 0) continue;
    wk_fail(WK_ERROR_SHAPE, "dimension %d is %lld, but sizes are not negative", i,
            (long long)dims[i]);
    return false;
  }
  return true;
}

/* True if the layout's strides and bytes can be counted, empty dimensions counting as one. */
static bool has_countable_size(const wk_layout *layout) {
  int64_t bytes = (int64_t)wk_dtype_size(layout->dtype);
  for (int i = 0; i < layout->rank; i++) {
    const int64_t dim = layout->dims[i] ? layout->dims[i] : 1;
    if (!wk_multiply_count(bytes, dim, &bytes)) return false;
  }
  return bytes <= PTRDIFF_MAX / 2;
}

bool wk_layout_contiguous(wk_layout *layout, wk_dtype dtype, const wk_shape *shape) {
  return !wk_failed() && wk_layout_make(layout, dtype, shape->rank, shape->dims);
}

bool wk_layout_make(wk_layout *layout, wk_dtype dtype, int rank, const int64_t *dims) {
  if (!check_shape(rank, dims)) return false;
  if (dtype == WK_DTYPE_DEFAULT) dtype = WK_F32;
  if (!wk_dtype_size(dtype)) {
    wk_fail(WK_ERROR_DTYPE, "%d is not an element type", (int)dtype);
    return false;
  }
  layout->dtype = dtype, layout->rank = rank;
  for (int i = 0; i < rank; i++) layout->dims[i] = dims[i];
  if (!has_countable_size(layout)) {
    char text[256];
    wk_layout_describe(layout, text, sizeof text);
    wk_fail(WK_ERROR_SHAPE, "%s is larger than any memory", text);
    return false;
  }
  wk_layout_set_strides(layout);
  return true;
}

bool wk_layout_is_contiguous(const wk_layout *layout) {
  int64_t stride = 1;
  bool in_order = true;
  for (int i = layout->rank - 1; i >= 0; i--) {
    if (layout->dims[i] == 0) return true; /* nothing to be out of order */
    if (layout->dims[i] != 1 && layout->strides[i] != stride) in_order = false;
    stride *= layout->dims[i];
  }
  return in_order;
}

bool wk_layout_same_dims(const wk_layout *a, const wk_layout *b) {
  return a->rank == b->rank && !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims);
}

void wk_layout_reach(const wk_layout *layout, int64_t *first, int64_t *end) {
  const int64_t size = (int64_t)wk_dtype_size(layout->dtype);
  *first = 0, *end = size;
  for (int i = 0; i < layout->rank; i++) {
    const int64_t reach = (layout->dims[i] - 1) * layout->strides[i] * size;
    *(reach < 0 ? first : end) += reach;
  }
}

size_t wk_layout_describe(const wk_layout *layout, char *buffer, size_t size) {
  size_t used = wk_print_into(buffer, size, 0, "%s [", wk_dtype_name(layout->dtype));
  for (int i = 0; i < layout->rank; i++)
    used = wk_print_into(buffer, size, used, i ? ", %lld" : "%lld", (long long)layout->dims[i]);
  return wk_print_into(buffer, size, used, "]");
}

wk_shape wk_layout_shape(const wk_layout *layout) {
  wk_shape shape = {.rank = layout->rank};
  memcpy(shape.dims, layout->dims, (size_t)layout->rank * sizeof *shape.dims);
  return shape;
}

int wk_axis_refuse(int axis, int rank) {
  if (wk_failed()) return -1;
  if (rank == 0)
    wk_fail(WK_ERROR_ARGUMENT, "axis %d: a tensor without dimensions has no axes", axis);
  else
    wk_fail(WK_ERROR_ARGUMENT, "axis %d is not between %d and %d", axis, -rank, rank - 1);
  wk_error_add_hint("axes count from 0; negative ones count from the end, -1 is the last");
  return -1;
}
