/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_UNDO_H
#define WICK_GRAPH_UNDO_H

/* A call that fails half way leaves everything as it was. Most plans have written nothing by then:
 * what can fail for its values' sake is done before the first parameter changes. Where it is not,
 * what is overwritten is kept until it can fail no more. */

#include "graph/plan.h"

typedef struct wk_undo {
  struct wk_undo_part *parts;
  size_t count, capacity;
} wk_undo;

/* The number of steps of the plan up to the last one that may fail for its values' sake. */
size_t wk_plan_count_fallible(const wk_plan *plan);

/* Keeps what the step's node writes in memory older than the call; its outputs follow its inputs in
 * `operands`. */
wk_status wk_undo_keep(wk_undo *undo, const wk_graph *graph, const wk_graph_node *node,
                       const wk_operand *operands);

/* Lets go of what is kept, having put it back where `failed`. */
void wk_undo_end(wk_undo *undo, bool failed);

#endif
