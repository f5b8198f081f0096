/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "train/score.h"

static wk_status score_all(wk_module *module, wk_loader *loader, wk_loss_function loss,
                           void *context, wk_score *score) {
  wk_status status = WK_OK;
  for (wk_tensors batch; status == WK_OK && wk_loader_next(loader, &batch) == WK_OK;) {
    WK_SCOPE;
    wk_tensor *output = wk_forward(module, batch.item[0]);
    status = wk_score_add(score, output, batch.item[1],
                          wk_batch_loss(loss, context, output, batch.item[1]));
  }
  return wk_error_status();
}

/* The loader runs through its first epoch, in whose order losses are summed, and is then put back
 * where it stood. */
wk_status wk_evaluate_score(wk_module *module, wk_loader *loader, wk_loss_function loss,
                            void *context, wk_score *score) {
  *score = (wk_score){0};
  if (wk_failed()) return wk_error_pending;
  if (!module || !loader)
    return wk_fail(WK_ERROR_ARGUMENT, "an evaluation needs a network and a loader");
  int64_t epoch, batch;
  wk_loader_position(loader, &epoch, &batch);
  wk_status status = wk_loader_seek(loader, 0, 0);
  if (status < 0) return status;
  const bool training = wk_module_is_training(module);
  if (training) wk_module_set_training(module, false);
  {
    WK_NO_GRADIENT;
    status = score_all(module, loader, loss, context, score);
  }
  if (training) wk_module_set_training(module, true);
  return status < 0 ? status : wk_loader_seek(loader, epoch, batch);
}

static wk_status evaluate(wk_module *module, wk_loader *loader, wk_evaluation *evaluation) {
  wk_score score;
  wk_status status = evaluation ? wk_evaluate_score(module, loader, NULL, NULL, &score)
                                : wk_fail(WK_ERROR_ARGUMENT, "there is no place for the scores");
  if (!evaluation) return status;
  wk_evaluation all = {.struct_size = evaluation->struct_size};
  if (status == WK_OK) {
    all.loss = wk_score_loss(&score);
    all.accuracy = wk_score_accuracy(&score);
    all.count = score.examples;
  }
  memcpy(evaluation, &all, all.struct_size < sizeof all ? all.struct_size : sizeof all);
  return status;
}

wk_status wk_evaluate_at(wk_place here, wk_module *module, wk_loader *loader,
                         wk_evaluation *evaluation) {
  const bool failed_before = wk_failed();
  const wk_status status = evaluate(module, loader, evaluation);
  if (!failed_before) wk_error_add_call("evaluate", here);
  return status;
}

double wk_accuracy_at(wk_place here, wk_module *module, wk_loader *loader) {
  if (wk_failed()) return (double)NAN;
  wk_evaluation evaluation = {.struct_size = sizeof evaluation};
  const wk_status status = evaluate(module, loader, &evaluation);
  wk_error_add_call("accuracy", here);
  return status == WK_OK ? evaluation.accuracy : (double)NAN;
}
