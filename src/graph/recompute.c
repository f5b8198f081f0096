/* SPDX-License-Identifier: Apache-2.0 */
/* Greedy, as in dynamic tensor rematerialisation (Kirisame et al. 2021): where most is alive, the
 * value goes that frees most for the work of making it again, together with what must be made again
 * for it; the new nodes stand right before the next reader. For a chain of equal layers that keeps
 * evenly spaced values, as Chen et al. 2016. */
#include "graph/recompute.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/cost.h"
#include "graph/joined.h"
#include "graph/place.h"

/* Work is counted in bytes that go to and from memory, and operations, so many for a byte. */
enum {
  MOST_AGAIN = 64,
  MOST_ROUNDS = 4096,
  MOST_HOPES = 8,
  OPERATIONS_PER_BYTE = 16,
  LEAST_WORK = 4096,
  WORTH_WHILE = 256
};

typedef struct search {
  wk_graph *graph;
  wk_life *lives;
  wk_pieces_limits cut;
  wk_pieces pieces;
  size_t *next;  /* of each buffer: its first reader after the peak, or WK_NO_NODE, */
  int *first_of; /* and in whose place it is */
  size_t *alive; /* bytes at each node */
  size_t capacity, node_capacity;
  size_t peak, peak_at, from; /* from: the node where what is alive at the peak begins to be, */
  size_t least;               /* bytes of a value that is worth while */
  double allowed;             /* work */
} search;

/* What is to be made again for one value. */
typedef struct again {
  size_t nodes[MOST_AGAIN], count;
  size_t bytes; /* of what they make */
  bool hoped;   /* it frees something only if it runs piece by piece */
  double cost, limit;
} again;

/* ---- what is alive when ---- */

static int output_count(const wk_graph_node *node) { return node->op ? node->op->output_count : 0; }

static wk_status make_room(search *s) {
  const wk_graph *g = s->graph;
  if (g->buffer_count > s->capacity) {
    wk_life *lives = wk_reallocate(s->lives, 2 * g->buffer_count, sizeof *lives);
    if (lives) s->lives = lives;
    size_t *next = wk_reallocate(s->next, 2 * g->buffer_count, sizeof *next);
    if (next) s->next = next;
    int *first_of = wk_reallocate(s->first_of, 2 * g->buffer_count, sizeof *first_of);
    if (first_of) s->first_of = first_of;
    if (!lives || !next || !first_of) return wk_error_status();
    s->capacity = 2 * g->buffer_count;
  }
  if (g->node_count + 1 > s->node_capacity) {
    size_t *alive = wk_reallocate(s->alive, 2 * g->node_count + 2, sizeof *alive);
    if (!alive) return wk_error_status();
    s->alive = alive, s->node_capacity = 2 * g->node_count + 2;
  }
  return WK_OK;
}

static wk_status measure(search *s) {
  if (make_room(s) != WK_OK) return wk_error_status();
  const wk_graph *g = s->graph;
  wk_lives_fill(g, s->lives);
  if (wk_pieces_find(&s->pieces, g, s->lives, s->cut) != WK_OK) return wk_error_status();
  wk_graph_join_in_place(g, s->lives, &s->pieces, s->first_of);
  memset(s->alive, 0, (g->node_count + 1) * sizeof *s->alive);
  for (size_t b = 0; b < g->buffer_count; b++) {
    const wk_life *l = &s->lives[b];
    if (!l->size || l->first == WK_NO_NODE || s->first_of[b] != (int)b) continue;
    s->alive[l->begin] += l->bytes;
    s->alive[l->end + 1] -= l->bytes;
  }
  s->peak = s->peak_at = 0;
  size_t sum = 0;
  for (size_t n = 0; n < g->node_count; n++) {
    sum += s->alive[n]; /* modulo 2^64: differences may be negative */
    s->alive[n] = sum;
    if (s->alive[n] > s->peak) s->peak = s->alive[n], s->peak_at = n;
  }
  const wk_piece_group *group = wk_pieces_group(&s->pieces, s->peak_at);
  s->from = group ? group->first : s->peak_at;
  for (size_t b = 0; b < g->buffer_count; b++) s->next[b] = WK_NO_NODE;
  for (size_t n = group ? s->from : s->from + 1; n < g->node_count; n++)
    for (int i = 0; i < g->nodes[n].input_count; i++) {
      const int b = g->nodes[n].inputs[i].buffer;
      if (b >= 0 && s->next[b] == WK_NO_NODE) s->next[b] = n;
    }
  return WK_OK;
}

/* ---- what a value needs ---- */

static bool may_run_again(const search *s, const wk_graph_node *node) {
  if (!node->op || node->late.run || node->op->id >= wk_op_table_count) return false;
  for (int i = 0; i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written) return false;
  for (int i = 0; i < node->op->output_count; i++)
    if (s->graph->buffers[node->outputs[i].buffer].version) return false;
  return true;
}

/* How often the buffer is written from node `from` up to `to`; *touched: in the place of `r`, too.
 */
static unsigned count_writes(const search *s, const wk_reference *r, size_t from, size_t to,
                             bool *touched) {
  const wk_graph *g = s->graph;
  unsigned count = 0;
  *touched = false;
  if (!g->buffers[r->buffer].version || s->lives[r->buffer].written >= to) return 0;
  for (size_t n = from; n < to; n++) {
    const wk_graph_node *node = &g->nodes[n];
    for (int i = 0; node->op && i < node->input_count; i++) {
      if (node->inputs[i].buffer != r->buffer || !wk_op_input_at(node->op, i)->written) continue;
      *touched = *touched || wk_reference_overlaps(r, &node->inputs[i]);
      count++;
    }
    for (int i = 0; i < output_count(node); i++) /* of a result that is made in a cell */
      if (wk_reference_overlaps(r, &node->outputs[i])) *touched = true;
  }
  return count;
}

static double cost_of(const wk_graph_node *node) {
  const wk_cost cost = wk_node_cost(node);
  return LEAST_WORK + cost.bytes + cost.operations / OPERATIONS_PER_BYTE;
}

static bool is_listed(const again *a, size_t node) {
  for (size_t i = 0; i < a->count; i++)
    if (a->nodes[i] == node) return true;
  return false;
}

/* Adds what is needed to have buffer `b` again at node `at`; false: it cannot be had. */
static bool need(const search *s, int b, size_t at, again *a) {
  const size_t n = s->lives[b].maker;
  if (n == WK_NO_NODE || is_listed(a, n)) return n != WK_NO_NODE;
  const wk_graph_node *node = &s->graph->nodes[n];
  if (a->count == MOST_AGAIN || !may_run_again(s, node)) return false;
  a->nodes[a->count++] = n;
  int over = 0;
  a->cost += cost_of(node);
  if (a->cost > a->limit) return false;
  for (int i = 0; i < output_count(node); i++) a->bytes += s->lives[node->outputs[i].buffer].size;
  for (int i = 0; i < node->input_count; i++) {
    const int input = node->inputs[i].buffer;
    if (input < 0) continue;
    const wk_life *l = &s->lives[input];
    bool touched;
    count_writes(s, &node->inputs[i], n, at, &touched);
    if (touched) return false;
    if (!l->size || l->last >= at) continue;
    const again before = *a;
    if (need(s, input, at, a)) {
      if (node->op->class == WK_CLASS_POINTWISE && l->size == s->lives[b].size && !over++)
        a->bytes -= l->size; /* the result comes in its place */
      continue;
    }
    *a = before; /* it is kept instead, if it was alive anyway or is small */
    if (l->last < s->peak_at && l->size > s->lives[b].size / 16) return false;
    a->bytes += l->size;
  }
  return true;
}

/* ---- making it again ---- */

static void sort(again *a) {
  for (size_t i = 1; i < a->count; i++)
    for (size_t k = i; k > 0 && a->nodes[k - 1] > a->nodes[k]; k--) {
      const size_t node = a->nodes[k];
      a->nodes[k] = a->nodes[k - 1], a->nodes[k - 1] = node;
    }
}

static wk_status copy_node(wk_graph *g, const wk_graph_node *from, wk_graph_node *to) {
  *to = *from;
  to->arguments = wk_allocate_zeroed(1, from->op->settings.size + 1);
  to->inputs = wk_allocate_zeroed((size_t)from->input_count + 1, sizeof *to->inputs);
  if (!to->arguments || !to->inputs) {
    wk_deallocate(to->arguments);
    wk_deallocate(to->inputs);
    return wk_error_status();
  }
  memcpy(to->arguments, from->arguments, from->op->settings.size);
  memcpy(to->inputs, from->inputs, (size_t)from->input_count * sizeof *to->inputs);
  for (int i = 0; i < from->op->output_count; i++) {
    if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers)) break;
    g->buffers[g->buffer_count] = g->buffers[from->outputs[i].buffer];
    to->outputs[i].buffer = (int)g->buffer_count++;
  }
  if (!wk_failed()) return WK_OK;
  wk_deallocate(to->arguments);
  wk_deallocate(to->inputs);
  return wk_error_status();
}

/* Nodes from `at` on read the new buffers in place of the old. */
static void redirect(wk_graph *g, size_t at, const wk_graph_node *old, const wk_graph_node *now) {
  for (size_t n = at; n < g->node_count; n++)
    for (int i = 0; i < g->nodes[n].input_count; i++)
      for (int o = 0; o < old->op->output_count; o++)
        if (g->nodes[n].inputs[i].buffer == old->outputs[o].buffer)
          g->nodes[n].inputs[i].buffer = now->outputs[o].buffer;
}

/* What `copy` reads of what was just made again, it reads there. */
static void redirect_copy(const wk_graph *g, wk_graph_node *copy, const again *a, size_t made,
                          size_t first) {
  for (size_t k = 0; k < made; k++) {
    const wk_graph_node *old = &g->nodes[a->nodes[k]], *now = &g->nodes[first + k];
    for (int i = 0; i < copy->input_count; i++)
      for (int o = 0; o < old->op->output_count; o++)
        if (copy->inputs[i].buffer == old->outputs[o].buffer)
          copy->inputs[i].buffer = now->outputs[o].buffer;
  }
}

/* Puts copies of the nodes in front of node `at`; what follows reads what they make. */
static wk_status insert(const search *s, again *a, size_t at) {
  wk_graph *g = s->graph;
  sort(a);
  for (size_t i = 0; i < a->count; i++) {
    wk_graph_node copy;
    if (!wk_grow(&g->nodes, &g->node_capacity, g->node_count, sizeof *g->nodes)) break;
    if (copy_node(g, &g->nodes[a->nodes[i]], &copy) != WK_OK) break;
    for (int k = 0; k < copy.input_count; k++) {
      bool touched;
      if (copy.inputs[k].buffer >= 0)
        copy.inputs[k].version += count_writes(s, &copy.inputs[k], a->nodes[i], at, &touched);
    }
    redirect_copy(g, &copy, a, i, at);
    memmove(g->nodes + at + i + 1, g->nodes + at + i, (g->node_count - at - i) * sizeof copy);
    g->nodes[at + i] = copy;
    g->node_count++;
    redirect(g, at + i + 1, &g->nodes[a->nodes[i]], &copy);
  }
  return wk_error_status();
}

/* ---- the search ---- */

/* Whether what is made again at node `at` would run piece by piece, with the group that is there.
 */
static bool is_cut(const search *s, const again *a, size_t at) {
  const wk_piece_group *group = wk_pieces_group(&s->pieces, at);
  for (size_t i = 0; group && i < a->count; i++) {
    wk_split split;
    if (!wk_split_of(s->graph, &s->graph->nodes[a->nodes[i]], &split) || split.sums ||
        split.units % group->units)
      return false;
  }
  return group;
}

/* Whether it lowers the peak to make buffer `b` again at node `at`. */
static bool lowers(const search *s, const wk_life *l, again *a, size_t at) {
  const wk_piece_group *group = wk_pieces_group(&s->pieces, at);
  const bool cut = l->size >= s->pieces.least && is_cut(s, a, at);
  const bool inside = group && group == wk_pieces_group(&s->pieces, s->peak_at);
  const size_t others = s->alive[at] - l->size;
  const size_t bytes = cut ? a->bytes / (size_t)group->units * (size_t)group->step : a->bytes;
  a->hoped = inside || others + a->bytes >= s->peak;
  return (cut || !inside) && others + bytes < s->peak;
}

/* The value whose absence at the peak saves most for its cost; false: there is none. */
static bool choose(const search *s, again *best, size_t *at) {
  const bool in_group = wk_pieces_group(&s->pieces, s->peak_at);
  double best_score = 0;
  for (size_t b = 0; b < s->graph->buffer_count; b++) {
    const wk_life *l = &s->lives[b];
    if (l->bytes < s->least || l->first >= s->from || s->next[b] == WK_NO_NODE) continue;
    if (s->graph->buffers[b].version) continue;
    bool used = false; /* at the peak itself */
    const wk_graph_node *node = &s->graph->nodes[s->peak_at];
    for (int i = 0; i < node->input_count && !in_group; i++)
      used = used || node->inputs[i].buffer == (int)b;
    const size_t head = wk_joined_head(s->graph, s->next[b]);
    const size_t reader = head > s->peak_at || (in_group && head >= s->from) ? head : s->next[b];
    again a = {.count = 0, .limit = s->allowed};
    if (best_score > 0) a.limit = fmin(a.limit, (double)l->size / best_score);
    if (used || !need(s, (int)b, reader, &a)) continue;
    const double score = (double)l->size / a.cost;
    if (score <= best_score || !lowers(s, l, &a, reader)) continue;
    best_score = score, *best = a, *at = reader;
  }
  return best_score > 0;
}

static double work_of(const wk_graph *g) {
  double work = 0;
  for (size_t n = 0; n < g->node_count; n++) work += cost_of(&g->nodes[n]);
  return work;
}

wk_status wk_graph_recompute(wk_graph *graph, wk_pieces_limits cut, size_t target, double share,
                             size_t *lowest) {
  search s = {.graph = graph, .cut = cut, .least = 64, .allowed = INFINITY};
  wk_status status = measure(&s);
  if (share < INFINITY) {
    s.allowed = share * work_of(graph);
    if (s.peak / WORTH_WHILE > s.least) s.least = s.peak / WORTH_WHILE;
  }
  size_t least = s.peak;
  int hopes = 0; /* since the peak was last lowered */
  for (int round = 0; round < MOST_ROUNDS && status == WK_OK && s.peak > target; round++) {
    again found = {.count = 0};
    size_t at = 0;
    if (!choose(&s, &found, &at)) break;
    if (s.peak < least) least = s.peak, hopes = 0;
    if (found.hoped && ++hopes > MOST_HOPES) break;
    s.allowed -= found.cost;
    status = insert(&s, &found, at);
    if (status == WK_OK) status = measure(&s);
  }
  *lowest = s.peak;
  wk_pieces_free(&s.pieces);
  wk_deallocate(s.lives);
  wk_deallocate(s.next);
  wk_deallocate(s.first_of);
  wk_deallocate(s.alive);
  return status;
}
