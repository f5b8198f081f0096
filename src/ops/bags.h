/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_BAGS_H
#define WICK_OPS_BAGS_H

/* The groups of rows that embedding_bag and its kernels work on. */

#include "ops/kernel.h"

/* The number of bags of indices [bags, size], or [n] with offsets; -1 with an error pending.
 * `offsets` NULL or of rank -1: there are none. */
int64_t wk_bag_count(const wk_layout *indices, const wk_layout *offsets, bool include_last);

/* Bag b holds indices starts[b] .. starts[b + 1] - 1. */
typedef struct wk_bags {
  int64_t count;
  const int64_t *index;
  int64_t *starts; /* count + 1 */
  int64_t *copy;   /* of the indices, where they do not lie row by row; or NULL */
} wk_bags;

/* Raises errors of offsets out of order and of indices that are not among the table's `rows` (-1:
 * they are not looked at). Offsets without data are absent. wk_bags_free in any case. */
wk_status wk_bags_make(wk_bags *bags, const wk_operand *indices, const wk_operand *offsets,
                       bool include_last, int64_t rows);
void wk_bags_free(wk_bags *bags);

#endif
