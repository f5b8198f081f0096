/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_WATCH_H
#define WICK_GRAPH_WATCH_H

/* Verify mode: a call runs from its plan and then, from the same memory, fields and random numbers,
 * eagerly, and the first op whose values differ is named. What both make is compared buffer by
 * buffer: passes may leave nodes out, join and move them, as long as what a buffer holds is kept.
 */

#include "graph/capture.h"
#include "graph/plan.h"

/* Some values that an op of the trace makes or writes. */
typedef struct wk_watched {
  const wk_op *op;
  wk_place here;
  const char *module_path;
  size_t call; /* of the function's kernels, which one */
  int buffer;
  size_t start;
  bool written, last; /* last: nothing later writes the same place */
  bool late;          /* the op may be left out */
  bool planned, met;  /* by the plan, by eager mode: with these hashes */
  uint64_t planned_hash, met_hash;
} wk_watched;

typedef struct wk_watch {
  wk_watched *items;
  size_t count, capacity;
  size_t calls;  /* kernels of the trace */
  size_t *slots; /* open addressing by buffer and start: item + 1, or 0 */
  size_t slot_count;
} wk_watch;

/* Of the graph as it was traced. */
wk_status wk_watch_create(wk_watch *watch, const wk_graph *traced);
void wk_watch_free(wk_watch *watch);

/* The plan has run the node. */
void wk_watch_step(wk_watch *watch, const wk_graph_node *node, const wk_operand *inputs,
                   const wk_operand *outputs);

/* A call both ways. Leaves what the plan leaves, or, where the two differ, all as it was, with
 * WK_ERROR_STATE. */
wk_status wk_watch_call(wk_watch *watch, const wk_plan *plan, wk_plan_context *context,
                        wk_field_journal *fields, const wk_body *body, wk_tensors inputs,
                        wk_tensor **results);

#endif
