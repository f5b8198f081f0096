/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_DESTINATION_H
#define WICK_GRAPH_DESTINATION_H

#include "graph/graph.h"

/* Results that are only copied into older memory are made there. A step of plans, not a pass: in
 * the graph that comes of it nodes make parts of cells. */
wk_status wk_graph_make_in_destinations(wk_graph *graph);

#endif
