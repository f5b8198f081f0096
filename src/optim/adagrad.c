/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/records.gen.h"
#include "optim/optimizer.h"

int wk_optimizer_fill_adagrad(const wk_update *update, void *arguments) {
  const wk_adagrad_arguments *a = update->settings;
  const double age = 1 + (update->step - 1) * a->learning_rate_decay;
  *(wk_adagrad_update_arguments *)arguments =
      (wk_adagrad_update_arguments){.struct_size = sizeof(wk_adagrad_update_arguments),
                                    .value = update->value,
                                    .gradient = update->gradient,
                                    .square = update->slots[0],
                                    .learning_rate = a->learning_rate / age,
                                    .epsilon = a->epsilon,
                                    .weight_decay = a->weight_decay,
                                    .scale = update->scale,
                                    .limit = update->limit};
  return WK_OP_ADAGRAD_UPDATE;
}
