/* SPDX-License-Identifier: Apache-2.0 */
#include "autograd/hooks.h"

#include <stdatomic.h>
#include <string.h>

#include <wick/autograd.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "tensor/attribute.h"
#include "tensor/parameters.h"

typedef struct hook {
  uint64_t number;
  bool after;   /* the gradient has arrived in the leaf */
  bool removed; /* while the list ran */
  wk_callback callback;
} hook;

typedef struct hook_list {
  wk_hooks base;
  hook *hooks;
  size_t count, capacity;
  int running;
  wk_leaf_sum sum;
} hook_list;

static void end(wk_callback *callback) {
  if (callback->destroy) callback->destroy(callback->context);
  callback->destroy = NULL;
}

static void destroy_list(wk_hooks *hooks) {
  hook_list *list = (hook_list *)hooks;
  for (size_t i = 0; i < list->count; i++) end(&list->hooks[i].callback);
  wk_tensor_release(list->sum.gradient);
  wk_deallocate(list->hooks);
  wk_deallocate(list);
}

bool wk_hooks_are_set(const wk_hooks *hooks, bool after) {
  const hook_list *list = (const hook_list *)hooks;
  for (size_t i = 0; list && i < list->count; i++) {
    if (list->hooks[i].after == after && !list->hooks[i].removed) return true;
  }
  return false;
}

wk_leaf_sum *wk_hooks_sum(wk_hooks *hooks) { return &((hook_list *)hooks)->sum; }

/* ---- running ---- */

/* Ends those that were removed. Each leaves the list first: what ends it may look at the list. */
static void sweep(hook_list *list) {
  for (size_t i = list->count; i-- > 0;) {
    if (!list->hooks[i].removed) continue;
    wk_callback callback = list->hooks[i].callback;
    for (size_t k = i + 1; k < list->count; k++) list->hooks[k - 1] = list->hooks[k];
    list->count--;
    end(&callback);
    if (i > list->count) i = list->count;
  }
}

static wk_status check_replacement(const wk_tensor *given, const wk_tensor *gradient) {
  if (wk_layout_same_dims(&given->layout, &gradient->layout) &&
      given->layout.dtype == gradient->layout.dtype &&
      wk_tensor_device_of(given) == wk_tensor_device_of(gradient))
    return WK_OK;
  char from[128], to[128];
  wk_tensor_describe(gradient, from, sizeof from);
  wk_tensor_describe(given, to, sizeof to);
  wk_fail(WK_ERROR_SHAPE, "a hook replaces the gradient %s by %s", from, to);
  wk_error_add_hint("sizes, dtype and device must stay");
  return WK_ERROR_SHAPE;
}

/* One hook in a scope of its own. *gradient, an owned reference, may be replaced by another. */
static wk_status run_hook(wk_callback callback, wk_tensor *tensor, wk_tensor **gradient) {
  wk_scope scope = wk_scope_open();
  wk_gradient_event event = {sizeof event, tensor, *gradient, NULL};
  wk_status status = callback.run(callback.context, &event);
  if (status < 0 && !wk_failed())
    wk_fail(status, "a hook on the gradient failed without saying why");
  if (wk_failed()) status = wk_error_status();
  if (status >= 0 && event.replacement) status = check_replacement(event.replacement, *gradient);
  if (status >= 0 && event.replacement) {
    wk_tensor *before = *gradient;
    *gradient = wk_tensor_retain(event.replacement);
    wk_tensor_release(before);
  }
  wk_scope_close(&scope);
  return status < 0 ? status : WK_OK;
}

wk_tensor *wk_hooks_run(wk_hooks *hooks, bool after, wk_tensor *tensor, wk_tensor *gradient) {
  hook_list *list = (hook_list *)hooks;
  wk_status status = wk_error_status();
  wk_tensor *result = wk_tensor_retain(gradient);
  const size_t count = list->count; /* those that are added now run the next time */
  list->running++;
  for (size_t i = 0; i < count && status == WK_OK; i++) {
    if (list->hooks[i].after == after && !list->hooks[i].removed)
      status = run_hook(list->hooks[i].callback, tensor, &result);
  }
  if (--list->running == 0) sweep(list);
  if (status == WK_OK) return wk_scope_add(result);
  wk_tensor_release(result);
  return NULL;
}

/* ---- adding and removing ---- */

static wk_hooks **place_of(const wk_tensor *tensor) {
  if (tensor->link) return &((wk_node *)tensor->link)->outputs[tensor->output_index].hooks;
  return tensor->leaf ? &tensor->leaf->hooks : NULL;
}

static hook_list *list_of(wk_tensor *tensor) {
  if (!tensor->link && !wk_leaf_ensure(tensor)) return NULL;
  wk_hooks **place = place_of(tensor);
  if (!*place) {
    hook_list *list = wk_allocate_zeroed(1, sizeof *list);
    if (!list) return NULL;
    list->base.destroy = destroy_list;
    *place = &list->base;
  }
  return (hook_list *)*place;
}

static wk_status check_hook(const wk_tensor *tensor, const wk_callback *callback, bool after) {
  if (!tensor || !callback || !callback->run)
    return wk_fail(WK_ERROR_ARGUMENT, "the tensor or the callback is NULL");
  if (after && tensor->link) {
    wk_fail(WK_ERROR_STATE, "the tensor is the result of an op, where no gradient stays");
    wk_error_add_hint("wk_tensor_add_hook sees the gradient of any tensor on its way");
    return WK_ERROR_STATE;
  }
  if (tensor->requires_gradient || !wk_gradients_recorded) return WK_OK;
  wk_fail(WK_ERROR_STATE, "the tensor requires no gradient");
  wk_error_add_hint("call wk_tensor_set_requires_gradient on it first");
  return WK_ERROR_STATE;
}

static wk_status add_hook(wk_tensor *tensor, const wk_callback *callback, bool after,
                          uint64_t *handle) {
  static atomic_uint_least64_t numbers;
  const wk_status status = check_hook(tensor, callback, after);
  if (status != WK_OK) return status;
  if (!tensor->requires_gradient) { /* nothing is recorded: there will be no gradient */
    wk_callback unused = *callback;
    end(&unused);
    return WK_OK;
  }
  hook_list *list = list_of(tensor);
  if (!list || !wk_grow(&list->hooks, &list->capacity, list->count, sizeof *list->hooks))
    return wk_error_status();
  const uint64_t number = atomic_fetch_add(&numbers, 1) + 1;
  list->hooks[list->count++] = (hook){number, after, false, *callback};
  if (handle) *handle = number;
  return WK_OK;
}

static wk_status add_public(const char *name, wk_place here, wk_tensor *tensor,
                            const wk_callback *callback, bool after, uint64_t *handle) {
  wk_callback copy = {0};
  if (handle) *handle = 0;
  if (callback)
    memcpy(&copy, callback,
           callback->struct_size < sizeof copy ? callback->struct_size : sizeof copy);
  wk_status status = wk_error_status();
  if (status == WK_OK)
    status = wk_settings_copy(name, callback, offsetof(wk_callback, destroy), sizeof copy, &copy);
  if (status == WK_OK) status = add_hook(tensor, &copy, after, handle);
  if (status != WK_OK) {
    end(&copy);
    wk_error_add_call(name, here);
  }
  return status;
}

wk_status wk_tensor_add_hook_at(wk_place here, wk_tensor *tensor, const wk_callback *callback,
                                uint64_t *handle) {
  return add_public("tensor_add_hook", here, tensor, callback, false, handle);
}

wk_status wk_tensor_add_arrival_hook_at(wk_place here, wk_tensor *leaf, const wk_callback *callback,
                                        uint64_t *handle) {
  return add_public("tensor_add_arrival_hook", here, leaf, callback, true, handle);
}

bool wk_tensor_remove_hook(wk_tensor *tensor, uint64_t handle) {
  wk_hooks **place = tensor ? place_of(tensor) : NULL;
  hook_list *list = place ? (hook_list *)*place : NULL;
  for (size_t i = 0; list && i < list->count; i++) {
    if (list->hooks[i].number != handle || list->hooks[i].removed) continue;
    list->hooks[i].removed = true;
    if (!list->running) sweep(list);
    return true;
  }
  return false;
}
