/* SPDX-License-Identifier: Apache-2.0 */
/* Memory does not grow with the number of different shapes: what the process holds after 10,000
 * calls of ops and networks with random shapes is at most 1 MB above what it held after 100. */
#include <unistd.h>

#include <wick/wick.h>

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
__attribute__((weak)) void __tsan_init(void);

enum { EARLY = 100, LATE = 10000, ALLOWED_KB = 1024 };

static uint64_t state = 1;

/* 1 to `most`; a generator of its own, so that the shapes are the same everywhere. */
static int64_t draw(int64_t most) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return 1 + (int64_t)((state >> 33) % (uint64_t)most);
}

static wk_tensor *matrix(int64_t rows, int64_t columns) {
  return wk_uniform(WK_SHAPE(rows, columns));
}

static void run_product(void) {
  const int64_t inner = draw(128);
  wk_softmax(wk_matmul(matrix(draw(128), inner), matrix(inner, draw(128))));
}

static void run_pointwise(void) {
  const int64_t rows = draw(128), columns = draw(128);
  wk_sum(wk_relu(wk_add(matrix(rows, columns), matrix(1, columns))), .axes = WK_AXES(0));
}

static void run_moves(void) {
  wk_tensor *x = wk_uniform(WK_SHAPE(draw(16), draw(16), draw(16)));
  wk_concatenate(WK_TENSORS(x, wk_contiguous(x)), (int)draw(3) - 1);
  wk_contiguous(wk_permute(x, WK_AXES(2, 0, 1)));
}

static void run_network(wk_module *network) {
  wk_forward(network, wk_uniform(WK_SHAPE(draw(8), 4 + draw(28), 4 + draw(28), 1)));
}

static void train(wk_module *network) {
  wk_backward(
      wk_mean(wk_forward(network, wk_uniform(WK_SHAPE(draw(4), 4 + draw(20), 4 + draw(20), 1)))));
}

static void call(int64_t i, wk_module *network) {
  WK_SCOPE;
  switch (i % 5) {
  case 0:
    run_product();
    break;
  case 1:
    run_pointwise();
    break;
  case 2:
    run_moves();
    break;
  case 3:
    run_network(network);
    break;
  default:
    train(network);
  }
}

static long resident_kb(void) {
  long pages = 0, whole;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%ld %ld", &whole, &pages) != 2) pages = 0;
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A sanitizer's shadow and quarantine are resident too. */
static bool is_instrumented(void) { return __lsan_do_recoverable_leak_check || __tsan_init; }

int main(void) {
  wk_module *network =
      wk_sequential(wk_conv2d_layer(4, 3), wk_relu_layer(), wk_conv2d_layer(8, 3, .same = true));
  wk_module_build_for(network, WK_SHAPE(16, 16, 1), WK_F32, NULL);
  long early = 0;
  for (int64_t i = 0; i < LATE && wk_error_status() == WK_OK; i++) {
    if (i == EARLY) early = resident_kb();
    call(i, network);
  }
  const long late = resident_kb();
  wk_module_free(network);
  if (wk_error_report(stdout) != 0) return 1;
  if (early == 0 || is_instrumented()) {
    printf("skip memory: this program or system cannot tell\n");
    return 77;
  }
  printf("%s memory: %ld kB after %d calls, %ld kB after %d, %+ld kB (at most %+d kB)\n",
         late - early <= ALLOWED_KB ? "ok" : "FAIL", early, EARLY, late, LATE, late - early,
         ALLOWED_KB);
  return late - early > ALLOWED_KB;
}
