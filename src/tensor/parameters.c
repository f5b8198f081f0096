/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/parameters.h"
#include "tensor/fields.h"

#include <string.h>

#include "base/memory.h"

#define SEGMENT_ALIGNMENT 64 /* bytes */

wk_parameters *wk_parameters_create(void) {
  if (wk_failed()) return NULL;
  return wk_allocate_zeroed(1, sizeof(wk_parameters));
}

void wk_parameters_free(wk_parameters *set) {
  if (!set) return;
  for (size_t i = 0; i < set->segment_count; i++) {
    wk_tensor *tensor = set->segments[i].tensor;
    /* A tensor that somebody else holds too lives on by itself, in the memory it shares. */
    if (tensor->leaf) tensor->leaf->set = NULL;
    wk_tensor_release(tensor);
  }
  for (size_t i = 0; i < set->chunk_count; i++) {
    wk_storage_release(set->chunks[i].values);
    wk_storage_release(set->chunks[i].gradients);
  }
  wk_deallocate(set->segments);
  wk_deallocate(set->chunks);
  wk_deallocate(set);
}

/* ---- asking ---- */

size_t wk_parameters_count(const wk_parameters *set) { return set ? set->segment_count : 0; }

int64_t wk_parameters_element_count(const wk_parameters *set) {
  int64_t count = 0;
  for (size_t i = 0; set && i < set->segment_count; i++) count += set->segments[i].count;
  return count;
}

wk_tensor *wk_parameters_get(const wk_parameters *set, size_t index) {
  return index < wk_parameters_count(set) ? set->segments[index].tensor : NULL;
}

wk_tensor *wk_parameters_find(const wk_parameters *set, const char *name) {
  for (size_t i = 0; name && i < wk_parameters_count(set); i++)
    if (!strcmp(wk_tensor_name(set->segments[i].tensor), name)) return set->segments[i].tensor;
  return NULL;
}

wk_status wk_parameters_freeze_at(wk_place here, wk_parameters *set, size_t index, bool frozen) {
  if (wk_failed()) return wk_error_pending;
  wk_tensor *tensor = wk_parameters_get(set, index);
  if (tensor) WK_NOTE_FIELD(tensor, tensor->frozen);
  if (tensor)
    tensor->frozen = frozen || tensor->buffer;
  else if (set)
    wk_fail(WK_ERROR_NOT_FOUND, "there is no parameter %zu among %zu", index,
            wk_parameters_count(set));
  else
    wk_fail(WK_ERROR_ARGUMENT, "the parameter set is NULL");
  wk_error_add_call("parameters_freeze", here);
  return wk_error_status();
}

/* ---- collecting ---- */

static wk_status check_new(const wk_parameters *set, const wk_tensor *tensor) {
  if (wk_failed()) return wk_error_pending;
  if (!tensor || !tensor->name) return wk_fail(WK_ERROR_ARGUMENT, "a parameter needs a name");
  if (set->chunk_count)
    return wk_fail(WK_ERROR_STATE, "%s: the parameters are laid out already", tensor->name);
  if (wk_parameters_find(set, tensor->name))
    return wk_fail(WK_ERROR_ARGUMENT, "there are two parameters called %s", tensor->name);
  if (tensor->layout.dtype != WK_F32 && tensor->layout.dtype != WK_F64)
    return wk_fail(WK_ERROR_DTYPE, "%s: a parameter is f32 or f64, not %s", tensor->name,
                   wk_dtype_name(tensor->layout.dtype));
  if (!wk_layout_is_contiguous(&tensor->layout))
    return wk_fail(WK_ERROR_ARGUMENT, "%s: a parameter must be contiguous", tensor->name);
  return WK_OK;
}

wk_status wk_parameters_add(wk_parameters *set, wk_tensor *tensor) {
  wk_status status = check_new(set, tensor);
  if (!status &&
      !wk_grow(&set->segments, &set->segment_capacity, set->segment_count, sizeof *set->segments))
    status = WK_ERROR_MEMORY;
  if (status) {
    wk_tensor_release(tensor);
    return status;
  }
  tensor->requires_gradient = true;
  set->segments[set->segment_count++] =
      (wk_segment){.tensor = tensor, .count = wk_tensor_count(tensor)};
  return WK_OK;
}

/* ---- laying out ---- */

static size_t chunk_bytes(const wk_chunk *chunk) {
  return (size_t)chunk->count * wk_dtype_size(chunk->dtype);
}

/* A storage like the chunk's values, all zero. */
static wk_storage *create_zeroed(const wk_chunk *chunk) {
  wk_device *device = chunk->device;
  const size_t size = chunk_bytes(chunk);
  wk_storage *storage = wk_storage_create(device, size);
  if (!storage) return NULL;
  if (device->host_memory) {
    memset(storage->data, 0, size);
    return storage;
  }
  void *zeros = wk_allocate_zeroed(size, 1);
  if (zeros && !device->functions->from_host(device, storage->data, zeros, size, &device->stream)) {
    wk_deallocate(zeros);
    return storage;
  }
  wk_deallocate(zeros);
  wk_storage_release(storage);
  return NULL;
}

/* The chunk for a tensor's device and dtype, added if there is none. */
static wk_chunk *find_chunk(wk_parameters *set, const wk_tensor *tensor) {
  wk_device *device = wk_tensor_device_of(tensor);
  for (size_t i = 0; i < set->chunk_count; i++)
    if (set->chunks[i].device == device && set->chunks[i].dtype == tensor->layout.dtype &&
        set->chunks[i].row_sparse == tensor->row_sparse)
      return &set->chunks[i];
  if (!wk_grow(&set->chunks, &set->chunk_capacity, set->chunk_count, sizeof *set->chunks))
    return NULL;
  wk_chunk *chunk = &set->chunks[set->chunk_count++];
  *chunk =
      (wk_chunk){.device = device, .dtype = tensor->layout.dtype, .row_sparse = tensor->row_sparse};
  return chunk;
}

static wk_status place_segments(wk_parameters *set) {
  for (size_t i = 0; i < set->segment_count; i++) {
    wk_segment *segment = &set->segments[i];
    wk_chunk *chunk = find_chunk(set, segment->tensor);
    if (!chunk) return WK_ERROR_MEMORY;
    const int64_t unit = SEGMENT_ALIGNMENT / (int64_t)wk_dtype_size(chunk->dtype);
    segment->chunk = (size_t)(chunk - set->chunks);
    segment->start = chunk->count;
    segment->padded = (segment->count + unit - 1) / unit * unit;
    chunk->count += segment->padded;
  }
  return WK_OK;
}

wk_leaf *wk_leaf_ensure(wk_tensor *tensor) {
  if (!tensor->leaf) tensor->leaf = wk_allocate_zeroed(1, sizeof *tensor->leaf);
  return tensor->leaf;
}

static size_t segment_offset(const wk_parameters *set, const wk_segment *segment) {
  return (size_t)segment->start * wk_dtype_size(set->chunks[segment->chunk].dtype);
}

/* Makes a segment's new root and copies the values there. */
static wk_root *create_root(const wk_parameters *set, const wk_segment *segment) {
  wk_root *root = wk_root_create(set->chunks[segment->chunk].values, segment_offset(set, segment));
  wk_tensor *moved = root ? wk_tensor_on_root(root, &segment->tensor->layout, 0) : NULL;
  const wk_status status = moved ? wk_tensor_copy_values(moved, segment->tensor) : WK_ERROR_MEMORY;
  wk_tensor_release(moved);
  if (!status) return root;
  wk_root_release(root);
  return NULL;
}

/* Everything that can fail, without touching the tensors' memory; `roots` are the new ones. */
static wk_status prepare(wk_parameters *set, wk_root **roots) {
  const wk_status status = place_segments(set);
  if (status) return status;
  for (size_t i = 0; i < set->chunk_count; i++)
    if (!(set->chunks[i].values = create_zeroed(&set->chunks[i]))) return wk_error_pending;
  for (size_t i = 0; i < set->segment_count; i++) {
    if (!wk_leaf_ensure(set->segments[i].tensor)) return wk_error_pending;
    if (!(roots[i] = create_root(set, &set->segments[i]))) return wk_error_pending;
  }
  return WK_OK;
}

static void move_segments(wk_parameters *set, wk_root **roots) {
  for (size_t i = 0; i < set->segment_count; i++) {
    wk_tensor *tensor = set->segments[i].tensor;
    wk_root_release(tensor->root);
    tensor->root = roots[i], tensor->offset = 0;
    wk_layout_set_strides(&tensor->layout);
    wk_tensor_release(tensor->leaf->gradient);
    wk_leaf_forget_rows(tensor->leaf);
    *tensor->leaf = (wk_leaf){.set = set, .segment = i, .hooks = tensor->leaf->hooks};
  }
}

wk_status wk_parameters_lay_out(wk_parameters *set) {
  if (wk_failed()) return wk_error_pending;
  if (set->chunk_count) return wk_fail(WK_ERROR_STATE, "the parameters are laid out already");
  wk_root **roots = wk_allocate_zeroed(set->segment_count, sizeof *roots);
  if (!roots) return wk_error_pending;
  const wk_status status = prepare(set, roots);
  if (!status) {
    move_segments(set, roots);
  } else {
    for (size_t i = 0; i < set->segment_count; i++) wk_root_release(roots[i]);
    for (size_t i = 0; i < set->chunk_count; i++) wk_storage_release(set->chunks[i].values);
    set->chunk_count = 0;
  }
  wk_deallocate(roots);
  return status;
}

/* ---- gradients ---- */

/* A tensor like the leaf in the place of the set's gradients that matches its own. */
static wk_tensor *create_gradient_in_set(const wk_tensor *leaf) {
  const wk_parameters *set = leaf->leaf->set;
  const wk_segment *segment = &set->segments[leaf->leaf->segment];
  wk_chunk *chunk = &set->chunks[segment->chunk];
  if (!chunk->gradients && !(chunk->gradients = create_zeroed(chunk))) return NULL;
  return wk_tensor_on_storage(chunk->gradients, segment_offset(set, segment), &leaf->layout);
}

wk_tensor *wk_leaf_gradient(wk_tensor *leaf) {
  if (wk_failed() || !wk_leaf_ensure(leaf)) return NULL;
  if (!leaf->leaf->gradient)
    leaf->leaf->gradient = leaf->leaf->set
                               ? create_gradient_in_set(leaf)
                               : wk_tensor_create(&leaf->layout, wk_tensor_device_of(leaf));
  return leaf->leaf->gradient;
}

/* ---- passes over segments ---- */

bool wk_segment_takes_part(const wk_segment *segment) {
  wk_tensor *tensor = segment->tensor;
  const wk_leaf *leaf = tensor->leaf;
  WK_NOTE_FIELD(tensor, tensor->frozen);
  if (leaf) WK_NOTE_FIELD(tensor, tensor->leaf->valid);
  return !tensor->frozen && leaf && leaf->gradient && leaf->valid && !leaf->rows;
}

static wk_status each_run_of_chunk(wk_parameters *set, const uint32_t *groups, size_t chunk,
                                   wk_segment_run run, void *context) {
  int64_t start = 0, count = 0;
  uint32_t group = 0;
  for (size_t i = 0; i < set->segment_count; i++) {
    const wk_segment *segment = &set->segments[i];
    if (segment->chunk != chunk) continue;
    const bool takes_part = wk_segment_takes_part(segment);
    const uint32_t own = groups ? groups[i] : 0;
    if (count && (!takes_part || own != group)) {
      const wk_status status = run(context, group, chunk, start, count);
      if (status < 0) return status;
      count = 0;
    }
    if (!takes_part) continue;
    if (!count) start = segment->start, group = own;
    count += segment->padded;
  }
  return count ? run(context, group, chunk, start, count) : WK_OK;
}

wk_status wk_parameters_each_run(wk_parameters *set, const uint32_t *groups, wk_segment_run run,
                                 void *context) {
  if (wk_failed()) return wk_error_pending;
  for (size_t i = 0; i < set->chunk_count; i++) {
    const wk_status status = each_run_of_chunk(set, groups, i, run, context);
    if (status < 0) return status;
  }
  return WK_OK;
}

wk_status wk_parameters_each_rows(wk_parameters *set, wk_row_visit visit, void *context) {
  if (wk_failed()) return wk_error_pending;
  for (size_t i = 0; i < set->segment_count; i++) {
    const wk_tensor *tensor = set->segments[i].tensor;
    if (tensor->frozen || !tensor->leaf->valid || !tensor->leaf->rows) continue;
    const wk_status status = visit(context, i);
    if (status < 0) return status;
  }
  return WK_OK;
}

void wk_parameters_mark_written(wk_parameters *set, size_t chunk, int64_t start, int64_t count) {
  for (size_t i = 0; i < set->segment_count; i++) {
    const wk_segment *segment = &set->segments[i];
    if (segment->chunk == chunk && segment->start < start + count &&
        start < segment->start + segment->count)
      wk_tensor_mark_written(segment->tensor);
  }
}

wk_tensor *wk_chunk_view(const wk_chunk *chunk, wk_storage *storage, int64_t start, int64_t count) {
  wk_layout layout;
  if (!wk_layout_contiguous(&layout, chunk->dtype, &WK_SHAPE(count))) return NULL;
  return wk_tensor_on_storage(storage, (size_t)start * wk_dtype_size(chunk->dtype), &layout);
}
