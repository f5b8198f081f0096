/* SPDX-License-Identifier: Apache-2.0 */
/* Where buffers are in the arena: results in place of operands, and places for what is left. */
#include "graph/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"
#include "graph/pass.h"
#include "ops/records.gen.h"
#include "ops/window.h"

enum { FEW = 4096 }; /* so many buffers are placed in several ways, the best of which counts */

/* ---- results in place of operands ---- */

/* Whether a pointwise node may put its result over its operand `i`: element k comes of elements k
 * alone, the operand is read no more, and its other operands are not other parts of it. */
static bool may_replace(const wk_graph *g, const wk_life *lives, size_t n, int i) {
  const wk_graph_node *node = &g->nodes[n];
  const wk_reference *from = &node->inputs[i], *to = &node->outputs[0];
  if (from->buffer < 0 || !lives[from->buffer].size || !lives[to->buffer].size) return false;
  if (lives[from->buffer].last != n || lives[to->buffer].first != n) return false;
  if (!wk_reference_is_whole(g, from) || !wk_reference_is_whole(g, to) ||
      !wk_layout_same_dims(&from->layout, &to->layout))
    return false;
  if (wk_dtype_size(from->layout.dtype) != wk_dtype_size(to->layout.dtype)) return false;
  const size_t head = wk_joined_head(g, n); /* which looks at all of what it reads till the end */
  for (int k = 0; head != n && k < g->nodes[head].input_count; k++)
    if (g->nodes[head].inputs[k].buffer == from->buffer) return false;
  for (int k = 0; k < node->input_count; k++)
    if (k != i && node->inputs[k].buffer == from->buffer &&
        !wk_reference_is_whole(g, &node->inputs[k]))
      return false;
  return true;
}

/* Whether the node is the gradient of pooling by windows that lie side by side and leave nothing
 * out: each reads its own elements of x, operand 1, before it gives them their gradient. */
static bool is_tiled_pooling(const wk_graph_node *node) {
  if (node->op->id != WK_OP_MAX_POOL2D_GRADIENT) return false;
  const int64_t *dims = node->inputs[1].layout.dims;
  const wk_pool2d_settings s = wk_pool2d_settings_of(node->op, node->arguments);
  wk_window w;
  if (wk_pool2d_window_of(&s, dims, &w) != WK_OK) return false;
  const wk_window_axis *axes[2] = {&w.height, &w.width};
  for (int i = 0; i < 2; i++)
    if (axes[i]->kernel != axes[i]->stride || axes[i]->dilation != 1 || axes[i]->padding_before ||
        axes[i]->out * axes[i]->kernel != dims[1 + i])
      return false;
  return true;
}

int wk_graph_operand_in_place(const wk_graph *g, const wk_life *lives, const wk_pieces *pieces,
                              size_t n) {
  const wk_graph_node *node = &g->nodes[n];
  if (!node->op || node->op->output_count != 1) return -1;
  const bool pooling = node->op->class == WK_CLASS_WINDOW && is_tiled_pooling(node);
  if (!pooling && node->op->class != WK_CLASS_POINTWISE) return -1;
  for (int i = pooling ? 1 : 0; i < node->input_count; i++)
    if (may_replace(g, lives, n, i) && wk_pieces_may_replace(pieces, g, n, i)) return i;
  return -1;
}

int wk_graph_join_in_place(const wk_graph *g, wk_life *lives, const wk_pieces *pieces,
                           int *first_of) {
  int count = 0;
  for (size_t b = 0; b < g->buffer_count; b++) first_of[b] = (int)b;
  for (size_t n = 0; n < g->node_count; n++) {
    const int i = wk_graph_operand_in_place(g, lives, pieces, n);
    if (i < 0) continue;
    const int to = g->nodes[n].outputs[0].buffer, first = first_of[g->nodes[n].inputs[i].buffer];
    first_of[to] = first;
    wk_life *l = &lives[first];
    if (lives[to].end > l->end) l->end = lives[to].end;
    if (lives[to].begin < l->begin) l->begin = lives[to].begin;
    if (lives[to].bytes > l->bytes) l->bytes = lives[to].bytes;
    count++;
  }
  return count;
}

/* ---- places ---- */

typedef struct item {
  int buffer;
  size_t size, first, last, place;
} item;

static int larger_first(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->size != y->size) return x->size < y->size ? 1 : -1;
  return x->buffer - y->buffer;
}

static int longer_first(const void *a, const void *b) {
  const item *x = a, *y = b;
  const double s = (double)x->size * (double)(x->last - x->first + 1),
               t = (double)y->size * (double)(y->last - y->first + 1);
  return s != t ? s < t ? 1 : -1 : x->buffer - y->buffer;
}

/* Where the item meets none of those that are placed, in the order of their places, and alive at
 * the same time: at the lowest such place, or in the gap that it fills best. */
static size_t find_place(item *const *placed, size_t count, const item *wanted, bool best_fit) {
  size_t top = 0, at = 0, best = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    const item *other = placed[i];
    if (other->last < wanted->first || wanted->last < other->first) continue;
    if (other->place >= top + wanted->size && other->place - top < best) {
      best = other->place - top, at = top;
      if (!best_fit) return at;
    }
    if (other->place + other->size > top) top = other->place + other->size;
  }
  return best < SIZE_MAX ? at : top;
}

/* Places the items in their order; returns how much that takes. */
static size_t place_items(item *items, size_t count, item **placed, bool best_fit) {
  size_t most = 0;
  for (size_t i = 0; i < count; i++) {
    items[i].place = find_place(placed, i, &items[i], best_fit);
    if (items[i].place + items[i].size > most) most = items[i].place + items[i].size;
    size_t k = i;
    for (; k > 0 && placed[k - 1]->place > items[i].place; k--) placed[k] = placed[k - 1];
    placed[k] = &items[i];
  }
  return most;
}

static void keep_places(wk_plan *plan, const item *items, size_t count, size_t size) {
  if (plan->arena_size <= size) return;
  plan->arena_size = size;
  for (size_t i = 0; i < count; i++) plan->place[items[i].buffer] = items[i].place;
}

/* Largest first, or what takes most over its life; each in its lowest place, or where it fits best:
 * whichever is least. */
static void place_all(wk_plan *plan, item *items, size_t count, item **placed) {
  plan->arena_size = SIZE_MAX;
  for (int way = 0; way < (count <= FEW ? 4 : 1); way++) {
    if (way % 2 == 0) qsort(items, count, sizeof *items, way ? longer_first : larger_first);
    keep_places(plan, items, count, place_items(items, count, placed, way % 2));
  }
  for (size_t b = 0; b < plan->graph.buffer_count; b++)
    plan->place[b] = plan->place[plan->first_of[b]];
  plan->arena_size += plan->pieces.state; /* behind all the others */
}

static wk_status make_tables(wk_plan *plan) {
  const size_t count = plan->graph.buffer_count + 1;
  wk_deallocate(plan->place);
  wk_deallocate(plan->in_arena);
  wk_deallocate(plan->first_of);
  plan->place = wk_allocate_zeroed(count, sizeof *plan->place);
  plan->in_arena = wk_allocate_zeroed(count, sizeof *plan->in_arena);
  plan->first_of = wk_allocate_zeroed(count, sizeof *plan->first_of);
  plan->total_size = 0;
  return wk_error_status();
}

wk_status wk_plan_place(wk_plan *plan) {
  const size_t count = plan->graph.buffer_count;
  wk_joined_settle(&plan->graph);
  wk_life *lives = wk_lives_create(&plan->graph);
  item *items = wk_allocate_zeroed(count + 1, sizeof *items);
  item **placed = wk_allocate_zeroed(count + 1, sizeof *placed);
  if (make_tables(plan) == WK_OK && lives && items && placed &&
      wk_pieces_find(&plan->pieces, &plan->graph, lives, plan->cut) == WK_OK) {
    for (size_t b = 0; b < count; b++) {
      plan->in_arena[b] = lives[b].size > 0;
      if (lives[b].first != WK_NO_NODE) plan->total_size += lives[b].size;
    }
    plan->in_place_count =
        wk_graph_join_in_place(&plan->graph, lives, &plan->pieces, plan->first_of);
    size_t kept = 0;
    for (size_t b = 0; b < count; b++)
      if (lives[b].size && lives[b].first != WK_NO_NODE && plan->first_of[b] == (int)b)
        items[kept++] = (item){(int)b, lives[b].bytes, wk_joined_head(&plan->graph, lives[b].begin),
                               wk_joined_last(&plan->graph, lives[b].end), 0};
    place_all(plan, items, kept, placed);
  }
  wk_deallocate(lives);
  wk_deallocate(items);
  wk_deallocate(placed);
  return wk_error_status();
}
