/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_THREAD_H
#define WICK_BASE_THREAD_H

/* What every call of an op looks at in its thread, for all rooms in one place: in a shared library
 * finding a thread's variable takes a call, so that an op asks once and passes the answer on. What
 * a field means stands in the header named beside it, which has a name for it, too. */

#include <stddef.h>
#include <stdint.h>

#include <wick/base.h>

#define WK_SMALL_SIZES 16

/* Freed objects of one size, and how many more of them would be kept. */
typedef struct wk_small_list {
  struct wk_small_object *first;
  uint16_t room;
} wk_small_list;

typedef struct wk_thread {
  wk_status error;                               /* base/error.h */
  bool gradients_recorded;                       /* tensor/tensor.h */
  bool in_composite;                             /* ops/dispatch.c */
  uint8_t anomaly_detection;                     /* autograd/anomaly.c */
  unsigned autocasting;                          /* ops/autocast.h */
  const wk_place *place_above;                   /* ops/dispatch.h */
  const struct wk_dispatch_layer *const *layers; /* ops/dispatch.h */
  const char *module_path;                       /* ops/dispatch.h: wk_current_module */
  struct wk_tracer *tracing;                     /* ops/trace.h */
  struct wk_field_journal *fields_noted;         /* tensor/fields.h */
  const struct wk_kernel *kernel_chosen;         /* ops/kernel.h */
  struct wk_capture *capturing;                  /* autograd/tape.h */
  struct wk_device *device;                      /* device/device.h: wk_device_or_default */
  struct wk_scope_stack {                        /* tensor/scope.c */
    uintptr_t *entries;
    size_t count, capacity;
    size_t *starts; /* of each open scope, its first entry */
    size_t depth, depth_capacity;
  } scopes;
  wk_small_list small[WK_SMALL_SIZES]; /* base/small.h */
} wk_thread;

/* The calling thread's; the same address as long as it lives. The second is for the way of every
 * op: longer code, which a program that is linked statically turns into one instruction. */
__attribute__((const)) wk_thread *wk_thread_here(void);
extern _Thread_local wk_thread wk_thread_current;
#define WK_THREAD (&wk_thread_current)

#endif
