/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors taken to pieces, and assignment in place. */
#include <wick/indexing.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/inner.h"
#include "ops/records.gen.h"
#include "ops/trace.h"

/* ---- pieces along an axis ---- */

/* Begins a call with all pieces NULL and *axis non-negative; false, with an error, if it is void.
 */
static bool begin_pieces(wk_inner *inner, wk_place here, wk_tensor **pieces, size_t count,
                         const wk_tensor *x, int *axis) {
  for (size_t i = 0; pieces && i < count; i++) pieces[i] = NULL;
  wk_inner_begin(inner, here);
  if (wk_failed()) return false;
  if (!x || (!pieces && count)) {
    wk_fail(WK_ERROR_ARGUMENT, "%s is NULL", x ? "the array for the pieces" : "x");
    return false;
  }
  *axis = wk_axis_resolve(*axis, x->layout.rank);
  return *axis >= 0;
}

static wk_status end_pieces(wk_inner *inner, const char *what, wk_tensor **pieces, size_t count) {
  return wk_inner_end(inner, what, pieces, pieces ? count : 0);
}

static wk_status wrong_count(size_t count, int64_t there_are) {
  return wk_fail(WK_ERROR_ARGUMENT, "there are %lld pieces, but the array is for %zu",
                 (long long)there_are, count);
}

/* Pieces one after the other, each of size_of(context, i) elements. */
static void cut(wk_tensor **pieces, size_t count, wk_tensor *x, int axis,
                int64_t (*size_of)(const void *context, int64_t i), const void *context) {
  int64_t start = 0;
  for (size_t i = 0; i < count; i++) {
    const int64_t size = size_of(context, (int64_t)i);
    pieces[i] = wk_slice(x, axis, start, start + size);
    start += size;
  }
}

static int64_t same_size(const void *context, int64_t i) {
  (void)i;
  return *(const int64_t *)context;
}

static int64_t listed_size(const void *context, int64_t i) { return ((const int64_t *)context)[i]; }

typedef struct shares {
  int64_t each, larger; /* the first `larger` pieces have one element more */
} shares;

static int64_t share_size(const void *context, int64_t i) {
  const shares *s = context;
  return s->each + (i < s->larger);
}

wk_status wk_split_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x, int axis,
                      int64_t size) {
  wk_inner inner;
  if (begin_pieces(&inner, here, pieces, count, x, &axis)) {
    const int64_t all = x->layout.dims[axis];
    const int64_t there_are = size > 0 && all > 0 ? (all - 1) / size + 1 : 1;
    if (size <= 0)
      wk_fail(WK_ERROR_ARGUMENT, "pieces of %lld elements are not possible", (long long)size);
    else if ((int64_t)count != there_are)
      wrong_count(count, there_are);
    else
      cut(pieces, count, x, axis, same_size, &size);
  }
  return end_pieces(&inner, "split", pieces, count);
}

wk_status wk_split_sizes_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x, int axis,
                            const int64_t *sizes) {
  wk_inner inner;
  if (begin_pieces(&inner, here, pieces, count, x, &axis)) {
    int64_t total = 0;
    bool good = sizes || !count;
    for (size_t i = 0; good && i < count; i++)
      good = sizes[i] >= 0 && !__builtin_add_overflow(total, sizes[i], &total);
    if (good && total == x->layout.dims[axis])
      cut(pieces, count, x, axis, listed_size, sizes);
    else
      wk_fail(WK_ERROR_ARGUMENT, "the sizes do not add up to the %lld elements of axis %d",
              (long long)x->layout.dims[axis], axis);
  }
  return end_pieces(&inner, "split_sizes", pieces, count);
}

wk_status wk_chunk_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x, int axis) {
  wk_inner inner;
  if (begin_pieces(&inner, here, pieces, count, x, &axis) && count > 0) {
    const int64_t parts = (int64_t)count;
    const int64_t size = (x->layout.dims[axis] + parts - 1) / parts;
    cut(pieces, count, x, axis, same_size, &size);
  }
  return end_pieces(&inner, "chunk", pieces, count);
}

wk_status wk_tensor_split_at(wk_place here, wk_tensor **pieces, size_t count, wk_tensor *x,
                             int axis) {
  wk_inner inner;
  if (begin_pieces(&inner, here, pieces, count, x, &axis) && count > 0) {
    const int64_t all = x->layout.dims[axis], parts = (int64_t)count;
    const shares s = {all / parts, all % parts};
    cut(pieces, count, x, axis, share_size, &s);
  }
  return end_pieces(&inner, "tensor_split", pieces, count);
}

wk_status wk_unbind_at(wk_place here, wk_tensor **parts, size_t count, wk_tensor *x, int axis) {
  wk_inner inner;
  if (begin_pieces(&inner, here, parts, count, x, &axis)) {
    const int64_t all = x->layout.dims[axis];
    if ((int64_t)count != all) wrong_count(count, all);
    for (size_t i = 0; i < count; i++) parts[i] = wk_select(x, axis, (int64_t)i);
  }
  return end_pieces(&inner, "unbind", parts, count);
}

wk_status wk_broadcast_tensors_at(wk_place here, wk_tensor **results, wk_tensors tensors) {
  for (size_t i = 0; results && i < tensors.count; i++) results[i] = NULL;
  if (wk_failed()) return wk_error_status();
  wk_inner inner;
  wk_inner_begin(&inner, here);
  wk_layout joint;
  bool complete = results && tensors.item && tensors.count <= INT32_MAX;
  for (size_t i = 0; complete && i < tensors.count; i++) complete = tensors.item[i] != NULL;
  if (!complete)
    wk_fail(WK_ERROR_ARGUMENT, "the tensors, one of them or the array for the results is NULL");
  else if (wk_broadcast_layouts(tensors.item, (int)tensors.count, &joint) == WK_OK)
    for (size_t i = 0; i < tensors.count; i++)
      results[i] = wk_broadcast_to(tensors.item[i], wk_layout_shape(&joint));
  return wk_inner_end(&inner, "broadcast_tensors", results, complete ? tensors.count : 0);
}

/* ---- assignment in place ---- */

static wk_status check_assignment(const wk_tensor *target, const wk_tensor *value) {
  if (!target || !value) return wk_fail(WK_ERROR_ARGUMENT, "the target or the value is NULL");
  if (!wk_gradients_recorded) return WK_OK;
  if (!wk_wants_gradient(target) && !wk_wants_gradient(value)) return WK_OK;
  wk_fail(WK_ERROR_STATE, "the %s requires a gradient, which an assignment in place would lose",
          wk_wants_gradient(target) ? "target" : "value");
  wk_error_add_hint("wk_index_update, wk_slice_update or wk_index_put make a new tensor with the "
                    "value in it; or put WK_NO_GRADIENT; in front");
  return WK_ERROR_STATE;
}

/* The value with the target's dtype and sizes, row-major; apart from the target's memory. */
static wk_tensor *fitted(wk_tensor *value, const wk_tensor *target) {
  if (value->layout.dtype != target->layout.dtype) value = wk_cast(value, target->layout.dtype);
  if (value && wk_tensor_device_of(value) != wk_tensor_device_of(target))
    value = wk_tensor_to(value, wk_tensor_device_of(target));
  wk_tensor *wide = wk_broadcast_to(value, wk_layout_shape(&target->layout));
  if (!wide) return NULL;
  const bool apart = wide->root->storage != target->root->storage;
  return apart && wk_layout_is_contiguous(&wide->layout) ? wide : wk_contiguous(wide);
}

/* By an op, where one can: a compiled function does it at every call. */
static wk_status write_tensor(wk_tensor *target, wk_tensor *value) {
  if ((WK_DTYPES_FLOAT >> target->layout.dtype & 1) && wk_layout_is_contiguous(&target->layout)) {
    const wk_copy_update_arguments arguments = {sizeof arguments, target, value};
    return wk_op_run(&wk_op_table[WK_OP_COPY_UPDATE], (wk_place){0}, &arguments, NULL);
  }
  if (wk_tracing) {
    wk_fail(WK_ERROR_UNSUPPORTED,
            "compiled functions assign to floats row by row in memory, not to parts of tensors or "
            "integers");
    wk_error_add_hint("wk_slice_update and its like make a new tensor with the value in it");
    return WK_ERROR_UNSUPPORTED;
  }
  const size_t size = (size_t)wk_layout_count(&value->layout) * wk_dtype_size(value->layout.dtype);
  if (wk_tensor_device_of(value)->host_memory)
    return wk_tensor_write(target, wk_tensor_data(value), size);
  char *values = wk_allocate(size + 1);
  if (!values) return wk_error_status();
  wk_status status = wk_tensor_read(value, values, size);
  if (status == WK_OK) status = wk_tensor_write(target, values, size);
  wk_deallocate(values);
  return status;
}

wk_status wk_assign_at(wk_place here, wk_tensor *target, wk_tensor *value) {
  if (wk_failed()) return wk_error_status();
  wk_inner inner;
  wk_inner_begin(&inner, here);
  if (check_assignment(target, value) == WK_OK) {
    wk_tensor *values = fitted(value, target);
    if (values) write_tensor(target, values);
  }
  return wk_inner_end(&inner, "assign", NULL, 0);
}
