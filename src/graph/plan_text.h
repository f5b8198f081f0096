/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PLAN_TEXT_H
#define WICK_GRAPH_PLAN_TEXT_H

/* Plans as text, as wk_plan_save (format/plan_file.c) puts them into files:
 *   wick plan 1
 *   arena 4096 again 0              bytes, and steps that compute once more what was given up
 *   input f32 64 128                dtype and sizes of each input
 *   kernel cpu:matmul               of each node
 *   place 0 2                       of each buffer: its byte in the arena, and the buffer in whose
 *                                   place it is, or itself; those that are not there: 0
 *   graph
 * and then the graph's own text (graph.h), up to the end. Memory is not in it. */

#include "graph/plan.h"

/* Raises WK_ERROR_UNSUPPORTED, naming the step, for what no text can say: steps on the host,
 * arguments that they fill in, loops, generators that are not the thread's own. */
wk_status wk_plan_to_text(const wk_plan *plan, size_t input_count, const wk_layout *inputs,
                          wk_text *text);

/* The plan of such a text, which may come from anywhere; cells have no memory yet. *inputs, of
 * *input_count, are freed with wk_deallocate. Raises WK_ERROR_FORMAT, naming the line, or
 * WK_ERROR_STATE, naming the node, unless the graph is right, every buffer of its own lies in the
 * arena, no two lie in one place at the same time but as planning allows it, and each kernel is the
 * one that would be chosen here (otherwise WK_ERROR_UNSUPPORTED, with both names). */
wk_status wk_plan_from_text(wk_plan *plan, const char *text, size_t *input_count,
                            wk_layout **inputs);

#endif
