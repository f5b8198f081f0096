/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/records.gen.h"
#include "optim/optimizer.h"

static int fill_plain(const wk_sgd_arguments *a, const wk_update *update, void *arguments) {
  *(wk_sgd_plain_update_arguments *)arguments =
      (wk_sgd_plain_update_arguments){.struct_size = sizeof(wk_sgd_plain_update_arguments),
                                      .value = update->value,
                                      .gradient = update->gradient,
                                      .learning_rate = a->learning_rate,
                                      .weight_decay = a->weight_decay,
                                      .scale = update->scale,
                                      .limit = update->limit};
  return WK_OP_SGD_PLAIN_UPDATE;
}

int wk_optimizer_fill_sgd(const wk_update *update, void *arguments) {
  const wk_sgd_arguments *a = update->settings;
  if (!update->slots[0]) return fill_plain(a, update, arguments);
  *(wk_sgd_update_arguments *)arguments = (wk_sgd_update_arguments){
      .struct_size = sizeof(wk_sgd_update_arguments),
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
  return WK_OP_SGD_UPDATE;
}
