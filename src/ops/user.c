/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that users register: records like the generated ones, whose functions call the user's. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/text.h"
#include "ops/kernel.h"
#include "ops/records.gen.h"

#define MOST_OPS 512

typedef struct user_op {
  wk_op op; /* first: an op is its user_op */
  wk_op_definition definition;
  wk_op_input inputs[WK_MAX_INPUTS];
  wk_attribute *attributes;
  wk_attribute_range *ranges;
} user_op;

/* Only ever appended to, so that looking takes no lock. */
static user_op *_Atomic registered[MOST_OPS];
static atomic_int registered_count;
static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;

static const struct {
  wk_attribute_type type;
  size_t size;
} setting_types[] = {
    [WK_SETTING_INT] = {WK_ATTRIBUTE_INT, sizeof(int64_t)},
    [WK_SETTING_AXIS] = {WK_ATTRIBUTE_AXIS, sizeof(int)},
    [WK_SETTING_DOUBLE] = {WK_ATTRIBUTE_DOUBLE, sizeof(double)},
    [WK_SETTING_BOOL] = {WK_ATTRIBUTE_BOOL, sizeof(bool)},
    [WK_SETTING_UINT] = {WK_ATTRIBUTE_UINT, sizeof(uint64_t)},
    [WK_SETTING_PAIR] = {WK_ATTRIBUTE_PAIR, 2 * sizeof(int64_t)},
    [WK_SETTING_SHAPE] = {WK_ATTRIBUTE_SHAPE, sizeof(wk_shape)},
    [WK_SETTING_AXES] = {WK_ATTRIBUTE_AXES, sizeof(wk_axes)},
    [WK_SETTING_DTYPE] = {WK_ATTRIBUTE_DTYPE, sizeof(wk_dtype)},
};

const wk_op *wk_user_op_at(int index) {
  return index >= 0 && index < atomic_load(&registered_count) ? &registered[index]->op : NULL;
}

const wk_op *wk_user_op_find(const char *name) {
  const int count = atomic_load(&registered_count);
  for (int i = 0; i < count; i++) {
    if (strcmp(registered[i]->op.name, name) == 0) return &registered[i]->op;
  }
  return NULL;
}

static const user_op *user_op_of(const wk_op *op) { return (const user_op *)op; }

/* What a function of the user's returned, as an error that is pending or not. */
static wk_status outcome(const wk_op *op, const char *what, wk_status status) {
  if (status < 0 && !wk_failed())
    wk_fail(status, "the %s of %s failed without saying why", what, op->name);
  return wk_error_status();
}

/* ---- the record's functions ---- */

static wk_status infer(wk_call *call) {
  const wk_op_definition *d = &user_op_of(call->op)->definition;
  wk_op_result results[WK_MAX_OUTPUTS] = {{WK_DTYPE_DEFAULT, {0, {0}}}};
  const wk_tensors inputs = {(size_t)call->input_count, call->inputs};
  wk_status status = outcome(call->op, "infer", d->infer(call->arguments, inputs, results));
  for (int i = 0; i < call->op->output_count && status == WK_OK; i++) {
    if (!wk_dtype_size(results[i].dtype))
      return wk_fail(WK_ERROR_DTYPE, "output %d of %s has no dtype", i, call->op->name);
    status =
        wk_infer_output_at(call, i, results[i].dtype, results[i].shape.rank, results[i].shape.dims);
  }
  return status;
}

static wk_status composite(wk_call *call) {
  const wk_op_definition *d = &user_op_of(call->op)->definition;
  const wk_tensors inputs = {(size_t)call->input_count, call->inputs};
  const wk_status status =
      outcome(call->op, "composite", d->composite(call->arguments, inputs, call->outputs));
  for (int i = 0; i < call->op->output_count && status == WK_OK; i++) {
    if (!call->outputs[i])
      return wk_fail(WK_ERROR_CALLBACK, "%s gave no output %d", call->op->name, i);
  }
  return status;
}

static wk_status vjp(wk_vjp *v) {
  const wk_op_definition *d = &user_op_of(v->op)->definition;
  const size_t count = (size_t)v->input_count, outputs = (size_t)v->op->output_count;
  wk_shape *shapes = wk_allocate_zeroed(count + 1, sizeof *shapes);
  if (!shapes) return wk_error_status();
  for (size_t i = 0; i < count; i++) {
    if (v->input_layouts[i].rank >= 0) shapes[i] = wk_layout_shape(&v->input_layouts[i]);
  }
  const wk_op_gradient gradient = {v->arguments,
                                   {count, (wk_tensor **)(uintptr_t)v->inputs},
                                   {outputs, (wk_tensor **)(uintptr_t)v->outputs},
                                   {outputs, (wk_tensor **)(uintptr_t)v->output_gradients},
                                   shapes,
                                   v->needed,
                                   v->input_gradients};
  const wk_status status = outcome(v->op, "gradient rule", d->vjp(&gradient));
  wk_deallocate(shapes);
  return status;
}

static wk_array array_of(const wk_operand *operand) {
  return (wk_array){operand->data, operand->layout.dtype,
                    operand->data ? wk_layout_shape(&operand->layout) : WK_SCALAR};
}

static wk_status run_kernel(const wk_kernel_call *call) {
  const wk_op_definition *d = &user_op_of(call->op)->definition;
  wk_array *inputs = wk_allocate_zeroed((size_t)call->input_count + 1, sizeof *inputs);
  wk_array outputs[WK_MAX_OUTPUTS];
  if (!inputs) return wk_error_status();
  for (int i = 0; i < call->input_count; i++) inputs[i] = array_of(&call->inputs[i]);
  for (int i = 0; i < call->output_count; i++) outputs[i] = array_of(&call->outputs[i]);
  const wk_status status = outcome(call->op, "kernel", d->kernel(call->arguments, inputs, outputs));
  wk_deallocate(inputs);
  return status;
}

static const wk_kernel kernel = {.name = "user", .run = run_kernel};

const wk_kernel *wk_user_kernel(const wk_op *op, const wk_device *device) {
  return op && user_op_of(op)->definition.kernel && (device->host_memory || device->null) ? &kernel
                                                                                          : NULL;
}

/* ---- checking a definition ---- */

static wk_status check_inputs(const wk_op_definition *d) {
  for (size_t i = 0; i < d->input_count; i++) {
    const wk_op_operand *input = &d->inputs[i];
    const size_t size = input->list ? sizeof(wk_tensors) : sizeof(wk_tensor *);
    if (!input->name || input->offset < sizeof(size_t) || input->offset + size > d->arguments_size)
      return wk_fail(WK_ERROR_ARGUMENT,
                     "input %zu of %s has no name, or lies outside the arguments", i, d->name);
    if (input->list && i + 1 < d->input_count)
      return wk_fail(WK_ERROR_ARGUMENT, "%s of %s is a list, but not the last input", input->name,
                     d->name);
  }
  return WK_OK;
}

/* 0: no such type. */
static size_t setting_size(wk_setting_type type) {
  const size_t index = (size_t)type;
  return index < sizeof setting_types / sizeof *setting_types ? setting_types[index].size : 0;
}

static wk_status check_settings(const wk_op_definition *d) {
  for (size_t i = 0; i < d->setting_count; i++) {
    const wk_op_setting *setting = &d->settings[i];
    const size_t size = setting_size(setting->type);
    if (setting->name && size && setting->offset >= sizeof(size_t) &&
        setting->offset + size <= d->arguments_size)
      continue;
    return wk_fail(WK_ERROR_ARGUMENT,
                   "setting %zu of %s has no name, an unknown type, or lies outside the arguments",
                   i, d->name);
  }
  return WK_OK;
}

static wk_status check_functions(const wk_op_definition *d) {
  if (!d->composite && !(d->infer && d->kernel))
    wk_fail(WK_ERROR_ARGUMENT, "%s needs an infer and a kernel, or a composite", d->name);
  else if (!d->infer != !d->kernel)
    wk_fail(WK_ERROR_ARGUMENT, "%s has an infer or a kernel, but not both", d->name);
  else if (d->vjp && !d->kernel)
    wk_fail(WK_ERROR_ARGUMENT, "%s has a gradient rule, but is taken apart into ops with their own",
            d->name);
  else if (d->input_count < 32 && d->gradient_reads_inputs >> d->input_count)
    wk_fail(WK_ERROR_ARGUMENT, "the gradient rule of %s reads inputs that there are not", d->name);
  else if (d->gradient_reads_outputs >> d->output_count)
    wk_fail(WK_ERROR_ARGUMENT, "the gradient rule of %s reads outputs that there are not", d->name);
  return wk_error_status();
}

static wk_status check_definition(const wk_op_definition *d) {
  if (!d->name || !d->name[0] || (d->input_count && !d->inputs) ||
      (d->setting_count && !d->settings))
    return wk_fail(WK_ERROR_ARGUMENT, "the op's name, inputs or settings are NULL");
  if (d->input_count > WK_MAX_INPUTS || d->output_count < 1 || d->output_count > WK_MAX_OUTPUTS)
    return wk_fail(WK_ERROR_ARGUMENT,
                   "%s has %zu inputs and %zu outputs; up to %d and 1 to %d are "
                   "possible",
                   d->name, d->input_count, d->output_count, WK_MAX_INPUTS, WK_MAX_OUTPUTS);
  if (d->arguments_size < sizeof(size_t) + sizeof(wk_tensor *) * d->input_count ||
      d->arguments_size > WK_MAX_ARGUMENTS_SIZE)
    return wk_fail(WK_ERROR_ARGUMENT, "the arguments of %s have %zu bytes; up to %d are possible",
                   d->name, d->arguments_size, WK_MAX_ARGUMENTS_SIZE);
  wk_status status = check_inputs(d);
  if (status == WK_OK) status = check_settings(d);
  return status == WK_OK ? check_functions(d) : status;
}

/* ---- making the record ---- */

static void copy_inputs(user_op *u) {
  const wk_op_definition *d = &u->definition;
  for (size_t i = 0; i < d->input_count; i++) {
    const wk_op_operand *input = &d->inputs[i];
    u->inputs[i] = (wk_op_input){.name = wk_intern(input->name),
                                 .offset = (uint16_t)input->offset,
                                 .optional = input->optional,
                                 .list = input->list,
                                 .same_dtype = !input->own_dtype,
                                 .dtypes = input->dtypes ? input->dtypes : WK_DTYPES_ANY};
    const size_t end = input->offset + (input->list ? sizeof(wk_tensors) : sizeof(wk_tensor *));
    if (!input->optional && end > u->op.settings.required_size)
      u->op.settings.required_size = (uint16_t)end;
  }
}

static bool copy_settings(user_op *u) {
  const wk_op_definition *d = &u->definition;
  u->attributes = wk_allocate_zeroed(d->setting_count + 1, sizeof *u->attributes);
  u->ranges = wk_allocate_zeroed(d->setting_count + 1, sizeof *u->ranges);
  for (size_t i = 0; u->attributes && u->ranges && i < d->setting_count; i++) {
    const wk_op_setting *s = &d->settings[i];
    const bool bounded = s->minimum < s->maximum;
    u->ranges[i] = (wk_attribute_range){s->default_value, bounded ? s->minimum : -INFINITY,
                                        bounded ? s->maximum : INFINITY};
    u->attributes[i] = (wk_attribute){.name = wk_intern(s->name),
                                      .type = setting_types[s->type].type,
                                      .required = s->required,
                                      .offset = (uint16_t)s->offset,
                                      .range = &u->ranges[i],
                                      .doc = wk_intern(s->doc ? s->doc : s->name)};
    const size_t end = s->offset + setting_size(s->type);
    if (s->required && end > u->op.settings.required_size)
      u->op.settings.required_size = (uint16_t)end;
  }
  return u->attributes && u->ranges;
}

static void free_op(user_op *u) {
  if (!u) return;
  wk_deallocate(u->attributes);
  wk_deallocate(u->ranges);
  wk_deallocate(u);
}

static user_op *create_op(const wk_op_definition *d) {
  user_op *u = wk_allocate_zeroed(1, sizeof *u);
  if (!u) return NULL;
  u->definition = *d;
  u->op = (wk_op){.name = wk_intern(d->name),
                  .class = WK_CLASS_MATRIX,
                  .inputs = u->inputs,
                  .input_count = (uint16_t)d->input_count,
                  .output_count = (uint16_t)d->output_count,
                  .promotes = d->promotes,
                  .infer = d->infer ? infer : NULL,
                  .composite = d->composite ? composite : NULL,
                  .vjp = d->vjp ? vjp : NULL,
                  .gradient_reads_inputs = d->gradient_reads_inputs,
                  .gradient_reads_outputs = d->gradient_reads_outputs,
                  .doc = d->doc ? wk_intern(d->doc) : NULL,
                  .settings = {.size = d->arguments_size, .required_size = sizeof(size_t)}};
  copy_inputs(u);
  if (copy_settings(u) && !wk_failed()) {
    u->op.settings.attributes = u->attributes;
    u->op.settings.count = (uint16_t)d->setting_count;
    u->definition.inputs = NULL, u->definition.settings = NULL;
    return u;
  }
  free_op(u);
  return NULL;
}

/* ---- the table ---- */

static void free_all(void) {
  const int count = atomic_exchange(&registered_count, 0);
  for (int i = 0; i < count; i++) free_op(atomic_exchange(&registered[i], NULL));
}

static wk_status append(user_op *u) {
  wk_at_fork_lock(&registering);
  pthread_mutex_lock(&registering);
  const int count = atomic_load(&registered_count);
  if (wk_op_find(u->op.name)) {
    wk_fail(WK_ERROR_STATE, "there is an op called %s already", u->op.name);
    wk_error_add_hint("an op stays registered until wk_shutdown; choose another name");
  } else if (count == MOST_OPS) {
    wk_fail(WK_ERROR_UNSUPPORTED, "%d ops are registered; there can be no more", MOST_OPS);
  } else {
    u->op.id = WK_OP_COUNT + count;
    atomic_store(&registered[count], u);
    atomic_store(&registered_count, count + 1);
    if (count == 0) wk_at_shutdown(free_all);
  }
  pthread_mutex_unlock(&registering);
  return wk_error_status();
}

static wk_status register_op(const wk_op_definition *definition) {
  wk_op_definition d;
  wk_status status =
      wk_settings_copy("op_register", definition, offsetof(wk_op_definition, infer), sizeof d, &d);
  if (status == WK_OK) status = check_definition(&d);
  user_op *u = status == WK_OK ? create_op(&d) : NULL;
  if (!u) return wk_error_status();
  status = append(u);
  if (status != WK_OK) free_op(u);
  return status;
}

wk_status wk_op_register_at(wk_place here, const wk_op_definition *definition) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = register_op(definition);
  wk_error_add_call("op_register", here);
  return status;
}
