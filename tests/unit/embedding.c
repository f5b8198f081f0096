/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of rows: gradients of the rows that were looked up alone, against gradients like the
 * table; norms of rows; bags. */
#include "support/unit.h"

#include <math.h>
#include <string.h>

#include <wick/wick.h>

enum { ROWS = 9, WIDTH = 5, SIZE = ROWS * WIDTH };

static wk_tensor *numbers(const int64_t *values, int64_t count) {
  return wk_tensor_from_data(WK_SHAPE(count), WK_I64, values, NULL);
}
#define NUMBERS(...)                                                                               \
  numbers((const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static wk_module *table(bool sparse) {
  wk_module *network = wk_sequential(
      wk_embedding_layer(ROWS, WIDTH, .sparse = sparse, .has_padding = true, .padding_index = 4));
  wk_module_build_for(network, WK_SCALAR, WK_I64, NULL);
  wk_tensor *weight = wk_parameters_get(wk_module_parameters(network), 0);
  float values[SIZE];
  for (int i = 0; i < SIZE; i++) values[i] = (float)sin(i + 1.0);
  const bool recorded = wk_set_gradients_recorded(false);
  wk_tensor_write(weight, values, sizeof values);
  wk_set_gradients_recorded(recorded);
  assert_no_error();
  return network;
}

static wk_tensor *weight_of(wk_module *network) {
  return wk_parameters_get(wk_module_parameters(network), 0);
}

static void read_all(const wk_tensor *x, float *values) {
  wk_tensor_read(x, values, SIZE * sizeof *values);
  assert_no_error();
}

/* The table is used twice, with different losses. */
static void backward(wk_module *network, int step) {
  WK_SCOPE;
  wk_tensor *a = wk_forward(network, NUMBERS(7, 2, 7, 4, (step + 1) % ROWS));
  wk_tensor *b = wk_forward(network, NUMBERS(2, 2, 0));
  wk_backward(wk_add(wk_sum(wk_square(a)), wk_sum(wk_multiply(wk_sin(b), wk_scalar(3)))));
  assert_no_error();
}

static bool is_sparse(wk_module *network) {
  return wk_tensor_row_gradient(weight_of(network)).rows != NULL;
}

static void test_rows_are_the_gradient(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *dense = table(false), *sparse = table(true);
  float a[SIZE], b[SIZE];
  backward(dense, 2), backward(sparse, 2);
  assert_false(is_sparse(dense));
  const wk_row_gradient g = wk_tensor_row_gradient(weight_of(sparse));
  int64_t rows[4];
  assert_int_equal(wk_tensor_count(g.rows), 4);
  wk_tensor_read(g.rows, rows, sizeof rows);
  assert_memory_equal(rows, ((int64_t[]){0, 2, 3, 7}), sizeof rows);
  assert_int_equal(wk_tensor_dim(g.values, 0), 4);
  read_all(wk_tensor_gradient(weight_of(dense)), a);
  read_all(wk_tensor_gradient(weight_of(sparse)), b);
  assert_memory_equal(a, b, sizeof a);
  assert_false(is_sparse(sparse)); /* reading made it so */
  backward(dense, 5), backward(sparse, 5);
  read_all(wk_tensor_gradient(weight_of(dense)), a);
  read_all(wk_tensor_gradient(weight_of(sparse)), b);
  assert_memory_equal(a, b, sizeof a);
  wk_module_free(dense), wk_module_free(sparse);
}

/* Both networks trained alike: values of the same bits. */
static void compare_training(wk_optimizer *dense_sgd, wk_optimizer *sparse_sgd, wk_module *dense,
                             wk_module *sparse) {
  float a[SIZE], b[SIZE];
  for (int step = 0; step < 4; step++) {
    for (int i = 0; i <= step % 2; i++) backward(dense, step + i), backward(sparse, step + i);
    assert_true(is_sparse(sparse));
    wk_optimizer_step(dense_sgd), wk_optimizer_step(sparse_sgd);
    assert_false(is_sparse(sparse));
    assert_null(wk_tensor_gradient(weight_of(sparse)));
    read_all(weight_of(dense), a), read_all(weight_of(sparse), b);
    assert_memory_equal(a, b, sizeof a);
  }
}

static void test_sgd_has_the_bits_of_dense_gradients(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *dense = table(false), *sparse = table(true);
  wk_optimizer *a = wk_sgd_create(dense, .learning_rate = 0.1);
  wk_optimizer *b = wk_sgd_create(sparse, .learning_rate = 0.1);
  compare_training(a, b, dense, sparse);
  wk_optimizer_free(a), wk_optimizer_free(b);
  wk_module_free(dense), wk_module_free(sparse);
}

/* Means and squares of rows that are not looked up stay; the step count is of all. */
static void test_adam_is_lazy(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = table(true);
  wk_optimizer *adam = wk_adam_create(network, .learning_rate = 0.1);
  float found[SIZE], start[SIZE];
  double w[WIDTH], m[WIDTH] = {0}, s[WIDTH] = {0};
  read_all(weight_of(network), start);
  for (int k = 0; k < WIDTH; k++) w[k] = (double)start[3 * WIDTH + k];
  for (int t = 1; t <= 4; t++) {
    {
      WK_SCOPE;
      const int64_t row = t == 2 ? 5 : 3;
      wk_backward(wk_sum(wk_square(wk_forward(network, numbers(&row, 1)))));
      wk_optimizer_step(adam);
      assert_no_error();
    }
    for (int k = 0; k < WIDTH && t != 2; k++) {
      const double g = 2 * w[k];
      m[k] = 0.9 * m[k] + 0.1 * g, s[k] = 0.999 * s[k] + 0.001 * g * g;
      w[k] -= 0.1 * (m[k] / (1 - pow(0.9, t))) / (sqrt(s[k] / (1 - pow(0.999, t))) + 1e-8);
    }
  }
  read_all(weight_of(network), found);
  for (int k = 0; k < WIDTH; k++) assert_true(fabs((double)found[3 * WIDTH + k] - w[k]) < 1e-5);
  assert_memory_not_equal(found + 5 * WIDTH, start + 5 * WIDTH, WIDTH * sizeof *found);
  assert_memory_equal(found, start, 3 * WIDTH * sizeof *found);
  wk_optimizer_free(adam);
  wk_module_free(network);
}

/* ---- where rows become a gradient like the table ---- */

static wk_tensor *leaf(void) {
  wk_tensor *x =
      wk_add(wk_reshape(wk_arange(SIZE, .dtype = WK_F32), WK_SHAPE(ROWS, WIDTH)), wk_scalar(1));
  wk_tensor_set_requires_gradient(x, true);
  return x;
}

static void test_mixed_uses(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *a = leaf(), *b = leaf();
  float x[SIZE], y[SIZE];
  for (int i = 0; i < 2; i++) {
    wk_tensor *w = i ? a : b;
    wk_tensor *rows = wk_embedding(w, NUMBERS(1, 8, 1), .sparse = i == 1);
    wk_tensor *bags =
        wk_embedding_bag(w, NUMBERS(3, 1, 3, 0), .offsets = NUMBERS(0, 3), .sparse = i == 1);
    wk_backward(wk_add(wk_sum(wk_square(rows)), wk_add(wk_sum(bags), wk_mean(wk_square(w)))));
  }
  read_all(wk_tensor_gradient(a), x), read_all(wk_tensor_gradient(b), y);
  for (int i = 0; i < SIZE; i++) assert_true(fabsf(x[i] - y[i]) <= 1e-6f * fabsf(y[i]));
  /* as a result, and in wk_grad */
  wk_tensor *g[2];
  for (int i = 0; i < 2; i++)
    wk_grad(&g[i], wk_sum(wk_square(wk_embedding(wk_sin(a), NUMBERS(2, 2), .sparse = i == 1))),
            WK_TENSORS(a));
  read_all(g[0], x), read_all(g[1], y);
  assert_memory_equal(x, y, sizeof x);
}

static void test_bags_give_rows(void **state) {
  (void)state;
  WK_SCOPE;
  for (int mode = 0; mode < 3; mode++) {
    wk_tensor *w[2] = {leaf(), leaf()};
    float x[SIZE], y[SIZE];
    for (int i = 0; i < 2; i++)
      wk_backward(wk_sum(
          wk_square(wk_embedding_bag(w[i], NUMBERS(3, 1, 3, 4, 8), .offsets = NUMBERS(0, 0, 3),
                                     .mode = (wk_bag_mode)mode, .has_padding = true,
                                     .padding_index = 4, .sparse = i == 1))));
    assert_int_equal(wk_tensor_count(wk_tensor_row_gradient(w[1]).rows), mode == 2 ? 2 : 3);
    read_all(wk_tensor_gradient(w[0]), x), read_all(wk_tensor_gradient(w[1]), y);
    assert_memory_equal(x, y, sizeof x);
    assert_no_error();
  }
}

static void test_last_offsets(void **state) {
  (void)state;
  WK_SCOPE;
  for (int mode = 0; mode < 3; mode++) {
    wk_tensor *w = leaf(), *v = leaf();
    wk_tensor *y = wk_embedding_bag(w, NUMBERS(3, 1, 2, 8), .offsets = NUMBERS(0, 2, 3),
                                    .mode = (wk_bag_mode)mode, .include_last_offset = true);
    wk_tensor *z =
        wk_embedding_bag(v, NUMBERS(3, 1, 2), .offsets = NUMBERS(0, 2), .mode = (wk_bag_mode)mode);
    float a[2 * WIDTH], b[2 * WIDTH], x[SIZE], x2[SIZE];
    wk_tensor_read(y, a, sizeof a), wk_tensor_read(z, b, sizeof b);
    assert_no_error();
    assert_memory_equal(a, b, sizeof a);
    wk_backward(wk_sum(wk_square(y))), wk_backward(wk_sum(wk_square(z)));
    read_all(wk_tensor_gradient(w), x), read_all(wk_tensor_gradient(v), x2);
    assert_memory_equal(x, x2, sizeof x);
  }
}

/* ---- memory ---- */

static void test_a_step_takes_little_memory(void **state) {
  (void)state;
  enum { LARGE = 1000000, FEATURES = 64 };
  const size_t table_size = (size_t)LARGE * FEATURES * sizeof(float);
  wk_module *network =
      wk_sequential(wk_embedding_layer(LARGE, FEATURES, .sparse = true), wk_linear_layer(4));
  wk_module_build_for(network, WK_SCALAR, WK_I64, NULL);
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 0.1);
  wk_memory_statistics before = {.struct_size = sizeof before}, after = before;
  wk_memory_statistics_get(wk_device_get("cpu"), &before);
  wk_memory_peak_reset(wk_device_get("cpu"));
  for (int step = 0; step < 2; step++) {
    WK_SCOPE;
    wk_backward(wk_mean(wk_square(wk_forward(network, NUMBERS(999999, 17, 5 + step, 17)))));
    wk_optimizer_step(sgd);
    assert_no_error();
  }
  wk_memory_statistics_get(wk_device_get("cpu"), &after);
  assert_true(after.peak < before.active + table_size / 16);
  wk_optimizer_free(sgd);
  wk_module_free(network);
}

/* ---- norms ---- */

static void test_norms_of_rows(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *w = leaf();
  float before[SIZE], after[SIZE];
  read_all(w, before);
  const double orders[] = {2, 1, INFINITY};
  for (int i = 0; i < 3; i++) {
    const int64_t row = 3 + i;
    wk_tensor *y = wk_embedding(w, numbers(&row, 1), .max_norm = 5, .norm_type = orders[i]);
    assert_true(fabs(wk_item(wk_norm(y, .order = orders[i])) - 5) < 1e-5);
  }
  wk_embedding_bag(w, NUMBERS(0, 0), .offsets = NUMBERS(0), .max_norm = 1000);
  assert_no_error();
  read_all(w, after);
  assert_memory_equal(before, after, 3 * WIDTH * sizeof *before);
  assert_memory_equal(before + 6 * WIDTH, after + 6 * WIDTH, 3 * WIDTH * sizeof *before);
  const float factor = after[3 * WIDTH] / before[3 * WIDTH];
  assert_true(factor < 0.2f &&
              fabsf(after[3 * WIDTH + 1] - factor * before[3 * WIDTH + 1]) < 1e-5f);
  wk_tensor *kept = wk_sum(wk_square(w)); /* needs the values as they are */
  wk_embedding(w, NUMBERS(8), .max_norm = 5);
  assert_int_equal(wk_backward(kept), WK_ERROR_STATE);
  wk_error_clear();
  assert_null(wk_embedding(wk_sin(w), NUMBERS(8), .max_norm = 5));
  wk_error e = {.struct_size = sizeof e};
  wk_error_take(&e);
  assert_int_equal(e.status, WK_ERROR_STATE);
  assert_non_null(strstr(e.message, "weight is the result of a recorded sin"));
  assert_null(wk_embedding(wk_detach(wk_transpose(w, 0, 1)), NUMBERS(1), .max_norm = 5));
  assert_int_equal(wk_error_status(), WK_ERROR_ARGUMENT);
  wk_error_clear();
}

static void test_first_values(void **state) {
  (void)state;
  WK_SCOPE;
  enum { MANY = 4000, FEATURES = 4 };
  static float values[MANY][FEATURES];
  wk_module *network =
      wk_sequential(wk_embedding_layer(MANY, FEATURES, .has_padding = true, .padding_index = 3));
  wk_module_build_for(network, WK_SCALAR, WK_I64, NULL);
  wk_tensor_read(weight_of(network), values, sizeof values);
  assert_no_error();
  double squares = 0, largest = 0;
  for (int i = 0; i < MANY * FEATURES; i++) {
    const double value = values[i / FEATURES][i % FEATURES];
    squares += value * value;
    largest = fmax(largest, fabs(value));
  }
  assert_true(fabs(squares / (MANY * FEATURES) - 1) < 0.05);
  assert_true(largest > 3); /* no even distribution of variance 1 goes so far */
  for (int i = 0; i < FEATURES; i++) assert_true(values[3][i] == 0);
  wk_module_free(network);

  network = wk_sequential(wk_embedding_layer(3, 2, .has_padding = true, .padding_index = 3));
  assert_int_equal(wk_module_build_for(network, WK_SCALAR, WK_I64, NULL), WK_ERROR_ARGUMENT);
  wk_error_clear();
  wk_module_free(network);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_the_gradient),
      cmocka_unit_test(test_sgd_has_the_bits_of_dense_gradients),
      cmocka_unit_test(test_adam_is_lazy),
      cmocka_unit_test(test_mixed_uses),
      cmocka_unit_test(test_bags_give_rows),
      cmocka_unit_test(test_last_offsets),
      cmocka_unit_test(test_a_step_takes_little_memory),
      cmocka_unit_test(test_norms_of_rows),
      cmocka_unit_test(test_first_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
