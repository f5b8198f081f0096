/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_JOINED_H
#define WICK_GRAPH_JOINED_H

/* Epilogues: a product or convolution and the pointwise nodes that follow it at once, `joined`, run
 * as one step: each of them over rows of the product's result while these are in the cache. No bit
 * changes: each element is computed as before. Buffers that live in any of the nodes live in all.
 */

#include "graph/plan.h"

enum { WK_MOST_JOINED = 8 };

/* What the node runs with: the nearest node before it, or itself, that is not joined. */
size_t wk_joined_head(const wk_graph *graph, size_t node);

/* The last node that runs with this one. */
size_t wk_joined_last(const wk_graph *graph, size_t node);

/* Why node `n` cannot run with those before it, or NULL if it can. */
const char *wk_joined_refuse(const wk_graph *graph, size_t n);

/* Parts nodes that can no longer run together: others have come between them. */
void wk_joined_settle(wk_graph *graph);

/* The operand's elements as rows of so many columns, where `joint` is the sizes of the result;
 * false: they do not lie so. */
bool wk_joined_rows(const wk_layout *operand, const wk_layout *joint, int64_t columns,
                    wk_layout *rows);

#endif
