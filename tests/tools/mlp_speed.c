/* SPDX-License-Identifier: Apache-2.0 */
/* The step of stochastic gradient descent of a 784-128-10 network at batch 64 on one thread, in
 * units of the time that the processor's multiply-adds alone would take for its operations. */
#include <stdio.h>
#include <stdlib.h>

#include <wick/wick.h>

#include "base/file.h"
#include "device/benchmark.h"

enum { BATCH = 64, IN = 784, HIDDEN = 128, OUT = 10, ROUNDS = 20 };

/* Forward, both weight gradients, and the gradient that goes back through the second layer. */
static const double operations = 2.0 * BATCH * (2.0 * IN * HIDDEN + 3.0 * HIDDEN * OUT);

static void take_step(wk_module *network, wk_optimizer *sgd, wk_tensor *x, wk_tensor *labels) {
  WK_SCOPE;
  wk_backward(wk_cross_entropy(wk_forward(network, x), labels));
  wk_optimizer_step(sgd);
}

int main(int argc, char **argv) {
  WK_SCOPE;
  wk_set_thread_count(1);
  wk_module *network =
      wk_sequential(wk_linear_layer(HIDDEN), wk_relu_layer(), wk_linear_layer(OUT));
  wk_module_build_for(network, WK_SHAPE(IN), WK_F32, NULL);
  wk_optimizer *sgd = wk_sgd_create(network, .learning_rate = 0.01);
  int64_t classes[BATCH];
  for (int i = 0; i < BATCH; i++) classes[i] = i % OUT;
  wk_tensor *x = wk_uniform(WK_SHAPE(BATCH, IN)),
            *labels = wk_tensor_from_data(WK_SHAPE(BATCH), WK_I64, classes, NULL);
  double best = 1e9, peak = 0;
  for (int i = 0; i < 200; i++) take_step(network, sgd, x, labels);
  for (int round = 0; round < ROUNDS && wk_error_status() == WK_OK; round++) {
    const double rate = wk_cpu_benchmark.fma_peak(WK_F32, 1, 0.02);
    if (rate > peak) peak = rate;
    const double start = wk_seconds();
    for (double now = start; now - start < 0.1;) {
      const double before = now;
      take_step(network, sgd, x, labels);
      now = wk_seconds();
      if (now - before < best) best = now - before;
    }
  }
  wk_optimizer_free(sgd);
  wk_module_free(network);
  if (wk_error_report(stderr)) return 1;
  const double bar = argc > 1 ? atof(argv[1]) : 1.6, limit = operations / peak * 1e-9;
  printf("FMA peak of one thread %.1f GFLOP/s: %.1f us for %.1f MFLOP\n", peak, limit * 1e6,
         operations * 1e-6);
  printf("SGD step of 784-128-10 at batch 64: %.1f us, %.3f times the limit (bar %.2f)\n",
         best * 1e6, best / limit, bar);
  return best / limit > bar;
}
