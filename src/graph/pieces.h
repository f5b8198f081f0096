/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PIECES_H
#define WICK_GRAPH_PIECES_H

/* Groups of nodes that run piece by piece: all of them on the first images of a batch, then all on
 * the next. What is made and read within a group then takes the memory of one piece. The graph says
 * nothing of it; what is cut, and how, follows from the graph alone. */

#include "graph/lives.h"
#include "graph/split.h"

typedef struct wk_piece_group {
  size_t first, last;  /* nodes */
  int64_t units, step; /* into how many units the batch is cut, and how many make a piece */
} wk_piece_group;

typedef struct wk_pieces {
  wk_piece_group *groups;
  size_t count;
  size_t *group;    /* of each node: one more than its group's index, or 0 */
  wk_split *splits; /* of the nodes of groups */
  size_t *inner;    /* of each buffer: bytes of a piece, which alone is there; 0: all of it is */
  size_t least;     /* bytes of a buffer, below which all of it is always there */
  size_t state;     /* bytes that kernels keep between pieces, the most of any group */
} wk_pieces;

/* How far to go. */
typedef struct wk_pieces_limits {
  int64_t most;  /* pieces; below 2: none are made */
  int64_t share; /* what is smaller than the largest buffer divided by this stays whole */
  uint64_t left; /* bit i: group i is left as it is, without pieces */
} wk_pieces_limits;

/* Finds groups, and sets begin, end and bytes of `lives` accordingly. `pieces` is zeroed or of
 * another graph; what it held is freed. */
wk_status wk_pieces_find(wk_pieces *pieces, const wk_graph *graph, wk_life *lives,
                         wk_pieces_limits limits);
void wk_pieces_free(wk_pieces *pieces);

/* The group of the node, or NULL. */
const wk_piece_group *wk_pieces_group(const wk_pieces *pieces, size_t node);

/* Whether node `n` may put its result over operand `i` as far as pieces are concerned. NULL: there
 * are none. */
bool wk_pieces_may_replace(const wk_pieces *pieces, const wk_graph *graph, size_t n, int i);

#endif
