/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as text, and two of them compared by it. parse.c reads what this writes. Broken graphs are
 * written too, for errors that show them. */
#include <string.h>

#include "base/memory.h"
#include "graph/control_node.h"

/* ---- small parts ---- */

static void write_quoted(const char *before, const char *string, wk_text *text) {
  wk_text_append(text, "%s\"", before);
  for (; *string; string++) {
    if (*string == '"' || *string == '\\') wk_text_append_bytes(text, "\\", 1);
    wk_text_append_bytes(text, *string == '\n' ? " " : string, 1);
  }
  wk_text_append_bytes(text, "\"", 1);
}

static void write_list(int count, const int64_t *values, wk_text *text) {
  wk_text_append_bytes(text, "[", 1);
  for (int i = 0; i < count && i < WK_MAX_RANK; i++)
    wk_text_append(text, i ? ", %lld" : "%lld", (long long)values[i]);
  wk_text_append_bytes(text, "]", 1);
}

static void write_buffer_name(const wk_graph *g, int buffer, wk_text *text) {
  static const char sigils[] = {
      [WK_BUFFER_INPUT] = '@', [WK_BUFFER_CELL] = '$', [WK_BUFFER_LOCAL] = '%'};
  const bool known = (size_t)buffer < g->buffer_count;
  wk_text_append(text, "%c%d", known ? sigils[g->buffers[buffer].kind] : '?', buffer);
}

static void write_reference(const wk_graph *g, const wk_reference *r, wk_text *text) {
  if (r->buffer < 0) {
    wk_text_append(text, "none");
    return;
  }
  write_buffer_name(g, r->buffer, text);
  if (r->version) wk_text_append(text, ".%u", r->version);
  if (r->start) wk_text_append(text, "+%zu", r->start);
  wk_text_append(text, " %s ", wk_dtype_name(r->layout.dtype));
  write_list(r->layout.rank, r->layout.dims, text);
  if (r->layout.rank < 0 || r->layout.rank > WK_MAX_RANK || wk_layout_is_contiguous(&r->layout))
    return;
  wk_text_append(text, " by ");
  write_list(r->layout.rank, r->layout.strides, text);
}

static void write_references(const wk_graph *g, const wk_reference *r, int count, wk_text *text) {
  for (int i = 0; i < count; i++) {
    if (i) wk_text_append(text, ", ");
    write_reference(g, &r[i], text);
  }
}

/* ---- settings ---- */

static bool is_place_of_draw(const wk_attribute *attribute) {
  return strcmp(attribute->name, "seed") == 0 || strcmp(attribute->name, "offset") == 0;
}

/* Whether the text has the attribute: not where its random numbers are, which the call says; and
 * where two tracings are compared, nothing that the call fills in. */
static bool is_shown(const wk_graph_node *node, const wk_attribute *attribute, bool compared) {
  if (attribute->type == WK_ATTRIBUTE_GENERATOR || attribute->type == WK_ATTRIBUTE_TEXT)
    return false;
  if (compared && (attribute->type == WK_ATTRIBUTE_DEVICE || node->late.run)) return false;
  return node->draw == WK_NO_DRAW || !is_place_of_draw(attribute);
}

static void write_attribute(const wk_attribute *a, const void *arguments, wk_text *text) {
  const char *at = (const char *)arguments + a->offset;
  int number = 0; /* that stands first in what is checked here */
  if (a->type == WK_ATTRIBUTE_DEVICE) {
    const wk_device *device = *(wk_device *const *)at;
    wk_text_append(text, device ? "\"%s\"" : "null", device ? device->name : "");
    return;
  }
  const bool has_limit =
      a->type == WK_ATTRIBUTE_ENUM || a->type == WK_ATTRIBUTE_SHAPE || a->type == WK_ATTRIBUTE_AXES;
  int limit = WK_MAX_RANK + 1;
  if (has_limit) memcpy(&number, at, sizeof number);
  if (a->type == WK_ATTRIBUTE_ENUM)
    for (limit = 0; a->names[limit];) limit++;
  if (has_limit && (number < 0 || number >= limit))
    wk_text_append(text, "wrong (%d)", number);
  else
    wk_attribute_to_text(a, arguments, text);
}

static void write_settings(const wk_graph_node *node, bool compared, wk_text *text) {
  const wk_settings *settings = &node->op->settings;
  const char *before = " {";
  for (int i = 0; i < settings->count; i++) {
    if (!is_shown(node, &settings->attributes[i], compared)) continue;
    wk_text_append(text, "%s%s: ", before, settings->attributes[i].name);
    write_attribute(&settings->attributes[i], node->arguments, text);
    before = ", ";
  }
  if (node->control && node->control->run == wk_run_list_stack) {
    wk_text_append(text, "%sextent: %zu, assumed: %lld", before, node->control->extent,
                   (long long)node->control->assumed);
    before = ", ";
  }
  if (node->control && wk_control_is_loop(node->control)) {
    wk_text_append(text, "%sstates: %zu%s%s", before, node->control->state_count,
                   node->control->keeps ? ", keeps" : "",
                   node->control->checkpoints ? ", checkpoints" : "");
    before = ", ";
  }
  if (node->draw != WK_NO_DRAW) wk_text_append(text, "%sdraw: %d", before, node->draw);
  if (node->draw != WK_NO_DRAW) before = ", ";
  if (node->order) wk_text_append(text, "%sorder: %u", before, node->order);
  if (node->order) before = ", ";
  if (node->late.run) wk_text_append(text, "%slate", before);
  if (node->late.run) before = ", ";
  if (node->again) wk_text_append(text, "%sagain", before);
  if (node->again) before = ", ";
  if (node->joined) wk_text_append(text, "%sjoined", before);
  if (node->joined) before = ", ";
  if (*before == ',') wk_text_append(text, "}");
}

/* ---- nodes ---- */

static wk_status write_body(const wk_graph *g, bool compared, wk_text *text);

static void write_buffers(const wk_graph *g, wk_text *text);

/* What a loop runs, a graph each. */
static wk_status write_regions(const wk_control *control, bool compared, wk_text *text) {
  for (int i = 0; i < WK_REGION_COUNT; i++) {
    const wk_graph *g = &control->plans[i].graph;
    if (!g->result_count) continue;
    wk_text body = {0};
    if (!compared) write_buffers(g, &body);
    write_body(g, compared, &body);
    wk_text_append(text, "region %d reaches %zu {\n", i, control->reached[i]);
    for (const char *line = body.data ? body.data : ""; *line;) {
      const size_t length = strcspn(line, "\n");
      wk_text_append(text, "  %.*s\n", (int)length, line);
      line += length + (line[length] == '\n');
    }
    wk_text_append(text, "}\n");
    wk_text_free(&body);
  }
  return wk_error_status();
}

static void write_inputs(const wk_graph *g, const wk_graph_node *node, wk_text *text) {
  for (int i = 0; i < node->input_count; i++) {
    if (i) wk_text_append(text, ", ");
    if (node->control && wk_op_input_at(node->op, i)->written) wk_text_append(text, "*");
    write_reference(g, &node->inputs[i], text);
  }
}

static wk_status write_node(const wk_graph *g, const wk_graph_node *node, bool compared,
                            wk_text *text) {
  const wk_op *op = node->op;
  if (op && op->output_count) {
    write_references(g, node->outputs, op->output_count, text);
    wk_text_append(text, " = ");
  }
  wk_text_append(text, "%s(", op ? op->name : "host");
  write_inputs(g, node, text);
  wk_text_append(text, ")");
  if (op)
    write_settings(node, compared, text);
  else if (node->order)
    wk_text_append(text, " {order: %u}", node->order);
  if (node->module_path) write_quoted(" at ", node->module_path, text);
  if (node->here.file && !compared) {
    write_quoted(" from ", node->here.file, text);
    wk_text_append(text, ":%lld", (long long)node->here.line);
  }
  wk_text_append(text, "\n");
  return node->control ? write_regions(node->control, compared, text) : wk_error_status();
}

static wk_status write_body(const wk_graph *g, bool compared, wk_text *text) {
  wk_status status = wk_error_status();
  for (size_t n = 0; n < g->node_count && status == WK_OK; n++)
    status = write_node(g, &g->nodes[n], compared, text);
  for (size_t i = 0; i < g->result_count && status == WK_OK; i++) {
    wk_text_append(text, "return ");
    write_reference(g, &g->results[i], text);
    status = wk_text_append(text, "\n");
  }
  return status;
}

wk_status wk_graph_nodes_to_text(const wk_graph *g, size_t first, size_t end, wk_text *text) {
  wk_status status = WK_OK;
  for (size_t n = first; n < end && n < g->node_count && status == WK_OK; n++)
    status = write_node(g, &g->nodes[n], true, text);
  return status;
}

static void write_buffers(const wk_graph *g, wk_text *text) {
  int cells = 0;
  for (size_t i = 0; i < g->buffer_count; i++) {
    const wk_buffer *b = &g->buffers[i];
    write_buffer_name(g, (int)i, text);
    if (b->kind == WK_BUFFER_INPUT) wk_text_append(text, ": input %d", b->input);
    if (b->kind == WK_BUFFER_CELL) wk_text_append(text, ": cell %d", cells++);
    if (b->kind == WK_BUFFER_LOCAL) wk_text_append(text, ": local");
    wk_text_append(text, ", %zu bytes on %s\n", b->size, b->device->name);
  }
  for (size_t i = 0; i < g->draw_count; i++)
    wk_text_append(text, "draw %zu: %lld numbers\n", i, (long long)g->draws[i].count);
}

wk_status wk_graph_to_text(const wk_graph *g, wk_text *text) {
  write_buffers(g, text);
  return write_body(g, false, text);
}

/* ---- comparing ---- */

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
  if (write_body(a, true, &x) == WK_OK && write_body(b, true, &y) == WK_OK) {
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
