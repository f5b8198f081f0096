/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_FUNCTION_H
#define WICK_GRAPH_FUNCTION_H

/* A compiled function: its plans, and what threads run them with. */

#include <pthread.h>
#include <stdatomic.h>

#include "graph/capture.h"
#include "graph/extents.h"
#include "graph/plan.h"
#include "graph/watch.h"

#define WK_IDLE_CONTEXTS 8

/* A plan, and what must hold for it to serve a call. */
typedef struct wk_served {
  wk_plan plan;
  wk_watch watch; /* empty, unless */
  bool watched;   /* calls are verified */
  wk_field_journal fields;
  wk_layout *inputs;
  size_t input_count;
  wk_device *device; /* where they are */
  wk_modes modes;
  wk_extents extents; /* that its plan was made for */
  bool loaded;        /* from a file: it serves in all modes */
  bool takes_turns;   /* runs change what others may see */
  size_t bytes;       /* it keeps */
  uint64_t last_use;
  int running; /* calls that run it now */
} wk_served;

/* Runs that change nothing older than themselves go on at once, each with its context; those that
 * do take turns, alone: `turns`. Whoever looks at the fields below it, or traces, holds `table`; of
 * the two locks that of the turns is taken first. */
struct wk_function {
  wk_body body;    /* its run is NULL where the function was loaded */
  wk_one_body one; /* the context of a body of one result */
  bool fold_batch_norm;
  bool verify;
  size_t plan_limit; /* 0: none */
  wk_plan_limits limits;
  pthread_rwlock_t turns;
  atomic_bool took_turns; /* the last call */
  pthread_mutex_t table;
  wk_served **versions;
  size_t count, capacity;
  const wk_served *last; /* of the last call; NULL: none, or it is gone */
  uint64_t calls;
  int64_t traces;
  wk_plan_context idle[WK_IDLE_CONTEXTS]; /* that no call uses */
  size_t idle_count;
};

/* The function that has this version alone; takes it, also on failure. */
wk_function *wk_function_of(wk_served *version);
void wk_served_free(wk_served *version);

#endif
