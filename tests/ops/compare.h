/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_COMPARE_H
#define WICK_TESTS_OPS_COMPARE_H

#include "samples.h"

/* How far apart two tensors may be. */
typedef struct tolerance {
  double ulp; /* units in the last place; 0: equal bits, where any NaN equals any other */
  /* What the unit is taken of: the expected element itself, or what lies further from 0 of it and
   * the same element of `scale`. NULL: the element itself. */
  const sample_tensor *scale;
} tolerance;

/* Whether dtypes, sizes and elements agree; if not, prints `what` and the first differences. */
bool compare_tensors(const char *what, const sample_tensor *actual, const sample_tensor *expected,
                     tolerance allowed);

/* The largest distance from 0 of any finite element. */
double largest_magnitude(const sample_tensor *values);

#endif
