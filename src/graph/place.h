/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PLACE_H
#define WICK_GRAPH_PLACE_H

#include "graph/lives.h"
#include "graph/pieces.h"
#include "graph/plan.h"

/* Finds pieces, and places in one arena for the buffers of the plan's graph: sets pieces, place,
 * in_arena, first_of, in_place_count, arena_size and total_size, whatever they were. */
wk_status wk_plan_place(wk_plan *plan);

/* The operand over which node `n` may put its result, or -1. `lives` are of its graph, or of what
 * goes on in their places. `pieces`: of the graph, or NULL. */
int wk_graph_operand_in_place(const wk_graph *graph, const wk_life *lives, const wk_pieces *pieces,
                              size_t n);

/* Makes results live where operands do: both then share a place, and the begin and end of the first
 * one's life take in the other's. first_of[b]: which one buffer b follows in the end, or b. Returns
 * how many results come in place. */
int wk_graph_join_in_place(const wk_graph *graph, wk_life *lives, const wk_pieces *pieces,
                           int *first_of);

#endif
