/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_COST_H
#define WICK_GRAPH_COST_H

/* What steps of plans do, for those who look at them. */

#include "graph/plan.h"

typedef struct wk_cost {
  double operations; /* floating-point ones; 0 where there is no count */
  double bytes;      /* of operands and results */
} wk_cost;

/* A loop's is that of one trip. */
wk_cost wk_node_cost(const wk_graph_node *node);

/* The name of what runs the step. */
const char *wk_step_kernel(const wk_plan_step *step);

/* Why the step copies an operand, or does not put its result in the place of one; as snprintf, ""
 * where there is nothing to explain. */
size_t wk_step_explain(const wk_plan *plan, size_t step, char *buffer, size_t size);

/* Bytes that the plan's loops take while they run, beside its arena: what their regions make, the
 * most of any one; not the states kept for gradients, whose number only values tell. */
size_t wk_plan_loop_bytes(const wk_plan *plan);

/* Bytes that a kernel takes while it runs, the most of any of the plan's steps. */
size_t wk_plan_scratch_bytes(const wk_plan *plan);

#endif
