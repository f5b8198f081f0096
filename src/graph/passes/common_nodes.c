/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes make the same when op, settings, operands and their versions are the same. Draws are
 * part of the settings, so two dropouts differ, while one that is computed again does not. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/pass.h"

typedef struct finder {
  wk_graph *graph;
  int *stands_for; /* of each buffer: which one is read instead */
  size_t *slots;   /* open addressing: node + 1, or 0 */
  size_t slot_count;
} finder;

/* Layouts have room for more dimensions than they use. */
static bool same_layout(const wk_layout *a, const wk_layout *b) {
  const size_t size = (size_t)a->rank * sizeof *a->dims;
  return a->dtype == b->dtype && a->rank == b->rank && memcmp(a->dims, b->dims, size) == 0 &&
         memcmp(a->strides, b->strides, size) == 0;
}

static bool same_reference(const wk_reference *a, const wk_reference *b) {
  if (a->buffer != b->buffer) return false;
  return a->buffer < 0 ||
         (a->version == b->version && a->start == b->start && same_layout(&a->layout, &b->layout));
}

static bool same_node(const wk_graph_node *a, const wk_graph_node *b) {
  if (a->op != b->op || a->input_count != b->input_count || a->draw != b->draw) return false;
  if (a->again != b->again) return false; /* which would keep what is let go between them */
  for (int i = 0; i < a->input_count; i++)
    if (!same_reference(&a->inputs[i], &b->inputs[i])) return false;
  for (int i = 0; i < a->op->output_count; i++) /* some ops' sizes are not in their settings */
    if (!same_layout(&a->outputs[i].layout, &b->outputs[i].layout)) return false;
  return wk_settings_equal(&a->op->settings, a->arguments, b->arguments);
}

static uint64_t hash_node(const wk_graph_node *node) {
  uint64_t h = (uint64_t)node->op->id;
  for (int i = 0; i < node->input_count; i++) {
    const wk_reference *r = &node->inputs[i];
    h = (h ^ (uint64_t)(r->buffer + 1) ^ (uint64_t)r->version << 20 ^ (uint64_t)r->start << 32) *
        0x9E3779B97F4A7C15u;
    h ^= h >> 29;
  }
  return h;
}

static void replace(const finder *f, wk_reference *r) {
  if (r->buffer >= 0) r->buffer = f->stands_for[r->buffer];
}

/* The node that makes the same, or NULL: then this one is found from now on. */
static const wk_graph_node *find_same(finder *f, size_t n) {
  const wk_graph_node *node = &f->graph->nodes[n];
  for (uint64_t i = hash_node(node);; i++) {
    size_t *slot = &f->slots[i & (f->slot_count - 1)];
    if (!*slot) {
      *slot = n + 1;
      return NULL;
    }
    if (same_node(&f->graph->nodes[*slot - 1], node)) return &f->graph->nodes[*slot - 1];
  }
}

/* Results do not share memory unless the function returns a tensor twice. */
static bool makes_result(const wk_graph *g, const wk_graph_node *node) {
  for (int i = 0; i < node->op->output_count; i++)
    for (size_t k = 0; k < g->result_count; k++)
      if (g->results[k].buffer == node->outputs[i].buffer) return true;
  return false;
}

static void find_all(finder *f, bool *same, int64_t *changes) {
  wk_graph *g = f->graph;
  for (size_t n = 0; n < g->node_count; n++) {
    wk_graph_node *node = &g->nodes[n];
    for (int i = 0; i < node->input_count; i++) replace(f, &node->inputs[i]);
    const bool simple = wk_node_is_pure(g, node) && !makes_result(g, node);
    const wk_graph_node *first = simple ? find_same(f, n) : NULL;
    if (!first) continue;
    for (int i = 0; i < node->op->output_count; i++)
      f->stands_for[node->outputs[i].buffer] = first->outputs[i].buffer;
    same[n] = true;
    ++*changes;
  }
}

wk_status wk_pass_common_nodes(wk_graph *g, int64_t *changes) {
  finder f = {.graph = g, .slot_count = 16};
  while (f.slot_count < 2 * g->node_count) f.slot_count *= 2;
  f.stands_for = wk_allocate_zeroed(g->buffer_count + 1, sizeof *f.stands_for);
  f.slots = wk_allocate_zeroed(f.slot_count, sizeof *f.slots);
  bool *same = wk_allocate_zeroed(g->node_count + 1, sizeof *same);
  if (f.stands_for && f.slots && same) {
    for (size_t i = 0; i < g->buffer_count; i++) f.stands_for[i] = (int)i;
    find_all(&f, same, changes);
    wk_graph_remove(g, same);
  }
  wk_deallocate(f.stands_for);
  wk_deallocate(f.slots);
  wk_deallocate(same);
  return wk_error_status();
}
