/* SPDX-License-Identifier: Apache-2.0 */

/* Matrix products against plain sums in double precision, and the promises about their bits. */

#include "support/unit.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "support/kernels.h"

/* A matrix in an array with room between rows and columns. */
typedef struct matrix {
  real_array values;
  int64_t row_stride, column_stride;
} matrix;

typedef enum spacing { BY_ROWS, BY_COLUMNS, SPREAD } spacing;

static matrix matrix_create(wk_dtype dtype, int64_t rows, int64_t columns, spacing order) {
  matrix m = {.row_stride = columns + 3, .column_stride = 1};
  if (order == BY_COLUMNS) m.row_stride = 1, m.column_stride = rows + 1;
  if (order == SPREAD) m.row_stride = 2 * columns + 5, m.column_stride = 2;
  m.values = real_array_create(dtype, (rows + 1) * m.row_stride + (columns + 1) * m.column_stride);
  return m;
}

static double matrix_get(const matrix *m, int64_t i, int64_t j) {
  return real_get(&m->values, i * m->row_stride + j * m->column_stride);
}

typedef struct sizes {
  int64_t m, n, k;
} sizes;

static wk_cpu_gemm_operands operands_of(const sizes *s, const matrix *a, const matrix *b,
                                        const real_array *c, int64_t c_stride) {
  return (wk_cpu_gemm_operands){
      .m = s->m,
      .n = s->n,
      .k = s->k,
      .a = a->values.data,
      .a_row_stride = a->row_stride,
      .a_column_stride = a->column_stride,
      .b = b->values.data,
      .b_row_stride = b->row_stride,
      .b_column_stride = b->column_stride,
      .c = c->data,
      .c_row_stride = c_stride,
  };
}

/* mode 0: plain, 1: with bias, 2: added to what is there. */
static void check_product(wk_dtype dtype, const sizes *s, spacing a_order, spacing b_order,
                          int mode) {
  matrix a = matrix_create(dtype, s->m, s->k, a_order);
  matrix b = matrix_create(dtype, s->k, s->n, b_order);
  const int64_t stride = s->n + 2;
  real_array c = real_array_create(dtype, s->m * stride), bias = real_array_create(dtype, s->n);
  real_array before = real_array_create(dtype, s->m * stride);
  memcpy(before.data, c.data, (size_t)c.count * wk_dtype_size(dtype));
  wk_cpu_gemm_operands operands = operands_of(s, &a, &b, &c, stride);
  if (mode == 1) operands.bias = bias.data;
  operands.accumulate = mode == 2;
  assert_int_equal(wk_cpu_gemm(dtype, &operands), WK_OK);
  for (int64_t i = 0; i < s->m; i++) {
    for (int64_t j = 0; j < s->n; j++) {
      double want = mode == 1   ? real_get(&bias, j)
                    : mode == 2 ? real_get(&before, i * stride + j)
                                : 0;
      double scale = fabs(want);
      for (int64_t k = 0; k < s->k; k++) {
        const double term = matrix_get(&a, i, k) * matrix_get(&b, k, j);
        want += term, scale += fabs(term);
      }
      assert_close(&c, i * stride + j, want, 4 + (double)s->k / 8, scale);
    }
    for (int64_t j = s->n; j < stride; j++) /* between rows: untouched */
      assert_true(real_get(&c, i * stride + j) == real_get(&before, i * stride + j));
  }
  real_array_free(&a.values);
  real_array_free(&b.values);
  real_array_free(&c);
  real_array_free(&before);
  real_array_free(&bias);
}

static void check_all_sizes(wk_dtype dtype) {
  static const sizes list[] = {
      {0, 3, 4},    {3, 0, 4},     {3, 4, 0},     {1, 1, 1},     {1, 5, 7},     {5, 1, 7},
      {2, 3, 5},    {4, 16, 9},    {6, 16, 300},  {7, 17, 33},   {12, 32, 256}, {13, 33, 257},
      {14, 8, 512}, {25, 63, 100}, {31, 70, 65},  {64, 10, 160}, {97, 40, 31},  {1, 200, 300},
      {3, 5, 3000}, {40, 9, 2500}, {270, 35, 20}, {530, 3, 11},  {29, 300, 64}, {300, 50, 270},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    for (int layout = 0; layout < 4; layout++)
      check_product(dtype, &list[i], layout % 2 ? BY_COLUMNS : BY_ROWS,
                    layout / 2 ? BY_COLUMNS : BY_ROWS, (int)(i + (size_t)layout) % 3);
  check_product(dtype, &(sizes){19, 37, 270}, SPREAD, SPREAD, 0);
}

static void products_are_right(void **state) {
  (void)state;
  with_all_kernels(check_all_sizes);
}

/* Rows and columns may be split over any number of threads, and be part of any larger product. */
static void check_bits(wk_dtype dtype) {
  const sizes whole = {300, 70, 1100}, part = {11, 37, 1100};
  matrix a = matrix_create(dtype, whole.m, whole.k, BY_ROWS);
  matrix b = matrix_create(dtype, whole.k, whole.n, BY_COLUMNS);
  real_array c = real_array_create(dtype, whole.m * whole.n);
  real_array again = real_array_create(dtype, whole.m * whole.n);
  const int threads = wk_thread_count();
  for (int count = 1; count <= 5; count += 2) {
    assert_int_equal(wk_set_thread_count(count), WK_OK);
    const wk_cpu_gemm_operands all = operands_of(&whole, &a, &b, count == 1 ? &c : &again, whole.n);
    assert_int_equal(wk_cpu_gemm(dtype, &all), WK_OK);
    if (count > 1) assert_true(real_equal_bits(&c, &again));
  }
  real_fill(&again, 0);
  const wk_cpu_gemm_operands some = operands_of(&part, &a, &b, &again, whole.n);
  assert_int_equal(wk_cpu_gemm(dtype, &some), WK_OK);
  for (int64_t i = 0; i < part.m; i++)
    for (int64_t j = 0; j < part.n; j++)
      assert_true(real_get(&again, i * whole.n + j) == real_get(&c, i * whole.n + j));
  wk_set_thread_count(threads);
  real_array_free(&a.values);
  real_array_free(&b.values);
  real_array_free(&c);
  real_array_free(&again);
}

static void bits_do_not_depend_on_threads_or_sizes(void **state) {
  (void)state;
  with_all_kernels(check_bits);
}

/* A long product of small matrices, which threads split along k. */
static void check_long_bits(wk_dtype dtype) {
  const sizes s = {10, 9, 9000};
  matrix a = matrix_create(dtype, s.m, s.k, BY_COLUMNS),
         b = matrix_create(dtype, s.k, s.n, BY_ROWS);
  real_array c = real_array_create(dtype, s.m * s.n), again = real_array_create(dtype, s.m * s.n);
  real_array bias = real_array_create(dtype, s.n);
  const int threads = wk_thread_count();
  for (int mode = 0; mode < 3; mode++) {
    for (int count = 1; count <= 4; count++) {
      real_array *result = count == 1 ? &c : &again;
      real_fill(result, 0.25);
      wk_set_thread_count(count);
      wk_cpu_gemm_operands all = operands_of(&s, &a, &b, result, s.n);
      if (mode == 1) all.bias = bias.data;
      all.accumulate = mode == 2;
      assert_int_equal(wk_cpu_gemm(dtype, &all), WK_OK);
      if (count > 1) assert_true(real_equal_bits(&c, &again));
    }
  }
  wk_set_thread_count(threads);
  real_array_free(&a.values);
  real_array_free(&b.values);
  real_array_free(&c);
  real_array_free(&again);
  real_array_free(&bias);
}

static void long_sums_have_the_same_bits(void **state) {
  (void)state;
  with_all_kernels(check_long_bits);
}

/* A new thread has no scratch memory yet, and here cannot get any at first. */
static void *multiply_without_memory(void *statuses) {
  const float a = 2, b = 3;
  float c = 1;
  const wk_cpu_gemm_operands operands = {.m = 1, .n = 1, .k = 1, .a = &a, .b = &b, .c = &c};
  wk_memory_fail_after(0);
  ((wk_status *)statuses)[0] = wk_cpu_gemm(WK_F32, &operands);
  wk_memory_fail_after(-1);
  ((wk_status *)statuses)[1] = wk_error_status();
  wk_error_clear();
  ((wk_status *)statuses)[2] = wk_cpu_gemm(WK_F32, &operands);
  ((wk_status *)statuses)[3] = c == 6 ? WK_OK : WK_END;
  return NULL;
}

static void missing_memory_is_an_error(void **state) {
  (void)state;
  wk_status statuses[4];
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, multiply_without_memory, statuses), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(statuses[0], WK_ERROR_MEMORY);
  assert_int_equal(statuses[1], WK_ERROR_MEMORY);
  assert_int_equal(statuses[2], WK_OK);
  assert_int_equal(statuses[3], WK_OK);
}

static void peak_is_measured(void **state) {
  (void)state;
  if (getenv("WICK_TEST_QUICK")) skip(); /* as under valgrind */
  const wk_cpu_peak peak = wk_cpu_peak_measure(WK_F32, 0.01);
  assert_true(peak.one_thread > 0.1);
  assert_true(peak.all_threads > 0.1);
}

static void unknown_instruction_sets_are_refused(void **state) {
  (void)state;
  assert_false(wk_cpu_isa_select("abacus"));
  assert_true(wk_cpu_isa_select("baseline"));
  assert_string_equal(wk_cpu_isa_name(), "baseline");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_are_right),
      cmocka_unit_test(bits_do_not_depend_on_threads_or_sizes),
      cmocka_unit_test(long_sums_have_the_same_bits),
      cmocka_unit_test(missing_memory_is_an_error),
      cmocka_unit_test(peak_is_measured),
      cmocka_unit_test(unknown_instruction_sets_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
