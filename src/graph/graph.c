/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/graph.h"

#include "base/memory.h"

void wk_graph_free(wk_graph *graph) {
  for (size_t i = 0; i < graph->node_count; i++) {
    wk_deallocate(graph->nodes[i].arguments);
    wk_deallocate(graph->nodes[i].inputs);
  }
  for (size_t i = 0; i < graph->buffer_count; i++) wk_storage_release(graph->buffers[i].storage);
  wk_deallocate(graph->nodes);
  wk_deallocate(graph->buffers);
  wk_deallocate(graph->draws);
  wk_deallocate(graph->results);
  *graph = (wk_graph){0};
}
