/* SPDX-License-Identifier: Apache-2.0 */

/* The module types of a program's own that model files may name. */

#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "nn/module.h"

static struct {
  pthread_mutex_t lock;
  const wk_module_type **types;
  size_t count, capacity;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void forget(void) {
  pthread_mutex_lock(&registry.lock);
  wk_deallocate(registry.types);
  registry.types = NULL;
  registry.count = registry.capacity = 0;
  pthread_mutex_unlock(&registry.lock);
}

static const wk_module_type *find(const char *name) {
  for (size_t i = 0; i < registry.count; i++)
    if (strcmp(registry.types[i]->name, name) == 0) return registry.types[i];
  return NULL;
}

static bool is_ours(const char *name) {
  for (int i = 0; i < wk_layer_table_count; i++)
    if (strcmp(wk_layer_table[i].name, name) == 0) return true;
  return strcmp(wk_sequential_type.name, name) == 0;
}

static wk_status add(const wk_module_type *type) {
  const wk_module_type *known = find(type->name);
  if (known == type) return WK_OK;
  if (known || is_ours(type->name))
    return wk_fail(WK_ERROR_ARGUMENT, "there is a module type called %s already", type->name);
  if (!wk_grow(&registry.types, &registry.capacity, registry.count, sizeof *registry.types))
    return wk_error_status();
  registry.types[registry.count++] = type;
  wk_at_shutdown(forget);
  return WK_OK;
}

static wk_status check_and_add(const wk_module_type *type) {
  if (!type || type->struct_size < sizeof *type || !type->name || !type->save || !type->load)
    return wk_fail(WK_ERROR_ARGUMENT,
                   "a module type to register needs its struct_size, a name, save and load");
  wk_at_fork_lock(&registry.lock);
  pthread_mutex_lock(&registry.lock);
  const wk_status status = add(type);
  pthread_mutex_unlock(&registry.lock);
  return status;
}

wk_status wk_module_register_at(wk_place here, const wk_module_type *type) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status = check_and_add(type);
  wk_error_add_call("module_register", here);
  return status;
}

const wk_module_type *wk_module_type_find(const char *name) {
  wk_at_fork_lock(&registry.lock);
  pthread_mutex_lock(&registry.lock);
  const wk_module_type *type = find(name);
  pthread_mutex_unlock(&registry.lock);
  return type;
}
