/* SPDX-License-Identifier: Apache-2.0 */
#include "autograd/tape.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tensor/live.h"

/* ---- the life of nodes ---- */

static _Thread_local wk_node *doomed; /* nodes to free, chained through outputs[0].gradient */
static _Thread_local bool draining;
static _Thread_local uint64_t next_sequence = 1;

static void drop_saved(wk_saved *saved) {
  wk_root_release(saved->root);
  saved->root = NULL;
}

void wk_node_spend(wk_node *node) {
  node->spent = true;
  for (int i = 0; i < node->input_count; i++) drop_saved(&node->inputs[i].saved);
  for (int i = 0; i < node->op->output_count; i++) drop_saved(&node->outputs[i].saved);
}

static void free_node(wk_node *node) {
  wk_node_spend(node);
  for (int i = 0; i < node->input_count; i++) {
    if (node->inputs[i].node) wk_link_release(&node->inputs[i].node->link);
    wk_tensor_release(node->inputs[i].leaf);
  }
  wk_deallocate(node);
}

/* Freeing a node may free the one before it, and so on down a long chain: a list instead of
 * recursion keeps the stack flat. */
static void destroy_node(wk_link *link) {
  wk_node *node = (wk_node *)link;
  for (int i = 0; i < node->op->output_count; i++) wk_tensor_release(node->outputs[i].gradient);
  node->outputs[0].gradient = (wk_tensor *)(void *)doomed;
  doomed = node;
  if (draining) return;
  draining = true;
  while (doomed) {
    wk_node *first = doomed;
    doomed = (wk_node *)(void *)first->outputs[0].gradient;
    free_node(first);
  }
  draining = false;
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

static wk_saved save(const wk_tensor *tensor) {
  return (wk_saved){.root = wk_root_retain(tensor->root),
                    .offset = tensor->offset,
                    .version = atomic_load(&tensor->root->version)};
}

static void record_input(wk_node_input *record, wk_tensor *tensor, bool keep) {
  if (!tensor) {
    record->layout.rank = -1;
    return;
  }
  record->layout = tensor->layout;
  if (keep) record->saved = save(tensor);
  if (!wk_wants_gradient(tensor)) return;
  if (tensor->link) {
    record->node = (wk_node *)tensor->link;
    atomic_fetch_add(&tensor->link->references, 1);
    record->output_index = tensor->output_index;
  } else {
    record->leaf = wk_tensor_retain(tensor);
  }
}

/* Only results that are floats have gradients. */
static int differentiable_outputs(const wk_call *call) {
  int count = 0;
  for (int i = 0; i < call->op->output_count; i++)
    count += wk_dtype_is_float(call->outputs[i]->layout.dtype);
  return count;
}

static wk_node *create_node(const wk_call *call) {
  const wk_op *op = call->op;
  const size_t inputs = (size_t)call->input_count * sizeof(wk_node_input);
  const size_t arguments = (sizeof(wk_node) + inputs + 15) / 16 * 16;
  wk_node *node = wk_allocate_zeroed(1, arguments + op->settings.size);
  if (!node) return NULL;
  atomic_init(&node->link.references, differentiable_outputs(call));
  node->link.destroy = destroy_node;
  node->link.visit = visit_nodes;
  node->op = op;
  node->here = call->here;
  node->module_path = wk_current_module;
  node->sequence = next_sequence++;
  node->input_count = call->input_count;
  node->arguments = (char *)node + arguments;
  memcpy(node->arguments, call->arguments, op->settings.size);
  for (int i = 0; i < call->input_count; i++) {
    record_input(&node->inputs[i], call->inputs[i], wk_op_reads_input(op, i));
  }
  for (int i = 0; i < op->output_count; i++) {
    node->outputs[i].layout = call->outputs[i]->layout;
    if (op->gradient_reads_outputs >> i & 1) node->outputs[i].saved = save(call->outputs[i]);
  }
  return node;
}

static bool must_record(const wk_call *call) {
  if (!wk_gradients_recorded || !call->op->vjp) return false;
  for (int i = 0; i < call->input_count; i++) {
    if (wk_wants_gradient(call->inputs[i])) return true;
  }
  return false;
}

/* A leaf overwritten while gradients are recorded would make the records untrue. */
static wk_status check_writes(const wk_call *call) {
  if (!wk_gradients_recorded) return WK_OK;
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
  wk_status status = call->op->class == WK_CLASS_UPDATE ? check_writes(call) : WK_OK;
  if (status == WK_OK) status = wk_dispatch_next(layer, call);
  if (status != WK_OK || !must_record(call) || !differentiable_outputs(call)) return status;
  wk_node *node = create_node(call);
  for (int i = 0; i < call->op->output_count; i++) {
    if (!node) {
      wk_tensor_release(call->outputs[i]);
      call->outputs[i] = NULL;
      continue;
    }
    if (!wk_dtype_is_float(call->outputs[i]->layout.dtype)) continue;
    call->outputs[i]->link = &node->link;
    call->outputs[i]->output_index = i;
    call->outputs[i]->requires_gradient = true;
  }
  return node ? WK_OK : wk_error_status();
}

const wk_dispatch_layer wk_autograd_layer = {"autograd", record_call};
