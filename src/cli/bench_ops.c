/* SPDX-License-Identifier: Apache-2.0 */

/* What calling a small op costs, mostly dispatch, since there is hardly anything to compute; and
 * large ops, which mostly wait for memory. */

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "cli/bench.h"

typedef struct operands {
  wk_tensor *x, *y, *weight, *images, *filters, *leaf, *row, *square, *bias;
} operands;

static void add(const operands *o) { wk_add(o->x, o->y); }
static void recorded_add(const operands *o) { wk_add(o->leaf, o->y); }
static void relu(const operands *o) { wk_relu(o->x); }
static void exponential(const operands *o) { wk_exp(o->x); }
static void sum(const operands *o) { wk_sum(o->x); }
static void reshape(const operands *o) { wk_reshape(o->x, WK_SHAPE(4, 4, 4)); }
static void permute(const operands *o) { wk_permute(o->x, WK_AXES(1, 0)); }
static void matmul(const operands *o) { wk_matmul(o->x, o->weight); }
static void conv2d(const operands *o) { wk_conv2d(o->images, o->filters); }
static void forward_backward(const operands *o) { wk_backward(wk_sum(wk_relu(o->leaf))); }
static void dense_layer(const operands *o) {
  wk_tensor_clear_gradient(o->square);
  wk_tensor_clear_gradient(o->bias);
  wk_backward(wk_sum(wk_relu(wk_linear(o->row, o->square, o->bias))));
}
static void softmax(const operands *o) { wk_softmax(o->x); }
static void layer_norm(const operands *o) { wk_layer_norm(o->x); }

typedef struct ops_row {
  const char *name, *op; /* what peers know it by */
  void (*call)(const operands *o);
  int moves; /* how often each element of x goes through memory; 0: not told */
} ops_row;

static const ops_row small[] = {
    {"add [4, 16]", "add", add, 0},
    {"add [4, 16], recorded", "recorded_add", recorded_add, 0},
    {"relu [4, 16]", "relu", relu, 0},
    {"exp [4, 16]", "exp", exponential, 0},
    {"sum [4, 16]", "sum", sum, 0},
    {"reshape [4, 16]", "reshape", reshape, 0},
    {"permute [4, 16]", "permute", permute, 0},
    {"matmul [4, 16] x [16, 16]", "matmul", matmul, 0},
    {"conv2d [1, 6, 6, 4], 8 of 3x3", "conv2d", conv2d, 0},
    {"sum(relu [4, 16]) and backward", "forward_backward", forward_backward, 0},
    {"sum(relu(linear [1, 64] to 64)) and backward", "dense_layer", dense_layer, 0},
};
static const ops_row large[] = {
    {"add [4096, 2048]", "add", add, 3},
    {"relu [4096, 2048]", "relu", relu, 2},
    {"exp [4096, 2048]", "exp", exponential, 2},
    {"sum [4096, 2048]", "sum", sum, 1},
    {"softmax [4096, 2048]", "softmax", softmax, 2},
    {"layer_norm [4096, 2048]", "layer_norm", layer_norm, 2},
};

typedef struct running {
  const ops_row *row;
  const operands *operands;
} running;

static void run(void *context) {
  WK_SCOPE;
  const running *r = context;
  r->row->call(r->operands);
}

static void bench_rows(wk_bench_table *t, const ops_row *rows, size_t count, wk_shape shape) {
  WK_SCOPE;
  const operands o = {.x = wk_uniform(shape),
                      .y = wk_uniform(shape),
                      .weight = wk_uniform(WK_SHAPE(16, 16)),
                      .images = wk_uniform(WK_SHAPE(1, 6, 6, 4)),
                      .filters = wk_uniform(WK_SHAPE(8, 3, 3, 4)),
                      .leaf = wk_uniform(WK_SHAPE(4, 16)),
                      .row = wk_uniform(WK_SHAPE(1, 64)),
                      .square = wk_uniform(WK_SHAPE(64, 64)),
                      .bias = wk_uniform(WK_SHAPE(64))};
  if (wk_failed()) return;
  wk_tensor_set_requires_gradient(o.leaf, true);
  wk_tensor_set_requires_gradient(o.square, true);
  wk_tensor_set_requires_gradient(o.bias, true);
  for (size_t i = 0; i < count; i++) {
    running r = {&rows[i], &o};
    const double elements = (double)(shape.dims[0] * shape.dims[1]);
    wk_bench_add(t, rows[i].name, 0, rows[i].moves * elements * sizeof(float), run, &r,
                 json_pack("{s:s, s:s, s:[II]}", "what", "op", "op", rows[i].op, "shape",
                           (json_int_t)shape.dims[0], (json_int_t)shape.dims[1]));
  }
}

void wk_bench_ops(wk_bench_table *t) {
  bench_rows(t, small, sizeof small / sizeof *small, WK_SHAPE(4, 16));
  bench_rows(t, large, sizeof large / sizeof *large, WK_SHAPE(4096, 2048));
}
