/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/split.h"

#include <string.h>

#include "base/error.h"
#include "graph/plan.h"
#include "ops/position.h"
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

static bool cut_output(wk_split *s, const wk_graph_node *node, int o) {
  const wk_layout *layout = &node->outputs[o].layout;
  if (!layout->rank) return false;
  cut(s, layout, &s->outputs[o], 0);
  return true;
}

/* The first `count` inputs and all outputs along their first axis. */
static bool cut_first(wk_split *s, const wk_graph_node *node, int count) {
  for (int o = 0; o < node->op->output_count; o++)
    if (!cut_output(s, node, o)) return false;
  for (int i = 0; i < count; i++) {
    const wk_reference *r = &node->inputs[i];
    if (r->buffer < 0 || !r->layout.rank) return false;
    cut(s, &r->layout, &s->inputs[i], 0);
  }
  return true;
}

static bool cut_pointwise(wk_split *s, const wk_graph_node *node) {
  const wk_layout *to = &node->outputs[0].layout;
  if (!cut_output(s, node, 0)) return false;
  for (int i = 0; i < node->input_count; i++) {
    const wk_layout *from = &node->inputs[i].layout;
    if (node->inputs[i].buffer < 0) continue;
    if (from->rank == to->rank && from->dims[0] == to->dims[0]) cut(s, from, &s->inputs[i], 0);
  }
  return true;
}

/* A sum over `axis` of each input, as far as the kernel can add parts of it. */
static bool cut_sum(wk_split *s, const wk_graph *g, const wk_graph_node *node, const int *axes) {
  const wk_kernel *kernel = wk_plan_choose_kernel(g, node);
  int64_t step = 0;
  if (!kernel || !(kernel->habits & WK_ADDS_PARTS)) return false;
  if (wk_plan_ask_parts(g, node, kernel, &step, &s->state) != WK_OK) return false;
  for (int i = 0; i < node->input_count; i++)
    if (axes[i] >= 0) cut(s, &node->inputs[i].layout, &s->inputs[i], axes[i]);
  const int64_t rows = node->inputs[0].layout.dims[axes[0]];
  if (step < 1 || rows % step) return false;
  s->sums = true;
  s->units = common_divisor(rows / step, s->units);
  return true;
}

static bool cut_reduction(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  const wk_layout *from = &node->inputs[0].layout, *to = &node->outputs[0].layout;
  bool reduced[WK_MAX_RANK];
  const wk_axes *axes = &((const wk_sum_arguments *)node->arguments)->axes;
  if (!from->rank || wk_reduced_axes(axes, from->rank, reduced) != WK_OK) return false;
  if (reduced[0]) return cut_sum(s, g, node, (int[]){0});
  return to->rank && to->dims[0] == from->dims[0] && cut_first(s, node, 1);
}

/* The gradient of a weight, x transposed times y, is a sum over rows; else x has the rows. */
static bool cut_product(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  const wk_layout *x = &node->inputs[0].layout, *y = &node->inputs[1].layout;
  const wk_layout *z = &node->outputs[0].layout;
  if (x->rank == 2 && y->rank == 2 && x->strides[0] == 1 && x->strides[1] != 1)
    return cut_sum(s, g, node, (int[]){1, 0});
  if (x->rank < 2 || z->rank != x->rank || z->dims[0] != x->dims[0]) return false;
  if (y->rank == 2) return cut_first(s, node, 1);
  return y->rank == x->rank && y->dims[0] == x->dims[0] && cut_first(s, node, 2);
}

static bool cut_dropout(wk_split *s, const wk_graph_node *node) {
  s->draws = wk_layout_count(&node->outputs[0].layout);
  return cut_first(s, node, 1);
}

/* Over examples, without a mask. A number for each score. */
static bool cut_attention(wk_split *s, const wk_graph_node *node, int query, int count) {
  const int64_t *dims = node->inputs[query].layout.dims,
                keys = node->inputs[query + 1].layout.dims[2];
  s->draws = dims[0] * dims[1] * dims[2] * keys;
  return node->inputs[count].buffer < 0 && cut_first(s, node, count);
}

static bool cut_node(wk_split *s, const wk_graph *g, const wk_graph_node *node) {
  switch (node->op->id) {
  case WK_OP_CONV2D:
  case WK_OP_CONV2D_DATA_GRADIENT:
  case WK_OP_LINEAR:
  case WK_OP_NORMALISE:
  case WK_OP_CONTIGUOUS:
    return cut_first(s, node, 1);
  case WK_OP_DROPOUT:
    return cut_dropout(s, node);
  case WK_OP_ATTENTION:
    return cut_attention(s, node, 0, 3);
  case WK_OP_ATTENTION_GRADIENT:
    return cut_attention(s, node, 2, 6);
  case WK_OP_MAX_POOL2D:
  case WK_OP_MAX_POOL2D_GRADIENT:
  case WK_OP_AVERAGE_POOL2D:
  case WK_OP_AVERAGE_POOL2D_GRADIENT:
    return cut_first(s, node, node->input_count);
  case WK_OP_CONV2D_WEIGHT_GRADIENT:
    return cut_sum(s, g, node, (int[]){0, 0});
  case WK_OP_MATMUL:
    return cut_product(s, g, node);
  case WK_OP_SUM:
    return cut_reduction(s, g, node);
  default:
    return node->op->class == WK_CLASS_POINTWISE && cut_pointwise(s, node);
  }
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
  const bool can =
      cut_node(s, g, node) && s->units > 1 && (node->draw == WK_NO_DRAW || s->draws > 0);
  const wk_kernel *kernel = can ? wk_plan_choose_kernel(g, node) : NULL;
  if (!kernel) wk_error_clear();
  return kernel && wk_kernel_keeps_rows(g->buffers[node->outputs[0].buffer].device, kernel);
}
