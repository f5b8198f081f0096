/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors exchanged with other libraries as DLPack has it. */
#include <wick/dlpack.h>

#include "base/memory.h"
#include "tensor/tensor.h"

static const struct pair {
  wk_dtype dtype;
  uint8_t code, bits;
} types[] = {
    {WK_F32, kDLFloat, 32},   {WK_F64, kDLFloat, 64}, {WK_F16, kDLFloat, 16},
    {WK_BF16, kDLBfloat, 16}, {WK_I64, kDLInt, 64},   {WK_I32, kDLInt, 32},
    {WK_I16, kDLInt, 16},     {WK_I8, kDLInt, 8},     {WK_U8, kDLUInt, 8},
    {WK_BOOL, kDLBool, 8},
};
#define TYPE_COUNT (sizeof types / sizeof *types)

/* ---- out ---- */

typedef struct lent {
  DLManagedTensorVersioned managed;
  wk_root *root; /* owned */
  int64_t dims[WK_MAX_RANK], strides[WK_MAX_RANK];
} lent;

static void give_back(DLManagedTensorVersioned *managed) {
  lent *l = managed->manager_ctx;
  wk_root_release(l->root);
  wk_deallocate(l);
}

static wk_status check_lendable(const wk_tensor *tensor) {
  if (!tensor) return wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (!wk_tensor_device_of(tensor)->host_memory)
    return wk_fail(WK_ERROR_UNSUPPORTED, "the tensor is on %s, whose memory the host cannot reach",
                   wk_tensor_device_of(tensor)->name);
  if (wk_tensor_check_values(tensor) != WK_OK) return wk_error_status();
  if (!tensor->requires_gradient) return WK_OK;
  wk_fail(WK_ERROR_STATE, "a tensor that requires a gradient cannot be handed out: the other "
                          "library's changes to it would not be recorded");
  wk_error_add_hint("wk_detach gives the same values without their history");
  return WK_ERROR_STATE;
}

static DLDataType type_of(wk_dtype dtype) {
  DLDataType type = {.lanes = 1};
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (types[i].dtype == dtype) type.code = types[i].code, type.bits = types[i].bits;
  return type;
}

DLManagedTensorVersioned *wk_tensor_to_dlpack_at(wk_place here, wk_tensor *tensor) {
  if (wk_failed()) return NULL;
  lent *l = check_lendable(tensor) == WK_OK ? wk_allocate_zeroed(1, sizeof *l) : NULL;
  if (!l) {
    wk_error_add_call("tensor_to_dlpack", here);
    return NULL;
  }
  const wk_layout *layout = &tensor->layout;
  for (int i = 0; i < layout->rank; i++)
    l->dims[i] = layout->dims[i], l->strides[i] = layout->strides[i];
  l->root = wk_root_retain(tensor->root);
  const bool read_only = tensor->root->storage->read_only;
  l->managed = (DLManagedTensorVersioned){
      .version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION},
      .manager_ctx = l,
      .deleter = give_back,
      .flags = read_only ? DLPACK_FLAG_BITMASK_READ_ONLY : 0,
      .dl_tensor = {.data = wk_tensor_data(tensor),
                    .device = {.device_type = kDLCPU},
                    .ndim = layout->rank,
                    .dtype = type_of(layout->dtype),
                    .shape = l->dims,
                    .strides = l->strides},
  };
  return &l->managed;
}

/* ---- in ---- */

/* Storage over the other library's memory, which is let go with it. */
typedef struct borrowed {
  wk_storage storage;
  void *managed;
  void (*delete)(void *managed);
} borrowed;

static void delete_versioned(void *managed) {
  DLManagedTensorVersioned *m = managed;
  if (m->deleter) m->deleter(m);
}

static void delete_legacy(void *managed) {
  DLManagedTensor *m = managed;
  if (m->deleter) m->deleter(m);
}

static void let_go(wk_storage *storage) {
  borrowed *b = (borrowed *)storage;
  b->delete (b->managed);
}

static wk_dtype dtype_of(DLDataType type) {
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (types[i].code == type.code && types[i].bits == type.bits && type.lanes == 1)
      return types[i].dtype;
  wk_fail(WK_ERROR_UNSUPPORTED,
          "there is no element type of DLPack's code %d with %d bits and %d "
          "lanes",
          type.code, type.bits, type.lanes);
  return WK_DTYPE_DEFAULT;
}

/* Sizes and strides; `first` and `end` are the elements reached, from that at data + byte_offset.
 */
static wk_status read_layout(const DLTensor *given, wk_layout *layout, int64_t *first,
                             int64_t *end) {
  wk_shape shape = {.rank = given->ndim};
  if (given->device.device_type != kDLCPU)
    return wk_fail(WK_ERROR_UNSUPPORTED, "the tensor is on DLPack's device type %d, not on the CPU",
                   (int)given->device.device_type);
  const wk_dtype dtype = dtype_of(given->dtype);
  if (wk_failed()) return wk_error_status();
  if (given->ndim < 0 || given->ndim > WK_MAX_RANK || (given->ndim > 0 && !given->shape))
    return wk_fail(WK_ERROR_SHAPE, "the tensor has %d dimensions; 0 to %d are possible",
                   (int)given->ndim, WK_MAX_RANK);
  for (int i = 0; i < shape.rank; i++) shape.dims[i] = given->shape[i];
  if (!wk_layout_contiguous(layout, dtype, &shape)) return wk_error_status();
  *first = 0, *end = wk_layout_count(layout) > 0;
  for (int i = 0; i < shape.rank && *end; i++) {
    int64_t reach;
    if (given->strides) layout->strides[i] = given->strides[i];
    if (!wk_multiply_count(shape.dims[i] - 1, layout->strides[i], &reach) ||
        __builtin_add_overflow(reach < 0 ? *first : *end, reach, reach < 0 ? first : end))
      return wk_fail(WK_ERROR_SHAPE, "the strides are too large");
  }
  const int64_t size = (int64_t)wk_dtype_size(dtype);
  const uintptr_t address = (uintptr_t)given->data + given->byte_offset;
  if (*end && (!given->data || address % (uintptr_t)size != 0))
    return wk_fail(WK_ERROR_UNSUPPORTED,
                   "the memory is NULL or not aligned to elements of %d bytes", (int)size);
  return WK_OK;
}

/* Takes the memory: `delete(managed)` is called in any case, at the latest with the last owner. */
static wk_tensor *adopt(const DLTensor *given, bool read_only, void *managed,
                        void (*delete)(void *managed)) {
  wk_layout layout;
  int64_t first = 0, end = 0;
  borrowed *b = NULL;
  if (read_layout(given, &layout, &first, &end) == WK_OK) b = wk_allocate_zeroed(1, sizeof *b);
  if (!b) {
    delete (managed);
    return NULL;
  }
  const int64_t size = (int64_t)wk_dtype_size(layout.dtype);
  char *data = (char *)given->data + given->byte_offset + first * size;
  b->storage = (wk_storage){.references = 1,
                            .device = wk_device_table[0],
                            .data = data,
                            .size = (size_t)((end - first) * size),
                            .destroy = let_go,
                            .read_only = read_only};
  b->managed = managed, b->delete = delete;
  wk_root *root = wk_root_create(&b->storage, 0);
  wk_tensor *tensor = root ? wk_tensor_on_root(root, &layout, -first) : NULL;
  wk_root_release(root);
  wk_storage_release(&b->storage);
  if (tensor) tensor->producer = "dlpack";
  return wk_scope_add(tensor);
}

wk_tensor *wk_tensor_from_dlpack_at(wk_place here, DLManagedTensorVersioned *managed) {
  wk_tensor *tensor = NULL;
  if (!managed) {
    if (!wk_failed()) wk_fail(WK_ERROR_ARGUMENT, "the DLPack tensor is NULL");
  } else if (wk_failed()) {
    delete_versioned(managed);
    return NULL;
  } else if (managed->version.major != DLPACK_MAJOR_VERSION) {
    wk_fail(WK_ERROR_UNSUPPORTED, "the tensor is of DLPack %u.%u, this library speaks 1.x",
            (unsigned)managed->version.major, (unsigned)managed->version.minor);
    delete_versioned(managed);
  } else {
    const bool read_only = managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY;
    tensor = adopt(&managed->dl_tensor, read_only, managed, delete_versioned);
  }
  wk_error_add_call("tensor_from_dlpack", here);
  return tensor;
}

wk_tensor *wk_tensor_from_dlpack_legacy_at(wk_place here, DLManagedTensor *managed) {
  wk_tensor *tensor = NULL;
  if (!managed) {
    if (!wk_failed()) wk_fail(WK_ERROR_ARGUMENT, "the DLPack tensor is NULL");
  } else if (wk_failed()) {
    delete_legacy(managed);
    return NULL;
  } else {
    tensor = adopt(&managed->dl_tensor, false, managed, delete_legacy);
  }
  wk_error_add_call("tensor_from_dlpack_legacy", here);
  return tensor;
}
