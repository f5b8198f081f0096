/* SPDX-License-Identifier: Apache-2.0 */
#include "data/shuffle.h"

#include "base/random.h"

/* Fisher and Yates' shuffle, from the end, as Durstenfeld gave it (1964). */
void wk_permutation(uint64_t seed, uint64_t stream, int64_t count, int64_t *order) {
  for (int64_t i = 0; i < count; i++) order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    const wk_philox_block block = wk_philox(seed, (uint64_t)i, stream);
    const uint64_t word = (uint64_t)block.word[0] << 32 | block.word[1];
    const int64_t j = (int64_t)wk_random_below(word, (uint64_t)i + 1);
    const int64_t swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
}
