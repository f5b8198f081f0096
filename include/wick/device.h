/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DEVICE_H
#define WICK_DEVICE_H

/* Where tensors live and ops run. "cpu" is the fast one; "reference" computes everything plainly in
 * double precision and is what the others are judged by. "null" has no memory and computes nothing:
 * there tensors have sizes and no values, reading one is WK_ERROR_STATE, and functions are traced
 * and planned as on the cpu, so that wk_function_memory says what a call would take there. */

#include <wick/base.h>

WK_BEGIN_C

typedef struct wk_device wk_device;

/* The device called `name`, or NULL with WK_ERROR_NOT_FOUND. Devices live for ever. [any thread] */
WK_API wk_device *wk_device_get_at(wk_place here, const char *name);
#define wk_device_get(...) wk_device_get_at(WK_HERE, __VA_ARGS__)

/* Tensors that the calling thread makes from here on, without being told where, are made there;
 * NULL: on the first device, as at the start. Returns the device from before. [any thread] */
WK_API wk_device *wk_device_use(wk_device *device);

/* Its name; static storage. [any thread] */
WK_API const char *wk_device_name(const wk_device *device);

/* Number of devices, and the i-th one's name (NULL past the end). [any thread] */
WK_API int wk_device_count(void);
WK_API const char *wk_device_name_at(int index);

/* Bytes of a device's memory. `active`: in tensors; `peak`: the most there ever was in tensors
 * since the last reset; `cached`: kept for reuse. */
typedef struct wk_memory_statistics {
  size_t struct_size;
  size_t active, peak, cached;
  uint64_t allocations; /* requests so far */
} wk_memory_statistics;

/* Fills `*statistics`, whose struct_size the caller sets. [any thread] */
WK_API void wk_memory_statistics_get(const wk_device *device, wk_memory_statistics *statistics);
WK_API void wk_memory_peak_reset(wk_device *device);

/* Gives cached memory back to the system. [any thread] */
WK_API void wk_memory_trim(wk_device *device);

WK_END_C

#endif
