/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of ops along any axis: running sums, and order. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/lines.h"
#include "base/error.h"
#include "ops/records.gen.h"

/* ---- running sums ---- */

typedef struct middle {
  int64_t outer, count, inner;
} middle;

static middle middle_of(const wk_layout *x, int axis) {
  middle m = {1, x->rank ? x->dims[axis] : 1, 1};
  for (int i = 0; i < x->rank; i++) {
    if (i < axis) m.outer *= x->dims[i];
    if (i > axis) m.inner *= x->dims[i];
  }
  return m;
}

/* Smaller integers, which become i64, are left to the reference. */
const char *wk_cpu_refuse_scan(const wk_kernel_call *call) {
  const wk_dtype x = call->inputs[0].layout.dtype;
  return x == WK_F32 || x == WK_F64 || x == WK_I64 ? NULL : "only f32, f64 and i64";
}

static wk_status cumulate(const wk_kernel_call *call, wk_cpu_scan kind, int axis, bool reverse,
                          bool exclusive) {
  const wk_operand *x = &call->inputs[0];
  const middle m = middle_of(&x->layout, axis);
  wk_cpu_cumulate(kind, x->layout.dtype, m.outer, m.count, m.inner, reverse, exclusive, x->data,
                  call->outputs[0].data);
  return WK_OK;
}

wk_status wk_cpu_run_cumulative_sum(const wk_kernel_call *call) {
  const wk_cumulative_sum_arguments *a = call->arguments;
  return cumulate(call, WK_CPU_SCAN_SUM, a->axis, a->reverse, a->exclusive);
}

wk_status wk_cpu_run_cumulative_product(const wk_kernel_call *call) {
  const wk_cumulative_product_arguments *a = call->arguments;
  return cumulate(call, WK_CPU_SCAN_PRODUCT, a->axis, a->reverse, a->exclusive);
}

wk_status wk_cpu_run_linear_recurrence(const wk_kernel_call *call) {
  const wk_linear_recurrence_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  const middle m = middle_of(&y->layout, a->axis);
  wk_cpu_recur(y->layout.dtype, m.outer, m.count, m.inner, a->reverse, call->inputs[0].data,
               call->inputs[1].data, y->data);
  return WK_OK;
}

const char *wk_cpu_refuse_wide(const wk_kernel_call *call) {
  const wk_dtype x = call->inputs[0].layout.dtype;
  return x == WK_I32 ? NULL : wk_cpu_refuse_scan(call);
}

static wk_status cumulate_extreme(const wk_kernel_call *call, int axis, bool largest) {
  const wk_operand *x = &call->inputs[0];
  const middle m = middle_of(&x->layout, axis);
  wk_cpu_cumulate_extreme(largest, x->layout.dtype, m.outer, m.count, m.inner, x->data,
                          call->outputs[0].data, (int64_t *)(void *)call->outputs[1].data);
  return WK_OK;
}

wk_status wk_cpu_run_cumulative_max(const wk_kernel_call *call) {
  return cumulate_extreme(call, ((const wk_cumulative_max_arguments *)call->arguments)->axis, true);
}

wk_status wk_cpu_run_cumulative_min(const wk_kernel_call *call) {
  return cumulate_extreme(call, ((const wk_cumulative_min_arguments *)call->arguments)->axis,
                          false);
}

/* ---- order ---- */

const char *wk_cpu_refuse_sort(const wk_kernel_call *call) {
  const wk_dtype dtype = call->inputs[0].layout.dtype;
  return dtype == WK_F16 || dtype == WK_BF16 ? "no floats of 16 bits" : NULL;
}

static wk_status sort(const wk_kernel_call *call, int axis, bool descending) {
  const wk_operand *values = &call->outputs[0], *places = &call->outputs[1];
  wk_cpu_lines x = {0}, y = {0}, indices = {0};
  wk_status status = wk_cpu_lines_of(&call->inputs[0], axis, &x);
  if (status == WK_OK) status = wk_cpu_lines_for(values, axis, &y);
  if (status == WK_OK) status = wk_cpu_lines_for(places, axis, &indices);
  if (status == WK_OK)
    status = wk_cpu_sort(values->layout.dtype, x.count, x.length, y.length, descending, x.data,
                         y.data, (int64_t *)(void *)indices.data);
  wk_cpu_lines_free(&x);
  if (status == WK_OK) {
    wk_cpu_lines_finish(values, axis, &y);
    wk_cpu_lines_finish(places, axis, &indices);
  } else {
    wk_cpu_lines_free(&y);
    wk_cpu_lines_free(&indices);
  }
  return status;
}

wk_status wk_cpu_run_sort(const wk_kernel_call *call) {
  const wk_sort_arguments *a = call->arguments;
  return sort(call, a->axis, a->descending);
}

wk_status wk_cpu_run_top_k(const wk_kernel_call *call) {
  const wk_top_k_arguments *a = call->arguments;
  return sort(call, a->axis, !a->smallest);
}

wk_status wk_cpu_run_search_sorted(const wk_kernel_call *call) {
  const wk_search_sorted_arguments *a = call->arguments;
  const wk_layout *sorted = &call->inputs[0].layout, *values = &call->inputs[1].layout;
  const int64_t count = wk_layout_count(values);
  const int64_t per_row = values->rank ? values->dims[values->rank - 1] : 1;
  if (count == 0) return WK_OK;
  wk_cpu_search(values->dtype, count / per_row, per_row, sorted->dims[sorted->rank - 1],
                sorted->rank == 1, a->right, call->inputs[0].data, call->inputs[1].data,
                (int64_t *)(void *)call->outputs[0].data);
  return WK_OK;
}
