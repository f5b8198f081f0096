/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/creation.h"

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

wk_status wk_reference_run_creation(const wk_kernel_call *call) {
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++)
    wk_element_convert_real(&call->outputs[0], i, wk_creation_value(call->op, call->arguments, i));
  return WK_OK;
}
