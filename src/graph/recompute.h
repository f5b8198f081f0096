/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_RECOMPUTE_H
#define WICK_GRAPH_RECOMPUTE_H

/* Less memory for more work: what is made early and read late is dropped in between and made once
 * more, by the same kernels with the same random numbers, so that no bit changes. */

#include "graph/pieces.h"

/* Changes the graph until the local buffers that are alive at a time take at most `target` bytes,
 * or no further step lowers that, or what is made again is `share` of the graph's work. Groups of
 * nodes will run piece by piece as `cut` says. *lowest: what was reached. */
wk_status wk_graph_recompute(wk_graph *graph, wk_pieces_limits cut, size_t target, double share,
                             size_t *lowest);

#endif
