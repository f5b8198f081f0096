/* SPDX-License-Identifier: Apache-2.0 */
/* From the last node to the first: one is needed if it works on the host, writes memory that is
 * older than the call or that is needed, or makes what a needed one reads. Its numbers are drawn
 * even so: a generator advances as in eager mode. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "graph/pass.h"

static bool is_needed(const wk_graph *g, const wk_graph_node *node, const bool *read) {
  if (!node->op || (node->control && wk_control_is_needed(node->control))) return true;
  for (int i = 0; i < node->op->output_count; i++)
    if (read[node->outputs[i].buffer]) return true;
  for (int i = 0; i < node->input_count; i++) {
    const int b = node->inputs[i].buffer;
    if (b < 0 || !wk_op_input_at(node->op, i)->written) continue;
    if (g->buffers[b].kind != WK_BUFFER_LOCAL || read[b]) return true;
  }
  return false;
}

wk_status wk_pass_dead_code(wk_graph *g, int64_t *changes) {
  bool *read = wk_allocate_zeroed(g->buffer_count + 1, sizeof *read);
  bool *dead = wk_allocate_zeroed(g->node_count + 1, sizeof *dead);
  if (read && dead) {
    for (size_t i = 0; i < g->result_count; i++) read[g->results[i].buffer] = true;
    for (size_t n = g->node_count; n-- > 0;) {
      const wk_graph_node *node = &g->nodes[n];
      dead[n] = !is_needed(g, node, read);
      *changes += dead[n];
      for (int i = 0; i < node->input_count && !dead[n]; i++)
        if (node->inputs[i].buffer >= 0) read[node->inputs[i].buffer] = true;
    }
    wk_graph_remove(g, dead);
  }
  wk_deallocate(read);
  wk_deallocate(dead);
  return wk_error_status();
}
