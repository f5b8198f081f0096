/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

wk_status wk_optimizer_step_sgd(wk_optimizer *optimizer, const wk_update *update) {
  const wk_sgd_arguments *a = wk_optimizer_settings(optimizer);
  const wk_sgd_update_arguments arguments = {.struct_size = sizeof arguments,
                                             .value = update->value,
                                             .gradient = update->gradient,
                                             .velocity = update->slots[0],
                                             .learning_rate = a->learning_rate,
                                             .momentum = a->momentum,
                                             .weight_decay = a->weight_decay};
  return wk_op_run(&wk_op_table[WK_OP_SGD_UPDATE], (wk_place){0}, &arguments, NULL);
}
