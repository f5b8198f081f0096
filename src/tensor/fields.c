/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/fields.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static uint64_t read(const wk_field *field) {
  uint64_t value = 0;
  memcpy(&value, field->address, field->size);
  return value;
}

void wk_field_add(wk_tensor *owner, void *address, size_t size, bool guarded) {
  wk_field_journal *j = wk_fields_noted;
  for (size_t i = 0; i < j->count; i++)
    if (j->fields[i].address == address) return;
  if (!wk_grow(&j->fields, &j->capacity, j->count, sizeof *j->fields)) {
    j->failed = true; /* the error is pending */
    return;
  }
  wk_field *field = &j->fields[j->count++];
  *field = (wk_field){.address = address,
                      .size = size,
                      .owner = wk_tensor_retain(owner),
                      .guarded = guarded};
  field->before = field->after = read(field);
}

void wk_written_add(wk_root *root) {
  wk_field_journal *j = wk_fields_noted;
  for (size_t i = 0; i < j->written_count; i++)
    if (j->written[i].root == root) return;
  if (!wk_grow(&j->written, &j->written_capacity, j->written_count, sizeof *j->written)) {
    j->failed = true;
    return;
  }
  j->written[j->written_count++] = (wk_written){wk_root_retain(root), atomic_load(&root->version)};
}

void wk_fields_restore(wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++) {
    wk_field *field = &j->fields[i];
    field->after = read(field);
    if (field->after != field->before) /* others may read it now */
      memcpy(field->address, &field->before, field->size);
  }
  for (size_t i = 0; i < j->written_count; i++)
    atomic_store(&j->written[i].root->version, j->written[i].version_before);
}

uint64_t *wk_fields_look(const wk_field_journal *j) {
  uint64_t *values = wk_allocate_zeroed(j->count + 1, sizeof *values);
  for (size_t i = 0; values && i < j->count; i++) values[i] = read(&j->fields[i]);
  return values;
}

bool wk_fields_same(const wk_field_journal *j, const uint64_t *then, size_t count, bool back) {
  bool same = true;
  for (size_t i = 0; i < j->count; i++) {
    const wk_field *field = &j->fields[i];
    const uint64_t value = i < count ? then[i] : field->before;
    const bool own = field->owner && field->owner->root->storage->traced;
    if (own || !field->guarded || read(field) == value) continue;
    same = false;
    if (back) memcpy(field->address, &value, field->size);
  }
  return same;
}

wk_status wk_fields_refuse(const char *what) {
  if (!wk_fields_noted) return WK_OK;
  wk_fail(WK_ERROR_STATE, "%s while a function is compiled", what);
  wk_error_add_hint("do it outside of the function, before or between its calls");
  return WK_ERROR_STATE;
}

void wk_fields_begin(wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++)
    if (!j->fields[i].guarded) j->fields[i].before = read(&j->fields[i]);
}

void wk_fields_undo(const wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++)
    memcpy(j->fields[i].address, &j->fields[i].before, j->fields[i].size);
}

bool wk_fields_hold(const wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++)
    if (j->fields[i].guarded && read(&j->fields[i]) != j->fields[i].before) return false;
  return true;
}

void wk_fields_apply(const wk_field_journal *j) {
  for (size_t i = 0; i < j->count; i++) {
    const wk_field *field = &j->fields[i];
    if (field->guarded && field->after != field->before)
      memcpy(field->address, &field->after, field->size);
  }
  for (size_t i = 0; i < j->written_count; i++)
    atomic_fetch_add_explicit(&j->written[i].root->version, 1, memory_order_release);
}

void wk_fields_free(wk_field_journal *j) {
  for (size_t i = 0; i < j->written_count; i++) wk_root_release(j->written[i].root);
  for (size_t i = 0; i < j->count; i++) wk_tensor_release(j->fields[i].owner);
  wk_deallocate(j->written);
  wk_deallocate(j->fields);
  *j = (wk_field_journal){0};
}
