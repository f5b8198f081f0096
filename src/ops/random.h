/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_RANDOM_H
#define WICK_OPS_RANDOM_H

/* Random values as every backend draws them: value `index` of the stream `seed`, to the last bit.
 * Whoever computes them another way must get these same bits. */

#include <math.h>
#include <stdbool.h>

#include "base/random.h"
#include "ops/op.h"

typedef double wk_normal_real __attribute__((vector_size(8)));
typedef uint64_t wk_normal_words __attribute__((vector_size(8)));
#include "ops/normal.h"

/* Evenly spread over [low, high). */
static inline float wk_uniform_from_word(uint32_t word, double low, double high) {
  return (float)low + (float)(high - low) * wk_random_unit_float(word);
}
static inline float wk_random_uniform_f32(uint64_t seed, uint64_t index, double low, double high) {
  return wk_uniform_from_word(wk_random_word(seed, index), low, high);
}
static inline double wk_random_uniform_f64(uint64_t seed, uint64_t index, double low, double high) {
  const wk_philox_block block = wk_philox(seed, index, 1);
  return low + (high - low) * wk_random_unit_double(block.word[0], block.word[1]);
}

/* Normally distributed, for f32 to be rounded once more. Values 2k and 2k + 1 share two words: they
 * are the two halves of one Box-Muller pair (ops/normal.h). */
static inline double wk_random_normal(uint64_t seed, uint64_t index, double mean,
                                      double deviation) {
  const uint64_t pair = index & ~(uint64_t)1;
  const wk_philox_block block = wk_philox(seed, pair >> 2, 0); /* words pair and pair + 1 */
  const wk_normal_pair p = wk_normal_from_words((wk_normal_words){block.word[pair & 3]},
                                                (wk_normal_words){block.word[(pair & 3) + 1]});
  return mean + deviation * (sqrt(p.square[0]) * (index & 1 ? p.sine[0] : p.cosine[0]));
}

/* Evenly spread over [0, 1). */
static inline double wk_random_unit(uint64_t seed, uint64_t index) {
  const wk_philox_block block = wk_philox(seed, index, 1);
  return wk_random_unit_double(block.word[0], block.word[1]);
}

/* Evenly spread over low .. high - 1. */
static inline int64_t wk_random_integer(uint64_t seed, uint64_t index, int64_t low, int64_t high) {
  const wk_philox_block block = wk_philox(seed, index, 1);
  const uint64_t word = (uint64_t)block.word[0] << 32 | block.word[1];
  return (int64_t)((uint64_t)low + wk_random_below(word, (uint64_t)high - (uint64_t)low));
}

/* Element `index` of the result of a random op whose results are real and depend on nothing but its
 * settings: normal, exponential and so on. f32 rounds it, floats of 16 bits round that. */
double wk_random_real(const wk_op *op, const void *arguments, int64_t index);

/* Element `index` of the random gamma, beta and Poisson numbers with these parameters. */
double wk_random_gamma_value(uint64_t seed, uint64_t index, double shape);
double wk_random_beta_value(uint64_t seed, uint64_t index, double a, double b);
double wk_random_poisson_value(uint64_t seed, uint64_t index, double mean);

/* Dropout: whether the element is kept, and what it is then multiplied by; for f32 that is rounded
 * before the product, which is rounded too. */
static inline bool wk_keep_by_word(uint32_t word, double rate) {
  return wk_random_unit_float(word) >= (float)rate;
}
static inline bool wk_random_keep(uint64_t seed, uint64_t index, double rate) {
  return wk_keep_by_word(wk_random_word(seed, index), rate);
}
static inline double wk_random_keep_scale(double rate) { return 1 / (1 - rate); }

#endif
