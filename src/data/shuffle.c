/* SPDX-License-Identifier: Apache-2.0 */
#include "data/shuffle.h"

#include "base/random.h"

void wk_permutation(uint64_t seed, uint64_t stream, int64_t count, int64_t *order) {
  wk_shuffle_order(seed, stream, 0, count, order);
}
