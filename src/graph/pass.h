/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PASS_H
#define WICK_GRAPH_PASS_H

/* Changes of graphs that change no result. Each takes a verified graph and leaves one; where
 * WICK_DEBUG=graph asks for it, and in debug builds, that is looked at after each. */

#include "graph/graph.h"

typedef struct wk_pass {
  const char *name;
  const char *doc;
  wk_status (*run)(wk_graph *graph, int64_t *changes); /* adds to *changes what it changed */
} wk_pass;

extern const wk_pass wk_pass_table[]; /* in the order in which they run */
extern const int wk_pass_count;

/* Runs all. */
wk_status wk_passes_run(wk_graph *graph);

/* ---- what several passes do ---- */

/* Drops the nodes so marked. */
void wk_graph_remove(wk_graph *graph, const bool *marked);

/* Whether the node does more than make its outputs: writes, or runs on the host. */
bool wk_node_has_effect(const wk_graph_node *node);

/* The passes, a file each in passes/. */
wk_status wk_pass_dead_code(wk_graph *graph, int64_t *changes);
wk_status wk_pass_common_nodes(wk_graph *graph, int64_t *changes);

#endif
