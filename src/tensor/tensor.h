/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TENSOR_TENSOR_H
#define WICK_TENSOR_TENSOR_H

/* The insides of tensors: storage, alias roots, handles. See design.md section 3. */

#include <stdatomic.h>

#include <wick/tensor.h>

#include "base/error.h"
#include "device/device.h"

/* Bytes on a device. `destroy` frees memory that is not the device's own (a mapped file, say). */
typedef struct wk_storage {
  atomic_int references;
  wk_device *device;
  char *data;
  size_t size;
  void (*destroy)(struct wk_storage *storage); /* NULL: the device's free */
  bool read_only;                              /* lent by others, who do not want it changed */
  bool in_ground;                              /* made with a root: storage.c */
  bool traced; /* has no memory: stands for what a compiled function will make */
} wk_storage;

/* A range of storage that changes as one: views share a root, parameters each have their own even
 * when they share storage. `version` counts writes, so that autograd sees a saved value change. */
typedef struct wk_root {
  atomic_int references;
  bool in_ground; /* made with its storage: storage.c */
  atomic_uint version;
  atomic_uint_least64_t visit; /* the walk over what is alive that has met it; see live.h */
  wk_storage *storage;
  size_t offset; /* bytes */
} wk_root;

/* dtype, sizes, and strides in elements. */
typedef struct wk_layout {
  wk_dtype dtype;
  int rank;
  int64_t dims[WK_MAX_RANK];
  int64_t strides[WK_MAX_RANK];
} wk_layout;

struct wk_live_walk; /* live.h */

/* What ties a tensor to the recorded op that made it. Autograd extends it; tensors only count. */
typedef struct wk_link {
  atomic_int references;
  void (*destroy)(struct wk_link *link);
  /* Calls walk->add for the values that the record and those before it keep. NULL: keeps none. */
  void (*visit)(struct wk_link *link, struct wk_live_walk *walk);
} wk_link;

/* Functions of the user's that backward calls with a tensor's gradient. Autograd extends it. */
typedef struct wk_hooks {
  void (*destroy)(struct wk_hooks *hooks);
} wk_hooks;

/* The gradient of a leaf: a tensor that requires one and was not made by a recorded op. */
typedef struct wk_leaf {
  struct wk_tensor *gradient;   /* owned; NULL until the first backward */
  bool valid;                   /* false: the next backward overwrites */
  struct wk_tensor *rows;       /* if not NULL, the gradient is zero but for these rows, i64 [n], */
  struct wk_tensor *row_values; /* which it is [n, ...] of, and not what is in `gradient`; owned */
  struct wk_parameters *set;    /* where its gradient's memory is, or NULL: on its own */
  size_t segment;               /* its place in the set */
  wk_hooks *hooks;              /* or NULL */
} wk_leaf;

struct wk_tensor {
  atomic_int references;
  bool requires_gradient; /* a leaf that collects a gradient, or the result of a recorded op */
  bool frozen;            /* a parameter that collects none for now */
  bool buffer;            /* a parameter that never does, and stays frozen */
  bool row_sparse;        /* a parameter whose gradient is mostly of few rows: has its own chunk */
  bool weak;              /* a number written in the program: takes the dtype of what it meets */
  int output_index;       /* which output of `link` this is */
  wk_layout layout;
  int64_t offset; /* elements from the root's start */
  wk_root *root;
  wk_link *link;           /* NULL: not made by a recorded op */
  wk_leaf *leaf;           /* NULL: no gradient so far */
  const char *producer;    /* name of the op that made it, or NULL */
  const char *module_path; /* interned path of the module it was made in, or NULL */
  const char *name;        /* interned, or NULL */
};

/* Bytes of an element, by dtype: wk_dtype_size of what is one for sure. */
extern const uint8_t wk_dtype_bytes[WK_I16 + 1];

static inline bool wk_dtype_is_float(wk_dtype dtype) {
  return dtype == WK_F32 || dtype == WK_F64 || dtype == WK_F16 || dtype == WK_BF16;
}

/* Lets go of one reference; true if it was the last. Whoever holds the only one need not count: no
 * other thread can get hold of one meanwhile. */
static inline bool wk_drop_reference(atomic_int *references) {
  return atomic_load_explicit(references, memory_order_acquire) == 1 ||
         atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

/* Row-major layout of `shape`; false, with an error pending, when it is negative or too large. */
bool wk_layout_contiguous(wk_layout *layout, wk_dtype dtype, const wk_shape *shape);
bool wk_layout_make(wk_layout *layout, wk_dtype dtype, int rank, const int64_t *dims);
bool wk_layout_is_contiguous(const wk_layout *layout);
bool wk_layout_same_dims(const wk_layout *a, const wk_layout *b);
/* The bytes that its elements reach, from the first element on: [*first, *end). */
void wk_layout_reach(const wk_layout *layout, int64_t *first, int64_t *end);
size_t wk_layout_describe(const wk_layout *layout, char *buffer, size_t size);
wk_shape wk_layout_shape(const wk_layout *layout);

/* *to = *from, as far as it is used: layouts are large, and most ranks small. */
static inline void wk_layout_copy(wk_layout *to, const wk_layout *from) {
  const int rank = from->rank;
  to->dtype = from->dtype, to->rank = rank;
  for (int i = 0; i < rank; i++) to->dims[i] = from->dims[i], to->strides[i] = from->strides[i];
}

/* Row-major strides for its dims. */
static inline void wk_layout_set_strides(wk_layout *layout) {
  int64_t stride = 1;
  for (int i = layout->rank - 1; i >= 0; i--) {
    layout->strides[i] = stride;
    if (layout->dims[i]) stride *= layout->dims[i];
  }
}

static inline int64_t wk_layout_count(const wk_layout *layout) {
  int64_t count = 1;
  for (int i = 0; i < layout->rank; i++) count *= layout->dims[i];
  return count;
}

int wk_axis_refuse(int axis, int rank); /* raises what wk_axis_resolve does, returns -1 */

/* `axis` made non-negative for `rank`; raises WK_ERROR_ARGUMENT and returns -1 if out of range. */
static inline int wk_axis_resolve(int axis, int rank) {
  return axis >= rank || axis < -rank ? wk_axis_refuse(axis, rank) : axis < 0 ? axis + rank : axis;
}

/* All these return an owned reference, or NULL with an error pending. Values are uninitialised. */
wk_storage *wk_storage_create(wk_device *device, size_t size);
wk_storage *wk_storage_retain(wk_storage *storage);
void wk_storage_release(wk_storage *storage);
wk_root *wk_root_create(wk_storage *storage, size_t offset);   /* retains storage */
wk_root *wk_root_create_fresh(wk_device *device, size_t size); /* with a storage of its own */
void wk_root_release(wk_root *root);
wk_tensor *wk_tensor_create(const wk_layout *layout, wk_device *device); /* row-major */
wk_tensor *wk_tensor_on_root(wk_root *root, const wk_layout *layout, int64_t offset);
wk_tensor *wk_tensor_on_storage(wk_storage *storage, size_t offset, const wk_layout *layout);

static inline wk_root *wk_root_retain(wk_root *root) {
  if (root) atomic_fetch_add_explicit(&root->references, 1, memory_order_relaxed);
  return root;
}

void wk_link_release(wk_link *link);

/* The leaf's gradient is no longer one of some rows: it is void, or in `gradient`. */
void wk_leaf_forget_rows(wk_leaf *leaf);

/* The first element's address; meaningful on the host for host devices only. */
static inline char *wk_tensor_data(const wk_tensor *tensor) {
  char *start = tensor->root->storage->data + tensor->root->offset;
  if (tensor->offset == 0) return start;
  return start + tensor->offset * wk_dtype_bytes[tensor->layout.dtype];
}
static inline wk_device *wk_tensor_device_of(const wk_tensor *tensor) {
  return tensor->root->storage->device;
}

/* Whether the calling thread's ops are recorded for a backward. Autograd sets it; true at first. */
#define wk_gradients_recorded (wk_thread_here()->gradients_recorded)

/* Fills `to`, which is contiguous, from `from`: same dtype and count, whatever the devices. Counts
 * no write. */
wk_status wk_tensor_copy_values(wk_tensor *to, const wk_tensor *from);

/* Raises WK_ERROR_STATE if the tensor stands for what a compiled function will make, and so has no
 * values to read. */
wk_status wk_tensor_check_values(const wk_tensor *tensor);

/* Raises WK_ERROR_STATE if the tensor's memory is read-only. */
wk_status wk_tensor_check_writable(const wk_tensor *tensor);

/* Counts a write to the tensor's root, so that whoever saved or packed its values notices. */
void wk_tensor_mark_written(wk_tensor *tensor);

/* Puts an owned reference into the innermost scope and returns the tensor. Without an open scope:
 * releases it, raises WK_ERROR_STATE, returns NULL. NULL passes through. */
wk_tensor *wk_scope_add(wk_tensor *owned);
bool wk_scope_is_open(void);

/* Calls `visit` for each entry of the calling thread's open scopes, innermost last. */
void wk_scope_each(void (*visit)(wk_tensor *tensor, void *context), void *context);

/* Whether gradients flow to this tensor: a leaf that is not frozen, or a recorded op's result. */
static inline bool wk_wants_gradient(const wk_tensor *tensor) {
  return tensor && tensor->requires_gradient && !tensor->frozen;
}

/* Address of element `index` (row-major) under any strides: for plain loops. */
static inline int64_t wk_layout_position(const wk_layout *layout, int64_t index) {
  int64_t position = 0;
  for (int i = layout->rank - 1; i >= 0; i--) {
    position += index % layout->dims[i] * layout->strides[i];
    index /= layout->dims[i];
  }
  return position;
}

struct wk_generator {
  uint64_t seed, offset;
};

#endif
