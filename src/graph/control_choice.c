/* SPDX-License-Identifier: Apache-2.0 */
/* A choice in a function that is traced is two loops, one for each branch, that make one trip or
 * none over the results and whether the branch is still to run: so it has the gradients of loops.
 */
#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/capture.h"
#include "graph/control.h"

typedef struct choice {
  wk_control_body body;
  void *context;
  size_t result_count, input_count;
  wk_tensor *inputs[]; /* owned */
} choice;

static void release_choice(void *context) {
  choice *c = context;
  for (size_t i = 0; i < c->input_count; i++) wk_tensor_release(c->inputs[i]);
  wk_deallocate(c);
}

static choice *create_choice(const wk_cond_arguments *a, wk_control_body body) {
  choice *c = wk_allocate_zeroed(1, sizeof *c + (a->inputs.count + 1) * sizeof(wk_tensor *));
  if (!c) return NULL;
  c->body = body, c->context = a->context;
  c->result_count = a->result_count, c->input_count = a->inputs.count;
  for (size_t i = 0; i < c->input_count; i++) c->inputs[i] = wk_tensor_retain(a->inputs.item[i]);
  return c;
}

static wk_tensor *is_to_run(void *context, wk_tensors state) {
  (void)context;
  return state.item[0];
}

static wk_status run_branch(void *context, wk_tensors state, wk_tensor **next) {
  choice *c = context;
  wk_status status = wk_body_call(c->body, c->context, (wk_tensors){c->input_count, c->inputs},
                                  c->result_count, next + 1);
  for (size_t i = 0; i < c->result_count && status == WK_OK; i++)
    status = wk_state_check("of the two branches, result", i, state.item[i + 1], next[i + 1]);
  if (status == WK_OK) next[0] = wk_zeros_like_of(state.item[0]);
  return wk_error_status();
}

static wk_status call_branch(void *context, wk_tensors in, wk_tensor **results) {
  const choice *c = context;
  return wk_body_call(c->body, c->context, in, c->result_count, results);
}

/* Zeros like the results of the first branch, behind the predicate. */
static wk_status begin_results(const wk_cond_arguments *a, choice *c, wk_tensor **state) {
  wk_region region;
  wk_trace_region(&region, &(wk_body){call_branch, c, a->result_count}, a->inputs);
  const bool recorded = wk_set_gradients_recorded(false);
  wk_device *device = wk_tensor_device_of(a->predicate);
  for (size_t i = 0; i < a->result_count && !wk_failed(); i++) {
    const wk_layout *layout = &region.graph.results[i].layout;
    state[i + 1] = wk_full(wk_layout_shape(layout), 0, .dtype = layout->dtype, .device = device);
  }
  wk_set_gradients_recorded(recorded);
  wk_region_free(&region);
  return wk_error_status();
}

/* state[0]: whether it runs; behind it results, which become its own if it does. */
static wk_status run_if(wk_place here, choice *c, wk_tensor **state, wk_tensor *flag,
                        wk_tensor **made) {
  state[0] = flag;
  const wk_while_arguments a = {.condition = is_to_run,
                                .body = run_branch,
                                .context = c,
                                .state = {c->result_count + 1, state}};
  return wk_while_captured(here, &a, release_choice, made);
}

wk_status wk_cond_captured(wk_place here, const wk_cond_arguments *a, wk_tensor **results) {
  const size_t n = a->result_count;
  wk_tensor **state = wk_allocate_zeroed(2 * n + 2, sizeof *state);
  wk_tensor **made = state ? state + n + 1 : NULL;
  choice *first = state ? create_choice(a, a->then_body) : NULL;
  choice *second = first ? create_choice(a, a->else_body) : NULL;
  const wk_tensor *p = a->predicate;
  if (second && wk_layout_count(&p->layout) != 1)
    wk_fail(WK_ERROR_SHAPE, "the predicate has %lld elements, but a choice has one",
            (long long)wk_layout_count(&p->layout));
  if (second && !wk_failed()) begin_results(a, first, state);
  if (!wk_failed()) {
    wk_tensor *const zero = wk_full(WK_SHAPE(1), 0, .device = wk_tensor_device_of(p));
    wk_tensor *flag = wk_reshape(wk_cast(a->predicate, WK_F32), WK_SHAPE(1));
    wk_tensor *otherwise = wk_cast(wk_equal(flag, zero), WK_F32);
    run_if(here, first, state, wk_detach(wk_cast(wk_not_equal(flag, zero), WK_F32)), made);
    first = NULL;
    if (!wk_failed()) {
      run_if(here, second, made, wk_detach(otherwise), state);
      second = NULL;
    }
  }
  for (size_t i = 0; i < n && !wk_failed(); i++) results[i] = state[i + 1];
  if (first) release_choice(first);
  if (second) release_choice(second);
  wk_deallocate(state);
  return wk_error_status();
}
