/* SPDX-License-Identifier: Apache-2.0 */

/* Storage and alias roots: what tensors stand on. */

#include "base/memory.h"
#include "base/small.h"
#include "tensor/live.h"

/* What a new tensor stands on, made in one. A root holds its storage, so that the storage, which
 * goes last, takes the memory of both along. */
typedef struct ground {
  wk_root root;
  wk_storage storage;
} ground;

static bool get_memory(wk_storage *storage) {
  wk_device *device = storage->device;
  storage->data = device->functions->allocate(device, storage->size, &device->stream);
  if (storage->data) return true;
  if (wk_error_pending == WK_ERROR_MEMORY) wk_live_explain();
  return false;
}

wk_storage *wk_storage_create(wk_device *device, size_t size) {
  if (wk_failed()) return NULL;
  wk_storage *storage = wk_allocate(sizeof *storage);
  if (!storage) return NULL;
  *storage = (wk_storage){.references = 1, .device = wk_device_or_default(device), .size = size};
  if (get_memory(storage)) return storage;
  wk_deallocate(storage);
  return NULL;
}

wk_storage *wk_storage_retain(wk_storage *storage) {
  if (storage) atomic_fetch_add_explicit(&storage->references, 1, memory_order_relaxed);
  return storage;
}

void wk_storage_release(wk_storage *storage) {
  if (!storage || !wk_drop_reference(&storage->references)) return;
  wk_device *device = storage->device;
  if (storage->destroy)
    storage->destroy(storage);
  else
    device->functions->free(device, storage->data, storage->size, &device->stream);
  if (storage->in_ground)
    wk_small_deallocate((char *)storage - offsetof(ground, storage), sizeof(ground));
  else
    wk_deallocate(storage);
}

wk_root *wk_root_create(wk_storage *storage, size_t offset) {
  if (wk_failed()) return NULL;
  wk_root *root = wk_small_allocate(sizeof *root);
  if (!root) return NULL;
  *root = (wk_root){.references = 1, .storage = wk_storage_retain(storage), .offset = offset};
  return root;
}

wk_root *wk_root_create_fresh(wk_device *device, size_t size) {
  ground *g = wk_small_allocate(sizeof *g);
  if (!g) return NULL;
  g->storage = (wk_storage){.references = 1,
                            .device = wk_device_or_default(device),
                            .size = size,
                            .in_ground = true};
  g->root = (wk_root){.references = 1, .storage = &g->storage, .in_ground = true};
  if (get_memory(&g->storage)) return &g->root;
  wk_small_deallocate(g, sizeof *g);
  return NULL;
}

void wk_root_release(wk_root *root) {
  if (!root || !wk_drop_reference(&root->references)) return;
  wk_storage *storage = root->storage;
  if (!root->in_ground) wk_small_deallocate(root, sizeof *root);
  wk_storage_release(storage);
}
