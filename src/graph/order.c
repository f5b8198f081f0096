/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/order.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"
#include "graph/lives.h"

/* What touches a buffer, node by node. */
typedef struct touch {
  size_t node;
  const wk_reference *reference;
  bool writes, whole; /* whole: any two of them meet, wherever they reach */
  size_t next;        /* touch of the same buffer before this one, or SIZE_MAX */
} touch;

typedef struct edge {
  size_t to, next;
} edge;

typedef struct search {
  const wk_graph *graph;
  const wk_life *lives;
  touch *touches;
  size_t touch_count, touch_capacity, *latest; /* of each buffer: its last touch */
  edge *edges;
  size_t edge_count, edge_capacity, *first; /* of each node: the first of its edges, */
  size_t *waits;                            /* how many nodes it waits for, */
  size_t *left;                             /* of each buffer: readings that are to come */
  bool *begun;                              /* of each buffer: it is there */
} search;

/* Node b runs after node a. */
static bool add_edge(search *s, size_t a, size_t b) {
  if (a == b) return true;
  if (!wk_grow(&s->edges, &s->edge_capacity, s->edge_count, sizeof *s->edges)) return false;
  s->edges[s->edge_count] = (edge){b, s->first[a]};
  s->first[a] = s->edge_count++;
  s->waits[b]++;
  return true;
}

/* All that touched the buffer before and must stay before; what is joined counts as its head. */
static bool add_touch(search *s, size_t node, const wk_reference *r, bool writes, bool whole) {
  if (!wk_grow(&s->touches, &s->touch_capacity, s->touch_count, sizeof *s->touches)) return false;
  const touch now = {wk_joined_head(s->graph, node), r, writes, whole, s->latest[r->buffer]};
  for (size_t t = now.next; t != SIZE_MAX; t = s->touches[t].next) {
    const touch *before = &s->touches[t];
    if (!before->writes && !writes) continue;
    if (!before->whole && !whole && !wk_reference_overlaps(before->reference, r)) continue;
    if (!add_edge(s, before->node, now.node)) return false;
  }
  s->latest[r->buffer] = s->touch_count;
  s->touches[s->touch_count++] = now;
  return true;
}

static bool add_node(search *s, size_t n) {
  const wk_graph_node *node = &s->graph->nodes[n];
  for (int i = 0; i < node->input_count; i++) {
    const bool writes = node->op && wk_op_input_at(node->op, i)->written;
    if (node->inputs[i].buffer >= 0 && !add_touch(s, n, &node->inputs[i], writes, writes))
      return false;
  }
  for (int i = 0; node->op && i < node->op->output_count; i++) {
    const bool local = s->graph->buffers[node->outputs[i].buffer].kind == WK_BUFFER_LOCAL;
    if (!add_touch(s, n, &node->outputs[i], true, local)) return false;
  }
  return true;
}

/* What has an order of its own keeps it, and so do those that belong together. */
static bool find_edges(search *s) {
  size_t last = SIZE_MAX;
  bool drawn = false; /* by a loop, of which nobody knows how much */
  for (size_t n = 0; n < s->graph->node_count; n++) {
    const wk_graph_node *node = &s->graph->nodes[n];
    if (!add_node(s, n)) return false;
    const bool draws = node->draw != WK_NO_DRAW;
    if (!node->order && !node->late.run && node->op && !node->control && !(drawn && draws))
      continue;
    drawn = drawn || (node->control && draws);
    if (last != SIZE_MAX && !add_edge(s, last, wk_joined_head(s->graph, n))) return false;
    last = wk_joined_head(s->graph, n);
  }
  return true;
}

static bool is_own(const search *s, int buffer) { return buffer >= 0 && s->lives[buffer].size; }

/* How often nodes [first, last] touch the buffer. */
static size_t count_touches(const wk_graph *g, size_t first, size_t last, int buffer) {
  size_t count = 0;
  for (size_t n = first; n <= last; n++) {
    for (int i = 0; i < g->nodes[n].input_count; i++)
      count += g->nodes[n].inputs[i].buffer == buffer;
    for (int i = 0; g->nodes[n].op && i < g->nodes[n].op->output_count; i++)
      count += g->nodes[n].outputs[i].buffer == buffer;
  }
  return count;
}

/* By how much more, or less, is alive behind the node and those joined to it; `run`: they do. */
static int64_t change(search *s, size_t head, bool run) {
  const wk_graph *g = s->graph;
  const size_t last = wk_joined_last(g, head);
  int64_t bytes = 0;
  for (size_t n = head; n <= last; n++) {
    const wk_graph_node *node = &g->nodes[n];
    const int outputs = node->op ? node->op->output_count : 0;
    for (int k = 0; k < node->input_count + outputs; k++) {
      const wk_reference *r =
          k < node->input_count ? &node->inputs[k] : &node->outputs[k - node->input_count];
      if (!is_own(s, r->buffer)) continue;
      const size_t size = s->lives[r->buffer].size;
      const size_t here = count_touches(g, head, last, r->buffer);
      const size_t times = here ? here : 1; /* it is met so often, and counts once */
      if (!s->begun[r->buffer]) bytes += (int64_t)(size / times);
      if (s->left[r->buffer] == here) bytes -= (int64_t)(size / times);
    }
  }
  for (size_t n = head; n <= last && run; n++) {
    const wk_graph_node *node = &g->nodes[n];
    for (int i = 0; i < node->input_count; i++)
      if (is_own(s, node->inputs[i].buffer)) s->left[node->inputs[i].buffer]--;
    for (int i = 0; node->op && i < node->op->output_count; i++)
      if (is_own(s, node->outputs[i].buffer))
        s->begun[node->outputs[i].buffer] = true, s->left[node->outputs[i].buffer]--;
  }
  return bytes;
}

static void choose_order(search *s, size_t *order, bool *done) {
  const wk_graph *g = s->graph;
  size_t lowest = 0;
  for (size_t placed = 0; placed < g->node_count;) {
    size_t best = SIZE_MAX;
    int64_t least = 0;
    while (done[lowest]) lowest++;
    for (size_t n = lowest; n < g->node_count; n++) {
      if (done[n] || s->waits[n] || g->nodes[n].joined) continue;
      const int64_t bytes = change(s, n, false);
      if (best == SIZE_MAX || bytes < least) best = n, least = bytes;
    }
    const size_t last = wk_joined_last(g, best);
    change(s, best, true);
    for (size_t n = best; n <= last; n++) order[placed++] = n, done[n] = true;
    for (size_t e = s->first[best]; e != SIZE_MAX; e = s->edges[e].next) s->waits[s->edges[e].to]--;
  }
}

wk_status wk_graph_find_order(const wk_graph *g, size_t *order) {
  search s = {.graph = g, .lives = wk_lives_create(g)};
  s.latest = wk_allocate_zeroed(g->buffer_count + 1, sizeof *s.latest);
  s.left = wk_allocate_zeroed(g->buffer_count + 1, sizeof *s.left);
  s.begun = wk_allocate_zeroed(g->buffer_count + 1, sizeof *s.begun);
  s.first = wk_allocate_zeroed(g->node_count + 1, sizeof *s.first);
  s.waits = wk_allocate_zeroed(g->node_count + 1, sizeof *s.waits);
  bool *done = wk_allocate_zeroed(g->node_count + 1, sizeof *done);
  if (!wk_failed()) {
    memset(s.latest, 0xff, g->buffer_count * sizeof *s.latest);
    memset(s.first, 0xff, g->node_count * sizeof *s.first);
    if (find_edges(&s)) {
      for (size_t t = 0; t < s.touch_count; t++) s.left[s.touches[t].reference->buffer]++;
      choose_order(&s, order, done);
    }
  }
  wk_deallocate((void *)(uintptr_t)s.lives);
  wk_deallocate(s.touches);
  wk_deallocate(s.latest);
  wk_deallocate(s.left);
  wk_deallocate(s.begun);
  wk_deallocate(s.edges);
  wk_deallocate(s.first);
  wk_deallocate(s.waits);
  wk_deallocate(done);
  return wk_error_status();
}

wk_status wk_graph_reorder(wk_graph *g, const size_t *order, bool back) {
  wk_graph_node *nodes = wk_allocate_zeroed(g->node_count + 1, sizeof *nodes);
  if (!nodes) return wk_error_status();
  for (size_t i = 0; i < g->node_count; i++)
    nodes[back ? order[i] : i] = g->nodes[back ? i : order[i]];
  memcpy(g->nodes, nodes, g->node_count * sizeof *nodes);
  wk_deallocate(nodes);
  return WK_OK;
}
