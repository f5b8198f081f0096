/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_plan.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "tensor/tensor.h"

wk_status wk_plan_view_create(wk_plan_view *view, const wk_plan *plan,
                              const wk_parameters *parameters) {
  *view = (wk_plan_view){.plan = plan, .parameters = parameters};
  if (wk_plan_life_spans(plan, &view->spans, &view->span_count) != WK_OK) return wk_error_status();
  view->live = wk_allocate_zeroed(plan->step_count + 1, sizeof *view->live);
  if (!view->live) return wk_error_status();
  for (size_t i = 0; i < view->span_count; i++)
    for (size_t s = view->spans[i].first; s <= view->spans[i].last; s++)
      view->live[s] += view->spans[i].size;
  for (size_t s = 0; s < plan->step_count; s++)
    if (view->live[s] > view->live[view->peak]) view->peak = s;
  return WK_OK;
}

void wk_plan_view_free(wk_plan_view *view) {
  wk_deallocate(view->spans);
  wk_deallocate(view->live);
  *view = (wk_plan_view){0};
}

/* ---- lines ---- */

static bool lies_there(const wk_plan_view *view, const wk_reference *r, const wk_tensor *tensor) {
  return tensor && tensor->root->storage == view->plan->graph.buffers[r->buffer].storage &&
         tensor->root->offset == r->start &&
         wk_layout_count(&tensor->layout) == wk_layout_count(&r->layout);
}

/* "$7.weight" or "$7.weight.gradient", if that is what lies there; returns 0 if not. */
static size_t print_parameter(const wk_plan_view *view, const wk_reference *r, char *buffer,
                              size_t size, size_t used) {
  for (size_t i = 0; i < wk_parameters_count(view->parameters); i++) {
    const wk_tensor *p = wk_parameters_get(view->parameters, i);
    if (lies_there(view, r, p)) return wk_print_into(buffer, size, used, "$%s", wk_tensor_name(p));
    if (lies_there(view, r, p->leaf ? p->leaf->gradient : NULL))
      return wk_print_into(buffer, size, used, "$%s.gradient", wk_tensor_name(p));
  }
  return 0;
}

/* Inputs, memory older than the function, and what it makes. */
static size_t print_name(const wk_plan_view *view, const wk_reference *r, char *buffer, size_t size,
                         size_t used) {
  const wk_graph *g = &view->plan->graph;
  if (r->buffer < 0) return wk_print_into(buffer, size, used, "none");
  if (g->buffers[r->buffer].kind == WK_BUFFER_CELL) {
    const size_t named = print_parameter(view, r, buffer, size, used);
    if (named) return named;
  }
  static const char sigils[] = {
      [WK_BUFFER_INPUT] = '@', [WK_BUFFER_CELL] = '$', [WK_BUFFER_LOCAL] = '%'};
  used = wk_print_into(buffer, size, used, "%c%d", sigils[g->buffers[r->buffer].kind], r->buffer);
  return r->start ? wk_print_into(buffer, size, used, "+%zu", r->start) : used;
}

size_t wk_plan_step_text(const wk_plan_view *view, size_t step, char *buffer, size_t size) {
  const wk_graph_node *node = view->plan->steps[step].node;
  size_t used = 0;
  for (int i = 0; node->op && i < node->op->output_count; i++) {
    char shape[128];
    wk_layout_describe(&node->outputs[i].layout, shape, sizeof shape);
    used = print_name(view, &node->outputs[i], buffer, size, used);
    used = wk_print_into(buffer, size, used,
                         i + 1 < node->op->output_count ? " %s, " : " %s = ", shape);
  }
  used = wk_print_into(buffer, size, used, "%s(", node->op ? node->op->name : "host");
  for (int i = 0; i < node->input_count; i++) {
    if (i) used = wk_print_into(buffer, size, used, ", ");
    used = print_name(view, &node->inputs[i], buffer, size, used);
  }
  return wk_print_into(buffer, size, used, ")");
}

/* ---- a picture ---- */

enum { ROW = 14, ARCS = 160, TEXT = 560, MAP = 420, HEAD = 60, MARGIN = 12, LETTERS = 80 };

static void write_escaped(const char *text, FILE *file) {
  for (; *text; text++) {
    if (*text == '<')
      fputs("&lt;", file);
    else if (*text == '&')
      fputs("&amp;", file);
    else
      fputc(*text, file);
  }
}

static int row_of(size_t step) { return HEAD + (int)step * ROW + ROW / 2; }

static const char *colour_of(const wk_graph_node *node) {
  static const char *const colours[] = {
      [WK_CLASS_POINTWISE] = "#8ecae6", [WK_CLASS_REDUCTION] = "#b5e48c",
      [WK_CLASS_VIEW] = "#ddd",         [WK_CLASS_MATRIX] = "#f4a261",
      [WK_CLASS_WINDOW] = "#e9c46a",    [WK_CLASS_MOVE] = "#ccc",
      [WK_CLASS_CREATION] = "#eee",     [WK_CLASS_RANDOM] = "#cdb4db",
      [WK_CLASS_UPDATE] = "#e5989b",    [WK_CLASS_ROW] = "#a8dadc"};
  return node->op ? colours[node->op->class] : "#fff";
}

/* An arc to each operand that an earlier step made. `maker` says which, of each buffer. */
static void write_arcs(const wk_plan *plan, const size_t *maker, size_t step, FILE *file) {
  const wk_graph_node *node = plan->steps[step].node;
  for (int i = 0; i < node->input_count; i++) {
    const int b = node->inputs[i].buffer;
    if (b < 0 || !maker[b] || maker[b] - 1 >= step) continue;
    const size_t from = maker[b] - 1;
    const double far = (double)(step - from), width = (ARCS - 10) * far / (far + 20);
    fprintf(file, "<path d=\"M%d %d C%.0f %d %.0f %d %d %d\"/>\n", ARCS, row_of(from),
            ARCS - width - 6, row_of(from), ARCS - width - 6, row_of(step), ARCS, row_of(step));
  }
}

static wk_status write_graph(const wk_plan_view *view, FILE *file) {
  const wk_plan *plan = view->plan;
  size_t *maker = wk_allocate_zeroed(plan->graph.buffer_count + 1, sizeof *maker);
  if (!maker) return wk_error_status();
  fprintf(file, "<g fill=\"none\" stroke=\"#999\" stroke-width=\"0.7\">\n");
  for (size_t s = 0; s < plan->step_count; s++) {
    const wk_graph_node *node = plan->steps[s].node;
    write_arcs(plan, maker, s, file);
    for (int i = 0; node->op && i < node->op->output_count; i++)
      maker[node->outputs[i].buffer] = s + 1;
  }
  fprintf(file, "</g>\n");
  wk_deallocate(maker);
  for (size_t s = 0; s < plan->step_count; s++) {
    const wk_graph_node *node = plan->steps[s].node;
    char text[512];
    wk_plan_step_text(view, s, text, sizeof text);
    fprintf(file, "<rect x=\"%d\" y=\"%d\" width=\"8\" height=\"%d\" fill=\"%s\" stroke=\"#555\"/>",
            ARCS - 2, row_of(s) - 4, 8, colour_of(node));
    fprintf(file, "<text x=\"%d\" y=\"%d\">", ARCS + 12, row_of(s) + 4);
    if (strlen(text) > LETTERS) memcpy(text + LETTERS - 3, "...", 4);
    write_escaped(text, file);
    fprintf(file, "<title>%s%s</title></text>\n", node->module_path ? "at " : "",
            node->module_path ? node->module_path : "");
  }
  return WK_OK;
}

static void write_map(const wk_plan_view *view, FILE *file) {
  const wk_plan *plan = view->plan;
  const double scale = plan->arena_size ? (double)MAP / (double)plan->arena_size : 0;
  const int left = ARCS + TEXT;
  for (size_t i = 0; i < view->span_count; i++) {
    const wk_life_span *span = &view->spans[i];
    char bytes[32];
    wk_format_bytes(bytes, sizeof bytes, span->size);
    fprintf(file,
            "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\" stroke=\"#555\" "
            "stroke-width=\"0.3\"><title>%%%d, %s, steps %zu to %zu</title></rect>\n",
            left + scale * (double)span->place, row_of(span->first) - ROW / 2,
            scale * (double)span->size, (int)(span->last - span->first + 1) * ROW,
            colour_of(plan->steps[span->first].node), span->buffer, bytes, span->first + 1,
            span->last + 1);
  }
  fprintf(file, "<polyline fill=\"none\" stroke=\"#c1121f\" points=\"");
  for (size_t s = 0; s < plan->step_count; s++)
    fprintf(file, "%.2f,%d ", left + scale * (double)view->live[s], row_of(s));
  fprintf(file,
          "\"/>\n<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
          "stroke=\"#555\"/>\n",
          left, HEAD, MAP, (int)plan->step_count * ROW);
}

wk_status wk_plan_view_write_svg(const wk_plan_view *view, const char *title, FILE *file) {
  const int width = ARCS + TEXT + MAP + MARGIN, height = row_of(view->plan->step_count) + MARGIN;
  char arena[32];
  wk_format_bytes(arena, sizeof arena, view->plan->arena_size);
  fprintf(file,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
          "font-family=\"monospace\" font-size=\"11\">\n"
          "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n<text x=\"%d\" y=\"22\" "
          "font-size=\"15\">",
          width, height, width, height, MARGIN);
  write_escaped(title, file);
  fprintf(file,
          "</text>\n<text x=\"%d\" y=\"44\">steps, and what each reads of earlier ones</text>\n"
          "<text x=\"%d\" y=\"44\">the arena of %s; red: bytes in use"
          "</text>\n",
          MARGIN, ARCS + TEXT, arena);
  const wk_status status = write_graph(view, file);
  write_map(view, file);
  fprintf(file, "</svg>\n");
  return status;
}
