/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs from text: what text.c writes. A text may come from anywhere; it is looked at for form
 * here, and for meaning by the verifier. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "graph/extents.h"
#include "ops/kernel.h"

#define MOST_INPUTS 100000
#define MOST_DEPTH 16 /* loops in loops */

typedef struct parser {
  const char *text, *at;
  const wk_graph *with; /* or NULL */
  wk_graph *graph;
  int cells, loops, depth;
} parser;

/* Raises the error at the place where the parser is. */
static bool fail(const parser *p, const char *what, const char *name) {
  int line = 1;
  const char *start = p->text;
  for (const char *c = p->text; c < p->at; c++)
    if (*c == '\n') line++, start = c + 1;
  wk_fail(WK_ERROR_FORMAT, "line %d, column %d of the graph: %s%s", line, (int)(p->at - start) + 1,
          what, name);
  return false;
}

/* ---- tokens ---- */

static void skip_blanks(parser *p) {
  while (*p->at == ' ' || *p->at == '\t' || *p->at == '\r') p->at++;
}

static void skip_empty_lines(parser *p) {
  for (;; p->at++) {
    skip_blanks(p);
    if (*p->at == '#') p->at += strcspn(p->at, "\n");
    if (*p->at != '\n') return;
  }
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Consumes the sign or word if it comes next. */
static bool accept(parser *p, const char *token) {
  skip_blanks(p);
  const size_t length = strlen(token);
  if (strncmp(p->at, token, length) != 0) return false;
  const char next = p->at[length];
  if (is_letter(*token) && (is_letter(next) || is_digit(next))) return false;
  p->at += length;
  return true;
}

static bool expect(parser *p, const char *token) {
  return accept(p, token) || fail(p, "expected ", token);
}

static bool read_number(parser *p, int64_t lowest, int64_t highest, int64_t *value) {
  char digits[24];
  skip_blanks(p);
  size_t length = *p->at == '-';
  while (is_digit(p->at[length])) length++;
  const bool whole = length > 0 && length < sizeof digits;
  memcpy(digits, p->at, whole ? length : 0);
  digits[whole ? length : 0] = '\0';
  if (!whole || !wk_parse_integer(digits, value)) return fail(p, "expected a number", "");
  if (*value < lowest || *value > highest) return fail(p, "a number out of range: ", digits);
  p->at += length;
  return true;
}

static bool read_name(parser *p, char *name, size_t size) {
  skip_blanks(p);
  size_t length = 0;
  while (is_letter(p->at[length]) || is_digit(p->at[length]) || p->at[length] == '.') length++;
  if (!length || length >= size) return fail(p, "expected a name", "");
  memcpy(name, p->at, length);
  name[length] = '\0';
  p->at += length;
  return true;
}

/* A string in quotes, kept for ever. */
static const char *read_string(parser *p) {
  char string[512];
  size_t length = 0;
  if (!expect(p, "\"")) return NULL;
  for (; *p->at != '"'; p->at++) {
    if (*p->at == '\\') p->at++;
    if (!*p->at || *p->at == '\n' || length + 1 >= sizeof string) {
      fail(p, "a string without end, or too long", "");
      return NULL;
    }
    string[length++] = *p->at;
  }
  p->at++;
  string[length] = '\0';
  return wk_intern(string);
}

/* "[1, 2]": at most WK_MAX_RANK values. */
static bool read_list(parser *p, int64_t lowest, int *count, int64_t *values) {
  *count = 0;
  if (!expect(p, "[")) return false;
  while (!accept(p, "]")) {
    if (*count && !expect(p, ",")) return false;
    if (*count == WK_MAX_RANK) return fail(p, "more dimensions than possible", "");
    if (!read_number(p, lowest, INT64_MAX, &values[*count])) return false;
    ++*count;
  }
  return true;
}

static bool end_line(parser *p) {
  skip_blanks(p);
  if (*p->at == '#') p->at += strcspn(p->at, "\n");
  if (!*p->at) return true;
  return *p->at == '\n' ? p->at++, true : fail(p, "expected the end of the line", "");
}

/* ---- buffers and draws ---- */

static const char sigils[] = {
    [WK_BUFFER_INPUT] = '@', [WK_BUFFER_CELL] = '$', [WK_BUFFER_LOCAL] = '%', '\0'};

static wk_device *find_device(parser *p) {
  char name[32];
  if (!read_name(p, name, sizeof name)) return NULL;
  for (int i = 0; i < wk_device_table_count; i++)
    if (strcmp(wk_device_table[i]->name, name) == 0) return wk_device_table[i];
  fail(p, "there is no device ", name);
  return NULL;
}

/* The memory of the other graph's cell of this number, or NULL. */
static wk_storage *find_cell(const wk_graph *with, int64_t number) {
  for (size_t i = 0; with && i < with->buffer_count; i++)
    if (with->buffers[i].kind == WK_BUFFER_CELL && number-- == 0) return with->buffers[i].storage;
  return NULL;
}

/* What follows "%2:". */
static bool read_buffer(parser *p, wk_buffer_kind kind, int64_t number) {
  wk_graph *g = p->graph;
  int64_t which = -1, size;
  if (number != (int64_t)g->buffer_count) return fail(p, "buffers are not numbered in order", "");
  static const char *const words[] = {"input", "cell", "local"};
  if (!expect(p, words[kind])) return false;
  if (kind != WK_BUFFER_LOCAL && !read_number(p, 0, INT32_MAX, &which)) return false;
  if (kind == WK_BUFFER_CELL && which != p->cells++)
    return fail(p, "cells are not numbered in order", "");
  if (!expect(p, ",") || !read_number(p, 0, INT64_MAX, &size) || !expect(p, "bytes") ||
      !expect(p, "on"))
    return false;
  wk_device *device = find_device(p);
  if (!device || !end_line(p)) return false;
  if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers)) return false;
  wk_buffer *buffer = &g->buffers[g->buffer_count++];
  *buffer = (wk_buffer){.kind = kind,
                        .device = device,
                        .size = (size_t)size,
                        .input = kind == WK_BUFFER_INPUT ? (int)which : -1};
  wk_storage *cell = kind == WK_BUFFER_CELL ? find_cell(p->with, which) : NULL;
  if (!cell) return true;
  if (cell->size != buffer->size || cell->device != device)
    return fail(p, "the cell has another size or device", "");
  buffer->storage = wk_storage_retain(cell);
  return true;
}

static bool read_draw(parser *p) {
  wk_graph *g = p->graph;
  int64_t number, count;
  if (!read_number(p, 0, INT32_MAX, &number) || !expect(p, ":") ||
      !read_number(p, 0, INT64_MAX, &count) || !expect(p, "numbers") || !end_line(p))
    return false;
  if (number != (int64_t)g->draw_count) return fail(p, "draws are not numbered in order", "");
  if (!wk_grow(&g->draws, &g->draw_capacity, g->draw_count, sizeof *g->draws)) return false;
  const bool known = p->with && g->draw_count < p->with->draw_count;
  wk_generator *generator =
      known ? p->with->draws[g->draw_count].generator : wk_generator_default();
  g->draws[g->draw_count++] = (wk_draw){generator, count};
  return true;
}

/* ---- references ---- */

/* "%2" and the like; -1 with an error pending. */
static int64_t read_buffer_name(parser *p, wk_buffer_kind *kind) {
  int64_t number;
  skip_blanks(p);
  const char *sigil = *p->at ? strchr(sigils, *p->at) : NULL;
  if (!sigil) return fail(p, "expected a buffer", ""), -1;
  *kind = (wk_buffer_kind)(sigil - sigils);
  p->at++;
  return read_number(p, 0, INT32_MAX, &number) ? number : -1;
}

static bool read_dtype(parser *p, wk_dtype *dtype) {
  char name[16];
  if (!read_name(p, name, sizeof name)) return false;
  for (wk_dtype d = WK_F32; wk_dtype_size(d); d++)
    if (strcmp(wk_dtype_name(d), name) == 0) return *dtype = d, true;
  return fail(p, "there is no dtype ", name);
}

static bool read_layout(parser *p, wk_layout *layout) {
  int strides;
  if (!read_dtype(p, &layout->dtype) || !read_list(p, 0, &layout->rank, layout->dims)) return false;
  const wk_shape shape = wk_layout_shape(layout);
  if (!wk_layout_contiguous(layout, layout->dtype, &shape)) {
    wk_error_clear();
    return fail(p, "larger than any memory", "");
  }
  if (!accept(p, "by")) return true;
  if (!read_list(p, INT64_MIN, &strides, layout->strides)) return false;
  return strides == layout->rank || fail(p, "not as many strides as dimensions", "");
}

/* What follows the buffer's name. */
static bool read_rest(parser *p, wk_buffer_kind kind, int64_t number, wk_reference *r) {
  int64_t version = 0, start = 0;
  if (number >= (int64_t)p->graph->buffer_count || p->graph->buffers[number].kind != kind)
    return fail(p, "there is no such buffer", "");
  if (*p->at == '.' && (p->at++, !read_number(p, 0, UINT32_MAX, &version))) return false;
  if (*p->at == '+' && (p->at++, !read_number(p, 0, INT64_MAX, &start))) return false;
  *r = (wk_reference){.buffer = (int)number, .version = (unsigned)version, .start = (size_t)start};
  return read_layout(p, &r->layout);
}

static bool read_reference(parser *p, wk_reference *r) {
  *r = (wk_reference){.buffer = -1};
  if (accept(p, "none")) return true;
  wk_buffer_kind kind;
  const int64_t number = read_buffer_name(p, &kind);
  return number >= 0 && read_rest(p, kind, number, r);
}

/* ---- nodes ---- */

/* The record of a loop's next operand. */
static bool add_record(wk_control *c, bool written) {
  size_t capacity = (size_t)c->op.input_count; /* a power of two from 8 on, or less */
  if (capacity & (capacity - 1)) capacity *= 2;
  if (!wk_grow(&c->records, &capacity, (size_t)c->op.input_count, sizeof *c->records)) return false;
  c->records[c->op.input_count++] =
      (wk_op_input){.name = "carried", .dtypes = WK_DTYPES_ANY, .written = written};
  c->op.inputs = c->records;
  return true;
}

static bool read_inputs(parser *p, wk_graph_node *node) {
  size_t capacity = 0;
  if (!expect(p, "(")) return false;
  while (!accept(p, ")")) {
    if (node->input_count && !expect(p, ",")) return false;
    if (node->input_count == MOST_INPUTS) return fail(p, "too many operands", "");
    if (!wk_grow(&node->inputs, &capacity, (size_t)node->input_count, sizeof *node->inputs))
      return false;
    const bool written = node->control && accept(p, "*");
    if (!read_reference(p, &node->inputs[node->input_count])) return false;
    if (node->control && !add_record(node->control, written)) return false;
    node->input_count++;
  }
  if (node->op && node->input_count && !node->op->input_count)
    return fail(p, "no operands belong to ", node->op->name);
  return true;
}

/* The text of a value, up to the comma or brace behind it. */
static bool read_value(parser *p, char *value, size_t size) {
  skip_blanks(p);
  size_t length = 0;
  bool quoted = false, listed = false;
  for (char c; (c = p->at[length]) && c != '\n'; length++) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '[' || c == ']')) listed = c == '[';
    if (!quoted && !listed && (c == ',' || c == '}')) break;
  }
  if (!length || length >= size) return fail(p, "expected a value", "");
  memcpy(value, p->at, length);
  value[length] = '\0';
  return true;
}

static bool read_device(parser *p, void *at) {
  wk_device *device = NULL;
  if (accept(p, "null")) return true;
  if (!expect(p, "\"") || !(device = find_device(p))) return false;
  memcpy(at, &device, sizeof device);
  return expect(p, "\"");
}

static bool read_attribute(parser *p, const wk_attribute *attribute, void *arguments) {
  char value[512];
  if (attribute->type == WK_ATTRIBUTE_DEVICE)
    return read_device(p, (char *)arguments + attribute->offset);
  if (!read_value(p, value, sizeof value)) return false;
  if (attribute->type == WK_ATTRIBUTE_TEXT || attribute->type == WK_ATTRIBUTE_GENERATOR ||
      wk_attribute_from_text(attribute, arguments, value) != WK_OK) {
    wk_error_clear();
    return fail(p, "not a value for ", attribute->name);
  }
  p->at += strlen(value);
  return true;
}

/* Used where there is no graph to take late work from. */
static bool run_absent(void *object, int64_t detail, void *arguments) {
  (void)object, (void)detail, (void)arguments;
  wk_fail(WK_ERROR_STATE, "the graph comes from a text, which cannot say what its host steps do");
  return false;
}

/* What the host step or late op of this order runs in the other graph. */
static wk_late find_late(const wk_graph *with, unsigned order) {
  for (size_t n = 0; with && n < with->node_count; n++)
    if (with->nodes[n].order == order && with->nodes[n].late.run) return with->nodes[n].late;
  return (wk_late){.run = run_absent};
}

/* One "name: value" between braces. Bit i of *seen: attribute i is there. */
static bool read_setting(parser *p, wk_graph_node *node, uint64_t *seen) {
  char name[64];
  int64_t number;
  if (!read_name(p, name, sizeof name)) return false;
  wk_control *control = node->control;
  if (control && strcmp(name, "keeps") == 0) return control->keeps = true;
  if (control && strcmp(name, "checkpoints") == 0) return control->checkpoints = true;
  const bool late = node->op && strcmp(name, "late") == 0;
  if (node->op && strcmp(name, "again") == 0) return node->again = true;
  if (node->op && strcmp(name, "joined") == 0) return node->joined = true;
  if (late) return node->late.run = run_absent, true;
  if (!expect(p, ":")) return false;
  if (control && strcmp(name, "extent") == 0) {
    if (!read_number(p, 0, WK_MOST_EXTENTS - 1, &number)) return false;
    return control->extent = (size_t)number, true;
  }
  if (control && strcmp(name, "assumed") == 0)
    return read_number(p, 0, INT64_MAX, &control->assumed);
  if (control && strcmp(name, "states") == 0) {
    if (!read_number(p, 0, node->input_count, &number)) return false;
    return control->state_count = (size_t)number, true;
  }
  if (strcmp(name, "order") == 0) {
    if (!read_number(p, 1, UINT32_MAX, &number)) return false;
    return node->order = (unsigned)number, true;
  }
  if (node->op && strcmp(name, "draw") == 0) {
    if (!read_number(p, 0, INT32_MAX, &number)) return false;
    return node->draw = (int)number, true;
  }
  const wk_attribute *attribute = node->op ? wk_settings_find(&node->op->settings, name) : NULL;
  if (!attribute) return fail(p, "there is no setting ", name);
  const uint64_t bit = UINT64_C(1) << (attribute - node->op->settings.attributes) % 64;
  if (*seen & bit) return fail(p, "given twice: ", name);
  *seen |= bit;
  return read_attribute(p, attribute, node->arguments);
}

/* Every setting must be there, for a text shows them all; but where the random numbers are. */
static bool check_all_there(const parser *p, const wk_graph_node *node, uint64_t seen) {
  for (int i = 0; node->op && i < node->op->settings.count; i++) {
    const wk_attribute *a = &node->op->settings.attributes[i];
    const bool random = !strcmp(a->name, "seed") || !strcmp(a->name, "offset");
    if (seen >> i % 64 & 1 || (random && node->draw != WK_NO_DRAW)) continue;
    if (a->type == WK_ATTRIBUTE_GENERATOR || a->type == WK_ATTRIBUTE_TEXT) continue;
    return fail(p, "there is no ", a->name);
  }
  return true;
}

static bool read_settings(parser *p, wk_graph_node *node) {
  uint64_t seen = 0;
  if (accept(p, "{")) {
    do {
      if (!read_setting(p, node, &seen)) return false;
    } while (accept(p, ","));
    if (!expect(p, "}")) return false;
  }
  if (!node->op || node->late.run) node->late = find_late(p->with, node->order);
  return check_all_there(p, node, seen);
}

static bool read_origin(parser *p, wk_graph_node *node) {
  int64_t line;
  if (accept(p, "at") && !(node->module_path = read_string(p))) return false;
  if (!accept(p, "from")) return true;
  node->here.file = read_string(p);
  if (!node->here.file || !expect(p, ":") || !read_number(p, INT64_MIN, INT64_MAX, &line))
    return false;
  node->here.line = line;
  return true;
}

static bool read_lines(parser *p);

/* The other graph's region of that number in its loop of this number, or NULL. */
static const wk_graph *find_region(const wk_graph *with, int loop, int64_t which) {
  for (size_t n = 0; with && n < with->node_count; n++)
    if (with->nodes[n].control && loop-- == 0) return &with->nodes[n].control->plans[which].graph;
  return NULL;
}

/* "region 1 reaches 2 {" and a graph each, which ends with "}" on a line of its own. */
static bool read_regions(parser *p, wk_control *control) {
  const int loop = p->loops++;
  size_t reached = 0;
  for (skip_empty_lines(p); accept(p, "region"); skip_empty_lines(p)) {
    int64_t which, reaches;
    if (!read_number(p, 0, WK_REGION_COUNT - 1, &which) || !expect(p, "reaches") ||
        !read_number(p, 0, control->op.input_count - (int64_t)reached, &reaches) ||
        !expect(p, "{") || !end_line(p))
      return false;
    wk_graph *g = &control->plans[which].graph;
    if (g->result_count) return fail(p, "a region is given twice", "");
    if (p->depth == MOST_DEPTH) return fail(p, "too many loops in one another", "");
    control->reached[which] = (size_t)reaches, reached += (size_t)reaches;
    parser inner = {.text = p->text,
                    .at = p->at,
                    .with = find_region(p->with, loop, which),
                    .graph = g,
                    .depth = p->depth + 1};
    const bool read = read_lines(&inner);
    p->at = inner.at;
    if (!read || !expect(p, "}") || !end_line(p)) return false;
    if (!g->result_count) return fail(p, "a region without results", "");
  }
  control->first_reached = (size_t)control->op.input_count - reached;
  return wk_control_place_states(control) == WK_OK;
}

/* The op's name and what follows, for a node that has `outputs` outputs. */
static bool read_call(parser *p, wk_graph_node *node, int outputs) {
  char name[128];
  const char *start = (skip_blanks(p), p->at);
  if (!read_name(p, name, sizeof name)) return false;
  node->control = wk_control_create(name);
  node->op = node->control ? &node->control->op : wk_op_find(name);
  if (!node->op && strcmp(name, "host") != 0)
    return p->at = start, fail(p, "there is no op ", name);
  if (outputs != (node->op ? node->op->output_count : 0))
    return p->at = start, fail(p, "not as many results as has ", name);
  if (node->op) {
    node->arguments = wk_allocate_zeroed(1, node->op->settings.size + 1);
    if (!node->arguments) return false;
    memcpy(node->arguments, &node->op->settings.size, sizeof node->op->settings.size);
  }
  if (node->control) ((wk_control_arguments *)node->arguments)->control = node->control;
  return read_inputs(p, node) && read_settings(p, node) && read_origin(p, node) && end_line(p) &&
         (!node->control || !wk_control_is_loop(node->control) || read_regions(p, node->control));
}

static void count_writes(wk_graph *g, const wk_graph_node *node) {
  for (int i = 0; node->op && i < node->input_count; i++)
    if (wk_op_input_at(node->op, i)->written && node->inputs[i].buffer >= 0)
      g->buffers[node->inputs[i].buffer].version++;
}

static bool add_node(parser *p, const wk_reference *outputs, int count) {
  wk_graph *g = p->graph;
  if (!wk_grow(&g->nodes, &g->node_capacity, g->node_count, sizeof *g->nodes)) return false;
  wk_graph_node *node = &g->nodes[g->node_count++];
  *node = (wk_graph_node){.draw = WK_NO_DRAW};
  for (int i = 0; i < count; i++) node->outputs[i] = outputs[i];
  if (!read_call(p, node, count)) return false;
  count_writes(g, node);
  return true;
}

/* A line that begins with a buffer's name: its declaration, or a node's results. */
static bool read_named_line(parser *p) {
  wk_buffer_kind kind;
  const int64_t number = read_buffer_name(p, &kind);
  if (number < 0) return false;
  if (accept(p, ":")) return read_buffer(p, kind, number);
  wk_reference outputs[WK_MAX_OUTPUTS];
  int count = 1;
  if (!read_rest(p, kind, number, &outputs[0])) return false;
  while (accept(p, ",")) {
    if (count == WK_MAX_OUTPUTS) return fail(p, "more results than possible", "");
    if (!read_reference(p, &outputs[count++])) return false;
  }
  return expect(p, "=") && add_node(p, outputs, count);
}

static bool read_result(parser *p) {
  wk_graph *g = p->graph;
  if (!wk_grow(&g->results, &g->result_capacity, g->result_count, sizeof *g->results)) return false;
  return read_reference(p, &g->results[g->result_count++]) && end_line(p);
}

static bool read_line(parser *p) {
  if (strchr(sigils, *p->at)) return read_named_line(p);
  if (accept(p, "draw")) return read_draw(p);
  if (accept(p, "return")) return read_result(p);
  return add_node(p, NULL, 0);
}

/* All lines, up to the end of the text or of a region. */
static bool read_lines(parser *p) {
  for (skip_empty_lines(p); *p->at && *p->at != '}'; skip_empty_lines(p))
    if (!read_line(p)) return false;
  return true;
}

wk_status wk_graph_from_text(wk_graph *graph, const char *text, const wk_graph *with) {
  parser p = {.text = text, .at = text, .with = with, .graph = graph};
  *graph = (wk_graph){0};
  if (!wk_failed() && read_lines(&p) && *p.at) fail(&p, "a bracket that closes nothing", "");
  if (wk_failed()) wk_graph_free(graph);
  return wk_error_status();
}
