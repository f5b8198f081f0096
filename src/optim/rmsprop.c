/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

static wk_status momentum_step(const wk_rmsprop_arguments *a, const wk_update *update) {
  const wk_rmsprop_momentum_update_arguments arguments = {.struct_size = sizeof arguments,
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
  return wk_op_run(&wk_op_table[WK_OP_RMSPROP_MOMENTUM_UPDATE], (wk_place){0}, &arguments, NULL);
}

wk_status wk_optimizer_step_rmsprop(const wk_update *update) {
  const wk_rmsprop_arguments *a = update->settings;
  if (update->slots[2]) return momentum_step(a, update);
  const wk_rmsprop_update_arguments arguments = {.struct_size = sizeof arguments,
                                                 .value = update->value,
                                                 .gradient = update->gradient,
                                                 .square = update->slots[0],
                                                 .learning_rate = a->learning_rate,
                                                 .alpha = a->alpha,
                                                 .epsilon = a->epsilon,
                                                 .weight_decay = a->weight_decay,
                                                 .scale = update->scale,
                                                 .limit = update->limit};
  return wk_op_run(&wk_op_table[WK_OP_RMSPROP_UPDATE], (wk_place){0}, &arguments, NULL);
}
