/* SPDX-License-Identifier: Apache-2.0 */
/* Plans in safetensors files. Under "wick.plan" there stands its text, under "wick.cells" a line
 * for each cell: "given 3", the number of a tensor that the loader has, or "stored", and then the
 * tensor "cell.N" holds its bytes. "wick.checksum" is CRC-32C, over both texts and behind them the
 * stored cells, each of whose own is appended to what is summed up, as 8 hexadecimal digits. */
#include <stdlib.h>
#include <string.h>

#include <wick/format.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/crc32c.h"
#include "graph/function.h"
#include "graph/plan_text.h"
#include "ops/trace.h"

/* What a file is about, while it is written or read. */
typedef struct parts {
  wk_text plan, cells, sums;
} parts;

static void free_parts(parts *p) {
  wk_text_free(&p->plan);
  wk_text_free(&p->cells);
  wk_text_free(&p->sums);
}

static uint32_t sum_of(const char *text) { return wk_crc32c(text ? text : "", strlen(text)); }

static wk_status sum_up(const char *plan, const char *cells, wk_text *sums, char *result) {
  wk_text_append(sums, "%08x%08x", sum_of(plan), sum_of(cells));
  if (!wk_failed()) wk_print_into(result, 9, 0, "%08x", wk_crc32c(sums->data, sums->length));
  return wk_error_status();
}

/* All the bytes of a storage; an owned reference. */
static wk_tensor *bytes_of(wk_storage *storage) {
  const wk_layout layout = {.dtype = WK_U8,
                            .rank = 1,
                            .dims = {(int64_t)storage->size},
                            .strides = {1}};
  return wk_tensor_on_storage(storage, 0, &layout);
}

static const char *cell_name(size_t number, char *name) {
  wk_print_into(name, 32, 0, "cell.%zu", number);
  return name;
}

/* ---- saving ---- */

static wk_status save_cell(const wk_buffer *b, size_t number, wk_tensors given, parts *p,
                           wk_safetensors_writer *writer) {
  for (size_t i = 0; i < given.count; i++)
    if (given.item[i]->root->storage == b->storage)
      return wk_text_append(&p->cells, "given %zu\n", i);
  if (!b->device->host_memory)
    return wk_fail(WK_ERROR_UNSUPPORTED, "a plan of the device %s cannot be saved",
                   b->device->name);
  char name[32];
  wk_tensor *bytes = bytes_of(b->storage);
  wk_text_append(&p->cells, "stored\n");
  if (bytes) wk_text_append(&p->sums, "%08x", wk_crc32c(b->storage->data, b->size));
  if (!wk_failed()) wk_safetensors_writer_add(writer, cell_name(number, name), bytes);
  wk_tensor_release(bytes);
  return wk_error_status();
}

static wk_status check_fields(const wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++)
    if (!j->fields[i].guarded || j->fields[i].after != j->fields[i].before) {
      wk_fail(WK_ERROR_UNSUPPORTED,
              "the function changes fields of objects, gradients or an optimizer's, which a saved "
              "plan cannot say");
      wk_error_add_hint("predictions can be saved; for training, save the network and compile "
                        "again");
      return WK_ERROR_UNSUPPORTED;
    }
  return WK_OK;
}

static wk_status save_version(const wk_served *v, const char *path, wk_tensors given) {
  parts p = {0};
  char sum[9] = "";
  size_t cells = 0;
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  if (writer) wk_plan_to_text(&v->plan, v->input_count, v->inputs, &p.plan);
  if (!wk_failed()) check_fields(&v->fields);
  for (size_t i = 0; i < v->plan.graph.buffer_count && !wk_failed(); i++)
    if (v->plan.graph.buffers[i].kind == WK_BUFFER_CELL)
      save_cell(&v->plan.graph.buffers[i], cells++, given, &p, writer);
  const char *text = p.cells.data ? p.cells.data : "";
  if (!wk_failed()) sum_up(p.plan.data, text, &p.sums, sum);
  if (!wk_failed()) wk_safetensors_writer_set(writer, "wick.plan", p.plan.data);
  if (!wk_failed()) wk_safetensors_writer_set(writer, "wick.cells", text);
  if (!wk_failed()) wk_safetensors_writer_set(writer, "wick.checksum", sum);
  if (!wk_failed()) wk_safetensors_writer_save(writer, path);
  wk_safetensors_writer_free(writer);
  free_parts(&p);
  return wk_error_status();
}

static wk_status check_arguments(const char *path, wk_tensors given) {
  if (wk_tracing)
    return wk_fail(WK_ERROR_STATE, "plans are not saved or loaded while a function is traced");
  if (!path) return wk_fail(WK_ERROR_ARGUMENT, "there is no path");
  if (given.count && !given.item) return wk_fail(WK_ERROR_ARGUMENT, "the tensors given are NULL");
  for (size_t i = 0; i < given.count; i++)
    if (!given.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "tensor %zu is NULL", i);
  return WK_OK;
}

wk_status wk_plan_save_at(wk_place here, wk_function *function, const char *path,
                          wk_tensors given) {
  if (wk_failed()) return wk_error_pending;
  wk_status status = check_arguments(path, given);
  if (status == WK_OK && !function)
    status = wk_fail(WK_ERROR_ARGUMENT, "there is no function to save");
  if (status == WK_OK) { /* alone, so that memory is not changed meanwhile */
    pthread_rwlock_wrlock(&function->turns);
    pthread_mutex_lock(&function->table);
    if (function->last)
      save_version(function->last, path, given);
    else
      wk_fail(WK_ERROR_STATE, "the function was not called yet, so that it has no plan");
    pthread_mutex_unlock(&function->table);
    pthread_rwlock_unlock(&function->turns);
  }
  wk_error_add_call("plan_save", here);
  return wk_error_status();
}

/* ---- loading ---- */

static wk_status fail_format(const char *what) {
  return wk_fail(WK_ERROR_FORMAT, "no saved plan: %s", what);
}

static wk_status take_given(wk_buffer *b, size_t which, wk_tensors given) {
  wk_storage *storage = which < given.count ? given.item[which]->root->storage : NULL;
  if (storage && storage->size == b->size && storage->device == b->device) {
    b->storage = wk_storage_retain(storage);
    return WK_OK;
  }
  if (!storage)
    wk_fail(WK_ERROR_ARGUMENT, "the plan wants tensor %zu of those given, but there are %zu", which,
            given.count);
  else
    wk_fail(WK_ERROR_ARGUMENT,
            "tensor %zu of those given lies in %zu bytes on %s, not in %zu on %s", which,
            storage->size, storage->device->name, b->size, b->device->name);
  wk_error_add_hint("give the same ones as when it was saved, made in the same way");
  return WK_ERROR_ARGUMENT;
}

static wk_status take_stored(wk_buffer *b, size_t number, const wk_safetensors *file, parts *p) {
  char name[32];
  wk_tensor *bytes = wk_safetensors_get(file, cell_name(number, name), b->device);
  if (!bytes) return wk_error_status();
  wk_storage *storage = bytes->root->storage;
  if (bytes->layout.dtype != WK_U8 || storage->size != b->size || !b->device->host_memory)
    return fail_format("a cell has another size");
  b->storage = wk_storage_retain(storage);
  return wk_text_append(&p->sums, "%08x", wk_crc32c(storage->data, b->size));
}

/* Gives the cells their memory, as the lines say. */
static wk_status take_cells(wk_graph *g, const char *line, const wk_safetensors *file,
                            wk_tensors given, parts *p) {
  size_t number = 0;
  WK_SCOPE;
  for (size_t i = 0; i < g->buffer_count && !wk_failed(); i++) {
    wk_buffer *b = &g->buffers[i];
    if (b->kind != WK_BUFFER_CELL) continue;
    if (strncmp(line, "stored\n", 7) == 0)
      take_stored(b, number, file, p);
    else if (strncmp(line, "given ", 6) == 0)
      take_given(b, (size_t)strtoull(line + 6, NULL, 10), given);
    else
      fail_format("not a line for each cell");
    number++;
    line += strcspn(line, "\n");
    line += *line == '\n';
  }
  return wk_error_status();
}

/* Tensors given that the plan writes: others see by their versions that they changed. */
static wk_status note_written(wk_served *v, wk_tensors given) {
  const wk_graph *g = &v->plan.graph;
  wk_field_journal *j = &v->fields;
  for (size_t i = 0; i < given.count; i++)
    for (size_t b = 0; b < g->buffer_count; b++) {
      if (g->buffers[b].storage != given.item[i]->root->storage || !g->buffers[b].version) continue;
      if (!wk_grow(&j->written, &j->written_capacity, j->written_count, sizeof *j->written))
        return wk_error_status();
      j->written[j->written_count++] = (wk_written){.root = wk_root_retain(given.item[i]->root)};
    }
  return WK_OK;
}

static wk_served *load_version(const wk_safetensors *file, wk_tensors given) {
  const char *plan = wk_safetensors_metadata(file, "wick.plan");
  const char *cells = wk_safetensors_metadata(file, "wick.cells");
  const char *expected = wk_safetensors_metadata(file, "wick.checksum");
  wk_served *v = wk_allocate_zeroed(1, sizeof *v);
  if (!v) return NULL;
  parts p = {0};
  char sum[9] = "";
  v->loaded = true;
  if (!plan || !cells || !expected)
    fail_format("the file has none");
  else
    wk_plan_from_text(&v->plan, plan, &v->input_count, &v->inputs);
  if (!wk_failed()) take_cells(&v->plan.graph, cells, file, given, &p);
  if (!wk_failed() && sum_up(plan, cells, &p.sums, sum) == WK_OK && strcmp(sum, expected) != 0)
    fail_format("its checksum is another");
  if (!wk_failed()) note_written(v, given);
  free_parts(&p);
  if (!wk_failed()) return v;
  wk_served_free(v);
  return NULL;
}

wk_function *wk_plan_load_at(wk_place here, const char *path, wk_tensors given) {
  if (wk_failed()) return NULL;
  wk_function *function = NULL;
  wk_safetensors *file = check_arguments(path, given) == WK_OK ? wk_safetensors_open(path) : NULL;
  wk_served *v = file ? load_version(file, given) : NULL;
  if (v) function = wk_function_of(v);
  wk_safetensors_free(file);
  wk_error_add_call("plan_load", here);
  return function;
}
