/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

static wk_status plain_step(const wk_sgd_arguments *a, const wk_update *update) {
  const wk_sgd_plain_update_arguments arguments = {.struct_size = sizeof arguments,
                                                   .value = update->value,
                                                   .gradient = update->gradient,
                                                   .learning_rate = a->learning_rate,
                                                   .weight_decay = a->weight_decay,
                                                   .scale = update->scale,
                                                   .limit = update->limit};
  return wk_op_run(&wk_op_table[WK_OP_SGD_PLAIN_UPDATE], (wk_place){0}, &arguments, NULL);
}

wk_status wk_optimizer_step_sgd(const wk_update *update) {
  const wk_sgd_arguments *a = update->settings;
  if (!update->slots[0]) return plain_step(a, update);
  const wk_sgd_update_arguments arguments = {
      .struct_size = sizeof arguments,
      .value = update->value,
      .gradient = update->gradient,
      .velocity = update->slots[0],
      .learning_rate = a->learning_rate,
      .momentum = a->momentum,
      .weight_decay = a->weight_decay,
      .factor = update->step == 1 ? 1 : 1 - a->dampening, /* the first velocity is the gradient */
      .nesterov = a->nesterov,
      .scale = update->scale,
      .limit = update->limit};
  return wk_op_run(&wk_op_table[WK_OP_SGD_UPDATE], (wk_place){0}, &arguments, NULL);
}
