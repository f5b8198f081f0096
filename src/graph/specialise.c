/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/specialise.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

typedef struct specialiser {
  const wk_graph *from;
  wk_graph *made;
  wk_layout *wholes; /* of each buffer whose sizes change: the new ones; rank -1: it stays */
} specialiser;

static wk_status copy(wk_graph *made, const wk_graph *graph) {
  wk_text text = {0};
  wk_status status = wk_graph_to_text(graph, &text);
  if (status == WK_OK) status = wk_graph_from_text(made, text.data ? text.data : "", graph);
  wk_text_free(&text);
  return status;
}

static size_t size_of(const wk_layout *layout) {
  return (size_t)wk_layout_count(layout) * wk_dtype_size(layout->dtype);
}

static void resize(specialiser *s, int buffer, const wk_layout *before, const wk_layout *after) {
  if (wk_layout_same_dims(before, after)) return;
  s->wholes[buffer] = *after;
  wk_layout_set_strides(&s->wholes[buffer]);
  s->made->buffers[buffer].size = size_of(after);
}

/* Reads of a resized buffer are of all of it, in the sizes that it was made with. */
static wk_status follow(const specialiser *s, size_t n, wk_reference *r) {
  if (r->buffer < 0 || s->wholes[r->buffer].rank < 0) return WK_OK;
  const wk_layout *whole = &s->wholes[r->buffer];
  const size_t before = s->from->buffers[r->buffer].size;
  if (r->start == 0 && wk_layout_is_contiguous(&r->layout) && r->layout.rank == whole->rank &&
      r->layout.dtype == whole->dtype && size_of(&r->layout) == before) {
    r->layout = *whole;
    return WK_OK;
  }
  return wk_fail(WK_ERROR_UNSUPPORTED,
                 "node %zu of the graph reads a view of buffer %d, whose sizes change", n,
                 r->buffer);
}

static wk_status specialise_node(specialiser *s, size_t n) {
  wk_graph_node *node = &s->made->nodes[n];
  wk_layout outputs[WK_MAX_OUTPUTS];
  wk_status status = WK_OK;
  for (int i = 0; i < node->input_count && status == WK_OK; i++)
    status = follow(s, n, &node->inputs[i]);
  if (status != WK_OK || !node->op || !node->op->output_count) return status;
  status = wk_graph_infer(s->made, n, outputs);
  for (int i = 0; i < node->op->output_count && status == WK_OK; i++) {
    resize(s, node->outputs[i].buffer, &node->outputs[i].layout, &outputs[i]);
    node->outputs[i].layout = outputs[i];
    wk_layout_set_strides(&node->outputs[i].layout);
  }
  if (status == WK_OK && node->op->class == WK_CLASS_RANDOM && node->draw != WK_NO_DRAW)
    s->made->draws[node->draw].count = wk_layout_count(&outputs[0]);
  return status;
}

/* The layout in which the graph first reads the input whole. */
static const wk_layout *find_layout(const wk_graph *g, int buffer) {
  for (size_t n = 0; n < g->node_count; n++)
    for (int i = 0; i < g->nodes[n].input_count; i++) {
      const wk_reference *r = &g->nodes[n].inputs[i];
      if (r->buffer == buffer && r->start == 0 && size_of(&r->layout) == g->buffers[buffer].size)
        return &r->layout;
    }
  return NULL;
}

static wk_status set_inputs(specialiser *s, size_t count, const wk_layout *layouts) {
  for (size_t b = 0; b < s->made->buffer_count; b++) {
    const wk_buffer *buffer = &s->made->buffers[b];
    s->wholes[b].rank = -1;
    if (buffer->kind != WK_BUFFER_INPUT) continue;
    if ((size_t)buffer->input >= count)
      return wk_fail(WK_ERROR_ARGUMENT, "the graph reads input %d, but %zu are given",
                     buffer->input, count);
    const wk_layout *before = find_layout(s->from, (int)b), *after = &layouts[buffer->input];
    if (before)
      resize(s, (int)b, before, after);
    else if (buffer->size != size_of(after))
      return wk_fail(WK_ERROR_UNSUPPORTED, "input %d is only read in parts", buffer->input);
  }
  return WK_OK;
}

wk_status wk_graph_specialise(wk_graph *made, const wk_graph *graph, size_t count,
                              const wk_layout *layouts) {
  *made = (wk_graph){0};
  specialiser s = {.from = graph, .made = made};
  wk_status status = wk_graph_verify(graph);
  if (status == WK_OK) status = copy(made, graph);
  s.wholes = wk_allocate_zeroed(made->buffer_count + 1, sizeof *s.wholes);
  if (!s.wholes) status = wk_error_status();
  if (status == WK_OK) status = set_inputs(&s, count, layouts);
  for (size_t n = 0; n < made->node_count && status == WK_OK; n++) status = specialise_node(&s, n);
  for (size_t i = 0; i < made->result_count && status == WK_OK; i++)
    status = follow(&s, made->node_count, &made->results[i]);
  wk_deallocate(s.wholes);
  if (status == WK_OK) status = wk_graph_verify(made);
  if (status != WK_OK) wk_graph_free(made);
  return status;
}
