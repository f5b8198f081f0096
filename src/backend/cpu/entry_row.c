/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ops along the last axis. */
#include <math.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "base/error.h"
#include "ops/label.h"
#include "ops/records.gen.h"
#include "ops/row.h"

/* One op of the softmax family on the result's sizes. */
static wk_status run_rows(const wk_kernel_call *call, const wk_axes *axes,
                          wk_cpu_row_function function) {
  const wk_operand *result = &call->outputs[0];
  wk_middle m;
  const wk_status status = wk_middle_of(axes, &result->layout, &m);
  if (status != WK_OK) return status;
  if (m.inner > 1 && wk_wide_dtype(result->layout.dtype) != result->layout.dtype)
    return wk_cpu_run_half(call);
  /* the gradients take (y, g) where the ops take (g, y) */
  const char *second = call->input_count > 1 ? call->inputs[0].data : NULL;
  return wk_cpu_rows(function, result->layout.dtype, m.outer, m.count, m.inner,
                     call->inputs[call->input_count - 1].data, second, result->data);
}

wk_status wk_cpu_run_softmax(const wk_kernel_call *call) {
  const wk_softmax_arguments *a = call->arguments;
  return run_rows(call, &a->axes, WK_CPU_SOFTMAX);
}

wk_status wk_cpu_run_softmax_gradient(const wk_kernel_call *call) {
  const wk_softmax_gradient_arguments *a = call->arguments;
  return run_rows(call, &a->axes, WK_CPU_SOFTMAX_GRADIENT);
}

wk_status wk_cpu_run_log_softmax(const wk_kernel_call *call) {
  const wk_log_softmax_arguments *a = call->arguments;
  return run_rows(call, &a->axes, WK_CPU_LOG_SOFTMAX);
}

wk_status wk_cpu_run_log_softmax_gradient(const wk_kernel_call *call) {
  const wk_log_softmax_gradient_arguments *a = call->arguments;
  return run_rows(call, &a->axes, WK_CPU_LOG_SOFTMAX_GRADIENT);
}

wk_status wk_cpu_run_cross_entropy(const wk_kernel_call *call) {
  const wk_operand *logits = &call->inputs[0], *labels = &call->inputs[1];
  const wk_status status = wk_labels_check(labels, logits->layout.dims[1], -INFINITY);
  if (status != WK_OK) return status;
  return wk_cpu_cross_entropy(logits->layout.dtype, logits->layout.dims[0], logits->layout.dims[1],
                              logits->data, (const int64_t *)(const void *)labels->data,
                              call->outputs[0].data);
}

wk_status wk_cpu_run_cross_entropy_gradient(const wk_kernel_call *call) {
  const wk_operand *logits = &call->inputs[1], *labels = &call->inputs[2];
  const wk_status status = wk_labels_check(labels, logits->layout.dims[1], -INFINITY);
  if (status != WK_OK) return status;
  return wk_cpu_cross_entropy_gradient(logits->layout.dtype, logits->layout.dims[0],
                                       logits->layout.dims[1], logits->data,
                                       (const int64_t *)(const void *)labels->data,
                                       call->inputs[0].data, call->outputs[0].data);
}
