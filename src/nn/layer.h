/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_NN_LAYER_H
#define WICK_NN_LAYER_H

/* Layers that schema/layers.toml describes: their settings are a struct with a table, so model
 * files read and write them by name. */

#include <wick/nn.h>

#include "tensor/attribute.h"

typedef struct wk_layer_type {
  const char *name;
  wk_settings settings;
  wk_status (*build)(wk_module *self, wk_tensor *x); /* NULL: no parameters */
  wk_tensor *(*forward)(wk_module *self, wk_tensor *x);
} wk_layer_type;

extern const wk_layer_type wk_layer_table[];
extern const int wk_layer_table_count;

/* A layer from its caller's arguments. */
wk_module *wk_layer_create(const wk_layer_type *type, wk_place here, const void *arguments);

/* The resolved settings of a layer. */
const void *wk_layer_settings(const wk_module *layer);

#endif
