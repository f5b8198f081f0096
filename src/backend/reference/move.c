/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/pad.h"
#include "ops/position.h"
#include "ops/records.gen.h"

wk_status wk_reference_run_contiguous(const wk_kernel_call *call) {
  wk_elements_copy(&call->outputs[0], 0, &call->inputs[0]);
  return WK_OK;
}

wk_status wk_reference_run_cast(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const int64_t count = wk_layout_count(&x->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t position = wk_layout_position(&x->layout, i);
    if (wk_element_is_real(x->layout.dtype))
      wk_element_convert_real(y, i, wk_element_real(x, position));
    else
      wk_element_set_integer(y, i, wk_element_integer(x, position));
  }
  return WK_OK;
}

wk_status wk_reference_run_concatenate(const wk_kernel_call *call) {
  const wk_concatenate_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  const int axis = a->axis < 0 ? a->axis + y->layout.rank : a->axis;
  int64_t start = 0;
  for (int i = 0; i < call->input_count; i++) {
    wk_elements_copy(y, start, &call->inputs[i]);
    start += call->inputs[i].layout.dims[axis] * y->layout.strides[axis];
  }
  return WK_OK;
}

wk_status wk_reference_run_pad(const wk_kernel_call *call) {
  const wk_pad_arguments *a = call->arguments;
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    int64_t rest = i, position = 0;
    bool inside = true;
    for (int d = y->layout.rank - 1; d >= 0; d--) {
      const int64_t place =
          wk_pad_source(a->mode, rest % y->layout.dims[d] - a->before.dims[d], x->layout.dims[d]);
      inside = inside && place >= 0;
      position += place * x->layout.strides[d];
      rest /= y->layout.dims[d];
    }
    if (inside)
      wk_element_copy(y, i, x, position);
    else
      wk_element_convert_real(y, i, a->value);
  }
  return WK_OK;
}

wk_status wk_reference_run_slice_update(const wk_kernel_call *call) {
  const wk_slice_update_arguments *a = call->arguments;
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  wk_elements_copy(y, 0, x);
  const int64_t end = a->end < 0 ? -1 : a->end; /* WK_FIRST: backwards to the first element */
  const int64_t step = a->step, last = end - (step > 0 ? 1 : -1);
  wk_layout part = y->layout;
  part.dims[a->axis] = (last - a->start) / step + 1;
  if ((last - a->start) * (step > 0 ? 1 : -1) < 0) return WK_OK; /* nothing between the bounds */
  part.strides[a->axis] *= step;
  wk_operand source = call->inputs[1];
  wk_layout_align(&call->inputs[1].layout, &part, &source.layout);
  const int64_t count = wk_layout_count(&part), start = a->start * y->layout.strides[a->axis];
  for (int64_t i = 0; i < count; i++)
    wk_element_copy(y, start + wk_layout_position(&part, i), &source,
                    wk_layout_position(&source.layout, i));
  return WK_OK;
}
