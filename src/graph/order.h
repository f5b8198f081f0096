/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_ORDER_H
#define WICK_GRAPH_ORDER_H

#include "graph/graph.h"

/* An order of the nodes in which less is alive, as far as a greedy choice finds it: of those whose
 * operands are there, the one that adds least comes next, the first in the trace among equals. What
 * reads or writes what another one writes, and what keeps the order of the trace, stays on its side
 * of it; nodes that are joined stay together. order[i]: which node comes i-th. */
wk_status wk_graph_find_order(const wk_graph *graph, size_t *order);

/* Puts the nodes into it; with `back`, out of it again. */
wk_status wk_graph_reorder(wk_graph *graph, const size_t *order, bool back);

#endif
