/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/random.h"

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/records.gen.h"

wk_status wk_reference_run_uniform(const wk_kernel_call *call) {
  const wk_uniform_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const uint64_t index = a->offset + (uint64_t)i;
    wk_element_set_real(y, i,
                        y->layout.dtype == WK_F32
                            ? (double)wk_random_uniform_f32(a->seed, index, a->low, a->high)
                            : wk_random_uniform_f64(a->seed, index, a->low, a->high));
  }
  return WK_OK;
}

wk_status wk_reference_run_normal(const wk_kernel_call *call) {
  const wk_normal_arguments *a = call->arguments;
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++)
    wk_element_set_real(&call->outputs[0], i,
                        wk_random_normal(a->seed, a->offset + (uint64_t)i, a->mean, a->deviation));
  return WK_OK;
}

wk_status wk_reference_run_dropout(const wk_kernel_call *call) {
  const wk_dropout_arguments *a = call->arguments;
  const wk_operand *x = &call->inputs[0];
  const int64_t count = wk_layout_count(&x->layout);
  double scale = wk_random_keep_scale(a->rate);
  if (x->layout.dtype == WK_F32) scale = (double)(float)scale;
  for (int64_t i = 0; i < count; i++) {
    const bool keep = wk_random_keep(a->seed, a->offset + (uint64_t)i, a->rate);
    const double value = wk_element_real(x, wk_layout_position(&x->layout, i));
    wk_element_set_real(&call->outputs[0], i, keep ? value * scale : 0);
  }
  return WK_OK;
}
