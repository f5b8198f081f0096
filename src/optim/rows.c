/* SPDX-License-Identifier: Apache-2.0 */
/* Steps with gradients of some rows alone: those rows of the values and slots are put side by side,
 * take the step of any parameter, and go back. All other rows stay as they are, decay included. */
#include <stdalign.h>

#include <wick/ops.h>

#include "base/error.h"
#include "ops/rows.h"
#include "optim/optimizer.h"

typedef struct row_step {
  wk_optimizer *optimizer;
  double scale, limit;
} row_step;

static wk_status step_rows(void *context, size_t segment) {
  WK_SCOPE;
  const row_step *s = context;
  wk_optimizer *optimizer = s->optimizer;
  const wk_optimizer_type *type = optimizer->type;
  wk_tensor *table = optimizer->parameters->segments[segment].tensor;
  wk_tensor *rows = table->leaf->rows, *slots[WK_MAX_SLOTS] = {NULL};
  alignas(16) char settings[WK_MAX_ARGUMENTS_SIZE];
  const uint32_t group = optimizer->groups ? optimizer->groups[segment] : 0;
  wk_optimizer_group_settings(optimizer, group, settings);
  wk_update update = {.value = wk_index_select(table, rows, 0),
                      .gradient = table->leaf->row_values,
                      .settings = settings,
                      .step = (double)optimizer->step_count,
                      .scale = s->scale,
                      .limit = s->limit};
  for (int i = 0; i < type->slot_count; i++) {
    if (!wk_optimizer_uses_slot(type, i, settings)) continue;
    slots[i] = wk_scope_add(wk_optimizer_slot(optimizer, i, segment));
    update.slots[i] = wk_index_select(slots[i], rows, 0);
  }
  if (wk_failed() || wk_optimizer_run(optimizer, group, &update) != WK_OK) return wk_error_status();
  for (int i = 0; i < type->slot_count; i++)
    if (slots[i]) wk_rows_put(slots[i], rows, update.slots[i]);
  return wk_rows_put(table, rows, update.value);
}

wk_status wk_optimizer_step_rows(wk_optimizer *optimizer, double scale, double limit) {
  row_step s = {optimizer, scale, limit};
  return wk_parameters_each_rows(optimizer->parameters, step_rows, &s);
}
