/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPTIM_LOSS_SCALER_H
#define WICK_OPTIM_LOSS_SCALER_H

#include <wick/optim.h>

/* For checkpoints: what decides how scaling goes on. */
void wk_loss_scaler_get_state(const wk_loss_scaler *scaler, double *scale, int64_t *good_steps);
void wk_loss_scaler_set_state(wk_loss_scaler *scaler, double scale, int64_t good_steps);

#endif
