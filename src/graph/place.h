/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PLACE_H
#define WICK_GRAPH_PLACE_H

#include "graph/lives.h"
#include "graph/plan.h"

/* Finds places in one arena for the buffers of the plan's graph: sets place, in_arena, first_of,
 * in_place_count, arena_size and total_size, whatever they were. */
wk_status wk_plan_place(wk_plan *plan);

/* The operand over which node `n` may put its result, or -1. `lives` are of its graph, or of what
 * goes on in their places. */
int wk_graph_operand_in_place(const wk_graph *graph, const wk_life *lives, size_t n);

#endif
