/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_POINTWISE_SCALAR_H
#define WICK_BACKEND_CPU_POINTWISE_SCALAR_H

/* What generated kernels that work on one number at a time call beside libm and base/maths.h. */

#include <math.h>

#include "backend/cpu/pointwise.h"
#include "base/maths.h"

/* exp of nothing positive, so that nothing overflows. */
static inline double scalar_sigmoid(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static inline double scalar_maximum(double x, double y) {
  return x != x || y != y ? x + y : x > y ? x : y;
}
static inline double scalar_minimum(double x, double y) {
  return x != x || y != y ? x + y : x < y ? x : y;
}

#endif
