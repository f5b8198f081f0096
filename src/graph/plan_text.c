/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/joined.h"
#include "graph/place.h"
#include "graph/undo.h"

#define HEAD "wick plan 1"
#define ALIGNMENT 64

/* ---- writing ---- */

static wk_status check_node(const wk_graph *g, size_t n) {
  const wk_graph_node *node = &g->nodes[n];
  const char *what = NULL;
  if (node->control)
    what = "is a loop";
  else if (!node->op || node->late.run)
    what = "is decided on the host at each call";
  else if (node->draw != WK_NO_DRAW && g->draws[node->draw].generator)
    what = "draws from a generator of its own";
  if (!what) return WK_OK;
  wk_fail(WK_ERROR_UNSUPPORTED, "step %zu (%s) %s, which a saved plan cannot say", n + 1,
          node->op ? node->op->name : "host", what);
  wk_error_add_hint("predictions can be saved; for training, save the network and compile again");
  return WK_ERROR_UNSUPPORTED;
}

wk_status wk_plan_to_text(const wk_plan *plan, size_t input_count, const wk_layout *inputs,
                          wk_text *text) {
  const wk_graph *g = &plan->graph;
  wk_status status = WK_OK;
  for (size_t n = 0; n < g->node_count && status == WK_OK; n++) status = check_node(g, n);
  if (status != WK_OK) return status;
  wk_text_append(text, HEAD "\narena %zu again %zu\n", plan->arena_size, plan->again_count);
  if (plan->pieces.count)
    wk_text_append(text, "pieces %lld %lld %lld\n", (long long)plan->cut.most,
                   (long long)plan->cut.share, (long long)plan->cut.left);
  for (size_t i = 0; i < input_count; i++) {
    wk_text_append(text, "input %s", wk_dtype_name(inputs[i].dtype));
    for (int k = 0; k < inputs[i].rank; k++)
      wk_text_append(text, " %lld", (long long)inputs[i].dims[k]);
    wk_text_append(text, "\n");
  }
  for (size_t n = 0; n < g->node_count; n++)
    wk_text_append(text, "kernel %s\n", plan->steps[n].kernel->name);
  for (size_t b = 0; b < g->buffer_count; b++)
    wk_text_append(text, "place %zu %d\n", plan->in_arena[b] ? plan->place[b] : 0,
                   plan->first_of[b]);
  wk_text_append(text, "graph\n");
  return wk_graph_to_text(g, text);
}

/* ---- reading lines ---- */

typedef struct reader {
  const char *at;
  int line;
} reader;

static bool fail(const reader *r, const char *what) {
  wk_fail(WK_ERROR_FORMAT, "line %d of the plan: %s", r->line, what);
  return false;
}

/* The next word of the line. */
static bool read_word(reader *r, char *word, size_t size) {
  while (*r->at == ' ') r->at++;
  const size_t length = strcspn(r->at, " \n");
  if (!length || length >= size) return fail(r, "expected a word");
  memcpy(word, r->at, length);
  word[length] = '\0';
  r->at += length;
  return true;
}

static bool accept(reader *r, const char *word) {
  const size_t length = strlen(word);
  if (strncmp(r->at, word, length) != 0 || !strchr(" \n", r->at[length])) return false;
  r->at += length;
  return true;
}

static bool read_number(reader *r, int64_t *number) {
  char word[24];
  return read_word(r, word, sizeof word) &&
         ((wk_parse_integer(word, number) && *number >= 0) || fail(r, "expected a number"));
}

static bool end_line(reader *r) {
  if (*r->at != '\n') return fail(r, "expected the end of the line");
  r->at++, r->line++;
  return true;
}

static bool read_input(reader *r, wk_layout *input) {
  char name[16];
  wk_shape shape = {.rank = 0};
  wk_dtype dtype = WK_F32;
  if (!read_word(r, name, sizeof name)) return false;
  while (wk_dtype_size(dtype) && strcmp(wk_dtype_name(dtype), name) != 0) dtype++;
  if (!wk_dtype_size(dtype)) return fail(r, "there is no such dtype");
  while (*r->at == ' ' && shape.rank < WK_MAX_RANK)
    if (!read_number(r, &shape.dims[shape.rank++])) return false;
  return end_line(r) && wk_layout_contiguous(input, dtype, &shape);
}

static bool read_inputs(reader *r, size_t *count, wk_layout **inputs) {
  size_t capacity = 0;
  while (accept(r, "input")) {
    if (!wk_grow(inputs, &capacity, *count, sizeof **inputs)) return false;
    if (!read_input(r, &(*inputs)[(*count)++])) return false;
  }
  return true;
}

/* Skips lines that begin with the word; returns how many. */
static size_t skip_lines(reader *r, const char *word) {
  size_t count = 0;
  for (; accept(r, word); count++, r->line++) {
    r->at += strcspn(r->at, "\n");
    r->at += *r->at == '\n';
  }
  return count;
}

/* ---- what must be so ---- */

static wk_status check_buffers(wk_plan *plan, size_t input_count, const wk_layout *inputs) {
  const wk_graph *g = &plan->graph;
  for (size_t b = 0; b < g->buffer_count; b++) {
    const wk_buffer *buffer = &g->buffers[b];
    if (buffer->device != g->buffers[0].device)
      return wk_fail(WK_ERROR_FORMAT, "buffers of the plan are on two devices");
    if (buffer->kind != WK_BUFFER_INPUT) continue;
    const size_t i = (size_t)buffer->input;
    if (i >= input_count ||
        buffer->size != (size_t)wk_layout_count(&inputs[i]) * wk_dtype_size(inputs[i].dtype))
      return wk_fail(WK_ERROR_FORMAT, "buffer %zu of the plan is no input of that size", b);
  }
  return g->result_count ? WK_OK : wk_fail(WK_ERROR_FORMAT, "the plan has no result");
}

/* What lies in the arena in one place: a buffer, and those made over it one after the other. */
typedef struct placed {
  size_t begin, end, first, last;
  int buffer;
} placed;

static int lower_first(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->buffer - y->buffer;
}

/* Whether planning would make the buffer over another one that is in the same place. */
static bool is_in_place(const wk_plan *plan, const wk_life *lives, size_t b) {
  const wk_graph *g = &plan->graph;
  const size_t n = lives[b].maker;
  const int i = n < g->node_count ? wk_graph_operand_in_place(g, lives, &plan->pieces, n) : -1;
  return i >= 0 && plan->first_of[g->nodes[n].inputs[i].buffer] == plan->first_of[b];
}

static wk_status check_apart(placed *all, size_t count) {
  qsort(all, count, sizeof *all, lower_first);
  for (size_t i = 0; i < count; i++)
    for (size_t k = i + 1; k < count && all[k].begin < all[i].end; k++)
      if (all[k].first <= all[i].last && all[i].first <= all[k].last)
        return wk_fail(WK_ERROR_FORMAT,
                       "buffers %d and %d of the plan are in one place at the same time",
                       all[i].buffer, all[k].buffer);
  return WK_OK;
}

/* Whether the buffer is where it may be; enters it in `all`, a table by buffer. */
static bool check_place(wk_plan *plan, const wk_life *lives, size_t b, placed *all) {
  const wk_graph *g = &plan->graph;
  const wk_life *l = &lives[b];
  const size_t first = (size_t)plan->first_of[b], place = plan->place[b];
  size_t end;
  plan->in_arena[b] = l->size > 0;
  if (!l->size || l->first == WK_NO_NODE) return !place && first == b;
  if (place % ALIGNMENT || !wk_add_size(place, l->bytes, &end) || end > plan->arena_size)
    return false;
  plan->total_size += l->size;
  plan->in_place_count += first != b;
  const bool right = first == b || (plan->first_of[first] == (int)first && lives[first].size &&
                                    plan->place[first] == place && is_in_place(plan, lives, b));
  placed *at = &all[first];
  const size_t from = wk_joined_head(g, l->begin), to = wk_joined_last(g, l->end);
  if (!at->end || from < at->first) at->first = from;
  if (to > at->last) at->last = to;
  if (end > at->end) at->end = end;
  at->begin = place, at->buffer = (int)b;
  return right;
}

static wk_status check_places(wk_plan *plan) {
  const size_t buffers = plan->graph.buffer_count;
  wk_life *lives = wk_lives_create(&plan->graph);
  placed *all = wk_allocate_zeroed(buffers + 1, sizeof *all);
  size_t count = 0, end = 0;
  wk_status status = lives && all ? wk_pieces_find(&plan->pieces, &plan->graph, lives, plan->cut)
                                  : wk_error_status();
  for (size_t b = 0; b < buffers && status == WK_OK; b++)
    if (!check_place(plan, lives, b, all))
      status = wk_fail(WK_ERROR_FORMAT, "buffer %zu of the plan is in no place for it", b);
  for (size_t b = 0; b < buffers && status == WK_OK; b++) {
    if (all[b].end > end) end = all[b].end;
    if (all[b].end) all[count++] = all[b];
  }
  if (status == WK_OK && end + plan->pieces.state != plan->arena_size)
    status = wk_fail(WK_ERROR_FORMAT, "the plan's arena is larger than what is in it");
  if (status == WK_OK) status = check_apart(all, count);
  wk_deallocate(lives);
  wk_deallocate(all);
  return status;
}

/* ---- the plan ---- */

static bool read_places(reader *r, wk_plan *plan) {
  const size_t count = plan->graph.buffer_count;
  plan->place = wk_allocate_zeroed(count + 1, sizeof *plan->place);
  plan->in_arena = wk_allocate_zeroed(count + 1, sizeof *plan->in_arena);
  plan->first_of = wk_allocate_zeroed(count + 1, sizeof *plan->first_of);
  if (!plan->place || !plan->in_arena || !plan->first_of) return false;
  for (size_t b = 0; b < count; b++) {
    int64_t place, first;
    if (!accept(r, "place")) return fail(r, "expected a place");
    if (!read_number(r, &place) || !read_number(r, &first) || !end_line(r)) return false;
    if (first >= (int64_t)count) return fail(r, "there is no such buffer");
    plan->place[b] = (size_t)place, plan->first_of[b] = (int)first;
  }
  return true;
}

static wk_status check_kernel(const wk_kernel *kernel, const char *name,
                              const wk_graph_node *node) {
  if (strcmp(kernel->name, name) != 0) {
    wk_fail(WK_ERROR_UNSUPPORTED, "the plan runs %s by %s, but here that is %s", node->op->name,
            name, kernel->name);
    wk_error_add_hint("it was made on another machine, or with other settings; compile again");
    return WK_ERROR_UNSUPPORTED;
  }
  for (int i = 0; i < node->input_count && !(kernel->habits & WK_TAKES_STRIDES); i++)
    if (node->inputs[i].buffer >= 0 && !wk_layout_is_contiguous(&node->inputs[i].layout))
      return wk_fail(WK_ERROR_FORMAT, "operand %d of %s is not row-major in the plan", i,
                     node->op->name);
  return WK_OK;
}

static bool read_kernels(reader *r, wk_plan *plan) {
  const wk_graph *g = &plan->graph;
  for (size_t n = 0; n < g->node_count; n++) {
    char name[128];
    const wk_graph_node *node = &g->nodes[n];
    if (!node->op || node->late.run) return fail(r, "a step on the host");
    if (!accept(r, "kernel")) return fail(r, "expected a kernel");
    if (!read_word(r, name, sizeof name) || !end_line(r)) return false;
    if (wk_plan_add_step(plan, node) != WK_OK ||
        check_kernel(plan->steps[n].kernel, name, node) != WK_OK)
      return false;
  }
  return true;
}

/* Kernels and places stand in front of the graph that they are of, and are read after it. */
static bool read_plan(reader *r, wk_plan *plan, size_t *input_count, wk_layout **inputs) {
  int64_t arena, again;
  if (!accept(r, HEAD)) return fail(r, "expected " HEAD);
  if (!end_line(r)) return false;
  if (!accept(r, "arena")) return fail(r, "expected the arena");
  if (!read_number(r, &arena) || !accept(r, " again") || !read_number(r, &again) || !end_line(r))
    return !wk_failed() ? fail(r, "expected again") : false;
  plan->arena_size = (size_t)arena, plan->again_count = (size_t)again;
  int64_t left = 0;
  if (accept(r, "pieces") &&
      (!read_number(r, &plan->cut.most) || !read_number(r, &plan->cut.share) ||
       !read_number(r, &left) || !end_line(r)))
    return false;
  plan->cut.left = (uint64_t)left;
  if (plan->cut.most && !plan->cut.share) return fail(r, "pieces of nothing");
  if (!read_inputs(r, input_count, inputs)) return false;
  reader kernels = *r;
  const size_t kernel_count = skip_lines(r, "kernel");
  reader places = *r;
  const size_t place_count = skip_lines(r, "place");
  if (!accept(r, "graph")) return fail(r, "expected the graph");
  wk_graph *g = &plan->graph;
  if (!end_line(r) || wk_graph_from_text(g, r->at, NULL) != WK_OK) return false;
  for (size_t i = 0; i < g->draw_count; i++) g->draws[i].generator = NULL;
  if (kernel_count != g->node_count || place_count != g->buffer_count)
    return fail(r, "not one kernel for each node and one place for each buffer");
  if (wk_graph_verify_planned(g) != WK_OK || check_buffers(plan, *input_count, *inputs) != WK_OK ||
      !read_places(&places, plan) || check_places(plan) != WK_OK || !read_kernels(&kernels, plan))
    return false;
  for (size_t n = 0; n < g->node_count; n++) /* results made in cells write them, too */
    for (int i = 0; i < g->nodes[n].op->output_count; i++)
      g->buffers[g->nodes[n].outputs[i].buffer].version +=
          g->buffers[g->nodes[n].outputs[i].buffer].kind == WK_BUFFER_CELL;
  plan->device = g->buffers[0].device;
  plan->fallible = wk_plan_count_fallible(plan);
  return !wk_failed();
}

wk_status wk_plan_from_text(wk_plan *plan, const char *text, size_t *input_count,
                            wk_layout **inputs) {
  *plan = (wk_plan){0};
  *input_count = 0, *inputs = NULL;
  if (wk_failed() || read_plan(&(reader){text, 1}, plan, input_count, inputs))
    return wk_error_status();
  wk_plan_free(plan);
  wk_deallocate(*inputs);
  *inputs = NULL, *input_count = 0;
  return wk_error_status();
}
