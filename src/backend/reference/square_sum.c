/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

wk_status wk_reference_run_square_sum(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0];
  const int64_t count = wk_layout_count(&x->layout);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    const double value = wk_element_real(x, wk_layout_position(&x->layout, i));
    sum += value * value;
  }
  wk_element_set_real(&call->outputs[0], 0, sum);
  return WK_OK;
}
