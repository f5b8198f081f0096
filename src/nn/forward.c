/* SPDX-License-Identifier: Apache-2.0 */

/* Running modules, and building each when it first meets an input. */

#include "base/error.h"
#include "nn/module.h"
#include "ops/dispatch.h"
#include "tensor/fields.h"

/* Errors of ops that a layer calls name the user's line, not the layer's. */
static _Thread_local wk_place forward_place;

wk_place wk_forward_place(void) { return forward_place; }

static wk_status build(wk_module *module, wk_tensor *x) {
  module->met = true;
  if (module->layer) return module->layer->build ? module->layer->build(module, x) : WK_OK;
  if (!module->type->build) return WK_OK;
  const wk_status status = module->type->build(module, module->context, x);
  if (status < 0 && !wk_failed())
    return wk_fail(WK_ERROR_CALLBACK, "the build function of %s failed", module->label);
  return status;
}

static wk_tensor *compute(wk_module *module, wk_tensor *x) {
  if (module->layer) return module->layer->forward(module, x);
  wk_tensor *y = module->type->forward(module, module->context, x);
  if (!y && !wk_failed())
    wk_fail(WK_ERROR_CALLBACK, "the forward function of %s gave no result", module->label);
  return y;
}

/* What one example's output looks like, for the summary. */
static void note_output(wk_module *module, const wk_tensor *y) {
  const wk_shape shape = wk_tensor_shape(y);
  module->output = WK_SCALAR;
  for (int i = 1; i < shape.rank; i++) module->output.dims[module->output.rank++] = shape.dims[i];
}

/* In a scope of its own, which lets go of everything but the result: a step's scope pins no
 * activations. The result is owned by the caller. */
static wk_tensor *run(wk_module *module, wk_tensor *x) {
  wk_scope scope = wk_scope_open();
  wk_tensor *y = NULL;
  WK_NOTE_FIELD(NULL, module->training);
  const bool first = module->state == WK_MODULE_BUILDING && !module->met;
  if (!first || build(module, x) == WK_OK) y = wk_tensor_retain(compute(module, x));
  if (y && module->state == WK_MODULE_BUILDING) note_output(module, y);
  wk_scope_close(&scope);
  return y;
}

static wk_status check(const wk_module *module, const wk_tensor *x) {
  if (!module) return wk_fail(WK_ERROR_ARGUMENT, "there is no module to run forward");
  if (!x) {
    wk_fail(WK_ERROR_ARGUMENT, "the input of %s is NULL", module->label);
    wk_error_add_hint("give it a batch, such as the first tensor of what wk_loader_next hands out");
    wk_error_add_module(module->label);
    return wk_error_status();
  }
  if (module->state != WK_MODULE_NEW) return WK_OK;
  wk_fail(WK_ERROR_STATE, "%s is not built, so it has no parameters yet", module->label);
  wk_error_add_hint("call wk_module_build(network, dataset) or wk_module_build_for first");
  wk_error_add_module(module->label);
  return wk_error_status();
}

/* Where a batch is not what the network was built for, that is what went wrong. */
static void explain_batch(const wk_module *root, const wk_tensor *x) {
  const wk_status status = wk_error_status();
  if (root->parent || root->state != WK_MODULE_BUILT) return;
  if (status != WK_ERROR_SHAPE && status != WK_ERROR_DTYPE) return;
  const wk_shape *built = &root->input.shape;
  wk_layout wanted, example = x->layout;
  if (example.rank > 0) example.rank--;
  for (int i = 0; i < example.rank; i++) example.dims[i] = x->layout.dims[i + 1];
  wanted = (wk_layout){.dtype = root->input.dtype, .rank = built->rank};
  for (int i = 0; i < built->rank; i++) wanted.dims[i] = built->dims[i];
  if (wk_layout_same_dims(&wanted, &example) && wanted.dtype == example.dtype) return;
  char expected[128], given[128];
  wk_layout_describe(&wanted, expected, sizeof expected);
  wk_layout_describe(&example, given, sizeof given);
  wk_error_add_hint_first("the network was built for examples %s; this batch holds %s", expected,
                          given);
}

wk_tensor *wk_forward_at(wk_place here, wk_module *module, wk_tensor *x) {
  if (wk_failed()) return NULL;
  if (check(module, x) < 0) {
    wk_error_add_op("forward");
    wk_error_add_place(here);
    return NULL;
  }
  const char *const outer_module = wk_current_module;
  const wk_place outer_place = forward_place;
  wk_current_module = module->label;
  forward_place = here;
  wk_tensor *y = run(module, x);
  if (!y) {
    wk_error_add_module(module->label);
    wk_error_add_op(module->type_name);
    wk_error_add_place(here);
    explain_batch(module, x);
  }
  wk_current_module = outer_module;
  forward_place = outer_place;
  return wk_scope_add(y);
}
