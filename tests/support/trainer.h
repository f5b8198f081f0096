/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_TRAINER_H
#define WICK_TESTS_SUPPORT_TRAINER_H

/* A training step to compile: in are inputs and classes, out comes the mean loss. */

#include <wick/wick.h>

typedef struct trainer {
  wk_module *network;
  wk_optimizer *optimizer;
} trainer;

static wk_tensor *train_step(void *context, wk_tensors in) {
  trainer *t = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(t->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer_step(t->optimizer);
  return loss;
}

static inline void free_trainer(trainer *t) {
  wk_optimizer_free(t->optimizer);
  wk_module_free(t->network);
}

#endif
