/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_SPECIALISE_H
#define WICK_GRAPH_SPECIALISE_H

/* A graph for inputs of other sizes, where there is no function to trace again. */

#include "graph/graph.h"

/* Makes `made` from `graph` with input i as layouts[i] says (row-major): each node's shape rule is
 * asked again, and the result is verified. What is written in the graph as numbers stays as it is:
 * sizes among settings, and views, which are strides by now; so a buffer whose sizes change has to
 * be read whole, row by row. Raises WK_ERROR_UNSUPPORTED, naming the node, where it is not, and
 * WK_ERROR_STATE where the new sizes do not fit together. Then `made` is empty. */
wk_status wk_graph_specialise(wk_graph *made, const wk_graph *graph, size_t count,
                              const wk_layout *layouts);

/* Asks the shape rule of node `n` what it makes of its operands as they are: verify.c. */
wk_status wk_graph_infer(const wk_graph *graph, size_t n, wk_layout *outputs);

#endif
