/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_CONTROL_H
#define WICK_GRAPH_CONTROL_H

/* Inside of control flow: docs/decisions/control.md. */

#include <wick/control.h>

#include "autograd/bundle.h"
#include "ops/journal.h"

/* Calls a body and checks what it gives; results are of the innermost scope. */
wk_status wk_body_call(wk_control_body body, void *context, wk_tensors inputs, size_t count,
                       wk_tensor **results);

/* Raises an error unless the next state is like the one before; `what` names it. */
wk_status wk_state_check(const char *what, size_t index, const wk_tensor *before,
                         const wk_tensor *next);

/* One trip of a loop: state, owned, becomes what the body gives. `next` has room for as much. */
wk_status wk_while_advance(const wk_while_arguments *a, wk_tensor **state, wk_tensor **next);

/* What loops are recorded as for their gradients. */
extern const wk_op wk_while_record;

/* Whether a one-element tensor is not zero: *yes. */
wk_status wk_truth(const char *what, const wk_tensor *tensor, bool *yes);

/* Whether the results of a loop from these tensors are to be recorded. */
bool wk_any_wanted(wk_tensors some, const wk_capture *met);

/* The state and then what else was met, which is not among it. NULL without memory. */
wk_tensor **wk_join_closures(wk_tensors state, const wk_capture *met, size_t *count);

wk_status wk_while_kept(wk_place here, const wk_while_arguments *a, wk_tensor **results);

/* `destroy`, if not NULL, is called with a->context once that is no longer needed; also on failure.
 */
wk_status wk_while_captured(wk_place here, const wk_while_arguments *a,
                            void (*destroy)(void *context), wk_tensor **results);

/* Gradients, which have gradients, of a loop that was traced: from those of its results, NULL:
 * zero, those of its inputs, the state and what else it reaches. */
wk_status wk_while_deep_vjp(const wk_while_arguments *a, wk_dtype autocast, wk_tensors inputs,
                            wk_tensor *const *given, wk_tensor **gradients);

wk_status wk_cond_captured(wk_place here, const wk_cond_arguments *a, wk_tensor **results);
wk_tensor *wk_zeros_like_of(const wk_tensor *x);

/* Raises an error for tensors of devices in whose memory compiled loops do not run. */
wk_status wk_host_memory_only(const wk_tensor *tensor);

/* The outermost loop was traced: `wanted` says whether lists that grew in it hold what may have
 * gradients. */
void wk_lists_end_loop(bool wanted);

wk_status wk_while_checkpointed(wk_place here, const wk_while_arguments *a, wk_tensor **results);

#endif
