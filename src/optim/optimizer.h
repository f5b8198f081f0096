/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_OPTIMIZER_H
#define WICK_OPTIM_OPTIMIZER_H

/* What all optimizers share: settings, slots shaped like the parameter set's chunks, and the walk
 * over runs of segments. */

#include <wick/optim.h>

#include "tensor/attribute.h"
#include "tensor/parameters.h"

#define WK_MAX_SLOTS 4

/* One run of neighbouring parameters to update: flat views of its values, gradients and slots. */
typedef struct wk_update {
  wk_tensor *value, *gradient;
  wk_tensor *slots[WK_MAX_SLOTS];
} wk_update;

typedef struct wk_optimizer_type {
  const char *name;
  wk_settings settings;
  const char *const *slot_names;
  int slot_count;
  wk_status (*step)(wk_optimizer *optimizer, const wk_update *update);
} wk_optimizer_type;

extern const wk_optimizer_type wk_optimizer_table[];
extern const int wk_optimizer_table_count;

/* An optimizer over a laid-out set (NULL with an error pending: fails). */
wk_optimizer *wk_optimizer_create_type(const wk_optimizer_type *type, wk_parameters *parameters,
                                       wk_place here, const void *arguments);

/* Its resolved settings: the type's arguments struct. */
const void *wk_optimizer_settings(const wk_optimizer *optimizer);

/* Replaces them by another such struct, whose values are checked. */
wk_status wk_optimizer_set_settings(wk_optimizer *optimizer, const void *settings);

/* For checkpoints: the slot's part that belongs to parameter i, shaped like it; owned reference. */
wk_tensor *wk_optimizer_slot(wk_optimizer *optimizer, int slot, size_t parameter);
const wk_optimizer_type *wk_optimizer_type_of(const wk_optimizer *optimizer);
void wk_optimizer_set_step_count(wk_optimizer *optimizer, int64_t count);

#endif
