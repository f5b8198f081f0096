/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient checkpointing: a function that ran without being recorded is one node, whose gradient
 * rule runs the function again, recording it, and walks back through that. What the first run met
 * from outside, parameters say, is an input of the node besides the function's own. */
#include <string.h>

#include <wick/autograd.h>

#include "autograd/tape.h"
#include "base/memory.h"
#include "ops/autocast.h"
#include "ops/journal.h"

typedef struct checkpoint {
  wk_companion companion;
  wk_checkpoint_arguments a; /* its inputs are those of the first run: borrowed, only counted */
  wk_random_journal journal;
  wk_dtype autocast; /* of the first run */
} checkpoint;

static const wk_op_input operand = {.name = "input", .list = true, .dtypes = WK_DTYPES_ANY};
static const wk_op record = {.name = "checkpoint",
                             .class = WK_CLASS_MATRIX,
                             .inputs = &operand,
                             .input_count = 1,
                             .output_count = 1,
                             .settings = {.size = sizeof(size_t)}};

static void spend(wk_companion *self) {
  checkpoint *c = (checkpoint *)self;
  wk_journal_free(&c->journal);
  if (c->a.destroy) c->a.destroy(c->a.context);
  c->a.destroy = NULL;
}

static void destroy(wk_companion *self) {
  spend(self);
  wk_deallocate(self);
}

/* ---- the second run ---- */

_Thread_local int wk_recomputing;

bool wk_is_recomputing(void) { return wk_recomputing > 0; }

static wk_status check_result(const wk_node *node, const wk_tensor *result) {
  const wk_layout *first = &node->outputs[0].layout;
  if (!result)
    return wk_failed() ? wk_error_status()
                       : wk_fail(WK_ERROR_CALLBACK, "the checkpoint's function gave no result");
  if (wk_layout_same_dims(&result->layout, first) && result->layout.dtype == first->dtype)
    return WK_OK;
  char before[128], now[128];
  wk_layout_describe(first, before, sizeof before);
  wk_tensor_describe(result, now, sizeof now);
  wk_fail(WK_ERROR_STATE, "the checkpoint's function gave %s at first and %s when it ran again",
          before, now);
  wk_error_add_hint("it must do the same in both runs");
  return WK_ERROR_STATE;
}

static wk_tensor *run_again(checkpoint *c, const wk_node *node, wk_tensor **inputs) {
  for (size_t i = 0; i < c->a.inputs.count; i++)
    inputs[i] = wk_node_tie_input(node, (int)i, inputs[i]);
  const bool recorded = wk_set_gradients_recorded(true);
  wk_capture *const capturing = wk_capturing;
  wk_capturing = NULL;
  const wk_dtype autocast = wk_autocasting;
  wk_autocasting = c->autocast;
  wk_journal_open(&c->journal, true);
  wk_recomputing++;
  wk_tensor *result =
      wk_failed() ? NULL : c->a.function(c->a.context, (wk_tensors){c->a.inputs.count, inputs});
  wk_recomputing--;
  wk_journal_close(&c->journal);
  wk_autocasting = autocast;
  wk_capturing = capturing;
  wk_set_gradients_recorded(recorded);
  return result;
}

static wk_status recompute(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  checkpoint *c = (checkpoint *)self;
  const size_t count = c->a.inputs.count;
  wk_tensor **inputs = wk_allocate_zeroed(count + 1, sizeof *inputs);
  if (!inputs) return wk_error_status();
  memcpy(inputs, vjp->inputs, count * sizeof *inputs);
  const uint64_t since = wk_tape_begin_after(node);
  wk_tensor *result = run_again(c, node, inputs);
  wk_status status = wk_failed() ? wk_error_status() : check_result(node, result);
  if (status == WK_OK && result->requires_gradient)
    status = wk_walk_within(node, vjp->needed, since, result, vjp->output_gradients[0],
                            vjp->input_gradients);
  wk_deallocate(inputs);
  return status;
}

/* ---- the first run ---- */

static wk_tensor *run_first(checkpoint *c, wk_capture *met) {
  const bool recorded = wk_set_gradients_recorded(false);
  wk_capture *const capturing = wk_capturing;
  wk_capturing = met;
  wk_journal_open(&c->journal, false);
  wk_tensor *result = c->a.function(c->a.context, c->a.inputs);
  wk_journal_close(&c->journal);
  wk_capturing = capturing;
  wk_set_gradients_recorded(recorded);
  if (!result && !wk_failed())
    wk_fail(WK_ERROR_CALLBACK, "the checkpoint's function gave no result");
  return wk_failed() ? NULL : result;
}

/* The function's inputs and then what else it met, in one array; its length in *count. */
static wk_tensor **join_inputs(wk_tensors given, const wk_capture *met, size_t *count) {
  wk_tensor **all = wk_allocate_zeroed(given.count + met->count + 1, sizeof *all);
  *count = given.count;
  for (size_t i = 0; all && i < given.count; i++) all[i] = given.item[i];
  for (size_t i = 0; all && i < met->count; i++) {
    bool is_given = false;
    for (size_t k = 0; k < given.count; k++)
      is_given = is_given || given.item[k] == met->tensors[i];
    if (!is_given) all[(*count)++] = met->tensors[i];
  }
  return all;
}

static bool any_wanted(wk_tensor *const *tensors, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (wk_wants_gradient(tensors[i])) return true;
  }
  return false;
}

/* Everything that is kept is kept for its version, too: the second run must see the same values.
 * *taken: the node has the checkpoint now. Returns an owned reference. */
static wk_tensor *record_result(wk_place here, checkpoint *c, wk_tensor *made,
                                const wk_capture *met, bool *taken) {
  size_t count, nothing = 0;
  wk_tensor **inputs = join_inputs(c->a.inputs, met, &count);
  bool *keep = wk_allocate_zeroed(count + 1, 1);
  wk_tensor *result = wk_tensor_on_root(made->root, &made->layout, made->offset);
  if (result) result->producer = record.name, result->module_path = wk_current_module;
  if (inputs && keep && result && any_wanted(inputs, count) &&
      wk_dtype_is_float(result->layout.dtype)) {
    memset(keep, true, count);
    wk_call call = {.op = &record,
                    .here = wk_place_above ? *wk_place_above : here,
                    .inputs = inputs,
                    .input_count = (int)count,
                    .arguments = &nothing,
                    .outputs = {result}};
    *taken = wk_tape_record_companion(&call, &c->companion, keep, (bool[]){false}) == WK_OK;
    result = call.outputs[0];
  }
  wk_deallocate(keep);
  wk_deallocate(inputs);
  if (!wk_failed()) return result;
  wk_tensor_release(result);
  return NULL;
}

static wk_tensor *run_recorded(wk_place here, checkpoint *c) {
  wk_capture met = {0};
  bool taken = false;
  wk_scope scope = wk_scope_open();
  wk_tensor *made = run_first(c, &met);
  wk_tensor *result = made ? record_result(here, c, made, &met, &taken) : NULL;
  wk_scope_close(&scope);
  for (size_t i = 0; i < met.count; i++) wk_tensor_release(met.tensors[i]);
  wk_deallocate(met.tensors);
  if (!taken) destroy(&c->companion);
  return wk_scope_add(result);
}

static wk_status check(const wk_checkpoint_arguments *a) {
  if (!a->function || (a->inputs.count && !a->inputs.item))
    return wk_fail(WK_ERROR_ARGUMENT, "the function or its inputs are NULL");
  if (a->inputs.count > INT32_MAX / 2) return wk_fail(WK_ERROR_ARGUMENT, "too many inputs");
  for (size_t i = 0; i < a->inputs.count; i++) {
    if (!a->inputs.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
  }
  return WK_OK;
}

static wk_tensor *run_checkpoint(wk_place here, wk_checkpoint_arguments *a) {
  wk_tensor *result = NULL;
  checkpoint *c = NULL;
  const wk_status status = wk_failed() ? wk_error_status() : check(a);
  if (status == WK_OK && wk_gradients_recorded) c = wk_allocate_zeroed(1, sizeof *c);
  if (c) {
    c->companion = (wk_companion){recompute, spend, NULL, destroy};
    c->a = *a;
    c->autocast = wk_autocasting;
    return run_recorded(here, c);
  }
  if (!wk_failed()) {
    result = a->function(a->context, a->inputs);
    if (!result && !wk_failed())
      wk_fail(WK_ERROR_CALLBACK, "the checkpoint's function gave no result");
  }
  if (a->destroy) a->destroy(a->context);
  return wk_failed() ? NULL : result;
}

wk_tensor *wk_checkpoint_at(wk_place here, const wk_checkpoint_arguments *arguments) {
  wk_checkpoint_arguments a = {0};
  wk_settings_copy("checkpoint", arguments, offsetof(wk_checkpoint_arguments, destroy), sizeof a,
                   &a);
  wk_tensor *result = run_checkpoint(here, &a);
  wk_error_add_call("checkpoint", here);
  return result;
}
