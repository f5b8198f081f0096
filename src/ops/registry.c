/* SPDX-License-Identifier: Apache-2.0 */
/* Finding ops by name and kernels by op. */
#include <string.h>

#include "base/error.h"
#include "ops/kernel.h"
#include "ops/records.gen.h"

const wk_op *wk_op_find(const char *name) {
  for (int i = 0; i < wk_op_table_count; i++) {
    if (strcmp(wk_op_table[i].name, name) == 0) return &wk_op_table[i];
  }
  return wk_user_op_find(name);
}

const char *wk_op_name_at(int index) {
  int visible = 0;
  for (int i = 0; i < wk_op_table_count; i++) {
    if (!wk_op_table[i].hidden && visible++ == index) return wk_op_table[i].name;
  }
  const wk_op *user = index < visible ? NULL : wk_user_op_at(index - visible);
  return user ? user->name : NULL;
}

/* ---- kernels: for each device and op, the first candidate; the others are found behind it ---- */

#define MAX_DEVICES 8
#define MAX_CANDIDATES 6

typedef struct candidates {
  const wk_kernel *kernel[MAX_CANDIDATES];
  int count;
  bool native; /* not only by kernels of every op */
} candidates;

static candidates candidate_table[MAX_DEVICES][WK_OP_COUNT];

static void add_candidate(candidates *to, const wk_kernel *kernel) {
  if (to->count < MAX_CANDIDATES) to->kernel[to->count++] = kernel;
}

static void add_kernel(candidates *of_op, const wk_kernel *kernel) {
  if (kernel->op >= 0) {
    of_op[kernel->op].native = true;
    add_candidate(&of_op[kernel->op], kernel);
    return;
  }
  for (int i = 0; i < WK_OP_COUNT; i++) {
    const wk_op_class class = wk_op_table[i].class;
    const bool pointwise = class == WK_CLASS_POINTWISE || class == WK_CLASS_UPDATE;
    if (kernel->op == WK_EVERY_POINTWISE && !pointwise) continue;
    of_op[i].native = of_op[i].native || kernel->op == WK_EVERY_POINTWISE;
    add_candidate(&of_op[i], kernel);
  }
}

static void add_backend(const wk_backend *backend) {
  for (int l = 0; l < backend->list_count; l++) {
    for (int k = 0; k < *backend->lists[l].count; k++) {
      add_kernel(candidate_table[backend->device->index], &backend->lists[l].kernels[k]);
    }
  }
}

/* Before main, so that no call pays for looking whether it was done. */
__attribute__((constructor)) static void fill_candidate_table(void) {
  for (int i = 0; i < wk_backend_table_count; i++) add_backend(&wk_backend_table[i]);
}

_Thread_local const wk_kernel *wk_kernel_chosen;

static const wk_kernel *refused(const wk_device *device, const wk_op *op, const char *reason) {
  wk_fail(WK_ERROR_UNSUPPORTED, "%s cannot run %s: %s", device->name, op->name, reason);
  return NULL;
}

const wk_kernel *wk_kernel_find(wk_device *device, const wk_kernel_call *call) {
  const char *reason = "no kernel";
  if (call->op->id >= WK_OP_COUNT) {
    const wk_kernel *kernel = wk_user_kernel(call->op, device);
    return kernel ? kernel : refused(device, call->op, reason);
  }
  const candidates *list = &candidate_table[device->index][call->op->id];
  for (int i = 0; i < list->count; i++) {
    const wk_kernel *kernel = list->kernel[i];
    reason = kernel->refuse ? kernel->refuse(call) : NULL;
    if (reason) continue;
    if (!wk_kernel_chosen) wk_kernel_chosen = kernel;
    return kernel;
  }
  return refused(device, call->op, reason);
}

bool wk_kernel_exists(wk_device *device, int op) {
  if (op >= WK_OP_COUNT) return wk_user_kernel(wk_user_op_at(op - WK_OP_COUNT), device) != NULL;
  return candidate_table[device->index][op].native;
}
