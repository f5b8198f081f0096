/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_AUTOGRAD_BUNDLE_H
#define WICK_AUTOGRAD_BUNDLE_H

/* What control flow needs of the tape: one record with any number of results, and the gradient of
 * a function that is called again, with respect to its inputs and to what it reaches besides. */

#include "autograd/tape.h"
#include "ops/journal.h"

typedef struct wk_bundle {
  wk_companion companion; /* its vjp finds the results' gradients here, not in its argument */
  size_t result_count;
  wk_tensor **gradients; /* owned; NULL: zero */
} wk_bundle;

/* Records the bundle, all inputs kept, and sets results[i] to handles, of the innermost scope, of
 * made[i] with that history. On failure the bundle is still the caller's. */
wk_status wk_bundle_record(wk_bundle *bundle, const wk_op *op, wk_place here, wk_tensors inputs,
                           wk_tensors made, wk_tensor **results);
void wk_bundle_clear(wk_bundle *bundle); /* lets go of the results' gradients */

/* A function that ran without being recorded. */
typedef struct wk_recomputed {
  wk_status (*body)(void *context, wk_tensors inputs, wk_tensor **results);
  void *context;
  size_t result_count;
  wk_dtype autocast;
  wk_random_journal *journal; /* replayed; or NULL */
} wk_recomputed;

/* Runs it again, recording, and walks back: from given[i], the gradients of its results (NULL:
 * zero), those of its inputs and of `closures`, of the innermost scope, NULL: zero. Where gradients
 * are recorded, these have gradients, too. */
wk_status wk_recomputed_vjp(const wk_recomputed *function, wk_tensors inputs, wk_tensors closures,
                            wk_tensor *const *given, wk_tensor **gradients);

#endif
