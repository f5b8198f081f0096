/* SPDX-License-Identifier: Apache-2.0 */
/* Training steps of the convolutional network of examples/fashion.c, with anomaly detection and
 * without in turns; prints how much longer the fastest step takes with it, in percent. On one
 * thread and in processor time, so that other programs disturb it little. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include <wick/wick.h>

enum { STEPS = 60 };

static double processor_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double time_step(wk_module *network, wk_optimizer *optimizer, wk_tensor *images,
                        wk_tensor *labels, bool detect) {
  WK_SCOPE;
  wk_set_anomaly_detection(detect);
  const double start = processor_seconds();
  wk_backward(wk_cross_entropy(wk_forward(network, images), labels));
  wk_optimizer_step(optimizer);
  return processor_seconds() - start;
}

int main(void) {
  WK_SCOPE;
  wk_set_thread_count(1);
  wk_module *network =
      wk_sequential(wk_conv2d_layer(32, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                    wk_conv2d_layer(64, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                    wk_flatten_layer(), wk_linear_layer(10));
  wk_module_build_for(network, WK_SHAPE(28, 28, 1), WK_F32, NULL);
  wk_optimizer *optimizer = wk_adam_create(network, .learning_rate = 1e-3);
  wk_tensor *images = wk_uniform(WK_SHAPE(64, 28, 28, 1));
  wk_tensor *labels = wk_cast(wk_arange(64, .step = 1.0 / 7), WK_I64);
  double without = INFINITY, with = INFINITY;
  for (int i = 0; i < STEPS; i++) {
    without = fmin(without, time_step(network, optimizer, images, labels, false));
    with = fmin(with, time_step(network, optimizer, images, labels, true));
  }
  wk_optimizer_free(optimizer);
  wk_module_free(network);
  printf("%.3f ms without, %.3f ms with anomaly detection\n%.2f\n", 1e3 * without, 1e3 * with,
         100 * (with / without - 1));
  return wk_error_report(stderr);
}
