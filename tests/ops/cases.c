/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "ops/dispatch.h"
#include "tests.h"

/* ---- cases ---- */

static bool sets(const wk_sample *sample, const char *name) {
  for (int i = 0; i < sample->setting_count; i++)
    if (strcmp(sample->settings[i].name, name) == 0) return true;
  return false;
}

/* A maker of tensors whose sample does not say which dtype. */
static bool makes_any_float(const wk_op *op, const wk_sample *sample) {
  return op->input_count == 0 && wk_settings_find(&op->settings, "dtype") && !sets(sample, "dtype");
}

int case_dtypes(const wk_sample *sample, wk_dtype dtypes[2]) {
  const wk_op *op = wk_op_find(sample->op);
  bool both = op && makes_any_float(op, sample);
  for (int i = 0; i < sample->tensor_count; i++)
    if (sample->tensors[i] && !sample_text_has_dtype(sample->tensors[i])) both = true;
  dtypes[0] = WK_F32, dtypes[1] = WK_F64;
  return both ? 2 : 1;
}

/* The same op and input: the same values, whatever was added. */
static uint64_t seed_of(const wk_sample *sample, int input) {
  uint64_t seed = (uint64_t)input + 1;
  for (const char *letter = sample->op; *letter; letter++)
    seed = seed * 31 + (unsigned char)*letter;
  return seed;
}

bool case_make(op_case *c, const wk_sample *sample, wk_dtype dtype) {
  *c = (op_case){.op = wk_op_find(sample->op), .sample = sample, .dtype = dtype};
  if (!c->op) return print_error("no op is called %s\n", sample->op), false;
  for (int i = 0; i < sample->tensor_count; i++) {
    c->input_count++;
    if (!sample_tensor_make(&c->inputs[i], sample->tensors[i], dtype, seed_of(sample, i)))
      return print_error("%s: cannot read \"%s\"\n", sample->op, sample->tensors[i]), false;
  }
  return true;
}

bool case_make_as(op_case *c, const wk_sample *sample, wk_dtype dtype) {
  *c = (op_case){.op = wk_op_find(sample->op), .sample = sample, .dtype = dtype};
  for (int i = 0; c->op && i < sample->tensor_count; i++) {
    const wk_op_input *input = wk_op_input_at(c->op, i);
    const char *text = sample->tensors[i];
    c->input_count++;
    if (!input->same_dtype) {
      if (!sample_tensor_make(&c->inputs[i], text, dtype, seed_of(sample, i))) return false;
      continue;
    }
    if (!(input->dtypes >> dtype & 1)) return false;
    if (!sample_tensor_make_as(&c->inputs[i], text, dtype, seed_of(sample, i))) return false;
  }
  return c->op != NULL;
}

void case_free(op_case *c) {
  for (int i = 0; i < c->input_count; i++) sample_tensor_free(&c->inputs[i]);
}

const char *case_label(const op_case *c) {
  static char label[512];
  size_t used = (size_t)snprintf(label, sizeof label, "%s", c->sample->op);
  for (int i = 0; i < c->sample->tensor_count && used < sizeof label; i++)
    used += (size_t)snprintf(label + used, sizeof label - used, "%s%s", i ? ", " : " of ",
                             c->sample->tensors[i] ? c->sample->tensors[i] : "none");
  for (int i = 0; i < c->sample->setting_count && used < sizeof label; i++)
    used += (size_t)snprintf(label + used, sizeof label - used, ", %s = %s",
                             c->sample->settings[i].name, c->sample->settings[i].text);
  if (used < sizeof label)
    snprintf(label + used, sizeof label - used, " in %s", wk_dtype_name(c->dtype));
  return label;
}

bool case_input_is_written(const op_case *c, int i) { return wk_op_input_at(c->op, i)->written; }

/* ---- tensors on devices ---- */

/* Strides of axes in the opposite order, with two elements from one to the next. */
static int64_t set_odd_strides(wk_layout *layout) {
  int64_t stride = 2;
  for (int i = 0; i < layout->rank; i++) {
    layout->strides[i] = stride;
    if (layout->dims[i]) stride *= layout->dims[i];
  }
  return stride;
}

/* From the last element to the first; the first axis leaps over a kilobyte and more. Returns where
 * the first element lies. */
static int64_t set_backward_strides(wk_layout *layout, int64_t *extent) {
  int64_t stride = 1, first = 0;
  for (int i = layout->rank - 1; i >= 0; i--) {
    if (i == 0) stride = stride * 3 + 1031;
    layout->strides[i] = -stride;
    if (layout->dims[i] > 0) first += (layout->dims[i] - 1) * stride;
    stride *= layout->dims[i] > 0 ? layout->dims[i] : 1;
  }
  *extent = first + 1;
  return first;
}

/* Row-major, but for the last axis, which stays on its first element. */
static int64_t set_repeated_strides(wk_layout *layout) {
  int64_t stride = 1;
  for (int i = layout->rank - 1; i >= 0; i--) {
    const bool last = i == layout->rank - 1;
    layout->strides[i] = last ? 0 : stride;
    if (!last && layout->dims[i] > 0) stride *= layout->dims[i];
  }
  return stride;
}

/* Where the first of a tensor's elements lies, and up to where the others do. */
static int64_t set_strides(wk_layout *layout, case_memory memory, int64_t *extent) {
  const int64_t offset = 3;
  int64_t first = 0;
  if (memory == CASE_BACKWARD)
    first = set_backward_strides(layout, extent);
  else if (memory == CASE_REPEATED)
    *extent = set_repeated_strides(layout);
  else
    *extent = set_odd_strides(layout);
  *extent += offset;
  return first + offset;
}

/* The values scattered over a larger buffer whose other bytes make NaN, or 0xFF.. for integers. */
static wk_tensor *make_strided(const sample_tensor *values, wk_device *device, case_memory memory) {
  wk_layout layout;
  int64_t extent;
  if (!wk_layout_contiguous(&layout, values->dtype, &values->shape)) return NULL;
  const int64_t offset = set_strides(&layout, memory, &extent);
  const size_t size = wk_dtype_size(values->dtype);
  char *bytes = malloc((size_t)extent * size);
  if (!bytes) return NULL;
  memset(bytes, 0xFF, (size_t)extent * size);
  for (int64_t i = 0; i < values->count; i++)
    memcpy(bytes + (size_t)(offset + wk_layout_position(&layout, i)) * size,
           (char *)values->data + (size_t)i * size, size);
  wk_tensor *buffer = wk_tensor_from_data(WK_SHAPE(extent), values->dtype, bytes, device);
  free(bytes);
  return buffer ? wk_scope_add(wk_tensor_on_root(buffer->root, &layout, offset)) : NULL;
}

static wk_tensor *make_tensor(const sample_tensor *values, wk_device *device, case_memory memory) {
  if (memory != CASE_CONTIGUOUS) return make_strided(values, device, memory);
  return wk_tensor_from_data(values->shape, values->dtype, values->data, device);
}

static bool set_attributes(const op_case *c, wk_device *device, void *arguments) {
  const wk_settings *settings = &c->op->settings;
  for (int i = 0; i < c->sample->setting_count; i++) {
    const wk_attribute *attribute = wk_settings_find(settings, c->sample->settings[i].name);
    if (!attribute) return wk_fail(WK_ERROR_ARGUMENT, "no such attribute"), false;
    if (wk_attribute_from_text(attribute, arguments, c->sample->settings[i].text) < 0) return false;
  }
  const wk_attribute *place = wk_settings_find(settings, "device");
  if (place) memcpy((char *)arguments + place->offset, &device, sizeof device);
  if (makes_any_float(c->op, c->sample)) {
    const wk_attribute *dtype = wk_settings_find(settings, "dtype");
    memcpy((char *)arguments + dtype->offset, &c->dtype, sizeof c->dtype);
  }
  return true;
}

bool case_bind(const op_case *c, wk_device *device, wk_tensor *const *inputs,
               case_arguments *arguments) {
  memset(arguments, 0, sizeof *arguments);
  memcpy(arguments->bytes, &c->op->settings.size, sizeof c->op->settings.size);
  for (int i = 0; i < c->input_count; i++) {
    const wk_op_input *input = wk_op_input_at(c->op, i);
    arguments->inputs[i] = inputs[i];
    if (!input->list) memcpy(arguments->bytes + input->offset, &inputs[i], sizeof inputs[i]);
  }
  const int last = c->op->input_count - 1;
  if (last >= 0 && c->op->inputs[last].list) {
    const wk_tensors list = {(size_t)(c->input_count - last), arguments->inputs + last};
    memcpy(arguments->bytes + c->op->inputs[last].offset, &list, sizeof list);
  }
  return set_attributes(c, device, arguments->bytes);
}

bool case_prepare(const op_case *c, wk_device *device, case_memory memory,
                  case_arguments *arguments) {
  wk_tensor *inputs[WK_SAMPLE_TENSORS] = {NULL};
  for (int i = 0; i < c->input_count; i++) {
    if (!c->inputs[i].data) continue;
    inputs[i] = make_tensor(&c->inputs[i], device, memory);
    if (!inputs[i]) return false;
  }
  return case_bind(c, device, inputs, arguments);
}

/* ---- running ---- */

bool read_tensor(sample_tensor *values, wk_tensor *tensor) {
  *values = (sample_tensor){.dtype = wk_tensor_dtype(tensor)};
  if (!tensor) return true;
  values->shape = wk_tensor_shape(tensor);
  values->count = wk_tensor_count(tensor);
  const size_t size = wk_dtype_size(values->dtype);
  values->data = calloc((size_t)values->count + 1, size);
  return values->data &&
         wk_tensor_read(tensor, values->data, (size_t)values->count * size) == WK_OK;
}

static bool run(const op_case *c, wk_device *device, case_memory memory, case_result *result) {
  WK_SCOPE;
  case_arguments arguments;
  wk_tensor *outputs[WK_MAX_OUTPUTS] = {NULL};
  if (!case_prepare(c, device, memory, &arguments) ||
      wk_op_run(c->op, WK_HERE, arguments.bytes, outputs) < 0)
    return false;
  bool good = true;
  result->output_count = c->op->output_count;
  for (int i = 0; i < c->op->output_count; i++) {
    good = read_tensor(&result->values[result->count++], outputs[i]) && good;
    wk_tensor_release(outputs[i]);
  }
  for (int i = 0; i < c->input_count; i++)
    good = read_tensor(&result->values[result->count++], arguments.inputs[i]) && good;
  return good;
}

wk_status case_try(const op_case *c, wk_device *device, case_memory memory, case_result *result) {
  *result = (case_result){.count = 0};
  if (run(c, device, memory, result)) return WK_OK;
  const wk_status status = wk_error_status();
  wk_error_clear();
  return status;
}

bool case_run(const op_case *c, wk_device *device, case_memory memory, case_result *result) {
  *result = (case_result){.count = 0};
  if (run(c, device, memory, result)) return true;
  print_error("%s on %s:\n", case_label(c), wk_device_name(device));
  print_pending_error("running it");
  return false;
}

void case_result_free(case_result *result) {
  for (int i = 0; i < result->count; i++) sample_tensor_free(&result->values[i]);
}

void print_pending_error(const char *what) {
  char text[4096];
  wk_error_text(text, sizeof text);
  wk_error_clear();
  print_error("  %s: %s\n", what, text[0] ? text : "no error was raised");
}
