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

/* The gradient that backward left in a leaf, or NULL if there is none (never an error). Borrowed:
 * lives as long as the leaf, and changes with the next backward. [any thread] */
WK_API wk_tensor *wk_tensor_gradient(const wk_tensor *tensor);

/* Forgets a leaf's gradient. [one thread at a time per object] */
WK_API void wk_tensor_clear_gradient(wk_tensor *tensor);

/* The same values without their history: shares memory. In the innermost scope. [any thread] */
WK_API wk_tensor *wk_detach_at(wk_place here, wk_tensor *tensor);
#define wk_detach(...) wk_detach_at(WK_HERE, __VA_ARGS__)

/* Switches recording for the calling thread; returns what it was. [any thread] */
WK_API bool wk_set_gradients_recorded(bool recorded);
WK_API bool wk_gradients_are_recorded(void); /* [any thread] */

/* WK_NO_GRADIENT; is a declaration: nothing is recorded until the block is left. */
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

WK_END_C

#endif
