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

/* Whether a one-element tensor is not zero: *yes. */
wk_status wk_truth(const char *what, const wk_tensor *tensor, bool *yes);

/* Whether the results of a loop from these tensors are to be recorded. */
bool wk_any_wanted(wk_tensors some, const wk_capture *met);

/* The state and then what else was met, which is not among it. NULL without memory. */
wk_tensor **wk_join_closures(wk_tensors state, const wk_capture *met, size_t *count);

wk_status wk_while_kept(wk_place here, const wk_while_arguments *a, wk_tensor **results);
wk_status wk_while_captured(wk_place here, const wk_while_arguments *a, wk_tensor **results);
wk_status wk_while_checkpointed(wk_place here, const wk_while_arguments *a, wk_tensor **results);

#endif
