/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_OPTIMIZER_H
#define WICK_OPTIM_OPTIMIZER_H

/* What all optimizers share: settings, slots shaped like the parameter set's chunks, and the walk
 * over runs of segments. */

#include <wick/optim.h>

#include "ops/op.h"
#include "tensor/attribute.h"
#include "tensor/parameters.h"

#define WK_MAX_SLOTS 4
#define WK_MAX_RULES 32

/* One run of neighbouring parameters to update alike: flat views of its values, gradients and slots
 * (NULL where the settings need none), and how. */
typedef struct wk_update {
  wk_tensor *value, *gradient;
  wk_tensor *slots[WK_MAX_SLOTS];
  const void *settings; /* the type's arguments struct, resolved */
  double step;          /* which step this is, from 1 */
  double scale, limit;  /* of the gradient: update.toml */
} wk_update;

/* A tensor for each parameter, kept from step to step. `when`: bit i says that setting i uses it;
 * 0: it is always used. */
typedef struct wk_slot {
  const char *name;
  uint32_t when;
} wk_slot;

typedef struct wk_optimizer_type {
  const char *name;
  wk_settings settings;
  const wk_slot *slots;
  int slot_count;
  /* Fills in the arguments of the op that updates the run; returns its number, WK_OP_... */
  int (*fill)(const wk_update *update, void *arguments);
} wk_optimizer_type;

extern const wk_optimizer_type wk_optimizer_table[];
extern const int wk_optimizer_table_count;

/* Another value of a setting for the parameters whose names match a pattern. */
typedef struct wk_rule {
  char *pattern;
  const wk_attribute *setting;
  double value; /* of the learning rate: a factor of the optimizer's own */
} wk_rule;

struct wk_optimizer {
  const wk_optimizer_type *type;
  void *settings; /* the type's arguments struct, resolved */
  wk_parameters *parameters;
  int64_t step_count;
  size_t chunk_count;
  wk_storage **slots; /* [slot * chunk_count + chunk], shaped like the chunks; NULL until needed */
  const wk_attribute *keep_gradients, *clip_norm, *clip_value, *learning_rate;
  wk_rule rules[WK_MAX_RULES];
  int rule_count;
  uint32_t *groups; /* for each segment the rules that apply, a bit each; NULL: there are none */
  int64_t version;  /* counts changes of settings that decide which ops run */
  bool unscaled;    /* a loss scaler has divided the gradients already */

  /* Of the step that is taken: */
  double scale; /* of the gradients, by a loss scaler; */
  double norm;  /* theirs as they are, if that is to be known; */
  bool skipped; /* and whether one of them is not finite, so that there is none */
};

/* An optimizer over a laid-out set (NULL with an error pending: fails). */
wk_optimizer *wk_optimizer_create_type(const wk_optimizer_type *type, wk_parameters *parameters,
                                       wk_place here, const void *arguments);

/* Its resolved settings: the type's arguments struct. */
const void *wk_optimizer_settings(const wk_optimizer *optimizer);

/* Replaces them by another such struct, whose values are checked. */
wk_status wk_optimizer_set_settings(wk_optimizer *optimizer, const void *settings);

/* One of them. Setting it raises WK_ERROR_ARGUMENT where it is out of range. */
double wk_optimizer_setting(const wk_optimizer *optimizer, const wk_attribute *setting);

/* The attribute called `name`, or NULL with an error that lists them all. */
const wk_attribute *wk_optimizer_find_setting(const wk_optimizer *optimizer, const char *name);

/* Writes to `settings` those that hold for the segments of a group. */
void wk_optimizer_group_settings(const wk_optimizer *optimizer, uint32_t group, void *settings);

/* Takes a step. `scaled`: a loss scaler's host step has set scale, norm and skipped. And takes
 * none, but lets go of the gradients. */
wk_status wk_optimizer_take_step(wk_optimizer *optimizer, bool scaled);
void wk_optimizer_skip_step(wk_optimizer *optimizer);

/* For checkpoints: the slot's part that belongs to parameter i, shaped like it; owned reference.
 * Slots that no step needed so far do not exist; forgetting one makes it zero. */
wk_tensor *wk_optimizer_slot(wk_optimizer *optimizer, int slot, size_t parameter);
bool wk_optimizer_slot_exists(const wk_optimizer *optimizer, int slot);
void wk_optimizer_forget_slot(wk_optimizer *optimizer, int slot);

/* Whether the settings use the slot. */
bool wk_optimizer_uses_slot(const wk_optimizer_type *type, int slot, const void *settings);

/* Takes the step of one update, with the settings of its group. */
wk_status wk_optimizer_run(wk_optimizer *optimizer, uint32_t group, const wk_update *update);

/* The step of those parameters whose gradients are of some rows alone (rows.c). */
wk_status wk_optimizer_step_rows(wk_optimizer *optimizer, double scale, double limit);

const wk_optimizer_type *wk_optimizer_type_of(const wk_optimizer *optimizer);
void wk_optimizer_set_step_count(wk_optimizer *optimizer, int64_t count);

/* Gives a host step the sum of the squares of all gradients that a step over the set would use.
 * Infinite or NaN if and only if one of their elements is, unless they are f64. */
wk_status wk_gradient_measure(wk_parameters *set, wk_late late);

/* Writes scale * gradient, brought to -limit .. limit, to all of them. `late` fills in the
 * arguments of bound_update again, unless its run is NULL. */
wk_status wk_gradient_bound(wk_parameters *set, double scale, double limit, wk_late late);

#endif
