/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the user's with gradients of their own: one node each, whose op is made up. */
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/memory.h"
#include "base/text.h"
#include "tensor/live.h"

/* A tensor kept for backward: an input, an output, or something else. */
typedef struct kept {
  wk_tensor *tensor; /* owned, while forward runs */
  int input, output; /* or -1 */
  wk_layout layout;
  wk_saved saved; /* if it is neither */
} kept;

struct wk_function_call {
  wk_companion companion;
  wk_op op;
  wk_op_input input; /* stands for all */
  wk_custom_function function;
  void *context;
  kept *kept;
  size_t kept_count, kept_capacity;
  const wk_vjp *vjp; /* while backward runs */
  bool in_forward;
};

/* ---- its life ---- */

static void end_context(wk_function_call *call) {
  if (call->function.destroy) call->function.destroy(call->context);
  call->function.destroy = NULL;
}

static void spend(wk_companion *self) {
  wk_function_call *call = (wk_function_call *)self;
  for (size_t i = 0; i < call->kept_count; i++) {
    wk_tensor_release(call->kept[i].tensor);
    wk_saved_drop(&call->kept[i].saved);
  }
  call->kept_count = 0;
  end_context(call);
}

static void destroy(wk_companion *self) {
  wk_function_call *call = (wk_function_call *)self;
  spend(self);
  wk_deallocate(call->kept);
  wk_deallocate(call);
}

static void visit(const wk_companion *self, wk_live_walk *walk) {
  const wk_function_call *call = (const wk_function_call *)self;
  for (size_t i = 0; i < call->kept_count; i++) {
    const kept *k = &call->kept[i];
    if (k->saved.root)
      walk->add(walk, &(wk_live){k->saved.root, &k->layout, call->op.name, NULL, NULL});
  }
}

/* ---- backward ---- */

/* What the user's function gets for an output that nothing depends on. */
static wk_tensor *zeros_like(const wk_tensor *const *given, int count, const wk_layout *layout) {
  wk_device *device = NULL;
  for (int i = 0; i < count && !device; i++) {
    if (given[i]) device = wk_tensor_device_of(given[i]);
  }
  return wk_full(wk_layout_shape(layout), 0, .dtype = layout->dtype, .device = device);
}

static wk_status check_gradient(const wk_function_call *call, const wk_vjp *vjp, int i) {
  const wk_tensor *g = vjp->input_gradients[i];
  const wk_layout *x = &vjp->input_layouts[i];
  if (!g || (wk_layout_same_dims(&g->layout, x) && g->layout.dtype == x->dtype)) return WK_OK;
  char input[128], gradient[128];
  wk_layout_describe(x, input, sizeof input);
  wk_tensor_describe(g, gradient, sizeof gradient);
  wk_fail(WK_ERROR_SHAPE, "the backward of %s gives input %d, which is %s, the gradient %s",
          call->op.name, i, input, gradient);
  wk_error_add_hint("a gradient has its input's sizes and dtype; NULL stands for zero");
  return WK_ERROR_SHAPE;
}

static wk_status run_backward(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  wk_function_call *call = (wk_function_call *)self;
  const int count = call->op.output_count;
  wk_tensor *gradients[WK_MAX_OUTPUTS];
  for (int i = 0; i < count; i++) {
    gradients[i] = vjp->output_gradients[i];
    if (!gradients[i] && wk_dtype_is_float(node->outputs[i].layout.dtype))
      gradients[i] = zeros_like((const wk_tensor *const *)vjp->output_gradients, count,
                                &node->outputs[i].layout);
  }
  if (wk_failed()) return wk_error_status();
  const wk_vjp *before = call->vjp;
  call->vjp = vjp;
  wk_status status =
      call->function.backward(call, call->context, (wk_tensors){(size_t)count, gradients},
                              vjp->input_gradients);
  call->vjp = before;
  if (status < 0 && !wk_failed())
    wk_fail(status, "the backward of %s failed without saying why", call->op.name);
  status = wk_error_status();
  for (int i = 0; i < vjp->input_count && status == WK_OK; i++)
    status = check_gradient(call, vjp, i);
  return status;
}

/* ---- what functions ask of their call ---- */

static wk_status save(wk_function_call *call, wk_tensors tensors) {
  if (!call || (tensors.count && !tensors.item))
    return wk_fail(WK_ERROR_ARGUMENT, "the call or the tensors are NULL");
  if (!call->in_forward)
    return wk_fail(WK_ERROR_STATE, "tensors are kept while forward runs, not later");
  for (size_t i = 0; i < tensors.count; i++) {
    if (!tensors.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "tensor %zu is NULL", i);
    if (!wk_grow(&call->kept, &call->kept_capacity, call->kept_count, sizeof *call->kept))
      return wk_error_status();
    call->kept[call->kept_count++] = (kept){.tensor = wk_tensor_retain(tensors.item[i])};
  }
  return WK_OK;
}

wk_status wk_function_save_at(wk_place here, wk_function_call *call, wk_tensors tensors) {
  const wk_status status = wk_failed() ? wk_error_status() : save(call, tensors);
  wk_error_add_call("function_save", here);
  return status;
}

static wk_tensor *saved(const wk_function_call *call, size_t index) {
  if (!call) return wk_fail(WK_ERROR_ARGUMENT, "the call is NULL"), NULL;
  if (!call->vjp)
    return wk_fail(WK_ERROR_STATE, "what was kept is there while backward runs"), NULL;
  if (index >= call->kept_count) {
    wk_fail(WK_ERROR_ARGUMENT, "tensor %zu was not kept: there are %zu", index, call->kept_count);
    return NULL;
  }
  const kept *k = &call->kept[index];
  if (k->input >= 0) return call->vjp->inputs[k->input];
  if (k->output >= 0) return call->vjp->outputs[k->output];
  return wk_saved_unpack(&k->saved, &k->layout, "a tensor", call->op.name);
}

wk_tensor *wk_function_saved_at(wk_place here, wk_function_call *call, size_t index) {
  wk_tensor *tensor = wk_failed() ? NULL : saved(call, index);
  wk_error_add_call("function_saved", here);
  return tensor;
}

bool wk_function_needs_gradient(const wk_function_call *call, size_t input) {
  return call && call->vjp && input < (size_t)call->vjp->input_count && call->vjp->needed[input];
}

wk_shape wk_function_input_shape(const wk_function_call *call, size_t input) {
  if (!call || !call->vjp || input >= (size_t)call->vjp->input_count) return WK_SCALAR;
  return wk_layout_shape(&call->vjp->input_layouts[input]);
}

/* ---- forward ---- */

static wk_function_call *create_call(const wk_custom_function *function, void *context) {
  wk_function_call *call = wk_allocate_zeroed(1, sizeof *call);
  const char *name = call ? wk_intern(function->name) : NULL;
  if (!name) {
    wk_deallocate(call);
    return NULL;
  }
  call->companion = (wk_companion){run_backward, spend, visit, destroy};
  call->input = (wk_op_input){.name = "input", .list = true, .dtypes = WK_DTYPES_ANY};
  call->op = (wk_op){.name = name,
                     .class = WK_CLASS_MATRIX,
                     .inputs = &call->input,
                     .input_count = 1,
                     .output_count = (uint16_t)function->output_count,
                     .settings = {.size = sizeof(size_t)}};
  call->function = *function;
  call->context = context;
  return call;
}

/* The function's results in handles without a history, since it may return its inputs. */
static wk_status adopt(wk_function_call *call, wk_tensor *const *made, wk_tensor **outputs) {
  for (int i = 0; i < call->op.output_count; i++) {
    if (!made[i]) return wk_fail(WK_ERROR_CALLBACK, "%s gave no output %d", call->op.name, i);
    outputs[i] = wk_tensor_on_root(made[i]->root, &made[i]->layout, made[i]->offset);
    if (!outputs[i]) return wk_error_status();
    outputs[i]->producer = call->op.name;
    outputs[i]->module_path = wk_current_module;
  }
  return WK_OK;
}

/* Sorts what was kept into inputs, outputs and others. */
static void sort_kept(wk_function_call *call, wk_tensors inputs, wk_tensor *const *made,
                      bool *keep_inputs, bool *keep_outputs) {
  for (size_t k = 0; k < call->kept_count; k++) {
    kept *one = &call->kept[k];
    one->input = one->output = -1;
    one->layout = one->tensor->layout;
    for (int i = 0; i < call->op.output_count; i++)
      if (made[i] == one->tensor) one->output = i;
    for (size_t i = 0; i < inputs.count; i++)
      if (inputs.item[i] == one->tensor) one->input = (int)i, one->output = -1;
    if (one->input >= 0)
      keep_inputs[one->input] = true;
    else if (one->output >= 0)
      keep_outputs[one->output] = true;
    else
      one->saved = wk_saved_take(one->tensor);
    wk_tensor_release(one->tensor);
    one->tensor = NULL;
  }
}

static wk_status run_forward(wk_function_call *call, wk_tensors inputs, bool *keep_inputs,
                             bool *keep_outputs, wk_tensor **outputs) {
  wk_tensor *made[WK_MAX_OUTPUTS] = {NULL};
  wk_scope scope = wk_scope_open();
  const bool recorded = wk_set_gradients_recorded(false);
  call->in_forward = true;
  wk_status status = call->function.forward(call, call->context, inputs, made);
  call->in_forward = false;
  wk_set_gradients_recorded(recorded);
  if (status < 0 && !wk_failed()) wk_fail(status, "%s failed without saying why", call->op.name);
  status = wk_failed() ? wk_error_status() : adopt(call, made, outputs);
  if (status == WK_OK) sort_kept(call, inputs, made, keep_inputs, keep_outputs);
  wk_scope_close(&scope);
  return status;
}

static bool must_record(wk_tensors inputs, const wk_op *op, wk_tensor *const *outputs) {
  bool has_float = false, wanted = false;
  for (int i = 0; i < op->output_count; i++)
    has_float = has_float || wk_dtype_is_float(outputs[i]->layout.dtype);
  for (size_t i = 0; i < inputs.count; i++) wanted = wanted || wk_wants_gradient(inputs.item[i]);
  return wk_gradients_recorded && has_float && wanted;
}

/* On return the call belongs to the outputs' node, or is gone. */
static wk_status run(wk_place here, wk_function_call *call, wk_tensors inputs,
                     wk_tensor **outputs) {
  bool *keep_inputs = wk_allocate_zeroed(inputs.count + 1, 1), keep_outputs[WK_MAX_OUTPUTS] = {0};
  wk_status status = keep_inputs ? WK_OK : wk_error_status();
  if (status == WK_OK) status = wk_capture_inputs(inputs.item, (int)inputs.count);
  if (status == WK_OK) status = run_forward(call, inputs, keep_inputs, keep_outputs, outputs);
  bool recorded = false;
  if (status == WK_OK && must_record(inputs, &call->op, outputs)) {
    size_t nothing = 0;
    wk_call node = {.op = &call->op,
                    .here = wk_place_above ? *wk_place_above : here,
                    .inputs = inputs.item,
                    .input_count = (int)inputs.count,
                    .arguments = &nothing};
    memcpy(node.outputs, outputs, (size_t)call->op.output_count * sizeof *outputs);
    status = wk_tape_record_companion(&node, &call->companion, keep_inputs, keep_outputs);
    recorded = status == WK_OK;
    memcpy(outputs, node.outputs, (size_t)call->op.output_count * sizeof *outputs);
  }
  for (int i = 0; status != WK_OK && i < call->op.output_count; i++) {
    wk_tensor_release(outputs[i]);
    outputs[i] = NULL;
  }
  if (!recorded) destroy(&call->companion);
  wk_deallocate(keep_inputs);
  return status;
}

static wk_status check_inputs(wk_tensors inputs) {
  if (inputs.count && !inputs.item) return wk_fail(WK_ERROR_ARGUMENT, "the inputs are NULL");
  if (inputs.count > INT32_MAX) return wk_fail(WK_ERROR_ARGUMENT, "too many inputs");
  for (size_t i = 0; i < inputs.count; i++) {
    if (!inputs.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
  }
  return WK_OK;
}

static wk_status check_function(const wk_custom_function *function, wk_custom_function *copy) {
  const wk_status status =
      wk_settings_copy("function_apply", function, offsetof(wk_custom_function, destroy),
                       sizeof *copy, copy);
  if (status != WK_OK) return status;
  if (!copy->name || !copy->forward || !copy->backward)
    return wk_fail(WK_ERROR_ARGUMENT, "a function needs a name, a forward and a backward");
  if (copy->output_count >= 1 && copy->output_count <= WK_MAX_OUTPUTS) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "%s has %zu outputs; 1 to %d are possible", copy->name,
                 copy->output_count, WK_MAX_OUTPUTS);
}

wk_status wk_function_apply_at(wk_place here, const wk_custom_function *function, void *context,
                               wk_tensors inputs, wk_tensor **outputs) {
  wk_custom_function f = {0};
  wk_function_call *call = NULL;
  wk_status status = wk_error_status();
  if (status == WK_OK) status = check_function(function, &f);
  if (status == WK_OK && !outputs)
    status = wk_fail(WK_ERROR_ARGUMENT, "the place for the outputs is NULL");
  for (size_t i = 0; outputs && i < f.output_count && i < WK_MAX_OUTPUTS; i++) outputs[i] = NULL;
  if (status == WK_OK) status = check_inputs(inputs);
  if (status == WK_OK && !(call = create_call(&f, context))) status = wk_error_status();
  if (status == WK_OK) {
    status = run(here, call, inputs, outputs);
  } else if (function && function->destroy && function->struct_size >= sizeof(wk_custom_function)) {
    function->destroy(context);
  }
  for (size_t i = 0; status == WK_OK && i < f.output_count; i++)
    outputs[i] = wk_scope_add(outputs[i]);
  if (wk_failed()) {
    for (size_t i = 0; outputs && i < f.output_count && i < WK_MAX_OUTPUTS; i++) outputs[i] = NULL;
    status = wk_error_status();
    wk_error_add_call(f.name ? f.name : "function_apply", here);
  }
  return status;
}
