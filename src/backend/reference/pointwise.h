/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_POINTWISE_H
#define WICK_BACKEND_REFERENCE_POINTWISE_H

/* The maths of pointwise ops and optimizer updates on one element, printed from the records. */

#include <math.h>
#include <stdint.h>

#include "base/maths.h"

/* `v` holds the inputs' elements in order (bool as 0 or 1). A pointwise op returns its result; an
 * update changes the elements that it writes. NULL: the op does not take such dtypes. */
typedef struct wk_reference_pointwise {
  double (*real)(double *v, const void *arguments);
  int64_t (*integer)(int64_t *v, const void *arguments);
} wk_reference_pointwise;

extern const wk_reference_pointwise wk_reference_pointwise_table[]; /* by op id */

/* What the records' expressions may call beside libm and base/maths.h. */

/* exp is only taken of what is not positive, so that nothing overflows and no digits are lost. */
static inline double reference_sigmoid(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
/* x + y: NaN if either is. */
static inline double reference_maximum(double x, double y) {
  return x != x || y != y ? x + y : x > y ? x : y;
}
static inline double reference_minimum(double x, double y) {
  return x != x || y != y ? x + y : x < y ? x : y;
}

#endif
