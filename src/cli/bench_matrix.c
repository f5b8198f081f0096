/* SPDX-License-Identifier: Apache-2.0 */

/* Matrix products and convolutions against the processor's multiply-add peak. Bursts of the peak's
 * measurement stand between the repeats, so both meet the same clock and the same neighbours; best
 * of several is taken on both sides. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "device/benchmark.h"
#include "ops/dispatch.h"
#include "ops/records.gen.h"

enum { ROUNDS = 5, ROWS = 128 };
static const double round_seconds = 0.06, peak_seconds = 0.02;

typedef struct row {
  char name[64];
  double rate; /* GFLOP/s */
} row;

typedef struct table {
  const char *what; /* "gemm" */
  bool json;
  const char *only; /* NULL, or what a row's name must contain */
  row rows[ROWS];
  int count;
  double peak; /* the best of all bursts, GFLOP/s */
} table;

static void measure_peak(table *t) {
  const double rate = wk_cpu_benchmark.fma_peak(WK_F32, wk_thread_count(), peak_seconds);
  if (rate > t->peak) t->peak = rate;
}

/* Seconds of the fastest call. */
static double time_best(table *t, void (*call)(void *context), void *context) {
  double best = INFINITY;
  call(context); /* once to warm up */
  for (int round = 0; round < ROUNDS && !wk_failed(); round++) {
    measure_peak(t);
    const double start = wk_seconds();
    double now = start;
    do {
      const double before = now;
      call(context);
      now = wk_seconds();
      if (now - before < best) best = now - before;
    } while (now - start < round_seconds && !wk_failed());
  }
  return best;
}

static void add_row(table *t, const char *name, double operations, void (*call)(void *context),
                    void *context) {
  if (wk_failed() || t->count == ROWS || (t->only && !strstr(name, t->only))) return;
  const double seconds = time_best(t, call, context);
  if (wk_failed()) return;
  row *r = &t->rows[t->count++];
  r->rate = operations / seconds * 1e-9;
  wk_print_into(r->name, sizeof r->name, 0, "%s", name);
  if (t->json) return;
  printf("%-44s %9.1f GFLOP/s %6.1f%%\n", name, r->rate, 100 * r->rate / t->peak);
  fflush(stdout);
}

/* Shares in the end are of the best peak, which the first rows may not have known. */
static void print_end(const table *t) {
  if (wk_failed() || t->count == 0) return;
  double sum = 0;
  for (int i = 0; i < t->count; i++) {
    const double share = 100 * t->rows[i].rate / t->peak;
    sum += log(share);
    if (t->json)
      wk_print_json(json_pack("{s:s, s:s, s:f, s:f}", "bench", t->what, "name", t->rows[i].name,
                              "gflops", t->rows[i].rate, "percent_of_peak", share));
  }
  const double mean = exp(sum / t->count);
  if (t->json) {
    wk_print_json(json_pack("{s:s, s:f, s:i, s:f}", "bench", t->what, "peak_gflops", t->peak,
                            "threads", wk_thread_count(), "percent_of_peak", mean));
    return;
  }
  printf("FMA peak %.1f GFLOP/s on %d threads (%s)\n", t->peak, wk_thread_count(),
         wk_cpu_benchmark.instruction_set());
  printf("%s: %.1f%% of FMA peak\n", t->what, mean);
}

/* ---- products ---- */

typedef struct product {
  wk_tensor *a, *b;
} product;

static void multiply(void *context) {
  WK_SCOPE;
  const product *p = context;
  wk_matmul(p->a, p->b);
}

void wk_bench_gemm(bool json, const char *only) {
  static const int64_t sizes[] = {256, 384, 512, 768, 1024, 1536, 2048};
  table t = {.what = "gemm", .json = json, .only = only};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    WK_SCOPE;
    const int64_t n = sizes[i];
    product p = {wk_uniform(WK_SHAPE(n, n), .low = -1), wk_uniform(WK_SHAPE(n, n), .low = -1)};
    char name[64];
    wk_print_into(name, sizeof name, 0, "[%lld, %lld] x [%lld, %lld]", (long long)n, (long long)n,
                  (long long)n, (long long)n);
    add_row(&t, name, 2 * (double)n * (double)n * (double)n, multiply, &p);
  }
  print_end(&t);
}

/* ---- convolutions ---- */

typedef struct layer {
  int64_t batch, size, channels, filters, kernel, stride;
} layer;

/* Every different one of ResNet-50 (He et al. 2015, arXiv:1512.03385; strides on the 3x3) and of
 * VGG-19 (Simonyan and Zisserman 2014, arXiv:1409.1556), images of 224x224. */
static const layer layers[] = {
    {8, 224, 3, 64, 7, 2},    {8, 56, 64, 64, 1, 1},    {8, 56, 64, 64, 3, 1},
    {8, 56, 64, 256, 1, 1},   {8, 56, 256, 64, 1, 1},   {8, 56, 256, 128, 1, 1},
    {8, 56, 128, 128, 3, 2},  {8, 28, 128, 512, 1, 1},  {8, 56, 256, 512, 1, 2},
    {8, 28, 512, 128, 1, 1},  {8, 28, 128, 128, 3, 1},  {8, 28, 512, 256, 1, 1},
    {8, 28, 256, 256, 3, 2},  {8, 14, 256, 1024, 1, 1}, {8, 28, 512, 1024, 1, 2},
    {8, 14, 1024, 256, 1, 1}, {8, 14, 256, 256, 3, 1},  {8, 14, 1024, 512, 1, 1},
    {8, 14, 512, 512, 3, 2},  {8, 7, 512, 2048, 1, 1},  {8, 14, 1024, 2048, 1, 2},
    {8, 7, 2048, 512, 1, 1},  {8, 7, 512, 512, 3, 1},   {8, 224, 3, 64, 3, 1},
    {8, 224, 64, 64, 3, 1},   {8, 112, 64, 128, 3, 1},  {8, 112, 128, 128, 3, 1},
    {8, 56, 128, 256, 3, 1},  {8, 56, 256, 256, 3, 1},  {8, 28, 256, 512, 3, 1},
    {8, 28, 512, 512, 3, 1},  {8, 14, 512, 512, 3, 1},
};

typedef struct convolution {
  layer layer;
  wk_tensor *x, *weight, *gradient;
} convolution;

static void forward(void *context) {
  WK_SCOPE;
  const convolution *c = context;
  const int64_t s = c->layer.stride, p = c->layer.kernel / 2;
  wk_conv2d(c->x, c->weight, .stride = {s, s}, .padding = {p, p});
}

static void data_gradient(void *context) {
  WK_SCOPE;
  const convolution *c = context;
  const int64_t s = c->layer.stride, p = c->layer.kernel / 2;
  wk_conv2d_data_gradient(c->gradient, c->weight, wk_tensor_shape(c->x), .stride = {s, s},
                          .padding = {p, p});
}

static void weight_gradient(void *context) {
  WK_SCOPE;
  const convolution *c = context;
  const int64_t s = c->layer.stride, p = c->layer.kernel / 2;
  wk_conv2d_weight_gradient(c->gradient, c->x, wk_tensor_shape(c->weight), .stride = {s, s},
                            .padding = {p, p});
}

static void bench_layer(table *t, layer l) {
  static const struct {
    const char *name;
    void (*call)(void *context);
  } passes[] = {{"forward", forward}, {"data", data_gradient}, {"weights", weight_gradient}};
  WK_SCOPE;
  const int64_t out = (l.size - 1) / l.stride + 1; /* padding keeps the size */
  convolution c = {.layer = l,
                   .x = wk_uniform(WK_SHAPE(l.batch, l.size, l.size, l.channels), .low = -1),
                   .weight =
                       wk_uniform(WK_SHAPE(l.filters, l.kernel, l.kernel, l.channels), .low = -1),
                   .gradient = wk_uniform(WK_SHAPE(l.batch, out, out, l.filters), .low = -1)};
  const double operations =
      2.0 * (double)(l.batch * out * out * l.filters) * (double)(l.kernel * l.kernel * l.channels);
  for (int i = 0; i < 3; i++) {
    char name[64];
    wk_print_into(name, sizeof name, 0, "%lldx%lldx%lldx%lld %lldx%lld/%lld to %lld %s",
                  (long long)l.batch, (long long)l.size, (long long)l.size, (long long)l.channels,
                  (long long)l.kernel, (long long)l.kernel, (long long)l.stride,
                  (long long)l.filters, passes[i].name);
    add_row(t, name, operations, passes[i].call, &c);
  }
}

void wk_bench_conv(bool json, const char *only) {
  table t = {.what = "conv", .json = json, .only = only};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(&t, layers[i]);
  print_end(&t);
}
