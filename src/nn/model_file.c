/* SPDX-License-Identifier: Apache-2.0 */

/* Model files: a safetensors file whose metadata describes the network. Under "wick" there stands
 * JSON text:
 *   {"version": 1, "wick": "0.1.0", "network": TREE, "input": INPUT, "notes": {KEY: TEXT}}
 *   TREE = {"type": "conv2d", "settings": {...}, "children": [{"name": "0", "module": TREE}]}
 * Files are untrusted: everything is checked before it is used. */

#include "nn/model_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tensor/parameters.h"

enum { VERSION = 1, MAX_DEPTH = 64, MAX_MODULES = 100000 };

/* ---- writing ---- */

/* The JSON text that a type's save function prints. */
static json_t *saved_settings(const wk_module *module) {
  const wk_module_type *type = module->type;
  if (!type->save) {
    wk_fail(WK_ERROR_UNSUPPORTED, "%s cannot be saved: its type has no save function",
            module->label);
    return NULL;
  }
  const size_t length = type->save(module->context, NULL, 0);
  char *text = wk_allocate(length + 1);
  if (!text) return NULL;
  type->save(module->context, text, length + 1);
  json_t *settings = json_loads(text, JSON_DECODE_ANY, NULL);
  wk_deallocate(text);
  if (!settings) wk_fail(WK_ERROR_CALLBACK, "the save function of %s wrote no JSON", module->label);
  return settings;
}

static json_t *tree_to_json(const wk_module *module);

static json_t *children_to_json(const wk_module *module) {
  json_t *children = json_array();
  for (size_t i = 0; i < module->child_count; i++) {
    json_t *child = tree_to_json(module->children[i].module);
    json_t *entry =
        child ? json_pack("{s:s, s:o}", "name", module->children[i].name, "module", child) : NULL;
    if (entry && json_array_append_new(children, entry) == 0) continue;
    json_decref(children);
    return NULL;
  }
  return children;
}

/* NULL on failure, mostly with an error pending: memory for JSON is jansson's affair. */
static json_t *tree_to_json(const wk_module *module) {
  json_t *tree = json_pack("{s:s}", "type", module->type_name);
  json_t *settings = NULL, *children = NULL;
  bool whole = tree != NULL;
  if (module->layer && module->layer->settings.count > 0)
    whole = (settings = wk_settings_to_json(&module->layer->settings, module->context)) && whole;
  else if (module->type && module->type != &wk_sequential_type)
    whole = (settings = saved_settings(module)) && whole;
  if (module->child_count > 0) whole = (children = children_to_json(module)) && whole;
  if (settings) whole = json_object_set_new(tree, "settings", settings) == 0 && whole;
  if (children) whole = json_object_set_new(tree, "children", children) == 0 && whole;
  if (whole) return tree;
  json_decref(tree);
  return NULL;
}

static char *describe(const wk_module *module) {
  json_t *network = tree_to_json(module);
  json_t *input = wk_failed() ? NULL : wk_model_input_to_json(&module->input);
  json_t *all = network && input ? json_pack("{s:i, s:s, s:O, s:O}", "version", VERSION, "wick",
                                             wk_version(), "network", network, "input", input)
                                 : NULL;
  if (all && module->notes && json_object_set(all, "notes", module->notes) < 0) {
    json_decref(all);
    all = NULL;
  }
  char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
  json_decref(all);
  json_decref(network);
  json_decref(input);
  if (!text && !wk_failed())
    wk_fail(WK_ERROR_MEMORY, "no memory to describe the network, or a name in it is not UTF-8");
  return text;
}

wk_status wk_model_file_write(wk_safetensors_writer *writer, wk_module *module) {
  const wk_parameters *set = wk_module_parameters(module);
  char *text = wk_failed() ? NULL : describe(module);
  if (!text) return wk_error_status();
  wk_status status = wk_safetensors_writer_set(writer, "format", "wick");
  if (status == WK_OK) status = wk_safetensors_writer_set(writer, "wick", text);
  free(text); /* jansson's */
  for (size_t i = 0; status == WK_OK && i < wk_parameters_count(set); i++) {
    wk_tensor *tensor = wk_parameters_get(set, i);
    status = wk_safetensors_writer_add(writer, wk_tensor_name(tensor), tensor);
  }
  return status;
}

wk_status wk_module_save_at(wk_place here, wk_module *module, const char *path) {
  if (wk_failed()) return wk_error_pending;
  if (!module || !path) wk_fail(WK_ERROR_ARGUMENT, "the network or the path to save to is NULL");
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  if (writer && wk_model_file_write(writer, module) == WK_OK)
    wk_safetensors_writer_save(writer, path);
  wk_safetensors_writer_free(writer);
  wk_error_add_call("module_save", here);
  return wk_error_status();
}

/* ---- reading the tree ---- */

typedef struct reader {
  const wk_safetensors *file;
  int depth, modules;
} reader;

static const wk_layer_type *find_layer(const char *name) {
  for (int i = 0; i < wk_layer_table_count; i++)
    if (strcmp(wk_layer_table[i].name, name) == 0) return &wk_layer_table[i];
  return NULL;
}

static wk_module *read_layer(const wk_layer_type *type, const json_t *settings) {
  char *arguments = wk_allocate_zeroed(1, type->settings.size);
  if (!arguments) return NULL;
  memcpy(arguments, &type->settings.size, sizeof type->settings.size); /* its struct_size */
  wk_module *layer = NULL;
  if (!settings || wk_settings_from_json(&type->settings, type->name, settings, arguments) == WK_OK)
    layer = wk_layer_create(type, (wk_place){0}, arguments);
  wk_deallocate(arguments);
  return layer;
}

static wk_module *read_own_type(const wk_module_type *type, const json_t *settings) {
  char *text = settings ? json_dumps(settings, JSON_ENCODE_ANY) : NULL;
  wk_module *module = type->load(text ? text : "null");
  free(text); /* jansson's */
  if (!module && !wk_failed())
    wk_fail(WK_ERROR_CALLBACK, "the load function of the module type %s failed", type->name);
  return module;
}

static wk_module *read_module(const char *type_name, const json_t *settings) {
  if (strcmp(type_name, wk_sequential_type.name) == 0)
    return wk_module_new(type_name, NULL, &wk_sequential_type, NULL);
  const wk_layer_type *layer = find_layer(type_name);
  if (layer) return read_layer(layer, settings);
  const wk_module_type *own = wk_module_type_find(type_name);
  if (own) return read_own_type(own, settings);
  wk_fail(WK_ERROR_NOT_FOUND, "the network has a module of type %s, which is not known here",
          type_name);
  wk_error_add_hint("a program's own types are made known by wk_module_register before loading");
  return NULL;
}

static wk_module *read_tree(reader *r, const json_t *tree);

static wk_status read_children(reader *r, wk_module *module, const json_t *children) {
  if (!children) return WK_OK;
  if (!json_is_array(children)) return wk_fail(WK_ERROR_FORMAT, "a module's children are no list");
  if (module->child_count > 0) { /* its load function made them */
    if (module->child_count == json_array_size(children)) return WK_OK;
    return wk_fail(WK_ERROR_FORMAT, "%s has %zu children, but the file describes %zu",
                   module->type_name, module->child_count, json_array_size(children));
  }
  for (size_t i = 0; i < json_array_size(children); i++) {
    const json_t *entry = json_array_get(children, i);
    const char *name = json_string_value(json_object_get(entry, "name"));
    if (!name) return wk_fail(WK_ERROR_FORMAT, "a child of a %s has no name", module->type_name);
    wk_module *child = read_tree(r, json_object_get(entry, "module"));
    if (!child || !wk_module_add(module, name, child)) return wk_error_status();
  }
  return WK_OK;
}

static wk_module *read_tree(reader *r, const json_t *tree) {
  const char *type_name = json_string_value(json_object_get(tree, "type"));
  if (!type_name) {
    wk_fail(WK_ERROR_FORMAT, "a module in the description of the network has no type");
    return NULL;
  }
  if (++r->modules > MAX_MODULES || ++r->depth > MAX_DEPTH) {
    wk_fail(WK_ERROR_FORMAT, "the network has more than %d modules or is deeper than %d",
            MAX_MODULES, MAX_DEPTH);
    return NULL;
  }
  wk_module *module = read_module(type_name, json_object_get(tree, "settings"));
  if (module && read_children(r, module, json_object_get(tree, "children")) < 0) {
    wk_module_free(module);
    module = NULL;
  }
  r->depth--;
  return module;
}

/* ---- reading the parameters ---- */

wk_tensor *wk_model_file_tensor(const wk_safetensors *file, const char *name, wk_shape shape,
                                wk_dtype dtype) {
  wk_tensor *tensor = wk_safetensors_get(file, name, NULL);
  if (!tensor) return NULL;
  wk_layout wanted;
  if (!wk_layout_contiguous(&wanted, dtype, &shape)) return NULL;
  if (tensor->layout.dtype == dtype && wk_layout_same_dims(&tensor->layout, &wanted)) return tensor;
  char found[128], needed[128];
  wk_tensor_describe(tensor, found, sizeof found);
  wk_layout_describe(&wanted, needed, sizeof needed);
  wk_fail(WK_ERROR_FORMAT, "%s is %s in the file, but the network needs %s", name, found, needed);
  return NULL;
}

static wk_tensor *take_parameter(void *context, const char *name, wk_shape shape, wk_dtype dtype) {
  const reader *r = context;
  return wk_tensor_retain(wk_model_file_tensor(r->file, name, shape, dtype));
}

/* Every parameter was found in the file; a tensor beyond them means that the description is not
 * that of this network. */
static wk_status check_no_more(const wk_safetensors *file, const wk_parameters *set,
                               const char *other) {
  for (size_t i = 0; i < wk_safetensors_count(file); i++) {
    const char *name = wk_safetensors_name(file, i);
    if (other && strncmp(name, other, strlen(other)) == 0) continue;
    if (!wk_parameters_find(set, name))
      return wk_fail(WK_ERROR_FORMAT,
                     "the file holds a tensor %s, which the network has no place "
                     "for",
                     name);
  }
  return WK_OK;
}

static wk_status read_notes(wk_module *root, const json_t *notes) {
  if (!notes) return WK_OK;
  if (!json_is_object(notes)) return wk_fail(WK_ERROR_FORMAT, "the notes are no JSON object");
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)notes, key, value) {
    if (!json_is_string(value)) return wk_fail(WK_ERROR_FORMAT, "the note %s is no text", key);
    const wk_status status = wk_module_set_note(root, key, json_string_value(value));
    if (status < 0) return status;
  }
  return WK_OK;
}

static wk_status build_from(reader *r, wk_module *root, const json_t *description,
                            const char *other) {
  WK_SCOPE; /* owns the tensors that take_parameter reads */
  wk_model_input input = {0};
  wk_status status = wk_model_input_from_json(&input, json_object_get(description, "input"));
  if (status == WK_OK) status = wk_module_build_input(root, &input, NULL, take_parameter, r);
  wk_model_input_clear(&input);
  if (status == WK_OK) status = check_no_more(r->file, root->set, other);
  if (status == WK_OK) status = read_notes(root, json_object_get(description, "notes"));
  return status;
}

static wk_module *read_network(const wk_safetensors *file, const json_t *description,
                               const char *other) {
  const json_int_t version = json_integer_value(json_object_get(description, "version"));
  if (version != VERSION) {
    wk_fail(version > VERSION ? WK_ERROR_UNSUPPORTED : WK_ERROR_FORMAT,
            "the description of the network has version %lld; this Wick (%s) reads version %d",
            (long long)version, wk_version(), VERSION);
    return NULL;
  }
  reader r = {.file = file};
  wk_module *root = read_tree(&r, json_object_get(description, "network"));
  if (!root) return NULL;
  if (build_from(&r, root, description, other) == WK_OK) {
    wk_module_set_training(root, false);
    return root;
  }
  wk_module_free(root);
  return NULL;
}

json_t *wk_model_file_metadata(const wk_safetensors *file, const char *key) {
  const char *text = wk_safetensors_metadata(file, key);
  json_error_t why;
  json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, &why) : NULL;
  if (json && json_is_object(json)) return json;
  if (!text) {
    wk_fail(WK_ERROR_FORMAT,
            "the file's metadata has no \"%s\", so it describes no network of Wick", key);
    wk_error_add_hint("wk_module_save writes files that do; wk_safetensors_open reads the tensors "
                      "of any");
  } else if (json)
    wk_fail(WK_ERROR_FORMAT, "the metadata \"%s\" is no JSON object", key);
  else
    wk_fail(WK_ERROR_FORMAT, "the metadata \"%s\" is damaged: %s at character %d", key, why.text,
            why.position);
  json_decref(json);
  return NULL;
}

wk_module *wk_model_file_read(const wk_safetensors *file, const char *other) {
  if (wk_failed()) return NULL;
  json_t *description = wk_model_file_metadata(file, "wick");
  wk_module *module = description ? read_network(file, description, other) : NULL;
  json_decref(description);
  return module;
}

wk_module *wk_module_load_at(wk_place here, const char *path) {
  if (wk_failed()) return NULL;
  if (!path) wk_fail(WK_ERROR_ARGUMENT, "the path of the network to load is NULL");
  wk_safetensors *file = wk_safetensors_open(path);
  wk_module *module = NULL;
  if (file) {
    /* A checkpoint is a model file with more in it. */
    const bool is_checkpoint = wk_safetensors_metadata(file, "wick_checkpoint") != NULL;
    module = wk_model_file_read(file, is_checkpoint ? WK_CHECKPOINT_PREFIX : NULL);
    if (!module) wk_error_wrap("cannot load %s", path);
  }
  wk_safetensors_free(file);
  wk_error_add_call("module_load", here);
  return module;
}
