/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_TRAIN_SETTINGS_H
#define WICK_CLI_TRAIN_SETTINGS_H

/* The settings of `wick train`: read from the command line, kept in the run's checkpoint as notes
 * of the network, and read from there when a run is resumed. */

#include "cli/options.h"

#include <wick/nn.h>

enum { WK_TRAIN_OPTIONS = 17 };

typedef struct wk_train_settings {
  const char *data;
  const char *model, *optimizer, *precision, *schedule, *out, *resume, *determinism;
  int64_t epochs, batch_size, seed, limit, threads;
  double learning_rate; /* NaN: the optimizer's usual one */
  double checkpoint_seconds;
  bool shuffle_labels, json, eager;
  bool given[WK_TRAIN_OPTIONS];
} wk_train_settings;

/* Sets the defaults and reads the command line. */
wk_parse_result wk_train_settings_parse(wk_train_settings *settings, int argc, char **argv);

/* Writes the settings that define the run into the network's notes. */
wk_status wk_train_settings_keep(wk_train_settings *settings, wk_module *network);

/* Takes from the notes what was not given. False, having printed why, when something was given that
 * a begun run cannot change. The texts belong to the network. */
bool wk_train_settings_recall(wk_train_settings *settings, const wk_module *network);

#endif
