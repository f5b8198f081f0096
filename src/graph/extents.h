/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_EXTENTS_H
#define WICK_GRAPH_EXTENTS_H

/* Sizes that only a run knows, such as the length of a list that grew in a loop. A trace takes them
 * to be what the last run found (1 at first), its plan checks each, and where one differs the run
 * is undone as any that fails, and a plan for what was found runs instead. */

#include "base/error.h"

enum { WK_MOST_EXTENTS = 16 };

typedef struct wk_extents {
  int64_t values[WK_MOST_EXTENTS]; /* in the order in which a trace asks */
  size_t count;                    /* that are known */
  size_t asked;                    /* so far, by the trace that goes on */
} wk_extents;

/* While a function is traced: the calling thread's; NULL where no extent can be taken for given. */
extern _Thread_local wk_extents *wk_extents_taken;

/* The next one, and which it is; fails where there is none. */
wk_status wk_extents_ask(size_t *index, int64_t *value);

/* What a run found to differ: the extents up to that one, which has its true value; count 0: none.
 */
extern _Thread_local wk_extents wk_extents_found;

/* For kernels: fails if the extent is not what its trace took it to be. */
wk_status wk_extents_check(size_t index, int64_t assumed, int64_t found);

/* Whether the first ones are the same, as many as both know. */
bool wk_extents_agree(const wk_extents *a, const wk_extents *b);

#endif
