/* SPDX-License-Identifier: Apache-2.0 */

/* What all layers of the table share: they are made from a struct of settings. */

#include "base/error.h"
#include "base/memory.h"
#include "nn/module.h"

wk_module *wk_layer_create(const wk_layer_type *type, wk_place here, const void *arguments) {
  if (wk_failed()) return NULL;
  void *settings = wk_allocate_zeroed(1, type->settings.size);
  wk_module *layer = NULL;
  if (settings && wk_settings_resolve(&type->settings, type->name, arguments, settings) == WK_OK)
    layer = wk_module_new(type->name, type, NULL, settings);
  if (layer) return layer;
  wk_deallocate(settings);
  wk_error_add_op(type->name);
  wk_error_add_place(here);
  return NULL;
}

const void *wk_layer_settings(const wk_module *layer) { return layer->context; }
