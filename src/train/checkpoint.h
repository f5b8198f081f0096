/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TRAIN_CHECKPOINT_H
#define WICK_TRAIN_CHECKPOINT_H

#include "train/score.h"

/* Where a run of wk_fit stands. */
typedef struct wk_fit_state {
  int64_t epoch;        /* epochs finished */
  int64_t batch;        /* batches done in the running one */
  int64_t step;         /* steps done in all */
  int64_t loader_epoch; /* the loader's epoch when the run's epoch 0 began */
  wk_score running;     /* of this epoch, while training */
  wk_score window;      /* since the scalars were last logged */
  double scale;         /* of the loss scaler, or 0: there is none; */
  int64_t good_steps;   /* since it changed */
} wk_fit_state;

/* A checkpoint with the state of a run (NULL: of none). */
wk_status wk_checkpoint_write(const char *path, wk_module *module, wk_optimizer *optimizer,
                              wk_loader *training, const wk_fit_state *state);

/* Brings everything back. On failure nothing was changed but, at worst, the loader's position. A
 * checkpoint of no run leaves *state zeroed. */
wk_status wk_checkpoint_read(const char *path, wk_module *module, wk_optimizer *optimizer,
                             wk_loader *training, wk_fit_state *state);

/* Reads only where the run stands. */
wk_status wk_checkpoint_state(const char *path, wk_fit_state *state);

#endif
