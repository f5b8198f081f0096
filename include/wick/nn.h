/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_NN_H
#define WICK_NN_H

/* Networks: modules made of layers. A module has children, parameters and a forward function; its
 * parameters exist once it is built, when the input sizes are known. */

#include <wick/layers.gen.h>
#include <wick/tensor.h>

WK_BEGIN_C

/* A module that runs `modules` one after the other. Takes them, also on failure; a NULL among them
 * (a layer that could not be made) fails.
 *   wk_module *network = wk_sequential(wk_flatten_layer(), wk_linear_layer(10));
 * Freed with wk_module_free. [any thread] */
WK_API wk_module *wk_sequential_at(wk_place here, size_t count, wk_module *const *modules);
#ifndef __cplusplus
#define wk_sequential(...)                                                                         \
  wk_sequential_at(WK_HERE, sizeof((wk_module *[]){__VA_ARGS__}) / sizeof(wk_module *),            \
                   (wk_module *[]){__VA_ARGS__})
#else
#define wk_sequential(...) wk_sequential_of(WK_HERE, __VA_ARGS__)
extern "C++" {
template <typename... Module> inline wk_module *wk_sequential_of(wk_place here, Module... modules) {
  wk_module *const list[] = {modules...};
  return wk_sequential_at(here, sizeof...(modules), list);
}
}
#endif

WK_API void wk_module_free(wk_module *module); /* [any thread] */

/* Runs the module on a batch x [N, ...]; the result belongs to the innermost scope. Errors name the
 * path of the module they arose in. [one thread at a time per object while training; any thread
 * otherwise] [any thread] */
WK_API wk_tensor *wk_forward_at(wk_place here, wk_module *module, wk_tensor *x);
#define wk_forward(...) wk_forward_at(WK_HERE, __VA_ARGS__)

/* Builds the network for batches of examples of this shape (without the batch dimension) and dtype:
 * infers every layer's input size, makes the parameters and fills them with random numbers from
 * `generator` (NULL: the thread's own). WK_ERROR_STATE if it is built already.
 * [one thread at a time per object] */
WK_API wk_status wk_module_build_for_at(wk_place here, wk_module *module, wk_shape example,
                                        wk_dtype dtype, wk_generator *generator);
#define wk_module_build_for(...) wk_module_build_for_at(WK_HERE, __VA_ARGS__)
WK_API bool wk_module_is_built(const wk_module *module); /* [any thread] */

/* The parameters of a built root module; NULL with WK_ERROR_STATE before that. Borrowed.
 * [any thread] */
WK_API wk_parameters *wk_module_parameters_at(wk_place here, wk_module *module);
#define wk_module_parameters(...) wk_module_parameters_at(WK_HERE, __VA_ARGS__)

/* Training (the default) or evaluation: dropout and its like differ. For the module and all below
 * it. [one thread at a time per object] */
WK_API void wk_module_set_training(wk_module *module, bool training);
WK_API bool wk_module_is_training(const wk_module *module); /* [any thread] */

/* Its type ("conv2d"), its path below the root ("network.3"), its children. Borrowed.
 * [any thread] */
WK_API const char *wk_module_type_name(const wk_module *module);
WK_API const char *wk_module_path(const wk_module *module);               /* [any thread] */
WK_API size_t wk_module_child_count(const wk_module *module);             /* [any thread] */
WK_API wk_module *wk_module_child(const wk_module *module, size_t index); /* [any thread] */

/* The insides of modules, for debuggers. [any thread] */
WK_API extern const wk_debug_field wk_debug_module_fields[];

/* A table of layers, output shapes and parameter counts, as snprintf. [any thread] */
WK_API size_t wk_module_summary(const wk_module *module, char *buffer, size_t size);

/* ---- model files (design: safetensors with the network's description in its metadata) ---- */

/* Saves a built network with everything that loading and predicting need: module tree, input shape,
 * preprocessing, class names, parameters. Atomic. [one thread at a time per object] */
WK_API wk_status wk_module_save_at(wk_place here, wk_module *module, const char *path);
#define wk_module_save(...) wk_module_save_at(WK_HERE, __VA_ARGS__)

/* Loads a network, built and in evaluation mode. Freed with wk_module_free. [any thread] */
WK_API wk_module *wk_module_load_at(wk_place here, const char *path);
#define wk_module_load(...) wk_module_load_at(WK_HERE, __VA_ARGS__)

/* Number of classes it tells apart and the i-th one's name, as its training data named them (0,
 * NULL if not known). Borrowed. [any thread] */
WK_API size_t wk_module_class_count(const wk_module *module);
WK_API const char *wk_module_class_name(const wk_module *module, size_t index); /* [any thread] */

/* ---- modules of one's own ---- */

typedef struct wk_module_type {
  size_t struct_size;
  const char *name; /* unique; what model files call it */
  /* Called once, with the first input, to add parameters. Optional. */
  wk_status (*build)(wk_module *self, void *context, wk_tensor *x);
  wk_tensor *(*forward)(wk_module *self, void *context, wk_tensor *x);
  void (*destroy)(void *context); /* optional */
  /* For model files. Both or neither: the settings as JSON text (as snprintf), and a module made
   * from such text. */
  size_t (*save)(const void *context, char *buffer, size_t size);
  wk_module *(*load)(const char *settings);
} wk_module_type;

/* A module of type `type`, which outlives it. Takes `context`. [any thread] */
WK_API wk_module *wk_module_create_at(wk_place here, const wk_module_type *type, void *context);
#define wk_module_create(...) wk_module_create_at(WK_HERE, __VA_ARGS__)

/* Lets model files name the type; it stays registered. [any thread] */
WK_API wk_status wk_module_register_at(wk_place here, const wk_module_type *type);
#define wk_module_register(...) wk_module_register_at(WK_HERE, __VA_ARGS__)

/* Adds a child under `name`. Takes it, also on failure; returns it. [one thread at a time per
 * object] */
WK_API wk_module *wk_module_add_at(wk_place here, wk_module *self, const char *name,
                                   wk_module *child);
#define wk_module_add(...) wk_module_add_at(WK_HERE, __VA_ARGS__)

/* From a build function: adds a parameter whose elements are drawn evenly from [-bound, bound) (0:
 * zeros). From forward: wk_module_parameter gives it. Borrowed. [one thread at a time per object]
 */
WK_API wk_status wk_module_add_parameter_at(wk_place here, wk_module *self, const char *name,
                                            wk_shape shape, wk_dtype dtype, double bound);
#define wk_module_add_parameter(...) wk_module_add_parameter_at(WK_HERE, __VA_ARGS__)
WK_API wk_tensor *wk_module_parameter(const wk_module *self, const char *name); /* [any thread] */

WK_END_C

#endif
