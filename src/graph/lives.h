/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_LIVES_H
#define WICK_GRAPH_LIVES_H

/* Of each buffer of a graph: who makes it, who reads it, and from when to when its memory is
 * taken. */

#include "graph/graph.h"

#define WK_NO_NODE SIZE_MAX

typedef struct wk_life {
  size_t maker;         /* the node that has it as an output, or WK_NO_NODE */
  size_t first, last;   /* nodes that have it as an operand; first WK_NO_NODE: none has */
  size_t reader, count; /* the last node that reads it, and how many readings there are, */
  int operand;          /* the last one being of this operand */
  size_t written;       /* the first node that writes over some of it, or WK_NO_NODE */
  bool result;          /* of the function */
  size_t size;          /* bytes in the arena, whole lines of the cache; 0: it is not there */
  size_t begin, end;    /* nodes from and to which its memory is taken: first and last, or more, */
  size_t bytes;         /* and how much: size, or that of a piece (pieces.h) */
} wk_life;

/* Fills in those of all the graph's buffers. */
void wk_lives_fill(const wk_graph *graph, wk_life *lives);

/* The same in a new table, which the caller frees. NULL without memory. */
wk_life *wk_lives_create(const wk_graph *graph);

#endif
