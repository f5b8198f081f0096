/* SPDX-License-Identifier: Apache-2.0 */
#include "autograd/tape.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/small.h"
#include "tensor/live.h"

/* ---- the life of nodes ---- */

static _Thread_local struct {
  wk_node *doomed; /* nodes to free, chained through next_visited */
  bool draining;
} ending;
static _Thread_local uint64_t next_sequence = 1;

void wk_saved_drop(wk_saved *saved) {
  wk_root_release(saved->root);
  saved->root = NULL;
}

void wk_node_spend(wk_node *node) {
  node->spent = true;
  for (int i = 0; i < node->input_count; i++) wk_saved_drop(&node->inputs[i].saved);
  for (int i = 0; i < node->op->output_count; i++) wk_saved_drop(&node->outputs[i].saved);
  if (node->companion) node->companion->spend(node->companion);
}

/* The companion, which holds the op, goes last. */
static void free_node(wk_node *node) {
  wk_node_spend(node);
  for (int i = 0; i < node->input_count; i++) {
    if (node->inputs[i].node) wk_link_release(&node->inputs[i].node->link);
    wk_tensor_release(node->inputs[i].leaf);
  }
  for (int i = 0; i < node->op->output_count; i++) {
    wk_hooks *hooks = node->outputs[i].hooks;
    if (hooks) hooks->destroy(hooks);
  }
  if (node->companion) node->companion->destroy(node->companion);
  wk_small_deallocate(node, node->size);
}

/* Freeing a node may free the one before it, and so on down a long chain: a list instead of
 * recursion keeps the stack flat. */
static void destroy_node(wk_link *link) {
  wk_node *node = (wk_node *)link;
  for (int i = 0; i < node->op->output_count; i++) wk_tensor_release(node->outputs[i].gradient);
  node->next_visited = ending.doomed;
  ending.doomed = node;
  if (ending.draining) return;
  ending.draining = true;
  while (ending.doomed) {
    wk_node *first = ending.doomed;
    ending.doomed = first->next_visited;
    free_node(first);
  }
  ending.draining = false;
}

/* ---- what nodes keep alive ---- */

/* What was saved of an input goes by the name of what it is a view of. */
static void visit_input(wk_live_walk *walk, const wk_node_input *input) {
  wk_root *root = input->saved.root;
  while (input->node && input->node->op->class == WK_CLASS_VIEW) input = &input->node->inputs[0];
  if (input->leaf) wk_live_visit(walk, input->leaf);
  const wk_node *maker = input->node;
  if (root)
    walk->add(walk, &(wk_live){root, &input->layout, maker ? maker->op->name : NULL,
                               maker ? maker->module_path : NULL, NULL});
}

static void visit_output(wk_live_walk *walk, const wk_node *node, const wk_node_output *output) {
  if (output->saved.root)
    walk->add(walk, &(wk_live){output->saved.root, &output->layout, node->op->name,
                               node->module_path, NULL});
  if (output->gradient) wk_live_visit(walk, output->gradient);
}

static void visit_node(wk_live_walk *walk, const wk_node *node) {
  for (int i = 0; i < node->input_count; i++) visit_input(walk, &node->inputs[i]);
  for (int i = 0; i < node->op->output_count; i++) visit_output(walk, node, &node->outputs[i]);
  if (node->companion && node->companion->visit) node->companion->visit(node->companion, walk);
}

/* The nodes still to look at are chained: no memory is taken, and a long record needs no deep
 * stack. */
static void visit_nodes(wk_link *link, wk_live_walk *walk) {
  wk_node *first = (wk_node *)link, *last = first;
  if (first->visit == walk->visit) return;
  first->visit = walk->visit, first->next_visited = NULL;
  for (; first; first = first->next_visited) {
    visit_node(walk, first);
    for (int i = 0; i < first->input_count; i++) {
      wk_node *before = first->inputs[i].node;
      if (!before || before->visit == walk->visit) continue;
      before->visit = walk->visit, before->next_visited = NULL;
      last = last->next_visited = before;
    }
  }
}

/* ---- recording ---- */

wk_saved wk_saved_take(const wk_tensor *tensor) {
  return (wk_saved){.root = wk_root_retain(tensor->root),
                    .offset = tensor->offset,
                    .version = atomic_load(&tensor->root->version)};
}

static void record_input(wk_node_input *record, wk_tensor *tensor, bool keep) {
  record->node = NULL, record->leaf = NULL, record->output_index = 0;
  record->saved.root = NULL;
  if (!tensor) {
    record->layout.rank = -1;
    return;
  }
  wk_layout_copy(&record->layout, &tensor->layout);
  if (keep) record->saved = wk_saved_take(tensor);
  if (!wk_wants_gradient(tensor)) return;
  if (tensor->link) {
    record->node = (wk_node *)tensor->link;
    atomic_fetch_add(&tensor->link->references, 1);
    record->output_index = tensor->output_index;
  } else {
    record->leaf = wk_tensor_retain(tensor);
  }
}

static void record_output(wk_node_output *record, const wk_tensor *tensor, bool keep) {
  record->gradient = NULL, record->hooks = NULL;
  record->saved.root = NULL;
  wk_layout_copy(&record->layout, &tensor->layout);
  if (keep) record->saved = wk_saved_take(tensor);
}

/* Only results that are floats have gradients. */
static int differentiable_outputs(const wk_call *call) {
  int count = 0;
  for (int i = 0; i < call->op->output_count; i++)
    count += wk_dtype_is_float(call->outputs[i]->layout.dtype);
  return count;
}

/* What an op was made from may come from another thread, with larger numbers than this one's. */
uint64_t wk_tape_begin_after(const wk_node *node) {
  for (int i = 0; i < node->input_count; i++) {
    const wk_node *before = node->inputs[i].node;
    if (before && before->sequence >= next_sequence) next_sequence = before->sequence + 1;
  }
  return next_sequence;
}

uint64_t wk_tape_begin_at(wk_tensors some, wk_tensors others) {
  for (size_t i = 0; i < some.count + others.count; i++) {
    const wk_tensor *t = i < some.count ? some.item[i] : others.item[i - some.count];
    const wk_node *before = t ? (const wk_node *)t->link : NULL;
    if (before && before->sequence >= next_sequence) next_sequence = before->sequence + 1;
  }
  return next_sequence;
}

/* A node, inputs and outputs still to be set, and its arguments lie in one piece. */
static wk_node *allocate_node(const wk_call *call) {
  const wk_op *op = call->op;
  const size_t outputs = sizeof(wk_node) + (size_t)call->input_count * sizeof(wk_node_input);
  const size_t outputs_end = outputs + (size_t)op->output_count * sizeof(wk_node_output);
  const size_t arguments = (outputs_end + 15) / 16 * 16, size = arguments + op->settings.size;
  wk_node *node = wk_small_allocate(size);
  if (!node) return NULL;
  atomic_init(&node->link.references, differentiable_outputs(call));
  node->link.destroy = destroy_node, node->link.visit = visit_nodes;
  node->op = op;
  node->here = call->here;
  node->module_path = wk_current_module;
  node->sequence = node->visit = 0;
  node->next_visited = NULL, node->companion = NULL;
  node->walked = node->wanted = node->spent = false;
  node->input_count = call->input_count;
  node->size = size;
  node->outputs = (wk_node_output *)(void *)((char *)node + outputs);
  node->arguments = (char *)node + arguments;
  memcpy(node->arguments, call->arguments, op->settings.size);
  return node;
}

/* The results that are floats get the node; if there is none, all are released. */
static wk_status attach(wk_call *call, wk_node *node) {
  for (int i = 0; i < call->op->output_count; i++) {
    wk_tensor *output = call->outputs[i];
    if (!node) {
      wk_tensor_release(output);
      call->outputs[i] = NULL;
    } else if (wk_dtype_is_float(output->layout.dtype)) {
      output->link = &node->link;
      output->output_index = i;
      output->requires_gradient = true;
    }
  }
  if (node) wk_tape_begin_after(node), node->sequence = next_sequence++;
  return node ? WK_OK : wk_error_status();
}

wk_status wk_tape_record(wk_call *call) {
  const wk_op *op = call->op;
  wk_node *node = allocate_node(call);
  for (int i = 0; node && i < call->input_count; i++)
    record_input(&node->inputs[i], call->inputs[i], wk_op_reads_input(op, i));
  for (int i = 0; node && i < op->output_count; i++)
    record_output(&node->outputs[i], call->outputs[i], op->gradient_reads_outputs >> i & 1);
  return attach(call, node);
}

wk_status wk_tape_record_companion(wk_call *call, wk_companion *companion, const bool *keep_inputs,
                                   const bool *keep_outputs) {
  wk_node *node = allocate_node(call);
  if (node) node->companion = companion;
  for (int i = 0; node && i < call->input_count; i++)
    record_input(&node->inputs[i], call->inputs[i], keep_inputs[i]);
  for (int i = 0; node && i < call->op->output_count; i++)
    record_output(&node->outputs[i], call->outputs[i], keep_outputs[i]);
  return attach(call, node);
}

/* ---- noting what would be recorded ---- */

static wk_status capture(wk_capture *to, wk_tensor *tensor) {
  for (size_t i = 0; i < to->count; i++) {
    if (to->tensors[i] == tensor) return WK_OK;
  }
  if (!wk_grow(&to->tensors, &to->capacity, to->count, sizeof *to->tensors))
    return wk_error_status();
  to->tensors[to->count++] = wk_tensor_retain(tensor);
  return WK_OK;
}

wk_status wk_capture_inputs(wk_tensor *const *inputs, int count) {
  wk_status status = WK_OK;
  if (!wk_capturing || wk_gradients_recorded) return WK_OK;
  for (int i = 0; i < count && status == WK_OK; i++) {
    if (wk_wants_gradient(inputs[i])) status = capture(wk_capturing, inputs[i]);
  }
  return status;
}

/* ---- the layer ---- */

static bool must_record(const wk_call *call) {
  if (!call->op->vjp) return false;
  for (int i = 0; i < call->input_count; i++) {
    if (wk_wants_gradient(call->inputs[i])) return true;
  }
  return false;
}

/* A leaf overwritten while gradients are recorded would make the records untrue. */
static wk_status check_writes(const wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (!wk_op_input_at(call->op, i)->written || !wk_wants_gradient(call->inputs[i])) continue;
    wk_fail(WK_ERROR_STATE,
            "%s requires a gradient and cannot be written while gradients are "
            "recorded",
            wk_op_input_at(call->op, i)->name);
    wk_error_add_hint("put WK_NO_GRADIENT; in front");
    return WK_ERROR_STATE;
  }
  return WK_OK;
}

static wk_status record_call(const wk_dispatch_layer *const *layer, wk_call *call) {
  const bool recorded = call->thread->gradients_recorded;
  wk_status status = recorded && call->op->class == WK_CLASS_UPDATE ? check_writes(call) : WK_OK;
  if (status == WK_OK && !recorded && call->thread->capturing)
    status = wk_capture_inputs(call->inputs, call->input_count);
  if (status == WK_OK) status = wk_dispatch_next(layer, call);
  if (status != WK_OK || !recorded || !must_record(call) || !differentiable_outputs(call))
    return status;
  return wk_tape_record(call);
}

const wk_dispatch_layer wk_autograd_layer = {"autograd", record_call};
