/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

wk_status wk_optimizer_step_adagrad(const wk_update *update) {
  const wk_adagrad_arguments *a = update->settings;
  const double age = 1 + (update->step - 1) * a->learning_rate_decay;
  const wk_adagrad_update_arguments arguments = {.struct_size = sizeof arguments,
                                                 .value = update->value,
                                                 .gradient = update->gradient,
                                                 .square = update->slots[0],
                                                 .learning_rate = a->learning_rate / age,
                                                 .epsilon = a->epsilon,
                                                 .weight_decay = a->weight_decay,
                                                 .scale = update->scale,
                                                 .limit = update->limit};
  return wk_op_run(&wk_op_table[WK_OP_ADAGRAD_UPDATE], (wk_place){0}, &arguments, NULL);
}
