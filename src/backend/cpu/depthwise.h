/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_DEPTHWISE_H
#define WICK_BACKEND_CPU_DEPTHWISE_H

/* Convolutions that give every channel one filter of its own: too thin for products. */

#include "backend/cpu/isa.h"
#include "ops/kernel.h"

static inline bool wk_is_depthwise(const wk_cpu_conv2d_shape *s) {
  return s->groups > 1 && s->groups == s->channels && s->groups == s->out_channels;
}

/* As the functions without "depthwise" in kernels.h. */
wk_status wk_cpu_depthwise(wk_dtype dtype, const wk_cpu_conv2d_shape *shape, const void *x,
                           const void *weight, const void *bias, void *y, const wk_after *after);
wk_status wk_cpu_depthwise_data_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *shape,
                                         const void *y_gradient, const void *weight,
                                         void *x_gradient);
wk_status wk_cpu_depthwise_weight_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *shape,
                                           const void *x, const void *y_gradient,
                                           void *weight_gradient);

#endif
