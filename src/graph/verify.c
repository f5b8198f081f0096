/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so in every graph. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "graph/joined.h"
#include "graph/pass.h"
#include "graph/specialise.h"
#include "ops/records.gen.h"

typedef struct verifier {
  const wk_graph *graph;
  unsigned *versions;   /* of each buffer, as the nodes so far have left it */
  bool *made;           /* whether something is in it */
  wk_storage *storages; /* of each buffer: one without memory, for shape rules to look at */
  wk_root *roots;
  bool planned;   /* results may be made in older memory: destination.h */
  unsigned order; /* of the last node so far that has one */
  size_t node;
} verifier;

/* Names the node, and shows those around it. */
static wk_status fail(const verifier *v, const char *format, ...) WK_PRINTF(2, 3);

static wk_status fail(const verifier *v, const char *format, ...) {
  char what[512];
  va_list values;
  va_start(values, format);
  wk_format_text(what, sizeof what, format, values);
  va_end(values);
  const wk_graph *g = v->graph;
  const wk_graph_node *node = v->node < g->node_count ? &g->nodes[v->node] : NULL;
  const char *name = !node ? "its results" : node->op ? node->op->name : "host";
  wk_text around = {0};
  for (size_t n = v->node < 2 ? 0 : v->node - 2; n < v->node + 3 && n < g->node_count; n++) {
    wk_text_append(&around, n == v->node ? "> %zu " : "  %zu ", n);
    wk_graph_nodes_to_text(g, n, n + 1, &around);
  }
  if (around.length) around.data[around.length - 1] = '\0';
  wk_fail(WK_ERROR_STATE, "node %zu of the graph (%s): %s", v->node, name, what);
  if (around.length) wk_error_add_shapes(around.data);
  wk_text_free(&around);
  return WK_ERROR_STATE;
}

/* ---- references ---- */

static wk_status check_reference(const verifier *v, const char *what, int i,
                                 const wk_reference *r) {
  const wk_graph *g = v->graph;
  if ((size_t)r->buffer >= g->buffer_count)
    return fail(v, "%s %d is of buffer %d, but there are %zu", what, i, r->buffer, g->buffer_count);
  if (!wk_dtype_size(r->layout.dtype) || r->layout.rank < 0 || r->layout.rank > WK_MAX_RANK)
    return fail(v, "%s %d has no dtype or rank", what, i);
  if (!wk_reference_fits(r, g->buffers[r->buffer].size))
    return fail(v, "%s %d has elements outside buffer %d, which has %zu bytes", what, i, r->buffer,
                g->buffers[r->buffer].size);
  return WK_OK;
}

/* Whether what is read there is there. */
static wk_status check_reading(const verifier *v, const char *what, int i, const wk_reference *r) {
  wk_status status = check_reference(v, what, i, r);
  if (status != WK_OK) return status;
  const wk_buffer *b = &v->graph->buffers[r->buffer];
  if (!v->made[r->buffer] && (b->kind != WK_BUFFER_LOCAL || b->size)) /* no node makes nothing */
    return fail(v, "%s %d reads buffer %d before a node makes it", what, i, r->buffer);
  if (v->planned && v->graph->buffers[r->buffer].kind == WK_BUFFER_CELL) return WK_OK;
  if (r->version != v->versions[r->buffer])
    return fail(v, "%s %d reads version %u of buffer %d, which is at version %u by then", what, i,
                r->version, r->buffer, v->versions[r->buffer]);
  return WK_OK;
}

static wk_status check_input(const verifier *v, const wk_graph_node *node, int i, wk_dtype *same) {
  const wk_reference *r = &node->inputs[i];
  const wk_op_input *input = wk_op_input_at(node->op, i);
  if (r->buffer < 0)
    return input->optional ? WK_OK : fail(v, "operand %d (%s) is missing", i, input->name);
  const wk_status status = check_reading(v, "operand", i, r);
  if (status != WK_OK) return status;
  if (!(input->dtypes >> r->layout.dtype & 1))
    return fail(v, "operand %d (%s) is %s, which the op refuses", i, input->name,
                wk_dtype_name(r->layout.dtype));
  if (input->same_dtype && !*same) *same = r->layout.dtype;
  if (input->same_dtype && *same != r->layout.dtype)
    return fail(v, "operand %d (%s) is %s, those before it %s", i, input->name,
                wk_dtype_name(r->layout.dtype), wk_dtype_name(*same));
  if (v->graph->buffers[r->buffer].device !=
      v->graph->buffers[node->inputs[0].buffer < 0 ? r->buffer : node->inputs[0].buffer].device)
    return fail(v, "operand %d (%s) is on another device", i, input->name);
  return WK_OK;
}

static wk_status check_output(const verifier *v, int i, const wk_reference *r) {
  if (r->buffer < 0) return fail(v, "result %d is missing", i);
  const wk_status status = check_reference(v, "result", i, r);
  if (status != WK_OK) return status;
  const bool older = v->graph->buffers[r->buffer].kind == WK_BUFFER_CELL && v->planned;
  if (!older && v->graph->buffers[r->buffer].kind != WK_BUFFER_LOCAL)
    return fail(v, "result %d is made in buffer %d, which is older than the call", i, r->buffer);
  if (v->made[r->buffer] && !older) return fail(v, "result %d makes buffer %d again", i, r->buffer);
  if (r->version && !older) return fail(v, "result %d makes version %u", i, r->version);
  if (!wk_layout_is_contiguous(&r->layout)) return fail(v, "result %d is not row-major", i);
  return WK_OK;
}

/* ---- settings and shapes ---- */

/* Raises what is pending as the node's error. */
static wk_status fail_as_pending(const verifier *v) {
  wk_error error = {.struct_size = sizeof error};
  char message[384];
  wk_error_take(&error);
  wk_print_into(message, sizeof message, 0, "%s", error.message);
  return fail(v, "%s", message);
}

/* Copies the arguments, with the tensors in them set to `inputs`. */
static void copy_arguments(const wk_graph_node *node, wk_tensor **inputs, void *copy) {
  const wk_op *op = node->op;
  memcpy(copy, node->arguments, op->settings.size);
  for (int i = 0; i < op->input_count; i++) {
    char *field = (char *)copy + op->inputs[i].offset;
    const wk_tensors list = {(size_t)(node->input_count - i), inputs + i};
    if (op->inputs[i].list)
      memcpy(field, &list, sizeof list);
    else
      memcpy(field, &inputs[i], sizeof inputs[i]);
  }
}

/* Numbers in settings stand for themselves by now: none is left to a default. */
static wk_status check_numbers(const verifier *v, const wk_graph_node *node) {
  const wk_settings *settings = &node->op->settings;
  for (int i = 0; i < settings->count; i++) {
    const wk_attribute *a = &settings->attributes[i];
    const int count = a->type == WK_ATTRIBUTE_INT    ? 1
                      : a->type == WK_ATTRIBUTE_PAIR ? 2
                                                     : 3 * (a->type == WK_ATTRIBUTE_TRIPLE);
    for (int k = 0; k < count; k++) {
      int64_t value;
      memcpy(&value, (const char *)node->arguments + a->offset + (size_t)k * sizeof value,
             sizeof value);
      if (wk_attribute_check(a, node->op->name, (double)value) != WK_OK) return fail_as_pending(v);
    }
  }
  return WK_OK;
}

/* Kernels take sizes and axes as they are: those that the shape rule would still change are
 * refused. */
static wk_status check_resolved(const verifier *v, const wk_graph_node *node,
                                const char *resolved) {
  static const size_t sizes[] = {
      [WK_ATTRIBUTE_INT] = sizeof(int64_t),      [WK_ATTRIBUTE_AXIS] = sizeof(int),
      [WK_ATTRIBUTE_PAIR] = 2 * sizeof(int64_t), [WK_ATTRIBUTE_TRIPLE] = 3 * sizeof(int64_t),
      [WK_ATTRIBUTE_SHAPE] = sizeof(wk_shape),   [WK_ATTRIBUTE_AXES] = sizeof(wk_axes)};
  const wk_settings *settings = &node->op->settings;
  for (int i = 0; i < settings->count; i++) {
    const wk_attribute *a = &settings->attributes[i];
    const size_t size = (size_t)a->type < sizeof sizes / sizeof *sizes ? sizes[a->type] : 0;
    if (memcmp((const char *)node->arguments + a->offset, resolved + a->offset, size) != 0)
      return fail(v, "%s is not what the shape rule makes of it", a->name);
  }
  return WK_OK;
}

/* What the op's shape rule makes of the operands, and whether the settings are in their ranges. */
static wk_status infer(const verifier *v, const wk_graph_node *node, wk_layout *outputs) {
  _Alignas(16) char arguments[WK_MAX_ARGUMENTS_SIZE];
  const size_t count = (size_t)node->input_count;
  if (!node->arguments || node->op->settings.size > sizeof arguments)
    return fail(v, "there are no settings");
  if (wk_settings_resolve(&node->op->settings, node->op->name, node->arguments, arguments) != WK_OK)
    return fail_as_pending(v);
  if (!node->late.run && check_numbers(v, node) != WK_OK) return wk_error_status();
  wk_tensor *stand_ins = wk_allocate_zeroed(count + 1, sizeof *stand_ins + sizeof(wk_tensor *));
  if (!stand_ins) return wk_error_status();
  wk_tensor **inputs = (wk_tensor **)(stand_ins + count + 1);
  for (size_t i = 0; i < count; i++) {
    const wk_reference *r = &node->inputs[i];
    if (r->buffer < 0) continue;
    inputs[i] = &stand_ins[i];
    atomic_init(&stand_ins[i].references, 1);
    stand_ins[i].layout = r->layout;
    stand_ins[i].offset = (int64_t)(r->start / wk_dtype_size(r->layout.dtype));
    stand_ins[i].root = &v->roots[r->buffer];
  }
  copy_arguments(node, inputs, arguments);
  wk_call call = {.op = node->op,
                  .thread = wk_thread_here(),
                  .here = node->here,
                  .inputs = inputs,
                  .input_count = node->input_count,
                  .arguments = arguments};
  const wk_status status = node->op->infer(&call);
  wk_deallocate(stand_ins);
  if (status != WK_OK) return fail_as_pending(v);
  if (!node->late.run && check_resolved(v, node, arguments) != WK_OK) return wk_error_status();
  for (int i = 0; i < node->op->output_count; i++) outputs[i] = call.layouts[i];
  return WK_OK;
}

static wk_status check_shapes(const verifier *v, const wk_graph_node *node) {
  wk_layout outputs[WK_MAX_OUTPUTS];
  const wk_status status = infer(v, node, outputs);
  if (status != WK_OK) return status;
  for (int i = 0; i < node->op->output_count; i++) {
    const wk_layout *is = &node->outputs[i].layout, *should = &outputs[i];
    if (is->dtype == should->dtype && wk_layout_same_dims(is, should)) continue;
    char have[128], want[128];
    wk_layout_describe(is, have, sizeof have);
    wk_layout_describe(should, want, sizeof want);
    return fail(v, "result %d is %s, but the op makes %s", i, have, want);
  }
  return WK_OK;
}

/* ---- loops ---- */

/* Whether the operand is all of a buffer of so many bytes, or just as many side by side. */
static bool has_size(const wk_reference *r, size_t size) {
  return r->buffer >= 0 && wk_layout_is_contiguous(&r->layout) &&
         (size_t)wk_layout_count(&r->layout) * wk_dtype_size(r->layout.dtype) == size;
}

/* The operand that a region's input is: the states that it is given, or what is carried, come
 * first, then what it reaches. NULL: it is a state of which there is no operand. */
static const wk_reference *find_operand(const wk_graph_node *node, int which, size_t input) {
  const wk_control *c = node->control;
  const size_t states = c->state_count, carried = wk_control_carried(c);
  size_t given = states, first = c->first_reached;
  if (which == WK_REGION_REVERSE) given += carried;
  for (int k = 0; k < which; k++) first += c->reached[k];
  if (input >= given) return &node->inputs[first + input - given];
  if (which == WK_REGION_REVERSE && input >= states) return &node->inputs[input - states];
  return c->run == wk_run_while ? &node->inputs[input] : NULL;
}

static wk_status check_region(const verifier *v, const wk_graph_node *node, int which) {
  const wk_control *c = node->control;
  const wk_graph *g = &c->plans[which].graph;
  const bool reverse = which == WK_REGION_REVERSE, condition = which == WK_REGION_CONDITION;
  const size_t given = c->state_count + (reverse ? wk_control_carried(c) : 0);
  const size_t results = condition ? 1 : reverse ? wk_control_carried(c) : c->state_count;
  if (g->result_count != results)
    return fail(v, "region %d has %zu results, not %zu", which, g->result_count, results);
  for (size_t b = 0; b < g->buffer_count; b++) {
    if (g->buffers[b].kind != WK_BUFFER_INPUT) continue;
    const size_t input = (size_t)g->buffers[b].input;
    if (input >= given + c->reached[which])
      return fail(v, "region %d has an input %zu, which it is not given", which, input);
    const wk_reference *operand = find_operand(node, which, input);
    if (operand && !has_size(operand, g->buffers[b].size))
      return fail(v, "region %d takes %zu bytes as its input %zu, but the operand has another size",
                  which, g->buffers[b].size, input);
  }
  for (size_t i = 0; i < results; i++) {
    const wk_reference *r = &g->results[i];
    if (r->buffer < 0 || (size_t)r->buffer >= g->buffer_count || !wk_reference_is_whole(g, r))
      return fail(v, "result %zu of region %d is no whole buffer", i, which);
    if (condition ? wk_layout_count(&r->layout) != 1
        : c->run == wk_run_while || reverse
            ? !has_size(&node->inputs[i], g->buffers[r->buffer].size)
            : g->buffers[r->buffer].size > c->place[i + 1] - c->place[i])
      return fail(v, "result %zu of region %d has another size than what is carried", i, which);
  }
  return wk_graph_verify(g);
}

/* A step of a list: its tape, and what is added to it or copied out of it. */
static wk_status check_list(const verifier *v, const wk_graph_node *node) {
  const wk_control *c = node->control;
  const int operands = c->run == wk_run_list_open ? 1 : 2;
  if (node->input_count != operands)
    return fail(v, "it has %d operands, not %d", node->input_count, operands);
  if (!has_size(&node->inputs[0], sizeof(int64_t)) || !c->records[0].written)
    return fail(v, "operand 0 is no place for a list");
  if (operands == 1) return WK_OK;
  const wk_reference *other = &node->inputs[1];
  if (other->buffer < 0 || !wk_layout_is_contiguous(&other->layout) ||
      c->records[1].written != wk_control_is_needed(c))
    return fail(v, "operand 1 is no item and no place for all of them");
  if (c->run == wk_run_list_stack &&
      (other->layout.rank < 1 || other->layout.dims[0] != c->assumed))
    return fail(v, "operand 1 has not the extent that is checked");
  return WK_OK;
}

static wk_status check_control(const verifier *v, const wk_graph_node *node) {
  const wk_control *c = node->control;
  if (!wk_control_is_loop(c)) return check_list(v, node);
  const bool forward = c->run == wk_run_while;
  const size_t carried = wk_control_carried(c);
  const bool tape = !forward || c->keeps;
  const bool draws = c->checkpoints && c->plans[WK_REGION_CONDITION].graph.draw_count;
  const bool needed[WK_REGION_COUNT] = {forward || draws, forward || c->checkpoints, !forward};
  for (int i = 0; i < WK_REGION_COUNT; i++)
    if (needed[i] != (c->plans[i].graph.result_count > 0))
      return fail(v, needed[i] ? "region %d is missing" : "region %d is not its own", i);
  if (c->first_reached != carried + tape || c->first_reached > (size_t)node->input_count)
    return fail(v, "it carries %zu operands and reaches the last %zu of %d", carried + tape,
                (size_t)node->input_count - c->first_reached, node->input_count);
  for (size_t i = 0; i < carried; i++)
    if (!c->records[i].written) return fail(v, "operand %zu is carried, but not written", i);
  if (tape && (!has_size(&node->inputs[carried], sizeof(int64_t)) ||
               c->records[carried].written != forward))
    return fail(v, "operand %zu is no place for what it keeps", carried);
  wk_status status = WK_OK;
  for (int i = 0; i < WK_REGION_COUNT && status == WK_OK; i++)
    if (needed[i]) status = check_region(v, node, i);
  return status;
}

/* ---- nodes ---- */

static wk_status check_operand_count(const verifier *v, const wk_graph_node *node) {
  const wk_op *op = node->op;
  const bool list = op->input_count && op->inputs[op->input_count - 1].list;
  if (list ? node->input_count >= op->input_count - 1 : node->input_count == op->input_count)
    return WK_OK;
  return fail(v, "there are %d operands, but the op takes %d", node->input_count, op->input_count);
}

/* A step on the host reads at most one f64 scalar. */
static wk_status check_host_step(const verifier *v, const wk_graph_node *node) {
  if (!node->late.run || node->input_count > 1) return fail(v, "no step on the host");
  if (!node->input_count) return WK_OK;
  const wk_reference *r = &node->inputs[0];
  if (r->buffer < 0) return fail(v, "operand 0 is missing");
  const wk_status status = check_reading(v, "operand", 0, r);
  if (status != WK_OK) return status;
  if (r->layout.dtype != WK_F64 || wk_layout_count(&r->layout) != 1)
    return fail(v, "operand 0 is no f64 scalar");
  return WK_OK;
}

/* Nodes that may do more than can be seen keep the order of the trace. */
static wk_status check_order(verifier *v, const wk_graph_node *node) {
  const bool ordered = !node->op || node->late.run || node->op->id >= wk_op_table_count;
  if (ordered != (node->order != 0))
    return fail(v, ordered ? "its place among the ordered nodes is not given"
                           : "it has a place among the ordered nodes, but nothing to order");
  if (ordered && node->order <= v->order)
    return fail(v, "it is number %u of the ordered nodes and comes after number %u", node->order,
                v->order);
  if (ordered) v->order = node->order;
  return WK_OK;
}

static wk_status check_draw(const verifier *v, const wk_graph_node *node) {
  const size_t drawn_from = node->control ? node->control->generator_count : 0;
  if (drawn_from && node->draw < (int)drawn_from - 1)
    return fail(v, "it draws from %zu generators, but has not as many draws", drawn_from);
  if (node->draw == WK_NO_DRAW) return WK_OK;
  if (node->draw < 0 || (size_t)node->draw >= v->graph->draw_count)
    return fail(v, "it uses draw %d, but there are %zu", node->draw, v->graph->draw_count);
  if (drawn_from) return WK_OK;
  if (!wk_settings_find(&node->op->settings, "seed") ||
      !wk_settings_find(&node->op->settings, "offset"))
    return fail(v, "it has a draw, but takes no random numbers");
  if (node->op->class != WK_CLASS_RANDOM || !node->op->output_count) return WK_OK;
  const int64_t drawn = v->graph->draws[node->draw].count;
  const int64_t used = wk_layout_count(&node->outputs[0].layout);
  if (used > drawn)
    return fail(v, "it uses %lld random numbers of %lld drawn", (long long)used, (long long)drawn);
  return WK_OK;
}

static wk_status check_node(verifier *v, const wk_graph_node *node) {
  wk_status status = check_order(v, node);
  if (status != WK_OK || !node->op) return status == WK_OK ? check_host_step(v, node) : status;
  if (!node->control && (node->op->class == WK_CLASS_VIEW || !node->op->infer))
    return fail(v, "the op has no kernel: it is a view or stands for others");
  wk_dtype same = WK_DTYPE_DEFAULT;
  status = check_operand_count(v, node);
  for (int i = 0; i < node->input_count && status == WK_OK; i++)
    status = check_input(v, node, i, &same);
  for (int i = 0; i < node->op->output_count && status == WK_OK; i++) {
    status = check_output(v, i, &node->outputs[i]);
    for (int k = 0; k < i && status == WK_OK; k++)
      if (node->outputs[k].buffer == node->outputs[i].buffer)
        status = fail(v, "results %d and %d are the same buffer", k, i);
  }
  if (status == WK_OK) status = node->control ? check_control(v, node) : check_shapes(v, node);
  if (status == WK_OK) status = check_draw(v, node);
  const char *apart = status == WK_OK && node->joined ? wk_joined_refuse(v->graph, v->node) : NULL;
  return apart ? fail(v, "it is joined to the node before it, but %s", apart) : status;
}

static void take_effect(verifier *v, const wk_graph_node *node) {
  for (int i = 0; node->op && i < node->op->output_count; i++)
    v->made[node->outputs[i].buffer] = true;
  for (int i = 0; node->op && i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written && node->inputs[i].buffer >= 0)
      v->versions[node->inputs[i].buffer]++;
}

/* ---- the whole ---- */

static void set_buffer(verifier *v, size_t i) {
  const wk_buffer *b = &v->graph->buffers[i];
  v->made[i] = b->kind != WK_BUFFER_LOCAL;
  v->storages[i].device = b->device, v->storages[i].size = b->size, v->storages[i].traced = true;
  v->roots[i].storage = b->storage ? b->storage : &v->storages[i];
  atomic_init(&v->storages[i].references, 1);
  atomic_init(&v->roots[i].references, 1);
}

static wk_status verify(verifier *v, wk_layout *outputs) {
  (void)outputs;
  const wk_graph *g = v->graph;
  wk_status status = WK_OK;
  for (v->node = 0; v->node < g->node_count; v->node++) {
    status = check_node(v, &g->nodes[v->node]);
    if (status != WK_OK) return status;
    take_effect(v, &g->nodes[v->node]);
  }
  for (size_t i = 0; i < g->result_count && status == WK_OK; i++)
    status = g->results[i].buffer < 0 ? fail(v, "result %zu is missing", i)
                                      : check_reading(v, "result", (int)i, &g->results[i]);
  return status;
}

static wk_status run(verifier *v, wk_status (*work)(verifier *v, wk_layout *outputs),
                     wk_layout *outputs) {
  if (wk_failed()) return wk_error_status();
  const size_t count = v->graph->buffer_count;
  v->versions = wk_allocate_zeroed(count + 1, sizeof *v->versions);
  v->made = wk_allocate_zeroed(count + 1, sizeof *v->made);
  v->storages = wk_allocate_zeroed(count + 1, sizeof *v->storages);
  v->roots = wk_allocate_zeroed(count + 1, sizeof *v->roots);
  const bool there = v->versions && v->made && v->storages && v->roots;
  for (size_t i = 0; there && i < count; i++) set_buffer(v, i);
  const wk_status status = there ? work(v, outputs) : wk_error_status();
  wk_deallocate(v->versions);
  wk_deallocate(v->made);
  wk_deallocate(v->storages);
  wk_deallocate(v->roots);
  return status;
}

wk_status wk_graph_verify(const wk_graph *graph) {
  return run(&(verifier){.graph = graph}, verify, NULL);
}

wk_status wk_graph_verify_planned(const wk_graph *graph) {
  return run(&(verifier){.graph = graph, .planned = true}, verify, NULL);
}

static wk_status infer_one(verifier *v, wk_layout *outputs) {
  return infer(v, &v->graph->nodes[v->node], outputs);
}

wk_status wk_graph_infer(const wk_graph *graph, size_t n, wk_layout *outputs) {
  return run(&(verifier){.graph = graph, .node = n}, infer_one, outputs);
}
