/* SPDX-License-Identifier: Apache-2.0 */

/* Checkpoints: a model file that also holds the optimizer's slots as tensors,
 * "optimizer.mean.0.weight", and under "wick_checkpoint" JSON text:
 *   {"version": 1, "optimizer": {"name", "settings", "steps"}, "generator": {"seed", "offset"},
 *    "loader": {"epoch", "batch", "batches", "examples"}, "fit": {...}}
 * Unsigned 64-bit numbers are written as signed ones of the same bits, and sums as text, since JSON
 * has no NaN. */

#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wick/autograd.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/model_file.h"
#include "optim/optimizer.h"
#include "tensor/parameters.h"

enum { VERSION = 1 };
static const char key[] = "wick_checkpoint";

/* ---- the metadata, written ---- */

static json_t *optimizer_to_json(const wk_optimizer *optimizer) {
  const wk_optimizer_type *type = wk_optimizer_type_of(optimizer);
  json_t *settings = wk_settings_to_json(&type->settings, wk_optimizer_settings(optimizer));
  return settings ? json_pack("{s:s, s:o, s:I}", "name", type->name, "settings", settings, "steps",
                              (json_int_t)wk_optimizer_step_count(optimizer))
                  : NULL;
}

static json_t *generator_to_json(void) {
  uint64_t seed, offset;
  wk_generator_get(wk_generator_default(), &seed, &offset);
  return json_pack("{s:I, s:I}", "seed", (json_int_t)seed, "offset", (json_int_t)offset);
}

/* The end of an epoch and the beginning of the next are the same place. */
static json_t *loader_to_json(const wk_loader *loader) {
  int64_t epoch, batch;
  wk_loader_position(loader, &epoch, &batch);
  const int64_t batches = wk_loader_batch_count(loader);
  if (batch >= batches) epoch++, batch = 0;
  return json_pack("{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)epoch, "batch", (json_int_t)batch,
                   "batches", (json_int_t)batches, "examples",
                   (json_int_t)wk_dataset_count(wk_loader_dataset(loader)));
}

static json_t *score_to_json(const wk_score *score) {
  char sum[40];
  wk_format_number(sum, sizeof sum, score->loss_sum);
  return json_pack("{s:I, s:I, s:I, s:s}", "examples", (json_int_t)score->examples, "judged",
                   (json_int_t)score->judged, "correct", (json_int_t)score->correct, "loss_sum",
                   sum);
}

static json_t *scaler_to_json(const wk_fit_state *state) {
  char scale[40];
  if (state->scale == 0) return NULL;
  wk_format_number(scale, sizeof scale, state->scale);
  return json_pack("{s:s, s:I}", "scale", scale, "good_steps", (json_int_t)state->good_steps);
}

static json_t *state_to_json(const wk_fit_state *state) {
  return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o*}", "epoch", (json_int_t)state->epoch,
                   "batch", (json_int_t)state->batch, "step", (json_int_t)state->step,
                   "loader_epoch", (json_int_t)state->loader_epoch, "running",
                   score_to_json(&state->running), "window", score_to_json(&state->window),
                   "scaler", scaler_to_json(state));
}

static char *describe(const wk_optimizer *optimizer, const wk_loader *training,
                      const wk_fit_state *state) {
  json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:o*}", "version", VERSION, "optimizer",
                          optimizer_to_json(optimizer), "generator", generator_to_json(), "loader",
                          loader_to_json(training), "fit", state ? state_to_json(state) : NULL);
  char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
  json_decref(all);
  if (!text && !wk_failed()) wk_fail(WK_ERROR_MEMORY, "no memory to describe a checkpoint");
  return text;
}

/* ---- the metadata, read: it may be anything ---- */

/* Integers of an object into int64_t, by name. */
typedef struct number {
  const char *name;
  int64_t *to;
} number;

static wk_status read_numbers(const json_t *json, const char *what, const number *numbers,
                              size_t count) {
  for (size_t i = 0; i < count; i++) {
    const json_t *value = json_object_get(json, numbers[i].name);
    if (!json_is_integer(value))
      return wk_fail(WK_ERROR_FORMAT, "the checkpoint has no %s of its %s", numbers[i].name, what);
    *numbers[i].to = json_integer_value(value);
  }
  return WK_OK;
}

/* Numbers that only grow, so far from the end of int64_t that no run gets there. */
static wk_status read_counts(const json_t *json, const char *what, const number *numbers,
                             size_t count) {
  const wk_status status = read_numbers(json, what, numbers, count);
  if (status < 0) return status;
  for (size_t i = 0; i < count; i++)
    if (*numbers[i].to < 0 || *numbers[i].to > (int64_t)1 << 53)
      return wk_fail(WK_ERROR_FORMAT, "the %s of the checkpoint's %s is %lld", numbers[i].name,
                     what, (long long)*numbers[i].to);
  return WK_OK;
}

static wk_status read_score(const json_t *json, wk_score *score) {
  const number numbers[] = {{"examples", &score->examples},
                            {"judged", &score->judged},
                            {"correct", &score->correct}};
  const char *sum = json_string_value(json_object_get(json, "loss_sum"));
  if (!sum || !wk_parse_number(sum, &score->loss_sum))
    return wk_fail(WK_ERROR_FORMAT, "the checkpoint has no loss_sum of its run");
  return read_counts(json, "score", numbers, 3);
}

/* Absent where there was none. */
static wk_status read_scaler(const json_t *json, wk_fit_state *state) {
  if (!json) return WK_OK;
  const char *scale = json_string_value(json_object_get(json, "scale"));
  if (!scale || !wk_parse_number(scale, &state->scale) || !(state->scale > 0) ||
      !isfinite(state->scale))
    return wk_fail(WK_ERROR_FORMAT, "the checkpoint has no scale of its loss scaler");
  return read_counts(json, "loss scaler", &(number){"good_steps", &state->good_steps}, 1);
}

static wk_status read_state(const json_t *json, wk_fit_state *state) {
  *state = (wk_fit_state){0};
  if (!json) return WK_OK;
  const number numbers[] = {{"epoch", &state->epoch},
                            {"batch", &state->batch},
                            {"step", &state->step},
                            {"loader_epoch", &state->loader_epoch}};
  wk_status status = read_counts(json, "run", numbers, 4);
  if (status == WK_OK) status = read_score(json_object_get(json, "running"), &state->running);
  if (status == WK_OK) status = read_score(json_object_get(json, "window"), &state->window);
  if (status == WK_OK) status = read_scaler(json_object_get(json, "scaler"), state);
  return status;
}

static json_t *read_metadata(const wk_safetensors *file) {
  json_t *json = wk_model_file_metadata(file, key);
  if (!json || json_integer_value(json_object_get(json, "version")) == VERSION) return json;
  json_decref(json);
  wk_fail(WK_ERROR_UNSUPPORTED,
          "the checkpoint has another version than %d, which this Wick (%s) "
          "reads",
          VERSION, wk_version());
  return NULL;
}

/* ---- tensors ---- */

static char *slot_name(const wk_optimizer_type *type, int slot, const wk_tensor *parameter) {
  wk_text name = {0};
  wk_text_append(&name, WK_CHECKPOINT_PREFIX "%s.%s", type->slots[slot].name,
                 wk_tensor_name(parameter));
  return name.data;
}

static wk_status add_slot(wk_safetensors_writer *writer, wk_optimizer *optimizer, int slot,
                          size_t parameter, const wk_parameters *set) {
  char *name = slot_name(wk_optimizer_type_of(optimizer), slot, wk_parameters_get(set, parameter));
  wk_tensor *tensor = wk_optimizer_slot(optimizer, slot, parameter);
  if (name && tensor) wk_safetensors_writer_add(writer, name, tensor);
  wk_tensor_release(tensor);
  wk_deallocate(name);
  return wk_error_status();
}

static wk_status add_slots(wk_safetensors_writer *writer, wk_module *module,
                           wk_optimizer *optimizer) {
  const wk_parameters *set = wk_module_parameters(module);
  wk_status status = wk_error_status();
  for (int slot = 0; slot < wk_optimizer_type_of(optimizer)->slot_count; slot++)
    for (size_t i = 0; wk_optimizer_slot_exists(optimizer, slot) && status == WK_OK &&
                       i < wk_parameters_count(set);
         i++)
      status = add_slot(writer, optimizer, slot, i, set);
  return status;
}

/* What is to be restored: values[slot + 1][i], slot -1 being the parameters themselves. They
 * belong to the innermost scope. A slot that was not in use when the checkpoint was written is NULL
 * throughout. */
typedef struct restored {
  wk_parameters *set;
  wk_optimizer *optimizer;
  size_t count;
  wk_tensor **values;
} restored;

static bool holds(const wk_safetensors *file, const char *name) {
  for (size_t i = 0; i < wk_safetensors_count(file); i++)
    if (strcmp(wk_safetensors_name(file, i), name) == 0) return true;
  return false;
}

/* Reads a slot, or the parameters; a slot is there for all of them or for none. */
static size_t read_part(const wk_safetensors *file, restored *r, int slot) {
  const wk_optimizer_type *type = wk_optimizer_type_of(r->optimizer);
  size_t found = 0;
  for (size_t i = 0; i < r->count && !wk_failed(); i++) {
    const wk_tensor *parameter = wk_parameters_get(r->set, i);
    char *name = slot < 0 ? wk_duplicate_string(wk_tensor_name(parameter))
                          : slot_name(type, slot, parameter);
    if (name && slot >= 0 && i == 0 && !holds(file, name)) {
      wk_deallocate(name);
      return 0;
    }
    if (name)
      r->values[(size_t)(slot + 1) * r->count + i] =
          wk_model_file_tensor(file, name, wk_tensor_shape(parameter), wk_tensor_dtype(parameter));
    found++;
    wk_deallocate(name);
  }
  return found;
}

static wk_status read_tensors(const wk_safetensors *file, restored *r) {
  const wk_optimizer_type *type = wk_optimizer_type_of(r->optimizer);
  const size_t parts = (size_t)type->slot_count + 1;
  size_t found = 0;
  r->count = wk_parameters_count(r->set);
  r->values = wk_allocate_zeroed(parts * r->count + 1, sizeof *r->values);
  for (int slot = -1; slot < type->slot_count && !wk_failed(); slot++)
    found += read_part(file, r, slot);
  if (!wk_failed() && wk_safetensors_count(file) != found)
    return wk_fail(WK_ERROR_FORMAT,
                   "the checkpoint holds %zu tensors, but this network and its "
                   "optimizer %s have %zu",
                   wk_safetensors_count(file), type->name, found);
  return wk_error_status();
}

static wk_status write_part(const restored *r, int slot) {
  wk_tensor **values = r->values + (size_t)(slot + 1) * r->count;
  if (slot >= 0) wk_optimizer_forget_slot(r->optimizer, slot);
  for (size_t i = 0; i < r->count && values[i] && !wk_failed(); i++) {
    wk_tensor *to = slot < 0 ? wk_tensor_retain(wk_parameters_get(r->set, i))
                             : wk_optimizer_slot(r->optimizer, slot, i);
    if (to)
      wk_tensor_write(to, wk_tensor_data(values[i]),
                      (size_t)wk_tensor_count(values[i]) *
                          wk_dtype_size(wk_tensor_dtype(values[i])));
    wk_tensor_release(to);
  }
  return wk_error_status();
}

static wk_status write_tensors(const restored *r) {
  WK_NO_GRADIENT;
  wk_status status = WK_OK;
  for (int slot = -1; slot < wk_optimizer_type_of(r->optimizer)->slot_count && status == WK_OK;
       slot++)
    status = write_part(r, slot);
  return status;
}

/* ---- the parts of reading one ---- */

static wk_status restore_loader(const json_t *json, wk_loader *training) {
  int64_t epoch = 0, batch = 0, batches = 0, examples = 0;
  const number numbers[] = {{"epoch", &epoch},
                            {"batch", &batch},
                            {"batches", &batches},
                            {"examples", &examples}};
  const wk_status status = read_counts(json, "loader", numbers, 4);
  if (status < 0) return status;
  const int64_t have = wk_dataset_count(wk_loader_dataset(training));
  if (batches != wk_loader_batch_count(training) || examples != have)
    return wk_fail(WK_ERROR_STATE,
                   "the checkpoint was made with %lld batches of %lld examples; now there are %lld "
                   "batches of %lld",
                   (long long)batches, (long long)examples,
                   (long long)wk_loader_batch_count(training), (long long)have);
  return wk_loader_seek(training, epoch, batch);
}

static wk_status restore_optimizer(const json_t *json, wk_optimizer *optimizer) {
  const wk_optimizer_type *type = wk_optimizer_type_of(optimizer);
  const char *name = json_string_value(json_object_get(json, "name"));
  if (!name || strcmp(name, type->name) != 0)
    return wk_fail(WK_ERROR_STATE, "the checkpoint is of the optimizer %s, not of %s",
                   name ? name : "?", type->name);
  int64_t steps = 0;
  wk_status status = read_counts(json, "optimizer", &(number){"steps", &steps}, 1);
  void *settings = status == WK_OK ? wk_allocate(type->settings.size) : NULL;
  if (!settings) return wk_error_status();
  memcpy(settings, wk_optimizer_settings(optimizer), type->settings.size);
  status = wk_settings_from_json(&type->settings, type->name, json_object_get(json, "settings"),
                                 settings);
  if (status == WK_OK) status = wk_optimizer_set_settings(optimizer, settings);
  if (status == WK_OK) wk_optimizer_set_step_count(optimizer, steps);
  wk_deallocate(settings);
  return status;
}

/* Everything that can fail comes before what changes the network. */
static wk_status restore(const wk_safetensors *file, const json_t *metadata, wk_module *module,
                         wk_optimizer *optimizer, wk_loader *training, wk_fit_state *state) {
  WK_SCOPE;
  restored r = {.set = wk_module_parameters(module), .optimizer = optimizer};
  int64_t seed = 0, offset = 0;
  const number numbers[] = {{"seed", &seed}, {"offset", &offset}};
  wk_status status = r.set ? read_tensors(file, &r) : wk_error_status();
  if (status == WK_OK) status = read_state(json_object_get(metadata, "fit"), state);
  if (status == WK_OK)
    status = read_numbers(json_object_get(metadata, "generator"), "generator", numbers, 2);
  if (status == WK_OK) status = restore_loader(json_object_get(metadata, "loader"), training);
  if (status == WK_OK)
    status = restore_optimizer(json_object_get(metadata, "optimizer"), optimizer);
  if (status == WK_OK) status = write_tensors(&r);
  if (status == WK_OK) wk_generator_set(wk_generator_default(), (uint64_t)seed, (uint64_t)offset);
  wk_deallocate(r.values);
  return status;
}

static void explain_resume(const char *path) {
  if (wk_error_status() == WK_ERROR_NOT_FOUND)
    wk_error_add_hint_first("wk_fit writes checkpoints into its run_folder; the first run goes "
                            "without .resume");
  wk_error_wrap("cannot resume from %s", path);
}

/* ---- entry points ---- */

static wk_status check(const char *path, const wk_module *module, const wk_optimizer *optimizer,
                       const wk_loader *training) {
  if (path && module && optimizer && training) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "a checkpoint needs a path, a network, an optimizer and a "
                                    "loader");
}

wk_status wk_checkpoint_write(const char *path, wk_module *module, wk_optimizer *optimizer,
                              wk_loader *training, const wk_fit_state *state) {
  if (wk_failed()) return wk_error_pending;
  if (check(path, module, optimizer, training) < 0) return wk_error_pending;
  wk_safetensors_writer *writer = wk_safetensors_writer_create();
  char *text = writer ? describe(optimizer, training, state) : NULL;
  wk_status status = text ? wk_model_file_write(writer, module) : wk_error_status();
  if (status == WK_OK) status = wk_safetensors_writer_set(writer, key, text);
  if (status == WK_OK) status = add_slots(writer, module, optimizer);
  if (status == WK_OK) status = wk_safetensors_writer_save(writer, path);
  free(text); /* jansson's */
  wk_safetensors_writer_free(writer);
  wk_error_add_op("checkpoint_save");
  return wk_error_status();
}

wk_status wk_checkpoint_read(const char *path, wk_module *module, wk_optimizer *optimizer,
                             wk_loader *training, wk_fit_state *state) {
  if (wk_failed()) return wk_error_pending;
  if (check(path, module, optimizer, training) < 0) return wk_error_pending;
  wk_fit_state unwanted;
  wk_safetensors *file = wk_safetensors_open(path);
  json_t *metadata = file ? read_metadata(file) : NULL;
  if (!file || !metadata ||
      restore(file, metadata, module, optimizer, training, state ? state : &unwanted) < 0)
    explain_resume(path);
  json_decref(metadata);
  wk_safetensors_free(file);
  wk_error_add_op("checkpoint_load");
  return wk_error_status();
}

wk_status wk_checkpoint_state(const char *path, wk_fit_state *state) {
  if (wk_failed()) return wk_error_pending;
  wk_safetensors *file = wk_safetensors_open(path);
  json_t *metadata = file ? read_metadata(file) : NULL;
  if (metadata) read_state(json_object_get(metadata, "fit"), state);
  json_decref(metadata);
  wk_safetensors_free(file);
  return wk_error_status();
}

wk_status wk_checkpoint_save_at(wk_place here, const char *path, wk_module *module,
                                wk_optimizer *optimizer, wk_loader *training) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = wk_checkpoint_write(path, module, optimizer, training, NULL);
  wk_error_add_call("checkpoint_save", here);
  return status;
}

wk_status wk_checkpoint_load_at(wk_place here, const char *path, wk_module *module,
                                wk_optimizer *optimizer, wk_loader *training) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = wk_checkpoint_read(path, module, optimizer, training, NULL);
  wk_error_add_call("checkpoint_load", here);
  return status;
}
