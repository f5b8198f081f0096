/* SPDX-License-Identifier: Apache-2.0 */

/* Building a network: its forward runs once over an empty batch, on which ops infer shapes and
 * compute nothing; every module adds its parameters when it meets its first input. Then all of them
 * move into one parameter set. */

#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/module.h"
#include "ops/trace.h"
#include "tensor/parameters.h"

/* Where parameters come from while this thread builds. */
static _Thread_local struct parameter_source {
  wk_parameter_maker make;
  void *context;
} builder;

/* ---- adding parameters ---- */

size_t wk_module_parameter_name(const wk_module *module, const char *name, char *buffer,
                                size_t size) {
  const char *path = module->path + strlen("network");
  return *path ? wk_print_into(buffer, size, 0, "%s.%s", path + 1, name)
               : wk_print_into(buffer, size, 0, "%s", name);
}

static wk_status check_parameter(const wk_module *self, const char *name, wk_dtype dtype) {
  if (!self || !name || !name[0])
    return wk_fail(WK_ERROR_ARGUMENT, "a parameter needs a module and a name");
  if (self->state != WK_MODULE_BUILDING)
    return wk_fail(WK_ERROR_STATE, "%s gets its parameter %s outside its build function",
                   self->label, name);
  if (wk_module_parameter(self, name))
    return wk_fail(WK_ERROR_ARGUMENT, "%s has a parameter %s already", self->label, name);
  if (dtype != WK_F32 && dtype != WK_F64)
    return wk_fail(WK_ERROR_DTYPE, "parameter %s of %s is %s, but parameters are f32 or f64", name,
                   self->label, wk_dtype_name(dtype));
  return WK_OK;
}

static wk_tensor *make_parameter(const char *name, wk_shape shape, wk_dtype dtype) {
  if (builder.make) return builder.make(builder.context, name, shape, dtype);
  wk_layout layout;
  return wk_layout_contiguous(&layout, dtype, &shape) ? wk_tensor_create(&layout, NULL) : NULL;
}

/* `parameter` says its name and its first values. */
static wk_status add_parameter(wk_module *self, wk_shape shape, wk_dtype dtype,
                               wk_own_parameter parameter) {
  const char *name = parameter.name;
  if (dtype == WK_DTYPE_DEFAULT) dtype = WK_F32;
  if (check_parameter(self, name, dtype) < 0) return wk_error_pending;
  if (!wk_grow(&self->parameters, &self->parameter_capacity, self->parameter_count,
               sizeof *self->parameters))
    return wk_error_pending;
  char full_name[1024]; /* paths are short: file loading limits the depth of a tree */
  if (wk_module_parameter_name(self, name, full_name, sizeof full_name) >= sizeof full_name)
    return wk_fail(WK_ERROR_ARGUMENT, "the name of parameter %s of %s is too long", name,
                   self->label);
  wk_tensor *tensor = make_parameter(full_name, shape, dtype);
  if (!tensor) return wk_error_pending;
  tensor->name = wk_intern(full_name);
  parameter.name = wk_intern(name);
  parameter.tensor = tensor;
  if (!tensor->name || !parameter.name) {
    wk_tensor_release(tensor);
    return wk_error_pending;
  }
  self->parameters[self->parameter_count++] = parameter;
  return WK_OK;
}

wk_status wk_module_add_filled(wk_module *self, const char *name, wk_shape shape, wk_dtype dtype,
                               double value, bool buffer) {
  const wk_own_parameter parameter = {.name = name, .value = value, .zero_row = -1};
  const wk_status status = add_parameter(self, shape, dtype, parameter);
  if (status < 0) return status;
  wk_tensor *tensor = self->parameters[self->parameter_count - 1].tensor;
  tensor->buffer = tensor->frozen = buffer;
  return WK_OK;
}

wk_status wk_module_add_table(wk_module *self, const char *name, int64_t rows, int64_t features,
                              int64_t zero_row) {
  const wk_own_parameter parameter = {.name = name, .deviation = 1, .zero_row = zero_row};
  return add_parameter(self, WK_SHAPE(rows, features), WK_F32, parameter);
}

wk_status wk_module_add_parameter_at(wk_place here, wk_module *self, const char *name,
                                     wk_shape shape, wk_dtype dtype, double bound) {
  if (wk_failed()) return wk_error_pending;
  const wk_own_parameter parameter = {.name = name, .bound = bound, .zero_row = -1};
  const wk_status status = add_parameter(self, shape, dtype, parameter);
  wk_error_add_call("module_add_parameter", here);
  return status;
}

/* ---- the steps of a build ---- */

static wk_status enter_state(wk_module *module, void *state) {
  module->state = *(const wk_module_state *)state;
  module->met = false;
  return WK_OK;
}

static void set_state(wk_module *root, wk_module_state state) {
  wk_module_each(root, enter_state, &state);
}

/* Shapes in errors have no examples, and users know of no such batch. */
static void explain_empty_batch(const wk_model_input *input) {
  if (wk_error_status() != WK_ERROR_SHAPE) return;
  wk_layout example = {.dtype = input->dtype, .rank = input->shape.rank};
  memcpy(example.dims, input->shape.dims, sizeof example.dims);
  char text[128];
  wk_layout_describe(&example, text, sizeof text);
  wk_error_add_hint_first("building sends a batch of no examples %s through the network", text);
}

static wk_status run_empty_batch(wk_module *root, const wk_model_input *input) {
  WK_SCOPE;
  wk_shape batch = {.rank = input->shape.rank + 1};
  memcpy(batch.dims + 1, input->shape.dims, (size_t)input->shape.rank * sizeof *batch.dims);
  wk_forward(root, wk_full(batch, 0, .dtype = input->dtype));
  explain_empty_batch(input);
  return wk_error_status();
}

static wk_status collect(wk_module *module, void *set) {
  for (size_t i = 0; i < module->parameter_count; i++) {
    const wk_status status = wk_parameters_add(set, wk_tensor_retain(module->parameters[i].tensor));
    if (status < 0) return status;
  }
  return WK_OK;
}

static wk_tensor *first_values(const wk_own_parameter *parameter, wk_generator *generator) {
  const wk_shape shape = wk_tensor_shape(parameter->tensor);
  const wk_dtype dtype = wk_tensor_dtype(parameter->tensor);
  if (parameter->bound > 0)
    return wk_uniform(shape, .low = -parameter->bound, .high = parameter->bound, .dtype = dtype,
                      .generator = generator);
  if (parameter->deviation > 0)
    return wk_normal(shape, .deviation = parameter->deviation, .dtype = dtype,
                     .generator = generator);
  return wk_full(shape, parameter->value, .dtype = dtype);
}

static wk_status initialise_parameter(const wk_own_parameter *parameter, wk_generator *generator) {
  WK_SCOPE;
  const wk_tensor *tensor = parameter->tensor;
  const wk_dtype dtype = wk_tensor_dtype(tensor);
  wk_tensor *values = first_values(parameter, generator);
  if (values && wk_tensor_device_of(values)->null) return WK_OK;
  const size_t size = (size_t)wk_tensor_count(tensor) * wk_dtype_size(dtype);
  void *bytes = wk_failed() ? NULL : wk_allocate(size);
  if (!bytes) return wk_error_status();
  const int64_t zero_row = parameter->zero_row;
  if (wk_tensor_read(values, bytes, size) == WK_OK) {
    const size_t row = zero_row < 0 ? 0 : size / (size_t)tensor->layout.dims[0];
    if (row > 0) memset((char *)bytes + (size_t)zero_row * row, 0, row);
    wk_tensor_write(parameter->tensor, bytes, size);
  }
  wk_deallocate(bytes);
  return wk_error_status();
}

static wk_status initialise(wk_module *module, void *generator) {
  wk_status status = WK_OK;
  for (size_t i = 0; status == WK_OK && i < module->parameter_count; i++)
    status = initialise_parameter(&module->parameters[i], generator);
  return status;
}

static wk_status forget_parameters(wk_module *module, void *context) {
  (void)context;
  for (size_t i = 0; i < module->parameter_count; i++)
    wk_tensor_release(module->parameters[i].tensor);
  module->parameter_count = 0;
  module->output = WK_SCALAR;
  return WK_OK;
}

static wk_status build(wk_module *root, const wk_model_input *input, wk_generator *generator) {
  WK_NO_GRADIENT;
  wk_status status = wk_module_set_input(root, input);
  if (status == WK_OK) status = run_empty_batch(root, input);
  if (status < 0 || !(root->set = wk_parameters_create())) return wk_error_status();
  status = wk_module_each(root, collect, root->set);
  if (status == WK_OK) status = wk_parameters_lay_out(root->set);
  if (status == WK_OK && !builder.make) status = wk_module_each(root, initialise, generator);
  return status;
}

static void undo(wk_module *root) {
  wk_module_each(root, forget_parameters, NULL);
  wk_parameters_free(root->set);
  root->set = NULL;
  wk_model_input_clear(&root->input);
  set_state(root, WK_MODULE_NEW);
}

/* ---- entry points ---- */

static wk_status check_build(const wk_module *root, const wk_model_input *input) {
  if (!root) return wk_fail(WK_ERROR_ARGUMENT, "there is no module to build");
  if (root->parent)
    return wk_fail(WK_ERROR_STATE, "%s is a part of a network; build the whole", root->label);
  if (root->state != WK_MODULE_NEW) {
    wk_fail(WK_ERROR_STATE, "%s is built already", root->label);
    wk_error_add_hint("a network is built once; leave this call out, or make another network");
    wk_error_add_module(root->label);
    return WK_ERROR_STATE;
  }
  if (input->shape.rank < 0 || input->shape.rank >= WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "an example has %d dimensions; 0 to %d are possible",
                   input->shape.rank, WK_MAX_RANK - 1);
  if (wk_dtype_size(input->dtype) == 0)
    return wk_fail(WK_ERROR_DTYPE, "%d is no dtype for a network's input", (int)input->dtype);
  return WK_OK;
}

wk_status wk_module_build_input(wk_module *root, const wk_model_input *input,
                                wk_generator *generator, wk_parameter_maker make, void *context) {
  if (wk_failed()) return wk_error_pending;
  wk_status status = check_build(root, input);
  if (status == WK_OK && wk_tracing) {
    status = wk_fail(WK_ERROR_STATE, "a network cannot be built while a function is traced");
    wk_error_add_hint("build it before the compiled function is called");
  }
  if (status < 0) {
    wk_error_add_op("module_build");
    return status;
  }
  const struct parameter_source outer = builder; /* a build function may build another network */
  builder.make = make;
  builder.context = context;
  set_state(root, WK_MODULE_BUILDING);
  status = build(root, input, generator);
  if (status < 0)
    undo(root);
  else
    set_state(root, WK_MODULE_BUILT);
  builder = outer;
  wk_error_add_op("module_build");
  return status;
}

wk_status wk_module_build_for_at(wk_place here, wk_module *module, wk_shape example, wk_dtype dtype,
                                 wk_generator *generator) {
  if (wk_failed()) return wk_error_pending;
  const wk_model_input input = {.dtype = dtype == WK_DTYPE_DEFAULT ? WK_F32 : dtype,
                                .shape = example,
                                .scale = 1,
                                .deviation = {1, 1, 1, 1}};
  const wk_status status = wk_module_build_input(module, &input, generator, NULL, NULL);
  wk_error_add_call("module_build_for", here);
  return status;
}
