/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/capture.h"

#include <string.h>

#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "ops/autocast.h"
#include "ops/dispatch.h"
#include "ops/journal.h"

/* Which buffer a storage is, by open addressing: storages stay alive while they are in here. */
typedef struct known {
  const wk_storage *storage;
  int buffer;
} known;

typedef struct tracer {
  wk_tracer tracer;
  wk_trace *trace;
  known *table; /* a power of two of them */
  size_t table_size, known_count;
  wk_storage **held; /* the local buffers' */
  size_t held_count, held_capacity;
  unsigned ordered; /* nodes so far whose order is kept */
  wk_random_journal random;
  wk_region *region; /* if it is one; then `given` inputs are its own */
  size_t given;
} tracer;

/* ---- buffers ---- */

static known *find_slot(known *table, size_t size, const wk_storage *storage) {
  size_t i = ((uintptr_t)storage >> 4) * 0x9E3779B97F4A7C15u >> 20;
  while (table[i & (size - 1)].storage && table[i & (size - 1)].storage != storage) i++;
  return &table[i & (size - 1)];
}

static wk_status enlarge_table(tracer *t) {
  const size_t size = t->table_size ? 2 * t->table_size : 256;
  known *table = wk_allocate_zeroed(size, sizeof *table);
  if (!table) return wk_error_status();
  for (size_t i = 0; i < t->table_size; i++)
    if (t->table[i].storage) *find_slot(table, size, t->table[i].storage) = t->table[i];
  wk_deallocate(t->table);
  t->table = table, t->table_size = size;
  return WK_OK;
}

/* Adds the storage as a buffer; returns its number, or -1. */
static int add_buffer(tracer *t, wk_storage *storage, wk_buffer_kind kind, int input) {
  wk_graph *g = &t->trace->graph;
  if (2 * t->known_count >= t->table_size && enlarge_table(t) != WK_OK) return -1;
  if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers)) return -1;
  if (!wk_grow(&t->held, &t->held_capacity, t->held_count, sizeof *t->held)) return -1;
  const int number = (int)g->buffer_count++;
  g->buffers[number] =
      (wk_buffer){.kind = kind, .device = storage->device, .size = storage->size, .input = input};
  if (kind == WK_BUFFER_CELL)
    g->buffers[number].storage = wk_storage_retain(storage);
  else
    t->held[t->held_count++] = wk_storage_retain(storage);
  *find_slot(t->table, t->table_size, storage) = (known){storage, number};
  t->known_count++;
  return number;
}

/* Memory of the function around a region: one more input of it. */
static int reach_out(tracer *t, wk_storage *storage) {
  wk_region *r = t->region;
  if (!wk_grow(&r->reached, &r->reached_capacity, r->reached_count, sizeof *r->reached)) return -1;
  const wk_layout bytes = {.dtype = WK_U8,
                           .rank = 1,
                           .dims = {(int64_t)storage->size},
                           .strides = {1}};
  wk_tensor *whole = wk_tensor_on_storage(storage, 0, &bytes);
  if (!whole) return -1;
  r->reached[r->reached_count] = whole;
  return add_buffer(t, storage, WK_BUFFER_INPUT, (int)(t->given + r->reached_count++));
}

static int buffer_of(tracer *t, wk_storage *storage) {
  const known *found = find_slot(t->table, t->table_size, storage);
  if (found->storage) return found->buffer;
  return t->region ? reach_out(t, storage) : add_buffer(t, storage, WK_BUFFER_CELL, -1);
}

/* Sizes without memory. */
static wk_storage *create_traced(wk_device *device, size_t size) {
  wk_storage *storage = wk_allocate(sizeof *storage);
  if (storage)
    *storage = (wk_storage){.references = 1, .device = device, .size = size, .traced = true};
  return storage;
}

static wk_tensor *create_tensor(tracer *t, const wk_layout *layout, wk_device *device,
                                wk_buffer_kind kind, int input) {
  wk_layout dense = *layout;
  wk_layout_set_strides(&dense);
  wk_storage *storage =
      create_traced(device, (size_t)wk_layout_count(&dense) * wk_dtype_size(dense.dtype));
  if (!storage) return NULL;
  wk_tensor *tensor = NULL;
  if (add_buffer(t, storage, kind, input) >= 0) tensor = wk_tensor_on_storage(storage, 0, &dense);
  wk_storage_release(storage);
  return tensor;
}

static wk_status refer(tracer *t, wk_tensor *tensor, wk_reference *reference) {
  *reference = (wk_reference){.buffer = -1};
  if (!tensor) return WK_OK;
  wk_storage *storage = tensor->root->storage;
  const int buffer = buffer_of(t, storage);
  if (buffer < 0) return wk_error_status();
  *reference = (wk_reference){.buffer = buffer,
                              .version = t->trace->graph.buffers[buffer].version,
                              .start = tensor->root->offset +
                                       (size_t)tensor->offset * wk_dtype_size(tensor->layout.dtype),
                              .layout = tensor->layout};
  if (!storage->traced && !tensor->link) { /* autograd looked at these */
    WK_NOTE_FIELD(tensor, tensor->requires_gradient);
    WK_NOTE_FIELD(tensor, tensor->frozen);
  }
  return WK_OK;
}

/* ---- nodes ---- */

static wk_graph_node *add_node(tracer *t, const wk_call *call) {
  wk_graph *g = &t->trace->graph;
  if (!wk_grow(&g->nodes, &g->node_capacity, g->node_count, sizeof *g->nodes)) return NULL;
  wk_graph_node *node = &g->nodes[g->node_count];
  *node = (wk_graph_node){.op = call->op,
                          .input_count = call->input_count,
                          .draw = WK_NO_DRAW,
                          .late = call->late,
                          .again = wk_recomputing > 0,
                          .here = call->here,
                          .module_path = wk_current_module};
  if (call->late.run || call->op->id >= wk_op_table_count) node->order = ++t->ordered;
  node->arguments = wk_allocate_zeroed(1, call->op->settings.size + 1);
  node->inputs = wk_allocate_zeroed((size_t)call->input_count + 1, sizeof *node->inputs);
  g->node_count++;
  if (call->op->id == WK_CONTROL_OP)
    node->control = wk_control_retain(((wk_control_arguments *)call->arguments)->control);
  if (!node->arguments || !node->inputs) return NULL;
  memcpy(node->arguments, call->arguments, call->op->settings.size);
  return node;
}

/* Sets which of the numbers drawn so far the node uses, whoever passed them on. */
static wk_status find_draw(const tracer *t, wk_graph_node *node) {
  const wk_attribute *seed = wk_settings_find(&node->op->settings, "seed");
  const wk_attribute *offset = wk_settings_find(&node->op->settings, "offset");
  uint64_t s = WK_TRACED_SEED, o = node->control ? node->control->drawn : 0;
  if (!(seed && offset) && !o) return WK_OK;
  if (!o) {
    memcpy(&s, (char *)node->arguments + seed->offset, sizeof s);
    memcpy(&o, (char *)node->arguments + offset->offset, sizeof o);
  }
  if (s != WK_TRACED_SEED) return WK_OK; /* the user's own */
  for (size_t i = t->random.count; i-- > 0;)
    if (t->random.entries[i].offset == o) return node->draw = (int)i, WK_OK;
  wk_fail(WK_ERROR_UNSUPPORTED, "random numbers drawn outside of a compiled loop or choice are "
                                "drawn once more in it");
  wk_error_add_hint("take gradients of what was drawn outside there, or run the function eagerly");
  return WK_ERROR_UNSUPPORTED;
}

static wk_status note_call(wk_tracer *self, wk_call *call) {
  tracer *t = (tracer *)self;
  wk_device *device = wk_call_device(call);
  bool empty = call->op->output_count > 0;
  for (int i = 0; i < call->op->output_count; i++) {
    call->outputs[i] = create_tensor(t, &call->layouts[i], device, WK_BUFFER_LOCAL, -1);
    if (!call->outputs[i]) return wk_error_status();
    empty = empty && wk_layout_count(&call->layouts[i]) == 0;
  }
  if (empty) return WK_OK;
  wk_graph_node *node = add_node(t, call);
  if (!node) return wk_error_status();
  for (int i = 0; i < call->input_count; i++)
    if (refer(t, call->inputs[i], &node->inputs[i]) != WK_OK) return wk_error_status();
  for (int i = 0; i < call->op->output_count; i++)
    if (refer(t, call->outputs[i], &node->outputs[i]) != WK_OK) return wk_error_status();
  if (find_draw(t, node) != WK_OK) return wk_error_status();
  for (int i = 0; i < call->input_count; i++)
    if (wk_op_input_at(call->op, i)->written && call->inputs[i])
      t->trace->graph.buffers[node->inputs[i].buffer].version++;
  return WK_OK;
}

static wk_status note_host(wk_tracer *self, wk_late late, wk_tensor *read) {
  tracer *t = (tracer *)self;
  wk_graph *g = &t->trace->graph;
  if (!wk_grow(&g->nodes, &g->node_capacity, g->node_count, sizeof *g->nodes))
    return wk_error_status();
  wk_graph_node *node = &g->nodes[g->node_count++];
  *node = (wk_graph_node){.draw = WK_NO_DRAW, .late = late, .order = ++t->ordered};
  if (!read) return WK_OK;
  node->inputs = wk_allocate_zeroed(1, sizeof *node->inputs);
  node->input_count = node->inputs != NULL;
  return node->inputs ? refer(t, read, node->inputs) : wk_error_status();
}

/* ---- one tracing ---- */

wk_modes wk_modes_now(void) {
  return (wk_modes){wk_gradients_recorded, wk_autocasting, wk_determinism_get(), wk_thread_count(),
                    wk_device_or_default(NULL)};
}

bool wk_modes_equal(const wk_modes *a, const wk_modes *b) {
  return a->gradients_recorded == b->gradients_recorded && a->autocast == b->autocast &&
         a->determinism == b->determinism && a->threads == b->threads && a->device == b->device;
}

static wk_status note_draws(tracer *t) {
  wk_graph *g = &t->trace->graph;
  for (size_t i = 0; i < t->random.count; i++) {
    if (!wk_grow(&g->draws, &g->draw_capacity, g->draw_count, sizeof *g->draws))
      return wk_error_status();
    const wk_journal_entry *entry = &t->random.entries[i];
    g->draws[g->draw_count++] = (wk_draw){entry->generator, entry->count};
  }
  return WK_OK;
}

/* Whether it is all of memory that a node made and that is no result yet. */
static bool is_fresh(const tracer *t, const wk_tensor *result) {
  const wk_graph *g = &t->trace->graph;
  const wk_storage *storage = result->root->storage;
  const known *found = find_slot(t->table, t->table_size, storage);
  if (!found->storage || g->buffers[found->buffer].kind != WK_BUFFER_LOCAL) return false;
  for (size_t i = 0; i < g->result_count; i++)
    if (g->results[i].buffer == found->buffer) return false;
  return result->root->offset == 0 && result->offset == 0 &&
         wk_layout_is_contiguous(&result->layout) &&
         storage->size ==
             (size_t)wk_layout_count(&result->layout) * wk_dtype_size(result->layout.dtype);
}

static wk_status note_result(tracer *t, wk_tensor *result) {
  wk_graph *g = &t->trace->graph;
  if (t->region && !is_fresh(t, result)) {
    const bool recorded = wk_set_gradients_recorded(false);
    result = wk_clone(result);
    wk_set_gradients_recorded(recorded);
    if (!result) return wk_error_status();
  }
  if (!wk_grow(&g->results, &g->result_capacity, g->result_count, sizeof *g->results))
    return wk_error_status();
  return refer(t, result, &g->results[g->result_count++]);
}

wk_status wk_body_of_one(void *one, wk_tensors inputs, wk_tensor **results) {
  const wk_one_body *given = one;
  *results = given->body(given->context, inputs);
  return wk_error_status();
}

static wk_status call_body(tracer *t, const wk_body *body, wk_tensors inputs) {
  wk_tensor **traced = wk_allocate_zeroed(inputs.count + body->result_count + 1, sizeof *traced);
  if (!traced) return wk_error_status();
  wk_tensor **results = traced + inputs.count;
  for (size_t i = 0; i < inputs.count && !wk_failed(); i++) {
    const wk_tensor *from = inputs.item[i];
    traced[i] = wk_scope_add(
        create_tensor(t, &from->layout, wk_tensor_device_of(from), WK_BUFFER_INPUT, (int)i));
  }
  if (!wk_failed()) {
    if (body->run(body->context, (wk_tensors){inputs.count, traced}, results) < 0 && !wk_failed())
      wk_fail(WK_ERROR_CALLBACK, "the function that is compiled failed");
    for (size_t i = 0; i < body->result_count && !wk_failed(); i++)
      if (results[i])
        note_result(t, results[i]);
      else
        wk_fail(WK_ERROR_CALLBACK, "the function that is compiled gave no result");
  }
  wk_deallocate(traced);
  return wk_error_status();
}

/* The op that makes the buffer. */
static const char *maker_of(const wk_graph *g, int buffer) {
  for (size_t n = 0; n < g->node_count; n++)
    for (int i = 0; g->nodes[n].op && i < g->nodes[n].op->output_count; i++)
      if (g->nodes[n].outputs[i].buffer == buffer) return g->nodes[n].op->name;
  return NULL;
}

/* Nothing without values may outlive the trace. */
static wk_status check_let_go(const tracer *t) {
  for (size_t i = 0; i < t->held_count; i++) {
    const wk_storage *storage = t->held[i];
    if (atomic_load(&storage->references) == 1) continue;
    const int buffer = find_slot(t->table, t->table_size, storage)->buffer;
    const wk_buffer *of = &t->trace->graph.buffers[buffer];
    if (of->kind == WK_BUFFER_INPUT && t->region && (size_t)of->input >= t->given) continue;
    const char *maker = maker_of(&t->trace->graph, buffer);
    wk_fail(WK_ERROR_STATE, "the function keeps %s%s, which has values only while it runs",
            maker ? "the result of " : "an input", maker ? maker : "");
    wk_error_add_hint("return it, or write it into a tensor that is older than the function");
    return WK_ERROR_STATE;
  }
  return WK_OK;
}

static void close(tracer *t) {
  for (size_t i = 0; i < t->held_count; i++) wk_storage_release(t->held[i]);
  wk_deallocate(t->held);
  wk_deallocate(t->table);
  wk_journal_free(&t->random);
}

wk_status wk_trace_function(wk_trace *trace, wk_function_body body, void *context,
                            wk_tensors inputs) {
  wk_one_body one = {body, context};
  return wk_trace_body(trace, &(wk_body){wk_body_of_one, &one, 1}, inputs);
}

wk_status wk_trace_body(wk_trace *trace, const wk_body *body, wk_tensors inputs) {
  *trace = (wk_trace){.modes = wk_modes_now()};
  tracer t = {.tracer = {.call = note_call, .host = note_host}, .trace = trace};
  if (wk_tracing)
    return wk_fail(WK_ERROR_STATE, "a compiled function is called while one is traced");
  if (enlarge_table(&t) != WK_OK) return wk_error_status();
  wk_scope scope = wk_scope_open();
  wk_autocast_forget(); /* a weight is cast at every call */
  wk_journal_open(&t.random, false);
  t.random.apart = true;
  wk_thread_here()->tracing = &t.tracer;
  wk_fields_noted = &trace->fields;
  wk_status status = call_body(&t, body, inputs);
  wk_autocast_forget();
  wk_scope_close(&scope);
  wk_fields_noted = NULL;
  wk_thread_here()->tracing = NULL;
  wk_gradients_recorded = trace->modes.gradients_recorded;
  wk_autocasting = trace->modes.autocast;
  wk_journal_close(&t.random);
  wk_fields_restore(&trace->fields);
  if (status == WK_OK && trace->fields.failed) status = wk_error_status();
  if (status == WK_OK) status = check_let_go(&t);
  if (status == WK_OK) status = note_draws(&t);
  close(&t);
  if (status != WK_OK) wk_trace_free(trace);
  return status;
}

/* One trip is traced for all of them: each must find what the first one finds. */
static wk_status check_fields(const uint64_t *then, size_t count) {
  const bool failed = wk_failed();
  if (wk_fields_same(wk_fields_noted, then, count, failed) || failed) return wk_error_status();
  wk_fail(WK_ERROR_UNSUPPORTED,
          "a compiled loop or choice leaves gradients or modes as it does not "
          "find them");
  wk_error_add_hint("in each trip let wk_optimizer_step use the gradients that it makes, and set "
                    "modes outside");
  return WK_ERROR_UNSUPPORTED;
}

wk_status wk_trace_region(wk_region *region, const wk_body *body, wk_tensors inputs) {
  wk_tracer *const outer = wk_tracing;
  wk_trace inner = {.modes = wk_modes_now()};
  *region = (wk_region){.reached = NULL};
  const size_t field_count = wk_fields_noted->count;
  uint64_t *fields = wk_fields_look(wk_fields_noted);
  tracer t = {.tracer = {.call = note_call, .host = note_host, .around = outer},
              .trace = &inner,
              .region = region,
              .given = inputs.count};
  if (!fields || enlarge_table(&t) != WK_OK) {
    wk_deallocate(fields);
    return wk_error_status();
  }
  wk_scope scope = wk_scope_open();
  wk_autocast_forget();
  wk_journal_open(&t.random, false);
  t.random.apart = true;
  wk_thread_here()->tracing = &t.tracer;
  wk_status status = call_body(&t, body, inputs);
  wk_autocast_forget();
  wk_scope_close(&scope);
  wk_thread_here()->tracing = outer;
  if (check_fields(fields, field_count) != WK_OK) status = wk_error_status();
  wk_deallocate(fields);
  wk_journal_close(&t.random);
  if (status == WK_OK) status = check_let_go(&t);
  if (status == WK_OK) status = note_draws(&t);
  close(&t);
  region->graph = inner.graph;
  if (status != WK_OK) wk_region_free(region);
  return status;
}

void wk_region_free(wk_region *region) {
  for (size_t i = 0; i < region->reached_count; i++) wk_tensor_release(region->reached[i]);
  wk_deallocate(region->reached);
  wk_graph_free(&region->graph);
  *region = (wk_region){.reached = NULL};
}

void wk_trace_free(wk_trace *trace) {
  wk_graph_free(&trace->graph);
  wk_fields_free(&trace->fields);
  *trace = (wk_trace){0};
}
