/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/watch.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/dispatch.h"
#include "ops/journal.h"
#include "ops/records.gen.h"

/* ---- values in short ---- */

static uint64_t hash_bytes(const char *bytes, size_t size) {
  uint64_t h = size;
  for (size_t i = 0; i < size; i += sizeof h) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, size - i < sizeof word ? size - i : sizeof word);
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
  }
  return h;
}

/* Copies the elements row by row; `axis` and those behind it. */
static char *gather(const wk_layout *layout, const char *from, char *to, int axis) {
  const size_t size = wk_dtype_size(layout->dtype);
  if (axis == layout->rank) return memcpy(to, from, size), to + size;
  for (int64_t i = 0; i < layout->dims[axis]; i++)
    to = gather(layout, from + i * layout->strides[axis] * (int64_t)size, to, axis + 1);
  return to;
}

static uint64_t hash_operand(const wk_operand *operand) {
  const size_t size =
      (size_t)wk_layout_count(&operand->layout) * wk_dtype_size(operand->layout.dtype);
  if (wk_layout_is_contiguous(&operand->layout)) return hash_bytes(operand->data, size);
  char *dense = wk_allocate(size + 1);
  if (!dense) return 0;
  gather(&operand->layout, operand->data, dense, 0);
  const uint64_t h = hash_bytes(dense, size);
  wk_deallocate(dense);
  return h;
}

static wk_operand operand_of(const wk_tensor *tensor) {
  return (wk_operand){wk_tensor_data(tensor), tensor->layout};
}

/* ---- what is watched ---- */

static size_t *find_slot(const wk_watch *w, int buffer, size_t start) {
  for (uint64_t i = ((uint64_t)buffer * 0x9E3779B97F4A7C15u ^ start * 0xC2B2AE3D27D4EB4Fu) >> 16;;
       i++) {
    size_t *slot = &w->slots[i & (w->slot_count - 1)];
    if (!*slot || (w->items[*slot - 1].buffer == buffer && w->items[*slot - 1].start == start))
      return slot;
  }
}

static wk_status add_item(wk_watch *w, const wk_graph_node *node, const wk_reference *r,
                          bool written) {
  if (r->buffer < 0) return WK_OK;
  if (!wk_grow(&w->items, &w->capacity, w->count, sizeof *w->items)) return wk_error_status();
  w->items[w->count++] = (wk_watched){.op = node->op,
                                      .here = node->here,
                                      .module_path = node->module_path,
                                      .call = w->calls,
                                      .buffer = r->buffer,
                                      .start = r->start,
                                      .written = written,
                                      .late = node->late.run != NULL};
  return WK_OK;
}

wk_status wk_watch_create(wk_watch *w, const wk_graph *g) {
  *w = (wk_watch){.slot_count = 16};
  for (size_t n = 0; n < g->node_count; n++) {
    const wk_graph_node *node = &g->nodes[n];
    if (!node->op) continue;
    for (int i = 0; i < node->op->output_count; i++) add_item(w, node, &node->outputs[i], false);
    for (int i = 0; i < node->input_count; i++)
      if (wk_op_input_at(node->op, i)->written) add_item(w, node, &node->inputs[i], true);
    w->calls++;
  }
  while (w->slot_count < 2 * w->count) w->slot_count *= 2;
  w->slots = wk_failed() ? NULL : wk_allocate_zeroed(w->slot_count, sizeof *w->slots);
  for (size_t i = 0; w->slots && i < w->count; i++) {
    size_t *slot = find_slot(w, w->items[i].buffer, w->items[i].start);
    if (*slot) w->items[*slot - 1].last = false;
    w->items[i].last = true;
    *slot = i + 1;
  }
  return wk_error_status();
}

void wk_watch_free(wk_watch *w) {
  wk_deallocate(w->items);
  wk_deallocate(w->slots);
  *w = (wk_watch){0};
}

static void note_planned(wk_watch *w, const wk_reference *r, const wk_operand *operand) {
  const size_t item = r->buffer < 0 ? 0 : *find_slot(w, r->buffer, r->start);
  if (!item) return; /* a pass has made it */
  w->items[item - 1].planned = true;
  w->items[item - 1].planned_hash = hash_operand(operand);
}

void wk_watch_step(wk_watch *w, const wk_graph_node *node, const wk_operand *inputs,
                   const wk_operand *outputs) {
  for (int i = 0; i < node->op->output_count; i++) note_planned(w, &node->outputs[i], &outputs[i]);
  for (int i = 0; i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written) note_planned(w, &node->inputs[i], &inputs[i]);
}

/* ---- eager mode, looked at ---- */

/* Stands where the tracer stood, so it is told of the same calls. */
typedef struct watcher {
  wk_tracer tracer;
  wk_watch *watch;
  size_t calls, next; /* kernels so far, and the item that comes next */
} watcher;

static void note_met(watcher *me, const wk_tensor *tensor) {
  wk_watched *item = &me->watch->items[me->next++];
  const wk_operand operand = operand_of(tensor);
  item->met = true;
  item->met_hash = item->last ? hash_operand(&operand) : 0;
}

/* Passes over those that eager mode leaves out: up to `op`, or, if that is NULL, to the end. */
static void pass_left_out(watcher *me, const wk_op *op) {
  const wk_watch *w = me->watch;
  for (; me->next < w->count; me->next++) {
    const wk_watched *item = &w->items[me->next];
    if (item->op == op || !item->late) return;
    me->calls = item->call + 1;
  }
}

/* A leaf that the function makes has its gradient as a value when traced (autograd/leaf.c), and
 * eagerly in memory, which is written where values are added, or nothing is done. */
static bool is_gradient_in_memory(watcher *me, const wk_op *op, const wk_op *expected) {
  if (op == expected) return false;
  if (op->id != WK_OP_ADD_UPDATE || !expected || expected->id != WK_OP_ADD)
    return op->id == WK_OP_COPY_UPDATE;
  me->calls++, me->next++;
  return true;
}

static wk_status note_call(watcher *me, const wk_call *call) {
  const wk_watch *w = me->watch;
  pass_left_out(me, call->op);
  const wk_op *expected = me->next < w->count ? w->items[me->next].op : NULL;
  if (is_gradient_in_memory(me, call->op, expected)) return WK_OK;
  if (expected != call->op || w->items[me->next].call != me->calls++)
    return wk_fail(WK_ERROR_STATE, "the function calls %s here, but called %s when it was traced",
                   call->op->name, expected ? expected->name : "nothing");
  for (int i = 0; i < call->op->output_count; i++) note_met(me, call->outputs[i]);
  for (int i = 0; i < call->input_count; i++)
    if (wk_op_input_at(call->op, i)->written && call->inputs[i]) note_met(me, call->inputs[i]);
  return WK_OK;
}

static wk_status watch_call(wk_tracer *self, wk_call *call) {
  call->thread->tracing = NULL; /* what a kernel does on its way was not traced */
  wk_status status = wk_call_execute(call);
  call->thread->tracing = self;
  bool empty = call->op->output_count > 0;
  for (int i = 0; i < call->op->output_count; i++)
    empty = empty && wk_layout_count(&call->layouts[i]) == 0;
  return status == WK_OK && !empty ? note_call((watcher *)self, call) : status;
}

static wk_status run_eagerly(wk_watch *w, const wk_body *body, wk_tensors inputs,
                             wk_tensor **results) {
  for (size_t i = 0; i < w->count; i++) w->items[i].met = false;
  watcher me = {.tracer = {.call = watch_call, .watches = true}, .watch = w};
  wk_thread_here()->tracing = &me.tracer;
  wk_status status = body->run(body->context, inputs, results);
  wk_thread_here()->tracing = NULL;
  pass_left_out(&me, NULL);
  if (status == WK_OK && me.next < w->count)
    status = wk_fail(WK_ERROR_STATE,
                     "the function calls nothing more, but called %s when it was "
                     "traced",
                     w->items[me.next].op->name);
  return wk_error_status();
}

static wk_status compare_all(const wk_watch *w) {
  for (size_t i = 0; i < w->count; i++) {
    const wk_watched *item = &w->items[i];
    if (!item->last || !item->planned || !item->met || item->planned_hash == item->met_hash)
      continue;
    wk_fail(WK_ERROR_STATE, "what %s %s in buffer %d is not the same from the plan and eagerly",
            item->op->name, item->written ? "writes" : "makes", item->buffer);
    wk_error_add_hint("it is the first such op of %zu; WICK_DEBUG=graph looks at each pass",
                      w->calls);
    wk_error_add_op(item->op->name);
    if (item->module_path) wk_error_add_module(item->module_path);
    wk_error_add_place(item->here);
    return WK_ERROR_STATE;
  }
  return WK_OK;
}

static wk_status compare_results(const wk_body *body, wk_tensor *const *planned,
                                 wk_tensor *const *met) {
  for (size_t i = 0; i < body->result_count; i++) {
    if (!planned[i] || !met[i]) return wk_fail(WK_ERROR_STATE, "result %zu is missing", i);
    const wk_operand a = operand_of(planned[i]), b = operand_of(met[i]);
    if (hash_operand(&a) != hash_operand(&b))
      return wk_fail(WK_ERROR_STATE, "result %zu is not the same from the plan and eagerly", i);
  }
  return WK_OK;
}

/* ---- memory as it was ---- */

typedef struct snapshot {
  const wk_graph *graph;
  char **cells;     /* of each buffer that is one */
  uint64_t *fields; /* of the journal */
  wk_journal_entry *drawn;
} snapshot;

static wk_status take_snapshot(snapshot *s, const wk_graph *g, const wk_field_journal *fields) {
  *s = (snapshot){.graph = g,
                  .cells = wk_allocate_zeroed(g->buffer_count + 1, sizeof *s->cells),
                  .fields = wk_allocate_zeroed(fields->count + 1, sizeof *s->fields),
                  .drawn = wk_allocate_zeroed(g->draw_count + 1, sizeof *s->drawn)};
  for (size_t i = 0; i < g->buffer_count && !wk_failed(); i++) {
    const wk_buffer *b = &g->buffers[i];
    if (b->kind != WK_BUFFER_CELL) continue;
    s->cells[i] = wk_allocate(b->size + 1);
    if (s->cells[i]) memcpy(s->cells[i], b->storage->data, b->size);
  }
  for (size_t i = 0; i < fields->count && !wk_failed(); i++)
    memcpy(&s->fields[i], fields->fields[i].address, fields->fields[i].size);
  for (size_t i = 0; i < g->draw_count && !wk_failed(); i++) {
    wk_generator *generator = g->draws[i].generator;
    s->drawn[i].generator = generator;
    wk_generator_get(generator ? generator : wk_generator_default(), &s->drawn[i].seed,
                     &s->drawn[i].offset);
  }
  return wk_error_status();
}

static void restore(const snapshot *s, const wk_field_journal *fields) {
  for (size_t i = 0; i < s->graph->buffer_count; i++)
    if (s->cells[i])
      memcpy(s->graph->buffers[i].storage->data, s->cells[i], s->graph->buffers[i].size);
  for (size_t i = 0; i < fields->count; i++)
    memcpy(fields->fields[i].address, &s->fields[i], fields->fields[i].size);
  wk_journal_undo(&(wk_random_journal){.entries = s->drawn, .count = s->graph->draw_count});
}

/* After the plan `s` was taken: eager mode must leave the same. */
static wk_status compare_memory(const snapshot *s, const wk_field_journal *fields) {
  for (size_t i = 0; i < s->graph->buffer_count; i++)
    if (s->cells[i] &&
        memcmp(s->graph->buffers[i].storage->data, s->cells[i], s->graph->buffers[i].size) != 0)
      return wk_fail(WK_ERROR_STATE,
                     "memory older than the function, buffer %zu, is left in another state by the "
                     "plan than eagerly",
                     i);
  for (size_t i = 0; i < fields->count; i++)
    if (memcmp(fields->fields[i].address, &s->fields[i], fields->fields[i].size) != 0)
      return wk_fail(WK_ERROR_STATE, "a field is left in another state by the plan than eagerly");
  return WK_OK;
}

static void free_snapshot(snapshot *s) {
  for (size_t i = 0; s->cells && i < s->graph->buffer_count; i++) wk_deallocate(s->cells[i]);
  wk_deallocate(s->cells);
  wk_deallocate(s->fields);
  wk_deallocate(s->drawn);
}

/* ---- both ways ---- */

static wk_status run_again(wk_watch *w, const wk_graph *g, const wk_field_journal *fields,
                           const snapshot *before, const wk_body *body, wk_tensors inputs,
                           wk_tensor **results) {
  snapshot after = {.graph = g};
  wk_tensor **met = wk_allocate_zeroed(body->result_count + 1, sizeof *met);
  wk_status status = met ? take_snapshot(&after, g, fields) : wk_error_status();
  wk_scope scope = wk_scope_open();
  if (status == WK_OK) {
    restore(before, fields);
    status = run_eagerly(w, body, inputs, met);
  }
  if (status == WK_OK) status = compare_all(w);
  if (status == WK_OK) status = compare_results(body, results, met);
  if (status == WK_OK) status = compare_memory(&after, fields);
  wk_scope_close(&scope);
  free_snapshot(&after);
  wk_deallocate(met);
  return status;
}

wk_status wk_watch_call(wk_watch *w, const wk_plan *plan, wk_plan_context *context,
                        wk_field_journal *fields, const wk_body *body, wk_tensors inputs,
                        wk_tensor **results) {
  snapshot before;
  for (size_t i = 0; i < w->count; i++) w->items[i].planned = false;
  wk_status status = take_snapshot(&before, &plan->graph, fields);
  if (status == WK_OK) {
    context->watch = w;
    status = wk_plan_run(plan, context, inputs, results);
    context->watch = NULL;
    if (status == WK_OK) {
      wk_fields_apply(fields);
      status = run_again(w, &plan->graph, fields, &before, body, inputs, results);
    }
    if (status != WK_OK) restore(&before, fields);
  }
  free_snapshot(&before);
  return status;
}
