/* SPDX-License-Identifier: Apache-2.0 */

/* Convolution and its gradients against plain loops in double precision. */

#include "support/unit.h"

#include <math.h>
#include <stdlib.h>

#include "support/kernels.h"

/* One product of the sum that a convolution is: y[y] += x[x] * weight[weight]. */
typedef struct tap {
  int64_t x, weight, y;
} tap;

static bool find_tap(const wk_cpu_conv2d_shape *s, int64_t y, int64_t kernel, tap *found) {
  const int64_t group_channels = s->channels / s->groups;
  const int64_t o = y % s->out_channels, pixel = y / s->out_channels;
  const int64_t j = pixel % s->out_width, i = pixel / s->out_width % s->out_height;
  const int64_t image = pixel / s->out_width / s->out_height;
  const int64_t c = kernel % group_channels, place = kernel / group_channels;
  const int64_t row =
      i * s->stride_height - s->padding_top + place / s->kernel_width * s->dilation_height;
  const int64_t column =
      j * s->stride_width - s->padding_left + place % s->kernel_width * s->dilation_width;
  if (row < 0 || row >= s->height || column < 0 || column >= s->width) return false;
  const int64_t group = o / (s->out_channels / s->groups);
  found->x =
      ((image * s->height + row) * s->width + column) * s->channels + group * group_channels + c;
  found->weight = o * s->kernel_height * s->kernel_width * group_channels + kernel;
  found->y = y;
  return true;
}

/* The three arrays of a convolution, of which one is the result, and that one's plain sums. */
typedef struct problem {
  const wk_cpu_conv2d_shape *shape;
  real_array x, weight, y;
} problem;

static problem problem_create(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  const int64_t kernel = s->kernel_height * s->kernel_width * s->channels / s->groups;
  return (problem){
      s,
      real_array_create(dtype, s->batch * s->height * s->width * s->channels),
      real_array_create(dtype, s->out_channels * kernel),
      real_array_create(dtype, s->batch * s->out_height * s->out_width * s->out_channels),
  };
}

static void problem_free(problem *p) {
  real_array_free(&p->x);
  real_array_free(&p->weight);
  real_array_free(&p->y);
}

/* Compares `got`, which stands for array `which` (0: x, 1: weight, 2: y), with sums over the other
 * two. */
static void check_result(const problem *p, const real_array *got, int which,
                         const real_array *bias) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t kernel = s->kernel_height * s->kernel_width * s->channels / s->groups;
  double *want = calloc((size_t)got->count + 1, sizeof *want);
  double *scale = calloc((size_t)got->count + 1, sizeof *scale);
  assert_true(want && scale);
  tap t;
  for (int64_t y = 0; y < p->y.count; y++) {
    if (bias) want[y] = real_get(bias, y % s->out_channels), scale[y] = fabs(want[y]);
    for (int64_t k = 0; k < kernel; k++) {
      if (!find_tap(s, y, k, &t)) continue;
      const double term = which == 0   ? real_get(&p->weight, t.weight) * real_get(&p->y, t.y)
                          : which == 1 ? real_get(&p->x, t.x) * real_get(&p->y, t.y)
                                       : real_get(&p->x, t.x) * real_get(&p->weight, t.weight);
      const int64_t at = which == 0 ? t.x : which == 1 ? t.weight : t.y;
      want[at] += term, scale[at] += fabs(term);
    }
  }
  for (int64_t i = 0; i < got->count; i++) assert_close(got, i, want[i], 40, scale[i]);
  free(want);
  free(scale);
}

static void check_shape(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  problem p = problem_create(dtype, s);
  real_array bias = real_array_create(dtype, s->out_channels);

  real_array result = real_array_create(dtype, p.y.count);
  assert_int_equal(wk_cpu_conv2d(dtype, s, p.x.data, p.weight.data, bias.data, result.data, NULL),
                   WK_OK);
  check_result(&p, &result, 2, &bias);
  assert_int_equal(wk_cpu_conv2d(dtype, s, p.x.data, p.weight.data, NULL, result.data, NULL),
                   WK_OK);
  check_result(&p, &result, 2, NULL);
  real_array_free(&result);

  result = real_array_create(dtype, p.x.count);
  assert_int_equal(wk_cpu_conv2d_data_gradient(dtype, s, p.y.data, p.weight.data, result.data),
                   WK_OK);
  check_result(&p, &result, 0, NULL);
  real_array_free(&result);

  result = real_array_create(dtype, p.weight.count);
  assert_int_equal(wk_cpu_conv2d_weight_gradient(dtype, s, p.x.data, p.y.data, result.data, NULL),
                   WK_OK);
  check_result(&p, &result, 1, NULL);
  real_array_free(&result);
  real_array_free(&bias);
  problem_free(&p);
}

/* batch, height, width, channels, out_height, out_width, out_channels, kernel_height, kernel_width,
 * groups, stride_height, stride_width, padding_top, padding_left, dilation_height, dilation_width
 */
static const wk_cpu_conv2d_shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},
    {2, 5, 6, 3, 3, 4, 4, 3, 3, 1, 1, 1, 0, 0, 1, 1},
    {2, 5, 6, 3, 5, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1}, /* padded */
    {1, 7, 7, 4, 4, 8, 6, 3, 2, 2, 2, 1, 1, 1, 1, 1}, /* groups, uneven strides */
    {1, 8, 7, 2, 8, 7, 3, 2, 3, 1, 1, 1, 0, 2, 2, 2}, /* dilated, padded at the end only */
    {1, 9, 9, 3, 4, 4, 5, 3, 3, 1, 2, 2, 2, 1, 2, 3}, /* stride and dilation with a common factor */
    {2, 6, 6, 5, 3, 3, 7, 1, 1, 1, 2, 2, 0, 0, 1, 1}, /* 1x1 with strides */
    {2, 6, 6, 5, 6, 6, 7, 1, 1, 1, 1, 1, 0, 0, 1, 1}, /* 1x1 */
    {2, 6, 6, 6, 6, 6, 4, 1, 1, 2, 1, 1, 0, 0, 1, 1}, /* 1x1 in groups */
    {2, 4, 4, 3, 6, 6, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1}, /* 1x1, padded */
    {1, 3, 4, 2, 5, 6, 3, 5, 5, 1, 1, 1, 3, 3, 1, 1}, /* filter larger than the image */
    {1, 4, 4, 2, 2, 2, 3, 1, 1, 1, 3, 3, 0, 0, 1, 1}, /* pixels nobody sees */
    {1, 5, 5, 20, 5, 5, 20, 3, 3, 20, 1, 1, 1, 1, 1, 1}, /* depthwise */
    {2, 7, 6, 37, 4, 3, 37, 3, 3, 37, 2, 2, 1, 1, 1, 1}, /* depthwise with strides */
    {1, 9, 9, 16, 5, 5, 16, 3, 3, 16, 1, 1, 0, 0, 2, 2}, /* depthwise, dilated */
    {1, 9, 9, 3, 9, 9, 3, 7, 7, 3, 1, 1, 3, 3, 1, 1},    /* depthwise, more than 32 taps */
    {1, 5, 5, 4, 5, 5, 8, 3, 3, 4, 1, 1, 1, 1, 1, 1},    /* two filters a channel */
    {0, 5, 5, 3, 3, 3, 2, 3, 3, 1, 1, 1, 0, 0, 1, 1},    /* no images */
    {0, 5, 5, 4, 3, 3, 4, 3, 3, 4, 1, 1, 0, 0, 1, 1},
    {1, 5, 5, 3, 3, 3, 0, 3, 3, 1, 1, 1, 0, 0, 1, 1},      /* no filters */
    {1, 5, 5, 0, 3, 3, 2, 3, 3, 1, 1, 1, 0, 0, 1, 1},      /* no channels */
    {3, 13, 11, 32, 11, 9, 40, 3, 3, 1, 1, 1, 0, 0, 1, 1}, /* several blocks */
    {5, 14, 14, 1, 12, 12, 32, 3, 3, 1, 1, 1, 0, 0, 1, 1},
    {2, 12, 12, 17, 6, 6, 35, 3, 3, 1, 2, 2, 0, 0, 1, 1},
    {2, 14, 14, 1, 14, 14, 6, 5, 5, 1, 1, 1, 2, 2, 1, 1}, /* few channels on both sides */
    {3, 23, 20, 2, 11, 12, 29, 3, 4, 1, 2, 2, 1, 3, 2, 1},
    {18, 5, 5, 6, 4, 4, 10, 2, 2, 1, 1, 1, 0, 0, 1, 1},
};

static void check_all_shapes(wk_dtype dtype) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_shape(dtype, &shapes[i]);
}

static void convolutions_are_right(void **state) {
  (void)state;
  with_all_kernels(check_all_shapes);
}

static void check_threads(wk_dtype dtype) {
  const wk_cpu_conv2d_shape list[] = {
      {8, 14, 14, 8, 12, 12, 24, 3, 3, 1, 1, 1, 0, 0, 1, 1},
      {8, 14, 14, 24, 7, 7, 24, 3, 3, 24, 2, 2, 1, 1, 1, 1},
  };
  const int threads = wk_thread_count();
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    problem p = problem_create(dtype, &list[i]), first = problem_create(dtype, &list[i]);
    problem again = problem_create(dtype, &list[i]);
    for (int count = 1; count <= 3; count++) {
      problem *r = count == 1 ? &first : &again;
      wk_set_thread_count(count);
      wk_cpu_conv2d(dtype, &list[i], p.x.data, p.weight.data, NULL, r->y.data, NULL);
      wk_cpu_conv2d_data_gradient(dtype, &list[i], p.y.data, p.weight.data, r->x.data);
      wk_cpu_conv2d_weight_gradient(dtype, &list[i], p.x.data, p.y.data, r->weight.data, NULL);
      if (count == 1) continue;
      assert_true(real_equal_bits(&first.x, &again.x));
      assert_true(real_equal_bits(&first.weight, &again.weight));
      assert_true(real_equal_bits(&first.y, &again.y));
    }
    problem_free(&p);
    problem_free(&first);
    problem_free(&again);
  }
  wk_set_thread_count(threads);
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  with_all_kernels(check_threads);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_are_right),
      cmocka_unit_test(bits_do_not_depend_on_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
