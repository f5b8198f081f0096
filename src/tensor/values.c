/* SPDX-License-Identifier: Apache-2.0 */

/* Values of tensors in and out. */

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/element.h"
#include "tensor/fields.h"
#include "tensor/tensor.h"

/* ---- strided copies on the host ---- */

/* Copies `count` elements between a dense row and one with `stride` (in elements) either way. */
static void copy_row(char *to, int64_t to_stride, const char *from, int64_t from_stride,
                     int64_t count, size_t size) {
  if (to_stride == 1 && from_stride == 1) {
    memcpy(to, from, (size_t)count * size);
    return;
  }
  const int64_t bytes = (int64_t)size;
  for (int64_t i = 0; i < count; i++) {
    char *target = to + i * to_stride * bytes;
    const char *source = from + i * from_stride * bytes;
    switch (size) { /* constant sizes become single moves */
    case 4:
      memcpy(target, source, 4);
      break;
    case 8:
      memcpy(target, source, 8);
      break;
    default:
      memcpy(target, source, size);
    }
  }
}

/* Copies all elements between `dense`, row-major, and memory laid out as `layout`. */
static void copy_strided(const wk_layout *layout, char *strided, char *dense, bool into_dense) {
  const size_t size = wk_dtype_size(layout->dtype);
  const int last = layout->rank - 1;
  const int64_t count = wk_layout_count(layout);
  const int64_t row = last >= 0 ? layout->dims[last] : 1;
  const int64_t stride = last >= 0 ? layout->strides[last] : 1;
  for (int64_t i = 0; i < count; i += row, dense += row * (int64_t)size) {
    char *start = strided + wk_layout_position(layout, i) * (int64_t)size;
    if (into_dense)
      copy_row(dense, 1, start, stride, row, size);
    else
      copy_row(start, stride, dense, 1, row, size);
  }
}

/* Strided elements of a device whose memory the host cannot touch: all bytes they reach travel. */
static wk_status copy_through_host(const wk_tensor *tensor, char *dense, bool into_dense) {
  wk_device *device = wk_tensor_device_of(tensor);
  int64_t first, end;
  wk_layout_reach(&tensor->layout, &first, &end);
  char *staging = wk_allocate((size_t)(end - first)), *data = wk_tensor_data(tensor) + first;
  if (!staging) return WK_ERROR_MEMORY;
  wk_status status =
      device->functions->to_host(device, staging, data, (size_t)(end - first), &device->stream);
  if (!status) copy_strided(&tensor->layout, staging - first, dense, into_dense);
  if (!status && !into_dense)
    status =
        device->functions->from_host(device, data, staging, (size_t)(end - first), &device->stream);
  wk_deallocate(staging);
  return status;
}

/* ---- reading and writing ---- */

static wk_status check_buffer(const wk_tensor *tensor, const void *buffer, size_t size) {
  if (!tensor) return wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (wk_tensor_check_values(tensor) != WK_OK) return wk_error_status();
  const size_t needed = (size_t)wk_tensor_count(tensor) * wk_dtype_size(tensor->layout.dtype);
  if (size == needed && (buffer || !size)) return WK_OK;
  char text[256];
  wk_tensor_describe(tensor, text, sizeof text);
  if (size == needed) return wk_fail(WK_ERROR_ARGUMENT, "the buffer for %s is NULL", text);
  wk_fail(WK_ERROR_ARGUMENT, "the buffer has %zu bytes, but %s takes exactly %zu", size, text,
          needed);
  wk_error_add_hint("the size is wk_tensor_count times wk_dtype_size, in bytes");
  return WK_ERROR_ARGUMENT;
}

/* What a traced function reads decides what it does, so it is traced anew when that has been
 * written; what it writes itself is not there yet. */
static wk_status note_reading(const wk_tensor *tensor) {
  wk_root *root = tensor->root;
  for (size_t i = 0; i < wk_fields_noted->written_count; i++)
    if (wk_fields_noted->written[i].root == root) {
      wk_fail(WK_ERROR_STATE,
              "%s%shas no values that a compiled function could read: it is written "
              "in it",
              wk_tensor_name(tensor), *wk_tensor_name(tensor) ? " " : "the tensor ");
      wk_error_add_hint("read it before or after the call");
      return WK_ERROR_STATE;
    }
  WK_NOTE_FIELD((wk_tensor *)(uintptr_t)tensor, root->version);
  return WK_OK;
}

static wk_status read_values(const wk_tensor *tensor, void *buffer, size_t size) {
  wk_status status = check_buffer(tensor, buffer, size);
  if (!status && wk_fields_noted) status = note_reading(tensor);
  if (status || !size) return status;
  wk_device *device = wk_tensor_device_of(tensor);
  if ((status = device->functions->synchronise(device, &device->stream))) return status;
  if (wk_layout_is_contiguous(&tensor->layout))
    return device->functions->to_host(device, buffer, wk_tensor_data(tensor), size,
                                      &device->stream);
  if (!device->host_memory) return copy_through_host(tensor, buffer, true);
  copy_strided(&tensor->layout, wk_tensor_data(tensor), buffer, true);
  return WK_OK;
}

wk_status wk_tensor_read_at(wk_place here, const wk_tensor *tensor, void *buffer, size_t size) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = read_values(tensor, buffer, size);
  wk_error_add_call("tensor_read", here);
  return status;
}

static wk_status check_writable(const wk_tensor *tensor) {
  if (!tensor->requires_gradient || tensor->frozen || !wk_gradients_recorded) return WK_OK;
  wk_fail(WK_ERROR_STATE, "%s%sa tensor that requires a gradient cannot be written to",
          wk_tensor_name(tensor), *wk_tensor_name(tensor) ? ": " : "");
  wk_error_add_hint("write inside WK_NO_GRADIENT");
  return WK_ERROR_STATE;
}

static wk_status write_values(wk_tensor *tensor, const void *data, size_t size) {
  wk_status status = check_buffer(tensor, data, size);
  if (!status) status = check_writable(tensor);
  if (!status) status = wk_tensor_check_writable(tensor);
  if (!status && wk_fields_noted) {
    status = wk_fail(WK_ERROR_STATE, "a compiled function cannot write values from the host");
    wk_error_add_hint("give them to it as an input, and wk_assign them");
  }
  if (status || !size) return status;
  wk_device *device = wk_tensor_device_of(tensor);
  if ((status = device->functions->synchronise(device, &device->stream))) return status;
  wk_tensor_mark_written(tensor);
  if (wk_layout_is_contiguous(&tensor->layout))
    return device->functions->from_host(device, wk_tensor_data(tensor), data, size,
                                        &device->stream);
  /* the copy goes the other way: the data is only read */
  if (!device->host_memory) return copy_through_host(tensor, (char *)(uintptr_t)data, false);
  copy_strided(&tensor->layout, wk_tensor_data(tensor), (char *)(uintptr_t)data, false);
  return WK_OK;
}

wk_status wk_tensor_write_at(wk_place here, wk_tensor *tensor, const void *data, size_t size) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = write_values(tensor, data, size);
  wk_error_add_call("tensor_write", here);
  return status;
}

static double read_item(const wk_tensor *tensor) {
  if (!tensor) {
    wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
    return NAN;
  }
  if (wk_tensor_count(tensor) != 1) {
    char text[256];
    wk_tensor_describe(tensor, text, sizeof text);
    wk_fail(WK_ERROR_SHAPE, "wk_item needs a tensor of exactly one element, not %s", text);
    wk_error_add_hint("wk_sum and wk_mean make one of many, wk_tensor_read copies all");
    return NAN;
  }
  double value; /* room for one of any dtype */
  const wk_dtype dtype = tensor->layout.dtype;
  if (wk_tensor_read(tensor, &value, wk_dtype_size(dtype))) return NAN;
  return wk_read_real(dtype, &value);
}

double wk_item_at(wk_place here, const wk_tensor *tensor) {
  if (wk_failed()) return NAN;
  const double value = read_item(tensor);
  wk_error_add_call("item", here);
  return value;
}

/* ---- tensors from data and from other devices ---- */

static wk_tensor *from_data(wk_shape shape, wk_dtype dtype, const void *data, wk_device *device) {
  wk_layout layout;
  if (!wk_layout_contiguous(&layout, dtype, &shape)) return NULL;
  wk_tensor *tensor = wk_tensor_create(&layout, device);
  if (!tensor) return NULL;
  const size_t size = (size_t)wk_layout_count(&layout) * wk_dtype_size(layout.dtype);
  wk_device *on = wk_tensor_device_of(tensor);
  wk_status status = check_buffer(tensor, data, size);
  if (!status && size)
    status = on->functions->from_host(on, wk_tensor_data(tensor), data, size, &on->stream);
  if (!status) return wk_scope_add(tensor);
  wk_tensor_release(tensor);
  return NULL;
}

wk_tensor *wk_tensor_from_data_at(wk_place here, wk_shape shape, wk_dtype dtype, const void *data,
                                  wk_device *device) {
  if (wk_failed()) return NULL;
  wk_tensor *tensor = from_data(shape, dtype, data, device);
  wk_error_add_call("tensor_from_data", here);
  return tensor;
}

wk_status wk_tensor_copy_values(wk_tensor *to, const wk_tensor *from) {
  wk_device *device = wk_tensor_device_of(to);
  const size_t size = (size_t)wk_tensor_count(to) * wk_dtype_size(to->layout.dtype);
  if (device->host_memory) return wk_tensor_read(from, wk_tensor_data(to), size);
  if (device->null && (size > WK_NULL_MOST_BYTES || wk_tensor_device_of(from)->null)) return WK_OK;
  void *staging = wk_allocate(size);
  if (!staging) return WK_ERROR_MEMORY;
  wk_status status = wk_tensor_read(from, staging, size);
  if (!status && size)
    status =
        device->functions->from_host(device, wk_tensor_data(to), staging, size, &device->stream);
  wk_deallocate(staging);
  return status;
}

static wk_tensor *copy_to(wk_tensor *tensor, wk_device *device) {
  if (!tensor) return wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL"), NULL;
  device = wk_device_or_default(device);
  if (wk_tensor_device_of(tensor) == device) return wk_scope_add(wk_tensor_retain(tensor));
  wk_tensor *copy = wk_tensor_create(&tensor->layout, device);
  if (!copy) return NULL;
  if (!wk_tensor_copy_values(copy, tensor)) return wk_scope_add(copy);
  wk_tensor_release(copy);
  return NULL;
}

wk_tensor *wk_tensor_to_at(wk_place here, wk_tensor *tensor, wk_device *device) {
  if (wk_failed()) return NULL;
  wk_tensor *there = copy_to(tensor, device);
  wk_error_add_call("tensor_to", here);
  return there;
}
