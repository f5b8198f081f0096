/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ops along the last axis, and of reductions. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "base/error.h"
#include "ops/label.h"
#include "ops/records.gen.h"
#include "ops/reduction.h"

/* A layout as rows along its last axis. */
static void rows_of(const wk_layout *layout, int64_t *rows, int64_t *columns) {
  *columns = layout->dims[layout->rank - 1];
  *rows = *columns ? wk_layout_count(layout) / *columns : 0;
}

typedef void (*row_function)(wk_dtype dtype, int64_t rows, int64_t columns, const void *x, void *y);

static wk_status run_rows(const wk_kernel_call *call, row_function function) {
  const wk_operand *y = &call->outputs[0];
  int64_t rows, columns;
  rows_of(&y->layout, &rows, &columns);
  function(y->layout.dtype, rows, columns, call->inputs[0].data, y->data);
  return WK_OK;
}

wk_status wk_cpu_run_softmax(const wk_kernel_call *call) { return run_rows(call, wk_cpu_softmax); }

wk_status wk_cpu_run_log_softmax(const wk_kernel_call *call) {
  return run_rows(call, wk_cpu_log_softmax);
}

typedef void (*row_gradient)(wk_dtype dtype, int64_t rows, int64_t columns, const void *y,
                             const void *y_gradient, void *x_gradient);

static wk_status run_row_gradient(const wk_kernel_call *call, row_gradient function) {
  const wk_operand *g = &call->inputs[0], *y = &call->inputs[1], *x = &call->outputs[0];
  int64_t rows, columns;
  rows_of(&x->layout, &rows, &columns);
  function(x->layout.dtype, rows, columns, y->data, g->data, x->data);
  return WK_OK;
}

wk_status wk_cpu_run_softmax_gradient(const wk_kernel_call *call) {
  return run_row_gradient(call, wk_cpu_softmax_gradient);
}

wk_status wk_cpu_run_log_softmax_gradient(const wk_kernel_call *call) {
  return run_row_gradient(call, wk_cpu_log_softmax_gradient);
}

wk_status wk_cpu_run_cross_entropy(const wk_kernel_call *call) {
  const wk_operand *logits = &call->inputs[0], *labels = &call->inputs[1];
  const wk_status status = wk_labels_check(labels, logits->layout.dims[1]);
  if (status != WK_OK) return status;
  return wk_cpu_cross_entropy(logits->layout.dtype, logits->layout.dims[0], logits->layout.dims[1],
                              logits->data, (const int64_t *)(const void *)labels->data,
                              call->outputs[0].data);
}

wk_status wk_cpu_run_cross_entropy_gradient(const wk_kernel_call *call) {
  const wk_operand *logits = &call->inputs[1], *labels = &call->inputs[2];
  const wk_status status = wk_labels_check(labels, logits->layout.dims[1]);
  if (status != WK_OK) return status;
  wk_cpu_cross_entropy_gradient(logits->layout.dtype, logits->layout.dims[0],
                                logits->layout.dims[1], logits->data,
                                (const int64_t *)(const void *)labels->data, call->inputs[0].data,
                                call->outputs[0].data);
  return WK_OK;
}

/* ---- reductions over neighbouring axes: [outer, count, inner] ---- */

typedef struct middle {
  int64_t outer, count, inner;
} middle;

/* False when an axis that stays lies between reduced ones. */
static bool find_middle(const wk_layout *x, const bool *reduced, middle *m) {
  *m = (middle){1, 1, 1};
  int stage = 0; /* 0: before, 1: within, 2: behind the reduced axes */
  for (int i = 0; i < x->rank; i++) {
    if (x->dims[i] == 1) continue;
    if (reduced[i] != (stage == 1)) stage++;
    if (stage > 2) return false;
    *(stage == 0 ? &m->outer : stage == 1 ? &m->count : &m->inner) *= x->dims[i];
  }
  return true;
}

static bool reduction_middle(const wk_kernel_call *call, middle *m) {
  *m = (middle){1, 1, 1};
  const wk_axes *axes = call->op->id == WK_OP_SUM
                            ? &((const wk_sum_arguments *)call->arguments)->axes
                            : &((const wk_max_arguments *)call->arguments)->axes;
  bool reduced[WK_MAX_RANK];
  const wk_layout *x = &call->inputs[0].layout;
  return wk_reduced_axes(axes, x->rank, reduced) == WK_OK && find_middle(x, reduced, m);
}

/* What reduce_kind.h is made for. */
static bool is_reducible(wk_dtype dtype) {
  return dtype == WK_F32 || dtype == WK_F64 || dtype == WK_I64 || dtype == WK_I32;
}

const char *wk_cpu_refuse_reduce(const wk_kernel_call *call) {
  if (!is_reducible(call->inputs[0].layout.dtype)) return "only f32, f64, i64 and i32";
  middle m;
  return reduction_middle(call, &m) ? NULL : "reduced axes must be neighbours";
}

wk_status wk_cpu_run_reduce(const wk_kernel_call *call) {
  middle m;
  reduction_middle(call, &m);
  const wk_cpu_reduction kind = call->op->id == WK_OP_SUM ? WK_CPU_SUM : WK_CPU_MAX;
  return wk_cpu_reduce(kind, call->inputs[0].layout.dtype, m.outer, m.count, m.inner,
                       call->inputs[0].data, call->outputs[0].data);
}

const char *wk_cpu_refuse_argmax(const wk_kernel_call *call) {
  const wk_argmax_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0].layout;
  if (!is_reducible(x->dtype)) return "only f32, f64, i64 and i32";
  return wk_axis_resolve(a->axis, x->rank) == x->rank - 1 ? NULL : "only the last axis";
}

wk_status wk_cpu_run_argmax(const wk_kernel_call *call) {
  int64_t rows, columns;
  rows_of(&call->inputs[0].layout, &rows, &columns);
  wk_cpu_argmax(call->inputs[0].layout.dtype, rows, columns, call->inputs[0].data,
                (int64_t *)(void *)call->outputs[0].data);
  return WK_OK;
}
