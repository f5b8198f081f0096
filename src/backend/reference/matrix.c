/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/matrix.h"
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/matmul.h"

int64_t wk_matrix_start(const wk_layout *operand, const wk_layout *result, int64_t batch) {
  int64_t scale = operand->dims[operand->rank - 1] * operand->dims[operand->rank - 2];
  int64_t start = 0;
  for (int axis = operand->rank - 3, at = result->rank - 3; axis >= 0; axis--, at--) {
    if (operand->dims[axis] != 1) start += batch % result->dims[at] * scale;
    scale *= operand->dims[axis];
    batch /= result->dims[at];
  }
  return start;
}

/* Integers are exact, and wrap around. */
static int64_t integer_dot(const wk_operand *x, int64_t x_index, const wk_operand *y,
                           int64_t y_index, int64_t inner, int64_t columns) {
  uint64_t sum = 0;
  for (int64_t k = 0; k < inner; k++) {
    const int64_t a = wk_element_integer(x, wk_layout_position(&x->layout, x_index + k));
    const int64_t b = wk_element_integer(y, wk_layout_position(&y->layout, y_index + k * columns));
    sum += (uint64_t)a * (uint64_t)b;
  }
  return (int64_t)sum;
}

wk_status wk_reference_run_matmul(const wk_kernel_call *call) {
  const wk_matmul_operands o = wk_matmul_as_matrices(call);
  const wk_layout *xs = &o.x.layout, *ys = &o.y.layout, *results = &o.z.layout;
  const int64_t rows = xs->dims[xs->rank - 2], inner = xs->dims[xs->rank - 1];
  const int64_t columns = ys->dims[ys->rank - 1];
  const int64_t count = wk_layout_count(results);
  const bool is_real = wk_element_is_real(xs->dtype);
  WK_REALS x = wk_reals_load(&o.x);
  WK_REALS y = wk_reals_load(&o.y);
  if (!x || !y) return wk_error_status();

  for (int64_t i = 0; i < count; i++) {
    const int64_t column = i % columns, row = i / columns % rows, batch = i / columns / rows;
    const int64_t x_row = wk_matrix_start(xs, results, batch) + row * inner;
    const int64_t y_column = wk_matrix_start(ys, results, batch) + column;
    if (!is_real) {
      wk_element_set_integer(&o.z, i, integer_dot(&o.x, x_row, &o.y, y_column, inner, columns));
      continue;
    }
    double sum = 0;
    for (int64_t k = 0; k < inner; k++) sum += x[x_row + k] * y[y_column + k * columns];
    wk_element_set_real(&o.z, i, sum);
  }
  return WK_OK;
}

wk_status wk_reference_run_linear(const wk_kernel_call *call) {
  const wk_operand *result = &call->outputs[0];
  const int64_t inner = call->inputs[0].layout.dims[1], columns = result->layout.dims[1];
  const bool has_bias = call->inputs[2].data;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS weight = wk_reals_load(&call->inputs[1]);
  WK_REALS bias = has_bias ? wk_reals_load(&call->inputs[2]) : NULL;
  if (!x || !weight || (has_bias && !bias)) return wk_error_status();
  for (int64_t i = 0; i < wk_layout_count(&result->layout); i++) {
    const int64_t row = i / columns, column = i % columns;
    double sum = bias ? bias[column] : 0;
    for (int64_t k = 0; k < inner; k++) sum += x[row * inner + k] * weight[column * inner + k];
    wk_element_set_real(result, i, sum);
  }
  return WK_OK;
}
