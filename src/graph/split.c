/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/split.h"

#include <string.h>

#include "base/error.h"
#include "graph/plan.h"
#include "ops/records.gen.h"
#include "ops/reduction.h"

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  return a;
}

/* The tensor is cut along `axis`. */
static void cut(wk_split *s, const wk_layout *layout, int8_t *to, int axis) {
  *to = (int8_t)axis;
  s->units = common_divisor(layout->dims[axis], s->units);
}

/* The outputs and what has their rows, along their first axes. */
static bool cut_rows(wk_split *s, const wk_graph_node *node) {
  const wk_op *op = node->op;
  const wk_layout *to = &node->outputs[0].layout;
  const bool broadcasts = op->class == WK_CLASS_POINTWISE;
  for (int o = 0; o < op->output_count; o++) {
    const wk_layout *layout = &node->outputs[o].layout;
    if (!layout->rank || layout->dims[0] != to->dims[0]) return false;
    cut(s, layout, &s->outputs[o], 0);
  }
  for (int i = 0; i < node->input_count; i++) {
    const wk_layout *from = &node->inputs[i].layout;
    const bool is_matrix = op->rows.matrices >> i & 1;
    if (is_matrix && from->rank < 2) return false;
    const bool has_rows = op->rows.inputs >> i & 1 || (is_matrix && from->rank > 2);
    if (!has_rows || node->inputs[i].buffer < 0) continue;
    const bool lines_up = from->rank == to->rank || !(broadcasts || is_matrix);
    if (from->rank && lines_up && from->dims[0] == to->dims[0])
      cut(s, from, &s->inputs[i], 0);
    else if (!broadcasts)
      return false;
  }
  return op->rows.inputs != 0;
}

/* Along the axes that are summed, as far as the kernel can add parts. */
static bool cut_sum(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  const int8_t *sums = node->op->rows.sums;
  const wk_kernel *kernel = wk_plan_choose_kernel(g, node);
  int64_t step = 0;
  if (!kernel || !(kernel->habits & WK_ADDS_PARTS)) return false;
  if (wk_plan_ask_parts(g, node, kernel, &step, &s->state) != WK_OK) return false;
  for (int i = 0; i < node->input_count && i < 2; i++)
    if (sums[i]) cut(s, &node->inputs[i].layout, &s->inputs[i], sums[i] - 1);
  const int64_t rows = node->inputs[0].layout.dims[sums[0] - 1];
  if (step < 1 || rows % step) return false;
  s->sums = true;
  s->units = common_divisor(rows / step, s->units);
  return true;
}

/* Whether the node sums over an axis that lies outermost: then pieces of it are pieces of memory.
 */
static bool is_sum(const wk_graph_node *node) {
  const wk_rows *rows = &node->op->rows;
  const wk_layout *x = &node->inputs[0].layout;
  const int axis = rows->sums[0] - 1;
  if (axis < 0 || axis >= x->rank) return false;
  for (int i = 0; i < node->input_count; i++)
    if (rows->matrices >> i & 1 && node->inputs[i].layout.rank != 2) return false;
  for (int k = 0; k < x->rank; k++)
    if (x->strides[k] > x->strides[axis] || (k < axis && x->strides[k] == x->strides[axis]))
      return false;
  return true;
}

/* Whether a reduction leaves its first axis alone; what is no reduction does. */
static bool keeps_first_axis(const wk_graph_node *node) {
  bool reduced[WK_MAX_RANK];
  if (node->op->class != WK_CLASS_REDUCTION) return true;
  const wk_attribute *axes = wk_settings_find(&node->op->settings, "axes");
  const int rank = node->inputs[0].layout.rank;
  const wk_axes *given = (const wk_axes *)(const void *)((char *)node->arguments + axes->offset);
  return rank && wk_reduced_axes(given, rank, reduced) == WK_OK && !reduced[0];
}

static bool cut_node(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  const wk_rows *rows = &node->op->rows;
  if (!rows->inputs && !rows->sums[0]) return false;
  const bool reduced = !keeps_first_axis(node);
  if ((reduced || node->op->class != WK_CLASS_REDUCTION) && is_sum(node))
    return cut_sum(s, g, node);
  return !reduced && cut_rows(s, node);
}

/* Random numbers of all rows, in order. False: nobody says how many. */
static bool count_draws(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  const wk_settings *settings = &node->op->settings;
  if (node->draw != WK_NO_DRAW) return (s->draws = g->draws[node->draw].count) > 0;
  if (!wk_settings_find(settings, "offset")) return true;
  const wk_attribute *rate = wk_settings_find(settings, "rate");
  double probability = 1;
  if (rate) memcpy(&probability, (char *)node->arguments + rate->offset, sizeof probability);
  return probability == 0;
}

/* Values that arguments do not hold, and what is done on the host, are asked for once a call. */
static bool is_plain(const wk_graph_node *node) {
  if (!node->op || node->control || node->late.run || node->order) return false;
  if (node->op->id >= wk_op_table_count || node->input_count > WK_MAX_INPUTS) return false;
  for (int i = 0; i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written) return false;
  return true;
}

bool wk_split_of(const wk_graph *g, const wk_graph_node *node, wk_split *s) {
  *s = (wk_split){.units = 0};
  memset(s->inputs, -1, sizeof s->inputs);
  memset(s->outputs, -1, sizeof s->outputs);
  if (!is_plain(node)) return false;
  const bool can = cut_node(s, g, node) && s->units > 1 && count_draws(s, g, node);
  const wk_kernel *kernel = can ? wk_plan_choose_kernel(g, node) : NULL;
  if (!kernel) wk_error_forgive();
  return kernel && wk_kernel_keeps_rows(g->buffers[node->outputs[0].buffer].device, kernel);
}
