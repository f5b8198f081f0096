/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_SPLIT_H
#define WICK_GRAPH_SPLIT_H

/* Which nodes may run on some of the batch at a time, and how that leaves the same bits: what they
 * make of a row or an image is the same whatever others are with it, or it is a sum, which their
 * kernel adds part by part (ops/kernel.h). */

#include "graph/graph.h"

typedef struct wk_split {
  int64_t units; /* into so many equal parts it may be cut */
  int8_t inputs[WK_MAX_INPUTS], outputs[WK_MAX_OUTPUTS]; /* along which axis each is; -1: not */
  bool sums;                                             /* its output is a sum over them */
  size_t state;  /* bytes that its kernel keeps between parts */
  int64_t draws; /* random numbers of all parts, in order */
} wk_split;

/* False: it cannot be cut. */
bool wk_split_of(const wk_graph *graph, const wk_graph_node *node, wk_split *split);

#endif
