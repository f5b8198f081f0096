/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_TRACE_H
#define WICK_OPS_TRACE_H

/* Where a thread's ops go while a function is traced: to a tracer, which notes them, instead of to
 * kernels. Everything above (autograd, composites, shape rules) runs as ever, over tensors that
 * have sizes and no values. */

#include "ops/op.h"

typedef struct wk_tracer {
  /* In place of a kernel: the call's inputs are checked, its layouts are set, its random numbers
   * drawn. Sets outputs to owned tensors. */
  wk_status (*call)(struct wk_tracer *self, wk_call *call);
  wk_status (*host)(struct wk_tracer *self, wk_late late, wk_tensor *read);
  struct wk_tracer *around; /* of the function of which this one traces a part; or NULL */
  bool watches; /* its `call` has the ops run all the same: nothing else is to know of it */
} wk_tracer;

/* The calling thread's; NULL: ops run. */
#define wk_tracing wk_tracing_here()
static inline wk_tracer *wk_tracing_here(void) {
  wk_tracer *const tracer = wk_thread_here()->tracing;
  return tracer && !tracer->watches ? tracer : NULL;
}

/* Runs the step, now, and when traced at every call of the function. Its `arguments` are the value
 * of `read`, an f64 scalar, for which a device is waited for; NULL: there is none. While there are
 * no values a step that reads one runs at the calls only. */
wk_status wk_host_step(wk_late late, wk_tensor *read);

/* Runs an op without outputs. Where the call is traced, `late` fills its arguments in again before
 * each run, and the op is left out where it says no; tensors in them do not count then. */
wk_status wk_op_run_late(const wk_op *op, wk_place here, const void *arguments, wk_late late);

#endif
