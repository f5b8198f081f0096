/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_RANDOM_H
#define WICK_BASE_RANDOM_H

/* Counter-based random bits: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy
 * as 1, 2, 3"). Value i of a stream depends on (seed, i) alone, whatever thread computes it. */

#include <stdint.h>

typedef struct wk_philox_block {
  uint32_t word[4];
} wk_philox_block;

static inline wk_philox_block wk_philox(uint64_t seed, uint64_t counter, uint64_t stream) {
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
  uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = (uint32_t)p1, c2 = n2, c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return (wk_philox_block){{c0, c1, c2, c3}};
}

/* Word i of the stream (seed): lane i % 4 of block i / 4. */
static inline uint32_t wk_random_word(uint64_t seed, uint64_t index) {
  return wk_philox(seed, index >> 2, 0).word[index & 3];
}

/* A word as a float in [0, 1), 24 bits; a pair as a double in [0, 1), 53 bits. */
static inline float wk_random_unit_float(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }
static inline double wk_random_unit_double(uint32_t high, uint32_t low) {
  return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1p-53;
}

/* Uniform in [0, bound) for word-sized bounds, and without bias worth noting for 64-bit words. */
static inline uint64_t wk_random_below(uint64_t word, uint64_t bound) {
  return (uint64_t)(((__uint128_t)word * bound) >> 64);
}

/* Fills `order` with 0 .. count - 1 in the random order of (seed, stream), whose words are counted
 * from `offset`: Fisher and Yates' shuffle, from the end, as Durstenfeld gave it (1964). */
static inline void wk_shuffle_order(uint64_t seed, uint64_t stream, uint64_t offset, int64_t count,
                                    int64_t *order) {
  for (int64_t i = 0; i < count; i++) order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    const wk_philox_block block = wk_philox(seed, offset + (uint64_t)i, stream);
    const uint64_t word = (uint64_t)block.word[0] << 32 | block.word[1];
    const int64_t j = (int64_t)wk_random_below(word, (uint64_t)i + 1);
    const int64_t swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
}

#endif
