/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_LIVE_H
#define WICK_TENSOR_LIVE_H

/* What is alive: the tensors of the calling thread's open scopes and what the records behind them
 * keep, grouped by the op and module that made them. Nothing is counted while all goes well:
 * whoever asks walks over the scopes then, without allocating, since it may be memory that is
 * missing. */

#include "tensor/tensor.h"

/* Values that somebody keeps. */
typedef struct wk_live {
  wk_root *root;
  const wk_layout *layout;
  const char *op;          /* that made them, or NULL */
  const char *module_path; /* or NULL */
  const char *name;        /* of a parameter, or NULL */
} wk_live;

/* One walk. Everything it meets is stamped with `visit`, so that it counts once. */
typedef struct wk_live_walk {
  uint64_t visit;
  void (*add)(struct wk_live_walk *walk, const wk_live *live);
} wk_live_walk;

/* Calls walk->add for the tensor's values, then for what its record leads to. */
void wk_live_visit(wk_live_walk *walk, const wk_tensor *tensor);

/* Writes "1.20 GiB in 12 tensors: ..." and a line for each of the `most` groups that hold most, as
 * snprintf; 0 when nothing is alive. */
size_t wk_live_text(char *buffer, size_t size, int most);

/* Whether WICK_DEBUG lists "scope"; then every scope that closes is to call the other, which keeps
 * the report of the moment when tensors took most memory (to a sixteenth), for wk_error_report. */
bool wk_live_is_watched(void);
void wk_live_note_peak(void);

/* Adds the largest groups to the pending error. */
void wk_live_explain(void);

/* A number that no walk over tensors or records has had. [any thread] */
uint64_t wk_new_visit(void);

#endif
