/* SPDX-License-Identifier: Apache-2.0 */
/* Finding ops by name and kernels by op. */
#include <string.h>

#include "base/error.h"
#include "ops/kernel.h"
#include "ops/records.gen.h"
#include "ops/verbose.h"

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
  uint8_t level[MAX_CANDIDATES]; /* wk_determinism, the strictest it keeps */
  int count;
  bool native; /* not only by kernels of every op */
} candidates;

static candidates candidate_table[MAX_DEVICES][WK_OP_COUNT];

static void add_candidate(candidates *to, const wk_kernel *kernel, wk_determinism keeps) {
  if (to->count == MAX_CANDIDATES) return;
  to->level[to->count] = (uint8_t)keeps;
  to->kernel[to->count++] = kernel;
}

static void add_kernel(candidates *of_op, const wk_kernel *kernel, wk_determinism keeps) {
  if (kernel->op >= 0) {
    of_op[kernel->op].native = true;
    add_candidate(&of_op[kernel->op], kernel, keeps);
    return;
  }
  for (int i = 0; i < WK_OP_COUNT; i++) {
    const wk_op_class class = wk_op_table[i].class;
    const bool pointwise = class == WK_CLASS_POINTWISE || class == WK_CLASS_UPDATE;
    if (kernel->op == WK_EVERY_POINTWISE && !pointwise) continue;
    of_op[i].native = of_op[i].native || kernel->op == WK_EVERY_POINTWISE;
    add_candidate(&of_op[i], kernel, keeps);
  }
}

static void add_backend(const wk_backend *backend) {
  for (int l = 0; l < backend->list_count; l++) {
    const wk_kernel_list *list = &backend->lists[l];
    for (int k = 0; k < *list->count; k++)
      add_kernel(candidate_table[backend->device->index], &list->kernels[k], list->keeps);
  }
}

/* Before main, so that no call pays for looking whether it was done. */
__attribute__((constructor)) static void fill_candidate_table(void) {
  for (int i = 0; i < wk_backend_table_count; i++) add_backend(&wk_backend_table[i]);
}

static const wk_kernel *refused(const wk_device *device, const wk_op *op, const char *reason) {
  wk_fail(WK_ERROR_UNSUPPORTED, "%s cannot run %s: %s", device->name, op->name, reason);
  return NULL;
}

static const wk_kernel *refused_at_level(const wk_device *device, const wk_op *op,
                                         const wk_kernel *kernel) {
  wk_fail(WK_ERROR_UNSUPPORTED, "%s cannot run %s: its kernel %s does not keep determinism '%s'",
          device->name, op->name, kernel->name, wk_determinism_name(wk_determinism_get()));
  wk_error_add_hint("wk_determinism_set chooses the level");
  return NULL;
}

static bool keeps_level(uint8_t strictest) {
  return strictest == WK_DETERMINISM_MACHINE || strictest >= wk_determinism_get();
}

const wk_kernel *wk_kernel_find(wk_device *device, const wk_kernel_call *call) {
  const char *reason = "no kernel";
  if (call->op->id >= WK_OP_COUNT) {
    const wk_kernel *kernel = wk_user_kernel(call->op, device);
    return kernel ? kernel : refused(device, call->op, reason);
  }
  const candidates *list = &candidate_table[device->index][call->op->id];
  const wk_kernel *below = NULL; /* could do it, but does not keep the level */
  for (int i = 0; i < list->count; i++) {
    const wk_kernel *kernel = list->kernel[i];
    const char *why = kernel->refuse ? kernel->refuse(call) : NULL;
    if (why) {
      reason = why;
    } else if (keeps_level(list->level[i])) {
      if (wk_verbose_dispatch()) wk_verbose_tell(call, list->kernel, i, kernel);
      return kernel;
    } else if (!below) {
      below = kernel;
    }
  }
  return below ? refused_at_level(device, call->op, below) : refused(device, call->op, reason);
}

bool wk_kernel_keeps_rows(const wk_device *device, const wk_kernel *kernel) {
  if (kernel->habits & WK_KEEPS_ROWS) return true;
  for (int op = 0; op < WK_OP_COUNT; op++) {
    const candidates *list = &candidate_table[device->index][kernel->op < 0 ? op : kernel->op];
    for (int i = 0; i < list->count; i++)
      if (list->kernel[i] == kernel) return list->level[i] >= WK_DETERMINISM_THREADS;
  }
  return false;
}

bool wk_kernel_exists(wk_device *device, int op) {
  if (op >= WK_OP_COUNT) return wk_user_kernel(wk_user_op_at(op - WK_OP_COUNT), device) != NULL;
  return candidate_table[device->index][op].native;
}
