/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as text, and two of them compared by it. */
#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"

static wk_status write_reference(const wk_graph *g, const wk_reference *r, wk_text *text) {
  if (r->buffer < 0) return wk_text_append(text, "none");
  static const char sigils[] = {
      [WK_BUFFER_INPUT] = '@', [WK_BUFFER_CELL] = '$', [WK_BUFFER_LOCAL] = '%'};
  char sizes[128];
  wk_layout_describe(&r->layout, sizes, sizeof sizes);
  wk_text_append(text, "%c%d", sigils[g->buffers[r->buffer].kind], r->buffer);
  if (r->version) wk_text_append(text, ".%u", r->version);
  if (r->start) wk_text_append(text, "+%zu", r->start);
  wk_text_append(text, " %s", sizes);
  if (wk_layout_is_contiguous(&r->layout)) return wk_error_status();
  for (int i = 0; i < r->layout.rank; i++)
    wk_text_append(text, i ? ", %lld" : " by [%lld", (long long)r->layout.strides[i]);
  return wk_text_append(text, "]");
}

/* Whether the attribute is left to the call: late arguments, and where its random numbers are. */
static bool is_shown(const wk_graph_node *node, const wk_attribute *attribute) {
  if (attribute->type == WK_ATTRIBUTE_DEVICE || attribute->type == WK_ATTRIBUTE_GENERATOR ||
      attribute->type == WK_ATTRIBUTE_TEXT || node->late.run)
    return false;
  return node->draw == WK_NO_DRAW ||
         (strcmp(attribute->name, "seed") != 0 && strcmp(attribute->name, "offset") != 0);
}

static wk_status write_settings(const wk_graph_node *node, wk_text *text) {
  const wk_settings *settings = &node->op->settings;
  const char *before = " {";
  for (int i = 0; i < settings->count; i++) {
    if (!is_shown(node, &settings->attributes[i])) continue;
    wk_text_append(text, "%s%s: ", before, settings->attributes[i].name);
    wk_attribute_to_text(&settings->attributes[i], node->arguments, text);
    before = ", ";
  }
  if (node->draw != WK_NO_DRAW) {
    wk_text_append(text, "%sdraw: %d", before, node->draw);
    before = ", ";
  }
  if (node->late.run) {
    wk_text_append(text, "%slate", before);
    before = ", ";
  }
  return *before == ',' ? wk_text_append(text, "}") : wk_error_status();
}

static wk_status write_node(const wk_graph *g, const wk_graph_node *node, wk_text *text) {
  if (!node->op) {
    wk_text_append(text, node->input_count ? "host(" : "host");
    for (int i = 0; i < node->input_count; i++) write_reference(g, &node->inputs[i], text);
    return wk_text_append(text, node->input_count ? ")\n" : "\n");
  }
  for (int i = 0; i < node->op->output_count; i++) {
    if (i) wk_text_append(text, ", ");
    write_reference(g, &node->outputs[i], text);
  }
  wk_text_append(text, node->op->output_count ? " = %s(" : "%s(", node->op->name);
  for (int i = 0; i < node->input_count; i++) {
    if (i) wk_text_append(text, ", ");
    write_reference(g, &node->inputs[i], text);
  }
  wk_text_append(text, ")");
  write_settings(node, text);
  if (node->module_path) wk_text_append(text, " at %s", node->module_path);
  return wk_text_append(text, "\n");
}

wk_status wk_graph_to_text(const wk_graph *g, wk_text *text) {
  wk_status status = wk_error_status();
  for (size_t n = 0; n < g->node_count && status == WK_OK; n++)
    status = write_node(g, &g->nodes[n], text);
  for (size_t i = 0; i < g->result_count && status == WK_OK; i++) {
    wk_text_append(text, "return ");
    write_reference(g, &g->results[i], text);
    status = wk_text_append(text, "\n");
  }
  return status;
}

/* The line of `text` that holds its byte `at`. */
static int line_length(const char *text, size_t at, const char **line) {
  while (at > 0 && text[at - 1] != '\n') at--;
  *line = text + at;
  return (int)strcspn(text + at, "\n");
}

/* Memory of the two traces that is not the same was made in them: it must hold the same. */
static bool same_constants(const wk_graph *a, const wk_graph *b) {
  for (size_t i = 0; i < a->buffer_count && i < b->buffer_count; i++) {
    const wk_storage *x = a->buffers[i].storage, *y = b->buffers[i].storage;
    if (x == y || !x || !y || !x->device->host_memory) continue;
    if (x->size != y->size || memcmp(x->data, y->data, x->size) != 0) return false;
  }
  return true;
}

wk_status wk_graph_compare(const wk_graph *a, const wk_graph *b, char *difference, size_t size) {
  wk_text x = {0}, y = {0};
  difference[0] = '\0';
  if (wk_graph_to_text(a, &x) == WK_OK && wk_graph_to_text(b, &y) == WK_OK) {
    const char *p = x.data ? x.data : "", *q = y.data ? y.data : "";
    size_t at = 0;
    while (p[at] && p[at] == q[at]) at++;
    if (p[at] != q[at]) {
      const char *first, *second;
      const int m = line_length(p, at, &first), n = line_length(q, at, &second);
      wk_print_into(difference, size, 0, "first %.*s, then %.*s", m ? m : 7, m ? first : "nothing",
                    n ? n : 7, n ? second : "nothing");
    } else if (!same_constants(a, b)) {
      wk_print_into(difference, size, 0, "it made a tensor of other values the second time");
    }
  }
  wk_text_free(&x);
  wk_text_free(&y);
  return wk_error_status();
}
