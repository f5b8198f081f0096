/* SPDX-License-Identifier: Apache-2.0 */
#include "format/safetensors.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/json.h"
#include "tensor/tensor.h"

/* The reference reader's limit. */
#define MAX_HEADER ((uint64_t)100 * 1000 * 1000)
#define METADATA "__metadata__"

const wk_safetensors_type wk_safetensors_types[] = {
    {"F32", 32, WK_F32}, {"F64", 64, WK_F64},   {"I64", 64, WK_I64},   {"I32", 32, WK_I32},
    {"U8", 8, WK_U8},    {"BOOL", 8, WK_BOOL},  {"F16", 16, WK_F16},   {"BF16", 16, WK_BF16},
    {"I8", 8, WK_I8},    {"I16", 16, WK_I16},   {"U16", 16, 0},        {"U32", 32, 0},
    {"U64", 64, 0},      {"C64", 64, 0},        {"F8_E4M3", 8, 0},     {"F8_E5M2", 8, 0},
    {"F8_E8M0", 8, 0},   {"F8_E4M3FNUZ", 8, 0}, {"F8_E5M2FNUZ", 8, 0}, {"F6_E2M3", 6, 0},
    {"F6_E3M2", 6, 0},   {"F4", 4, 0},
};
const size_t wk_safetensors_type_count =
    sizeof(wk_safetensors_types) / sizeof(wk_safetensors_types[0]);

typedef struct entry {
  const char *name; /* the JSON object's own copy */
  const wk_safetensors_type *type;
  size_t rank; /* may exceed WK_MAX_RANK: then the tensor is there, but cannot be had */
  int64_t dims[WK_MAX_RANK];
  uint64_t begin, end; /* in the data, behind the header */
} entry;

struct wk_safetensors {
  void *mapping; /* NULL: the memory is someone else's */
  size_t mapping_size;
  const char *data;
  uint64_t data_size;
  json_t *header;
  entry *entries; /* in the order of their bytes */
  size_t count;
};

/* ---- one entry of the header ---- */

static wk_status bad_entry(const char *name, const char *what) {
  return wk_fail(WK_ERROR_FORMAT, "tensor '%.100s': %s", name, what);
}

static wk_status read_type(const json_t *object, entry *e) {
  const char *text = json_string_value(json_object_get(object, "dtype"));
  if (!text) return bad_entry(e->name, "has no dtype");
  for (size_t i = 0; i < wk_safetensors_type_count; i++) {
    if (strcmp(text, wk_safetensors_types[i].name) == 0) {
      e->type = &wk_safetensors_types[i];
      return WK_OK;
    }
  }
  return wk_fail(WK_ERROR_FORMAT, "tensor '%.100s': unknown dtype '%.40s'", e->name, text);
}

/* Reads a JSON integer that is not negative. */
static bool read_size(const json_t *value, uint64_t *result) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *result = (uint64_t)json_integer_value(value);
  return true;
}

/* Reads the shape; *bytes is the size of the values. */
static wk_status read_shape(const json_t *object, entry *e, uint64_t *bytes) {
  const json_t *shape = json_object_get(object, "shape");
  if (!json_is_array(shape)) return bad_entry(e->name, "has no shape");
  e->rank = json_array_size(shape);
  uint64_t bits = e->type->bits;
  bool fits = true;
  for (size_t i = 0; i < e->rank; i++) {
    uint64_t dim;
    if (!read_size(json_array_get(shape, i), &dim))
      return bad_entry(e->name, "its shape holds something else than sizes");
    if (i < WK_MAX_RANK) e->dims[i] = (int64_t)dim;
    fits = fits && !__builtin_mul_overflow(bits, dim, &bits);
  }
  if (!fits) return bad_entry(e->name, "its shape is too large");
  if (bits % 8 != 0) return bad_entry(e->name, "its values do not end at a whole byte");
  *bytes = bits / 8;
  return WK_OK;
}

static wk_status read_entry(const json_t *object, entry *e) {
  if (!json_is_object(object)) return bad_entry(e->name, "its entry is no JSON object");
  uint64_t bytes = 0;
  wk_status status = read_type(object, e);
  if (status == WK_OK) status = read_shape(object, e, &bytes);
  if (status < 0) return status;
  const json_t *offsets = json_object_get(object, "data_offsets");
  if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &e->begin) ||
      !read_size(json_array_get(offsets, 1), &e->end) || e->end < e->begin)
    return bad_entry(e->name, "its data_offsets are not [begin, end]");
  if (e->end - e->begin != bytes)
    return wk_fail(WK_ERROR_FORMAT,
                   "tensor '%.100s': its shape and dtype need %" PRIu64
                   " bytes, but its data_offsets span %" PRIu64,
                   e->name, bytes, e->end - e->begin);
  return WK_OK;
}

/* ---- the header ---- */

static wk_status check_metadata(const json_t *metadata) {
  const char *key;
  json_t *value;
  if (!metadata || json_is_null(metadata)) return WK_OK;
  if (!json_is_object(metadata)) return wk_fail(WK_ERROR_FORMAT, METADATA " is no JSON object");
  json_object_foreach((json_t *)metadata, key, value) {
    if (!json_is_string(value))
      return wk_fail(WK_ERROR_FORMAT, METADATA " holds '%.100s', which is no string", key);
  }
  return WK_OK;
}

static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

/* The tensors must fill the data from the first byte to the last. */
static wk_status check_cover(const wk_safetensors *file) {
  uint64_t at = 0;
  for (size_t i = 0; i < file->count; i++) {
    const entry *e = &file->entries[i];
    if (e->end > file->data_size) return bad_entry(e->name, "its bytes lie past the file's end");
    if (e->begin < at) return bad_entry(e->name, "its bytes overlap another tensor's");
    if (e->begin > at) return bad_entry(e->name, "a gap lies before its bytes");
    at = e->end;
  }
  if (at != file->data_size)
    return wk_fail(WK_ERROR_FORMAT, "the tensors take %" PRIu64 " bytes, but there are %" PRIu64,
                   at, file->data_size);
  return WK_OK;
}

static wk_status read_entries(wk_safetensors *file) {
  const size_t most = json_object_size(file->header);
  file->entries = wk_allocate_zeroed(most > 0 ? most : 1, sizeof(entry));
  if (!file->entries) return wk_error_status();
  const char *key;
  json_t *value;
  json_object_foreach(file->header, key, value) {
    const bool metadata = strcmp(key, METADATA) == 0;
    entry *e = &file->entries[file->count];
    e->name = key;
    const wk_status status = metadata ? check_metadata(value) : read_entry(value, e);
    if (status < 0) return status;
    if (!metadata) file->count++;
  }
  qsort(file->entries, file->count, sizeof(entry), compare_entries);
  return check_cover(file);
}

static wk_status read_header(wk_safetensors *file, const void *data, size_t size) {
  const uint8_t *bytes = data;
  if (size < 8) return wk_fail(WK_ERROR_FORMAT, "only %zu bytes long", size);
  uint64_t header_size = 0;
  for (int i = 0; i < 8; i++) header_size |= (uint64_t)bytes[i] << (8 * i);
  if (header_size > MAX_HEADER || header_size > size - 8)
    return wk_fail(WK_ERROR_FORMAT, "its header claims %" PRIu64 " bytes, but %zu follow",
                   header_size, size - 8);
  file->header = wk_json_parse(bytes + 8, (size_t)header_size);
  if (!file->header) {
    wk_error_wrap("its header is damaged");
    return wk_error_status();
  }
  if (!json_is_object(file->header))
    return wk_fail(WK_ERROR_FORMAT, "its header is no JSON object");
  file->data = (const char *)bytes + 8 + header_size;
  file->data_size = size - 8 - header_size;
  return read_entries(file);
}

wk_safetensors *wk_safetensors_parse(const void *data, size_t size) {
  wk_safetensors *file = wk_allocate_zeroed(1, sizeof(*file));
  if (!file) return NULL;
  if (read_header(file, data, size) < 0) {
    wk_safetensors_free(file);
    return NULL;
  }
  return file;
}

/* ---- files ---- */

/* Maps the file; an empty one gives NULL and size 0. */
static wk_status map_file(const char *path, void **mapping, size_t *size) {
  const int descriptor = wk_file_open(path, O_RDONLY);
  if (descriptor < 0) return wk_fail_errno("open", path);
  struct stat facts;
  wk_status status = WK_OK;
  if (fstat(descriptor, &facts) != 0) {
    status = wk_fail_errno("look at", path);
  } else if (!S_ISREG(facts.st_mode)) {
    status = wk_fail(WK_ERROR_IO, "'%s' is no ordinary file", path);
  } else if (facts.st_size > 0) {
    *size = (size_t)facts.st_size;
    *mapping = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (*mapping == MAP_FAILED) status = wk_fail_errno("map", path);
  }
  close(descriptor);
  return status;
}

static wk_safetensors *open_file(const char *path) {
  if (!path) {
    wk_fail(WK_ERROR_ARGUMENT, "wk_safetensors_open: path is NULL");
    return NULL;
  }
  void *mapping = NULL;
  size_t size = 0;
  if (map_file(path, &mapping, &size) < 0) return NULL;
  wk_safetensors *file = wk_safetensors_parse(mapping ? mapping : "", size);
  if (!file) {
    const bool damaged = wk_error_status() == WK_ERROR_FORMAT;
    wk_error_wrap(damaged ? "'%s' is not a valid safetensors file" : "cannot read '%s'", path);
    if (damaged)
      wk_error_add_hint(
          "it is another kind of file, or was cut off or changed; fetch or save it anew");
    if (mapping) munmap(mapping, size);
    return NULL;
  }
  file->mapping = mapping;
  file->mapping_size = size;
  return file;
}

wk_safetensors *wk_safetensors_open_at(wk_place here, const char *path) {
  if (wk_failed()) return NULL;
  wk_safetensors *file = open_file(path);
  wk_error_add_call("safetensors_open", here);
  return file;
}

void wk_safetensors_free(wk_safetensors *file) {
  if (!file) return;
  if (file->mapping) munmap(file->mapping, file->mapping_size);
  json_decref(file->header);
  wk_deallocate(file->entries);
  wk_deallocate(file);
}

/* ---- asking ---- */

size_t wk_safetensors_count(const wk_safetensors *file) { return file ? file->count : 0; }

const char *wk_safetensors_name(const wk_safetensors *file, size_t index) {
  return file && index < file->count ? file->entries[index].name : NULL;
}

const char *wk_safetensors_metadata(const wk_safetensors *file, const char *key) {
  if (!file || !key) return NULL;
  return json_string_value(json_object_get(json_object_get(file->header, METADATA), key));
}

static const entry *find(const wk_safetensors *file, const char *name) {
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->entries[i].name, name) == 0) return &file->entries[i];
  return NULL;
}

static void fail_no_tensor(const wk_safetensors *file, const char *name) {
  wk_fail(WK_ERROR_NOT_FOUND, "the file holds no tensor '%s'", name);
  char names[300] = "none";
  size_t used = 0;
  for (size_t i = 0; i < file->count && used < 200; i++)
    used =
        wk_print_into(names, sizeof names, used, "%s%.100s", i ? ", " : "", file->entries[i].name);
  wk_error_add_hint("it holds %zu: %s%s", file->count, names, used < 200 ? "" : ", ...");
}

/* Kernels rely on 0 and 1, so another byte in a bool tensor is damage. */
static wk_status check_bool(const entry *e, const char *data) {
  for (uint64_t i = 0; i < e->end - e->begin; i++)
    if (data[i] != 0 && data[i] != 1)
      return bad_entry(e->name, "is BOOL but holds bytes other than 0 and 1");
  return WK_OK;
}

static wk_tensor *get(const wk_safetensors *file, const char *name, wk_device *device) {
  if (!file || !name) {
    wk_fail(WK_ERROR_ARGUMENT, "wk_safetensors_get: file or name is NULL");
    return NULL;
  }
  const entry *e = find(file, name);
  if (!e) {
    fail_no_tensor(file, name);
    return NULL;
  }
  if (e->type->dtype == WK_DTYPE_DEFAULT || e->rank > WK_MAX_RANK) {
    wk_fail(WK_ERROR_UNSUPPORTED, "tensor '%s' is %s of %zu dimensions, which Wick cannot hold",
            name, e->type->name, e->rank);
    return NULL;
  }
  const char *data = file->data + e->begin;
  if (e->type->dtype == WK_BOOL && check_bool(e, data) < 0) return NULL;
  wk_shape shape = {.rank = (int)e->rank};
  memcpy(shape.dims, e->dims, sizeof(shape.dims));
  return wk_tensor_from_data(shape, e->type->dtype, data, device);
}

wk_tensor *wk_safetensors_get_at(wk_place here, const wk_safetensors *file, const char *name,
                                 wk_device *device) {
  if (wk_failed()) return NULL;
  wk_tensor *tensor = get(file, name, device);
  wk_error_add_call("safetensors_get", here);
  return tensor;
}
