/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PASS_H
#define WICK_GRAPH_PASS_H

/* Changes of graphs that change no result. Each takes a verified graph, of which it asks nothing
 * more, so that passes run alone and in any order, and leaves one in which it finds nothing more to
 * change: `after` holds. Where WICK_DEBUG=graph asks for it, and in debug builds, both are looked
 * at after each. */

#include "graph/graph.h"

typedef struct wk_pass {
  const char *name;
  const char *doc;
  const char *after; /* what is so then */
  bool approximate;  /* results may differ in their last bits: runs only where it is named */
  wk_status (*run)(wk_graph *graph, int64_t *changes); /* adds to *changes what it changed */
} wk_pass;

extern const wk_pass wk_pass_table[]; /* in the order in which they run */
extern const int wk_pass_count;

/* Runs all that are exact, or what WICK_PASSES lists. */
wk_status wk_passes_run(wk_graph *graph);

/* Runs those of a comma-separated list, in its order; "none" is no pass. */
wk_status wk_passes_run_named(wk_graph *graph, const char *names);

/* ---- what several passes do ---- */

/* Drops the nodes so marked. */
void wk_graph_remove(wk_graph *graph, const bool *marked);

/* Whether the node does more than make its outputs: writes, or runs on the host. */
bool wk_node_has_effect(const wk_graph_node *node);

/* Whether the node makes the same of the same operands whenever it runs, and what it makes is not
 * written later. */
bool wk_node_is_pure(const wk_graph *graph, const wk_graph_node *node);

/* Whether the reference is of its whole buffer, row by row. */
bool wk_reference_is_whole(const wk_graph *graph, const wk_reference *reference);

/* Whether the buffer holds the same at every call: nobody but the graph has it, nor writes it. */
bool wk_buffer_is_constant(const wk_buffer *buffer);

/* Has what reads `made`, a whole buffer, read `equal` instead, which is row-major and holds the
 * same; false if that cannot be: it is written later, or a result. */
bool wk_graph_replace(wk_graph *graph, const wk_reference *made, const wk_reference *equal);

/* The passes, a file each in passes/. */
wk_status wk_pass_batch_norm(wk_graph *graph, int64_t *changes);
wk_status wk_pass_constants(wk_graph *graph, int64_t *changes);
wk_status wk_pass_algebra(wk_graph *graph, int64_t *changes);
wk_status wk_pass_copies(wk_graph *graph, int64_t *changes);
wk_status wk_pass_common_nodes(wk_graph *graph, int64_t *changes);
wk_status wk_pass_epilogues(wk_graph *graph, int64_t *changes);
wk_status wk_pass_pooling(wk_graph *graph, int64_t *changes);
wk_status wk_pass_dead_code(wk_graph *graph, int64_t *changes);

#endif
