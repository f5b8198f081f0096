/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_DIRECT_H
#define WICK_BACKEND_CPU_DIRECT_H

#include "backend/cpu/kernels.h"

/* Convolution, and the gradient of its data, straight from images as they lie: no patches are
 * written. For f32 and one group. Which calls fit depends on the layer alone, not on the batch. */
bool wk_direct_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *shape);
wk_status wk_direct_run(const wk_cpu_conv2d_shape *shape, const float *x, const float *weight,
                        const float *bias /* [out_channels] or NULL */, float *y,
                        const wk_after *after);

bool wk_direct_data_gradient_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *shape);
wk_status wk_direct_data_gradient_run(const wk_cpu_conv2d_shape *shape, const float *y_gradient,
                                      const float *weight, float *x_gradient);

#endif
