/* SPDX-License-Identifier: Apache-2.0 */
/* Running plans. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "graph/joined.h"
#include "graph/loop_tape.h"
#include "graph/undo.h"
#include "graph/watch.h"
#include "ops/dispatch.h"
#include "ops/journal.h"
#include "ops/records.gen.h"

typedef struct run {
  const wk_plan *plan;
  wk_plan_context *context;
  wk_journal_entry *drawn; /* so far */
  size_t drawn_count;
  wk_undo undo;
  wk_storage **results;        /* of each result: its memory, where a node makes it */
  const wk_piece_group *group; /* that runs piece by piece, and the piece: units of it */
  int64_t begin, end;
} run;

/* ---- where buffers are ---- */

static wk_status bind_arena(wk_plan_context *context, const wk_plan *plan) {
  const wk_storage *arena = context->arena;
  if (arena && arena->size >= plan->arena_size && arena->device == plan->device) return WK_OK;
  wk_storage_release(context->arena);
  context->arena = wk_storage_create(plan->device, plan->arena_size);
  return wk_error_status();
}

static wk_status make_room(wk_plan_context *context, const wk_plan *plan) {
  const size_t buffers = plan->graph.buffer_count;
  size_t operands = 0;
  for (size_t n = 0; n < plan->graph.node_count; n++) {
    const size_t count = (size_t)plan->graph.nodes[n].input_count + WK_MAX_OUTPUTS;
    if (count > operands) operands = count;
  }
  if (buffers > context->base_capacity) {
    wk_deallocate(context->base);
    context->base = wk_allocate_zeroed(buffers, sizeof *context->base);
    context->base_capacity = context->base ? buffers : 0;
  }
  if (operands > context->operand_capacity) {
    wk_deallocate(context->operands);
    context->operands = wk_allocate_zeroed(operands, sizeof *context->operands);
    context->operand_capacity = context->operands ? operands : 0;
  }
  return wk_error_status();
}

wk_status wk_plan_bind(const wk_plan *plan, wk_plan_context *context) {
  if (make_room(context, plan) != WK_OK || bind_arena(context, plan) != WK_OK)
    return wk_error_status();
  for (size_t i = 0; i < plan->graph.buffer_count; i++) {
    const wk_buffer *buffer = &plan->graph.buffers[i];
    context->base[i] = buffer->kind == WK_BUFFER_CELL ? buffer->storage->data
                       : buffer->kind == WK_BUFFER_LOCAL && plan->in_arena[i]
                           ? context->arena->data + plan->place[i]
                           : NULL;
  }
  return WK_OK;
}

static wk_status bind_buffers(run *r, wk_tensors inputs) {
  const wk_plan *plan = r->plan;
  wk_plan_context *context = r->context;
  if (wk_plan_bind(plan, context) != WK_OK) return wk_error_status();
  for (size_t i = 0; i < plan->graph.buffer_count; i++) {
    const wk_buffer *buffer = &plan->graph.buffers[i];
    if (buffer->kind == WK_BUFFER_INPUT)
      context->base[i] = wk_tensor_data(inputs.item[buffer->input]);
  }
  for (size_t i = 0; i < plan->graph.result_count && !wk_failed(); i++) {
    const int b = plan->graph.results[i].buffer;
    const wk_buffer *buffer = &plan->graph.buffers[b];
    if (buffer->kind != WK_BUFFER_LOCAL) continue;
    for (size_t k = 0; k < i && !r->results[i]; k++) /* the same memory, returned twice */
      if (plan->graph.results[k].buffer == b) r->results[i] = wk_storage_retain(r->results[k]);
    if (!r->results[i]) r->results[i] = wk_storage_create(buffer->device, buffer->size);
    if (r->results[i]) context->base[b] = r->results[i]->data;
  }
  return wk_error_status();
}

/* ---- steps ---- */

static wk_operand operand_of(const run *r, const wk_reference *reference) {
  if (reference->buffer < 0) return (wk_operand){.data = NULL};
  return (wk_operand){.data = r->context->base[reference->buffer] + reference->start,
                      .layout = reference->layout};
}

static const wk_split *split_of(const run *r, const wk_graph_node *node) {
  return &r->plan->pieces.splits[node - r->plan->graph.nodes];
}

/* The node's operand k, results behind the inputs; of a group's node what belongs to the piece. */
static wk_operand piece_of(const run *r, const wk_graph_node *node, int k) {
  const bool output = k >= node->input_count;
  const int o = output ? k - node->input_count : k;
  const wk_reference *reference = output ? &node->outputs[o] : &node->inputs[o];
  wk_operand operand = operand_of(r, reference);
  const int axis = !r->group ? -1
                   : output  ? split_of(r, node)->outputs[o]
                             : split_of(r, node)->inputs[o];
  if (axis < 0 || reference->buffer < 0) return operand;
  wk_layout *layout = &operand.layout;
  const int64_t unit = layout->dims[axis] / r->group->units;
  if (!r->plan->pieces.inner[reference->buffer])
    operand.data += r->begin * unit * layout->strides[axis] * (int64_t)wk_dtype_size(layout->dtype);
  layout->dims[axis] = (r->end - r->begin) * unit;
  return operand;
}

/* Which part of its sum the node adds. */
static wk_part part_of(const run *r, const wk_graph_node *node) {
  const wk_split *split = split_of(r, node);
  const int64_t whole = node->inputs[0].layout.dims[split->inputs[0]];
  const wk_plan *plan = r->plan;
  return (wk_part){.begin = r->begin * (whole / r->group->units),
                   .whole = whole,
                   .state = r->context->arena->data + plan->arena_size - plan->pieces.state +
                            split->state};
}

/* A step on the host, with the value that it reads. */
static wk_status run_host_step(const run *r, const wk_graph_node *node) {
  double value = 0;
  if (node->input_count) {
    wk_device *device = r->plan->device;
    const wk_operand from = operand_of(r, &node->inputs[0]);
    wk_status status = device->functions->synchronise(device, &device->stream);
    if (status == WK_OK)
      status = device->functions->to_host(device, &value, from.data, sizeof value, &device->stream);
    if (status != WK_OK) return status;
  }
  node->late.run(node->late.object, node->late.detail, node->input_count ? &value : NULL);
  return WK_OK;
}

/* Takes numbers in the order of the trace up to the `end`-th draw. Loops take theirs as they run;
 * before them come the numbers of what was called before them. */
static void draw(run *r, size_t end) {
  const wk_graph *g = &r->plan->graph;
  for (; r->drawn_count < end; r->drawn_count++) {
    const wk_draw *next = &g->draws[r->drawn_count];
    r->drawn[r->drawn_count] = wk_generator_draw(next->generator, next->count);
  }
}

/* The node's arguments, where they change from call to call: in `changed`. NULL: it does not run.
 */
static const void *find_arguments(run *r, const wk_graph_node *node, void *changed) {
  const bool later = r->begin > 0 && split_of(r, node)->draws; /* than the first piece */
  if (node->control) return node->arguments;
  if (!node->late.run && node->draw == WK_NO_DRAW && !later) return node->arguments;
  memcpy(changed, node->arguments, node->op->settings.size);
  if (node->late.run && !node->late.run(node->late.object, node->late.detail, changed)) return NULL;
  if (node->draw == WK_NO_DRAW && !later) return changed;
  const wk_attribute *seed = wk_settings_find(&node->op->settings, "seed");
  const wk_attribute *offset = wk_settings_find(&node->op->settings, "offset");
  if (node->draw != WK_NO_DRAW) {
    draw(r, (size_t)node->draw + 1);
    const wk_journal_entry *entry = &r->drawn[node->draw];
    memcpy((char *)changed + seed->offset, &entry->seed, sizeof entry->seed);
    memcpy((char *)changed + offset->offset, &entry->offset, sizeof entry->offset);
  }
  uint64_t first;
  memcpy(&first, (char *)changed + offset->offset, sizeof first);
  if (later) first += (uint64_t)(split_of(r, node)->draws / r->group->units * r->begin);
  memcpy((char *)changed + offset->offset, &first, sizeof first);
  return changed;
}

/* ---- what runs with a product ---- */

typedef struct follower {
  const wk_plan_step *step;
  wk_operand operands[WK_MAX_INPUTS + 1]; /* as rows; the result last */
} follower;

typedef struct following {
  wk_after after;
  int count;
  wk_stream *stream;
  follower all[WK_MOST_JOINED];
} following;

static void run_rows(const wk_after *after, int64_t begin, int64_t end) {
  const following *f = (const following *)after;
  for (int i = 0; i < f->count; i++) {
    const wk_graph_node *node = f->all[i].step->node;
    wk_operand rows[WK_MAX_INPUTS + 1];
    for (int k = 0; k <= node->input_count; k++) {
      rows[k] = f->all[i].operands[k];
      wk_layout *layout = &rows[k].layout;
      rows[k].data += begin * layout->strides[0] * (int64_t)wk_dtype_size(layout->dtype);
      layout->dims[0] = end - begin;
    }
    f->all[i].step->kernel->run(&(wk_kernel_call){.op = node->op,
                                                  .arguments = node->arguments,
                                                  .inputs = rows,
                                                  .input_count = node->input_count,
                                                  .outputs = &rows[node->input_count],
                                                  .output_count = 1,
                                                  .stream = f->stream});
  }
}

static void find_following(const run *r, const wk_plan_step *head, following *f) {
  const wk_operand made = piece_of(r, head->node, head->node->input_count);
  const int64_t columns = made.layout.dims[made.layout.rank - 1];
  f->after.run = run_rows, f->count = head->joined, f->stream = &r->plan->device->stream;
  for (int i = 0; i < f->count; i++) {
    follower *one = &f->all[i];
    one->step = head + 1 + i;
    const wk_graph_node *node = one->step->node;
    const wk_layout joint = piece_of(r, node, node->input_count).layout;
    for (int k = 0; k <= node->input_count; k++) {
      one->operands[k] = piece_of(r, node, k);
      const wk_layout given = one->operands[k].layout;
      wk_joined_rows(&given, &joint, columns, &one->operands[k].layout);
    }
  }
}

/* ---- one step ---- */

/* A loop that draws. One that a checkpoint runs again draws what it drew the first time. */
static wk_status run_drawing(run *r, const wk_plan_step *step, const wk_kernel_call *call) {
  const size_t count = step->node->control->generator_count, end = (size_t)step->node->draw + 1;
  const wk_random_journal first = {.entries = r->drawn + end - count, .count = count};
  if (r->drawn_count < end) {
    draw(r, end);
    return step->kernel->run(call);
  }
  wk_random_journal now;
  wk_status status = wk_generators_note(&now, &first);
  if (status != WK_OK) return status;
  wk_journal_undo(&first);
  status = step->kernel->run(call);
  wk_journal_undo(&now);
  wk_journal_free(&now);
  return status;
}

static wk_status run_kernel(run *r, const wk_plan_step *step, wk_kernel_call *call) {
  if (step->node->control && step->node->draw != WK_NO_DRAW) return run_drawing(r, step, call);
  if (!step->joined || r->context->watch) return step->kernel->run(call);
  following f;
  find_following(r, step, &f);
  call->after = &f.after;
  return step->kernel->run(call);
}

static wk_status run_step(run *r, size_t index) {
  const wk_plan_step *step = &r->plan->steps[index];
  const wk_graph_node *node = step->node;
  if (!step->kernel) return run_host_step(r, node);
  _Alignas(16) char changed[WK_MAX_ARGUMENTS_SIZE];
  const void *arguments = find_arguments(r, node, changed);
  if (!arguments) return WK_OK;
  wk_operand *operands = r->context->operands, *outputs = operands + node->input_count;
  for (int i = 0; i < node->input_count + node->op->output_count; i++)
    operands[i] = piece_of(r, node, i);
  const bool sums = r->group && split_of(r, node)->sums;
  const wk_part part = sums ? part_of(r, node) : (wk_part){0};
  wk_kernel_call call = {.op = node->op,
                         .arguments = arguments,
                         .inputs = operands,
                         .input_count = node->input_count,
                         .outputs = outputs,
                         .output_count = node->op->output_count,
                         .stream = &r->plan->device->stream,
                         .part = sums ? &part : NULL};
  wk_status status = WK_OK;
  if (call.stream->device->null) return WK_OK;
  if (index < r->plan->fallible) status = wk_undo_keep(&r->undo, &r->plan->graph, node, operands);
  if (status == WK_OK) status = run_kernel(r, step, &call);
  if (status == WK_OK && r->context->watch)
    wk_watch_step(r->context->watch, node, operands, outputs);
  if (status == WK_OK) return status;
  wk_error_add_op(node->op->name);
  if (node->module_path) wk_error_add_module(node->module_path);
  wk_error_add_place(node->here);
  return status;
}

/* Steps [first, end). */
static wk_status run_some(run *r, size_t first, size_t end) {
  wk_status status = WK_OK;
  for (size_t i = first; i < end && status == WK_OK; i++) {
    status = run_step(r, i);
    if (!r->context->watch) i += (size_t)r->plan->steps[i].joined;
  }
  return status;
}

static wk_status run_pieces(run *r, const wk_piece_group *group) {
  wk_status status = WK_OK;
  r->group = group;
  for (r->begin = 0; r->begin < group->units && status == WK_OK; r->begin = r->end) {
    r->end = r->begin + group->step;
    if (r->end > group->units) r->end = group->units;
    status = run_some(r, group->first, group->last + 1);
  }
  r->group = NULL, r->begin = 0;
  return status;
}

static wk_status run_all(run *r) {
  const wk_pieces *pieces = &r->plan->pieces;
  wk_status status = WK_OK;
  size_t next = 0;
  for (size_t i = 0; i < pieces->count && status == WK_OK; i++) {
    status = run_some(r, next, pieces->groups[i].first);
    if (status == WK_OK) status = run_pieces(r, &pieces->groups[i]);
    next = pieces->groups[i].last + 1;
  }
  return status == WK_OK ? run_some(r, next, r->plan->step_count) : status;
}

static wk_status run_steps(run *r) {
  const size_t draws = r->plan->graph.draw_count;
  r->drawn = draws ? wk_allocate_zeroed(draws, sizeof *r->drawn) : NULL;
  if (draws && !r->drawn) return wk_error_status();
  const wk_status status = run_all(r);
  if (status == WK_OK)
    draw(r, draws);
  else
    wk_journal_undo(&(wk_random_journal){.entries = r->drawn, .count = r->drawn_count});
  wk_deallocate(r->drawn);
  return status;
}

wk_status wk_plan_run_bound(const wk_plan *plan, wk_plan_context *context) {
  return run_steps(&(run){.plan = plan, .context = context});
}

/* ---- results ---- */

/* What was there before the call is handed out as a copy. */
static wk_tensor *make_result(const run *r, size_t i) {
  const wk_reference *reference = &r->plan->graph.results[i];
  if (r->results[i])
    return wk_tensor_on_storage(r->results[i], reference->start, &reference->layout);
  wk_device *device = r->plan->graph.buffers[reference->buffer].device;
  wk_tensor *copy = wk_tensor_create(&reference->layout, device);
  if (!copy) return NULL;
  const wk_operand from = operand_of(r, reference);
  const wk_contiguous_arguments arguments = {.struct_size = sizeof arguments};
  wk_operand to = {.data = wk_tensor_data(copy), .layout = copy->layout};
  const wk_kernel_call call = {.op = &wk_op_table[WK_OP_CONTIGUOUS],
                               .arguments = &arguments,
                               .inputs = &from,
                               .input_count = 1,
                               .outputs = &to,
                               .output_count = 1,
                               .stream = &device->stream};
  const wk_kernel *kernel = wk_kernel_find(device, &call);
  if (kernel && wk_kernel_run(kernel, &call) == WK_OK) return copy;
  wk_tensor_release(copy);
  return NULL;
}

wk_status wk_plan_run(const wk_plan *plan, wk_plan_context *context, wk_tensors inputs,
                      wk_tensor **results) {
  const size_t count = plan->graph.result_count;
  for (size_t i = 0; i < count; i++) results[i] = NULL;
  run r = {.plan = plan,
           .context = context,
           .results = wk_allocate_zeroed(count + 1, sizeof(wk_storage *))};
  if (!r.results) return wk_error_status();
  wk_status status = bind_buffers(&r, inputs);
  wk_loop_tape *const tapes = wk_loop_tapes_now();
  if (status == WK_OK) status = run_steps(&r);
  wk_undo_end(&r.undo, status != WK_OK);
  wk_loop_tapes_free(tapes);
  for (size_t i = 0; i < count && status == WK_OK; i++) {
    results[i] = make_result(&r, i);
    status = wk_error_status();
  }
  for (size_t i = 0; i < count; i++) {
    wk_storage_release(r.results[i]);
    if (status == WK_OK) continue;
    wk_tensor_release(results[i]);
    results[i] = NULL;
  }
  wk_deallocate(r.results);
  return status;
}

void wk_plan_context_free(wk_plan_context *context) {
  wk_storage_release(context->arena);
  wk_deallocate(context->base);
  wk_deallocate(context->operands);
  *context = (wk_plan_context){0};
}
