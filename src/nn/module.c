/* SPDX-License-Identifier: Apache-2.0 */

/* The tree of modules: making, joining, walking and freeing it. */

#include "nn/module.h"

#include <string.h>

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "tensor/fields.h"
#include "tensor/parameters.h"

WK_KEEP const wk_debug_field wk_debug_module_fields[] = {
    WK_DEBUG_FIELD(module, label),
    WK_DEBUG_FIELD(module, state),
    WK_DEBUG_FIELD(module, training),
    WK_DEBUG_FIELD(module, children),
    WK_DEBUG_FIELD(module, child_count),
    WK_DEBUG_FIELD(module, parameters),
    WK_DEBUG_FIELD(module, parameter_count),
    WK_DEBUG_FIELD(child, module),
    {"child.size", sizeof(wk_child)},
    WK_DEBUG_FIELD(own_parameter, tensor),
    {"own_parameter.size", sizeof(wk_own_parameter)},
    {NULL, 0},
};

/* ---- making and freeing ---- */

static wk_status set_path(wk_module *module, const char *path) {
  wk_text label = {0};
  wk_text_append(&label, "%s (%s)", path, module->type_name);
  module->path = wk_intern(path);
  module->label = label.data ? wk_intern(label.data) : NULL;
  wk_text_free(&label);
  return module->path && module->label ? WK_OK : wk_error_status();
}

wk_module *wk_module_new(const char *type_name, const wk_layer_type *layer,
                         const wk_module_type *type, void *context) {
  wk_module *module = wk_allocate_zeroed(1, sizeof *module);
  if (!module) return NULL;
  *module = (wk_module){.layer = layer, .type = type, .training = true};
  module->type_name = wk_intern(type_name);
  if (module->type_name && set_path(module, "network") == WK_OK) {
    module->context = context;
    return module;
  }
  wk_deallocate(module);
  return NULL;
}

static void free_tree(wk_module *module) {
  for (size_t i = 0; i < module->child_count; i++) free_tree(module->children[i].module);
  for (size_t i = 0; i < module->parameter_count; i++)
    wk_tensor_release(module->parameters[i].tensor);
  if (module->layer)
    wk_deallocate(module->context);
  else if (module->type->destroy)
    module->type->destroy(module->context);
  wk_parameters_free(module->set);
  wk_model_input_clear(&module->input);
  json_decref(module->notes);
  wk_deallocate(module->children);
  wk_deallocate(module->parameters);
  wk_deallocate(module);
}

/* A module that another one took lives as long as that one. */
void wk_module_free(wk_module *module) {
  if (module && !module->parent) free_tree(module);
}

/* ---- modules with functions of their own ---- */

static wk_status check_type(const wk_module_type *type) {
  if (!type || type->struct_size < sizeof *type || !type->name || !type->name[0] || !type->forward)
    return wk_fail(WK_ERROR_ARGUMENT,
                   "a module type needs its struct_size, a name and a forward function");
  if (!type->save != !type->load)
    return wk_fail(WK_ERROR_ARGUMENT, "the module type %s has only one of save and load",
                   type->name);
  return WK_OK;
}

wk_module *wk_module_create_at(wk_place here, const wk_module_type *type, void *context) {
  const bool failed_before = wk_failed();
  wk_module *module = NULL;
  if (!failed_before && check_type(type) == WK_OK)
    module = wk_module_new(type->name, NULL, type, context);
  if (module) return module;
  if (!failed_before) wk_error_add_call("module_create", here);
  if (type && type->destroy) type->destroy(context);
  return NULL;
}

/* ---- joining ---- */

static wk_status move_below(wk_module *module, const char *parent_path, const char *name) {
  wk_text path = {0};
  wk_status status = wk_text_append(&path, "%s.%s", parent_path, name);
  if (status == WK_OK) status = set_path(module, path.data);
  wk_text_free(&path);
  for (size_t i = 0; status == WK_OK && i < module->child_count; i++)
    status = move_below(module->children[i].module, module->path, module->children[i].name);
  return status;
}

static wk_status check_join(const wk_module *self, const char *name, const wk_module *child) {
  if (!self || !name || !name[0] || strchr(name, '.'))
    return wk_fail(WK_ERROR_ARGUMENT,
                   "a child needs a module to belong to and a name without dots");
  if (!child) return wk_fail(WK_ERROR_ARGUMENT, "child %s of %s is NULL", name, self->label);
  if (child->parent)
    return wk_fail(WK_ERROR_ARGUMENT, "child %s of %s is already %s", name, self->label,
                   child->label);
  for (const wk_module *above = self; above; above = above->parent)
    if (above == child)
      return wk_fail(WK_ERROR_ARGUMENT, "child %s of %s cannot be above it too", name, self->label);
  if (self->state != WK_MODULE_NEW || child->state != WK_MODULE_NEW)
    return wk_fail(WK_ERROR_STATE, "child %s joins %s after one of the two was built", name,
                   self->label);
  for (size_t i = 0; i < self->child_count; i++)
    if (strcmp(self->children[i].name, name) == 0)
      return wk_fail(WK_ERROR_ARGUMENT, "%s has a child %s already", self->label, name);
  return WK_OK;
}

static wk_status join(wk_module *self, const char *name, wk_module *child) {
  wk_status status = check_join(self, name, child);
  const char *kept = status == WK_OK ? wk_intern(name) : NULL;
  if (!kept ||
      !wk_grow(&self->children, &self->child_capacity, self->child_count, sizeof *self->children))
    return wk_error_status();
  status = move_below(child, self->path, kept);
  if (status < 0) return status;
  child->parent = self;
  self->children[self->child_count++] = (wk_child){kept, child};
  return WK_OK;
}

wk_module *wk_module_add_at(wk_place here, wk_module *self, const char *name, wk_module *child) {
  const bool failed_before = wk_failed();
  if (!failed_before && join(self, name, child) == WK_OK) return child;
  if (!failed_before) wk_error_add_call("module_add", here);
  /* "Takes it, also on failure", unless it belongs to a module, or is one it was to belong to. */
  bool in_use = false;
  for (const wk_module *above = self; above; above = above->parent) in_use |= above == child;
  if (!in_use) wk_module_free(child);
  return NULL;
}

/* ---- walking ---- */

wk_status wk_module_each(wk_module *module, wk_status (*visit)(wk_module *module, void *context),
                         void *context) {
  wk_status status = visit(module, context);
  for (size_t i = 0; status >= 0 && i < module->child_count; i++)
    status = wk_module_each(module->children[i].module, visit, context);
  return status;
}

static wk_status set_training(wk_module *module, void *training) {
  WK_NOTE_FIELD(NULL, module->training);
  module->training = *(const bool *)training;
  return WK_OK;
}

void wk_module_set_training(wk_module *module, bool training) {
  if (module) wk_module_each(module, set_training, &training);
}

/* ---- asking ---- */

bool wk_module_is_training(const wk_module *module) {
  if (module) WK_NOTE_FIELD(NULL, *(bool *)(uintptr_t)&module->training);
  return module && module->training;
}

bool wk_module_is_built(const wk_module *module) {
  return module && module->state == WK_MODULE_BUILT;
}

const char *wk_module_type_name(const wk_module *module) { return module ? module->type_name : ""; }

const char *wk_module_path(const wk_module *module) { return module ? module->path : ""; }

size_t wk_module_child_count(const wk_module *module) { return module ? module->child_count : 0; }

wk_module *wk_module_child(const wk_module *module, size_t index) {
  return module && index < module->child_count ? module->children[index].module : NULL;
}

wk_tensor *wk_module_parameter(const wk_module *self, const char *name) {
  for (size_t i = 0; self && name && i < self->parameter_count; i++)
    if (strcmp(self->parameters[i].name, name) == 0) return self->parameters[i].tensor;
  return NULL;
}

wk_parameters *wk_module_parameters_at(wk_place here, wk_module *module) {
  if (wk_failed()) return NULL;
  if (!module) {
    wk_fail(WK_ERROR_ARGUMENT, "the parameters of no module were asked for");
  } else if (module->parent) {
    wk_fail(WK_ERROR_STATE, "%s is a part of a network; only the whole has a parameter set",
            module->label);
    wk_error_add_hint("ask the module that was given to wk_module_build");
  } else if (module->state != WK_MODULE_BUILT) {
    wk_fail(WK_ERROR_STATE, "%s has no parameters before it is built", module->label);
    wk_error_add_hint("call wk_module_build first");
  } else {
    return module->set;
  }
  wk_error_add_call("module_parameters", here);
  return NULL;
}

static const wk_module *root_of(const wk_module *module) {
  while (module && module->parent) module = module->parent;
  return module;
}

size_t wk_module_class_count(const wk_module *module) {
  const wk_module *root = root_of(module);
  return root ? root->input.class_count : 0;
}

const char *wk_module_class_name(const wk_module *module, size_t index) {
  return index < wk_module_class_count(module) ? root_of(module)->input.class_names[index] : NULL;
}

/* ---- what a root knows about its data ---- */

const wk_model_input *wk_module_input(const wk_module *root) { return &root->input; }

wk_status wk_module_set_input(wk_module *root, const wk_model_input *input) {
  if (wk_failed()) return wk_error_pending;
  wk_model_input copy = {0};
  const wk_status status = wk_model_input_copy(&copy, input);
  if (status < 0) return status;
  wk_model_input_clear(&root->input);
  root->input = copy;
  return WK_OK;
}

wk_status wk_module_set_note(wk_module *root, const char *key, const char *value) {
  if (wk_failed()) return wk_error_pending;
  /* Whoever borrowed the text that is there keeps it, unless it really changes. */
  const char *before = wk_module_note(root, key);
  if (before && strcmp(before, value) == 0) return WK_OK;
  if (!root->notes) root->notes = json_object();
  if (root->notes && json_object_set_new(root->notes, key, json_string(value)) == 0) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT,
                 "the note %s cannot be kept: it is not UTF-8, or memory is short", key);
}

const char *wk_module_note(const wk_module *root, const char *key) {
  return root ? json_string_value(json_object_get(root->notes, key)) : NULL;
}
