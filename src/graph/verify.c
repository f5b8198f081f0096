/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so in every graph. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"

typedef struct verifier {
  const wk_graph *graph;
  unsigned *versions; /* of each buffer, as the nodes so far have left it */
  bool *made;         /* whether something is in it */
  size_t node;
} verifier;

static wk_status fail(const verifier *v, const char *what, int buffer) {
  const wk_graph_node *node = v->node < v->graph->node_count ? &v->graph->nodes[v->node] : NULL;
  return wk_fail(WK_ERROR_STATE, "node %zu of the graph (%s): %s of buffer %d", v->node,
                 !node      ? "its results"
                 : node->op ? node->op->name
                            : "host",
                 what, buffer);
}

static wk_status check_reference(const verifier *v, const wk_reference *r) {
  const wk_graph *g = v->graph;
  if (r->buffer < 0) return WK_OK;
  if ((size_t)r->buffer >= g->buffer_count) return fail(v, "there is no use", r->buffer);
  if (!wk_dtype_size(r->layout.dtype) || r->layout.rank < 0 || r->layout.rank > WK_MAX_RANK)
    return fail(v, "no dtype or rank in a use", r->buffer);
  int64_t first, end;
  wk_layout_reach(&r->layout, &first, &end);
  first += (int64_t)r->start, end += (int64_t)r->start;
  if (wk_layout_count(&r->layout) > 0 && (first < 0 || end > (int64_t)g->buffers[r->buffer].size))
    return fail(v, "elements outside", r->buffer);
  return WK_OK;
}

static wk_status check_input(const verifier *v, const wk_reference *r, const wk_op_input *input) {
  wk_status status = check_reference(v, r);
  if (status != WK_OK) return status;
  if (r->buffer < 0)
    return input && input->optional ? WK_OK : fail(v, "a missing operand instead", r->buffer);
  if (input ? !(input->dtypes >> r->layout.dtype & 1)
            : r->layout.dtype != WK_F64 || wk_layout_count(&r->layout) != 1)
    return fail(v, "a dtype that the op refuses", r->buffer);
  if (!v->made[r->buffer]) return fail(v, "a use before the making", r->buffer);
  if (r->version != v->versions[r->buffer]) return fail(v, "a stale version", r->buffer);
  return WK_OK;
}

static wk_status check_output(const verifier *v, const wk_reference *r) {
  const wk_status status = check_reference(v, r);
  if (status != WK_OK) return status;
  if (r->buffer < 0 || v->graph->buffers[r->buffer].kind != WK_BUFFER_LOCAL)
    return fail(v, "a result in memory", r->buffer);
  return v->made[r->buffer] ? fail(v, "a second making", r->buffer) : WK_OK;
}

static wk_status check_node(const verifier *v, const wk_graph_node *node) {
  if (!node->op && (!node->late.run || node->input_count > 1))
    return fail(v, "neither an op nor a host step in the place", -1);
  wk_status status = WK_OK;
  if (node->draw != WK_NO_DRAW && (node->draw < 0 || (size_t)node->draw >= v->graph->draw_count))
    return fail(v, "random numbers that nothing draws instead", -1);
  for (int i = 0; i < node->input_count && status == WK_OK; i++)
    status = check_input(v, &node->inputs[i], node->op ? wk_op_input_at(node->op, i) : NULL);
  for (int i = 0; node->op && i < node->op->output_count && status == WK_OK; i++)
    status = check_output(v, &node->outputs[i]);
  return status;
}

static void take_effect(verifier *v, const wk_graph_node *node) {
  for (int i = 0; node->op && i < node->op->output_count; i++)
    v->made[node->outputs[i].buffer] = true;
  for (int i = 0; node->op && i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written && node->inputs[i].buffer >= 0)
      v->versions[node->inputs[i].buffer]++;
}

static wk_status verify(verifier *v) {
  const wk_graph *g = v->graph;
  wk_status status = WK_OK;
  for (size_t i = 0; i < g->buffer_count; i++) v->made[i] = g->buffers[i].kind != WK_BUFFER_LOCAL;
  for (v->node = 0; v->node < g->node_count && status == WK_OK; v->node++) {
    status = check_node(v, &g->nodes[v->node]);
    if (status != WK_OK) return status;
    take_effect(v, &g->nodes[v->node]);
  }
  for (size_t i = 0; i < g->result_count && status == WK_OK; i++) {
    status = check_reference(v, &g->results[i]);
    if (status == WK_OK && (g->results[i].buffer < 0 || !v->made[g->results[i].buffer]))
      status = fail(v, "a result that nothing makes", g->results[i].buffer);
  }
  return status;
}

wk_status wk_graph_verify(const wk_graph *graph) {
  verifier v = {.graph = graph,
                .versions = wk_allocate_zeroed(graph->buffer_count + 1, sizeof(unsigned)),
                .made = wk_allocate_zeroed(graph->buffer_count + 1, sizeof(bool))};
  const wk_status status = v.versions && v.made ? verify(&v) : wk_error_status();
  wk_deallocate(v.versions);
  wk_deallocate(v.made);
  return status;
}
