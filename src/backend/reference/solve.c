/* SPDX-License-Identifier: Apache-2.0 */
/* Elimination: equations and determinants. In f64, row-major copies. */
#include <math.h>
#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "backend/reference/matrix.h"
#include "base/error.h"
#include "ops/matmul.h"
#include "ops/records.gen.h"

static void swap_rows(double *x, int64_t columns, int64_t a, int64_t b) {
  for (int64_t j = 0; a != b && j < columns; j++) {
    const double value = x[a * columns + j];
    x[a * columns + j] = x[b * columns + j], x[b * columns + j] = value;
  }
}

/* Makes x [n, n] upper triangular with the largest pivots; what is done to its rows is done to b
 * [n, columns] too. Returns the sign of the exchanges. */
static double eliminate(double *x, int64_t n, double *b, int64_t columns) {
  double sign = 1;
  for (int64_t k = 0; k < n; k++) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; i++)
      if (fabs(x[i * n + k]) > fabs(x[pivot * n + k])) pivot = i;
    if (pivot != k) sign = -sign;
    swap_rows(x, n, k, pivot);
    swap_rows(b, columns, k, pivot);
    if (x[k * n + k] == 0) continue;
    for (int64_t i = k + 1; i < n; i++) {
      const double factor = x[i * n + k] / x[k * n + k];
      for (int64_t j = k; j < n; j++) x[i * n + j] -= factor * x[k * n + j];
      for (int64_t j = 0; j < columns; j++) b[i * columns + j] -= factor * b[k * columns + j];
    }
  }
  return sign;
}

/* Solves a x = b in place of b for triangular a. */
static void substitute(const double *a, int64_t n, bool upper, bool unit, double *b,
                       int64_t columns) {
  for (int64_t step = 0; step < n; step++) {
    const int64_t i = upper ? n - 1 - step : step;
    for (int64_t j = 0; j < columns; j++) {
      double sum = b[i * columns + j];
      for (int64_t k = upper ? i + 1 : 0; k < (upper ? n : i); k++)
        sum -= a[i * n + k] * b[k * columns + j];
      b[i * columns + j] = unit ? sum : sum / a[i * n + i];
    }
  }
}

typedef wk_status (*solver)(const wk_kernel_call *call, double *a, int64_t n, double *b,
                            int64_t columns);

/* Copies the operands of each result and lets `solve` work on them. */
static wk_status run_equations(const wk_kernel_call *call, solver solve) {
  const wk_matmul_operands o = wk_matmul_as_matrices(call); /* b may be a vector */
  const wk_layout *as = &o.x.layout, *bs = &o.y.layout, *results = &o.z.layout;
  const int64_t n = as->dims[as->rank - 1], columns = bs->dims[bs->rank - 1];
  WK_REALS a = wk_reals_load(&call->inputs[0]);
  WK_REALS b = wk_reals_load(&call->inputs[1]);
  WK_REALS x = wk_reals_zeroed(wk_layout_count(results));
  WK_REALS copy = wk_reals_zeroed(n * n);
  if (!a || !b || !x || !copy) return wk_error_status();
  const int64_t size = n * columns, count = size ? wk_layout_count(results) / size : 0;
  for (int64_t i = 0; i < count; i++) {
    memcpy(copy, a + wk_matrix_start(as, results, i), (size_t)(n * n) * sizeof *a);
    memcpy(x + i * size, b + wk_matrix_start(bs, results, i), (size_t)size * sizeof *b);
    const wk_status status = solve(call, copy, n, x + i * size, columns);
    if (status != WK_OK) return status;
  }
  wk_reals_store(x, &call->outputs[0]);
  return WK_OK;
}

static wk_status solve_square(const wk_kernel_call *call, double *a, int64_t n, double *b,
                              int64_t columns) {
  (void)call;
  eliminate(a, n, b, columns);
  for (int64_t i = 0; i < n; i++) {
    if (a[i * n + i] != 0) continue;
    wk_fail(WK_ERROR_ARGUMENT, "a matrix is singular: pivot %lld is 0", (long long)i);
    wk_error_add_hint("wk_pseudo_inverse and wk_least_squares have a result for any matrix");
    return WK_ERROR_ARGUMENT;
  }
  substitute(a, n, true, false, b, columns);
  return WK_OK;
}

wk_status wk_reference_run_solve(const wk_kernel_call *call) {
  return run_equations(call, solve_square);
}

static wk_status solve_triangular(const wk_kernel_call *call, double *a, int64_t n, double *b,
                                  int64_t columns) {
  const wk_triangular_solve_arguments *s = call->arguments;
  substitute(a, n, s->upper, s->unit_diagonal, b, columns);
  return WK_OK;
}

wk_status wk_reference_run_triangular_solve(const wk_kernel_call *call) {
  return run_equations(call, solve_triangular);
}

/* ---- determinants ---- */

wk_status wk_reference_run_determinant(const wk_kernel_call *call) {
  const wk_layout *xs = &call->inputs[0].layout;
  const int64_t n = xs->dims[xs->rank - 1], count = wk_layout_count(&call->outputs[0].layout);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  for (int64_t i = 0; i < count; i++) {
    double *matrix = x + i * n * n, product = eliminate(matrix, n, NULL, 0);
    for (int64_t k = 0; k < n; k++) product *= matrix[k * n + k];
    wk_element_set_real(&call->outputs[0], i, product);
  }
  return WK_OK;
}

wk_status wk_reference_run_log_determinant(const wk_kernel_call *call) {
  const wk_layout *xs = &call->inputs[0].layout;
  const int64_t n = xs->dims[xs->rank - 1], count = wk_layout_count(&call->outputs[0].layout);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  for (int64_t i = 0; i < count; i++) {
    double *matrix = x + i * n * n, sign = eliminate(matrix, n, NULL, 0), sum = 0;
    for (int64_t k = 0; k < n; k++) {
      const double pivot = matrix[k * n + k];
      sign = pivot == 0 ? 0 : pivot < 0 ? -sign : sign;
      sum += log(fabs(pivot));
    }
    wk_element_set_real(&call->outputs[0], i, sign);
    wk_element_set_real(&call->outputs[1], i, sum);
  }
  return WK_OK;
}

/* ---- lu ---- */

/* x becomes u, with the factors of l below its diagonal; order[i] is where row i came from. */
static void factor(double *x, int64_t rows, int64_t columns, double *order) {
  for (int64_t i = 0; i < rows; i++) order[i] = (double)i;
  for (int64_t k = 0; k < rows && k < columns; k++) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < rows; i++)
      if (fabs(x[i * columns + k]) > fabs(x[pivot * columns + k])) pivot = i;
    swap_rows(x, columns, k, pivot);
    swap_rows(order, 1, k, pivot);
    for (int64_t i = k + 1; i < rows && x[k * columns + k] != 0; i++) {
      x[i * columns + k] /= x[k * columns + k];
      for (int64_t j = k + 1; j < columns; j++)
        x[i * columns + j] -= x[i * columns + k] * x[k * columns + j];
    }
  }
}

wk_status wk_reference_run_lu(const wk_kernel_call *call) {
  const wk_layout *xs = &call->inputs[0].layout;
  const int64_t rows = xs->dims[xs->rank - 2], columns = xs->dims[xs->rank - 1];
  const int64_t less = rows < columns ? rows : columns;
  const int64_t size = rows * columns, count = size ? wk_layout_count(xs) / size : 0;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS p = wk_reals_zeroed(wk_layout_count(&call->outputs[0].layout));
  WK_REALS l = wk_reals_zeroed(wk_layout_count(&call->outputs[1].layout));
  WK_REALS u = wk_reals_zeroed(wk_layout_count(&call->outputs[2].layout));
  WK_REALS order = wk_reals_zeroed(rows);
  if (!x || !p || !l || !u || !order) return wk_error_status();
  for (int64_t b = 0; b < count; b++) {
    const double *matrix = x + b * size;
    factor(x + b * size, rows, columns, order);
    for (int64_t i = 0; i < rows; i++) {
      p[(b * rows + (int64_t)order[i]) * rows + i] = 1;
      for (int64_t j = 0; j < less && j <= i; j++)
        l[(b * rows + i) * less + j] = i == j ? 1 : matrix[i * columns + j];
      for (int64_t j = i; i < less && j < columns; j++)
        u[(b * less + i) * columns + j] = matrix[i * columns + j];
    }
  }
  wk_reals_store(p, &call->outputs[0]);
  wk_reals_store(l, &call->outputs[1]);
  wk_reals_store(u, &call->outputs[2]);
  return WK_OK;
}
