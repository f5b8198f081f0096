/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/safetensors.h"
#include "tensor/tensor.h"

/* The header is padded so that the first tensor's bytes begin at a multiple of this. */
#define ALIGNMENT 64

typedef struct item {
  char *name;
  wk_tensor *tensor;
} item;

struct wk_safetensors_writer {
  item *items;
  size_t count, capacity;
  json_t *metadata;
};

static wk_safetensors_writer *create(void) {
  wk_safetensors_writer *writer = wk_allocate_zeroed(1, sizeof(*writer));
  if (!writer) return NULL;
  writer->metadata = json_object();
  if (!writer->metadata) {
    wk_fail(WK_ERROR_MEMORY, "no memory for a safetensors file's header");
    wk_safetensors_writer_free(writer);
    return NULL;
  }
  return writer;
}

wk_safetensors_writer *wk_safetensors_writer_create_at(wk_place here) {
  if (wk_failed()) return NULL;
  wk_safetensors_writer *writer = create();
  wk_error_add_call("safetensors_writer_create", here);
  return writer;
}

void wk_safetensors_writer_free(wk_safetensors_writer *writer) {
  if (!writer) return;
  for (size_t i = 0; i < writer->count; i++) {
    wk_deallocate(writer->items[i].name);
    wk_tensor_release(writer->items[i].tensor);
  }
  wk_deallocate(writer->items);
  json_decref(writer->metadata);
  wk_deallocate(writer);
}

static wk_status check_text(const char *what, const char *text) {
  json_t *value = json_string(text);
  if (!value) return wk_fail(WK_ERROR_ARGUMENT, "%s is not valid UTF-8", what);
  json_decref(value);
  return WK_OK;
}

static wk_status add(wk_safetensors_writer *writer, const char *name, wk_tensor *tensor) {
  if (!writer || !name || !tensor)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_safetensors_writer_add: an argument is NULL");
  if (strcmp(name, "__metadata__") == 0)
    return wk_fail(WK_ERROR_ARGUMENT, "a tensor cannot be called __metadata__");
  const wk_status status = check_text("a tensor's name", name);
  if (status < 0) return status;
  for (size_t i = 0; i < writer->count; i++)
    if (strcmp(writer->items[i].name, name) == 0)
      return wk_fail(WK_ERROR_ARGUMENT, "two tensors are called '%s'", name);
  if (!wk_grow(&writer->items, &writer->capacity, writer->count, sizeof(item)))
    return wk_error_status();
  char *copy = wk_duplicate_string(name);
  if (!copy) return wk_error_status();
  writer->items[writer->count++] = (item){copy, wk_tensor_retain(tensor)};
  return WK_OK;
}

wk_status wk_safetensors_writer_add_at(wk_place here, wk_safetensors_writer *writer,
                                       const char *name, wk_tensor *tensor) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = add(writer, name, tensor);
  wk_error_add_call("safetensors_writer_add", here);
  return status;
}

static wk_status set(wk_safetensors_writer *writer, const char *key, const char *text) {
  if (!writer || !key || !text)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_safetensors_writer_set: an argument is NULL");
  wk_status status = check_text("a metadata key", key);
  if (status == WK_OK) status = check_text("a metadata text", text);
  if (status < 0) return status;
  if (json_object_set_new(writer->metadata, key, json_string(text)) != 0)
    return wk_fail(WK_ERROR_MEMORY, "no memory for a safetensors file's metadata");
  return WK_OK;
}

wk_status wk_safetensors_writer_set_at(wk_place here, wk_safetensors_writer *writer,
                                       const char *key, const char *text) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = set(writer, key, text);
  wk_error_add_call("safetensors_writer_set", here);
  return status;
}

/* ---- saving ---- */

static const char *type_name(wk_dtype dtype) {
  for (size_t i = 0; i < wk_safetensors_type_count; i++)
    if (wk_safetensors_types[i].dtype == dtype) return wk_safetensors_types[i].name;
  return NULL;
}

static size_t byte_count(const wk_tensor *tensor) {
  return (size_t)wk_tensor_count(tensor) * wk_dtype_size(wk_tensor_dtype(tensor));
}

/* The order in the file: larger elements first, so that each tensor begins at a multiple of its
 * element size; among equals, the order in which they were added. */
static size_t *file_order(const wk_safetensors_writer *writer) {
  size_t *order = wk_allocate_zeroed(writer->count + 1, sizeof(*order));
  if (!order) return NULL;
  size_t placed = 0;
  for (size_t size = 8; size > 0; size /= 2)
    for (size_t i = 0; i < writer->count; i++)
      if (wk_dtype_size(wk_tensor_dtype(writer->items[i].tensor)) == size) order[placed++] = i;
  return order;
}

static json_t *describe(const wk_tensor *tensor, size_t begin) {
  json_t *shape = json_array();
  for (int axis = 0; axis < wk_tensor_rank(tensor); axis++)
    json_array_append_new(shape, json_integer(wk_tensor_dim(tensor, axis)));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", type_name(wk_tensor_dtype(tensor)), "shape",
                   shape, "data_offsets", (json_int_t)begin,
                   (json_int_t)(begin + byte_count(tensor)));
}

static char *dump_header(const wk_safetensors_writer *writer, const size_t *order) {
  json_t *header = json_object();
  bool good = header != NULL;
  if (good && json_object_size(writer->metadata) > 0)
    good = json_object_set(header, "__metadata__", writer->metadata) == 0;
  size_t begin = 0;
  for (size_t i = 0; good && i < writer->count; i++) {
    const item *each = &writer->items[order[i]];
    good = json_object_set_new(header, each->name, describe(each->tensor, begin)) == 0;
    begin += byte_count(each->tensor);
  }
  char *text = good ? json_dumps(header, JSON_COMPACT) : NULL;
  json_decref(header);
  if (!text) wk_fail(WK_ERROR_MEMORY, "no memory for a safetensors file's header");
  return text;
}

/* The 8 bytes of the header's size, the header, and spaces up to the alignment. */
static wk_status make_header(const wk_safetensors_writer *writer, const size_t *order,
                             wk_text *header) {
  char *json = dump_header(writer, order);
  if (!json) return wk_error_status();
  const size_t length = strlen(json);
  const size_t padding = (ALIGNMENT - (8 + length) % ALIGNMENT) % ALIGNMENT;
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
  wk_status status = wk_text_append_bytes(header, size, sizeof(size));
  if (status == WK_OK) status = wk_text_append_bytes(header, json, length);
  if (status == WK_OK) status = wk_text_append(header, "%*s", (int)padding, "");
  free(json); /* jansson's own malloc */
  return status;
}

static wk_status write_values(wk_file_writer *out, const wk_tensor *tensor) {
  const size_t size = byte_count(tensor);
  if (size == 0) return WK_OK;
  if (wk_tensor_check_values(tensor) != WK_OK) return wk_error_status();
  if (wk_tensor_device_of(tensor)->host_memory && wk_tensor_is_contiguous(tensor))
    return wk_file_write(out, wk_tensor_data(tensor), size);
  void *copy = wk_allocate(size);
  if (!copy) return wk_error_status();
  wk_status status = wk_tensor_read(tensor, copy, size);
  if (status == WK_OK) status = wk_file_write(out, copy, size);
  wk_deallocate(copy);
  return status;
}

static wk_status write_file(const wk_safetensors_writer *writer, const size_t *order,
                            const wk_text *header, const char *path) {
  wk_file_writer *out = wk_file_writer_create(path);
  if (!out) return wk_error_status();
  wk_status status = wk_file_write(out, header->data, header->length);
  for (size_t i = 0; status == WK_OK && i < writer->count; i++)
    status = write_values(out, writer->items[order[i]].tensor);
  if (status == WK_OK) return wk_file_commit(out);
  wk_file_abandon(out);
  return status;
}

static wk_status save(wk_safetensors_writer *writer, const char *path) {
  if (!writer || !path)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_safetensors_writer_save: an argument is NULL");
  wk_text header = {0};
  size_t *order = file_order(writer);
  wk_status status = order ? make_header(writer, order, &header) : wk_error_status();
  if (status == WK_OK) status = write_file(writer, order, &header, path);
  wk_text_free(&header);
  wk_deallocate(order);
  return status;
}

wk_status wk_safetensors_writer_save_at(wk_place here, wk_safetensors_writer *writer,
                                        const char *path) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = save(writer, path);
  wk_error_add_call("safetensors_writer_save", here);
  return status;
}
