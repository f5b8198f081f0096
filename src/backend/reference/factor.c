/* SPDX-License-Identifier: Apache-2.0 */
/* Factors of matrices: cholesky, qr, eigenvalues and singular values. In f64, row-major copies. */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "ops/matrices.h"
#include "ops/records.gen.h"

/* Elements [i][j] and [j][i] both become their mean. */
static void make_symmetric(double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) x[i * n + j] = x[j * n + i] = (x[i * n + j] + x[j * n + i]) / 2;
}

/* ---- cholesky ---- */

static wk_status cholesky(double *x, int64_t n) {
  make_symmetric(x, n);
  for (int64_t j = 0; j < n; j++) {
    for (int64_t i = j; i < n; i++) {
      double sum = x[i * n + j];
      for (int64_t k = 0; k < j; k++) sum -= x[i * n + k] * x[j * n + k];
      if (i > j) {
        x[i * n + j] = sum / x[j * n + j];
        continue;
      }
      if (!(sum > 0)) {
        wk_fail(WK_ERROR_ARGUMENT, "a matrix is not positive definite: pivot %lld is %g",
                (long long)j, sum);
        wk_error_add_hint("adding a small multiple of the identity often helps");
        return WK_ERROR_ARGUMENT;
      }
      x[j * n + j] = sqrt(sum);
    }
    for (int64_t i = 0; i < j; i++) x[i * n + j] = 0;
  }
  return WK_OK;
}

wk_status wk_reference_run_cholesky(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  for (int64_t i = 0; i < m.count; i++) {
    const wk_status status = cholesky(x + i * m.rows * m.rows, m.rows);
    if (status != WK_OK) return status;
  }
  wk_reals_store(x, &call->outputs[0]);
  return WK_OK;
}

/* ---- qr ---- */

/* Makes x upper triangular by reflections I - factor * v v^T with v[k] = 1; v below the diagonal.
 * LAPACK's choices of signs. */
static void reflect_columns(double *x, int64_t rows, int64_t columns, double *factors) {
  const int64_t less = rows < columns ? rows : columns;
  for (int64_t k = 0; k < less; k++) {
    double below = 0;
    for (int64_t i = k + 1; i < rows; i++) below += x[i * columns + k] * x[i * columns + k];
    const double head = x[k * columns + k];
    factors[k] = 0;
    if (below == 0) continue;
    const double length = -copysign(sqrt(head * head + below), head);
    factors[k] = (length - head) / length;
    for (int64_t i = k + 1; i < rows; i++) x[i * columns + k] /= head - length;
    x[k * columns + k] = length;
    for (int64_t j = k + 1; j < columns; j++) {
      double dot = x[k * columns + j];
      for (int64_t i = k + 1; i < rows; i++) dot += x[i * columns + k] * x[i * columns + j];
      dot *= factors[k];
      x[k * columns + j] -= dot;
      for (int64_t i = k + 1; i < rows; i++) x[i * columns + j] -= dot * x[i * columns + k];
    }
  }
}

/* The reflections' product, of which the first `less` columns are wanted. */
static void build_q(const double *x, int64_t rows, int64_t columns, const double *factors,
                    double *q) {
  const int64_t less = rows < columns ? rows : columns;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < less; j++) q[i * less + j] = i == j;
  for (int64_t k = less - 1; k >= 0; k--) {
    for (int64_t j = 0; j < less; j++) {
      double dot = q[k * less + j];
      for (int64_t i = k + 1; i < rows; i++) dot += x[i * columns + k] * q[i * less + j];
      dot *= factors[k];
      q[k * less + j] -= dot;
      for (int64_t i = k + 1; i < rows; i++) q[i * less + j] -= dot * x[i * columns + k];
    }
  }
}

wk_status wk_reference_run_qr(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const int64_t less = m.rows < m.columns ? m.rows : m.columns;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS q = wk_reals_zeroed(m.count * m.rows * less);
  WK_REALS r = wk_reals_zeroed(m.count * less * m.columns);
  WK_REALS factors = wk_reals_zeroed(less);
  if (!x || !q || !r || !factors) return wk_error_status();
  for (int64_t b = 0; b < m.count; b++) {
    double *matrix = x + b * m.rows * m.columns;
    reflect_columns(matrix, m.rows, m.columns, factors);
    build_q(matrix, m.rows, m.columns, factors, q + b * m.rows * less);
    for (int64_t i = 0; i < less; i++)
      for (int64_t j = i; j < m.columns; j++)
        r[(b * less + i) * m.columns + j] = matrix[i * m.columns + j];
  }
  wk_reals_store(q, &call->outputs[0]);
  wk_reals_store(r, &call->outputs[1]);
  return WK_OK;
}

/* ---- turning two columns into each other ---- */

#define SWEEPS 60

/* Columns p and q of x become cosine * p - sine * q and sine * p + cosine * q. */
static void turn_columns(double *x, int64_t rows, int64_t columns, int64_t p, int64_t q,
                         double cosine, double sine) {
  for (int64_t i = 0; i < rows; i++) {
    const double a = x[i * columns + p], b = x[i * columns + q];
    x[i * columns + p] = cosine * a - sine * b;
    x[i * columns + q] = sine * a + cosine * b;
  }
}

/* The smaller turn that makes [[a, c], [c, b]] diagonal. */
static void find_turn(double a, double b, double c, double *cosine, double *sine) {
  const double ratio = (b - a) / (2 * c);
  const double tangent = copysign(1, ratio) / (fabs(ratio) + sqrt(1 + ratio * ratio));
  *cosine = 1 / sqrt(1 + tangent * tangent);
  *sine = tangent * *cosine;
}

static void swap_columns(double *x, int64_t rows, int64_t columns, int64_t p, int64_t q) {
  for (int64_t i = 0; i < rows; i++) {
    const double a = x[i * columns + p];
    x[i * columns + p] = x[i * columns + q];
    x[i * columns + q] = a;
  }
}

/* -1 if column j's element furthest from 0 is negative, else 1. */
static double sign_of_column(const double *x, int64_t rows, int64_t columns, int64_t j) {
  double furthest = 0;
  for (int64_t i = 0; i < rows; i++)
    if (fabs(x[i * columns + j]) > fabs(furthest)) furthest = x[i * columns + j];
  return furthest < 0 ? -1 : 1;
}

static void scale_column(double *x, int64_t rows, int64_t columns, int64_t j, double factor) {
  for (int64_t i = 0; i < rows; i++) x[i * columns + j] *= factor;
}

/* ---- symmetric_eigen: Jacobi's method ---- */

static void find_eigen(double *x, int64_t n, double *values, double *vectors) {
  make_symmetric(x, n);
  for (int64_t i = 0; i < n * n; i++) vectors[i] = i / n == i % n;
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    bool turned = false;
    for (int64_t p = 0; p < n; p++) {
      for (int64_t q = p + 1; q < n; q++) {
        const double c = x[p * n + q], a = x[p * n + p], b = x[q * n + q];
        if (!(fabs(c) > 1e-17 * sqrt(fabs(a * b)) && fabs(c) > 1e-300)) continue;
        double cosine, sine;
        find_turn(a, b, c, &cosine, &sine);
        turn_columns(x, n, n, p, q, cosine, sine);
        for (int64_t i = 0; i < n; i++) { /* and the rows */
          const double u = x[p * n + i], v = x[q * n + i];
          x[p * n + i] = cosine * u - sine * v;
          x[q * n + i] = sine * u + cosine * v;
        }
        x[p * n + q] = x[q * n + p] = 0;
        turn_columns(vectors, n, n, p, q, cosine, sine);
        turned = true;
      }
    }
    if (!turned) break;
  }
  for (int64_t i = 0; i < n; i++) values[i] = x[i * n + i];
  for (int64_t i = 0; i < n; i++) {
    int64_t least = i;
    for (int64_t j = i + 1; j < n; j++)
      if (values[j] < values[least]) least = j;
    const double value = values[i];
    values[i] = values[least], values[least] = value;
    swap_columns(vectors, n, n, i, least);
    scale_column(vectors, n, n, i, sign_of_column(vectors, n, n, i));
  }
}

wk_status wk_reference_run_symmetric_eigen(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const int64_t n = m.rows;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS values = wk_reals_zeroed(m.count * n);
  WK_REALS vectors = wk_reals_zeroed(m.count * n * n);
  if (!x || !values || !vectors) return wk_error_status();
  for (int64_t b = 0; b < m.count; b++)
    find_eigen(x + b * n * n, n, values + b * n, vectors + b * n * n);
  wk_reals_store(values, &call->outputs[0]);
  wk_reals_store(vectors, &call->outputs[1]);
  return WK_OK;
}

/* ---- svd: Hestenes' one-sided Jacobi method ---- */

static double dot_columns(const double *x, int64_t rows, int64_t columns, int64_t p, int64_t q) {
  double sum = 0;
  for (int64_t i = 0; i < rows; i++) sum += x[i * columns + p] * x[i * columns + q];
  return sum;
}

/* A column of u for a singular value of 0: any that is orthogonal to those before it. */
static void complete_column(double *u, int64_t rows, int64_t columns, int64_t j) {
  for (int64_t unit = 0; unit < rows; unit++) {
    for (int64_t i = 0; i < rows; i++) u[i * columns + j] = i == unit;
    for (int turn = 0; turn < 2; turn++) {
      for (int64_t k = 0; k < j; k++) {
        const double part = dot_columns(u, rows, columns, k, j);
        for (int64_t i = 0; i < rows; i++) u[i * columns + j] -= part * u[i * columns + k];
      }
    }
    const double length = sqrt(dot_columns(u, rows, columns, j, j));
    if (length < 0.5 / sqrt((double)rows)) continue;
    scale_column(u, rows, columns, j, 1 / length);
    return;
  }
}

/* x [rows, columns], not wide, becomes u; v holds the right vectors as columns. */
static void find_singular(double *x, int64_t rows, int64_t columns, double *s, double *v) {
  for (int64_t i = 0; i < columns * columns; i++) v[i] = i / columns == i % columns;
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    bool turned = false;
    for (int64_t p = 0; p < columns; p++) {
      for (int64_t q = p + 1; q < columns; q++) {
        const double a = dot_columns(x, rows, columns, p, p);
        const double b = dot_columns(x, rows, columns, q, q);
        const double c = dot_columns(x, rows, columns, p, q);
        if (!(fabs(c) > 1e-16 * sqrt(a * b) && fabs(c) > 1e-300)) continue;
        double cosine, sine;
        find_turn(a, b, c, &cosine, &sine);
        turn_columns(x, rows, columns, p, q, cosine, sine);
        turn_columns(v, columns, columns, p, q, cosine, sine);
        turned = true;
      }
    }
    if (!turned) break;
  }
  for (int64_t j = 0; j < columns; j++) s[j] = sqrt(dot_columns(x, rows, columns, j, j));
  const double none = 1e-15 * (double)rows;
  double largest = 0;
  for (int64_t j = 0; j < columns; j++) {
    int64_t best = j;
    for (int64_t k = j + 1; k < columns; k++)
      if (s[k] > s[best]) best = k;
    const double value = s[j];
    s[j] = s[best], s[best] = value;
    swap_columns(x, rows, columns, j, best);
    swap_columns(v, columns, columns, j, best);
    if (j == 0) largest = s[0];
    if (s[j] > none * largest)
      scale_column(x, rows, columns, j, 1 / s[j]);
    else
      complete_column(x, rows, columns, j);
  }
}

static void transpose(const double *x, int64_t rows, int64_t columns, double *y) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
}

wk_status wk_reference_run_svd(const wk_kernel_call *call) {
  const wk_matrices m = wk_matrices_of(&call->inputs[0].layout);
  const bool wide = m.rows < m.columns;
  const int64_t less = wide ? m.rows : m.columns, more = wide ? m.columns : m.rows;
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  WK_REALS s = wk_reals_zeroed(m.count * less);
  WK_REALS u = wk_reals_zeroed(m.count * m.rows * less);
  WK_REALS vt = wk_reals_zeroed(m.count * less * m.columns);
  WK_REALS tall = wk_reals_zeroed(more * less);
  WK_REALS square = wk_reals_zeroed(less * less);
  if (!x || !s || !u || !vt || !tall || !square) return wk_error_status();
  for (int64_t b = 0; b < m.count; b++) {
    const double *matrix = x + b * m.rows * m.columns;
    double *left = u + b * m.rows * less, *right = vt + b * less * m.columns;
    if (wide)
      transpose(matrix, m.rows, m.columns, tall);
    else
      for (int64_t i = 0; i < more * less; i++) tall[i] = matrix[i];
    find_singular(tall, more, less, s + b * less, square);
    double *const of_u = wide ? square : tall, *const of_v = wide ? tall : square;
    for (int64_t j = 0; j < less; j++) {
      const double sign = sign_of_column(of_u, m.rows, less, j);
      scale_column(tall, more, less, j, sign);
      scale_column(square, less, less, j, sign);
    }
    for (int64_t i = 0; i < m.rows * less; i++) left[i] = of_u[i];
    transpose(of_v, m.columns, less, right);
  }
  wk_reals_store(u, &call->outputs[0]);
  wk_reals_store(s, &call->outputs[1]);
  wk_reals_store(vt, &call->outputs[2]);
  return WK_OK;
}
