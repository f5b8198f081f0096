/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/creation.h"

#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

wk_status wk_reference_run_creation(const wk_kernel_call *call) {
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++)
    wk_element_convert_real(&call->outputs[0], i, wk_creation_value(call->op, call->arguments, i));
  return WK_OK;
}

wk_status wk_reference_run_bitcast(const wk_kernel_call *call) {
  const wk_layout *layout = &call->outputs[0].layout;
  memcpy(call->outputs[0].data, call->inputs[0].data,
         (size_t)wk_layout_count(layout) * wk_dtype_size(layout->dtype));
  return WK_OK;
}
