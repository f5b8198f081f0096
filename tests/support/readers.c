/* SPDX-License-Identifier: Apache-2.0 */
#include "support/readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <wick/wick.h>
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "device/host_memory.h"
#include "format/events.h"
#include "format/gzip.h"
#include "format/idx.h"
#include "format/json.h"
#include "format/model_input.h"
#include "format/png.h"
#include "format/safetensors.h"
#include "nn/model_file.h"
#include "support/allocation.h"
#include "support/assemble.h"
#include "support/read_checkpoint.h"

static void require(bool good, const char *what) {
  if (good) return;
  fprintf(stderr, "broken promise: %s\n", what);
  abort();
}

/* ---- images and arrays ---- */

static wk_status read_idx(const uint8_t *data, size_t size, wk_text *detail) {
  wk_idx idx;
  const wk_status status = wk_idx_parse(data, size, &idx);
  require(status == WK_OK || !idx.memory, "a failing wk_idx_parse leaves nothing to free");
  if (status < 0) return status;
  size_t values = 1;
  for (int i = 0; i < idx.shape.rank; i++) values *= (size_t)idx.shape.dims[i];
  const uint32_t sum = (uint32_t)crc32_z(0, idx.values, values);
  wk_idx_clear(&idx);
  return wk_text_append(detail, "%zu %08x", values, (unsigned)sum);
}

static wk_status read_png(const uint8_t *data, size_t size, wk_text *detail) {
  wk_image image;
  const wk_status status = wk_png_decode(data, size, &image);
  require(status == WK_OK || !image.bytes, "a failing wk_png_decode leaves nothing to free");
  if (status < 0) return status;
  require(image.channels >= 1 && image.channels <= 4, "an image has 1 to 4 channels");
  const size_t bytes = (size_t)(image.height * image.width * image.channels);
  const uint32_t sum = (uint32_t)crc32_z(0, image.bytes, bytes);
  wk_deallocate(image.bytes);
  return wk_text_append(detail, "%lldx%lld %lld %08x", (long long)image.width,
                        (long long)image.height, (long long)image.channels, (unsigned)sum);
}

static wk_status read_gzip(const uint8_t *data, size_t size, wk_text *detail) {
  void *whole;
  size_t whole_size, got;
  uint8_t head[100];
  const wk_status status = wk_gunzip(data, size, SIZE_MAX, &whole, &whole_size);
  require(status == WK_OK || !whole, "a failing wk_gunzip leaves nothing to free");
  if (status < 0) return status;
  const size_t wanted = whole_size < sizeof head ? whole_size : sizeof head;
  require(wk_gunzip_head(data, size, head, sizeof head, &got) == WK_OK && got == wanted &&
              memcmp(head, whole, got) == 0,
          "wk_gunzip_head gives what wk_gunzip begins with");
  wk_text_append(detail, "%zu %08x", whole_size, (unsigned)crc32_z(0, whole, whole_size));
  wk_deallocate(whole);
  return wk_error_status();
}

/* ---- tensors ---- */

/* Every tensor is had, or is of a type that Wick lacks. */
static wk_status read_tensors(const wk_safetensors *file) {
  for (size_t i = 0; i < wk_safetensors_count(file); i++) {
    WK_SCOPE;
    wk_safetensors_get(file, wk_safetensors_name(file, i), NULL);
    if (wk_error_status() == WK_ERROR_UNSUPPORTED) wk_error_clear();
    if (wk_failed()) return wk_error_status();
  }
  return WK_OK;
}

static wk_status read_safetensors(const uint8_t *data, size_t size, wk_text *detail) {
  wk_safetensors *file = wk_safetensors_parse(data, size);
  if (!file) return wk_error_status();
  if (read_tensors(file) == WK_OK)
    wk_text_append(detail, "%zu tensors", wk_safetensors_count(file));
  wk_safetensors_metadata(file, "format");
  wk_safetensors_free(file);
  return wk_error_status();
}

/* ---- event files ---- */

static wk_status read_events(const uint8_t *data, size_t size, wk_text *detail) {
  wk_event_reader *events = wk_event_reader_create(data, size);
  wk_event event = {.struct_size = sizeof event};
  size_t counts[4] = {0};
  wk_status status = events ? WK_OK : wk_error_status();
  while (status == WK_OK && (status = wk_event_reader_next(events, &event)) == WK_OK) {
    require(event.kind <= WK_EVENT_START && wk_is_utf8(event.text, strlen(event.text)),
            "an event has a kind, and text that is text");
    counts[event.kind]++;
  }
  const size_t unfinished = wk_event_reader_unfinished(events);
  wk_event_reader_free(events);
  if (status < 0) return status;
  wk_text_append(detail, "%zu scalars, %zu starts, %zu versions, %zu others",
                 counts[WK_EVENT_SCALAR], counts[WK_EVENT_START], counts[WK_EVENT_VERSION],
                 counts[WK_EVENT_OTHER]);
  if (unfinished > 0) wk_text_append(detail, ", %zu bytes of an unfinished record", unfinished);
  return wk_error_status();
}

/* ---- models ---- */

typedef struct cost {
  int64_t values, parameters;
} cost;

static void add_cost(const wk_module *module, cost *sum) {
  int64_t values = 1;
  for (int i = 0; i < module->output.rank; i++)
    if (!wk_multiply_count(values, module->output.dims[i], &values)) values = INT32_MAX;
  sum->values += values > INT32_MAX ? INT32_MAX : values;
  for (size_t i = 0; i < module->parameter_count; i++)
    sum->parameters += wk_tensor_count(module->parameters[i].tensor);
  for (size_t i = 0; i < module->child_count; i++) add_cost(module->children[i].module, sum);
}

/* A model that loads also predicts, or says why not. Only small ones are asked: what a file makes a
 * network compute has no bound. */
static void predict_one(wk_module *module) {
  WK_SCOPE;
  cost sum = {0};
  add_cost(module, &sum);
  wk_shape batch = {.rank = module->input.shape.rank + 1, .dims = {1}};
  for (int i = 1; i < batch.rank; i++) {
    batch.dims[i] = module->input.shape.dims[i - 1];
    if (batch.dims[i] > 64) return;
  }
  if (batch.rank > 4 || sum.values > 100000 || (sum.parameters + 1) * sum.values > 10000000) return;
  wk_forward(module, wk_full(batch, 1, .dtype = module->input.dtype));
  wk_error_clear();
}

static wk_status read_model(const wk_safetensors *file, wk_text *detail) {
  wk_module *module = wk_model_file_read(file, NULL);
  if (!module) return wk_error_status();
  predict_one(module);
  wk_text_append(detail, "%zu tensors", wk_safetensors_count(file));
  wk_module_free(module);
  return wk_error_status();
}

static wk_status read_model_file(const uint8_t *data, size_t size, wk_text *detail) {
  uint8_t *assembled = NULL;
  if (size > 0 && data[0] == '{') {
    assembled = assemble_safetensors("wick", data, size, &size);
    if (!assembled) return wk_fail(WK_ERROR_FORMAT, "no model file can be made of this text");
    data = assembled;
  }
  wk_safetensors *file = wk_safetensors_parse(data, size);
  if (file) read_model(file, detail);
  wk_safetensors_free(file);
  free(assembled);
  return wk_error_status();
}

/* ---- JSON, wherever it may stand ---- */

static void try_as_header(const uint8_t *data, size_t size) {
  uint8_t *file = malloc(size + 8);
  if (!file) return;
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)size >> (8 * i));
  memcpy(file + 8, data, size);
  wk_text ignored = {0};
  read_safetensors(file, size + 8, &ignored);
  wk_error_clear();
  wk_text_free(&ignored);
  free(file);
}

static void try_as_description(const uint8_t *data, size_t size) {
  size_t file_size = 0;
  uint8_t *file = assemble_safetensors("wick", data, size, &file_size);
  wk_text ignored = {0};
  if (file) read_model_file(file, file_size, &ignored);
  wk_error_clear();
  wk_text_free(&ignored);
  free(file);
}

static wk_status read_json(const uint8_t *data, size_t size, wk_text *detail) {
  try_as_header(data, size);
  try_as_description(data, size);
  json_t *json = wk_json_parse(data, size);
  if (!json) return wk_error_status();
  wk_model_input input;
  if (wk_model_input_from_json(&input, json) == WK_OK)
    wk_text_append(detail, "describes a network's input");
  wk_error_clear();
  wk_model_input_clear(&input);
  json_decref(json);
  return WK_OK;
}

/* ---- the door ---- */

enum {
  KIB = 1024,
  INFLATE = 1032,     /* how much longer deflated data can become */
  GROW = 3 * INFLATE, /* in a buffer that doubles, while the old one is copied */
  JSON = 128          /* jansson's bytes for one of "{},{},..." */
};

const reader readers[] = {
    {"idx", read_idx, 128 * KIB, GROW + 8},
    {"gzip", read_gzip, 128 * KIB, GROW + 8},
    /* A palette's bit becomes four bytes. */
    {"png", read_png, 1024 * KIB, 32 * INFLATE + 8},
    {"safetensors", read_safetensors, 64 * KIB, JSON},
    {"events", read_events, 64 * KIB, 4},
    {"json", read_json, 1024 * KIB, 4 * JSON},
    {"model_file", read_model_file, 4096 * KIB, 4 * JSON},
    {"checkpoint", read_checkpoint, 4096 * KIB, 4 * JSON},
};
const size_t reader_count = sizeof readers / sizeof *readers;

const reader *reader_find(const char *kind) {
  for (size_t i = 0; i < reader_count; i++)
    if (strcmp(readers[i].kind, kind) == 0) return &readers[i];
  return NULL;
}

static void check_memory(const reader *how, size_t size, size_t held) {
  const size_t allowed = how->fixed + how->factor * size;
  if (held <= allowed) return;
  fprintf(stderr, "reading %zu bytes of %s took %zu bytes at once; %zu are allowed\n", size,
          how->kind, held, allowed);
  abort();
}

wk_status reader_run(const reader *how, const void *data, size_t size, wk_text *detail) {
  wk_host_allocator_set(WK_HOST_SYSTEM); /* so that every block has the sanitizer's guards */
  uint8_t *copy = malloc(size);          /* of size 0 too: any byte that is read is one too many */
  require(copy != NULL, "memory for a copy");
  if (size > 0) memcpy(copy, data, size);
  const bool watched = allocation_watch_begin();
  const wk_status status = how->read(copy, size, detail);
  if (watched) check_memory(how, size, allocation_watch_end());
  free(copy);
  require(status == wk_error_status() && status != WK_END, "a reader returns the error it raised");
  require(status != WK_ERROR_MEMORY, "no reader runs out of memory");
  return status;
}
