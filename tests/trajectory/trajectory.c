/* SPDX-License-Identifier: Apache-2.0 */
/* A hundred steps of gradient descent on a small network of convolution, batch normalisation and
 * attention, from weights and batches given by a formula: the losses are PyTorch's. Arguments: a
 * device, a dtype and the largest relative difference that is allowed.
 * Compiled, the step gives the same bits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "recorded.h"

enum {
  N = 8,
  SIZE = 8,
  CHANNELS = 3,
  WIDTH = 8,
  HEADS = 2,
  CLASSES = 5,
  MOST_VALUES = N * SIZE * SIZE * CHANNELS
};
#define RATE 0.05

typedef struct network {
  wk_device *device;
  wk_dtype dtype;
} network;

/* As tests/record/trajectory.py has it: element i is base + scale * sin(...). */
static wk_tensor *formula(const network *n, wk_shape shape, int seed, double base, double scale) {
  static double values[MOST_VALUES];
  int count = 1;
  for (int i = 0; i < shape.rank; i++) count *= (int)shape.dims[i];
  for (int i = 0; i < count; i++)
    values[i] = base + scale * sin(1.7 * i + 0.9 * seed + 0.3 * (i % 7));
  return wk_cast(wk_tensor_from_data(shape, WK_F64, values, n->device), n->dtype);
}

typedef struct parameters {
  wk_tensor *filters, *scale, *shift, *query, *key, *value, *mixer, *gain, *offset, *head, *bias;
} parameters;

enum { PARAMETER_COUNT = sizeof(parameters) / sizeof(wk_tensor *) };

static parameters initial(const network *n) {
  return (parameters){
      .filters = formula(n, WK_SHAPE(WIDTH, 3, 3, CHANNELS), 1, 0, 0.3),
      .scale = formula(n, WK_SHAPE(WIDTH), 2, 1, 0.1),
      .shift = formula(n, WK_SHAPE(WIDTH), 3, 0, 0.1),
      .query = formula(n, WK_SHAPE(WIDTH, WIDTH), 4, 0, 0.4),
      .key = formula(n, WK_SHAPE(WIDTH, WIDTH), 5, 0, 0.4),
      .value = formula(n, WK_SHAPE(WIDTH, WIDTH), 6, 0, 0.4),
      .mixer = formula(n, WK_SHAPE(WIDTH, WIDTH), 7, 0, 0.3),
      .gain = formula(n, WK_SHAPE(WIDTH), 8, 1, 0.1),
      .offset = formula(n, WK_SHAPE(WIDTH), 9, 0, 0.1),
      .head = formula(n, WK_SHAPE(CLASSES, WIDTH), 10, 0, 0.5),
      .bias = formula(n, WK_SHAPE(CLASSES), 11, 0, 0.1),
  };
}

/* [N, L, WIDTH] as [N, HEADS, L, WIDTH / HEADS]. */
static wk_tensor *heads(wk_tensor *x) {
  return wk_permute(wk_reshape(x, WK_SHAPE(N, -1, HEADS, WIDTH / HEADS)), WK_AXES(0, 2, 1, 3));
}

static wk_tensor *loss_of(const parameters *p, wk_tensor *images, wk_tensor *labels) {
  wk_tensor *x = wk_conv2d(images, p->filters, .padding = {1, 1});
  x = wk_batch_norm(x, .weight = p->scale, .bias = p->shift, .training = true, .epsilon = 1e-5);
  x = wk_reshape(wk_max_pool2d(wk_relu(x), {2, 2}), WK_SHAPE(N, -1, WIDTH));
  wk_tensor *y =
      wk_scaled_dot_product_attention(heads(wk_linear(x, p->query)), heads(wk_linear(x, p->key)),
                                      heads(wk_linear(x, p->value)));
  y = wk_reshape(wk_permute(y, WK_AXES(0, 2, 1, 3)), WK_SHAPE(N, -1, WIDTH));
  x = wk_add(x, wk_linear(y, p->mixer));
  x = wk_layer_norm(x, .weight = p->gain, .bias = p->offset, .epsilon = 1e-5);
  x = wk_mean(wk_gelu(x), .axes = WK_AXES(1));
  return wk_cross_entropy(wk_linear(x, p->head, .bias = p->bias), labels);
}

/* From the parameters, images and labels: the parameters after the step, and the loss before it. */
static wk_status step_of(void *context, wk_tensors in, wk_tensor **results) {
  (void)context;
  wk_tensor *gradients[PARAMETER_COUNT];
  for (int i = 0; i < PARAMETER_COUNT; i++) wk_tensor_set_requires_gradient(in.item[i], true);
  wk_tensor *loss = loss_of((const parameters *)(const void *)in.item, in.item[PARAMETER_COUNT],
                            in.item[PARAMETER_COUNT + 1]);
  wk_grad(gradients, loss, (wk_tensors){PARAMETER_COUNT, in.item});
  WK_NO_GRADIENT;
  for (int i = 0; i < PARAMETER_COUNT; i++)
    results[i] = wk_subtract(in.item[i], wk_multiply(wk_scalar(RATE), gradients[i]));
  results[PARAMETER_COUNT] = loss;
  return wk_error_status();
}

/* The loss before the step; the parameters are replaced by those after it. */
static double take_step(const network *n, parameters *p, int step, wk_function *compiled) {
  WK_SCOPE;
  wk_tensor **all = (wk_tensor **)p;
  wk_tensor *in[PARAMETER_COUNT + 2], *results[PARAMETER_COUNT + 1] = {NULL};
  int64_t labels[N];
  for (int i = 0; i < N; i++) labels[i] = (i * 3 + step % 10) % CLASSES;
  memcpy(in, p, sizeof *p);
  in[PARAMETER_COUNT] = formula(n, WK_SHAPE(N, SIZE, SIZE, CHANNELS), 100 + step % 10, 0, 1);
  in[PARAMETER_COUNT + 1] = wk_tensor_from_data(WK_SHAPE(N), WK_I64, labels, n->device);
  const wk_tensors inputs = {PARAMETER_COUNT + 2, in};
  if (compiled)
    wk_call_all(compiled, inputs, results);
  else
    step_of(NULL, inputs, results);
  for (int i = 0; i < PARAMETER_COUNT; i++) {
    wk_tensor_release(all[i]);
    all[i] = wk_tensor_retain(results[i]);
  }
  return wk_item(results[PARAMETER_COUNT]);
}

static void run(const network *n, wk_function *compiled, double *losses) {
  WK_SCOPE;
  parameters p = initial(n);
  wk_tensor **all = (wk_tensor **)&p;
  for (int i = 0; i < PARAMETER_COUNT; i++) wk_tensor_retain(all[i]);
  for (int step = 0; step < RECORDED_STEPS && wk_error_status() == WK_OK; step++)
    losses[step] = take_step(n, &p, step, compiled);
  for (int i = 0; i < PARAMETER_COUNT; i++) wk_tensor_release(all[i]);
}

static double worst_difference(const double *losses) {
  double worst = 0;
  for (int step = 0; step < RECORDED_STEPS; step++) {
    const double difference = fabs(losses[step] / recorded_losses[step] - 1);
    if (!(difference <= worst)) worst = difference; /* NaN is the worst */
  }
  return worst;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const network n = {wk_device_get(argv[1]), strcmp(argv[2], "f64") == 0 ? WK_F64 : WK_F32};
  static double eager[RECORDED_STEPS], compiled[RECORDED_STEPS];
  wk_function *step = wk_compile(.body_all = step_of, .result_count = PARAMETER_COUNT + 1);
  run(&n, NULL, eager);
  run(&n, step, compiled);
  wk_function_free(step);
  const double worst = worst_difference(eager), allowed = atof(argv[3]);
  if (wk_error_report(stderr)) return 1;
  const bool same = memcmp(eager, compiled, sizeof eager) == 0;
  printf("%s on %s: largest relative difference of %d losses %.2g, allowed %s; compiled %s\n",
         argv[2], argv[1], RECORDED_STEPS, worst, argv[3], same ? "the same bits" : "OTHER BITS");
  return !(worst <= allowed && same);
}
