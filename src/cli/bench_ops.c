/* SPDX-License-Identifier: Apache-2.0 */

/* What calling a small op costs: mostly dispatch, since there is hardly anything to compute. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/bench.h"
#include "cli/command.h"

enum { ROUNDS = 20, CALLS = 2000 };

typedef struct operands {
  wk_tensor *x, *y, *weight, *images, *filters, *leaf;
} operands;

static void add(const operands *o) { wk_add(o->x, o->y); }
static void relu(const operands *o) { wk_relu(o->x); }
static void exponential(const operands *o) { wk_exp(o->x); }
static void sum(const operands *o) { wk_sum(o->x); }
static void reshape(const operands *o) { wk_reshape(o->x, WK_SHAPE(4, 4, 4)); }
static void matmul(const operands *o) { wk_matmul(o->x, o->weight); }
static void conv2d(const operands *o) { wk_conv2d(o->images, o->filters); }
static void forward_backward(const operands *o) { wk_backward(wk_sum(wk_relu(o->leaf))); }

static const struct {
  const char *name;
  void (*call)(const operands *o);
} rows[] = {
    {"add [4, 16]", add},
    {"relu [4, 16]", relu},
    {"exp [4, 16]", exponential},
    {"sum [4, 16]", sum},
    {"reshape [4, 16]", reshape},
    {"matmul [4, 16] x [16, 16]", matmul},
    {"conv2d [1, 6, 6, 4], 8 of 3x3", conv2d},
    {"sum(relu [4, 16]) and backward", forward_backward},
};

/* Nanoseconds of a call, in the best of several rounds. */
static double measure(void (*call)(const operands *o), const operands *o) {
  double best = INFINITY;
  for (int round = 0; round < ROUNDS && !wk_failed(); round++) {
    const double start = wk_seconds();
    for (int i = 0; i < CALLS; i++) {
      WK_SCOPE;
      call(o);
    }
    const double each = (wk_seconds() - start) / CALLS * 1e9;
    if (each < best) best = each;
  }
  return best;
}

void wk_bench_ops(bool json, const char *only) {
  WK_SCOPE;
  const operands o = {.x = wk_uniform(WK_SHAPE(4, 16)),
                      .y = wk_uniform(WK_SHAPE(4, 16)),
                      .weight = wk_uniform(WK_SHAPE(16, 16)),
                      .images = wk_uniform(WK_SHAPE(1, 6, 6, 4)),
                      .filters = wk_uniform(WK_SHAPE(8, 3, 3, 4)),
                      .leaf = wk_uniform(WK_SHAPE(4, 16))};
  if (!wk_failed()) wk_tensor_set_requires_gradient(o.leaf, true);
  for (size_t i = 0; i < sizeof rows / sizeof *rows && !wk_failed(); i++) {
    if (only && !strstr(rows[i].name, only)) continue;
    const double nanoseconds = measure(rows[i].call, &o);
    if (wk_failed()) return;
    if (json)
      wk_print_json(json_pack("{s:s, s:s, s:f}", "bench", "ops", "name", rows[i].name,
                              "nanoseconds", nanoseconds));
    else
      printf("%-32s %8.0f ns\n", rows[i].name, nanoseconds);
  }
}
