/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/pointwise.h"

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

/* Where element `index` of the result finds its element in an operand that broadcasts to it. */
static int64_t broadcast_position(const wk_layout *operand, const wk_layout *result,
                                  int64_t index) {
  int64_t position = 0;
  for (int axis = operand->rank - 1, at = result->rank - 1; axis >= 0; axis--, at--) {
    if (operand->dims[axis] != 1) position += index % result->dims[at] * operand->strides[axis];
    index /= result->dims[at];
  }
  return position;
}

static void run_real(const wk_kernel_call *call, const int64_t *positions, int64_t index) {
  double v[WK_MAX_INPUTS];
  for (int i = 0; i < call->input_count; i++)
    v[i] = wk_element_real(&call->inputs[i], positions[i]);
  const double result = wk_reference_pointwise_table[call->op->id].real(v, call->arguments);
  if (call->op->class != WK_CLASS_UPDATE) {
    wk_element_set_real(&call->outputs[0], index, result);
    return;
  }
  for (int i = 0; i < call->input_count; i++)
    if (call->op->inputs[i].written) wk_element_set_real(&call->inputs[i], positions[i], v[i]);
}

static void run_integer(const wk_kernel_call *call, const int64_t *positions, int64_t index) {
  int64_t v[WK_MAX_INPUTS];
  for (int i = 0; i < call->input_count; i++)
    v[i] = wk_element_integer(&call->inputs[i], positions[i]);
  wk_element_set_integer(&call->outputs[0], index,
                         wk_reference_pointwise_table[call->op->id].integer(v, call->arguments));
}

wk_status wk_reference_run_pointwise(const wk_kernel_call *call) {
  const bool update = call->op->class == WK_CLASS_UPDATE;
  const wk_layout *result = update ? &call->inputs[0].layout : &call->outputs[0].layout;
  bool real = false;
  for (int i = 0; i < call->input_count; i++)
    if (wk_element_is_real(call->inputs[i].layout.dtype)) real = true;

  const int64_t count = wk_layout_count(result);
  for (int64_t index = 0; index < count; index++) {
    int64_t positions[WK_MAX_INPUTS];
    for (int i = 0; i < call->input_count; i++)
      positions[i] = broadcast_position(&call->inputs[i].layout, result, index);
    (real ? run_real : run_integer)(call, positions, index);
  }
  return WK_OK;
}
