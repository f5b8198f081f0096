/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that keep every bit. x + 0 is not among them for floats, since -0 + 0 is 0; x + -0 and
 * x - 0 are. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/pass.h"
#include "ops/records.gen.h"
#include "tensor/element.h"

#define MOST_ELEMENTS 4096 /* of a constant that is looked at */

typedef struct algebra {
  wk_graph *graph;
  const wk_graph_node **maker; /* of each buffer, where that node is pure */
} algebra;

/* The one value of all elements, if they are constant and the same. */
static bool read_constant(const wk_graph *g, const wk_reference *r, double *value) {
  if (r->buffer < 0 || !wk_buffer_is_constant(&g->buffers[r->buffer])) return false;
  const int64_t count = wk_layout_count(&r->layout);
  if (count < 1 || count > MOST_ELEMENTS || !wk_layout_is_contiguous(&r->layout)) return false;
  const char *data = g->buffers[r->buffer].storage->data + r->start;
  const size_t size = wk_dtype_size(r->layout.dtype);
  *value = wk_dtype_is_float(r->layout.dtype) ? wk_read_real(r->layout.dtype, data)
                                              : (double)wk_read_integer(r->layout.dtype, data);
  for (int64_t i = 1; i < count; i++)
    if (memcmp(data, data + (size_t)i * size, size) != 0) return false;
  return true;
}

/* Whether operand `i` is the constant that changes nothing. */
static bool is_neutral(const wk_graph *g, const wk_graph_node *node, int i) {
  double value;
  if (!read_constant(g, &node->inputs[i], &value)) return false;
  const bool real = wk_dtype_is_float(node->inputs[i].layout.dtype);
  switch (node->op->id) {
  case WK_OP_MULTIPLY:
    return value == 1;
  case WK_OP_DIVIDE:
    return value == 1 && i == 1;
  case WK_OP_ADD:
    return value == 0 && (!real || signbit(value));
  case WK_OP_SUBTRACT:
    return value == 0 && !signbit(value) && i == 1;
  default:
    return false;
  }
}

static bool is_involution(int op) {
  return op == WK_OP_NEGATIVE || op == WK_OP_LOGICAL_NOT || op == WK_OP_BITWISE_NOT;
}

static bool is_idempotent(int op) {
  return op == WK_OP_RELU || op == WK_OP_ABS || op == WK_OP_FLOOR || op == WK_OP_CEIL ||
         op == WK_OP_TRUNC || op == WK_OP_ROUND;
}

/* What makes the operand, element for element, or NULL. */
static const wk_graph_node *maker_of(const algebra *a, const wk_reference *r) {
  const wk_graph_node *maker = r->buffer < 0 ? NULL : a->maker[r->buffer];
  const bool same = maker && wk_reference_is_whole(a->graph, r) && maker->op->output_count == 1 &&
                    wk_layout_same_dims(&r->layout, &maker->outputs[0].layout) &&
                    r->layout.dtype == maker->outputs[0].layout.dtype;
  return same ? maker : NULL;
}

/* The operand that the node's result equals, or NULL. */
static const wk_reference *find_equal(const algebra *a, const wk_graph_node *node) {
  const wk_graph *g = a->graph;
  const int op = node->op->id;
  double value;
  if (op == WK_OP_CAST || op == WK_OP_CONTIGUOUS) return &node->inputs[0];
  if (op == WK_OP_WHERE && read_constant(g, &node->inputs[0], &value))
    return &node->inputs[value != 0 ? 1 : 2];
  if (node->input_count == 2)
    return is_neutral(g, node, 1)   ? &node->inputs[0]
           : is_neutral(g, node, 0) ? &node->inputs[1]
                                    : NULL;
  const wk_graph_node *maker = node->input_count == 1 ? maker_of(a, &node->inputs[0]) : NULL;
  if (!maker || maker->op != node->op) return NULL;
  return is_involution(op) ? &maker->inputs[0] : is_idempotent(op) ? &node->inputs[0] : NULL;
}

static bool simplify(const algebra *a, const wk_graph_node *node) {
  if (!wk_node_is_pure(a->graph, node) || node->op->output_count != 1) return false;
  const wk_reference *equal = find_equal(a, node);
  return equal && equal->buffer >= 0 && wk_layout_is_contiguous(&equal->layout) &&
         equal->layout.dtype == node->outputs[0].layout.dtype &&
         wk_layout_same_dims(&equal->layout, &node->outputs[0].layout) &&
         wk_graph_replace(a->graph, &node->outputs[0], equal);
}

wk_status wk_pass_algebra(wk_graph *g, int64_t *changes) {
  algebra a = {.graph = g, .maker = wk_allocate_zeroed(g->buffer_count + 1, sizeof *a.maker)};
  bool *gone = wk_allocate_zeroed(g->node_count + 1, sizeof *gone);
  for (size_t n = 0; a.maker && gone && n < g->node_count; n++) {
    const wk_graph_node *node = &g->nodes[n];
    gone[n] = simplify(&a, node);
    *changes += gone[n];
    if (!gone[n] && wk_node_is_pure(g, node) && node->op->output_count == 1)
      a.maker[node->outputs[0].buffer] = node;
  }
  if (a.maker && gone) wk_graph_remove(g, gone);
  wk_deallocate(a.maker);
  wk_deallocate(gone);
  return wk_error_status();
}
