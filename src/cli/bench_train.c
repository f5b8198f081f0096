/* SPDX-License-Identifier: Apache-2.0 */

/* Training steps of small networks, eagerly, as the peers' eager modes run them. */

#include <wick/autograd.h>
#include <wick/nn.h>
#include <wick/ops.h>
#include <wick/optim.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/bench.h"
#include "models/models.h"

enum { CLASSES = 10, IMAGES = 10000 };

typedef struct training {
  wk_module *network;
  wk_optimizer *optimizer;
  wk_tensor *images; /* u8 [IMAGES, height, width, channels], or a batch of f32 */
  wk_tensor *labels;
  int64_t batch, next; /* images in a step, the first one's place in `order`; 0: always all */
  wk_tensor *order;
} training;

/* A step takes the next batch of shuffled images from bytes to numbers, as a loader would. */
static void step(void *context) {
  WK_SCOPE;
  training *t = context;
  wk_tensor *x = t->images, *y = t->labels;
  if (t->order) {
    wk_tensor *chosen = wk_slice(t->order, 0, t->next, t->next + t->batch);
    x = wk_index_select(x, chosen, 0);
    x = wk_multiply(wk_cast(x, WK_F32), wk_scalar(1 / 255.0));
    y = wk_index_select(y, chosen, 0);
    t->next = (t->next + t->batch) % (IMAGES - t->batch);
  }
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, x), y);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  wk_item(loss);
}

static wk_tensor *random_labels(int64_t count) {
  return wk_cast(wk_uniform(WK_SHAPE(count), .high = CLASSES), WK_I64);
}

static void bench_images(wk_bench_table *t, const char *name, wk_module *network, wk_shape example,
                         int64_t batch, int64_t parameters) {
  WK_SCOPE;
  training own = {.network = network, .batch = batch};
  const wk_shape all = WK_SHAPE(IMAGES, example.dims[0], example.dims[1], example.dims[2]);
  wk_module_build_for(network, example, WK_F32, NULL);
  own.images = wk_cast(wk_uniform(all, .high = 256), WK_U8);
  own.labels = random_labels(IMAGES);
  own.order = wk_random_permutation(IMAGES);
  own.optimizer = wk_rmsprop_create(network, .learning_rate = 1e-4, .alpha = 0.9);
  if (!wk_failed() && wk_parameters_element_count(wk_module_parameters(network)) != parameters)
    wk_fail(WK_ERROR_STATE, "%s has %lld parameters, not %lld", name,
            (long long)wk_parameters_element_count(wk_module_parameters(network)),
            (long long)parameters);
  char row[64];
  wk_print_into(row, sizeof row, 0, "%s, batch %lld", name, (long long)batch);
  wk_bench_add(t, row, 0, 0, step, &own,
               json_pack("{s:s, s:s, s:I, s:I}", "what", "train", "model", name, "batch",
                         (json_int_t)batch, "parameters", (json_int_t)parameters));
  wk_optimizer_free(own.optimizer);
  wk_module_free(network);
}

void wk_bench_lenet(wk_bench_table *t) {
  bench_images(t, "lenet", wk_model_lenet(CLASSES), WK_SHAPE(28, 28, 1), 32, 61706);
  bench_images(t, "lenet", wk_model_lenet(CLASSES), WK_SHAPE(28, 28, 1), 128, 61706);
}

void wk_bench_cifar(wk_bench_table *t) {
  bench_images(t, "cifar", wk_model_cifar(CLASSES), WK_SHAPE(32, 32, 3), 32, 1250858);
  bench_images(t, "cifar", wk_model_cifar(CLASSES), WK_SHAPE(32, 32, 3), 128, 1250858);
}

void wk_bench_mlp(wk_bench_table *t) {
  enum { IN = 784, HIDDEN = 128, BATCH = 64 };
  WK_SCOPE;
  wk_set_thread_count(1);
  wk_module *network =
      wk_sequential(wk_linear_layer(HIDDEN), wk_relu_layer(), wk_linear_layer(CLASSES));
  wk_module_build_for(network, WK_SHAPE(IN), WK_F32, NULL);
  training own = {.network = network,
                  .images = wk_uniform(WK_SHAPE(BATCH, IN)),
                  .labels = random_labels(BATCH),
                  .optimizer = wk_sgd_create(network, .learning_rate = 0.01)};
  /* a product forward and two back for each layer; the first needs no gradient of its input */
  const double operations = 2.0 * BATCH * (2 * IN * HIDDEN + 3 * HIDDEN * CLASSES);
  wk_bench_add(t, "sgd step of 784-128-10, batch 64", operations, 0, step, &own,
               json_pack("{s:s}", "what", "mlp"));
  wk_optimizer_free(own.optimizer);
  wk_module_free(network);
}
