/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_AUTOGRAD_H
#define WICK_AUTOGRAD_H

/* Gradients. While gradients are recorded (the default), an op with an input that requires a
 * gradient remembers what its gradient rule needs; wk_backward and wk_grad walk those records back.
 */

#include <wick/tensor.h>

WK_BEGIN_C

/* Settings of wk_backward. */
typedef struct wk_backward_arguments {
  size_t struct_size;
  wk_tensor *loss;
  wk_tensor *gradient; /* of something with respect to loss, shaped like it; NULL: ones, and then
                          loss must have one element */
  bool retain_graph;   /* keep the records, so that backward can run through them again */
  bool create_graph;   /* WK_ERROR_UNSUPPORTED: gradients in leaves have no history; use wk_grad */
} wk_backward_arguments;

/* Works out the gradient of `loss` with respect to every leaf it was computed from that requires
 * one. A leaf's first gradient after an optimizer step overwrites, later ones add up.
 *   wk_backward(loss);
 * [creating thread] */
WK_API wk_status wk_backward_at(wk_place here, const wk_backward_arguments *arguments);
#ifndef __cplusplus
#define wk_backward(...)                                                                           \
  wk_backward_at(WK_HERE, &(wk_backward_arguments){.struct_size = sizeof(wk_backward_arguments),   \
                                                   __VA_ARGS__})
#else
extern "C++" inline wk_status wk_backward(wk_tensor *loss, wk_backward_arguments arguments = {},
                                          wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.loss = loss;
  return wk_backward_at(here, &arguments);
}
#endif

/* Settings of wk_grad. */
typedef struct wk_grad_arguments {
  size_t struct_size;
  wk_tensor *output;
  wk_tensors inputs;
  wk_tensor *gradient; /* as in wk_backward */
  bool retain_graph;
  bool create_graph; /* record the gradients' own computation, so that they have gradients, too;
                      * implies retain_graph */
} wk_grad_arguments;

/* Gradients of `output` with respect to `inputs` (leaves or not), written to gradients[0 ..
 * inputs.count - 1] and belonging to the innermost scope; zeros where the output does not depend on
 * an input. Leaves' own gradients stay as they are.
 *   wk_grad(gradients, loss, WK_TENSORS(x, y));
 * With .create_graph the gradients are results of recorded ops like any other: a function of them,
 * a penalty on their size say, can be given to wk_backward, or to wk_grad again, to any order. The
 * records live as long as a tensor that leads to them.
 *   wk_grad(&slope, wk_sum(y), WK_TENSORS(x), .create_graph = true);
 *   wk_backward(wk_sum(wk_multiply(slope, slope)));
 * [creating thread] */
WK_API wk_status wk_grad_at(wk_place here, wk_tensor **gradients,
                            const wk_grad_arguments *arguments);
#ifndef __cplusplus
#define wk_grad(gradients, ...)                                                                    \
  wk_grad_at(WK_HERE, gradients,                                                                   \
             &(wk_grad_arguments){.struct_size = sizeof(wk_grad_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_status wk_grad(wk_tensor **gradients, wk_tensor *output, wk_tensors inputs,
                                      wk_grad_arguments arguments = {},
                                      wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.output = output;
  arguments.inputs = inputs;
  return wk_grad_at(here, gradients, &arguments);
}
#endif

/* Makes a float tensor a leaf that collects a gradient, or ends that. WK_ERROR_STATE for the result
 * of a recorded op. [one thread at a time per object] */
WK_API wk_status wk_tensor_set_requires_gradient_at(wk_place here, wk_tensor *tensor,
                                                    bool required);
#define wk_tensor_set_requires_gradient(...)                                                       \
  wk_tensor_set_requires_gradient_at(WK_HERE, __VA_ARGS__)
WK_API bool wk_tensor_requires_gradient(const wk_tensor *tensor); /* [any thread] */

/* The gradient that backward left in a leaf, or NULL if there is none. One of some rows alone is
 * first spread to the leaf's sizes, and stays so; only that can fail, also for a pending error, and
 * is then NULL, too. Borrowed: lives as long as the leaf, and changes with the next backward. [one
 * thread at a time per object] */
WK_API wk_tensor *wk_tensor_gradient(const wk_tensor *tensor);

/* The gradient of a table of which `.sparse` look-ups (wk_embedding, wk_embedding_bag) alone were
 * used: `values` [n, ...] of `rows`, i64 [n], ascending and each once; elsewhere it is zero. Both
 * are NULL where the gradient is like the leaf, or there is none. Borrowed: until the gradient
 * changes or is read with wk_tensor_gradient. [one thread at a time per object] */
typedef struct wk_row_gradient {
  wk_tensor *rows, *values;
} wk_row_gradient;
WK_API wk_row_gradient wk_tensor_row_gradient(const wk_tensor *tensor);

/* Forgets a leaf's gradient. [one thread at a time per object] */
WK_API void wk_tensor_clear_gradient(wk_tensor *tensor);

/* The same values without their history: shares memory. In the innermost scope. [any thread] */
WK_API wk_tensor *wk_detach_at(wk_place here, wk_tensor *tensor);
#define wk_detach(...) wk_detach_at(WK_HERE, __VA_ARGS__)

/* Switches recording for the calling thread; returns what it was. [any thread] */
WK_API bool wk_set_gradients_recorded(bool recorded);
WK_API bool wk_gradients_are_recorded(void); /* [any thread] */

/* WK_NO_GRADIENT; is a declaration: nothing is recorded until the block is left. What is made
 * there requires no gradient and may be used in recorded ops later, as a constant: there is no
 * separate mode for inference, since an op that is not recorded costs nothing more. */
#define WK_NO_GRADIENT                                                                             \
  __attribute__((cleanup(wk_no_gradient_end), unused)) bool WK_PASTE_(wk_no_gradient_at_,          \
                                                                      __LINE__) =                  \
      wk_set_gradients_recorded(false)
WK_API void wk_no_gradient_end(const bool *before); /* [any thread] */

/* Anomaly detection: while it is on for the calling thread, the first op, forward, backward or in
 * an optimizer's step, whose float result holds a NaN or an infinity fails with WK_ERROR_NUMERIC;
 * the error names op, module path, call place, the op whose gradient was worked out, and minimum,
 * maximum, mean and number of NaN and infinities of each input. An infinity that an input held
 * already (a mask's, say) may be passed on, and ops that only make, move or pick values are not
 * looked at. Returns what was set before; WICK_DEBUG=anomaly turns it on for every thread at first.
 * Costs one more reading of each result, and nothing when off. [any thread] */
WK_API bool wk_set_anomaly_detection(bool on);
WK_API bool wk_anomaly_detection_is_on(void); /* [any thread] */

/* ---- functions that backward calls ---- */

/* What they are told; a callback's `event`. */
typedef struct wk_gradient_event {
  size_t struct_size;
  wk_tensor *tensor;      /* the leaf; NULL for the result of an op. Borrowed */
  wk_tensor *gradient;    /* with respect to it. Borrowed: not to be written */
  wk_tensor *replacement; /* set it to go on with another gradient of the same sizes and dtype */
} wk_gradient_event;

/* Has callback->run(context, wk_gradient_event *) called with the tensor's gradient in every later
 * wk_backward, and in wk_grad where the tensor lies on the way or is an input: once it is complete,
 * before anything is done with it. Hooks run in the order in which they were added, each in a scope
 * of its own; under .create_graph their ops are recorded. For leaves, and for results of recorded
 * ops, whose hooks live as long as their records. A negative return ends the backward with the
 * error. Where gradients are not recorded and the tensor requires none the hook is dropped at once.
 * `handle` (may be NULL) is for wk_tensor_remove_hook. WK_ERROR_STATE for a tensor that requires no
 * gradient. [one thread at a time per object] */
WK_API wk_status wk_tensor_add_hook_at(wk_place here, wk_tensor *tensor,
                                       const wk_callback *callback, uint64_t *handle);
#define wk_tensor_add_hook(...) wk_tensor_add_hook_at(WK_HERE, __VA_ARGS__)

/* The same, called after wk_backward has brought a leaf's gradient up to date: `gradient` is what
 * wk_tensor_gradient returns, a replacement is ignored. A leaf's gradient is brought up to date as
 * soon as nothing else can add to it, while others are still worked out: the place to begin a
 * reduction over processes. WK_ERROR_STATE for the result of an op. [one thread at a time per
 * object] */
WK_API wk_status wk_tensor_add_arrival_hook_at(wk_place here, wk_tensor *leaf,
                                               const wk_callback *callback, uint64_t *handle);
#define wk_tensor_add_arrival_hook(...) wk_tensor_add_arrival_hook_at(WK_HERE, __VA_ARGS__)

/* Ends a hook, of either kind, and calls its `destroy`; false if there is none of that handle. A
 * hook may remove itself. [one thread at a time per object] */
WK_API bool wk_tensor_remove_hook(wk_tensor *tensor, uint64_t handle);

/* ---- functions of one's own with gradients of their own ---- */

/* One use of such a function. */
typedef struct wk_function_call wk_function_call;

/* A function over tensors whose gradient is given by hand. `context` is what wk_function_apply got.
 * Both parts run on the caller's thread, each in a scope of its own, and fail by wk_error_set and a
 * negative return. */
typedef struct wk_custom_function {
  size_t struct_size;
  const char *name;    /* in errors and reports */
  size_t output_count; /* 1 to 3 */
  /* Sets outputs[0 .. output_count - 1], of its scope. Not recorded; it may run any code. */
  wk_status (*forward)(wk_function_call *call, void *context, wk_tensors inputs,
                       wk_tensor **outputs);
  /* From the gradients of the outputs (zeros where nothing depends on one, NULL for one that is no
   * float) those of the inputs: one of the input's sizes and dtype, or NULL for zero. Written in
   * ops it has gradients itself. */
  wk_status (*backward)(wk_function_call *call, void *context, wk_tensors output_gradients,
                        wk_tensor **input_gradients);
  void (*destroy)(void *context); /* optional; exactly once, when the context is no longer needed */
} wk_custom_function;

/* Runs function->forward, and records it as one op if an input requires a gradient. The results, of
 * the innermost scope, are written to outputs[0 .. output_count - 1], NULL on failure. Takes
 * `context`, also on failure. [any thread] */
WK_API wk_status wk_function_apply_at(wk_place here, const wk_custom_function *function,
                                      void *context, wk_tensors inputs, wk_tensor **outputs);
#define wk_function_apply(...) wk_function_apply_at(WK_HERE, __VA_ARGS__)

/* In forward: keeps tensors for backward; a second call adds to them. For gradients of gradients
 * only what is an input or an output is differentiated through. In backward: the i-th of them, in
 * the innermost scope; WK_ERROR_STATE if it was overwritten since. [creating thread] */
WK_API wk_status wk_function_save_at(wk_place here, wk_function_call *call, wk_tensors tensors);
#define wk_function_save(...) wk_function_save_at(WK_HERE, __VA_ARGS__)
WK_API wk_tensor *wk_function_saved_at(wk_place here, wk_function_call *call, size_t index);
#define wk_function_saved(...) wk_function_saved_at(WK_HERE, __VA_ARGS__)

/* In backward: whether the gradient of an input is wanted, and the input's sizes, kept or not.
 * [creating thread] */
WK_API bool wk_function_needs_gradient(const wk_function_call *call, size_t input);
WK_API wk_shape wk_function_input_shape(const wk_function_call *call,
                                        size_t input); /* [creating thread] */

/* ---- memory for time ---- */

/* A function of tensors: its result belongs to the innermost scope; NULL on failure. */
typedef wk_tensor *(*wk_tensor_function)(void *context, wk_tensors inputs);

/* Settings of wk_checkpoint. */
typedef struct wk_checkpoint_arguments {
  size_t struct_size;
  wk_tensor_function function;
  void *context;
  wk_tensors inputs;
  void (*destroy)(void *context); /* optional: called once, when backward has run or no longer can;
                                     also on failure */
} wk_checkpoint_arguments;

/* function(context, inputs), without keeping what its ops need for their gradients: only the inputs
 * are kept, and backward runs the function again, recording it, part by part (gradient
 * checkpointing: Chen et al. 2016, arXiv:1604.06174).
 *   y = wk_checkpoint(block_forward, block, WK_TENSORS(x));
 * Gradients flow to the inputs and to all else that the function reaches through its context, such
 * as a module's parameters; what it reaches must be alive and unchanged until backward. The second
 * run gets the random numbers of the first, from whichever generators they came, and uses up none.
 * A function that changes state, such as running statistics, can ask wk_is_recomputing. Checkpoints
 * may lie in others, and have gradients of every order. Errors: the function's; WK_ERROR_STATE in
 * backward if the second run gives another result. [creating thread] */
WK_API wk_tensor *wk_checkpoint_at(wk_place here, const wk_checkpoint_arguments *arguments);
#ifndef __cplusplus
#define wk_checkpoint(...)                                                                         \
  wk_checkpoint_at(WK_HERE,                                                                        \
                   &(wk_checkpoint_arguments){.struct_size = sizeof(wk_checkpoint_arguments),      \
                                              __VA_ARGS__})
#else
extern "C++" inline wk_tensor *wk_checkpoint(wk_tensor_function function, void *context,
                                             wk_tensors inputs,
                                             wk_checkpoint_arguments arguments = {},
                                             wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.function = function;
  arguments.context = context;
  arguments.inputs = inputs;
  return wk_checkpoint_at(here, &arguments);
}
#endif

/* Whether the calling thread is in the second run of a checkpoint's function. [any thread] */
WK_API bool wk_is_recomputing(void);

/* ---- checking ---- */

/* Settings of wk_gradient_check. */
typedef struct wk_gradient_check_arguments {
  size_t struct_size;
  wk_tensor_function function;
  void *context;
  wk_tensors inputs;         /* f64 where gradients are to be checked; others are passed as given */
  int order;                 /* 1, or 2: also the gradients of the gradients. 0: 1 */
  double step;               /* of the differences, times max(1, |x|); 0: 1e-6 */
  double relative_tolerance; /* 0: 1e-6 */
  double absolute_tolerance; /* 0: 1e-8 */
  int64_t most_elements;     /* of each input that are compared, evenly spread; 0: all */
} wk_gradient_check_arguments;

/* Compares the gradients that wk_grad gives of function(context, inputs), an f64 tensor of any
 * sizes, with central differences, which need two runs for each element. The function runs on
 * copies of the inputs, must not depend on anything random, and should be smooth around them.
 * Allowed are the tolerances and what rounding in the function's results can make of the slope.
 *   wk_gradient_check(my_loss, NULL, WK_TENSORS(x, weight), .order = 2);
 * WK_ERROR_NUMERIC names the first input and element that differ, and both values.
 * [creating thread] */
WK_API wk_status wk_gradient_check_at(wk_place here, const wk_gradient_check_arguments *arguments);
#ifndef __cplusplus
#define wk_gradient_check(...)                                                                     \
  wk_gradient_check_at(WK_HERE, &(wk_gradient_check_arguments){.struct_size = sizeof(              \
                                                                   wk_gradient_check_arguments),   \
                                                               __VA_ARGS__})
#else
extern "C++" inline wk_status wk_gradient_check(wk_tensor_function function, void *context,
                                                wk_tensors inputs,
                                                wk_gradient_check_arguments arguments = {},
                                                wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.function = function;
  arguments.context = context;
  arguments.inputs = inputs;
  return wk_gradient_check_at(here, &arguments);
}
#endif

WK_END_C

#endif
