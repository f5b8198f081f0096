/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/lives.h"

#include "base/memory.h"

enum { LINE = 64 };

static void note(wk_life *l, size_t node) {
  if (l->first == WK_NO_NODE) l->first = node;
  l->last = node;
}

void wk_lives_fill(const wk_graph *g, wk_life *lives) {
  for (size_t b = 0; b < g->buffer_count; b++) {
    const size_t size = (g->buffers[b].size + LINE - 1) / LINE * LINE;
    lives[b] = (wk_life){.maker = WK_NO_NODE,
                         .first = WK_NO_NODE,
                         .reader = WK_NO_NODE,
                         .written = WK_NO_NODE};
    if (g->buffers[b].kind == WK_BUFFER_LOCAL) lives[b].size = size ? size : LINE;
  }
  for (size_t n = 0; n < g->node_count; n++) {
    const wk_graph_node *node = &g->nodes[n];
    for (int i = 0; i < node->input_count; i++) {
      if (node->inputs[i].buffer < 0) continue;
      wk_life *l = &lives[node->inputs[i].buffer];
      note(l, n);
      l->reader = n, l->operand = i, l->count++;
      if (l->written == WK_NO_NODE && node->op && wk_op_input_at(node->op, i)->written)
        l->written = n;
    }
    for (int i = 0; node->op && i < node->op->output_count; i++) {
      wk_life *l = &lives[node->outputs[i].buffer];
      note(l, n);
      if (l->written == WK_NO_NODE && (l->maker != WK_NO_NODE || !l->size)) l->written = n;
      l->maker = n;
    }
  }
  for (size_t i = 0; i < g->result_count; i++) {
    lives[g->results[i].buffer].result = true;
    lives[g->results[i].buffer].size = 0;
  }
  for (size_t b = 0; b < g->buffer_count; b++)
    lives[b].begin = lives[b].first, lives[b].end = lives[b].last, lives[b].bytes = lives[b].size;
}

wk_life *wk_lives_create(const wk_graph *g) {
  wk_life *lives = wk_allocate_zeroed(g->buffer_count + 1, sizeof *lives);
  if (lives) wk_lives_fill(g, lives);
  return lives;
}
