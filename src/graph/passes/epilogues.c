/* SPDX-License-Identifier: Apache-2.0 */
/* Pointwise nodes that read a product's or a convolution's result run with it (joined.h). Where a
 * few small nodes stand between, the coefficients of a normalisation mostly, the product moves
 * behind them. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"
#include "graph/pass.h"

enum { MOST_BETWEEN = 8, MOST_BYTES = 65536 };

static bool reads(const wk_graph_node *node, int buffer) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i].buffer == buffer) return true;
  return false;
}

/* Whether the node may run before the product: it is small, writes nothing, and is no product that
 * would itself move, back again. */
static bool may_pass(const wk_graph *g, const wk_graph_node *node, const wk_graph_node *head) {
  if (!wk_node_is_pure(g, node) || node->op->class == WK_CLASS_MATRIX) return false;
  for (int i = 0; i < node->op->output_count; i++) {
    const int b = node->outputs[i].buffer;
    if (g->buffers[b].size > MOST_BYTES || reads(head, b)) return false;
  }
  return true;
}

/* Moves the product at `n` right before the first node that reads it, and says where it is. */
static size_t move_down(wk_graph *g, size_t n) {
  const wk_graph_node head = g->nodes[n];
  size_t reader = n + 1;
  for (; reader < g->node_count && !reads(&g->nodes[reader], head.outputs[0].buffer); reader++)
    if (reader - n > MOST_BETWEEN || !may_pass(g, &g->nodes[reader], &head)) return n;
  if (reader == g->node_count) return n;
  for (size_t k = n; k + 1 < reader; k++) g->nodes[k] = g->nodes[k + 1];
  g->nodes[reader - 1] = head;
  return reader - 1;
}

static bool tells_rows(const wk_graph *g, const wk_graph_node *node) {
  if (!node->op || node->op->class != WK_CLASS_MATRIX || node->order || node->joined) return false;
  const wk_kernel *kernel = wk_plan_choose_kernel(g, node);
  if (!kernel) wk_error_clear();
  return kernel && kernel->habits & WK_TELLS_ROWS;
}

/* Notes with the product's readers why they do not run with it. */
static void note_apart(wk_graph *g, size_t head, const char *why) {
  const int made = g->nodes[wk_joined_last(g, head)].outputs[0].buffer;
  for (size_t k = head + 1; k < g->node_count; k++)
    if (!g->nodes[k].joined && !g->nodes[k].apart && reads(&g->nodes[k], made))
      g->nodes[k].apart = why;
}

wk_status wk_pass_epilogues(wk_graph *g, int64_t *changes) {
  for (size_t n = 0; n < g->node_count; n++) {
    if (!tells_rows(g, &g->nodes[n])) continue;
    const size_t head = move_down(g, n);
    if (head != n) { /* another one may stand here now */
      ++*changes;
      n--;
      continue;
    }
    const char *why = NULL;
    for (size_t k = n + 1; k < g->node_count && !g->nodes[k].joined; k++) {
      if ((why = wk_joined_refuse(g, k))) break;
      const wk_kernel *kernel = wk_plan_choose_kernel(g, &g->nodes[k]);
      if (!kernel) wk_error_clear();
      if (!kernel || kernel->op != WK_EVERY_POINTWISE || !(kernel->habits & WK_TAKES_STRIDES)) {
        why = "its kernel takes no rows";
        break;
      }
      g->nodes[k].joined = true;
      ++*changes;
    }
    if (why) note_apart(g, n, why);
  }
  return wk_error_status();
}
