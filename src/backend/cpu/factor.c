/* SPDX-License-Identifier: Apache-2.0 */
/* Factors of matrices and equations, block by block so that most of the work is products. In f64,
 * whatever the dtype: rounding grows with the size. Threads share the products. */
#include <math.h>
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/matrices.h"
#include "ops/records.gen.h"

#define BLOCK 48

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static double *load(const wk_operand *x) {
  const int64_t count = wk_layout_count(&x->layout);
  double *values = wk_allocate((size_t)count * sizeof *values + 1);
  if (values) wk_convert(WK_F64, (char *)values, x->layout.dtype, x->data, count);
  return values;
}

static void store(const wk_operand *y, const double *values) {
  const int64_t count = wk_layout_count(&y->layout);
  wk_convert(y->layout.dtype, y->data, WK_F64, (const char *)values, count);
}

/* row -= factor * other */
static void take_off(double *row, double factor, const double *other, int64_t count) {
  for (int64_t j = 0; j < count; j++) row[j] -= factor * other[j];
}

/* c[m, n] -= a[m, k] b[k, n], k at most BLOCK; `space` has room for a. */
typedef struct product {
  int64_t m, n, k;
  double *c;
  const double *a, *b;
  int64_t c_stride, a_stride, b_stride, b_column_stride;
} product;

static wk_status subtract(const product *p, double *space) {
  for (int64_t i = 0; i < p->m; i++)
    for (int64_t j = 0; j < p->k; j++) space[i * p->k + j] = -p->a[i * p->a_stride + j];
  return wk_cpu_gemm(WK_F64, &(wk_cpu_gemm_operands){.m = p->m,
                                                     .n = p->n,
                                                     .k = p->k,
                                                     .a = space,
                                                     .a_row_stride = p->k,
                                                     .a_column_stride = 1,
                                                     .b = p->b,
                                                     .b_row_stride = p->b_stride,
                                                     .b_column_stride = p->b_column_stride,
                                                     .c = p->c,
                                                     .c_row_stride = p->c_stride,
                                                     .accumulate = true});
}

/* ---- cholesky ---- */

/* Solves for the first `count` elements of a row of the factor; `turned` is its diagonal block, by
 * columns. */
static void solve_row(double *row, const double *turned, int64_t count) {
  for (int64_t j = 0; j < count; j++) {
    row[j] /= turned[j * BLOCK + j];
    take_off(row + j + 1, row[j], turned + j * BLOCK + j + 1, count - j - 1);
  }
}

static wk_status not_positive(int64_t pivot, double value) {
  wk_fail(WK_ERROR_ARGUMENT, "a matrix is not positive definite: pivot %lld is %g",
          (long long)pivot, value);
  wk_error_add_hint("adding a small multiple of the identity often helps");
  return WK_ERROR_ARGUMENT;
}

/* Rows and columns first .. first + count - 1. */
static wk_status factor_diagonal(double *x, int64_t n, int64_t first, int64_t count,
                                 double *turned) {
  for (int64_t i = 0; i < count; i++) {
    double *row = x + (first + i) * n + first;
    solve_row(row, turned, i);
    double pivot = row[i];
    for (int64_t j = 0; j < i; j++) pivot -= row[j] * row[j];
    if (!(pivot > 0)) return not_positive(first + i, pivot);
    row[i] = sqrt(pivot);
    for (int64_t j = 0; j <= i; j++) turned[j * BLOCK + i] = row[j];
  }
  return WK_OK;
}

static wk_status cholesky(double *x, int64_t n, double *space) {
  double turned[BLOCK * BLOCK] = {0};
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) x[i * n + j] = x[j * n + i] = (x[i * n + j] + x[j * n + i]) / 2;
  for (int64_t first = 0; first < n; first += BLOCK) {
    const int64_t count = smaller(BLOCK, n - first), next = first + count;
    wk_status status = factor_diagonal(x, n, first, count, turned);
    for (int64_t i = next; i < n && status == WK_OK; i++)
      solve_row(x + i * n + first, turned, count);
    const double *panel = x + next * n + first;
    const product rest = {n - next, n - next, count, x + next * n + next, panel, panel, n, n, 1, n};
    if (status == WK_OK) status = subtract(&rest, space);
    if (status != WK_OK) return status;
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i + 1; j < n; j++) x[i * n + j] = 0;
  return WK_OK;
}

wk_status wk_cpu_run_cholesky(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  double *x = load(&call->inputs[0]);
  double *space = wk_allocate((size_t)(m.rows * BLOCK) * sizeof *space + 1);
  wk_status status = x && space ? WK_OK : wk_error_status();
  for (int64_t i = 0; i < m.count && status == WK_OK; i++)
    status = cholesky(x + i * m.rows * m.rows, m.rows, space);
  if (status == WK_OK) store(&call->outputs[0], x);
  wk_deallocate(x);
  wk_deallocate(space);
  return status;
}

/* ---- triangles ---- */

/* Solves a x = b in place of b [n, columns] for triangular a, whose rows are n apart. */
static wk_status substitute(const double *a, int64_t n, bool upper, bool unit, double *b,
                            int64_t columns, double *space) {
  for (int64_t done = 0; done < n; done += BLOCK) {
    const int64_t count = smaller(BLOCK, n - done), first = upper ? n - done - count : done;
    for (int64_t step = 0; step < count; step++) {
      const int64_t i = first + (upper ? count - 1 - step : step);
      double *row = b + i * columns;
      for (int64_t k = upper ? i + 1 : first; k < (upper ? first + count : i); k++)
        take_off(row, a[i * n + k], b + k * columns, columns);
      for (int64_t j = 0; j < columns && !unit; j++) row[j] /= a[i * n + i];
    }
    const int64_t rest = upper ? 0 : first + count, rows = n - done - count;
    const product p = {rows,
                       columns,
                       count,
                       b + rest * columns,
                       a + rest * n + first,
                       b + first * columns,
                       columns,
                       n,
                       columns,
                       1};
    const wk_status status = subtract(&p, space);
    if (status != WK_OK) return status;
  }
  return WK_OK;
}

/* ---- elimination with the largest pivots ---- */

static void swap_rows(double *x, int64_t columns, int64_t a, int64_t b) {
  for (int64_t j = 0; a != b && j < columns; j++) {
    const double value = x[a * columns + j];
    x[a * columns + j] = x[b * columns + j], x[b * columns + j] = value;
  }
}

/* x [n, n] becomes u, with the factors of l below its diagonal. Rows of b [n, columns] change
 * places with x's. Returns the sign of the exchanges; 0 with an error pending. */
static double eliminate(double *x, int64_t n, double *b, int64_t columns, double *space) {
  double sign = 1;
  for (int64_t first = 0; first < n; first += BLOCK) {
    const int64_t count = smaller(BLOCK, n - first), next = first + count;
    for (int64_t k = first; k < next; k++) {
      int64_t pivot = k;
      for (int64_t i = k + 1; i < n; i++)
        if (fabs(x[i * n + k]) > fabs(x[pivot * n + k])) pivot = i;
      if (pivot != k) sign = -sign;
      swap_rows(x, n, k, pivot);
      swap_rows(b, columns, k, pivot);
      for (int64_t i = k + 1; i < n && x[k * n + k] != 0; i++) {
        x[i * n + k] /= x[k * n + k];
        take_off(x + i * n + k + 1, x[i * n + k], x + k * n + k + 1, next - k - 1);
      }
    }
    for (int64_t i = first + 1; i < next; i++)
      for (int64_t k = first; k < i; k++)
        take_off(x + i * n + next, x[i * n + k], x + k * n + next, n - next);
    const product rest = {n - next,
                          n - next,
                          count,
                          x + next * n + next,
                          x + next * n + first,
                          x + first * n + next,
                          n,
                          n,
                          n,
                          1};
    if (subtract(&rest, space) != WK_OK) return 0;
  }
  return sign;
}

static wk_status solve_square(double *a, int64_t n, double *b, int64_t columns, double *space) {
  if (eliminate(a, n, b, columns, space) == 0) return wk_error_status();
  for (int64_t i = 0; i < n; i++) {
    if (a[i * n + i] != 0) continue;
    wk_fail(WK_ERROR_ARGUMENT, "a matrix is singular: pivot %lld is 0", (long long)i);
    wk_error_add_hint("wk_pseudo_inverse and wk_least_squares have a result for any matrix");
    return WK_ERROR_ARGUMENT;
  }
  const wk_status status = substitute(a, n, false, true, b, columns, space);
  return status != WK_OK ? status : substitute(a, n, true, false, b, columns, space);
}

/* ---- equations ---- */

/* As many matrices a as right-hand sides; or one and a vector. */
const char *wk_cpu_refuse_equations(const wk_kernel_call *call) {
  const wk_layout *a = &call->inputs[0].layout, *b = &call->inputs[1].layout;
  bool same = b->rank == a->rank || (a->rank == 2 && b->rank == 1);
  for (int i = 0; same && i < a->rank - 2; i++) same = a->dims[i] == b->dims[i];
  return same ? wk_cpu_refuse_unless_float(call) : "matrices that are repeated";
}

static wk_status run_equations(const wk_kernel_call *call,
                               const wk_triangular_solve_arguments *triangle) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const wk_layout *right = &call->inputs[1].layout;
  const int64_t columns = right->rank == 1 ? 1 : right->dims[right->rank - 1], n = m.rows;
  double *a = load(&call->inputs[0]), *b = load(&call->inputs[1]);
  double *space = wk_allocate((size_t)(n * BLOCK) * sizeof *space + 1);
  wk_status status = a && b && space ? WK_OK : wk_error_status();
  for (int64_t i = 0; i < m.count && status == WK_OK; i++) {
    double *own_a = a + i * n * n, *own_b = b + i * n * columns;
    status = triangle ? substitute(own_a, n, triangle->upper, triangle->unit_diagonal, own_b,
                                   columns, space)
                      : solve_square(own_a, n, own_b, columns, space);
  }
  if (status == WK_OK) store(&call->outputs[0], b);
  wk_deallocate(a);
  wk_deallocate(b);
  wk_deallocate(space);
  return status;
}

wk_status wk_cpu_run_solve(const wk_kernel_call *call) { return run_equations(call, NULL); }

wk_status wk_cpu_run_triangular_solve(const wk_kernel_call *call) {
  return run_equations(call, call->arguments);
}

wk_status wk_cpu_run_determinant(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const wk_operand *y = &call->outputs[0];
  const int64_t n = m.rows;
  double *x = load(&call->inputs[0]);
  double *space = wk_allocate((size_t)(n * BLOCK) * sizeof *space + 1);
  wk_status status = x && space ? WK_OK : wk_error_status();
  for (int64_t i = 0; i < m.count && status == WK_OK; i++) {
    double *matrix = x + i * n * n, result = eliminate(matrix, n, NULL, 0, space);
    if (result == 0) status = wk_error_status();
    for (int64_t k = 0; k < n; k++) result *= matrix[k * n + k];
    wk_convert(y->layout.dtype, y->data + (size_t)i * wk_dtype_size(y->layout.dtype), WK_F64,
               (const char *)&result, 1);
  }
  wk_deallocate(x);
  wk_deallocate(space);
  return status;
}

/* ---- qr, by reflections I - factor * v v^T with v[k] = 1 and LAPACK's choices of signs ---- */

/* Reflects columns first .. columns - 1 of x's rows k .. rows - 1; v lies in column k of `from`,
 * below its diagonal. `dots` has room for a row. */
static void reflect(double *x, int64_t rows, int64_t columns, int64_t first, int64_t k,
                    const double *from, int64_t from_stride, double factor, double *dots) {
  const int64_t count = columns - first;
  memcpy(dots, x + k * columns + first, (size_t)count * sizeof *dots);
  for (int64_t i = k + 1; i < rows; i++)
    take_off(dots, -from[i * from_stride + k], x + i * columns + first, count);
  for (int64_t j = 0; j < count; j++) dots[j] *= factor;
  take_off(x + k * columns + first, 1, dots, count);
  for (int64_t i = k + 1; i < rows; i++)
    take_off(x + i * columns + first, from[i * from_stride + k], dots, count);
}

static void reflect_columns(double *x, const wk_matrices *m, double *factors, double *dots) {
  const int64_t columns = m->columns;
  for (int64_t k = 0; k < smaller(m->rows, columns); k++) {
    double below = 0;
    for (int64_t i = k + 1; i < m->rows; i++) below += x[i * columns + k] * x[i * columns + k];
    const double head = x[k * columns + k];
    factors[k] = 0;
    if (below == 0) continue;
    const double length = -copysign(sqrt(head * head + below), head);
    factors[k] = (length - head) / length;
    for (int64_t i = k + 1; i < m->rows; i++) x[i * columns + k] /= head - length;
    x[k * columns + k] = length;
    reflect(x, m->rows, columns, k + 1, k, x, columns, factors[k], dots);
  }
}

/* Of one matrix, into rows of q and r. */
static void run_qr(double *x, const wk_matrices *m, double *q, double *r, double *factors,
                   double *dots) {
  const int64_t less = smaller(m->rows, m->columns);
  reflect_columns(x, m, factors, dots);
  for (int64_t i = 0; i < m->rows; i++)
    for (int64_t j = 0; j < less; j++) q[i * less + j] = i == j;
  for (int64_t k = less - 1; k >= 0; k--)
    reflect(q, m->rows, less, 0, k, x, m->columns, factors[k], dots);
  for (int64_t i = 0; i < less; i++)
    for (int64_t j = 0; j < m->columns; j++)
      r[i * m->columns + j] = j < i ? 0 : x[i * m->columns + j];
}

wk_status wk_cpu_run_qr(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const int64_t less = smaller(m.rows, m.columns), q_size = m.rows * less,
                r_size = less * m.columns;
  double *x = load(&call->inputs[0]);
  double *q =
      wk_allocate((size_t)(m.count * (q_size + r_size) + 2 * (m.rows + m.columns) + 1) * sizeof *q);
  if (x && q) {
    double *r = q + m.count * q_size, *factors = r + m.count * r_size, *dots = factors + less;
    for (int64_t i = 0; i < m.count; i++)
      run_qr(x + i * m.rows * m.columns, &m, q + i * q_size, r + i * r_size, factors, dots);
    store(&call->outputs[0], q);
    store(&call->outputs[1], r);
  }
  wk_deallocate(x);
  wk_deallocate(q);
  return wk_error_status();
}
