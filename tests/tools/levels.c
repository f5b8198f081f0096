/* SPDX-License-Identifier: Apache-2.0 */

/* Whether bits depend on what they must not. `levels train LEVEL THREADS STEPS` trains two small
 * networks, one of images and one of sequences, and prints a hash of every bit of their losses and
 * parameters, and the milliseconds of a step; `levels rows LEVEL` predicts rows alone and in
 * batches. Exit status 1, with what is wrong, when a row's bits change. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "base/file.h"

enum { BATCH = 32, CLASSES = 10, SIDE = 20, TOKENS = 12, WIDTH = 48, MOST_ROWS = 64 };

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) { /* FNV-1a */
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
  return hash;
}

static uint64_t hash_tensor(uint64_t hash, const wk_tensor *tensor) {
  const size_t size = (size_t)wk_tensor_count(tensor) * wk_dtype_size(wk_tensor_dtype(tensor));
  void *bytes = malloc(size);
  if (bytes && wk_tensor_read(tensor, bytes, size) == WK_OK) hash = hash_bytes(hash, bytes, size);
  free(bytes);
  return hash;
}

typedef struct task {
  const char *name;
  wk_module *network;
  wk_shape example;
} task;

static task make_task(int which, wk_generator *generator) {
  task t;
  if (which == 0) {
    t = (task){"images", NULL, WK_SHAPE(SIDE, SIDE, 3)};
    t.network = wk_sequential(wk_conv2d_layer(32, 3, .padding = {1, 1}, .no_bias = true),
                              wk_batch_norm_layer(), wk_relu_layer(),
                              wk_conv2d_layer(32, 3, .padding = {1, 1}, .groups = 32),
                              wk_max_pool2d_layer(2), wk_conv2d_layer(48, 3, .stride = {2, 2}),
                              wk_group_norm_layer(4), wk_tanh_layer(), wk_average_pool2d_layer(2),
                              wk_dropout_layer(0.25), wk_flatten_layer(), wk_linear_layer(64),
                              wk_sigmoid_layer(), wk_dropout_layer(0.5), wk_linear_layer(CLASSES));
  } else {
    t = (task){"sequences", NULL, WK_SHAPE(TOKENS, WIDTH)};
    t.network = wk_sequential(wk_multi_head_attention_layer(4, .dropout = 0.1),
                              wk_layer_norm_layer(), wk_lstm_layer(40), wk_rms_norm_layer(),
                              wk_gru_layer(24, .only_last = true), wk_linear_layer(CLASSES));
  }
  wk_module_build_for(t.network, t.example, WK_F32, generator);
  return t;
}

static wk_tensor *make_batch(const task *t, int64_t rows, wk_generator *generator) {
  wk_shape shape = t->example;
  memmove(shape.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
  shape.dims[0] = rows, shape.rank++;
  return wk_uniform(shape, .low = -1, .generator = generator);
}

static wk_tensor *make_labels(wk_generator *generator) {
  return wk_cast(wk_uniform(WK_SHAPE(BATCH), .high = CLASSES, .generator = generator), WK_I64);
}

/* ---- training ---- */

static void train(int which, int steps) {
  wk_generator *generator = wk_generator_create(7);
  wk_generator_set(wk_generator_default(), 11, 0);
  task t = make_task(which, generator);
  wk_optimizer *optimizer = which
                                ? wk_adam_create(t.network)
                                : wk_sgd_create(t.network, .learning_rate = 0.05, .momentum = 0.9);
  uint64_t hash = 0xcbf29ce484222325u;
  double start = wk_seconds();
  for (int step = 0; step < steps && wk_error_status() == WK_OK; step++) {
    WK_SCOPE;
    if (step == 1) start = wk_seconds(); /* the first one starts threads and fills caches */
    wk_tensor *x = make_batch(&t, BATCH, generator);
    wk_tensor *loss = wk_cross_entropy(wk_forward(t.network, x), make_labels(generator));
    wk_backward(loss);
    wk_optimizer_step(optimizer);
    hash = hash_tensor(hash, loss);
  }
  const double seconds = wk_seconds() - start;
  const wk_parameters *set = wk_module_parameters(t.network);
  for (size_t i = 0; i < wk_parameters_count(set); i++)
    hash = hash_tensor(hash, wk_parameters_get(set, i));
  printf("%s %016llx %.3f ms\n", t.name, (unsigned long long)hash,
         1e3 * seconds / (steps > 1 ? steps - 1 : 1));
  wk_optimizer_free(optimizer);
  wk_module_free(t.network);
  wk_generator_free(generator);
}

/* ---- rows ---- */

/* The predictions of rows [first, first + rows) of `all`, as bytes. */
static void predict(const task *t, wk_tensor *all, int64_t first, int64_t rows, float *to) {
  WK_SCOPE;
  wk_tensor *y = wk_forward(t->network, wk_slice(all, 0, first, first + rows));
  wk_tensor_read(y, to, (size_t)rows * CLASSES * sizeof *to);
}

static int compare_rows(int which) {
  static const int64_t batches[] = {1, 2, 3, 7, 16, MOST_ROWS};
  static float alone[MOST_ROWS][CLASSES], together[MOST_ROWS][CLASSES];
  wk_generator *generator = wk_generator_create(7);
  task t = make_task(which, generator);
  wk_module_set_training(t.network, false);
  int wrong = 0;
  {
    WK_SCOPE;
    wk_tensor *all = make_batch(&t, MOST_ROWS, generator);
    for (int64_t row = 0; row < MOST_ROWS; row++) predict(&t, all, row, 1, alone[row]);
    for (size_t i = 0; i < sizeof batches / sizeof *batches && wk_error_status() == WK_OK; i++) {
      const int64_t rows = batches[i];
      for (int64_t first = 0; first + rows <= MOST_ROWS; first += rows) {
        predict(&t, all, first, rows, together[first]);
        for (int64_t row = first; row < first + rows; row++) {
          if (!memcmp(alone[row], together[row], sizeof *alone)) continue;
          if (!wrong++)
            printf("%s: row %lld differs in a batch of %lld\n", t.name, (long long)row,
                   (long long)rows);
        }
      }
    }
  }
  if (!wrong) printf("%s rows equal\n", t.name);
  wk_module_free(t.network);
  wk_generator_free(generator);
  return wrong;
}

static wk_determinism level_of(const char *name) {
  wk_determinism level = WK_DETERMINISM_DEFAULT;
  while (wk_determinism_name(level) && strcmp(wk_determinism_name(level), name) != 0) level++;
  return level;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  wk_determinism_set(level_of(argv[2]));
  int wrong = 0;
  if (!strcmp(argv[1], "train") && argc == 5) {
    wk_set_thread_count(atoi(argv[3]));
    for (int which = 0; which < 2; which++) train(which, atoi(argv[4]));
  } else {
    for (int which = 0; which < 2; which++) wrong += compare_rows(which);
  }
  const int failed = wk_error_report(stderr);
  wk_shutdown();
  return failed || wrong;
}
