/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_CLIP_H
#define WICK_OPTIM_CLIP_H

/* What gradients of norm `norm` are multiplied by so that it is at most `most`: PyTorch's formula.
 * A norm that is infinite or NaN makes them all zero or NaN, as there. */
static inline double wk_clip_factor(double norm, double most) {
  const double factor = most / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

#endif
