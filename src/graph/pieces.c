/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/pieces.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"
#include "graph/place.h"

enum { LINE = 64 };

typedef struct search {
  const wk_graph *graph;
  const wk_life *lives;
  wk_pieces *pieces;
  char *asked; /* of each node: 0 not yet, 1 it can be cut, 2 it cannot */
} search;

static int output_count(const wk_graph_node *node) { return node->op ? node->op->output_count : 0; }

static const wk_reference *operand(const wk_graph_node *node, int k) {
  return k < node->input_count ? &node->inputs[k] : &node->outputs[k - node->input_count];
}

static int axis_of(const wk_split *split, const wk_graph_node *node, int k) {
  return k < node->input_count ? split->inputs[k] : split->outputs[k - node->input_count];
}

static int64_t common_divisor(int64_t a, int64_t b) { return b ? common_divisor(b, a % b) : a; }

static bool can_cut(search *s, size_t n) {
  if (!s->asked[n])
    s->asked[n] = wk_split_of(s->graph, &s->graph->nodes[n], &s->pieces->splits[n]) ? 1 : 2;
  return s->asked[n] == 1;
}

/* ---- what a group may hold ---- */

/* Whether unit i of the tensor lies within the i-th of `units` equal parts of its buffer. */
static bool is_aligned(const wk_graph *g, const wk_reference *r, int axis, int64_t units) {
  const size_t size = g->buffers[r->buffer].size;
  if (axis < 0 || size % (size_t)units || r->layout.dims[axis] % units) return false;
  wk_layout unit = r->layout;
  unit.dims[axis] /= units;
  int64_t first, end;
  wk_layout_reach(&unit, &first, &end);
  const int64_t step = unit.dims[axis] * unit.strides[axis] * (int64_t)wk_dtype_size(unit.dtype);
  const int64_t part = (int64_t)(size / (size_t)units), start = (int64_t)r->start;
  return step == part && start + first >= 0 && start + end <= part;
}

/* Whether anything else in the group looks at or makes what is made there. */
static bool is_shared(const wk_graph *g, const wk_piece_group *group, const wk_reference *to) {
  for (size_t k = group->first; k <= group->last; k++) {
    const wk_graph_node *node = &g->nodes[k];
    for (int i = 0; i < node->input_count + output_count(node); i++) {
      const wk_reference *r = operand(node, i);
      if (r != to && r->buffer >= 0 && wk_reference_overlaps(r, to)) return true;
    }
  }
  return false;
}

static bool is_made_within(const search *s, const wk_piece_group *group, int buffer) {
  const size_t maker = s->lives[buffer].maker;
  return maker != WK_NO_NODE && maker >= group->first && maker <= group->last;
}

/* What the group makes is read unit by unit in the order in which it is made, and sums not at all
 * before they are whole. */
static bool may_hold(const search *s, const wk_piece_group *group, size_t n) {
  const wk_graph *g = s->graph;
  const wk_graph_node *node = &g->nodes[n];
  const wk_split *split = &s->pieces->splits[n];
  for (int k = 0; k < node->input_count + output_count(node); k++) {
    const wk_reference *r = operand(node, k);
    if (r->buffer < 0) continue;
    const bool local = g->buffers[r->buffer].kind == WK_BUFFER_LOCAL;
    if (k >= node->input_count && (split->sums || !local)) {
      if (is_shared(g, group, r)) return false;
    } else if (local && is_made_within(s, group, r->buffer) &&
               !is_aligned(g, r, axis_of(split, node, k), group->units)) {
      return false;
    }
  }
  return true;
}

/* The group with nodes up to `last` as well; false: it cannot be. */
static bool extend(search *s, wk_piece_group *group, size_t last) {
  group->last = wk_joined_last(s->graph, last);
  for (size_t n = group->first; n <= group->last; n++) {
    if (!can_cut(s, n)) return false;
    group->units = common_divisor(group->units, s->pieces->splits[n].units);
  }
  if (group->units < 2) return false;
  for (size_t n = group->first; n <= group->last; n++)
    if (!may_hold(s, group, n)) return false;
  return true;
}

/* ---- what is worth while ---- */

static bool is_local(const search *s, int b) {
  const wk_life *l = &s->lives[b];
  return l->size >= s->pieces->least && !l->result && l->maker == l->first &&
         l->written == WK_NO_NODE && l->last != l->first;
}

/* Whether the buffer would take less in pieces: it does not come in the place of one that is whole,
 * and none that is comes in its place. */
static bool is_wanted(const search *s, int b) {
  if (!is_local(s, b)) return false;
  const size_t maker = s->lives[b].maker;
  const int over = wk_graph_operand_in_place(s->graph, s->lives, NULL, maker);
  if (over >= 0 && !s->pieces->inner[s->graph->nodes[maker].inputs[over].buffer]) return false;
  for (;;) {
    const size_t n = s->lives[b].last;
    const int i = wk_graph_operand_in_place(s->graph, s->lives, NULL, n);
    if (i < 0 || s->graph->nodes[n].inputs[i].buffer != b) return true;
    b = s->graph->nodes[n].outputs[0].buffer;
    if (!is_local(s, b)) return false;
  }
}

/* Cuts the buffer, in the last group or a new one, if that can be. */
static void try_buffer(search *s, int b) {
  wk_pieces *p = s->pieces;
  const size_t first = wk_joined_head(s->graph, s->lives[b].first), last = s->lives[b].last;
  wk_piece_group *latest = p->count ? &p->groups[p->count - 1] : NULL;
  const bool meets = latest && first <= latest->last;
  wk_piece_group group = meets ? *latest : (wk_piece_group){.first = first};
  if (!extend(s, &group, meets && last < group.last ? group.last : last)) return;
  p->inner[b] = 1; /* how much is known in the end */
  p->groups[meets ? p->count - 1 : p->count++] = group;
}

/* ---- the whole ---- */

static void note_lives(const wk_graph *g, wk_pieces *p, const wk_piece_group *group,
                       wk_life *lives) {
  for (size_t n = group->first; n <= group->last; n++) {
    const wk_graph_node *node = &g->nodes[n];
    for (int k = 0; k < node->input_count + output_count(node); k++) {
      const int b = operand(node, k)->buffer;
      if (b < 0) continue;
      wk_life *l = &lives[b];
      if (p->inner[b]) { /* and a line of the cache that vectors may read on into */
        const size_t unit = g->buffers[b].size / (size_t)group->units;
        p->inner[b] = l->bytes = (unit * (size_t)group->step + 2 * LINE - 1) / LINE * LINE;
        continue;
      }
      if (group->first < l->begin) l->begin = group->first;
      if (group->last > l->end) l->end = group->last;
    }
  }
}

/* Takes out the groups that are left as they are. */
static void leave(search *s, uint64_t left) {
  wk_pieces *p = s->pieces;
  size_t kept = 0;
  for (size_t i = 0; i < p->count; i++) {
    const wk_piece_group group = p->groups[i];
    if (i >= 64 || !(left >> i & 1)) {
      p->groups[kept++] = group;
      continue;
    }
    for (size_t n = group.first; n <= group.last; n++)
      for (int o = 0; o < output_count(&s->graph->nodes[n]); o++)
        p->inner[s->graph->nodes[n].outputs[o].buffer] = 0;
  }
  p->count = kept;
}

static void finish(search *s, wk_life *lives, int64_t most) {
  wk_pieces *p = s->pieces;
  for (size_t i = 0; i < p->count; i++) {
    wk_piece_group *group = &p->groups[i];
    size_t state = 0;
    group->step = (group->units - 1) / most + 1;
    for (size_t n = group->first; n <= group->last; n++) {
      p->group[n] = i + 1;
      const size_t bytes = (p->splits[n].state + LINE - 1) / LINE * LINE;
      p->splits[n].state = state;
      state += bytes;
    }
    if (state > p->state) p->state = state;
    note_lives(s->graph, p, group, lives);
  }
}

wk_status wk_pieces_find(wk_pieces *p, const wk_graph *g, wk_life *lives, wk_pieces_limits limits) {
  wk_pieces_free(p);
  size_t largest = 0;
  for (size_t b = 0; b < g->buffer_count; b++)
    if (lives[b].size > largest) largest = lives[b].size;
  if (limits.most < 2 || !largest) return WK_OK;
  p->groups = wk_allocate_zeroed(g->node_count + 1, sizeof *p->groups);
  p->group = wk_allocate_zeroed(g->node_count + 1, sizeof *p->group);
  p->splits = wk_allocate_zeroed(g->node_count + 1, sizeof *p->splits);
  p->inner = wk_allocate_zeroed(g->buffer_count + 1, sizeof *p->inner);
  search s = {.graph = g, .lives = lives, .pieces = p};
  p->least = largest / (size_t)limits.share;
  s.asked = wk_allocate_zeroed(g->node_count + 1, 1);
  if (wk_failed()) {
    wk_pieces_free(p);
  } else {
    for (size_t n = 0; n < g->node_count; n++)
      for (int o = 0; o < output_count(&g->nodes[n]); o++)
        if (is_wanted(&s, g->nodes[n].outputs[o].buffer))
          try_buffer(&s, g->nodes[n].outputs[o].buffer);
    leave(&s, limits.left);
    finish(&s, lives, limits.most);
  }
  wk_deallocate(s.asked);
  return wk_error_status();
}

void wk_pieces_free(wk_pieces *p) {
  wk_deallocate(p->groups);
  wk_deallocate(p->group);
  wk_deallocate(p->splits);
  wk_deallocate(p->inner);
  *p = (wk_pieces){0};
}

const wk_piece_group *wk_pieces_group(const wk_pieces *p, size_t node) {
  return p && p->count && p->group[node] ? &p->groups[p->group[node] - 1] : NULL;
}

bool wk_pieces_may_replace(const wk_pieces *p, const wk_graph *g, size_t n, int i) {
  const wk_piece_group *group = wk_pieces_group(p, n);
  if (!group) return true;
  const int from = g->nodes[n].inputs[i].buffer, to = g->nodes[n].outputs[0].buffer;
  if (!p->inner[from] != !p->inner[to]) return false;
  for (size_t k = group->first; k <= group->last; k++) /* none looks at what is gone by then */
    for (int j = 0; j < g->nodes[k].input_count; j++)
      if (g->nodes[k].inputs[j].buffer == from &&
          !is_aligned(g, &g->nodes[k].inputs[j], p->splits[k].inputs[j], group->units))
        return false;
  return true;
}
