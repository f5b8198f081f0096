/* SPDX-License-Identifier: Apache-2.0 */
/* wk_index and its like, pieces, assignment: against loops over the elements. */
#include <stdlib.h>

#include <wick/wick.h>

#include "support/unit.h"

/* 0, 1, ... in the shape [2, 3, 4, 5]: element i j k l is i*60 + j*20 + k*5 + l. */
static wk_tensor *numbers(void) {
  return wk_reshape(wk_arange(120, .dtype = WK_I64), WK_SHAPE(2, 3, 4, 5));
}

static wk_tensor *i64(int64_t count, const int64_t *values) {
  return wk_tensor_from_data(WK_SHAPE(count), WK_I64, values, NULL);
}

static wk_tensor *bools(wk_shape shape, const char *values) {
  return wk_tensor_from_data(shape, WK_BOOL, values, NULL);
}

static void check(wk_tensor *y, wk_shape shape, const int64_t *expected) {
  int64_t values[256];
  wk_error_report(stderr);
  assert_non_null(y);
  assert_int_equal(wk_tensor_rank(y), shape.rank);
  for (int i = 0; i < shape.rank; i++) assert_int_equal(wk_tensor_dim(y, i), shape.dims[i]);
  const int64_t count = wk_tensor_count(y);
  assert_int_equal(wk_tensor_read(y, values, (size_t)count * 8), WK_OK);
  for (int64_t i = 0; i < count; i++) assert_int_equal(values[i], expected[i]);
}

static void test_views(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = numbers();
  check(wk_index(x, WK_AT(1), WK_AT(-1), WK_AT(2), WK_AT(0)), WK_SCALAR, (int64_t[]){110});
  check(wk_index(x, WK_AT(0), WK_RANGE(0, 2, 1), WK_AT(3), WK_RANGE(WK_LAST, WK_FIRST, -2)),
        WK_SHAPE(2, 3), (int64_t[]){19, 17, 15, 39, 37, 35});
  check(wk_index(x, WK_REST, WK_AT(1), WK_RANGE(1, -1, 2)), WK_SHAPE(2, 3, 2),
        (int64_t[]){6, 8, 26, 28, 46, 48, 66, 68, 86, 88, 106, 108});
  check(wk_index(x, WK_AT(0), WK_NEW_AXIS, WK_AT(0), WK_REST, WK_AT(0), WK_NEW_AXIS),
        WK_SHAPE(1, 4, 1), (int64_t[]){0, 5, 10, 15});
  wk_tensor *view = wk_index(x, WK_AT(1), WK_ALL, WK_AT(0), WK_AT(0));
  assert_int_equal(wk_tensor_stride(view, 0), 20); /* no copy */
  assert_true(wk_tensor_count(wk_index(x, WK_REST)) == 120);
}

static void test_tensors(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = numbers(), *i = i64(2, (int64_t[]){1, -2}), *j = i64(2, (int64_t[]){0, 3});
  check(wk_index(x, WK_AT(1), WK_TAKE(i), WK_TAKE(j), WK_AT(4)), WK_SHAPE(2),
        (int64_t[]){84, 99}); /* neighbours, behind what is gone */
  check(wk_index(x, WK_AT(0), WK_TAKE(i), WK_RANGE(0, 2, 1), WK_TAKE(j)), WK_SHAPE(2, 2),
        (int64_t[]){20, 25, 23, 28}); /* apart: in front */
  check(wk_index(x, WK_AT(0), WK_AT(0), WK_TAKE(wk_reshape(j, WK_SHAPE(2, 1))),
                 WK_TAKE(wk_cast(j, WK_I32))),
        WK_SHAPE(2, 2), (int64_t[]){0, 3, 15, 18}); /* broadcast */
  wk_tensor *rows = bools(WK_SHAPE(3), (char[]){1, 0, 1});
  check(wk_index(x, WK_AT(0), WK_MASK(rows), WK_AT(0), WK_RANGE(0, 2, 1)), WK_SHAPE(2, 2),
        (int64_t[]){0, 1, 40, 41});
  wk_tensor *plane = bools(WK_SHAPE(2, 3), (char[]){0, 0, 1, 1, 0, 0});
  check(wk_index(x, WK_TAKE(plane), WK_AT(0), WK_AT(0)), WK_SHAPE(2), (int64_t[]){40, 60});
  assert_int_equal(wk_tensor_dim(wk_index(x, WK_MASK(bools(WK_SCALAR, (char[]){0})), WK_REST), 0),
                   0);
}

static void test_update(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_reshape(wk_arange(12, .dtype = WK_I64), WK_SHAPE(3, 4));
  wk_tensor *y = wk_index_update(x, wk_scalar(-1), WK_RANGE(0, 3, 2), WK_AT(1));
  check(y, WK_SHAPE(3, 4), (int64_t[]){0, -1, 2, 3, 4, 5, 6, 7, 8, -1, 10, 11});
  y = wk_index_update(x, i64(2, (int64_t[]){-7, -8}), WK_AT(-1),
                      WK_TAKE(i64(2, (int64_t[]){3, 0})));
  check(y, WK_SHAPE(3, 4), (int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, -8, 9, 10, -7});
  y = wk_index_accumulate(x, wk_scalar(100), WK_TAKE(i64(3, (int64_t[]){0, 0, 2})), WK_AT(0));
  check(y, WK_SHAPE(3, 4), (int64_t[]){200, 1, 2, 3, 4, 5, 6, 7, 108, 9, 10, 11});
  y = wk_index_accumulate(x, wk_scalar(100), WK_AT(1), WK_RANGE(WK_LAST, 1, -1));
  check(y, WK_SHAPE(3, 4), (int64_t[]){0, 1, 2, 3, 4, 5, 106, 107, 8, 9, 10, 11});
  wk_tensor *turned = numbers();
  y = wk_index_update(turned, wk_scalar(-1), WK_AT(1), WK_TAKE(i64(1, (int64_t[]){2})), WK_ALL,
                      WK_TAKE(i64(1, (int64_t[]){4})));
  check(wk_index(y, WK_AT(1), WK_AT(2), WK_AT(3)), WK_SHAPE(5),
        (int64_t[]){115, 116, 117, 118, -1});
  check(wk_index(y, WK_AT(0), WK_AT(2), WK_AT(3)), WK_SHAPE(5), (int64_t[]){55, 56, 57, 58, 59});
}

/* The gradient of what is taken is put back, that of what is put is taken. */
static void test_gradient(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_full(WK_SHAPE(3, 4), 2), *source = wk_full(WK_SCALAR, 5), *gradients[2];
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor_set_requires_gradient(source, true);
  wk_tensor *twice = i64(2, (int64_t[]){1, 1});
  wk_grad(gradients, wk_sum(wk_index(x, WK_TAKE(twice), WK_RANGE(0, 4, 3))), WK_TENSORS(x));
  check(wk_cast(gradients[0], WK_I64), WK_SHAPE(3, 4),
        (int64_t[]){0, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0});
  wk_tensor *y = wk_index_update(x, source, WK_RANGE(0, 2, 1), WK_AT(3));
  wk_grad(gradients, wk_sum(y), WK_TENSORS(x, source));
  check(wk_cast(gradients[0], WK_I64), WK_SHAPE(3, 4),
        (int64_t[]){1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1});
  check(wk_cast(gradients[1], WK_I64), WK_SCALAR, (int64_t[]){2});
}

static void test_wrong(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = numbers();
  assert_null(wk_index(x, WK_AT(2)));
  assert_error_says(WK_ERROR_INDEX, "index 2 is not one of -2 .. 1");
  assert_null(wk_index(x, WK_REST, WK_AT(0), WK_REST));
  assert_error_says(WK_ERROR_ARGUMENT, "stands twice");
  assert_null(wk_index(x, WK_ALL, WK_ALL, WK_ALL, WK_ALL, WK_AT(0)));
  assert_error_says(WK_ERROR_ARGUMENT, "stand for 5 axes, but x has 4");
  assert_null(wk_index(x, WK_MASK(bools(WK_SHAPE(3), (char[]){1, 0, 1}))));
  assert_error_says(WK_ERROR_SHAPE, "the mask has size 3 in dimension 0, but that axis has 2");
  assert_null(wk_index(x, WK_TAKE(wk_full(WK_SHAPE(2), 1))));
  assert_error_says(WK_ERROR_DTYPE, "an index tensor is f32");
  assert_null(wk_index(x, WK_RANGE(0, 1, 0)));
  assert_error_says(WK_ERROR_ARGUMENT, "the step of a range is 0");
  assert_null(wk_index(x, WK_TAKE(NULL)));
  assert_error_says(WK_ERROR_ARGUMENT, "an index tensor is NULL");
  assert_null(wk_index_update(x, wk_full(WK_SHAPE(7), 1), WK_AT(0)));
  assert_error_says(WK_ERROR_SHAPE, "size 7");
}

static void test_pieces(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_reshape(wk_arange(14, .dtype = WK_I64), WK_SHAPE(2, 7)), *pieces[5];
  assert_int_equal(wk_split(pieces, 3, x, 1, 3), WK_OK);
  check(pieces[1], WK_SHAPE(2, 3), (int64_t[]){3, 4, 5, 10, 11, 12});
  check(pieces[2], WK_SHAPE(2, 1), (int64_t[]){6, 13});
  assert_int_equal(wk_chunk(pieces, 5, x, -1), WK_OK);
  check(pieces[3], WK_SHAPE(2, 1), (int64_t[]){6, 13});
  assert_int_equal(wk_tensor_dim(pieces[4], 1), 0);
  assert_int_equal(wk_tensor_split(pieces, 3, x, 1), WK_OK);
  check(pieces[0], WK_SHAPE(2, 3), (int64_t[]){0, 1, 2, 7, 8, 9});
  check(pieces[2], WK_SHAPE(2, 2), (int64_t[]){5, 6, 12, 13});
  assert_int_equal(wk_split_sizes(pieces, 3, x, 1, (int64_t[]){1, 0, 6}), WK_OK);
  check(pieces[0], WK_SHAPE(2, 1), (int64_t[]){0, 7});
  assert_int_equal(wk_unbind(pieces, 2, x, 0), WK_OK);
  check(pieces[1], WK_SHAPE(7), (int64_t[]){7, 8, 9, 10, 11, 12, 13});
  wk_split(pieces, 2, x, 1, 3);
  assert_null(pieces[0]);
  assert_error_says(WK_ERROR_ARGUMENT, "there are 3 pieces, but the array is for 2");
  wk_split_sizes(pieces, 2, x, 1, (int64_t[]){3, 3});
  assert_error_says(WK_ERROR_ARGUMENT, "do not add up to the 7 elements");
  wk_unbind(pieces, 3, x, 0);
  assert_null(pieces[0]);
  assert_error_says(WK_ERROR_ARGUMENT, "there are 2 pieces");
  wk_chunk(pieces, 2, x, 2);
  assert_error_says(WK_ERROR_ARGUMENT, "axis 2");
}

static void test_broadcast_tensors(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *a = i64(2, (int64_t[]){1, 2}), *results[2];
  wk_tensor *b = wk_reshape(i64(3, (int64_t[]){1, 2, 3}), WK_SHAPE(3, 1));
  assert_int_equal(wk_broadcast_tensors(results, WK_TENSORS(a, b)), WK_OK);
  check(results[0], WK_SHAPE(3, 2), (int64_t[]){1, 2, 1, 2, 1, 2});
  check(results[1], WK_SHAPE(3, 2), (int64_t[]){1, 1, 2, 2, 3, 3});
}

static void test_assign(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_reshape(wk_arange(12, .dtype = WK_I64), WK_SHAPE(3, 4));
  assert_int_equal(wk_assign(wk_index(x, WK_ALL, WK_AT(1)), wk_scalar(2.75)), WK_OK);
  check(x, WK_SHAPE(3, 4), (int64_t[]){0, 2, 2, 3, 4, 2, 6, 7, 8, 2, 10, 11});
  assert_int_equal(wk_assign(x, wk_flip(x)), WK_OK); /* its own memory */
  check(x, WK_SHAPE(3, 4), (int64_t[]){11, 10, 2, 8, 7, 6, 2, 4, 3, 2, 2, 0});
  assert_int_equal(wk_assign(wk_flip(x, .axes = WK_AXES(1)), wk_index(x, WK_AT(0))), WK_OK);
  check(wk_index(x, WK_AT(2)), WK_SHAPE(4), (int64_t[]){8, 2, 10, 11});
  wk_tensor *leaf = wk_full(WK_SHAPE(3), 1);
  wk_tensor_set_requires_gradient(leaf, true);
  wk_assign(leaf, wk_scalar(3));
  assert_error_says(WK_ERROR_STATE, "the target requires a gradient");
  wk_assign(wk_full(WK_SHAPE(3), 1), leaf);
  assert_error_says(WK_ERROR_STATE, "the value requires a gradient");
  {
    WK_NO_GRADIENT;
    assert_int_equal(wk_assign(leaf, wk_scalar(3)), WK_OK);
  }
  wk_tensor *other = wk_full(WK_SHAPE(3), 7), *loss = wk_sum(wk_multiply(leaf, other));
  wk_assign(other, wk_scalar(1));
  wk_backward(loss);
  assert_error_says(WK_ERROR_STATE, "overwritten");
  wk_assign(x, wk_full(WK_SHAPE(5), 1));
  assert_error_says(WK_ERROR_SHAPE, "size 5");
}

/* Backwards and repeated memory in ops with fast kernels. */
static void test_odd_strides(void **state) {
  (void)state;
  WK_SCOPE;
  wk_tensor *x = wk_reshape(wk_arange(6), WK_SHAPE(2, 3)), *back = wk_flip(x);
  wk_tensor *sum = wk_add(back, x), *product = wk_matmul(back, wk_transpose(back, 0, 1));
  float values[6];
  wk_tensor_read(sum, values, sizeof values);
  for (int i = 0; i < 6; i++) assert_true(values[i] == 5);
  wk_tensor_read(product, values, 4 * sizeof *values);
  assert_true(values[0] == 50 && values[1] == 14 && values[2] == 14 && values[3] == 5);
  wk_tensor_read(wk_relu(wk_flip(x, .axes = WK_AXES(1))), values, sizeof values);
  assert_true(values[0] == 2 && values[5] == 3);
  assert_true(wk_item(wk_sum(wk_as_strided(x, WK_SHAPE(3, 2), WK_SHAPE(0, 1), .offset = 4))) == 27);
}

/* Copies of views, which are made tile by tile, against the plain loop that reads tensors. */
static void check_copy(wk_tensor *view) {
  const size_t size = (size_t)wk_tensor_count(view) * wk_dtype_size(wk_tensor_dtype(view));
  char *expected = malloc(size + 1), *copied = malloc(size + 1);
  assert_int_equal(wk_tensor_read(view, expected, size), WK_OK);
  assert_int_equal(wk_tensor_read(wk_contiguous(view), copied, size), WK_OK);
  assert_memory_equal(copied, expected, size);
  free(expected);
  free(copied);
}

static void test_turned_copies(void **state) {
  (void)state;
  static const wk_dtype dtypes[] = {WK_U8, WK_F16, WK_F32, WK_F64};
  for (size_t i = 0; i < COUNT_OF(dtypes); i++) {
    WK_SCOPE;
    wk_tensor *x = wk_cast(wk_arange(70 * 90, .step = 0.03), dtypes[i]);
    wk_tensor *matrix = wk_reshape(x, WK_SHAPE(70, 90));
    check_copy(wk_transpose(matrix, 0, 1));
    check_copy(wk_transpose(wk_slice(matrix, 0, 3, 68), 0, 1));
    check_copy(wk_transpose(wk_slice(matrix, 0, WK_LAST, WK_FIRST, .step = -3), 0, 1));
    check_copy(wk_transpose(wk_slice(matrix, 1, 1, WK_LAST, .step = 2), 0, 1));
    check_copy(wk_permute(wk_reshape(x, WK_SHAPE(5, 14, 90)), WK_AXES(2, 0, 1)));
    check_copy(wk_permute(wk_reshape(x, WK_SHAPE(5, 14, 1, 9, 10)), WK_AXES(0, 4, 2, 1, 3)));
    check_copy(wk_permute(wk_reshape(x, WK_SHAPE(10, 7, 9, 10)), WK_AXES(3, 2, 1, 0)));
    check_copy(wk_broadcast_to(wk_reshape(x, WK_SHAPE(70, 90, 1)), WK_SHAPE(70, 90, 9)));
  }
}

/* ---- gradients of gradients, against differences of gradients ---- */

static wk_tensor *places(void) { return i64(4, (int64_t[]){2, 0, 2, 1}); }
static wk_tensor *grid(void) {
  const int64_t values[6] = {2, 0, 1, 1, 0, 2};
  return wk_tensor_from_data(WK_SHAPE(2, 3), WK_I64, values, NULL);
}
static wk_tensor *filled(double value, wk_shape shape) {
  return wk_full(shape, value, .dtype = WK_F64);
}
static wk_tensor *second_gather(wk_tensor *x) { return wk_gather(x, grid(), 0); }
static wk_tensor *second_scatter(wk_tensor *x) {
  return wk_scatter(wk_multiply(x, x), grid(), x, 0);
}
static wk_tensor *second_scatter_add(wk_tensor *x) { return wk_scatter_add(x, grid(), x, 0); }
static wk_tensor *second_reduce(wk_tensor *x, wk_scatter_reduction reduction, bool exclude) {
  return wk_scatter_reduce(wk_multiply(x, x), grid(), x, 0, .reduction = reduction,
                           .exclude_x = exclude);
}
static wk_tensor *second_mean(wk_tensor *x) {
  return second_reduce(x, WK_SCATTER_REDUCTION_MEAN, false);
}
static wk_tensor *second_max(wk_tensor *x) {
  return second_reduce(x, WK_SCATTER_REDUCTION_MAX, true);
}
static wk_tensor *second_product(wk_tensor *x) {
  return second_reduce(x, WK_SCATTER_REDUCTION_PRODUCT, false);
}
static wk_tensor *second_rows(wk_tensor *x) {
  return wk_index_reduce(wk_multiply(x, x), i64(3, (int64_t[]){1, 0, -2}), x, 0,
                         .reduction = WK_SCATTER_REDUCTION_PRODUCT, .exclude_x = true);
}
static wk_tensor *second_index(wk_tensor *x) {
  return wk_index(x, WK_TAKE(places()), WK_RANGE(WK_LAST, WK_FIRST, -2));
}
static wk_tensor *second_update(wk_tensor *x) {
  wk_tensor *y = wk_index_accumulate(x, wk_slice(x, 0, 1, 2), WK_TAKE(places()));
  return wk_index_update(y, wk_select(x, 0, 2), WK_AT(0));
}
static wk_tensor *second_pad(wk_tensor *x) {
  x = wk_pad(x, WK_SHAPE(2, -1), WK_SHAPE(0, 1), .value = 3);
  return wk_pad(x, WK_SHAPE(1, 1), WK_SHAPE(2, -1), .mode = WK_PAD_MODE_REFLECT);
}
static wk_tensor *second_views(wk_tensor *x) {
  x = wk_as_strided(x, WK_SHAPE(3, 3), WK_SHAPE(4, 1), .offset = 1);
  return wk_concatenate(WK_TENSORS(wk_diagonal(x, .offset = 1),
                                   wk_reshape(wk_sliding_windows(x, 1, 2), WK_SHAPE(-1))),
                        0);
}
static wk_tensor *second_embedding(wk_tensor *x) {
  return wk_embedding(x, places(), .has_padding = true, .padding_index = 0);
}
static wk_tensor *second_segments(wk_tensor *x) {
  return wk_segment_product(x, i64(3, (int64_t[]){1, 0, 1}), .count = 2);
}

typedef wk_tensor *(*operation)(wk_tensor *x);

/* The gradient of the sum of the result's cubes at x + step * direction. */
static void gradient_at(operation run, double step, bool second, double *found) {
  WK_SCOPE;
  wk_tensor *x = wk_arange(12, .start = -1.3, .step = 0.27, .dtype = WK_F64);
  wk_tensor *direction = wk_arange(12, .start = 1, .step = -0.15, .dtype = WK_F64);
  x = wk_add(x, wk_multiply(direction, filled(step, WK_SCALAR)));
  x = wk_detach(wk_contiguous(wk_reshape(x, WK_SHAPE(3, 4))));
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *y = run(x), *gradient, *result;
  wk_grad(&gradient, wk_sum(wk_multiply(y, wk_multiply(y, y))), WK_TENSORS(x),
          .create_graph = second);
  result = gradient;
  if (second) {
    wk_tensor *along = wk_multiply(gradient, wk_reshape(direction, WK_SHAPE(3, 4)));
    wk_grad(&result, wk_sum(along), WK_TENSORS(x));
  }
  wk_tensor_read(result, found, 12 * sizeof *found);
  assert_no_error();
}

static void test_second_order(void **state) {
  (void)state;
  static const struct {
    const char *name;
    operation run;
  } operations[] = {
      {"gather", second_gather},
      {"scatter", second_scatter},
      {"scatter_add", second_scatter_add},
      {"mean", second_mean},
      {"max", second_max},
      {"product", second_product},
      {"rows", second_rows},
      {"index", second_index},
      {"update", second_update},
      {"pad", second_pad},
      {"views", second_views},
      {"embedding", second_embedding},
      {"segments", second_segments},
  };
  const double step = 1e-5;
  for (size_t k = 0; k < COUNT_OF(operations); k++) {
    double found[12], above[12], below[12];
    gradient_at(operations[k].run, 0, true, found);
    gradient_at(operations[k].run, step, false, above);
    gradient_at(operations[k].run, -step, false, below);
    for (int i = 0; i < 12; i++) {
      const double slope = (above[i] - below[i]) / (2 * step), off = found[i] - slope;
      if (off > 1e-5 || off < -1e-5)
        fail_msg("%s: element %d is %g, the slope is %g", operations[k].name, i, found[i], slope);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_views),         cmocka_unit_test(test_tensors),
      cmocka_unit_test(test_update),        cmocka_unit_test(test_gradient),
      cmocka_unit_test(test_wrong),         cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_assign),        cmocka_unit_test(test_broadcast_tensors),
      cmocka_unit_test(test_odd_strides),   cmocka_unit_test(test_second_order),
      cmocka_unit_test(test_turned_copies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
