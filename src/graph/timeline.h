/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_TIMELINE_H
#define WICK_GRAPH_TIMELINE_H

/* What a plan keeps in its arena, step by step, for those who look at plans. */

#include <wick/graph.h>

#include "graph/plan.h"

/* A place in the arena, from the step that makes what is there to the last that reads it. Results
 * in place of operands are one life. */
typedef struct wk_life_span {
  int buffer; /* the first that is there */
  size_t first, last;
  size_t place, size; /* bytes */
} wk_life_span;

/* *spans is an array of *count, freed with wk_deallocate, in the order of the first steps. */
wk_status wk_plan_life_spans(const wk_plan *plan, wk_life_span **spans, size_t *count);

/* The plan that would serve a call with these inputs, which are row-major; made if there is none
 * yet. Nothing is run. NULL on failure; borrowed until the next call. */
const wk_plan *wk_function_plan(wk_function *function, wk_tensors inputs);

#endif
