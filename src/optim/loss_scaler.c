/* SPDX-License-Identifier: Apache-2.0 */
/* Loss scaling. Micikevicius et al. 2018, arXiv:1710.03740; the rule of growth and backoff is that
 * of torch.amp.GradScaler. */
#include "optim/loss_scaler.h"

#include <math.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/trace.h"
#include "optim/optimizer.h"
#include "tensor/fields.h"

struct wk_loss_scaler {
  double scale, growth, backoff;
  int64_t interval, good_steps, skipped;
  bool found;        /* a gradient that is not finite, since the last update */
  wk_tensor *factor; /* the scale once more, as an operand */
};

static wk_status check_one(const char *name, double value, bool good, const char *range) {
  if (good && isfinite(value)) return WK_OK;
  wk_fail(WK_ERROR_ARGUMENT, "%s of the loss scaler is %g, but must be %s", name, value, range);
  wk_error_add_hint("what is not given is scale 65536, growth 2, backoff 0.5, interval 2000");
  return WK_ERROR_ARGUMENT;
}

static wk_status check(const wk_loss_scaler_arguments *a) {
  check_one("scale", a->scale, a->scale > 0, "positive");
  check_one("growth", a->growth, a->growth >= 1, "1 or more");
  check_one("backoff", a->backoff, a->backoff > 0 && a->backoff <= 1, "in 0 .. 1");
  check_one("interval", (double)a->interval, a->interval >= 1, "positive");
  return wk_error_status();
}

static void set_scale(wk_loss_scaler *scaler, double scale) {
  scaler->scale = scale;
  if (scaler->factor) wk_tensor_write(scaler->factor, &scale, sizeof scale);
}

wk_loss_scaler *wk_loss_scaler_create_at(wk_place here, const wk_loss_scaler_arguments *arguments) {
  if (wk_failed()) return NULL;
  wk_loss_scaler_arguments a = {0};
  if (arguments) wk_settings_copy("loss_scaler", arguments, sizeof(size_t), sizeof a, &a);
  if (a.scale == 0) a.scale = 65536;
  if (a.growth == 0) a.growth = 2;
  if (a.backoff == 0) a.backoff = 0.5;
  if (a.interval == 0) a.interval = 2000;
  wk_loss_scaler *scaler = NULL;
  if (!wk_failed() && check(&a) == WK_OK &&
      wk_fields_refuse("a loss scaler cannot be made") == WK_OK)
    scaler = wk_allocate_zeroed(1, sizeof *scaler);
  if (scaler) {
    *scaler = (wk_loss_scaler){.growth = a.growth, .backoff = a.backoff, .interval = a.interval};
    scaler->factor = wk_tensor_create(&(wk_layout){.dtype = WK_F64}, NULL);
    if (scaler->factor) scaler->factor->weak = true;
    set_scale(scaler, a.scale);
  }
  if (wk_failed()) {
    wk_loss_scaler_free(scaler);
    scaler = NULL;
  }
  wk_error_add_call("loss_scaler_create", here);
  return scaler;
}

void wk_loss_scaler_free(wk_loss_scaler *scaler) {
  if (scaler) wk_tensor_release(scaler->factor);
  wk_deallocate(scaler);
}

wk_tensor *wk_loss_scaler_scale_at(wk_place here, wk_loss_scaler *scaler, wk_tensor *loss) {
  if (wk_failed()) return NULL;
  wk_tensor *scaled = NULL;
  if (scaler)
    scaled = wk_multiply(loss, scaler->factor);
  else
    wk_fail(WK_ERROR_ARGUMENT, "the loss scaler is NULL");
  wk_error_add_call("loss_scaler_scale", here);
  return scaled;
}

static wk_status check_both(const wk_loss_scaler *scaler, const wk_optimizer *optimizer) {
  if (scaler && optimizer) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "the %s is NULL", scaler ? "optimizer" : "loss scaler");
}

static bool fill_unscaling(void *scaler, int64_t detail, void *arguments) {
  (void)detail;
  ((wk_bound_update_arguments *)arguments)->scale = 1 / ((const wk_loss_scaler *)scaler)->scale;
  return true;
}

static wk_status unscale(wk_loss_scaler *scaler, wk_optimizer *optimizer) {
  if (check_both(scaler, optimizer) < 0) return wk_error_pending;
  WK_NOTE_FIELD(NULL, optimizer->unscaled);
  if (optimizer->unscaled) {
    wk_fail(WK_ERROR_STATE, "the gradients of this %s are unscaled already", optimizer->type->name);
    wk_error_add_hint("once between a backward and wk_loss_scaler_step");
    return WK_ERROR_STATE;
  }
  const wk_status status =
      wk_gradient_bound(optimizer->parameters, 1 / scaler->scale, (double)INFINITY,
                        (wk_late){fill_unscaling, scaler, 0});
  if (status == WK_OK) optimizer->unscaled = true;
  return status;
}

wk_status wk_loss_scaler_unscale_at(wk_place here, wk_loss_scaler *scaler,
                                    wk_optimizer *optimizer) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = unscale(scaler, optimizer);
  wk_error_add_call("loss_scaler_unscale", here);
  return status;
}

/* Sets what the step depends on. `detail` is the optimizer. */
static bool judge(void *object, int64_t detail, void *squares) {
  wk_loss_scaler *scaler = object;
  wk_optimizer *optimizer = (wk_optimizer *)(intptr_t)detail;
  optimizer->scale = 1 / scaler->scale;
  optimizer->norm = sqrt(*(const double *)squares);
  optimizer->skipped = !isfinite(optimizer->norm);
  scaler->found |= optimizer->skipped;
  scaler->skipped += optimizer->skipped;
  return true;
}

static bool judge_unscaled(void *object, int64_t detail, void *squares) {
  judge(object, detail, squares);
  ((wk_optimizer *)(intptr_t)detail)->scale = 1;
  return true;
}

static wk_status step(wk_loss_scaler *scaler, wk_optimizer *optimizer) {
  if (check_both(scaler, optimizer) < 0) return wk_error_pending;
  WK_NOTE_FIELD(NULL, optimizer->unscaled);
  WK_NOTE_CHANGE(NULL, scaler->found);
  WK_NOTE_CHANGE(NULL, scaler->skipped);
  const wk_late late = {optimizer->unscaled ? judge_unscaled : judge, scaler,
                        (int64_t)(intptr_t)optimizer};
  if (wk_gradient_measure(optimizer->parameters, late) < 0) return wk_error_pending;
  if (wk_tracing || !optimizer->skipped) return wk_optimizer_take_step(optimizer, true);
  wk_optimizer_skip_step(optimizer);
  return WK_OK;
}

wk_status wk_loss_scaler_step_at(wk_place here, wk_loss_scaler *scaler, wk_optimizer *optimizer) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = step(scaler, optimizer);
  wk_error_add_call("loss_scaler_step", here);
  return status;
}

/* Nothing of it happens while there are no values. */
static bool update(void *object, int64_t detail, void *arguments) {
  wk_loss_scaler *scaler = object;
  (void)detail, (void)arguments;
  if (wk_tracing) return true;
  if (scaler->found) {
    set_scale(scaler, scaler->scale * scaler->backoff);
    scaler->good_steps = 0;
  } else if (++scaler->good_steps >= scaler->interval) {
    if (isfinite(scaler->scale * scaler->growth)) set_scale(scaler, scaler->scale * scaler->growth);
    scaler->good_steps = 0;
  }
  scaler->found = false;
  return true;
}

static void note_changes(wk_loss_scaler *scaler) {
  WK_NOTE_CHANGE(NULL, scaler->found);
  WK_NOTE_CHANGE(NULL, scaler->scale);
  WK_NOTE_CHANGE(NULL, scaler->good_steps);
  WK_NOTE_CHANGE(scaler->factor, *(double *)(void *)wk_tensor_data(scaler->factor));
}

wk_status wk_loss_scaler_update_at(wk_place here, wk_loss_scaler *scaler) {
  if (wk_failed()) return wk_error_pending;
  if (scaler) note_changes(scaler);
  if (scaler)
    wk_host_step((wk_late){update, scaler, 0}, NULL);
  else
    wk_fail(WK_ERROR_ARGUMENT, "the loss scaler is NULL");
  wk_error_add_call("loss_scaler_update", here);
  return wk_error_status();
}

double wk_loss_scaler_factor(const wk_loss_scaler *scaler) {
  return scaler ? scaler->scale : (double)NAN;
}

int64_t wk_loss_scaler_skipped(const wk_loss_scaler *scaler) {
  return scaler ? scaler->skipped : 0;
}

void wk_loss_scaler_get_state(const wk_loss_scaler *scaler, double *scale, int64_t *good_steps) {
  *scale = scaler->scale;
  *good_steps = scaler->good_steps;
}

void wk_loss_scaler_set_state(wk_loss_scaler *scaler, double scale, int64_t good_steps) {
  set_scale(scaler, scale);
  scaler->good_steps = good_steps;
}
