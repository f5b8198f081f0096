/* SPDX-License-Identifier: Apache-2.0 */
/* Results made where they are to be: a node's result that is only copied into memory older than the
 * function, a parameter's gradient mostly, is written there at once, and the copy goes. */
#include "graph/destination.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/pass.h"
#include "ops/records.gen.h"

/* Where a buffer is made, and read for the last time. */
typedef struct use {
  size_t maker, last; /* nodes; maker SIZE_MAX: none */
  bool result;
} use;

static use *find_uses(const wk_graph *g) {
  use *uses = wk_allocate_zeroed(g->buffer_count + 1, sizeof *uses);
  if (!uses) return NULL;
  for (size_t i = 0; i < g->buffer_count; i++) uses[i].maker = SIZE_MAX;
  for (size_t n = 0; n < g->node_count; n++) {
    const wk_graph_node *node = &g->nodes[n];
    for (int i = 0; i < node->input_count; i++)
      if (node->inputs[i].buffer >= 0) uses[node->inputs[i].buffer].last = n;
    for (int i = 0; node->op && i < node->op->output_count; i++)
      uses[node->outputs[i].buffer].maker = n;
  }
  for (size_t i = 0; i < g->result_count; i++) uses[g->results[i].buffer].result = true;
  return uses;
}

static bool touches(const wk_graph_node *node, const wk_reference *r) {
  for (int i = 0; i < node->input_count; i++)
    if (wk_reference_overlaps(&node->inputs[i], r)) return true;
  for (int i = 0; node->op && i < node->op->output_count; i++)
    if (wk_reference_overlaps(&node->outputs[i], r)) return true;
  return false;
}

/* Whether node `n` copies a whole result into older memory that nobody looks at or changes from the
 * result's making on. */
static bool may_make_there(const wk_graph *g, const use *uses, size_t n) {
  const wk_graph_node *node = &g->nodes[n];
  if (!node->op || node->op->id != WK_OP_COPY_UPDATE || node->late.run) return false;
  const wk_reference *to = &node->inputs[0], *from = &node->inputs[1];
  if (to->buffer < 0 || from->buffer < 0 || g->buffers[to->buffer].kind != WK_BUFFER_CELL)
    return false;
  const wk_buffer *buffer = &g->buffers[from->buffer];
  const use *u = &uses[from->buffer];
  if (buffer->kind != WK_BUFFER_LOCAL || buffer->version || u->maker == SIZE_MAX || u->last != n ||
      u->result)
    return false;
  if (!wk_reference_is_whole(g, from) || !wk_layout_is_contiguous(&to->layout) ||
      to->layout.dtype != from->layout.dtype ||
      wk_layout_count(&to->layout) != wk_layout_count(&from->layout))
    return false;
  if (g->nodes[u->maker].late.run) return false; /* it may be left out */
  for (size_t k = u->maker; k < n; k++)
    if (touches(&g->nodes[k], to)) return false;
  return true;
}

/* The reference's elements, over there. */
static void move(wk_reference *r, const wk_reference *to) {
  r->buffer = to->buffer, r->version = to->version, r->start += to->start;
}

static void make_there(wk_graph *g, const use *uses, size_t n) {
  const wk_reference to = g->nodes[n].inputs[0];
  const int from = g->nodes[n].inputs[1].buffer;
  for (size_t k = uses[from].maker; k < n; k++) {
    wk_graph_node *node = &g->nodes[k];
    for (int i = 0; i < node->input_count; i++)
      if (node->inputs[i].buffer == from) move(&node->inputs[i], &to);
    for (int i = 0; node->op && i < node->op->output_count; i++)
      if (node->outputs[i].buffer == from) move(&node->outputs[i], &to);
  }
}

wk_status wk_graph_make_in_destinations(wk_graph *g) {
  use *uses = find_uses(g);
  bool *gone = wk_allocate_zeroed(g->node_count + 1, sizeof *gone);
  for (size_t n = 0; uses && gone && n < g->node_count; n++) {
    gone[n] = may_make_there(g, uses, n);
    if (gone[n]) make_there(g, uses, n);
  }
  if (uses && gone) wk_graph_remove(g, gone);
  wk_deallocate(uses);
  wk_deallocate(gone);
  return wk_error_status();
}
