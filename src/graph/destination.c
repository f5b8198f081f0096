/* SPDX-License-Identifier: Apache-2.0 */
/* Results made where they are to be: a node's result that is only copied into memory older than the
 * function, a parameter's gradient mostly, is written there at once, and the copy goes. */
#include "graph/destination.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/lives.h"
#include "graph/pass.h"
#include "ops/records.gen.h"

static bool touches(const wk_graph_node *node, const wk_reference *r) {
  for (int i = 0; i < node->input_count; i++)
    if (wk_reference_overlaps(&node->inputs[i], r)) return true;
  for (int i = 0; node->op && i < node->op->output_count; i++)
    if (wk_reference_overlaps(&node->outputs[i], r)) return true;
  return false;
}

/* Whether node `n` copies a whole result into older memory that nobody looks at or changes from the
 * result's making on. */
static bool may_make_there(const wk_graph *g, const wk_life *lives, size_t n) {
  const wk_graph_node *node = &g->nodes[n];
  if (!node->op || node->op->id != WK_OP_COPY_UPDATE || node->late.run) return false;
  const wk_reference *to = &node->inputs[0], *from = &node->inputs[1];
  if (to->buffer < 0 || from->buffer < 0 || g->buffers[to->buffer].kind != WK_BUFFER_CELL)
    return false;
  const wk_buffer *buffer = &g->buffers[from->buffer];
  const wk_life *l = &lives[from->buffer];
  if (buffer->kind != WK_BUFFER_LOCAL || buffer->version || l->maker == WK_NO_NODE ||
      l->reader != n || l->result)
    return false;
  if (!wk_reference_is_whole(g, from) || !wk_layout_is_contiguous(&to->layout) ||
      to->layout.dtype != from->layout.dtype ||
      wk_layout_count(&to->layout) != wk_layout_count(&from->layout))
    return false;
  if (g->nodes[l->maker].late.run) return false; /* it may be left out */
  for (size_t k = l->maker; k < n; k++)
    if (touches(&g->nodes[k], to)) return false;
  return true;
}

/* The reference's elements, over there. */
static void move(wk_reference *r, const wk_reference *to) {
  r->buffer = to->buffer, r->version = to->version, r->start += to->start;
}

static void make_there(wk_graph *g, const wk_life *lives, size_t n) {
  const wk_reference to = g->nodes[n].inputs[0];
  const int from = g->nodes[n].inputs[1].buffer;
  for (size_t k = lives[from].maker; k < n; k++) {
    wk_graph_node *node = &g->nodes[k];
    for (int i = 0; i < node->input_count; i++)
      if (node->inputs[i].buffer == from) move(&node->inputs[i], &to);
    for (int i = 0; node->op && i < node->op->output_count; i++)
      if (node->outputs[i].buffer == from) move(&node->outputs[i], &to);
  }
}

wk_status wk_graph_make_in_destinations(wk_graph *g) {
  wk_life *lives = wk_lives_create(g);
  bool *gone = wk_allocate_zeroed(g->node_count + 1, sizeof *gone);
  for (size_t n = 0; lives && gone && n < g->node_count; n++) {
    gone[n] = may_make_there(g, lives, n);
    if (gone[n]) make_there(g, lives, n);
  }
  if (lives && gone) wk_graph_remove(g, gone);
  wk_deallocate(lives);
  wk_deallocate(gone);
  return wk_error_status();
}
