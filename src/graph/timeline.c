/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/timeline.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

static void live_at(const wk_plan *plan, wk_life_span *all, const wk_reference *r, size_t step) {
  if (r->buffer < 0 || !plan->in_arena[r->buffer]) return;
  const wk_piece_group *group = wk_pieces_group(&plan->pieces, step);
  const size_t inner = group ? plan->pieces.inner[r->buffer] : 0;
  const size_t size = inner ? inner : plan->graph.buffers[r->buffer].size;
  const size_t first = group && !inner ? group->first : step;
  wk_life_span *span = &all[plan->first_of[r->buffer]];
  if (span->buffer < 0) {
    span->buffer = r->buffer;
    span->first = first;
    span->place = plan->place[r->buffer];
  }
  span->last = group && !inner ? group->last : step;
  if (first < span->first) span->first = first;
  if (size > span->size) span->size = size;
}

static int earlier_first(const void *a, const void *b) {
  const wk_life_span *x = a, *y = b;
  return x->first < y->first ? -1 : x->first > y->first ? 1 : x->buffer - y->buffer;
}

wk_status wk_plan_life_spans(const wk_plan *plan, wk_life_span **spans, size_t *count) {
  const size_t buffers = plan->graph.buffer_count;
  wk_life_span *all = wk_allocate_zeroed(buffers + 1, sizeof *all);
  *spans = NULL, *count = 0;
  if (!all) return wk_error_status();
  for (size_t i = 0; i < buffers; i++) all[i].buffer = -1;
  for (size_t s = 0; s < plan->step_count; s++) {
    const wk_graph_node *node = plan->steps[s].node;
    for (int i = 0; node->op && i < node->op->output_count; i++)
      live_at(plan, all, &node->outputs[i], s);
    for (int i = 0; i < node->input_count; i++) live_at(plan, all, &node->inputs[i], s);
  }
  size_t kept = 0;
  for (size_t i = 0; i < buffers; i++)
    if (all[i].buffer >= 0) all[kept++] = all[i];
  qsort(all, kept, sizeof *all, earlier_first);
  *spans = all, *count = kept;
  return WK_OK;
}
