/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

wk_status wk_optimizer_step_lion(const wk_update *update) {
  const wk_lion_arguments *a = update->settings;
  const wk_lion_update_arguments arguments = {.struct_size = sizeof arguments,
                                              .value = update->value,
                                              .gradient = update->gradient,
                                              .mean = update->slots[0],
                                              .learning_rate = a->learning_rate,
                                              .beta1 = a->beta1,
                                              .beta2 = a->beta2,
                                              .shrink = 1 - a->learning_rate * a->weight_decay,
                                              .scale = update->scale,
                                              .limit = update->limit};
  return wk_op_run(&wk_op_table[WK_OP_LION_UPDATE], (wk_place){0}, &arguments, NULL);
}
