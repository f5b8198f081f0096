/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_TRAIN_DISPLAY_H
#define WICK_CLI_TRAIN_DISPLAY_H

#include <wick/train.h>

/* How training shows itself: a bar on a terminal, lines elsewhere, JSON if asked. */
typedef struct wk_train_display {
  bool json, terminal;
  double last_shown; /* seconds into the run */
  int64_t first_step;
} wk_train_display;

void wk_train_display_begin(wk_train_display *display, bool json);
void wk_train_display_show(wk_train_display *display, const wk_progress *progress);

#endif
