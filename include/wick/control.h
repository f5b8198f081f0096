/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CONTROL_H
#define WICK_CONTROL_H

/* Choices and loops that depend on values: they run eagerly, and inside a function given to
 * wk_compile they become one node whose body is a graph of its own, so that the number of trips is
 * known only when it runs. Gradients flow through both, to what is passed in and to what bodies
 * reach through their context; reading a value with wk_item does neither.
 *
 *   static wk_tensor *below(void *x, wk_tensors s) { return wk_less(s.item[0], wk_scalar(100)); }
 *   static wk_status grow(void *x, wk_tensors s, wk_tensor **next) {
 *     next[0] = wk_multiply(s.item[0], x);
 *     return wk_error_status();
 *   }
 *   wk_tensor *y;
 *   wk_while(&y, below, grow, x, WK_TENSORS(x));   // y = x; while (y < 100) y = y * x;
 */

#include <wick/autograd.h>
#include <wick/tensor.h>

WK_BEGIN_C

/* The body of a loop or the branch of a choice: sets results[0 ..] to tensors of its scope, and
 * fails by wk_error_set and a negative return. For a gradient it may be called again, with the same
 * values and the same random numbers (wk_is_recomputing): it and its context must then still do the
 * same. It may draw random numbers, and take gradients and an optimizer's step of its own.
 * Compiled, one that does the latter carries only what is without history (wk_detach), and uses up
 * in each trip the gradients that it makes (WK_ERROR_UNSUPPORTED). */
typedef wk_status (*wk_control_body)(void *context, wk_tensors inputs, wk_tensor **results);

/* Whether to go on: a tensor of one element of any dtype; zero ends the loop. */
typedef wk_tensor *(*wk_control_condition)(void *context, wk_tensors state);

/* What a loop keeps of its trips for the gradient. */
typedef enum wk_loop_policy {
  WK_LOOP_KEEP_ALL,   /* each trip's state and, eagerly, what its ops keep: fastest */
  WK_LOOP_SQUARE_ROOT /* the state each s trips, where s doubles when 2 s are kept: memory grows
                         with the root of the trips, each of which runs twice */
} wk_loop_policy;

/* Settings of wk_while. */
typedef struct wk_while_arguments {
  size_t struct_size;
  wk_control_condition condition;
  wk_control_body body; /* from the state to the next one: same number, sizes and dtypes */
  void *context;        /* given to both */
  wk_tensors state;     /* at first */
  wk_loop_policy policy;
} wk_while_arguments;

/* Runs the body while the condition holds, from `state` on, and writes the last state to results[0
 * .. state.count - 1], of the innermost scope; NULL on failure. WK_ERROR_SHAPE or WK_ERROR_DTYPE if
 * the body changes a state's sizes or dtype. [creating thread] */
WK_API wk_status wk_while_at(wk_place here, wk_tensor **results,
                             const wk_while_arguments *arguments);
#ifndef __cplusplus
#define wk_while(results, ...)                                                                     \
  wk_while_at(WK_HERE, results,                                                                    \
              &(wk_while_arguments){.struct_size = sizeof(wk_while_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_status wk_while(wk_tensor **results, wk_control_condition condition,
                                       wk_control_body body, void *context, wk_tensors state,
                                       wk_loop_policy policy = WK_LOOP_KEEP_ALL,
                                       wk_place here = wk_place_of_caller()) {
  const wk_while_arguments arguments = {
      sizeof(wk_while_arguments), condition, body, context, state, policy};
  return wk_while_at(here, results, &arguments);
}
#endif

/* Settings of wk_cond. */
typedef struct wk_cond_arguments {
  size_t struct_size;
  wk_tensor *predicate; /* one element; zero chooses else_body */
  wk_control_body then_body, else_body;
  void *context; /* given to both */
  wk_tensors inputs;
  size_t result_count; /* 0: one. Captured, both branches give the same sizes and dtypes */
} wk_cond_arguments;

/* Runs one of two bodies, whose results, of the innermost scope, are written to results[0 ..
 * result_count - 1]; NULL on failure. WK_ERROR_SHAPE for a predicate that has not one element;
 * captured, WK_ERROR_SHAPE or WK_ERROR_DTYPE where the branches' results differ.
 * [creating thread] */
WK_API wk_status wk_cond_at(wk_place here, wk_tensor **results, const wk_cond_arguments *arguments);
#ifndef __cplusplus
#define wk_cond(results, ...)                                                                      \
  wk_cond_at(WK_HERE, results,                                                                     \
             &(wk_cond_arguments){.struct_size = sizeof(wk_cond_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_status wk_cond(wk_tensor **results, wk_tensor *predicate,
                                      wk_control_body then_body, wk_control_body else_body,
                                      void *context, wk_tensors inputs, size_t result_count = 1,
                                      wk_place here = wk_place_of_caller()) {
  const wk_cond_arguments arguments = {
      sizeof(wk_cond_arguments), predicate, then_body, else_body, context, inputs, result_count};
  return wk_cond_at(here, results, &arguments);
}
#endif

/* Settings of wk_scan. */
typedef struct wk_scan_arguments {
  size_t struct_size;
  wk_control_body body; /* from state.count values and one slice of each sequence to as many next
                           values and output_count outputs */
  void *context;
  wk_tensors state;
  wk_tensors sequence; /* each [N, ...], of one N, at least 1 */
  size_t output_count;
  bool reverse; /* from the last slice to the first */
} wk_scan_arguments;

/* A loop over the first axis of sequences. results[0 .. state.count - 1] become the last state, the
 * output_count behind them the outputs of all trips, [N, ...], in the order of the slices. All are
 * of the innermost scope; NULL on failure. WK_ERROR_SHAPE or WK_ERROR_DTYPE for sequences that are
 * not of one length, and for a body that changes the state's or its outputs' sizes or dtype.
 * [creating thread] */
WK_API wk_status wk_scan_at(wk_place here, wk_tensor **results, const wk_scan_arguments *arguments);
#ifndef __cplusplus
#define wk_scan(results, ...)                                                                      \
  wk_scan_at(WK_HERE, results,                                                                     \
             &(wk_scan_arguments){.struct_size = sizeof(wk_scan_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_status wk_scan(wk_tensor **results, wk_control_body body, void *context,
                                      wk_tensors state, wk_tensors sequence,
                                      size_t output_count = 0, bool reverse = false,
                                      wk_place here = wk_place_of_caller()) {
  const wk_scan_arguments arguments = {
      sizeof(wk_scan_arguments), body, context, state, sequence, output_count, reverse};
  return wk_scan_at(here, results, &arguments);
}
#endif

/* A list of tensors of the same sizes and dtype that grows, in loops, say. Its tensors keep their
 * gradients. In a compiled function a list that was made in it may grow in its loops and be read
 * behind them: the function is compiled for the length that it has then, and once more for another
 * length. No gradient flows through such a list (WK_ERROR_UNSUPPORTED): a wk_scan's outputs have
 * them. */
typedef struct wk_list wk_list;
WK_API wk_list *wk_list_create(void);    /* [any thread] */
WK_API void wk_list_free(wk_list *list); /* [any thread] */

/* How many tensors it holds; 0 for NULL and while an error is pending. [one thread at a time per
 * object] */
WK_API int64_t wk_list_length(wk_list *list);

/* Adds a tensor at the end, which the list holds from then on. WK_ERROR_SHAPE or WK_ERROR_DTYPE if
 * it is not like the first; WK_ERROR_UNSUPPORTED for a list from outside of the function that is
 * compiled. [one thread at a time per object] */
WK_API wk_status wk_list_append_at(wk_place here, wk_list *list, wk_tensor *tensor);
#define wk_list_append(...) wk_list_append_at(WK_HERE, __VA_ARGS__)

/* The tensor at `index`, negative ones from the end, in the innermost scope; WK_ERROR_INDEX if
 * there is none. [one thread at a time per object] */
WK_API wk_tensor *wk_list_get_at(wk_place here, wk_list *list, int64_t index);
#define wk_list_get(...) wk_list_get_at(WK_HERE, __VA_ARGS__)

/* All as one, [length, ...], in the innermost scope; WK_ERROR_STATE for an empty list. [one thread
 * at a time per object] */
WK_API wk_tensor *wk_list_stack_at(wk_place here, wk_list *list);
#define wk_list_stack(...) wk_list_stack_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
