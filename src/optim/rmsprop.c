/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/records.gen.h"
#include "optim/optimizer.h"

static int fill_momentum(const wk_rmsprop_arguments *a, const wk_update *update, void *arguments) {
  *(wk_rmsprop_momentum_update_arguments *)arguments =
      (wk_rmsprop_momentum_update_arguments){.struct_size =
                                                 sizeof(wk_rmsprop_momentum_update_arguments),
                                             .value = update->value,
                                             .gradient = update->gradient,
                                             .square = update->slots[0],
                                             .mean = update->slots[1],
                                             .velocity = update->slots[2],
                                             .learning_rate = a->learning_rate,
                                             .alpha = a->alpha,
                                             .epsilon = a->epsilon,
                                             .weight_decay = a->weight_decay,
                                             .momentum = a->momentum,
                                             .centred = a->centred,
                                             .scale = update->scale,
                                             .limit = update->limit};
  return WK_OP_RMSPROP_MOMENTUM_UPDATE;
}

int wk_optimizer_fill_rmsprop(const wk_update *update, void *arguments) {
  const wk_rmsprop_arguments *a = update->settings;
  if (update->slots[2]) return fill_momentum(a, update, arguments);
  *(wk_rmsprop_update_arguments *)arguments =
      (wk_rmsprop_update_arguments){.struct_size = sizeof(wk_rmsprop_update_arguments),
                                    .value = update->value,
                                    .gradient = update->gradient,
                                    .square = update->slots[0],
                                    .learning_rate = a->learning_rate,
                                    .alpha = a->alpha,
                                    .epsilon = a->epsilon,
                                    .weight_decay = a->weight_decay,
                                    .scale = update->scale,
                                    .limit = update->limit};
  return WK_OP_RMSPROP_UPDATE;
}
