/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_WEIGHT_GRADIENT_H
#define WICK_BACKEND_CPU_WEIGHT_GRADIENT_H

#include "backend/cpu/kernels.h"

/* The gradient of a convolution's weight straight from x and y's gradient as they lie. For f32, one
 * group, channels in whole vectors of every instruction set. */
bool wk_weight_gradient_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *shape);
wk_status wk_weight_gradient_run(const wk_cpu_conv2d_shape *shape, const float *x,
                                 const float *y_gradient, float *weight_gradient,
                                 const wk_part *part);

/* Of how many images parts of it are multiples. */
int64_t wk_weight_gradient_step(const wk_cpu_conv2d_shape *shape);

#endif
