/* SPDX-License-Identifier: Apache-2.0 */
/* What a node makes of constants alone is computed here, by the kernel that would run, and becomes
 * a constant itself: memory that nobody but the graph has, and that the graph does not write. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/pass.h"
#include "graph/plan.h"

#define MOST_BYTES 65536 /* of one result: larger ones are made faster than they are read */

static bool has_values(const wk_buffer *b) {
  return b->device->host_memory || (b->device->null && b->size <= WK_NULL_MOST_BYTES);
}

bool wk_buffer_is_constant(const wk_buffer *b) {
  return b->kind == WK_BUFFER_CELL && b->version == 0 && b->storage && has_values(b) &&
         atomic_load(&b->storage->references) == 1;
}

static bool is_computed(const wk_graph *g, const wk_graph_node *node) {
  if (!wk_node_is_pure(g, node) || node->draw != WK_NO_DRAW || node->op->output_count == 0)
    return false;
  if (node->op->class == WK_CLASS_RANDOM) return false;
  for (int i = 0; i < node->input_count; i++) {
    const wk_reference *r = &node->inputs[i];
    if (r->buffer >= 0 &&
        (!wk_buffer_is_constant(&g->buffers[r->buffer]) || !wk_layout_is_contiguous(&r->layout)))
      return false;
  }
  for (int i = 0; i < node->op->output_count; i++) {
    const wk_buffer *b = &g->buffers[node->outputs[i].buffer];
    if (b->size > MOST_BYTES || !has_values(b)) return false;
  }
  return true;
}

/* Runs the node with its results in `made`. */
static wk_status compute(const wk_graph *g, const wk_graph_node *node, wk_storage **made) {
  wk_operand outputs[WK_MAX_OUTPUTS] = {{.data = NULL}};
  wk_operand *inputs = wk_allocate_zeroed((size_t)node->input_count + 1, sizeof *inputs);
  wk_device *device = g->buffers[node->outputs[0].buffer].device;
  for (int i = 0; inputs && i < node->input_count; i++) {
    const wk_reference *r = &node->inputs[i];
    if (r->buffer < 0) continue;
    inputs[i].data = g->buffers[r->buffer].storage->data + r->start;
    inputs[i].layout = r->layout;
  }
  for (int i = 0; inputs && i < node->op->output_count && !wk_failed(); i++) {
    const wk_reference *r = &node->outputs[i];
    made[i] = wk_storage_create(device, g->buffers[r->buffer].size);
    if (made[i]) outputs[i].data = made[i]->data + r->start;
    outputs[i].layout = r->layout;
  }
  const wk_kernel_call call = {.op = node->op,
                               .arguments = node->arguments,
                               .inputs = inputs,
                               .input_count = node->input_count,
                               .outputs = outputs,
                               .output_count = node->op->output_count,
                               .stream = &device->stream};
  const wk_kernel *kernel = wk_failed() ? NULL : wk_kernel_find(device, &call);
  if (kernel) kernel->run(&call);
  wk_deallocate(inputs);
  return wk_error_status();
}

/* Whether the node is computed now. What fails, but for want of memory, is left to the call, which
 * then fails as in eager mode. */
static bool fold(wk_graph *g, const wk_graph_node *node) {
  wk_storage *made[WK_MAX_OUTPUTS] = {NULL};
  const bool computed = compute(g, node, made) == WK_OK;
  if (!computed) wk_error_forgive();
  for (int i = 0; i < node->op->output_count; i++) {
    if (!computed) {
      wk_storage_release(made[i]);
      continue;
    }
    wk_buffer *b = &g->buffers[node->outputs[i].buffer];
    b->kind = WK_BUFFER_CELL, b->storage = made[i];
  }
  return computed;
}

wk_status wk_pass_constants(wk_graph *g, int64_t *changes) {
  bool *folded = wk_allocate_zeroed(g->node_count + 1, sizeof *folded);
  if (!folded) return wk_error_status();
  for (size_t n = 0; n < g->node_count; n++) {
    folded[n] = is_computed(g, &g->nodes[n]) && fold(g, &g->nodes[n]);
    *changes += folded[n];
  }
  wk_graph_remove(g, folded);
  wk_deallocate(folded);
  return wk_error_status();
}
