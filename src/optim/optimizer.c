/* SPDX-License-Identifier: Apache-2.0 */
#include "optim/optimizer.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/trace.h"
#include "optim/clip.h"
#include "tensor/fields.h"

/* ---- making and freeing ---- */

static wk_status allocate(wk_optimizer *optimizer, const wk_optimizer_type *type,
                          const void *arguments) {
  optimizer->type = type;
  optimizer->chunk_count = optimizer->parameters->chunk_count;
  optimizer->settings = wk_allocate_zeroed(1, type->settings.size);
  optimizer->slots = wk_allocate_zeroed((size_t)type->slot_count * optimizer->chunk_count + 1,
                                        sizeof(wk_storage *));
  if (!optimizer->settings || !optimizer->slots) return wk_error_status();
  optimizer->keep_gradients = wk_settings_find(&type->settings, "keep_gradients");
  optimizer->clip_norm = wk_settings_find(&type->settings, "clip_norm");
  optimizer->clip_value = wk_settings_find(&type->settings, "clip_value");
  optimizer->learning_rate = wk_settings_find(&type->settings, "learning_rate");
  return wk_settings_resolve(&type->settings, type->name, arguments, optimizer->settings);
}

wk_optimizer *wk_optimizer_create_type(const wk_optimizer_type *type, wk_parameters *parameters,
                                       wk_place here, const void *arguments) {
  wk_optimizer *optimizer = NULL;
  if (parameters && wk_fields_refuse("an optimizer cannot be made") == WK_OK)
    optimizer = wk_allocate_zeroed(1, sizeof *optimizer);
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
  for (int i = 0; optimizer->slots && i < optimizer->type->slot_count; i++)
    wk_optimizer_forget_slot(optimizer, i);
  for (int i = 0; i < optimizer->rule_count; i++) wk_deallocate(optimizer->rules[i].pattern);
  wk_deallocate(optimizer->groups);
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

bool wk_optimizer_slot_exists(const wk_optimizer *optimizer, int slot) {
  for (size_t i = 0; i < optimizer->chunk_count; i++)
    if (optimizer->slots[(size_t)slot * optimizer->chunk_count + i]) return true;
  return false;
}

void wk_optimizer_forget_slot(wk_optimizer *optimizer, int slot) {
  wk_storage **slots = optimizer->slots + (size_t)slot * optimizer->chunk_count;
  for (size_t i = 0; i < optimizer->chunk_count; i++) {
    wk_storage_release(slots[i]);
    slots[i] = NULL;
  }
}

/* ---- steps ---- */

/* What one step does with every run of segments. */
typedef struct step {
  wk_optimizer *optimizer;
  void *settings; /* of the run's group */
} step;

bool wk_optimizer_uses_slot(const wk_optimizer_type *type, int slot, const void *settings) {
  const uint32_t when = type->slots[slot].when;
  for (int i = 0; when && i < type->settings.count; i++) {
    const wk_attribute *setting = &type->settings.attributes[i];
    if (when >> i & 1 && wk_attribute_number(setting, settings) != 0) return true;
  }
  return when == 0;
}

static wk_status make_views(wk_optimizer *optimizer, size_t chunk_index, int64_t start,
                            int64_t count, wk_update *update) {
  const wk_chunk *chunk = &optimizer->parameters->chunks[chunk_index];
  update->value = wk_chunk_view(chunk, chunk->values, start, count);
  update->gradient = wk_chunk_view(chunk, chunk->gradients, start, count);
  for (int i = 0; i < optimizer->type->slot_count; i++) {
    if (!wk_optimizer_uses_slot(optimizer->type, i, update->settings)) continue;
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

static double gradient_limit(const wk_optimizer *optimizer) {
  const double value = wk_optimizer_setting(optimizer, optimizer->clip_value);
  return value > 0 ? value : (double)INFINITY;
}

/* What the gradients are multiplied by. */
static double gradient_scale(const wk_optimizer *optimizer) {
  const double most = wk_optimizer_setting(optimizer, optimizer->clip_norm);
  const double scale = optimizer->scale;
  return most > 0 ? scale * wk_clip_factor(optimizer->norm * scale, most) : scale;
}

/* What the step's settings and its number make of the arguments, where a compiled function takes
 * the step again. Which slots there are decides which op it is, as it did then: any tensor will do.
 */
static bool fill_again(void *object, int64_t group, void *arguments) {
  const wk_optimizer *optimizer = object;
  if (optimizer->skipped) return false;
  alignas(16) char settings[WK_MAX_ARGUMENTS_SIZE];
  wk_optimizer_group_settings(optimizer, (uint32_t)group, settings);
  wk_update update = {.settings = settings,
                      .step = (double)optimizer->step_count,
                      .scale = gradient_scale(optimizer),
                      .limit = gradient_limit(optimizer)};
  for (int i = 0; i < optimizer->type->slot_count; i++)
    if (wk_optimizer_uses_slot(optimizer->type, i, settings))
      update.slots[i] = optimizer->parameters->segments[0].tensor;
  optimizer->type->fill(&update, arguments);
  return true;
}

wk_status wk_optimizer_run(wk_optimizer *optimizer, uint32_t group, const wk_update *update) {
  alignas(16) char arguments[WK_MAX_ARGUMENTS_SIZE];
  const wk_op *op = &wk_op_table[optimizer->type->fill(update, arguments)];
  return wk_op_run_late(op, (wk_place){0}, arguments, (wk_late){fill_again, optimizer, group});
}

static wk_status update_run(void *context, uint32_t group, size_t chunk, int64_t start,
                            int64_t count) {
  const step *s = context;
  wk_optimizer *optimizer = s->optimizer;
  wk_optimizer_group_settings(optimizer, group, s->settings);
  wk_update update = {.settings = s->settings,
                      .step = (double)optimizer->step_count,
                      .scale = gradient_scale(optimizer),
                      .limit = gradient_limit(optimizer)};
  wk_status status = make_views(optimizer, chunk, start, count, &update);
  if (status == WK_OK) status = wk_optimizer_run(optimizer, group, &update);
  release_views(&update);
  wk_parameters_mark_written(optimizer->parameters, chunk, start, count);
  return status;
}

/* Whether the step uses the segment, in a run or by some of its rows. */
static bool has_gradient(const wk_segment *segment) {
  const wk_tensor *tensor = segment->tensor;
  return wk_segment_takes_part(segment) ||
         (!tensor->frozen && tensor->leaf && tensor->leaf->valid && tensor->leaf->rows);
}

static bool anything_to_do(const wk_parameters *set) {
  for (size_t i = 0; i < set->segment_count; i++)
    if (has_gradient(&set->segments[i])) return true;
  return false;
}

static void consume_gradients(wk_parameters *set) {
  for (size_t i = 0; i < set->segment_count; i++)
    if (has_gradient(&set->segments[i])) wk_tensor_clear_gradient(set->segments[i].tensor);
}

static wk_status check_bounds(const wk_optimizer *optimizer) {
  const double norm = wk_optimizer_setting(optimizer, optimizer->clip_norm),
               value = wk_optimizer_setting(optimizer, optimizer->clip_value);
  if (norm == 0 || value == 0) return WK_OK;
  wk_fail(WK_ERROR_ARGUMENT, "clip_norm is %g and clip_value is %g, but only one can be set", norm,
          value);
  wk_error_add_hint("wk_clip_gradient_value before the step does the other");
  return WK_ERROR_ARGUMENT;
}

/* ---- what a compiled function does on the host at every call, too ---- */

static bool begin_step(void *object, int64_t detail, void *arguments) {
  wk_optimizer *optimizer = object;
  (void)detail, (void)arguments;
  optimizer->scale = 1;
  optimizer->skipped = false;
  return true;
}

static bool keep_norm(void *object, int64_t detail, void *squares) {
  (void)detail;
  ((wk_optimizer *)object)->norm = sqrt(*(const double *)squares);
  return true;
}

static bool count_step(void *object, int64_t steps, void *arguments) {
  wk_optimizer *optimizer = object;
  (void)arguments;
  if (!optimizer->skipped) optimizer->step_count += steps;
  return true;
}

static void let_go(wk_optimizer *optimizer) {
  WK_NOTE_FIELD(NULL, optimizer->unscaled);
  optimizer->unscaled = false;
  if (wk_optimizer_setting(optimizer, optimizer->keep_gradients) == 0)
    consume_gradients(optimizer->parameters);
}

wk_status wk_optimizer_take_step(wk_optimizer *optimizer, bool scaled) {
  if (!optimizer) return wk_fail(WK_ERROR_ARGUMENT, "there is no optimizer to take a step");
  wk_parameters *set = optimizer->parameters;
  /* A step without gradients changes nothing, so it must not age a bias correction either. */
  if (!anything_to_do(set)) return WK_OK;
  WK_NO_GRADIENT;
  alignas(16) char settings[WK_MAX_ARGUMENTS_SIZE];
  const int64_t before = optimizer->step_count;
  step s = {optimizer, settings};
  WK_NOTE_FIELD(NULL, optimizer->version);
  WK_NOTE_CHANGE(NULL, optimizer->step_count);
  wk_status status = check_bounds(optimizer);
  if (status == WK_OK && !scaled) {
    status = wk_host_step((wk_late){begin_step, optimizer, 0}, NULL);
    if (status == WK_OK && wk_optimizer_setting(optimizer, optimizer->clip_norm) > 0)
      status = wk_gradient_measure(set, (wk_late){keep_norm, optimizer, 0});
  }
  if (status == WK_OK) status = wk_host_step((wk_late){count_step, optimizer, 1}, NULL);
  if (status == WK_OK) status = wk_parameters_each_run(set, optimizer->groups, update_run, &s);
  if (status >= 0)
    status =
        wk_optimizer_step_rows(optimizer, gradient_scale(optimizer), gradient_limit(optimizer));
  if (status < 0) {
    optimizer->step_count = before;
    return status;
  }
  let_go(optimizer);
  return WK_OK;
}

void wk_optimizer_skip_step(wk_optimizer *optimizer) { let_go(optimizer); }

wk_status wk_optimizer_step_at(wk_place here, wk_optimizer *optimizer) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = wk_optimizer_take_step(optimizer, false);
  wk_error_add_call("optimizer_step", here);
  return status;
}

/* ---- settings by name ---- */

const wk_attribute *wk_optimizer_find_setting(const wk_optimizer *optimizer, const char *name) {
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

double wk_optimizer_setting(const wk_optimizer *optimizer, const wk_attribute *setting) {
  return wk_attribute_number(setting, optimizer->settings);
}

double wk_optimizer_get_at(wk_place here, const wk_optimizer *optimizer, const char *name) {
  if (wk_failed()) return (double)NAN;
  const wk_attribute *attribute = wk_optimizer_find_setting(optimizer, name);
  wk_error_add_call("optimizer_get", here);
  return attribute ? wk_optimizer_setting(optimizer, attribute) : (double)NAN;
}

static wk_status set(wk_optimizer *optimizer, const char *name, double value) {
  const wk_attribute *attribute = wk_optimizer_find_setting(optimizer, name);
  if (!attribute) return wk_error_pending;
  if (wk_fields_refuse("a setting cannot be changed") != WK_OK) return wk_error_pending;
  if (wk_attribute_check(attribute, optimizer->type->name, value) < 0) return wk_error_pending;
  wk_attribute_set_number(attribute, optimizer->settings, value);
  optimizer->version += attribute != optimizer->learning_rate;
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
  optimizer->version++;
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
