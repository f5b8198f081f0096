/* SPDX-License-Identifier: Apache-2.0 */

/* Tensor handles: making, counting references, asking. */

#include "tensor/tensor.h"

#include "base/library.h"
#include "base/memory.h"
#include "base/small.h"
#include "tensor/fields.h"

/* ---- for debuggers ---- */

/* Refers to what only people at a debugger call, so that programs linked statically have it too. */
WK_KEEP static const struct {
  const char *(*describe)(const wk_tensor *tensor);
  void (*print)(FILE *stream, const wk_tensor *tensor);
  size_t (*report)(char *buffer, size_t size);
} calls = {wk_describe, wk_print, wk_scope_report};

WK_KEEP const wk_debug_field wk_debug_tensor_fields[] = {
    WK_DEBUG_FIELD(tensor, layout.dtype),
    WK_DEBUG_FIELD(tensor, layout.rank),
    WK_DEBUG_FIELD(tensor, layout.dims),
    WK_DEBUG_FIELD(tensor, layout.strides),
    WK_DEBUG_FIELD(tensor, offset),
    WK_DEBUG_FIELD(tensor, root),
    WK_DEBUG_FIELD(tensor, requires_gradient),
    WK_DEBUG_FIELD(tensor, frozen),
    WK_DEBUG_FIELD(tensor, producer),
    WK_DEBUG_FIELD(tensor, module_path),
    WK_DEBUG_FIELD(tensor, name),
    WK_DEBUG_FIELD(root, storage),
    WK_DEBUG_FIELD(root, offset),
    WK_DEBUG_FIELD(storage, data),
    WK_DEBUG_FIELD(storage, device),
    WK_DEBUG_FIELD(device, name),
    WK_DEBUG_FIELD(device, host_memory),
    {NULL, 0},
};

/* ---- making and freeing ---- */

/* A handle, still without a layout. Field by field: clearing it all first takes longer. */
static wk_tensor *create_handle(wk_root *root, int64_t offset) {
  wk_tensor *tensor = wk_small_allocate(sizeof *tensor);
  if (!tensor) return NULL;
  atomic_init(&tensor->references, 1);
  tensor->requires_gradient = tensor->frozen = tensor->buffer = tensor->weak = false;
  tensor->row_sparse = false;
  tensor->output_index = 0;
  tensor->offset = offset;
  tensor->root = root, tensor->link = NULL, tensor->leaf = NULL;
  tensor->producer = tensor->module_path = tensor->name = NULL;
  return tensor;
}

wk_tensor *wk_tensor_on_root(wk_root *root, const wk_layout *layout, int64_t offset) {
  if (WK_THREAD->error < 0) return NULL;
  wk_tensor *tensor = create_handle(root, offset);
  if (!tensor) return NULL;
  wk_layout_copy(&tensor->layout, layout);
  wk_root_retain(root);
  return tensor;
}

wk_tensor *wk_tensor_on_storage(wk_storage *storage, size_t offset, const wk_layout *layout) {
  wk_root *root = wk_root_create(storage, offset);
  if (!root) return NULL;
  wk_tensor *tensor = wk_tensor_on_root(root, layout, 0);
  wk_root_release(root);
  return tensor;
}

wk_tensor *wk_tensor_create(const wk_layout *layout, wk_device *device) {
  wk_tensor *tensor = create_handle(NULL, 0);
  if (!tensor) return NULL;
  tensor->layout.dtype = layout->dtype, tensor->layout.rank = layout->rank;
  int64_t count = 1, stride = 1;
  for (int i = layout->rank - 1; i >= 0; i--) {
    const int64_t size = layout->dims[i];
    tensor->layout.dims[i] = size, tensor->layout.strides[i] = stride;
    count *= size;
    stride *= size ? size : 1;
  }
  tensor->root = wk_root_create_fresh(device, (size_t)count * wk_dtype_bytes[layout->dtype]);
  if (tensor->root) return tensor;
  wk_small_deallocate(tensor, sizeof *tensor);
  return NULL;
}

wk_tensor *wk_tensor_retain(wk_tensor *tensor) {
  if (tensor) atomic_fetch_add_explicit(&tensor->references, 1, memory_order_relaxed);
  return tensor;
}

void wk_tensor_release(wk_tensor *tensor) {
  if (!tensor || !wk_drop_reference(&tensor->references)) return;
  wk_link_release(tensor->link);
  if (tensor->leaf) {
    wk_tensor_release(tensor->leaf->gradient);
    wk_leaf_forget_rows(tensor->leaf);
    if (tensor->leaf->hooks) tensor->leaf->hooks->destroy(tensor->leaf->hooks);
    wk_deallocate(tensor->leaf);
  }
  wk_root_release(tensor->root);
  wk_small_deallocate(tensor, sizeof *tensor);
}

void wk_leaf_forget_rows(wk_leaf *leaf) {
  wk_tensor_release(leaf->rows);
  wk_tensor_release(leaf->row_values);
  leaf->rows = leaf->row_values = NULL;
}

void wk_link_release(wk_link *link) {
  if (link && wk_drop_reference(&link->references)) link->destroy(link);
}

wk_status wk_tensor_check_values(const wk_tensor *tensor) {
  if (!tensor->root->storage->traced) return WK_OK;
  wk_fail(WK_ERROR_STATE, "%s%s has no values while the function is traced",
          tensor->producer ? "the result of " : "an input",
          tensor->producer ? tensor->producer : "");
  wk_error_add_hint("what a compiled function decides by values is wk_where's, or is decided "
                    "outside; wk_call's result has values");
  return WK_ERROR_STATE;
}

wk_status wk_tensor_check_writable(const wk_tensor *tensor) {
  if (!tensor->root->storage->read_only) return WK_OK;
  wk_fail(WK_ERROR_STATE, "the memory, which another library lent, is read-only");
  wk_error_add_hint("wk_contiguous gives a copy that can be written");
  return WK_ERROR_STATE;
}

void wk_tensor_mark_written(wk_tensor *tensor) {
  if (wk_fields_noted && !tensor->root->storage->traced) wk_written_add(tensor->root);
  atomic_fetch_add_explicit(&tensor->root->version, 1, memory_order_release);
}

/* ---- asking; a missing tensor (an error is then mostly pending) is an empty answer ---- */

/* `axis` counted from the front, or -1. Unlike wk_axis_resolve this raises nothing. */
static int find_axis(const wk_tensor *tensor, int axis) {
  const int rank = wk_tensor_rank(tensor);
  if (axis < -rank || axis >= rank) return -1;
  return axis < 0 ? axis + rank : axis;
}

wk_dtype wk_tensor_dtype(const wk_tensor *tensor) {
  return tensor ? tensor->layout.dtype : WK_DTYPE_DEFAULT;
}

int wk_tensor_rank(const wk_tensor *tensor) { return tensor ? tensor->layout.rank : 0; }

wk_shape wk_tensor_shape(const wk_tensor *tensor) {
  return tensor ? wk_layout_shape(&tensor->layout) : WK_SCALAR;
}

int64_t wk_tensor_dim(const wk_tensor *tensor, int axis) {
  const int i = find_axis(tensor, axis);
  return i < 0 ? 0 : tensor->layout.dims[i];
}

int64_t wk_tensor_stride(const wk_tensor *tensor, int axis) {
  const int i = find_axis(tensor, axis);
  return i < 0 ? 0 : tensor->layout.strides[i];
}

int64_t wk_tensor_count(const wk_tensor *tensor) {
  return tensor ? wk_layout_count(&tensor->layout) : 0;
}

wk_device *wk_tensor_device(const wk_tensor *tensor) {
  return tensor ? wk_tensor_device_of(tensor) : NULL;
}

bool wk_tensor_is_contiguous(const wk_tensor *tensor) {
  return !tensor || wk_layout_is_contiguous(&tensor->layout);
}

const char *wk_tensor_name(const wk_tensor *tensor) {
  return tensor && tensor->name ? tensor->name : "";
}

size_t wk_tensor_describe(const wk_tensor *tensor, char *buffer, size_t size) {
  if (tensor) return wk_layout_describe(&tensor->layout, buffer, size);
  if (size) buffer[0] = '\0';
  return 0;
}
