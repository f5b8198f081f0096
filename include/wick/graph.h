/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_H
#define WICK_GRAPH_H

/* Compiled functions: the function that runs eagerly, as one graph whose memory is known
 * beforehand. wk_function *step = wk_compile(train_step, &trainer); for (wk_tensors batch;
 * wk_loader_next(batches, &batch) == WK_OK;) { WK_SCOPE; wk_call(step, batch); }
 */

#include <wick/autograd.h>
#include <wick/tensor.h>

WK_BEGIN_C

/* What is compiled: any function of tensors, a whole training step included. Its result is a tensor
 * that it made, or NULL after an error. When it is traced its tensors have sizes and no values:
 * reading them is an error. What it does besides calling Wick (counting, printing) happens then
 * only. Parameters, running statistics, an optimizer's settings and generators are read and changed
 * at every call, as if it ran eagerly. */
typedef wk_tensor *(*wk_function_body)(void *context, wk_tensors inputs);

/* The same with several results, which it sets. */
typedef wk_status (*wk_function_body_all)(void *context, wk_tensors inputs, wk_tensor **results);

typedef struct wk_function wk_function;

/* Settings of wk_compile. */
typedef struct wk_compile_arguments {
  size_t struct_size;
  wk_function_body body;
  void *context;      /* given to body; it and all that body uses must outlive the function */
  int64_t plan_limit; /* bytes that plans for different inputs may keep together, those of loops in
                       * them too; 0: 64 MiB. The least recently used go, but none that runs */
  wk_function_body_all body_all; /* instead of body, which is NULL then: */
  int64_t result_count;          /* a function of so many results */
  int64_t verify; /* 1, or WICK_DEBUG=verify: calls also run eagerly, and WK_ERROR_STATE names the
                   * first op whose values differ. Not where loops are compiled into it, nor on
                   * devices whose memory the host does not read */
  int64_t memory_budget; /* bytes for what a call makes on its way (wk_function_memory's arena):
                          * where it would take more, steps run on some of the batch at a time
                          * and values are computed again; 0: no bound */
  double recompute; /* without a budget, values are computed again where that lowers the peak, for
                     * at most this share of a call's work; 0: WICK_RECOMPUTE percent, 12 by
                     * default, and steps run on some of the batch at a time, and in another order,
                     * where that lowers it; WK_EXACTLY_ZERO: nothing is */
  int64_t fold_batch_norm; /* 1: normalisations with running statistics go into the convolutions
                            * before them where these alone read their results; then values differ
                            * from eager mode's in their last bits. Not with verify */
} wk_compile_arguments;

/* A function that does what `body` does. Nothing is called yet. The caller frees it, while no call
 * runs. WK_ERROR_ARGUMENT for settings out of their range. [any thread] */
WK_API wk_function *wk_compile_at(wk_place here, const wk_compile_arguments *arguments);
#ifndef __cplusplus
#define wk_compile(...)                                                                            \
  wk_compile_at(WK_HERE,                                                                           \
                &(wk_compile_arguments){.struct_size = sizeof(wk_compile_arguments), __VA_ARGS__})
#else
extern "C++" inline wk_function *wk_compile(wk_function_body body, void *context = nullptr,
                                            wk_compile_arguments arguments = {},
                                            wk_place here = wk_place_of_caller()) {
  arguments.struct_size = sizeof arguments;
  arguments.body = body;
  arguments.context = context;
  return wk_compile_at(here, &arguments);
}
#endif
WK_API void wk_function_free(wk_function *function); /* [any thread] */

/* Runs it. Inputs of other sizes or dtypes than before, another training mode, freezing and the
 * like trace it again, twice, and WK_ERROR_STATE names the first difference between the two: then
 * the body keeps state of its own. The result is in the innermost scope and has no gradient.
 * WK_ERROR_DEVICE for inputs on two devices, WK_ERROR_MEMORY where memory_budget is too small: it
 * names the least that works. A call that fails changes nothing older than itself, unless memory
 * runs out in its last steps.
 *
 * Several threads may call one function: each runs with memory of its own. Calls that change
 * nothing older than themselves, predictions mostly, run at the same time. Those that change
 * parameters, running statistics, an optimizer or a generator take turns, each alone, and so do
 * verified ones. A plan is traced while the others run. Objects that two functions share, or that
 * the program itself uses, are not locked: who changes them meanwhile does so at a time when no
 * call runs. [any thread]
 */
WK_API wk_tensor *wk_call_at(wk_place here, wk_function *function, wk_tensors inputs);
#define wk_call(...) wk_call_at(WK_HERE, __VA_ARGS__)

/* The same: all results, written to results[0 .. result_count - 1]; they are NULL on failure.
 * [any thread] */
WK_API wk_status wk_call_all_at(wk_place here, wk_function *function, wk_tensors inputs,
                                wk_tensor **results);
#define wk_call_all(...) wk_call_all_at(WK_HERE, __VA_ARGS__)

/* What the plan of the last call does: a line of sums; for all steps and for each kernel how many
 * steps it runs, millions of floating-point operations (a loop's: of one trip) and bytes read and
 * written; then each step that copies an operand, or does not put its result in the place of one,
 * and why. As snprintf. [any thread] */
WK_API size_t wk_function_describe(const wk_function *function, char *buffer, size_t size);

/* Bytes on the device while the plan of the last call runs. */
typedef struct wk_plan_memory {
  size_t struct_size;
  size_t arena;   /* of all that is made on the way, in one block that is kept between calls; each
                   * of several calls that run at once has its own */
  size_t results; /* handed out */
  size_t cells; /* read and written, older than the call: parameters, gradients, optimizer slots */
  size_t inputs;
  int64_t again; /* steps that compute once more what was given up to keep the budget */
  size_t loops; /* beside the arena, what trips of loops make, the most at once; not the states kept
                 * for gradients: docs/decisions/control.md says how many */
  size_t scratch; /* that a kernel takes while it runs, the most of any: oneDNN's weights in its own
                   * order. What threads keep between calls is not counted */
} wk_plan_memory;

/* Fills `*memory`, whose struct_size the caller sets; zeros before the first call.
 * [any thread] */
WK_API void wk_function_memory(const wk_function *function, wk_plan_memory *memory);

/* How many plans there are, and how often the body was traced. [any thread] */
WK_API int64_t wk_function_plan_count(const wk_function *function);
WK_API int64_t wk_function_trace_count(const wk_function *function);

WK_END_C

#endif
