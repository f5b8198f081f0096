/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/joined.h"

#include "ops/position.h"
#include "ops/records.gen.h"

size_t wk_joined_head(const wk_graph *g, size_t n) {
  while (n > 0 && g->nodes[n].joined) n--;
  return n;
}

size_t wk_joined_last(const wk_graph *g, size_t n) {
  while (n + 1 < g->node_count && g->nodes[n + 1].joined) n++;
  return n;
}

bool wk_joined_rows(const wk_layout *operand, const wk_layout *joint, int64_t columns,
                    wk_layout *rows) {
  const int64_t count = wk_layout_count(joint);
  const int last = joint->rank - 1;
  wk_layout aligned;
  wk_layout_align(operand, joint, &aligned);
  *rows = (wk_layout){.dtype = operand->dtype, .rank = 2, .dims = {count / columns, columns}};
  if (wk_layout_is_contiguous(&aligned)) {
    rows->strides[0] = columns, rows->strides[1] = 1;
    return true;
  }
  for (int i = 0; i < last; i++)
    if (aligned.dims[i] != 1 && aligned.strides[i]) return false;
  rows->strides[1] = aligned.strides[last];
  return !rows->strides[1] || aligned.dims[last] == columns;
}

static bool is_head(const wk_graph_node *node) {
  if (!node->op || node->control || node->late.run || !node->outputs[0].layout.rank) return false;
  return node->op->id == WK_OP_MATMUL || node->op->id == WK_OP_LINEAR ||
         node->op->id == WK_OP_CONV2D;
}

static bool is_pointwise(const wk_graph_node *node) {
  return node->op && node->op->class == WK_CLASS_POINTWISE && node->op->output_count == 1 &&
         node->op->id < wk_op_table_count && !node->late.run && node->draw == WK_NO_DRAW &&
         node->input_count <= WK_MAX_INPUTS;
}

/* What of the group makes the operand, or NULL. */
static const wk_reference *find_made(const wk_graph *g, size_t head, size_t n,
                                     const wk_reference *operand) {
  for (size_t k = head; k < n; k++)
    if (wk_reference_overlaps(&g->nodes[k].outputs[0], operand)) return &g->nodes[k].outputs[0];
  return NULL;
}

/* Whether a node of the group may still look at, or has made, what `to` is written over. */
static bool is_touched(const wk_graph *g, size_t head, size_t n, const wk_reference *to) {
  if (find_made(g, head, n, to)) return true;
  for (size_t k = head; k <= n; k++)
    for (int i = 0; i < g->nodes[k].input_count; i++)
      if (g->nodes[k].inputs[i].buffer >= 0 && wk_reference_overlaps(&g->nodes[k].inputs[i], to))
        return true;
  return false;
}

const char *wk_joined_refuse(const wk_graph *g, size_t n) {
  const size_t head = n ? wk_joined_head(g, n - 1) : 0;
  const wk_graph_node *node = &g->nodes[n];
  const wk_layout *to = &node->outputs[0].layout;
  if (!n || !is_head(&g->nodes[head])) return "no product is right before it";
  if (!is_pointwise(node)) return "it is not element by element";
  if (n - head > WK_MOST_JOINED) return "too many run with the product already";
  const wk_layout *made = &g->nodes[head].outputs[0].layout;
  const int64_t columns = made->dims[made->rank - 1];
  if (!columns || wk_layout_count(to) != wk_layout_count(made))
    return "its result has another size than the product";
  bool follows = false;
  for (int i = 0; i < node->input_count; i++) {
    const wk_reference *r = &node->inputs[i];
    wk_layout rows;
    if (r->buffer < 0 || !wk_joined_rows(&r->layout, to, columns, &rows))
      return "an operand does not lie in the product's rows";
    const wk_reference *from = find_made(g, head, n, r);
    if (from && (from->start != r->start || rows.strides[0] != columns))
      return "it reads other rows of the product than it makes";
    follows = follows || from;
  }
  if (!follows) return "it does not read what the product makes";
  return is_touched(g, head, n, &node->outputs[0]) ? "it writes over what the product reads" : NULL;
}

void wk_joined_settle(wk_graph *g) {
  for (size_t n = 0; n < g->node_count; n++)
    g->nodes[n].joined = g->nodes[n].joined && !wk_joined_refuse(g, n);
}
