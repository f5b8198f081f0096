/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_OPS_RECORDED_H
#define WICK_TESTS_OPS_RECORDED_H

/* What PyTorch and NumPy made of the records' samples in f64; tests/record/record_values.py says
 * how. */

#include <stdint.h>

typedef struct recorded_row {
  const char *op;
  int sample;        /* which of the op's samples */
  int output;        /* which of its results */
  int64_t count;     /* elements of the result, */
  int64_t step;      /* of which every step-th is in */
  double values[32]; /* row-major */
} recorded_row;

extern const recorded_row recorded_table[];
extern const int recorded_table_count;

#endif
