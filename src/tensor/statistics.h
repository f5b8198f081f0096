/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_STATISTICS_H
#define WICK_TENSOR_STATISTICS_H

/* What values a float tensor holds. */

#include "tensor/tensor.h"

typedef struct wk_statistics {
  int64_t count, not_a_number, infinite;
  double least, most, mean; /* of the finite values; NaN when there are none */
} wk_statistics;

/* Whether a float tensor of a host device holds a NaN or an infinity (false for any other tensor):
 * at the speed of memory if it is row-major, on all threads. */
bool wk_tensor_has_anomaly(const wk_tensor *tensor);

/* Fills *statistics for a float tensor, at leisure; false when its values cannot be read here. */
bool wk_tensor_statistics(const wk_tensor *tensor, wk_statistics *statistics);

/* "min -2.5, max 7, mean 0.31, 3 NaN, 1 infinite", as snprintf. */
size_t wk_statistics_text(const wk_statistics *statistics, char *buffer, size_t size);

#endif
