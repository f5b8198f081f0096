/* SPDX-License-Identifier: Apache-2.0 */
/* Times optimizer steps for tests/speed/optimizers.py: reads lines "SET OPTIMIZER" (tiny or large;
 * sgd, adamw, ...) and answers each with the microseconds of the fastest step. */
#include <stdio.h>
#include <string.h>

#include <wick/wick.h>

#include "base/file.h"
#include "base/text.h"
#include "optim/optimizer.h"

static wk_parameters *set;
static int count;

static void add(wk_shape shape) {
  WK_SCOPE;
  char name[32];
  snprintf(name, sizeof name, "p%d", count++);
  wk_tensor *tensor = wk_tensor_retain(wk_contiguous(wk_uniform(shape, .low = -1)));
  tensor->name = wk_intern(name);
  wk_parameters_add(set, tensor);
}

static void add_layer(wk_shape weight) {
  add(weight);
  add(WK_SHAPE(weight.dims[0]));
}

static void add_block(int64_t inputs, int64_t width, int64_t stride_or_first) {
  add_layer(WK_SHAPE(width, 1, 1, inputs));
  add(WK_SHAPE(width));
  add_layer(WK_SHAPE(width, 3, 3, width));
  add(WK_SHAPE(width));
  add_layer(WK_SHAPE(4 * width, 1, 1, width));
  add(WK_SHAPE(4 * width));
  if (!stride_or_first) return;
  add_layer(WK_SHAPE(4 * width, 1, 1, inputs));
  add(WK_SHAPE(4 * width));
}

/* ResNet-50's: 161 tensors, 25.6 million elements. */
static void add_large(void) {
  static const int64_t blocks[] = {3, 4, 6, 3};
  add_layer(WK_SHAPE(64, 7, 7, 3));
  add(WK_SHAPE(64));
  int64_t inputs = 64;
  for (int stage = 0; stage < 4; stage++) {
    const int64_t width = 64 << stage;
    for (int64_t i = 0; i < blocks[stage]; i++, inputs = 4 * width)
      add_block(inputs, width, i == 0);
  }
  add_layer(WK_SHAPE(1000, 2048));
}

static void make_set(const char *which) {
  wk_parameters_free(set);
  count = 0;
  set = wk_parameters_create();
  if (strcmp(which, "large") == 0)
    add_large();
  else
    for (int i = 0; i < 50; i++) add_layer(WK_SHAPE(16, 16));
  wk_parameters_lay_out(set);
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    wk_tensor *gradient = wk_leaf_gradient(wk_parameters_get(set, i));
    WK_SCOPE;
    wk_tensor *values = wk_uniform(wk_layout_shape(&gradient->layout), .low = -1);
    wk_tensor_copy_values(gradient, values);
    wk_parameters_get(set, i)->leaf->valid = true;
  }
}

static wk_optimizer *make_optimizer(const char *name) {
  for (int i = 0; i < wk_optimizer_table_count; i++) {
    if (strcmp(wk_optimizer_table[i].name, name) != 0) continue;
    wk_optimizer *optimizer = wk_optimizer_create_type(&wk_optimizer_table[i], set, WK_HERE, NULL);
    wk_optimizer_set(optimizer, "keep_gradients", 1);
    if (strcmp(name, "sgd") == 0) wk_optimizer_set(optimizer, "momentum", 0.9);
    return optimizer;
  }
  return NULL;
}

static double time_steps(wk_optimizer *optimizer) {
  double best = 1e9;
  for (int i = 0; i < 3; i++) wk_optimizer_step(optimizer);
  const double start = wk_seconds();
  do {
    const double before = wk_seconds();
    wk_optimizer_step(optimizer);
    const double passed = wk_seconds() - before;
    if (passed < best) best = passed;
  } while (wk_seconds() - start < 0.3 && wk_error_status() == WK_OK);
  return best;
}

int main(void) {
  char which[32], name[32], current[32] = "";
  while (scanf("%31s %31s", which, name) == 2) {
    if (strcmp(which, current) != 0) make_set(which);
    snprintf(current, sizeof current, "%s", which);
    wk_optimizer *optimizer = make_optimizer(name);
    const double seconds = time_steps(optimizer);
    wk_optimizer_free(optimizer);
    if (wk_error_report(stderr)) return 1;
    printf("%.3f\n", seconds * 1e6);
    fflush(stdout);
  }
  wk_parameters_free(set);
  return 0;
}
