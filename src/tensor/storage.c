/* SPDX-License-Identifier: Apache-2.0 */

/* Storage and alias roots: what tensors stand on. */

#include "base/memory.h"
#include "tensor/live.h"

wk_storage *wk_storage_create(wk_device *device, size_t size) {
  if (wk_failed()) return NULL;
  wk_storage *storage = wk_allocate(sizeof *storage);
  if (!storage) return NULL;
  device = wk_device_or_default(device);
  *storage = (wk_storage){.references = 1, .device = device, .size = size};
  storage->data = device->functions->allocate(device, size, &device->stream);
  if (storage->data) return storage;
  if (wk_error_pending == WK_ERROR_MEMORY) wk_live_explain();
  wk_deallocate(storage);
  return NULL;
}

wk_storage *wk_storage_retain(wk_storage *storage) {
  if (storage) atomic_fetch_add_explicit(&storage->references, 1, memory_order_relaxed);
  return storage;
}

void wk_storage_release(wk_storage *storage) {
  if (!storage) return;
  if (atomic_fetch_sub_explicit(&storage->references, 1, memory_order_acq_rel) > 1) return;
  wk_device *device = storage->device;
  if (storage->destroy)
    storage->destroy(storage);
  else
    device->functions->free(device, storage->data, storage->size, &device->stream);
  wk_deallocate(storage);
}

wk_root *wk_root_create(wk_storage *storage, size_t offset) {
  if (wk_failed()) return NULL;
  wk_root *root = wk_allocate(sizeof *root);
  if (!root) return NULL;
  *root = (wk_root){.references = 1, .storage = wk_storage_retain(storage), .offset = offset};
  return root;
}

wk_root *wk_root_retain(wk_root *root) {
  if (root) atomic_fetch_add_explicit(&root->references, 1, memory_order_relaxed);
  return root;
}

void wk_root_release(wk_root *root) {
  if (!root) return;
  if (atomic_fetch_sub_explicit(&root->references, 1, memory_order_acq_rel) > 1) return;
  wk_storage_release(root->storage);
  wk_deallocate(root);
}
