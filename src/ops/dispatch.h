/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_DISPATCH_H
#define WICK_OPS_DISPATCH_H

/* The one way every op is called: arguments resolved and checked, then the layers (autograd, later
 * others), then shapes inferred and a kernel run. */

#include "ops/op.h"

/* Something that looks at every primitive call. Layers form a list per thread; a layer passes a
 * call on with wk_dispatch_next. */
typedef struct wk_dispatch_layer {
  const char *name;
  wk_status (*call)(const struct wk_dispatch_layer *const *layer, wk_call *call);
} wk_dispatch_layer;

/* The layers every thread starts with, outermost first, ending in NULL. src/wick.c lists them. */
extern const wk_dispatch_layer *const wk_default_layers[];

/* The calling thread's, or NULL: wk_default_layers. */
#define wk_layers (wk_thread_here()->layers)

/* Passes the call to the layer after `*layer`, in the end to the kernel. */
wk_status wk_dispatch_next(const wk_dispatch_layer *const *layer, wk_call *call);

/* Runs an op from its caller's arguments. On success outputs[i] are owned references; on failure
 * they are NULL and the error names op, module, shapes and place. */
wk_status wk_op_run(const wk_op *op, wk_place here, const void *arguments, wk_tensor **outputs);

/* The same with the results in the innermost scope, all NULL on failure: what the generated public
 * functions call. The second is for ops with one output. */
wk_status wk_op_run_all_in_scope(const wk_op *op, wk_place here, const void *arguments,
                                 wk_tensor **results);
wk_tensor *wk_op_run_in_scope(const wk_op *op, wk_place here, const void *arguments);

/* Where the user called what this thread is in the middle of: a composite, or a gradient rule. Ops
 * called there name that place instead of their own. NULL: nothing of the kind. */
#define wk_place_above (wk_thread_here()->place_above)

/* Writes "x f32 [64, 10]   from linear at network.7 (linear)" for one input of a call, as snprintf.
 */
size_t wk_call_describe_input(const wk_call *call, int index, char *buffer, size_t size);

/* The device of a call's inputs; for ops without any, what the `device` attribute says. */
wk_device *wk_call_device(const wk_call *call);

/* The end of the way: makes the outputs and runs a kernel, or tells the thread's tracer. */
wk_status wk_call_execute(wk_call *call);

/* The path of the module whose forward is running in this thread, interned, or NULL. nn/ sets it.
 */
#define wk_current_module (wk_thread_here()->module_path)

#endif
