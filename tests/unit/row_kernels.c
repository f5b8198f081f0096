/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling, softmax and its family, and reductions: against plain loops in double precision, and the
 * promise that neither instruction set nor threads change a bit. */

#include "support/unit.h"

#include <math.h>
#include <stdlib.h>

#include "support/kernels.h"

/* ---- pooling ---- */

static const wk_cpu_pool2d_shape pools[] = {
    /* batch, height, width, channels, out_height, out_width, kernel, stride, padding, count pad */
    {2, 6, 7, 3, 3, 3, 2, 2, 2, 2, 0, 0, false, 0, 0, 0, 0},
    {1, 7, 7, 20, 4, 4, 3, 3, 2, 2, 1, 1, false, 0, 0, 0, 0}, /* overlapping, padded */
    {1, 7, 7, 20, 4, 4, 3, 3, 2, 2, 1, 1, true, 0, 0, 0, 0},
    {2, 5, 6, 70, 5, 6, 3, 2, 1, 1, 1, 0, false, 0, 0, 0, 0},
    {1, 4, 4, 16, 3, 3, 1, 1, 2, 2, 1, 1, true, 0, 0, 0,
     0}, /* some windows wholly in the padding */
    {0, 6, 6, 3, 3, 3, 2, 2, 2, 2, 0, 0, false, 0, 0, 0, 0},
    {3, 26, 26, 33, 13, 13, 2, 2, 2, 2, 0, 0, false, 0, 0, 0, 0},
};

typedef struct pool_results {
  real_array max, average, max_gradient, average_gradient;
} pool_results;

static pool_results run_pool(wk_dtype dtype, const wk_cpu_pool2d_shape *s, const real_array *x,
                             const real_array *g) {
  pool_results r = {real_array_create(dtype, g->count), real_array_create(dtype, g->count),
                    real_array_create(dtype, x->count), real_array_create(dtype, x->count)};
  wk_cpu_max_pool2d(dtype, s, x->data, r.max.data);
  wk_cpu_average_pool2d(dtype, s, x->data, r.average.data);
  wk_cpu_max_pool2d_gradient(dtype, s, x->data, g->data, r.max_gradient.data);
  wk_cpu_average_pool2d_gradient(dtype, s, g->data, r.average_gradient.data);
  return r;
}

static void free_pool(pool_results *r) {
  real_array_free(&r->max);
  real_array_free(&r->average);
  real_array_free(&r->max_gradient);
  real_array_free(&r->average_gradient);
}

/* Elements of x that output element `y` sees, in row-major order; how many. */
static int64_t window_of(const wk_cpu_pool2d_shape *s, int64_t y, int64_t *elements) {
  const int64_t c = y % s->channels, pixel = y / s->channels;
  const int64_t top = pixel / s->out_width % s->out_height * s->stride_height - s->padding_top;
  const int64_t left = pixel % s->out_width * s->stride_width - s->padding_left;
  const int64_t image = pixel / s->out_width / s->out_height;
  int64_t count = 0;
  for (int64_t i = top; i < top + s->kernel_height; i++)
    for (int64_t j = left; j < left + s->kernel_width; j++)
      if (i >= 0 && i < s->height && j >= 0 && j < s->width)
        elements[count++] = ((image * s->height + i) * s->width + j) * s->channels + c;
  return count;
}

static void check_pool(wk_dtype dtype, const wk_cpu_pool2d_shape *s) {
  real_array x = real_array_create(dtype, s->batch * s->height * s->width * s->channels);
  real_array g = real_array_create(dtype, s->batch * s->out_height * s->out_width * s->channels);
  for (int64_t i = 0; i < x.count; i++) /* many ties, a NaN here and there */
    real_set(&x, i, i % 71 == 5 ? NAN : floor(4 * real_get(&x, i)));
  pool_results r = run_pool(dtype, s, &x, &g);
  double *max_gradient = calloc((size_t)x.count + 1, sizeof *max_gradient);
  double *average_gradient = calloc((size_t)x.count + 1, sizeof *average_gradient);
  assert_true(max_gradient && average_gradient);
  for (int64_t y = 0; y < g.count; y++) {
    int64_t seen[9];
    const int64_t count = window_of(s, y, seen);
    const int64_t size = s->count_include_pad ? s->kernel_height * s->kernel_width : count;
    double best = -INFINITY, sum = 0;
    int64_t where = count ? seen[0] : -1;
    for (int64_t i = 0; i < count; i++) {
      const double value = real_get(&x, seen[i]);
      if (value > best || (isnan(value) && !isnan(best))) best = value, where = seen[i];
      sum += value;
      average_gradient[seen[i]] += real_get(&g, y) / (double)size;
    }
    if (where >= 0) max_gradient[where] += real_get(&g, y);
    assert_close(&r.max, y, best, 0, 0);
    assert_close(&r.average, y, count ? sum / (double)size : 0, 8, 4);
  }
  for (int64_t i = 0; i < x.count; i++) {
    assert_close(&r.max_gradient, i, max_gradient[i], 8, 4);
    assert_close(&r.average_gradient, i, average_gradient[i], 8, 4);
  }
  free(max_gradient);
  free(average_gradient);
  free_pool(&r);
  real_array_free(&x);
  real_array_free(&g);
}

static void check_pools(wk_dtype dtype) {
  for (size_t i = 0; i < COUNT_OF(pools); i++) check_pool(dtype, &pools[i]);
}

static void pooling_is_right(void **state) {
  (void)state;
  with_all_kernels(check_pools);
}

/* ---- softmax and its family ---- */

static const int64_t widths[] = {1, 2, 10, 15, 16, 17, 37, 64, 1000};

typedef struct row_results {
  real_array p, log_p, p_gradient, log_p_gradient, loss, loss_gradient;
} row_results;

static row_results run_rows(wk_dtype dtype, int64_t rows, int64_t columns, const real_array *x,
                            const real_array *g, const int64_t *labels) {
  const int64_t count = rows * columns;
  row_results r = {real_array_create(dtype, count), real_array_create(dtype, count),
                   real_array_create(dtype, count), real_array_create(dtype, count),
                   real_array_create(dtype, 1),     real_array_create(dtype, count)};
  wk_cpu_rows(WK_CPU_SOFTMAX, dtype, rows, columns, 1, x->data, NULL, r.p.data);
  wk_cpu_rows(WK_CPU_LOG_SOFTMAX, dtype, rows, columns, 1, x->data, NULL, r.log_p.data);
  wk_cpu_rows(WK_CPU_SOFTMAX_GRADIENT, dtype, rows, columns, 1, r.p.data, g->data,
              r.p_gradient.data);
  wk_cpu_rows(WK_CPU_LOG_SOFTMAX_GRADIENT, dtype, rows, columns, 1, r.log_p.data, g->data,
              r.log_p_gradient.data);
  assert_int_equal(wk_cpu_cross_entropy(dtype, rows, columns, x->data, labels, r.loss.data), WK_OK);
  wk_cpu_cross_entropy_gradient(dtype, rows, columns, x->data, labels, g->data,
                                r.loss_gradient.data);
  return r;
}

static void free_rows(row_results *r) {
  real_array_free(&r->p);
  real_array_free(&r->log_p);
  real_array_free(&r->p_gradient);
  real_array_free(&r->log_p_gradient);
  real_array_free(&r->loss);
  real_array_free(&r->loss_gradient);
}

static void check_row(int64_t row, int64_t columns, int64_t rows, const real_array *x,
                      const real_array *g, const row_results *r, int64_t label) {
  const int64_t at = row * columns;
  double largest = -INFINITY, sum = 0, dot = 0, total = 0;
  for (int64_t i = at; i < at + columns; i++) largest = fmax(largest, real_get(x, i));
  for (int64_t i = at; i < at + columns; i++) sum += exp(real_get(x, i) - largest);
  for (int64_t i = at; i < at + columns; i++) {
    dot += real_get(g, i) * exp(real_get(x, i) - largest) / sum;
    total += real_get(g, i);
  }
  for (int64_t i = at; i < at + columns; i++) {
    const double log_p = real_get(x, i) - largest - log(sum), p = exp(log_p);
    const double one = i == at + label;
    assert_close(&r->p, i, p, 200, p + 1e-30); /* exp(log_p) is off by |log_p| ulp itself */
    assert_close(&r->log_p, i, log_p, 8, fabs(log_p) + 1);
    assert_close(&r->p_gradient, i, p * (real_get(g, i) - dot), 200, p + 1e-30);
    assert_close(&r->log_p_gradient, i, real_get(g, i) - p * total, 100, 1 + p * fabs(total));
    assert_close(&r->loss_gradient, i, real_get(g, 0) * (p - one) / (double)rows, 200,
                 p + one + 1e-30);
  }
}

static void check_rows(wk_dtype dtype) {
  for (size_t w = 0; w < COUNT_OF(widths); w++) {
    const int64_t rows = 7, columns = widths[w];
    int64_t labels[7];
    real_array x = real_array_create(dtype, rows * columns);
    real_array g = real_array_create(dtype, rows * columns);
    for (int64_t i = 0; i < x.count; i++) real_set(&x, i, real_get(&x, i) * (i % 2 ? 80 : 3));
    for (int64_t i = 0; i < rows; i++) labels[i] = i * 5 % columns;
    row_results r = run_rows(dtype, rows, columns, &x, &g, labels);
    double loss = 0;
    for (int64_t i = 0; i < rows; i++) {
      check_row(i, columns, rows, &x, &g, &r, labels[i]);
      loss -= real_get(&r.log_p, i * columns + labels[i]) / (double)rows;
    }
    assert_close(&r.loss, 0, loss, 8, fabs(loss) + 1);
    free_rows(&r);
    real_array_free(&x);
    real_array_free(&g);
  }
}

static void softmax_family_is_right(void **state) {
  (void)state;
  with_all_kernels(check_rows);
}

static void check_extremes(wk_dtype dtype) {
  real_array x = real_array_create(dtype, 3), y = real_array_create(dtype, 3);
  real_set(&x, 0, -INFINITY), real_set(&x, 1, 1e30), real_set(&x, 2, -1e30);
  wk_cpu_rows(WK_CPU_SOFTMAX, dtype, 1, 3, 1, x.data, NULL, y.data);
  for (int64_t i = 0; i < 3; i++) assert_true(real_get(&y, i) == (i == 1));
  real_set(&x, 1, NAN);
  wk_cpu_rows(WK_CPU_SOFTMAX, dtype, 1, 3, 1, x.data, NULL, y.data);
  for (int64_t i = 0; i < 3; i++) assert_true(isnan(real_get(&y, i)));
  wk_cpu_rows(WK_CPU_SOFTMAX, dtype, 0, 3, 1, x.data, NULL, y.data);
  wk_cpu_cross_entropy(dtype, 0, 3, x.data, NULL, y.data);
  assert_true(isnan(real_get(&y, 0)));
  real_array_free(&x);
  real_array_free(&y);
}

static void softmax_of_extremes(void **state) {
  (void)state;
  with_all_kernels(check_extremes);
}

/* ---- reductions ---- */

typedef struct middle {
  int64_t outer, count, inner;
} middle;

static const middle middles[] = {
    {1, 0, 1}, {3, 0, 5},      {0, 4, 5},    {4, 5, 0},      {1, 1, 1},      {5, 17, 1},
    {3, 9, 7}, {1, 100000, 1}, {2, 4097, 1}, {1, 10000, 32}, {2, 700, 1030}, {7, 3, 33},
};

static void check_reductions(wk_dtype dtype) {
  for (size_t n = 0; n < COUNT_OF(middles); n++) {
    const middle *m = &middles[n];
    real_array x = real_array_create(dtype, m->outer * m->count * m->inner);
    real_array sum = real_array_create(dtype, m->outer * m->inner);
    real_array max = real_array_create(dtype, m->outer * m->inner);
    if (m->count > 8) real_set(&x, m->count / 2, NAN);
    assert_int_equal(wk_cpu_reduce(WK_CPU_SUM, dtype, m->outer, m->count, m->inner, x.data,
                                   sum.data),
                     WK_OK);
    assert_int_equal(wk_cpu_reduce(WK_CPU_MAX, dtype, m->outer, m->count, m->inner, x.data,
                                   max.data),
                     WK_OK);
    for (int64_t i = 0; i < sum.count; i++) {
      double total = 0, best = -INFINITY, scale = 0;
      for (int64_t k = 0; k < m->count; k++) {
        const double value = real_get(&x, (i / m->inner * m->count + k) * m->inner + i % m->inner);
        total += value, scale += fabs(value);
        if (value > best || isnan(value)) best = value;
      }
      assert_close(&sum, i, total, 8 + sqrt((double)m->count) / 8, scale);
      assert_close(&max, i, best, 0, 0);
    }
    real_array_free(&x);
    real_array_free(&sum);
    real_array_free(&max);
  }
}

static void reductions_are_right(void **state) {
  (void)state;
  with_all_kernels(check_reductions);
}

static void check_integers(wk_dtype unused) {
  (void)unused;
  enum { COUNT = 5000 };
  int64_t x[COUNT], sum, max, want = 0;
  int32_t small[COUNT], small_max;
  for (int i = 0; i < COUNT; i++) {
    small[i] = (int32_t)((uint32_t)i * 2654435761u), x[i] = (int64_t)small[i] * 1048576;
    want += x[i];
  }
  wk_cpu_reduce(WK_CPU_SUM, WK_I64, 1, COUNT, 1, x, &sum);
  wk_cpu_reduce(WK_CPU_MAX, WK_I64, 1, COUNT, 1, x, &max);
  wk_cpu_reduce(WK_CPU_MAX, WK_I32, 1, COUNT, 1, small, &small_max);
  assert_true(sum == want);
  int64_t at, small_at;
  wk_cpu_find(true, WK_I64, 1, COUNT, 1, x, &at);
  wk_cpu_find(true, WK_I32, 1, COUNT, 1, small, &small_at);
  assert_true(x[at] == max && small[small_at] == small_max && at == small_at);
  x[0] = INT64_MAX, x[1] = 1;
  wk_cpu_reduce(WK_CPU_SUM, WK_I64, 1, 2, 1, x, &sum);
  assert_true(sum == INT64_MIN);
  wk_cpu_reduce(WK_CPU_MAX, WK_I64, 1, 0, 1, x, &max);
  assert_true(max == INT64_MIN);
}

static void integer_reductions(void **state) {
  (void)state;
  with_all_kernels(check_integers);
}

static void check_argmax(wk_dtype dtype) {
  for (size_t w = 0; w < COUNT_OF(widths); w++) {
    const int64_t rows = 5, columns = widths[w];
    real_array x = real_array_create(dtype, rows * columns);
    for (int64_t i = 0; i < x.count; i++) real_set(&x, i, floor(5 * real_get(&x, i)));
    real_set(&x, x.count - 1, NAN);
    for (int64_t i = 0; i < columns; i++) real_set(&x, i, -INFINITY);
    int64_t got[5];
    wk_cpu_find(true, dtype, rows, columns, 1, x.data, got);
    for (int64_t row = 0; row < rows; row++) {
      int64_t want = 0;
      for (int64_t i = 1; i < columns; i++) {
        const double best = real_get(&x, row * columns + want);
        const double value = real_get(&x, row * columns + i);
        if (value > best || (isnan(value) && !isnan(best))) want = i;
      }
      assert_int_equal(got[row], want);
    }
    real_array_free(&x);
  }
}

static void argmax_is_right(void **state) {
  (void)state;
  with_all_kernels(check_argmax);
}

/* ---- bits ---- */

typedef struct all_results {
  pool_results pool;
  row_results rows;
  real_array sum, column_sum;
} all_results;

static all_results run_all(wk_dtype dtype, const real_array *x, const real_array *g,
                           const int64_t *labels) {
  all_results r = {run_pool(dtype, &pools[6], x, g), run_rows(dtype, 676, 99, x, x, labels),
                   real_array_create(dtype, 1), real_array_create(dtype, 33)};
  wk_cpu_reduce(WK_CPU_SUM, dtype, 1, x->count, 1, x->data, r.sum.data);
  wk_cpu_reduce(WK_CPU_SUM, dtype, 1, x->count / 33, 33, x->data, r.column_sum.data);
  return r;
}

static void assert_same(const all_results *a, const all_results *b) {
  assert_true(real_equal_bits(&a->pool.max, &b->pool.max));
  assert_true(real_equal_bits(&a->pool.average, &b->pool.average));
  assert_true(real_equal_bits(&a->pool.max_gradient, &b->pool.max_gradient));
  assert_true(real_equal_bits(&a->pool.average_gradient, &b->pool.average_gradient));
  assert_true(real_equal_bits(&a->rows.p, &b->rows.p));
  assert_true(real_equal_bits(&a->rows.log_p, &b->rows.log_p));
  assert_true(real_equal_bits(&a->rows.p_gradient, &b->rows.p_gradient));
  assert_true(real_equal_bits(&a->rows.log_p_gradient, &b->rows.log_p_gradient));
  assert_true(real_equal_bits(&a->rows.loss, &b->rows.loss));
  assert_true(real_equal_bits(&a->rows.loss_gradient, &b->rows.loss_gradient));
  assert_true(real_equal_bits(&a->sum, &b->sum));
  assert_true(real_equal_bits(&a->column_sum, &b->column_sum));
}

static void free_all(all_results *r) {
  free_pool(&r->pool);
  free_rows(&r->rows);
  real_array_free(&r->sum);
  real_array_free(&r->column_sum);
}

static void check_bits(wk_dtype dtype) {
  const int threads = wk_thread_count();
  real_array x = real_array_create(dtype, 3 * 26 * 26 * 33);
  real_array g = real_array_create(dtype, 3 * 13 * 13 * 33);
  int64_t labels[676];
  for (int64_t i = 0; i < 676; i++) labels[i] = i % 99;
  all_results first = run_all(dtype, &x, &g, labels);
  for (int64_t i = 0; i < isa_count(); i++) {
    if (!wk_cpu_isa_select(isa_name(i))) continue;
    for (int count = 1; count <= 3; count++) {
      wk_set_thread_count(count);
      all_results again = run_all(dtype, &x, &g, labels);
      assert_same(&first, &again);
      free_all(&again);
    }
  }
  wk_set_thread_count(threads);
  free_all(&first);
  real_array_free(&x);
  real_array_free(&g);
}

static void bits_depend_on_nothing(void **state) {
  (void)state;
  check_bits(WK_F32);
  check_bits(WK_F64);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pooling_is_right),       cmocka_unit_test(softmax_family_is_right),
      cmocka_unit_test(softmax_of_extremes),    cmocka_unit_test(reductions_are_right),
      cmocka_unit_test(integer_reductions),     cmocka_unit_test(argmax_is_right),
      cmocka_unit_test(bits_depend_on_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
