/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DEVICE_DEVICE_H
#define WICK_DEVICE_DEVICE_H

/* What a device must offer so that tensors can live on it. Kernels are registered beside it, in
 * ops/kernel.h. Everything takes a stream: work on one stream runs in order, and an allocation or a
 * free takes effect in that order. Host devices run each call to its end before it returns. */

#include <wick/device.h>

#include "base/thread.h"

typedef struct wk_stream {
  wk_device *device;
} wk_stream;

typedef struct wk_device_functions {
  size_t struct_size;
  /* Memory of at least `size` bytes, 64-byte aligned; raises WK_ERROR_MEMORY. */
  void *(*allocate)(wk_device *device, size_t size, wk_stream *stream);
  void (*free)(wk_device *device, void *memory, size_t size, wk_stream *stream);
  /* Copies between this device and the host. */
  wk_status (*from_host)(wk_device *device, void *to, const void *from, size_t size, wk_stream *);
  wk_status (*to_host)(wk_device *device, void *to, const void *from, size_t size, wk_stream *);
  /* Waits for all work on the stream and returns the device's sticky fault, if any. */
  wk_status (*synchronise)(wk_device *device, wk_stream *stream);
  void (*statistics)(const wk_device *device, wk_memory_statistics *statistics);
  void (*peak_reset)(wk_device *device);
  void (*trim)(wk_device *device);
} wk_device_functions;

struct wk_device {
  const char *name;
  int index;        /* its place in wk_device_table */
  bool host_memory; /* its memory can be read and written directly */
  bool null;        /* it has none, and its kernels never run: for planning */
  const wk_device_functions *functions;
  wk_stream stream; /* the only one, so far */
};

/* Blocks of a null device that hold what the host writes; larger ones hold nothing. */
#define WK_NULL_MOST_BYTES ((size_t)64 << 10)

/* All devices; src/wick.c lists them. The first is the default. */
extern wk_device *const wk_device_table[];
extern const int wk_device_table_count;

/* Memory of the host, for every device that lives there: blocks are kept by size and reused. */
extern const wk_device_functions wk_host_device_functions;

static inline wk_device *wk_device_or_default(wk_device *device) {
  if (!device) device = wk_thread_here()->device;
  return device ? device : wk_device_table[0];
}

#endif
