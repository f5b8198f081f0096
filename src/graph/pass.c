/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/pass.h"

#include <stdio.h>
#include <string.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"

const wk_pass wk_pass_table[] = {
    {.name = "batch_norm",
     .doc = "normalisations with statistics of their own go into the convolutions before them",
     .after = "no such normalisation alone reads a convolution",
     .approximate = true,
     .run = wk_pass_batch_norm},
    {.name = "constants",
     .doc = "what follows from settings alone is computed once, before the first call",
     .after = "no node of the kinds that are computed reads only small constants",
     .run = wk_pass_constants},
    {.name = "algebra",
     .doc = "steps that leave every bit as it was go, two that undo each other too",
     .after = "no cast to the same dtype, no product with one, no two negations in a row",
     .run = wk_pass_algebra},
    {.name = "copies",
     .doc = "row-major copies of permuted operands go where their readers take strides",
     .after = "no copy that only such nodes read",
     .run = wk_pass_copies},
    {.name = "common_nodes",
     .doc = "of nodes that make the same, the first serves for all",
     .after = "no two nodes without effects have equal op, settings and operands",
     .run = wk_pass_common_nodes},
    {.name = "pooling",
     .doc = "a relu's gradient comes before that of the pooling behind it, of fewer elements",
     .after = "no relu's gradient reads what only it reads of a pooling's",
     .run = wk_pass_pooling},
    {.name = "dead_code",
     .doc = "nodes go whose results nobody reads",
     .after = "every node has an effect, or a result that is read",
     .run = wk_pass_dead_code},
    {.name = "epilogues",
     .doc = "pointwise nodes run with the product before them, while its rows are in the cache",
     .after = "each node that is joined may be",
     .run = wk_pass_epilogues},
};
const int wk_pass_count = sizeof wk_pass_table / sizeof *wk_pass_table;

/* ---- what is looked at after each ---- */

static bool verifies_each(void) {
#ifdef NDEBUG
  return wk_debug_topic("graph");
#else
  return true;
#endif
}

static void dump(const wk_graph *graph, const char *when) {
  wk_text text = {0};
  if (wk_graph_to_text(graph, &text) == WK_OK)
    fprintf(stderr, "# graph after %s\n%s\n", when, text.data ? text.data : "");
  wk_text_free(&text);
}

/* The graph's text must be that of the graph which is read from it. */
static wk_status check_text(const wk_graph *graph) {
  wk_text text = {0}, again = {0};
  wk_graph read = {0};
  wk_status status = wk_graph_to_text(graph, &text);
  if (status == WK_OK && text.data) status = wk_graph_from_text(&read, text.data, graph);
  if (status == WK_OK) status = wk_graph_to_text(&read, &again);
  if (status == WK_OK && text.data && strcmp(text.data, again.data ? again.data : "") != 0)
    status = wk_fail(WK_ERROR_STATE, "the graph's text does not read back as it was written");
  wk_graph_free(&read);
  wk_text_free(&text);
  wk_text_free(&again);
  return status;
}

static wk_status check(const wk_graph *graph, const char *when, bool always) {
  wk_status status = WK_OK;
  if (always || verifies_each()) status = wk_graph_verify(graph);
  if (status != WK_OK) wk_error_add_hint("so it was left by %s", when);
  if (status == WK_OK && verifies_each()) status = check_text(graph);
  if (status == WK_OK && wk_debug_topic("graph-dump")) dump(graph, when);
  return status;
}

/* ---- running ---- */

static wk_status run(const wk_pass *pass, wk_graph *graph) {
  int64_t changes = 0;
  wk_status status = pass->run(graph, &changes);
  if (status == WK_OK) status = check(graph, pass->name, false);
  if (status != WK_OK || !verifies_each()) return status;
  changes = 0;
  status = pass->run(graph, &changes);
  if (status == WK_OK && changes) {
    status = wk_fail(WK_ERROR_STATE, "%s left %lld nodes that it should have changed", pass->name,
                     (long long)changes);
    wk_error_add_hint("what must hold after it: %s", pass->after);
  }
  return status;
}

static const wk_pass *find_pass(const char *name, size_t length) {
  for (int i = 0; i < wk_pass_count; i++) {
    const wk_pass *pass = &wk_pass_table[i];
    if (strlen(pass->name) == length && memcmp(pass->name, name, length) == 0) return pass;
  }
  return NULL;
}

wk_status wk_passes_run_named(wk_graph *graph, const char *names) {
  wk_status status = check(graph, "tracing", true);
  while (*names && status == WK_OK) {
    const size_t length = strcspn(names, ",");
    const wk_pass *pass = find_pass(names, length);
    if (pass) {
      status = run(pass, graph);
    } else if (length && !(length == 4 && memcmp(names, "none", 4) == 0)) {
      status = wk_fail(WK_ERROR_ARGUMENT, "there is no pass %.*s over graphs", (int)length, names);
      wk_text list = {0};
      for (int i = 0; i < wk_pass_count; i++)
        wk_text_append(&list, "%s%s", i ? ", " : "", wk_pass_table[i].name);
      wk_error_add_hint("WICK_PASSES lists some of %s, or is none", list.data ? list.data : "");
      wk_text_free(&list);
    }
    names += length + (names[length] == ',');
  }
  return status;
}

wk_status wk_passes_run(wk_graph *graph) {
  const char *names = wk_variable_get(WK_VARIABLE_PASSES);
  if (*names) return wk_passes_run_named(graph, names);
  wk_status status = check(graph, "tracing", true);
  for (int i = 0; i < wk_pass_count && status == WK_OK; i++)
    if (!wk_pass_table[i].approximate) status = run(&wk_pass_table[i], graph);
  return status;
}

/* ---- what several passes do ---- */

void wk_graph_remove(wk_graph *graph, const bool *marked) {
  size_t kept = 0;
  for (size_t n = 0; n < graph->node_count; n++) {
    wk_graph_node *node = &graph->nodes[n];
    if (!marked[n]) {
      graph->nodes[kept++] = *node;
      continue;
    }
    wk_graph_node_free(node);
  }
  graph->node_count = kept;
  wk_joined_settle(graph);
}

bool wk_node_has_effect(const wk_graph_node *node) {
  if (!node->op || node->control) return true;
  for (int i = 0; i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written && node->inputs[i].buffer >= 0) return true;
  return false;
}

bool wk_node_is_pure(const wk_graph *graph, const wk_graph_node *node) {
  if (!node->op || node->order || wk_node_has_effect(node)) return false;
  for (int i = 0; i < node->op->output_count; i++)
    if (graph->buffers[node->outputs[i].buffer].version) return false;
  return node->op->class != WK_CLASS_RANDOM || node->draw != WK_NO_DRAW;
}

bool wk_reference_is_whole(const wk_graph *graph, const wk_reference *r) {
  return r->buffer >= 0 && r->start == 0 && wk_layout_is_contiguous(&r->layout) &&
         graph->buffers[r->buffer].size ==
             (size_t)wk_layout_count(&r->layout) * wk_dtype_size(r->layout.dtype);
}

static void move_reading(wk_reference *r, int buffer, const wk_reference *to) {
  if (r->buffer != buffer) return;
  r->buffer = to->buffer, r->version = to->version, r->start += to->start;
}

bool wk_graph_replace(wk_graph *g, const wk_reference *made, const wk_reference *equal) {
  const wk_reference to = *equal; /* which may be one of those that move */
  if (!wk_reference_is_whole(g, made) || g->buffers[to.buffer].version != to.version) return false;
  for (size_t i = 0; i < g->result_count; i++) /* results have memory of their own */
    if (g->results[i].buffer == made->buffer) return false;
  for (size_t n = 0; n < g->node_count; n++)
    for (int i = 0; i < g->nodes[n].input_count; i++)
      move_reading(&g->nodes[n].inputs[i], made->buffer, &to);
  return true;
}
