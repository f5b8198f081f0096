/* SPDX-License-Identifier: Apache-2.0 */
/* Choices and loops as the user calls them, and how they run eagerly. */
#include "graph/control.h"

#include <math.h>
#include <string.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/trace.h"
#include "tensor/attribute.h"

/* ---- what all share ---- */

wk_status wk_body_call(wk_control_body body, void *context, wk_tensors inputs, size_t count,
                       wk_tensor **results) {
  for (size_t i = 0; i < count; i++) results[i] = NULL;
  if (wk_failed()) return wk_error_status();
  const wk_status status = body(context, inputs, results);
  if (status < 0 && !wk_failed()) wk_fail(status, "the body failed without saying why");
  for (size_t i = 0; i < count && !wk_failed(); i++)
    if (!results[i]) wk_fail(WK_ERROR_CALLBACK, "the body gave no result %zu of %zu", i, count);
  return wk_error_status();
}

wk_status wk_state_check(const char *what, size_t index, const wk_tensor *before,
                         const wk_tensor *next) {
  const bool same_dtype = before->layout.dtype == next->layout.dtype;
  if (same_dtype && wk_layout_same_dims(&before->layout, &next->layout)) return WK_OK;
  char first[128], then[128];
  wk_layout_describe(&before->layout, first, sizeof first);
  wk_layout_describe(&next->layout, then, sizeof then);
  const wk_status status = same_dtype ? WK_ERROR_SHAPE : WK_ERROR_DTYPE;
  wk_fail(status, "%s %zu changes from %s to %s", what, index, first, then);
  wk_error_add_hint(same_dtype ? "what is carried keeps its sizes; a wk_list can grow"
                               : "what is carried keeps its dtype: convert it with wk_cast");
  return status;
}

static wk_status check_truth(const char *what, const wk_tensor *tensor) {
  if (!tensor)
    return wk_failed() ? wk_error_status() : wk_fail(WK_ERROR_CALLBACK, "%s gave no tensor", what);
  if (wk_layout_count(&tensor->layout) == 1) return WK_OK;
  char text[128];
  wk_layout_describe(&tensor->layout, text, sizeof text);
  return wk_fail(WK_ERROR_SHAPE, "%s is %s, but a choice has one element", what, text);
}

wk_status wk_truth(const char *what, const wk_tensor *tensor, bool *yes) {
  *yes = false;
  wk_status status = check_truth(what, tensor);
  if (status == WK_OK) *yes = wk_item(tensor) != 0;
  return wk_error_status();
}

bool wk_any_wanted(wk_tensors some, const wk_capture *met) {
  for (size_t i = 0; i < some.count; i++)
    if (wk_wants_gradient(some.item[i])) return true;
  return met->count > 0;
}

wk_tensor **wk_join_closures(wk_tensors state, const wk_capture *met, size_t *count) {
  wk_tensor **all = wk_allocate_zeroed(state.count + met->count + 1, sizeof *all);
  *count = state.count + met->count;
  for (size_t i = 0; all && i < *count; i++)
    all[i] = i < state.count ? state.item[i] : met->tensors[i - state.count];
  return all;
}

static wk_status check_tensors(const char *what, wk_tensors tensors) {
  if (tensors.count && !tensors.item) return wk_fail(WK_ERROR_ARGUMENT, "%s is NULL", what);
  if (tensors.count > INT16_MAX) return wk_fail(WK_ERROR_ARGUMENT, "%s has too many tensors", what);
  for (size_t i = 0; i < tensors.count; i++)
    if (!tensors.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "%s %zu is NULL", what, i);
  return WK_OK;
}

/* Results of a call that failed are NULL, and its error names it. */
static wk_status end_call(const char *name, wk_place here, wk_tensor **results, size_t count) {
  for (size_t i = 0; wk_failed() && results && i < count; i++) results[i] = NULL;
  wk_error_add_call(name, here);
  return wk_error_status();
}

/* ---- while ---- */

static const wk_op_input state_operand = {.name = "state", .list = true, .dtypes = WK_DTYPES_ANY};
const wk_op wk_while_record = {.name = "while",
                               .class = WK_CLASS_MATRIX,
                               .inputs = &state_operand,
                               .input_count = 1,
                               .output_count = 1,
                               .settings = {.size = sizeof(size_t)}};

wk_status wk_while_advance(const wk_while_arguments *a, wk_tensor **state, wk_tensor **next) {
  const size_t n = a->state.count;
  wk_status status = wk_body_call(a->body, a->context, (wk_tensors){n, state}, n, next);
  for (size_t i = 0; i < n && status == WK_OK; i++)
    status = wk_state_check("carried value", i, state[i], next[i]);
  for (size_t i = 0; i < n && status == WK_OK; i++) {
    wk_tensor_retain(next[i]);
    wk_tensor_release(state[i]);
    state[i] = next[i];
  }
  return status;
}

/* One trip in a scope of its own; `state` holds owned references. */
static wk_status make_trip(const wk_while_arguments *a, wk_tensor **state, wk_tensor **next,
                           bool *goes_on) {
  const size_t n = a->state.count;
  wk_scope scope = wk_scope_open();
  const wk_tensors now = {n, state};
  wk_status status = wk_truth("the condition", a->condition(a->context, now), goes_on);
  if (status == WK_OK && *goes_on) status = wk_while_advance(a, state, next);
  wk_scope_close(&scope);
  return status;
}

/* All ops are recorded one by one, if they are. */
wk_status wk_while_kept(wk_place here, const wk_while_arguments *a, wk_tensor **results) {
  const size_t n = a->state.count;
  wk_tensor **state = wk_allocate_zeroed(2 * n + 1, sizeof *state);
  if (!state) return wk_error_status();
  for (size_t i = 0; i < n; i++) state[i] = wk_tensor_retain(a->state.item[i]);
  wk_status status = WK_OK;
  for (bool goes_on = true; goes_on && status == WK_OK;)
    status = make_trip(a, state, state + n, &goes_on);
  for (size_t i = 0; i < n; i++) results[i] = wk_scope_add(state[i]);
  wk_deallocate(state);
  (void)here;
  return wk_error_status();
}

wk_status wk_while_at(wk_place here, wk_tensor **results, const wk_while_arguments *arguments) {
  wk_while_arguments a = {0};
  wk_settings_copy("while", arguments, offsetof(wk_while_arguments, policy), sizeof a, &a);
  for (size_t i = 0; results && i < a.state.count; i++) results[i] = NULL;
  if (!wk_failed() && (!results || !a.condition || !a.body || !a.state.count))
    wk_fail(WK_ERROR_ARGUMENT, "a loop needs a condition, a body, a state and room for results");
  if (!wk_failed() && a.policy != WK_LOOP_KEEP_ALL && a.policy != WK_LOOP_SQUARE_ROOT)
    wk_fail(WK_ERROR_ARGUMENT, "there is no loop policy %d", (int)a.policy);
  if (!wk_failed()) check_tensors("state", a.state);
  if (!wk_failed()) {
    if (wk_tracing)
      wk_while_captured(here, &a, NULL, results);
    else if (a.policy == WK_LOOP_SQUARE_ROOT && wk_gradients_recorded)
      wk_while_checkpointed(here, &a, results);
    else
      wk_while_kept(here, &a, results);
  }
  return end_call("while", here, results, a.state.count);
}

/* ---- cond ---- */

static wk_status choose(const wk_cond_arguments *a, wk_tensor **results) {
  bool yes;
  if (wk_truth("the predicate", a->predicate, &yes) != WK_OK) return wk_error_status();
  return wk_body_call(yes ? a->then_body : a->else_body, a->context, a->inputs, a->result_count,
                      results);
}

wk_status wk_cond_at(wk_place here, wk_tensor **results, const wk_cond_arguments *arguments) {
  wk_cond_arguments a = {0};
  wk_settings_copy("cond", arguments, offsetof(wk_cond_arguments, inputs), sizeof a, &a);
  if (!a.result_count) a.result_count = 1;
  for (size_t i = 0; results && i < a.result_count; i++) results[i] = NULL;
  if (!wk_failed() && (!results || !a.predicate || !a.then_body || !a.else_body))
    wk_fail(WK_ERROR_ARGUMENT, "a choice needs a predicate, two bodies and room for results");
  if (!wk_failed()) check_tensors("input", a.inputs);
  if (!wk_failed() && wk_tracing)
    wk_cond_captured(here, &a, results);
  else if (!wk_failed())
    choose(&a, results);
  return end_call("cond", here, results, a.result_count);
}

/* ---- scan ---- */

static wk_status check_scan(const wk_scan_arguments *a, wk_tensor *const *results) {
  if (!results || !a->body) return wk_fail(WK_ERROR_ARGUMENT, "a scan needs a body and results");
  if (!a->sequence.count) return wk_fail(WK_ERROR_ARGUMENT, "a scan needs a sequence");
  if (check_tensors("state", a->state) != WK_OK || check_tensors("sequence", a->sequence) != WK_OK)
    return wk_error_status();
  for (size_t i = 0; i < a->sequence.count; i++) {
    const wk_layout *first = &a->sequence.item[0]->layout, *layout = &a->sequence.item[i]->layout;
    char text[128];
    wk_layout_describe(layout, text, sizeof text);
    if (layout->rank < 1 || layout->dims[0] < 1 || layout->dims[0] != first->dims[0])
      return wk_fail(WK_ERROR_SHAPE, "sequence %zu is %s, but all need one first size, at least 1",
                     i, text);
  }
  return WK_OK;
}

/* One trip: `now` is the state and the slices, `made` the next state and the outputs. */
static wk_status scan_trip(const wk_scan_arguments *a, int64_t t, wk_tensor **now, wk_tensor **made,
                           wk_list **outputs) {
  const size_t n = a->state.count;
  wk_scope scope = wk_scope_open();
  for (size_t i = 0; i < a->sequence.count; i++) now[n + i] = wk_select(a->sequence.item[i], 0, t);
  wk_status status = wk_body_call(a->body, a->context, (wk_tensors){n + a->sequence.count, now},
                                  n + a->output_count, made);
  for (size_t i = 0; i < n && status == WK_OK; i++)
    status = wk_state_check("carried value", i, now[i], made[i]);
  for (size_t i = 0; i < n && status == WK_OK; i++) {
    wk_tensor_retain(made[i]);
    wk_tensor_release(now[i]);
    now[i] = made[i];
  }
  for (size_t i = 0; i < a->output_count && status == WK_OK; i++)
    status = wk_list_append(outputs[i], made[n + i]);
  wk_scope_close(&scope);
  return status;
}

static wk_status scan(const wk_scan_arguments *a, wk_tensor **results) {
  const size_t n = a->state.count, in = n + a->sequence.count, out = n + a->output_count;
  wk_tensor **now = wk_allocate_zeroed(in + out + 1, sizeof *now);
  wk_list **outputs = wk_allocate_zeroed(a->output_count + 1, sizeof *outputs);
  for (size_t i = 0; now && i < n; i++) now[i] = wk_tensor_retain(a->state.item[i]);
  for (size_t i = 0; outputs && i < a->output_count; i++) outputs[i] = wk_list_create();
  const int64_t count = a->sequence.item[0]->layout.dims[0];
  for (int64_t t = 0; t < count && !wk_failed(); t++)
    scan_trip(a, a->reverse ? count - 1 - t : t, now, now + in, outputs);
  for (size_t i = 0; now && i < n; i++) results[i] = wk_scope_add(now[i]);
  for (size_t i = 0; outputs && i < a->output_count; i++) {
    wk_tensor *y = wk_failed() ? NULL : wk_list_stack(outputs[i]);
    results[n + i] = a->reverse && y ? wk_flip(y, .axes = WK_AXES(0)) : y;
    wk_list_free(outputs[i]);
  }
  wk_deallocate(now);
  wk_deallocate(outputs);
  return wk_error_status();
}

wk_status wk_scan_at(wk_place here, wk_tensor **results, const wk_scan_arguments *arguments) {
  wk_scan_arguments a = {0};
  wk_settings_copy("scan", arguments, offsetof(wk_scan_arguments, output_count), sizeof a, &a);
  const size_t count = a.state.count + a.output_count;
  for (size_t i = 0; results && i < count; i++) results[i] = NULL;
  if (!wk_failed() && check_scan(&a, results) == WK_OK) scan(&a, results);
  return end_call("scan", here, results, count);
}
