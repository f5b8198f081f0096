/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_KERNEL_H
#define WICK_OPS_KERNEL_H

/* How backends offer kernels. For each op a device has an ordered list of candidates; the first
 * that does not refuse runs. The reference kernel stands last. */

#include "ops/op.h"

/* A tensor as kernels see it: `data` is the first element. Strides are in elements. */
typedef struct wk_operand {
  char *data; /* NULL: an optional input that is absent */
  wk_layout layout;
} wk_operand;

/* What follows a call on its first output, seen as rows of that output's last size: kernels that
 * tell rows call `run` once for each of them, on any thread, when it is final. */
typedef struct wk_after {
  void (*run)(const struct wk_after *after, int64_t begin, int64_t end);
} wk_after;

/* Which part of a whole call this one is, for ops whose result is a sum over many rows: the call
 * has some of the rows, and adds to what the calls before it left. In the end every bit is as one
 * call with all rows would leave it. */
typedef struct wk_part {
  int64_t begin, whole; /* the first row, and how many the whole call has */
  char *state;          /* kept from part to part */
  /* Not NULL: compute nothing, only say of how many rows parts are multiples, 0 for no parts at
   * all, and how many bytes there must be between them. */
  int64_t *step;
  size_t *state_size;
} wk_part;

typedef struct wk_kernel_call {
  const wk_op *op;
  const void *arguments; /* resolved */
  const wk_operand *inputs;
  int input_count;
  wk_operand *outputs; /* row-major, uninitialised; for updates: unused */
  int output_count;
  wk_stream *stream;
  const wk_after *after; /* or NULL; only for kernels that tell rows, */
  const wk_part *part;   /* and for those that add parts */
  size_t
      *memory; /* or NULL; for those that take memory: compute nothing, only say how many bytes */
} wk_kernel_call;

/* In place of an op's number: every op of class pointwise or update. */
#define WK_EVERY_POINTWISE (-1)

/* In place of an op's number: every op. Such a kernel runs others, so that it alone makes no
 * composite native. */
#define WK_EVERY_OP (-2)

enum {
  WK_TAKES_STRIDES = 1, /* inputs with any strides; otherwise they are made row-major first */
  WK_TELLS_ROWS = 2,    /* of its output, while it runs */
  WK_ADDS_PARTS = 4,    /* its result is a sum, to which it can add part by part */
  WK_KEEPS_ROWS = 8,    /* each row of its results, or image, is the same whatever others are with
                         * it, though its list keeps a lower level of determinism */
  WK_TAKES_MEMORY = 16  /* of the device while it runs, and says how much; what threads keep for
                         * themselves from call to call is not counted */
};

typedef struct wk_kernel {
  int op;           /* WK_OP_... */
  const char *name; /* for people: "cpu:conv2d" */
  uint8_t habits;   /* what of the above it does */
  /* Why it cannot do this call, or NULL if it can. NULL function: it can do all. */
  const char *(*refuse)(const wk_kernel_call *call);
  wk_status (*run)(const wk_kernel_call *call);
} wk_kernel;

/* Runs it, unless the device only plans. */
static inline wk_status wk_kernel_run(const wk_kernel *kernel, const wk_kernel_call *call) {
  return call->stream->device->null ? WK_OK : kernel->run(call);
}

/* Kernels that keep the same level of determinism, the strictest under which they are chosen. What
 * tests/done/5-levels does not prove stands in a list of the default level. */
typedef struct wk_kernel_list {
  const wk_kernel *kernels;
  const int *count;
  wk_determinism keeps;
} wk_kernel_list;

/* A device with its kernels, best first. src/wick.c lists them. */
typedef struct wk_backend {
  wk_device *device;
  const wk_kernel_list *lists;
  int list_count;
} wk_backend;

extern const wk_backend wk_backend_table[];
extern const int wk_backend_table_count;

/* The kernel that would run this call, or NULL, then with an error pending. */
const wk_kernel *wk_kernel_find(wk_device *device, const wk_kernel_call *call);

/* Whether a row of the kernel's results, or an image's, is the same whatever others are with it. */
bool wk_kernel_keeps_rows(const wk_device *device, const wk_kernel *kernel);

/* Whether the device has a kernel of its own for the op: then a composite is not taken apart. */
bool wk_kernel_exists(wk_device *device, int op);

/* Ops that users registered, the i-th or by name; NULL: none. Their kernel, or NULL. */
const wk_op *wk_user_op_at(int index);
const wk_op *wk_user_op_find(const char *name);
const wk_kernel *wk_user_kernel(const wk_op *op, const wk_device *device);

/* The first kernel that this thread chose since it was NULL: for tests that ask what runs where. */
#define wk_kernel_chosen (wk_thread_here()->kernel_chosen)

#endif
