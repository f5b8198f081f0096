/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DLPACK_H
#define WICK_DLPACK_H

/* Tensors to and from other libraries without a copy, by DLPack 1.x
 * (https://dmlc.github.io/dlpack). A program that includes DLPack's own header does so before this
 * one; else the structs that are exchanged are declared here, as the standard lays them out. */

#include <wick/tensor.h>

WK_BEGIN_C

#if !defined(DLPACK_DLPACK_H_) && !defined(DLPACK_MAJOR_VERSION)
#define DLPACK_MAJOR_VERSION 1
#define DLPACK_MINOR_VERSION 0
#define DLPACK_FLAG_BITMASK_READ_ONLY (1UL << 0UL)
#define DLPACK_FLAG_BITMASK_IS_COPIED (1UL << 1UL)

typedef struct {
  uint32_t major, minor;
} DLPackVersion;

typedef enum { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3 } DLDeviceType;

typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;

typedef enum {
  kDLInt = 0U,
  kDLUInt = 1U,
  kDLFloat = 2U,
  kDLOpaqueHandle = 3U,
  kDLBfloat = 4U,
  kDLComplex = 5U,
  kDLBool = 6U
} DLDataTypeCode;

typedef struct {
  uint8_t code; /* DLDataTypeCode */
  uint8_t bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides;     /* in elements; NULL: row-major */
  uint64_t byte_offset; /* from data to the first element */
} DLTensor;

/* Of versions before 1.0. */
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;

typedef struct DLManagedTensorVersioned {
  DLPackVersion version;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensorVersioned *self);
  uint64_t flags;
  DLTensor dl_tensor;
} DLManagedTensorVersioned;
#endif

/* The tensor for another library: shares its memory and keeps it until the deleter is called.
 * WK_ERROR_UNSUPPORTED where the host cannot reach the memory, WK_ERROR_STATE for a tensor that
 * requires a gradient (wk_detach it). [any thread] */
WK_API DLManagedTensorVersioned *wk_tensor_to_dlpack_at(wk_place here, wk_tensor *tensor);
#define wk_tensor_to_dlpack(...) wk_tensor_to_dlpack_at(WK_HERE, __VA_ARGS__)

/* Another library's tensor: shares its memory, and calls its deleter once nothing stands on it any
 * more. Takes `managed`, which is deleted when the call fails, too. Only on the CPU; a version of
 * 2.0 or above, an element type that Wick does not have, or memory that is not aligned to its
 * elements is WK_ERROR_UNSUPPORTED. What is marked as read-only cannot be written to. Belongs to
 * the innermost scope. [any thread] */
WK_API wk_tensor *wk_tensor_from_dlpack_at(wk_place here, DLManagedTensorVersioned *managed);
#define wk_tensor_from_dlpack(...) wk_tensor_from_dlpack_at(WK_HERE, __VA_ARGS__)

/* The same from a library that still speaks DLPack 0.x. [any thread] */
WK_API wk_tensor *wk_tensor_from_dlpack_legacy_at(wk_place here, DLManagedTensor *managed);
#define wk_tensor_from_dlpack_legacy(...) wk_tensor_from_dlpack_legacy_at(WK_HERE, __VA_ARGS__)

WK_END_C

#endif
