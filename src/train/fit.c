/* SPDX-License-Identifier: Apache-2.0 */

/* wk_fit: epochs of training steps, each epoch scored on unseen data, with checkpoints, event files
 * and callbacks. All that decides how a run goes on is in wk_fit_state and what a checkpoint holds
 * beside it, so a resumed run takes the same steps as one that was never stopped. */

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <wick/autograd.h>
#include <wick/format.h>
#include <wick/graph.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "optim/loss_scaler.h"
#include "tensor/attribute.h"
#include "train/checkpoint.h"

enum { LOG_STEPS = 50 }; /* between the scalars of training */

typedef struct fit {
  wk_fit_arguments a;
  wk_place here;
  wk_fit_state state;
  int64_t batches; /* of an epoch */
  bool stop;       /* a callback asked for it */
  char *checkpoint_path, *model_path;
  wk_event_writer *events;
  wk_loss_scaler *scaler; /* or NULL: gradients need none */
  wk_function *step;      /* the compiled one, or NULL */
  double start, last_checkpoint;
  double seconds;   /* in training steps, and */
  int64_t examples; /* what they trained on, in this call */
} fit;

/* ---- callbacks ---- */

static wk_status tell(fit *f, wk_progress_kind kind, const wk_score *validation) {
  wk_status status = WK_OK;
  for (size_t i = 0; status == WK_OK && i < f->a.callback_count; i++) {
    wk_progress progress = {
        .struct_size = sizeof progress,
        .kind = kind,
        .epoch = f->state.epoch + (kind != WK_PROGRESS_END || f->state.batch > 0),
        .epochs = f->a.epochs,
        .batch = f->state.batch,
        .batches = f->batches,
        .step = f->state.step,
        .examples = f->state.running.examples,
        .loss = wk_score_loss(&f->state.running),
        .accuracy = wk_score_accuracy(&f->state.running),
        .validation_loss = validation ? wk_score_loss(validation) : (double)NAN,
        .validation_accuracy = validation ? wk_score_accuracy(validation) : (double)NAN,
        .seconds = wk_seconds() - f->start,
        .examples_per_second = f->seconds > 0 ? (double)f->examples / f->seconds : 0};
    const wk_callback *callback = &f->a.callbacks[i];
    const wk_status answer = callback->run ? callback->run(callback->context, &progress) : WK_OK;
    if (answer == WK_END) f->stop = true;
    if (answer < 0 && !wk_failed()) wk_fail(WK_ERROR_CALLBACK, "callback %zu failed", i);
    status = wk_error_status();
  }
  return status;
}

/* ---- what a run leaves behind ---- */

static wk_status save_checkpoint(fit *f) {
  f->last_checkpoint = wk_seconds();
  if (!f->checkpoint_path) return WK_OK;
  /* A resumed run logs nothing again that happened before its checkpoint. */
  const wk_status status = wk_event_writer_flush(f->events);
  if (status < 0) return status;
  if (f->scaler) wk_loss_scaler_get_state(f->scaler, &f->state.scale, &f->state.good_steps);
  return wk_checkpoint_write(f->checkpoint_path, f->a.module, f->a.optimizer, f->a.training,
                             &f->state);
}

static wk_status log_scalar(fit *f, const char *tag, double value) {
  if (!f->events || isnan(value)) return WK_OK;
  return wk_event_writer_scalar(f->events, tag, f->state.step, value);
}

static wk_status log_training(fit *f) {
  wk_status status = log_scalar(f, "loss/train", wk_score_loss(&f->state.window));
  if (status == WK_OK)
    status = log_scalar(f, "accuracy/train", wk_score_accuracy(&f->state.window));
  if (status == WK_OK)
    status = log_scalar(f, "learning_rate", wk_optimizer_get(f->a.optimizer, "learning_rate"));
  f->state.window = (wk_score){0};
  return status;
}

static wk_status log_epoch(fit *f, const wk_score *validation) {
  wk_status status = f->state.window.examples > 0 ? log_training(f) : WK_OK;
  if (status == WK_OK) status = log_scalar(f, "loss/validation", wk_score_loss(validation));
  if (status == WK_OK) status = log_scalar(f, "accuracy/validation", wk_score_accuracy(validation));
  if (status == WK_OK && f->seconds > 0)
    status = log_scalar(f, "examples_per_second", (double)f->examples / f->seconds);
  return status;
}

/* ---- steps ---- */

static wk_tensor *forward(const fit *f, wk_tensors batch, wk_tensor **output) {
  const wk_dtype given = f->a.precision;
  WK_AUTOCAST(given == WK_F32 ? WK_DTYPE_DEFAULT : given ? given : wk_autocast_dtype());
  *output = wk_forward_at(f->here, f->a.module, batch.item[0]);
  return wk_batch_loss(f->a.loss, f->a.loss_context, *output, batch.item[1]);
}

static void take_step(const fit *f, wk_tensor *loss) {
  if (f->scaler) loss = wk_loss_scaler_scale(f->scaler, loss);
  wk_backward_at(f->here, &(wk_backward_arguments){.struct_size = sizeof(wk_backward_arguments),
                                                   .loss = loss});
  if (!f->scaler) {
    wk_optimizer_step(f->a.optimizer);
    return;
  }
  wk_loss_scaler_step(f->scaler, f->a.optimizer);
  wk_loss_scaler_update(f->scaler);
}

/* A step's results: the network's output, the loss. */
static wk_status run_step(void *context, wk_tensors batch, wk_tensor **results) {
  const fit *f = context;
  results[1] = forward(f, batch, &results[0]);
  take_step(f, results[1]);
  return wk_error_status();
}

static wk_status train_batch(fit *f, wk_tensors batch) {
  WK_SCOPE;
  wk_tensor *results[2] = {NULL, NULL};
  if (f->step)
    wk_call_all_at(f->here, f->step, batch, results);
  else
    run_step(f, batch, results);
  wk_tensor *output = results[0], *loss = results[1];
  wk_score score = {0};
  const wk_status status = wk_score_add(&score, output, batch.item[1], loss);
  wk_score *const sums[] = {&f->state.running, &f->state.window};
  for (int i = 0; status == WK_OK && i < 2; i++) {
    sums[i]->examples += score.examples;
    sums[i]->judged += score.judged;
    sums[i]->correct += score.correct;
    sums[i]->loss_sum += score.loss_sum;
  }
  f->examples += score.examples;
  return status;
}

static wk_status next_batch(fit *f, wk_tensors *batch) {
  const wk_status status = wk_loader_next(f->a.training, batch);
  if (status != WK_END) return status;
  return wk_fail(WK_ERROR_STATE, "the training data ended after %lld of %lld batches",
                 (long long)f->state.batch, (long long)f->batches);
}

static wk_status step(fit *f) {
  const double begin = wk_seconds();
  wk_tensors batch;
  wk_status status = next_batch(f, &batch);
  if (status == WK_OK) status = train_batch(f, batch);
  if (status < 0) return status;
  f->seconds += wk_seconds() - begin;
  f->state.batch++;
  f->state.step++;
  if (f->state.step % LOG_STEPS == 0) status = log_training(f);
  if (status == WK_OK) status = tell(f, WK_PROGRESS_STEP, NULL);
  const bool due = f->a.checkpoint_seconds > 0 && f->state.batch < f->batches && !f->stop &&
                   wk_seconds() - f->last_checkpoint >= f->a.checkpoint_seconds;
  return status == WK_OK && due ? save_checkpoint(f) : status;
}

/* ---- epochs ---- */

/* Puts the loader at the batch that comes next, unless it stands there. */
static wk_status seek(fit *f) {
  int64_t epoch, batch;
  wk_loader_position(f->a.training, &epoch, &batch);
  const int64_t wanted = f->state.loader_epoch + f->state.epoch;
  if (epoch == wanted && batch == f->state.batch) return WK_OK;
  return wk_loader_seek(f->a.training, wanted, f->state.batch);
}

static wk_status finish_epoch(fit *f) {
  wk_tensors none;
  wk_status status = seek(f);
  if (status == WK_OK) status = wk_loader_next(f->a.training, &none); /* WK_END */
  wk_score validation = {0};
  if (status >= 0 && f->a.validation)
    status =
        wk_evaluate_score(f->a.module, f->a.validation, f->a.loss, f->a.loss_context, &validation);
  if (status >= 0) status = log_epoch(f, &validation);
  if (status >= 0) status = tell(f, WK_PROGRESS_EPOCH, &validation);
  if (status < 0) return status;
  f->state.epoch++;
  f->state.batch = 0;
  f->state.running = (wk_score){0};
  return save_checkpoint(f);
}

static wk_status run_epoch(fit *f) {
  wk_status status = seek(f);
  while (status == WK_OK && f->state.batch < f->batches && !f->stop) status = step(f);
  if (status < 0) return status;
  return f->stop ? save_checkpoint(f) : finish_epoch(f);
}

static wk_status run(fit *f) {
  wk_status status = tell(f, WK_PROGRESS_BEGIN, NULL);
  while (status == WK_OK && f->state.epoch < f->a.epochs && !f->stop) status = run_epoch(f);
  const bool finished = status == WK_OK && f->state.epoch >= f->a.epochs;
  if (finished && f->model_path) status = wk_module_save(f->a.module, f->model_path);
  if (status == WK_OK) status = tell(f, WK_PROGRESS_END, NULL);
  return status == WK_OK && !finished ? WK_END : status;
}

/* ---- beginning and end ---- */

static wk_status check(const fit *f) {
  const wk_fit_arguments *a = &f->a;
  if (!a->module || !a->optimizer || !a->training)
    return wk_fail(WK_ERROR_ARGUMENT, "fit needs a module, an optimizer and a training loader");
  if (a->epochs < 0 || a->checkpoint_seconds < 0)
    return wk_fail(WK_ERROR_ARGUMENT, "epochs and checkpoint_seconds cannot be negative");
  if (a->resume && !a->run_folder)
    return wk_fail(WK_ERROR_ARGUMENT, "resume needs a run_folder to resume from");
  if (a->callback_count > 0 && !a->callbacks)
    return wk_fail(WK_ERROR_ARGUMENT, "callback_count is %zu, but callbacks is NULL",
                   (size_t)a->callback_count);
  if (f->batches == 0) return wk_fail(WK_ERROR_ARGUMENT, "there is nothing to train on");
  if (a->precision != WK_DTYPE_DEFAULT && a->precision != WK_F32 && a->precision != WK_BF16 &&
      a->precision != WK_F16)
    return wk_fail(WK_ERROR_ARGUMENT, "precision is %s, but can be f32, bf16 or f16",
                   wk_dtype_name(a->precision));
  wk_module_parameters(a->module); /* raises where it is not built */
  return wk_error_status();
}

/* An old run's files must not be taken for this one's. */
static wk_status forget_old_run(const fit *f) {
  unlink(f->checkpoint_path);
  unlink(f->model_path);
  if (!wk_file_exists(f->checkpoint_path) && !wk_file_exists(f->model_path)) return WK_OK;
  return wk_fail(WK_ERROR_IO, "cannot remove the old run's files in %s", f->a.run_folder);
}

static wk_status open_folder(fit *f) {
  const char *folder = f->a.run_folder;
  if (!folder) return WK_OK;
  wk_status status = wk_folder_create(folder);
  if (status == WK_OK) f->checkpoint_path = wk_path_join(folder, "checkpoint.safetensors");
  if (status == WK_OK) f->model_path = wk_path_join(folder, "model.safetensors");
  return wk_error_status();
}

static wk_status begin(fit *f) {
  wk_status status = check(f);
  if (status == WK_OK) status = open_folder(f);
  if (status < 0) return status;
  int64_t batch = 0;
  wk_loader_position(f->a.training, &f->state.loader_epoch, &batch);
  if (batch > 0) f->state.loader_epoch++; /* a begun epoch is left to whoever began it */
  if (f->a.compiled &&
      !(f->step = wk_compile(.body_all = run_step, .result_count = 2, .context = f)))
    return wk_error_status();
  if (f->a.precision == WK_F16 && !(f->scaler = wk_loss_scaler_create())) return wk_error_status();
  if (f->a.resume)
    status = wk_checkpoint_read(f->checkpoint_path, f->a.module, f->a.optimizer, f->a.training,
                                &f->state);
  else if (f->a.run_folder)
    status = forget_old_run(f);
  if (status == WK_OK && f->state.batch > f->batches)
    status = wk_fail(WK_ERROR_FORMAT, "the checkpoint stands behind the last batch");
  if (f->scaler && f->state.scale > 0)
    wk_loss_scaler_set_state(f->scaler, f->state.scale, f->state.good_steps);
  if (status < 0 || !f->a.run_folder) return status;
  f->events = wk_event_writer_create(f->a.run_folder);
  if (f->events) status = wk_event_writer_restart(f->events, f->state.step);
  /* From the first moment there is something to resume from. */
  return status == WK_OK && !f->a.resume ? save_checkpoint(f) : wk_error_status();
}

static void end(fit *f) {
  wk_function_free(f->step);
  wk_event_writer_free(f->events);
  wk_loss_scaler_free(f->scaler);
  wk_deallocate(f->checkpoint_path);
  wk_deallocate(f->model_path);
  for (size_t i = 0; f->a.callbacks && i < f->a.callback_count; i++)
    if (f->a.callbacks[i].destroy) f->a.callbacks[i].destroy(f->a.callbacks[i].context);
}

wk_status wk_fit_at(wk_place here, const wk_fit_arguments *arguments) {
  const bool failed_before = wk_failed();
  fit f = {.here = here};
  wk_status status =
      wk_settings_copy("fit", arguments, offsetof(wk_fit_arguments, validation), sizeof f.a, &f.a);
  if (f.a.epochs == 0) f.a.epochs = 1;
  f.batches = wk_loader_batch_count(f.a.training);
  f.start = f.last_checkpoint = wk_seconds();
  if (failed_before) status = wk_error_pending;
  if (status == WK_OK) status = begin(&f);
  if (status == WK_OK) {
    const bool training = wk_module_is_training(f.a.module);
    wk_module_set_training(f.a.module, true);
    status = run(&f);
    wk_module_set_training(f.a.module, training);
  }
  end(&f);
  if (!failed_before) wk_error_add_call("fit", here);
  return wk_failed() ? wk_error_pending : status;
}
