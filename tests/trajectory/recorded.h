/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_TRAJECTORY_RECORDED_H
#define WICK_TESTS_TRAJECTORY_RECORDED_H

#define RECORDED_STEPS 100

/* PyTorch's loss before each step, in f64. */
extern const double recorded_losses[RECORDED_STEPS];

#endif
