/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_LOOP_TAPE_H
#define WICK_GRAPH_LOOP_TAPE_H

/* What loops keep while a plan runs: items of one size, the states of trips for the gradient or
 * what a list was given. A tape belongs to the thread and goes with the run in which it was made.
 */

#include "tensor/tensor.h"

typedef struct wk_loop_tape {
  struct wk_loop_tape *next; /* made before it in this thread */
  wk_device *device;
  wk_storage **pieces;
  size_t count, capacity, per_piece, item_size;
  int64_t each, trips; /* one item is kept for so many trips */
} wk_loop_tape;

wk_loop_tape *wk_loop_tapes_now(void);
void wk_loop_tapes_free(wk_loop_tape *until);

/* Items of `size` bytes; 0: of as many as the first one has (wk_loop_tape_set_size). */
wk_loop_tape *wk_loop_tape_create(wk_device *device, size_t size);
void wk_loop_tape_set_size(wk_loop_tape *tape, size_t size);

/* Room for one more item, or NULL without memory. */
char *wk_loop_tape_push(wk_loop_tape *tape);
char *wk_loop_tape_item(const wk_loop_tape *tape, size_t i);

/* Drops every other item; from now on one is kept for twice as many trips. */
void wk_loop_tape_keep_fewer(wk_loop_tape *tape);

#endif
