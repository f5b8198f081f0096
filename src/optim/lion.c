/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/records.gen.h"
#include "optim/optimizer.h"

int wk_optimizer_fill_lion(const wk_update *update, void *arguments) {
  const wk_lion_arguments *a = update->settings;
  *(wk_lion_update_arguments *)arguments =
      (wk_lion_update_arguments){.struct_size = sizeof(wk_lion_update_arguments),
                                 .value = update->value,
                                 .gradient = update->gradient,
                                 .mean = update->slots[0],
                                 .learning_rate = a->learning_rate,
                                 .beta1 = a->beta1,
                                 .beta2 = a->beta2,
                                 .shrink = 1 - a->learning_rate * a->weight_decay,
                                 .scale = update->scale,
                                 .limit = update->limit};
  return WK_OP_LION_UPDATE;
}
