/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/records.gen.h"

wk_status wk_reference_run_full(const wk_kernel_call *call) {
  const wk_full_arguments *a = call->arguments;
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++) wk_element_convert_real(&call->outputs[0], i, a->value);
  return WK_OK;
}

wk_status wk_reference_run_arange(const wk_kernel_call *call) {
  const wk_arange_arguments *a = call->arguments;
  for (int64_t i = 0; i < a->count; i++)
    wk_element_convert_real(&call->outputs[0], i, a->start + (double)i * a->step);
  return WK_OK;
}
