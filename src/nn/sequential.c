/* SPDX-License-Identifier: Apache-2.0 */

/* A module that runs its children one after the other. */

#include "base/error.h"
#include "base/text.h"
#include "nn/module.h"

static wk_tensor *forward(wk_module *self, void *context, wk_tensor *x) {
  (void)context;
  for (size_t i = 0; i < self->child_count; i++)
    x = wk_forward_at(wk_forward_place(), self->children[i].module, x);
  return x;
}

const wk_module_type wk_sequential_type = {.struct_size = sizeof(wk_module_type),
                                           .name = "sequential",
                                           .forward = forward};

/* Whether modules[i] is the first time that module stands there. */
static bool is_first(wk_module *const *modules, size_t i) {
  for (size_t j = 0; j < i; j++)
    if (modules[j] == modules[i]) return false;
  return true;
}

static wk_status check(size_t count, wk_module *const *modules) {
  if (count > 0 && !modules)
    return wk_fail(WK_ERROR_ARGUMENT, "the modules of a sequential are NULL");
  for (size_t i = 0; i < count; i++) {
    if (!modules[i]) return wk_fail(WK_ERROR_ARGUMENT, "module %zu of a sequential is NULL", i);
    if (modules[i]->parent || !is_first(modules, i))
      return wk_fail(WK_ERROR_ARGUMENT, "module %zu of a sequential (a %s) stands elsewhere too", i,
                     modules[i]->type_name);
  }
  return WK_OK;
}

static wk_module *create(size_t count, wk_module *const *modules) {
  if (check(count, modules) < 0) return NULL;
  return wk_module_new(wk_sequential_type.name, NULL, &wk_sequential_type, NULL);
}

wk_module *wk_sequential_at(wk_place here, size_t count, wk_module *const *modules) {
  const bool failed_before = wk_failed();
  wk_module *self = failed_before ? NULL : create(count, modules);
  if (!self) {
    if (!failed_before) wk_error_add_call("sequential", here);
    for (size_t i = 0; modules && i < count; i++)
      if (is_first(modules, i)) wk_module_free(modules[i]);
    return NULL;
  }
  for (size_t i = 0; i < count; i++) {
    char name[24];
    wk_print_into(name, sizeof name, 0, "%zu", i);
    wk_module_add(self, name, modules[i]);
  }
  if (!wk_failed()) return self;
  wk_error_add_call("sequential", here);
  wk_module_free(self);
  return NULL;
}
