/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

wk_status wk_reference_run_square_sum(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *mean = &call->inputs[1];
  const int64_t count = x->layout.dims[1], inner = x->layout.dims[2];
  for (int64_t to = 0; to < x->layout.dims[0] * inner; to++) {
    const int64_t first = to / inner * count * inner + to % inner;
    const double middle =
        mean->data ? wk_element_real(mean, wk_layout_position(&mean->layout, to)) : 0;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
      const double value =
          wk_element_real(x, wk_layout_position(&x->layout, first + i * inner)) - middle;
      sum += value * value;
    }
    wk_element_set_real(&call->outputs[0], to, sum);
  }
  return WK_OK;
}
