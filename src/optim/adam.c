/* SPDX-License-Identifier: Apache-2.0 */
/* Adam and AdamW, which differ in what weight decay does. */
#include <math.h>

#include "ops/records.gen.h"
#include "optim/optimizer.h"

/* Their settings have the same fields. */
_Static_assert(sizeof(wk_adam_arguments) == sizeof(wk_adamw_arguments), "equal settings");
_Static_assert(offsetof(wk_adam_arguments, amsgrad) == offsetof(wk_adamw_arguments, amsgrad),
               "equal settings");

static int fill(const wk_update *update, double weight_decay, double shrink, void *arguments) {
  const wk_adam_arguments *a = update->settings;
  const wk_adam_update_arguments plain = {.struct_size = sizeof plain,
                                          .value = update->value,
                                          .gradient = update->gradient,
                                          .mean = update->slots[0],
                                          .square = update->slots[1],
                                          .step_size =
                                              a->learning_rate / (1 - pow(a->beta1, update->step)),
                                          .correction = 1 / sqrt(1 - pow(a->beta2, update->step)),
                                          .beta1 = a->beta1,
                                          .beta2 = a->beta2,
                                          .epsilon = a->epsilon,
                                          .weight_decay = weight_decay,
                                          .shrink = shrink,
                                          .scale = update->scale,
                                          .limit = update->limit};
  if (!update->slots[2]) {
    *(wk_adam_update_arguments *)arguments = plain;
    return WK_OP_ADAM_UPDATE;
  }
  *(wk_amsgrad_update_arguments *)arguments =
      (wk_amsgrad_update_arguments){.struct_size = sizeof(wk_amsgrad_update_arguments),
                                    .value = plain.value,
                                    .gradient = plain.gradient,
                                    .mean = plain.mean,
                                    .square = plain.square,
                                    .largest = update->slots[2],
                                    .step_size = plain.step_size,
                                    .correction = plain.correction,
                                    .beta1 = plain.beta1,
                                    .beta2 = plain.beta2,
                                    .epsilon = plain.epsilon,
                                    .weight_decay = plain.weight_decay,
                                    .shrink = plain.shrink,
                                    .scale = plain.scale,
                                    .limit = plain.limit};
  return WK_OP_AMSGRAD_UPDATE;
}

int wk_optimizer_fill_adam(const wk_update *update, void *arguments) {
  const wk_adam_arguments *a = update->settings;
  return fill(update, a->weight_decay, 1, arguments);
}

int wk_optimizer_fill_adamw(const wk_update *update, void *arguments) {
  const wk_adamw_arguments *a = update->settings;
  return fill(update, 0, 1 - a->learning_rate * a->weight_decay, arguments);
}
