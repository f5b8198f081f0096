/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers by trial and error. Trial k of element i takes its words from stream k of counter
 * i, so that results depend on the key alone however many trials others took. */
#include "base/maths.h"
#include "ops/random.h"

#define FIRST_STREAM 16  /* those before are used for other draws */
#define MOST_TRIALS 1000 /* each succeeds more often than not */
#define SECOND_GAMMA (FIRST_STREAM + 2 * MOST_TRIALS)

/* In (0, 1). */
static double open_unit(uint32_t word) { return ((double)word + 0.5) * 0x1p-32; }

static double gamma_from(uint64_t seed, uint64_t index, double shape, uint64_t stream) {
  if (!(shape > 0)) return shape == 0 ? 0 : NAN;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (uint64_t trial = 0; trial < MOST_TRIALS; trial++) {
    const wk_philox_block block = wk_philox(seed, index, stream + trial);
    const double radius = sqrt(-2 * log(open_unit(block.word[0])));
    const double normal = radius * cos(6.283185307179586 * open_unit(block.word[1]));
    const double root = 1 + c * normal, v = root * root * root;
    if (v <= 0) continue;
    if (log(open_unit(block.word[2])) >= 0.5 * normal * normal + d - d * v + d * log(v)) continue;
    /* shapes below 1: the number of shape + 1 times a power of one more evenly spread number */
    return shape < 1 ? d * v * pow(open_unit(block.word[3]), 1 / shape) : d * v;
  }
  return d;
}

double wk_random_gamma_value(uint64_t seed, uint64_t index, double shape) {
  return gamma_from(seed, index, shape, FIRST_STREAM);
}

double wk_random_beta_value(uint64_t seed, uint64_t index, double a, double b) {
  const double x = gamma_from(seed, index, a, FIRST_STREAM);
  const double y = gamma_from(seed, index, b, SECOND_GAMMA);
  return x / (x + y);
}

static double small_poisson(uint64_t seed, uint64_t index, double mean) {
  const double unit = wk_random_unit(seed, index);
  double term = exp(-mean), sum = term, count = 0;
  while (unit >= sum && term > 0) {
    count++;
    term *= mean / count;
    sum += term;
  }
  return count;
}

double wk_random_poisson_value(uint64_t seed, uint64_t index, double mean) {
  if (!(mean >= 0) || isinf(mean)) return NAN;
  if (mean < 10) return small_poisson(seed, index, mean);
  const double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), fast = 0.9277 - 3.6224 / (b - 2);
  for (uint64_t trial = 0; trial < MOST_TRIALS; trial++) {
    const wk_philox_block block = wk_philox(seed, index, FIRST_STREAM + trial);
    const double u = open_unit(block.word[0]) - 0.5, v = open_unit(block.word[1]);
    const double margin = 0.5 - fabs(u);
    const double count = floor((2 * a / margin + b) * u + mean + 0.43);
    if (margin >= 0.07 && v <= fast) return count;
    if (count < 0 || (margin < 0.013 && v > margin)) continue;
    if (log(v * inverse_alpha / (a / (margin * margin) + b)) <=
        count * log(mean) - mean - wk_real_lgamma(count + 1))
      return count;
  }
  return floor(mean);
}
