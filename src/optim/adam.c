/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "ops/dispatch.h"
#include "ops/records.gen.h"
#include "optim/optimizer.h"

wk_status wk_optimizer_step_adam(wk_optimizer *optimizer, const wk_update *update) {
  const wk_adam_arguments *a = wk_optimizer_settings(optimizer);
  const double t = (double)wk_optimizer_step_count(optimizer);
  const wk_adam_update_arguments arguments = {.struct_size = sizeof arguments,
                                              .value = update->value,
                                              .gradient = update->gradient,
                                              .mean = update->slots[0],
                                              .square = update->slots[1],
                                              .step_size =
                                                  a->learning_rate / (1 - pow(a->beta1, t)),
                                              .correction = 1 / sqrt(1 - pow(a->beta2, t)),
                                              .beta1 = a->beta1,
                                              .beta2 = a->beta2,
                                              .epsilon = a->epsilon,
                                              .weight_decay = a->weight_decay};
  return wk_op_run(&wk_op_table[WK_OP_ADAM_UPDATE], (wk_place){0}, &arguments, NULL);
}
