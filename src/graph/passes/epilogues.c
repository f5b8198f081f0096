/* SPDX-License-Identifier: Apache-2.0 */
/* Pointwise nodes that read a product's or a convolution's result run with it (joined.h). Where a
 * few small nodes stand between, the coefficients of a normalisation mostly, they move before the
 * product. */
#include <string.h>

#include "base/error.h"
#include "graph/joined.h"
#include "graph/pass.h"

enum { MOST_BETWEEN = 8, MOST_BYTES = 65536 };

static bool reads(const wk_graph_node *node, int buffer) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i].buffer == buffer) return true;
  return false;
}

/* Whether the node reads what nodes [first, end) make. */
static bool follows(const wk_graph *g, size_t first, size_t end, const wk_graph_node *node) {
  for (size_t k = first; k < end; k++)
    if (reads(node, g->nodes[k].outputs[0].buffer)) return true;
  return false;
}

/* Whether the node may run before the product at `head`: it is small, no product itself, and
 * neither writes nor reads what those of the group up to `end` make. */
static bool may_pass(const wk_graph *g, size_t head, size_t end, const wk_graph_node *node) {
  if (!wk_node_is_pure(g, node) || node->op->class == WK_CLASS_MATRIX) return false;
  for (int i = 0; i < node->op->output_count; i++)
    if (g->buffers[node->outputs[i].buffer].size > MOST_BYTES) return false;
  return !follows(g, head, end, node);
}

/* Moves the few small nodes from `end` on before the product, if one that reads the group comes
 * behind them; returns how many. */
static size_t clear_way(wk_graph *g, size_t head, size_t end) {
  size_t next = end;
  while (next < g->node_count && next - end < MOST_BETWEEN &&
         may_pass(g, head, end, &g->nodes[next]))
    next++;
  if (next == g->node_count || !follows(g, head, end, &g->nodes[next])) return 0;
  for (size_t k = end; k < next; k++) {
    const wk_graph_node node = g->nodes[k];
    const size_t to = head + (k - end);
    memmove(&g->nodes[to + 1], &g->nodes[to], (k - to) * sizeof node);
    g->nodes[to] = node;
  }
  return next - end;
}

static const wk_kernel *find_kernel(const wk_graph *g, const wk_graph_node *node) {
  const wk_kernel *kernel = wk_plan_choose_kernel(g, node);
  if (!kernel) wk_error_forgive();
  return kernel;
}

static bool tells_rows(const wk_graph *g, const wk_graph_node *node) {
  if (!node->op || node->op->class != WK_CLASS_MATRIX || node->order) return false;
  const wk_kernel *kernel = find_kernel(g, node);
  return kernel && kernel->habits & WK_TELLS_ROWS;
}

static const char *refuse(const wk_graph *g, size_t n) {
  const char *why = wk_joined_refuse(g, n);
  const wk_kernel *kernel = why ? NULL : find_kernel(g, &g->nodes[n]);
  if (why || (kernel && kernel->op == WK_EVERY_POINTWISE && kernel->habits & WK_TAKES_STRIDES))
    return why;
  return "its kernel takes no rows";
}

/* Has as many nodes as may be run with the product at `head`; returns the last one. */
static size_t join(wk_graph *g, size_t head, int64_t *changes) {
  for (size_t end = head + 1;; end++) {
    const size_t moved = clear_way(g, head, end);
    head += moved, end += moved;
    const char *why = end < g->node_count ? refuse(g, end) : "";
    *changes += (int64_t)moved;
    if (!why) {
      *changes += !g->nodes[end].joined;
      g->nodes[end].joined = true;
      continue;
    }
    for (size_t k = end; k < g->node_count; k++)
      if (!g->nodes[k].apart && reads(&g->nodes[k], g->nodes[end - 1].outputs[0].buffer))
        g->nodes[k].apart = k == end ? why : "other nodes run in between";
    return end - 1;
  }
}

wk_status wk_pass_epilogues(wk_graph *g, int64_t *changes) {
  int64_t before;
  do { /* what moves may come to lie where it joins another product */
    before = *changes;
    for (size_t n = 0; n < g->node_count; n++)
      if (tells_rows(g, &g->nodes[n])) n = join(g, n, changes);
  } while (*changes > before);
  return wk_error_status();
}
