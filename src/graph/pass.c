/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/pass.h"

#include "base/environment.h"
#include "base/error.h"
#include "base/memory.h"

const wk_pass wk_pass_table[] = {
    {"common_nodes", "of nodes that make the same, the first serves for all", wk_pass_common_nodes},
    {"dead_code", "nodes go whose results nobody reads", wk_pass_dead_code},
};
const int wk_pass_count = sizeof wk_pass_table / sizeof *wk_pass_table;

static bool verifies_each(void) {
#ifdef NDEBUG
  return wk_debug_topic("graph");
#else
  return true;
#endif
}

wk_status wk_passes_run(wk_graph *graph) {
  wk_status status = wk_graph_verify(graph);
  for (int i = 0; i < wk_pass_count && status == WK_OK; i++) {
    int64_t changes = 0;
    status = wk_pass_table[i].run(graph, &changes);
    if (status != WK_OK || !verifies_each()) continue;
    status = wk_graph_verify(graph);
    if (status != WK_OK) wk_error_add_hint("the pass %s left it so", wk_pass_table[i].name);
  }
  return status;
}

void wk_graph_remove(wk_graph *graph, const bool *marked) {
  size_t kept = 0;
  for (size_t n = 0; n < graph->node_count; n++) {
    wk_graph_node *node = &graph->nodes[n];
    if (!marked[n]) {
      graph->nodes[kept++] = *node;
      continue;
    }
    wk_deallocate(node->arguments);
    wk_deallocate(node->inputs);
  }
  graph->node_count = kept;
}

bool wk_node_has_effect(const wk_graph_node *node) {
  if (!node->op) return true;
  for (int i = 0; i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written && node->inputs[i].buffer >= 0) return true;
  return false;
}
