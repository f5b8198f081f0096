/* SPDX-License-Identifier: Apache-2.0 */

/* Matrix products and convolutions. */

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/text.h"
#include "cli/bench.h"
#include "ops/dispatch.h"
#include "ops/records.gen.h"

/* ---- products ---- */

typedef struct product {
  wk_tensor *a, *b;
} product;

static void multiply(void *context) {
  WK_SCOPE;
  const product *p = context;
  wk_matmul(p->a, p->b);
}

void wk_bench_gemm(wk_bench_table *t) {
  static const int64_t sizes[] = {256, 384, 512, 768, 1024, 1536, 2048};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    WK_SCOPE;
    const int64_t n = sizes[i];
    product p = {wk_uniform(WK_SHAPE(n, n), .low = -1), wk_uniform(WK_SHAPE(n, n), .low = -1)};
    char name[64];
    wk_print_into(name, sizeof name, 0, "[%lld, %lld] x [%lld, %lld]", (long long)n, (long long)n,
                  (long long)n, (long long)n);
    wk_bench_add(t, name, 2 * (double)n * (double)n * (double)n, 0, multiply, &p,
                 json_pack("{s:s, s:I}", "what", "gemm", "size", (json_int_t)n));
  }
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

static void bench_layer(wk_bench_table *t, layer l) {
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
    json_t *question =
        json_pack("{s:s, s:s, s:[IIIIII]}", "what", "conv", "pass", passes[i].name, "layer",
                  (json_int_t)l.batch, (json_int_t)l.size, (json_int_t)l.channels,
                  (json_int_t)l.filters, (json_int_t)l.kernel, (json_int_t)l.stride);
    wk_bench_add(t, name, operations, 0, passes[i].call, &c, question);
  }
}

void wk_bench_conv(wk_bench_table *t) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) bench_layer(t, layers[i]);
}
