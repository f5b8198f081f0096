/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"

/* Index of an operand's element [0, ..., 0] of the matrix that belongs to the result's matrix
 * number `batch`: the axes before the last two broadcast. */
static int64_t matrix_start(const wk_layout *operand, const wk_layout *result, int64_t batch) {
  int64_t scale = operand->dims[operand->rank - 1] * operand->dims[operand->rank - 2];
  int64_t start = 0;
  for (int axis = operand->rank - 3, at = result->rank - 3; axis >= 0; axis--, at--) {
    if (operand->dims[axis] != 1) start += batch % result->dims[at] * scale;
    scale *= operand->dims[axis];
    batch /= result->dims[at];
  }
  return start;
}

wk_status wk_reference_run_matmul(const wk_kernel_call *call) {
  const wk_layout *xs = &call->inputs[0].layout, *ys = &call->inputs[1].layout;
  const wk_layout *results = &call->outputs[0].layout;
  const int64_t rows = xs->dims[xs->rank - 2], inner = xs->dims[xs->rank - 1];
  const int64_t columns = ys->dims[ys->rank - 1];
  const int64_t count = wk_layout_count(results);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS y = wk_reals_load(&call->inputs[1]);
  if (!x || !y) return wk_error_status();

  for (int64_t i = 0; i < count; i++) {
    const int64_t column = i % columns, row = i / columns % rows, batch = i / columns / rows;
    const double *x_row = x + matrix_start(xs, results, batch) + row * inner;
    const double *y_column = y + matrix_start(ys, results, batch) + column;
    double sum = 0;
    for (int64_t k = 0; k < inner; k++) sum += x_row[k] * y_column[k * columns];
    wk_element_set_real(&call->outputs[0], i, sum);
  }
  return WK_OK;
}
