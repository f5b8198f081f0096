/* SPDX-License-Identifier: Apache-2.0 */
#include "optim/optimizer.h"

#include <math.h>
#include <string.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "base/memory.h"

struct wk_optimizer {
  const wk_optimizer_type *type;
  void *settings; /* the type's arguments struct, resolved */
  wk_parameters *parameters;
  int64_t step_count;
  size_t chunk_count;
  wk_storage **slots; /* [slot * chunk_count + chunk], shaped like the chunks; NULL until needed */
};

/* ---- making and freeing ---- */

static wk_status allocate(wk_optimizer *optimizer, const wk_optimizer_type *type,
                          const void *arguments) {
  optimizer->type = type;
  optimizer->chunk_count = optimizer->parameters->chunk_count;
  optimizer->settings = wk_allocate_zeroed(1, type->settings.size);
  optimizer->slots = wk_allocate_zeroed((size_t)type->slot_count * optimizer->chunk_count + 1,
                                        sizeof(wk_storage *));
  if (!optimizer->settings || !optimizer->slots) return wk_error_status();
  return wk_settings_resolve(&type->settings, type->name, arguments, optimizer->settings);
}

wk_optimizer *wk_optimizer_create_type(const wk_optimizer_type *type, wk_parameters *parameters,
                                       wk_place here, const void *arguments) {
  wk_optimizer *optimizer = NULL;
  if (parameters) optimizer = wk_allocate_zeroed(1, sizeof *optimizer);
  if (optimizer) {
    optimizer->parameters = parameters;
    if (allocate(optimizer, type, arguments) == WK_OK) return optimizer;
  }
  wk_error_add_call(type->name, here);
  wk_optimizer_free(optimizer);
  return NULL;
}

void wk_optimizer_free(wk_optimizer *optimizer) {
  if (!optimizer) return;
  const size_t count =
      optimizer->slots ? (size_t)optimizer->type->slot_count * optimizer->chunk_count : 0;
  for (size_t i = 0; i < count; i++) wk_storage_release(optimizer->slots[i]);
  wk_deallocate(optimizer->slots);
  wk_deallocate(optimizer->settings);
  wk_deallocate(optimizer);
}

/* ---- slots ---- */

static wk_storage *create_zeroed(const wk_chunk *chunk) {
  const size_t size = (size_t)chunk->count * wk_dtype_size(chunk->dtype);
  wk_storage *storage = wk_storage_create(chunk->device, size);
  void *zeros = storage ? wk_allocate_zeroed(1, size) : NULL;
  wk_device *device = chunk->device;
  if (zeros &&
      device->functions->from_host(device, storage->data, zeros, size, &device->stream) == WK_OK) {
    wk_deallocate(zeros);
    return storage;
  }
  wk_deallocate(zeros);
  wk_storage_release(storage);
  return NULL;
}

/* The slot's storage for a chunk, made when it is first needed. */
static wk_storage *get_slot(wk_optimizer *optimizer, int slot, size_t chunk) {
  wk_storage **storage = &optimizer->slots[(size_t)slot * optimizer->chunk_count + chunk];
  if (!*storage) *storage = create_zeroed(&optimizer->parameters->chunks[chunk]);
  return *storage;
}

wk_tensor *wk_optimizer_slot(wk_optimizer *optimizer, int slot, size_t parameter) {
  if (wk_failed()) return NULL;
  const wk_segment *segment = &optimizer->parameters->segments[parameter];
  wk_storage *storage = get_slot(optimizer, slot, segment->chunk);
  if (!storage) return NULL;
  const size_t element = wk_dtype_size(segment->tensor->layout.dtype);
  return wk_tensor_on_storage(storage, (size_t)segment->start * element, &segment->tensor->layout);
}

/* ---- steps ---- */

static wk_status make_views(wk_optimizer *optimizer, size_t chunk_index, int64_t start,
                            int64_t count, wk_update *update) {
  const wk_chunk *chunk = &optimizer->parameters->chunks[chunk_index];
  update->value = wk_chunk_view(chunk, chunk->values, start, count);
  update->gradient = wk_chunk_view(chunk, chunk->gradients, start, count);
  for (int i = 0; i < optimizer->type->slot_count; i++) {
    wk_storage *storage = get_slot(optimizer, i, chunk_index);
    if (storage) update->slots[i] = wk_chunk_view(chunk, storage, start, count);
  }
  return wk_error_status();
}

static void release_views(wk_update *update) {
  wk_tensor_release(update->value);
  wk_tensor_release(update->gradient);
  for (int i = 0; i < WK_MAX_SLOTS; i++) wk_tensor_release(update->slots[i]);
}

static wk_status update_run(void *context, size_t chunk, int64_t start, int64_t count) {
  wk_optimizer *optimizer = context;
  wk_update update = {0};
  wk_status status = make_views(optimizer, chunk, start, count, &update);
  if (status == WK_OK) status = optimizer->type->step(optimizer, &update);
  release_views(&update);
  wk_parameters_mark_written(optimizer->parameters, chunk, start, count);
  return status;
}

/* Whether the step uses the segment, as wk_parameters_each_run decides it. */
static bool takes_part(const wk_segment *segment) {
  const wk_tensor *tensor = segment->tensor;
  return !tensor->frozen && tensor->leaf && tensor->leaf->gradient && tensor->leaf->valid;
}

static bool anything_to_do(const wk_parameters *set) {
  for (size_t i = 0; i < set->segment_count; i++)
    if (takes_part(&set->segments[i])) return true;
  return false;
}

static void consume_gradients(wk_parameters *set) {
  for (size_t i = 0; i < set->segment_count; i++)
    if (takes_part(&set->segments[i])) set->segments[i].tensor->leaf->valid = false;
}

static wk_status take_step(wk_optimizer *optimizer) {
  if (!optimizer) return wk_fail(WK_ERROR_ARGUMENT, "there is no optimizer to take a step");
  /* A step without gradients changes nothing, so it must not age a bias correction either. */
  if (!anything_to_do(optimizer->parameters)) return WK_OK;
  WK_NO_GRADIENT;
  optimizer->step_count++;
  const wk_status status = wk_parameters_each_run(optimizer->parameters, update_run, optimizer);
  if (status < 0) {
    optimizer->step_count--;
    return status;
  }
  if (wk_optimizer_get(optimizer, "keep_gradients") == 0) consume_gradients(optimizer->parameters);
  return WK_OK;
}

wk_status wk_optimizer_step_at(wk_place here, wk_optimizer *optimizer) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = take_step(optimizer);
  wk_error_add_call("optimizer_step", here);
  return status;
}

/* ---- settings by name ---- */

static const wk_attribute *find_setting(const wk_optimizer *optimizer, const char *name) {
  if (!optimizer || !name) {
    wk_fail(WK_ERROR_ARGUMENT, "the optimizer or the setting's name is NULL");
    return NULL;
  }
  const wk_attribute *attribute = wk_settings_find(&optimizer->type->settings, name);
  if (attribute) return attribute;
  wk_fail(WK_ERROR_NOT_FOUND, "%s has no setting %s", wk_optimizer_name(optimizer), name);
  char names[256] = "";
  size_t used = 0;
  for (int i = 0; i < optimizer->type->settings.count; i++)
    used = wk_print_into(names, sizeof names, used, i ? ", %s" : "%s",
                         optimizer->type->settings.attributes[i].name);
  wk_error_add_hint("its settings are: %s", names);
  return NULL;
}

double wk_optimizer_get_at(wk_place here, const wk_optimizer *optimizer, const char *name) {
  if (wk_failed()) return (double)NAN;
  const wk_attribute *attribute = find_setting(optimizer, name);
  wk_error_add_call("optimizer_get", here);
  if (!attribute) return (double)NAN;
  const void *at = (const char *)optimizer->settings + attribute->offset;
  return attribute->type == WK_ATTRIBUTE_BOOL ? *(const bool *)at : 0.0 + *(const double *)at;
}

static wk_status set(wk_optimizer *optimizer, const char *name, double value) {
  const wk_attribute *attribute = find_setting(optimizer, name);
  if (!attribute) return wk_error_pending;
  void *at = (char *)optimizer->settings + attribute->offset;
  if (attribute->type == WK_ATTRIBUTE_BOOL) {
    *(bool *)at = value != 0;
    return WK_OK;
  }
  if (wk_attribute_check(attribute, optimizer->type->name, value) < 0) return wk_error_pending;
  *(double *)at = value == 0 ? WK_EXACTLY_ZERO : value; /* no default, also when read back */
  return WK_OK;
}

wk_status wk_optimizer_set_at(wk_place here, wk_optimizer *optimizer, const char *name,
                              double value) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = set(optimizer, name, value);
  wk_error_add_call("optimizer_set", here);
  return status;
}

/* ---- asking ---- */

const void *wk_optimizer_settings(const wk_optimizer *optimizer) { return optimizer->settings; }

wk_status wk_optimizer_set_settings(wk_optimizer *optimizer, const void *settings) {
  const wk_settings *table = &optimizer->type->settings;
  void *checked = wk_allocate_zeroed(1, table->size);
  if (!checked) return wk_error_status();
  const wk_status status = wk_settings_resolve(table, optimizer->type->name, settings, checked);
  if (status == WK_OK) memcpy(optimizer->settings, checked, table->size);
  wk_deallocate(checked);
  return status;
}

const wk_optimizer_type *wk_optimizer_type_of(const wk_optimizer *optimizer) {
  return optimizer->type;
}

const char *wk_optimizer_name(const wk_optimizer *optimizer) {
  return optimizer ? optimizer->type->name : "";
}

int64_t wk_optimizer_step_count(const wk_optimizer *optimizer) {
  return optimizer ? optimizer->step_count : 0;
}

void wk_optimizer_set_step_count(wk_optimizer *optimizer, int64_t count) {
  optimizer->step_count = count;
}
