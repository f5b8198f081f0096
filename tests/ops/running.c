/* SPDX-License-Identifier: Apache-2.0 */
/* The running statistics that batch_norm keeps, against what PyTorch makes of the same batches, and
 * its gradients, which must not care for them. */
#include <math.h>

#include <wick/autograd.h>
#include <wick/device.h>
#include <wick/ops.h>

#include "tests.h"

/* F.batch_norm(x.T.reshape(3, 2), mean, variance, training=True, momentum=0.25) of PyTorch. */
static const float batch[] = {1, 10, 2, 40, 6, 10};
static const float first_mean[] = {0.75f, 5}, first_variance[] = {2.5f, 75.75f};

static void expect(wk_tensor *tensor, const float *expected, const char *what) {
  float values[2];
  assert_int_equal(wk_tensor_read(tensor, values, sizeof values), WK_OK);
  for (int i = 0; i < 2; i++)
    if (fabsf(values[i] - expected[i]) > 1e-5f * fabsf(expected[i]))
      fail_msg("%s %d is %.9g instead of %.9g", what, i, (double)values[i], (double)expected[i]);
}

static void test_running(void **state) {
  WK_SCOPE;
  wk_device *device = wk_device_get(*state);
  wk_tensor *x = wk_tensor_from_data(WK_SHAPE(3, 2), WK_F32, batch, device);
  wk_tensor *mean = wk_full(WK_SHAPE(2), 0, .device = device);
  wk_tensor *variance = wk_full(WK_SHAPE(2), 1, .device = device);
  wk_tensor_set_requires_gradient(x, true);
  wk_tensor *y = wk_batch_norm(x, .running_mean = mean, .running_variance = variance,
                               .training = true, .momentum = 0.25);
  expect(mean, first_mean, "mean");
  expect(variance, first_variance, "variance");
  assert_int_equal(wk_backward(wk_sum(wk_multiply(y, y))), WK_OK);
  /* nothing moves outside of training, nor for a batch without examples */
  wk_batch_norm(x, .running_mean = mean, .running_variance = variance);
  wk_batch_norm(wk_slice(x, 0, 0, 0), .running_mean = mean, .running_variance = variance,
                .training = true);
  expect(mean, first_mean, "mean");
  expect(variance, first_variance, "variance");
  assert_int_equal(wk_error_status(), WK_OK);
}

int run_running_tests(void) {
  const struct CMUnitTest tests[] = {
      {.name = "running statistics on cpu", .test_func = test_running, .initial_state = "cpu"},
      {.name = "running statistics on reference",
       .test_func = test_running,
       .initial_state = "reference"},
  };
  return cmocka_run_group_tests_name("running", tests, NULL, NULL);
}
