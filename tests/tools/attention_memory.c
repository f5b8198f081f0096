/* SPDX-License-Identifier: Apache-2.0 */
/* Peak memory, of the process and of its tensors, and time of attention forward and backward with 8
 * heads of 64 and as many tokens as given. A second argument takes the matrix of scores instead. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <wick/wick.h>

static wk_tensor *with_scores(wk_tensor *query, wk_tensor *key, wk_tensor *value) {
  wk_tensor *scores = wk_matmul(query, wk_permute(key, WK_AXES(0, 1, 3, 2)));
  return wk_matmul(wk_softmax(wk_multiply(scores, wk_scalar(0.125))), value);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static long resident_kilobytes(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

int main(int argc, char **argv) {
  const int64_t tokens = argc > 1 ? atoll(argv[1]) : 1024;
  WK_SCOPE;
  wk_device *device = wk_device_get("cpu");
  const wk_shape shape = WK_SHAPE(1, 8, tokens, 64);
  wk_tensor *in[3];
  for (int i = 0; i < 3; i++) {
    in[i] = wk_normal(shape);
    wk_tensor_set_requires_gradient(in[i], true);
  }
  const long before = resident_kilobytes();
  wk_memory_peak_reset(device);
  const double start = seconds();
  {
    WK_SCOPE;
    wk_tensor *y = argc > 2 ? with_scores(in[0], in[1], in[2])
                            : wk_scaled_dot_product_attention(in[0], in[1], in[2]);
    wk_backward(wk_sum(y));
  }
  const double end = seconds();
  wk_memory_statistics memory = {.struct_size = sizeof memory};
  wk_memory_statistics_get(device, &memory);
  printf("%lld %.1f %.1f %.3f\n", (long long)tokens, (double)memory.peak / 1048576,
         (double)(resident_kilobytes() - before) / 1024, end - start);
  return wk_error_report(stderr);
}
