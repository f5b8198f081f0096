/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_NN_MODULE_H
#define WICK_NN_MODULE_H

/* The inside of modules: a tree of nodes, each a layer of the table or of a type of its own. What
 * belongs to the whole network (the parameter set, the description of its input) is kept at the
 * root. */

#include <jansson.h>

#include "format/model_input.h"
#include "nn/layer.h"

typedef enum wk_module_state {
  WK_MODULE_NEW,
  WK_MODULE_BUILDING, /* forward builds each module when it first meets it */
  WK_MODULE_BUILT
} wk_module_state;

typedef struct wk_child {
  const char *name; /* interned */
  wk_module *module;
} wk_child;

typedef struct wk_own_parameter {
  const char *name;  /* interned, "weight" */
  wk_tensor *tensor; /* owned */
  /* Its first values: drawn evenly from [-bound, bound), or normally with this deviation, or, where
   * both are 0, all `value`. */
  double bound, deviation, value;
  int64_t zero_row; /* but this row, unless it is -1, is zero */
} wk_own_parameter;

struct wk_module {
  const char *type_name;      /* "conv2d" */
  const wk_layer_type *layer; /* one of these two: a row of the layer table, */
  const wk_module_type *type; /* or a type with functions of its own */
  void *context;              /* the layer's settings, or what the type's functions get */

  wk_module *parent;
  const char *path;  /* interned: "network.3", */
  const char *label; /* and "network.3 (conv2d)", which errors show */
  wk_child *children;
  size_t child_count, child_capacity;

  wk_module_state state;
  bool training;
  bool met; /* while building: it has had its first input */
  wk_own_parameter *parameters;
  size_t parameter_count, parameter_capacity;
  wk_shape output; /* of one example, known once built */

  /* Of a root. */
  wk_parameters *set;
  wk_model_input input;
  json_t *notes; /* strings that the model file keeps for whoever trained it; NULL: none */
};

/* A module without children; `path` is "network" until something takes it. NULL on failure, with
 * `context` as it was. */
wk_module *wk_module_new(const char *type_name, const wk_layer_type *layer,
                         const wk_module_type *type, void *context);

/* The type of wk_sequential. */
extern const wk_module_type wk_sequential_type;

/* The registered type called `name`, or NULL (no error). */
const wk_module_type *wk_module_type_find(const char *name);

/* Where the user called the forward that is running: layers pass it on to the ops they call. */
wk_place wk_forward_place(void);

/* Calls `visit` for the module and all below it, parents first, until it returns an error. */
wk_status wk_module_each(wk_module *module, wk_status (*visit)(wk_module *module, void *context),
                         void *context);

/* Builds a root for `input`, whose copy it keeps. `make` gives the tensor of each parameter that a
 * layer asks for, as an owned reference: contiguous, of that shape and dtype, its values to stay.
 * NULL: they are drawn from `generator`. */
typedef wk_tensor *(*wk_parameter_maker)(void *context, const char *name, wk_shape shape,
                                         wk_dtype dtype);
wk_status wk_module_build_input(wk_module *root, const wk_model_input *input,
                                wk_generator *generator, wk_parameter_maker make, void *context);

/* Writes "0.weight", the parameter's name within the network, as snprintf. */
size_t wk_module_parameter_name(const wk_module *module, const char *name, char *buffer,
                                size_t size);

/* As wk_module_add_parameter, its elements all `value`. A buffer is a parameter that is never
 * trained, such as a running mean: model files keep it, and to unfreeze it does nothing. */
wk_status wk_module_add_filled(wk_module *self, const char *name, wk_shape shape, wk_dtype dtype,
                               double value, bool buffer);

/* As wk_module_add_parameter, [rows, features] drawn from the normal distribution but for
 * `zero_row`, unless that is -1. */
wk_status wk_module_add_table(wk_module *self, const char *name, int64_t rows, int64_t features,
                              int64_t zero_row);

/* What a root takes as input, for preprocessing and class names. Replacing copies. */
const wk_model_input *wk_module_input(const wk_module *root);
wk_status wk_module_set_input(wk_module *root, const wk_model_input *input);

/* Short texts that model files keep beside the network: the name of its data set and the like. A
 * value that is not there is NULL, without an error. */
wk_status wk_module_set_note(wk_module *root, const char *key, const char *value);
const char *wk_module_note(const wk_module *root, const char *key);

#endif
