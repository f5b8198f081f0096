/* SPDX-License-Identifier: Apache-2.0 */
/* Elements picked and put by index tensors, one at a time in row-major order. */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* ---- gather, scatter ---- */

/* Where element `i` of `walked` lies in a tensor of the same rank, but for the place on one axis.
 */
static int64_t place_of(const wk_layout *walked, int64_t i, const wk_layout *to, int axis,
                        int64_t index) {
  int64_t position = 0;
  for (int d = walked->rank - 1; d >= 0; d--) {
    position += (d == axis ? index : i % walked->dims[d]) * to->strides[d];
    i /= walked->dims[d];
  }
  return position;
}

static int64_t axis_size(const wk_layout *layout, int axis) {
  return layout->rank ? layout->dims[axis] : 1;
}

wk_status wk_reference_run_gather(const wk_kernel_call *call) {
  const int axis = ((const wk_gather_arguments *)call->arguments)->axis;
  const wk_operand *x = &call->inputs[0], *index = &call->inputs[1];
  const wk_status status = wk_indices_check(index, axis_size(&x->layout, axis), false);
  const int64_t count = wk_layout_count(&index->layout);
  for (int64_t i = 0; i < count && status == WK_OK; i++) {
    const int64_t at = wk_element_integer(index, wk_layout_position(&index->layout, i));
    wk_element_copy(&call->outputs[0], i, x, place_of(&index->layout, i, &x->layout, axis, at));
  }
  return status;
}

wk_status wk_reference_run_scatter(const wk_kernel_call *call) {
  const int axis = ((const wk_scatter_arguments *)call->arguments)->axis;
  const wk_operand *index = &call->inputs[1], *source = &call->inputs[2], *y = &call->outputs[0];
  const wk_status status = wk_indices_check(index, axis_size(&y->layout, axis), false);
  const int64_t count = wk_layout_count(&index->layout);
  wk_elements_copy(y, 0, &call->inputs[0]);
  for (int64_t i = 0; i < count && status == WK_OK; i++) {
    const int64_t at = wk_element_integer(index, wk_layout_position(&index->layout, i));
    wk_element_copy(y, place_of(&index->layout, i, &y->layout, axis, at), source,
                    place_of(&index->layout, i, &source->layout, -1, 0));
  }
  return status;
}

/* ---- results that are gathered over several steps and rounded once ---- */

typedef struct sums {
  double *real; /* of floats */
  int64_t *integer;
} sums;

static wk_status sums_load(sums *s, const wk_operand *x) {
  const int64_t count = wk_layout_count(&x->layout);
  *s = (sums){NULL, NULL};
  if (wk_element_is_real(x->layout.dtype)) {
    s->real = wk_reals_load(x);
    return s->real ? WK_OK : wk_error_status();
  }
  s->integer = wk_allocate_zeroed((size_t)count + 1, sizeof *s->integer);
  if (!s->integer) return wk_error_status();
  for (int64_t i = 0; i < count; i++)
    s->integer[i] = wk_element_integer(x, wk_layout_position(&x->layout, i));
  return WK_OK;
}

static void sums_add(sums *s, int64_t to, const wk_operand *from, int64_t position) {
  if (s->real)
    s->real[to] += wk_element_real(from, position);
  else
    s->integer[to] =
        (int64_t)((uint64_t)s->integer[to] + (uint64_t)wk_element_integer(from, position));
}

static void sums_store(sums *s, const wk_operand *y) {
  const int64_t count = wk_layout_count(&y->layout);
  if (s->real) wk_reals_store(s->real, y);
  for (int64_t i = 0; s->integer && i < count; i++) wk_element_set_integer(y, i, s->integer[i]);
  wk_deallocate(s->real);
  wk_deallocate(s->integer);
}

wk_status wk_reference_run_scatter_add(const wk_kernel_call *call) {
  const int axis = ((const wk_scatter_add_arguments *)call->arguments)->axis;
  const wk_operand *index = &call->inputs[1], *source = &call->inputs[2], *y = &call->outputs[0];
  wk_status status = wk_indices_check(index, axis_size(&y->layout, axis), false);
  sums s;
  if (status == WK_OK) status = sums_load(&s, &call->inputs[0]);
  if (status != WK_OK) return status;
  const int64_t count = wk_layout_count(&index->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = wk_element_integer(index, wk_layout_position(&index->layout, i));
    sums_add(&s, place_of(&index->layout, i, &y->layout, axis, at), source,
             place_of(&index->layout, i, &source->layout, -1, 0));
  }
  sums_store(&s, y);
  return WK_OK;
}

/* ---- index_get, index_put ---- */

/* The plan and the selected rows; freed with wk_deallocate. NULL on error. */
static int64_t *plan_rows(wk_index_plan *plan, const wk_kernel_call *call, int first, int axis) {
  const wk_layout *x = &call->inputs[0].layout, *layouts[WK_MAX_INPUTS];
  const int count = call->input_count - first;
  for (int k = 0; k < count; k++) layouts[k] = &call->inputs[first + k].layout;
  if (wk_index_plan_make(plan, x, layouts, count, axis) != WK_OK) return NULL;
  int64_t *rows = wk_allocate_zeroed((size_t)plan->outputs + 1, sizeof *rows);
  if (rows && wk_index_plan_rows(plan, x, &call->inputs[first], true, rows) != WK_OK) {
    wk_deallocate(rows);
    return NULL;
  }
  return rows;
}

/* Which element of x, in row-major order, is the selected element i. */
static int64_t selected_element(const wk_index_plan *plan, const int64_t *rows, int64_t i) {
  const int64_t row = rows[i / plan->inner % plan->outputs];
  const int64_t outer = i / plan->inner / plan->outputs;
  return (outer * plan->rows + row) * plan->inner + i % plan->inner;
}

wk_status wk_reference_run_index_get(const wk_kernel_call *call) {
  wk_index_plan plan;
  const wk_operand *x = &call->inputs[0];
  int64_t *rows =
      plan_rows(&plan, call, 1, ((const wk_index_get_arguments *)call->arguments)->axis);
  if (!rows) return wk_error_status();
  const int64_t count = wk_layout_count(&plan.selected);
  for (int64_t i = 0; i < count; i++)
    wk_element_copy(&call->outputs[0], i, x,
                    wk_layout_position(&x->layout, selected_element(&plan, rows, i)));
  wk_deallocate(rows);
  return WK_OK;
}

wk_status wk_reference_run_index_put(const wk_kernel_call *call) {
  const wk_index_put_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  wk_index_plan plan;
  sums s = {NULL, NULL};
  int64_t *rows = plan_rows(&plan, call, 2, a->axis);
  if (!rows) return wk_error_status();
  wk_operand source = call->inputs[1];
  wk_layout_align(&call->inputs[1].layout, &plan.selected, &source.layout);
  const int64_t count = wk_layout_count(&plan.selected);
  wk_status status = WK_OK;
  if (a->accumulate)
    status = sums_load(&s, &call->inputs[0]);
  else
    wk_elements_copy(y, 0, &call->inputs[0]);
  for (int64_t i = 0; i < count && status == WK_OK; i++) {
    const int64_t to = selected_element(&plan, rows, i);
    const int64_t from = wk_layout_position(&source.layout, i);
    if (a->accumulate)
      sums_add(&s, to, &source, from);
    else
      wk_element_copy(y, to, &source, from);
  }
  if (a->accumulate && status == WK_OK) sums_store(&s, y);
  wk_deallocate(rows);
  return status;
}

/* ---- scatter_reduce ---- */

static double combine_real(wk_scatter_reduction reduction, double a, double b) {
  switch (reduction) {
  case WK_SCATTER_REDUCTION_PRODUCT:
    return a * b;
  case WK_SCATTER_REDUCTION_MAX:
    return a != a || a > b ? a : b; /* NaN stays */
  case WK_SCATTER_REDUCTION_MIN:
    return a != a || a < b ? a : b;
  default:
    return a + b;
  }
}

static int64_t combine_integer(wk_scatter_reduction reduction, int64_t a, int64_t b) {
  switch (reduction) {
  case WK_SCATTER_REDUCTION_PRODUCT:
    return (int64_t)((uint64_t)a * (uint64_t)b);
  case WK_SCATTER_REDUCTION_MAX:
    return a > b ? a : b;
  case WK_SCATTER_REDUCTION_MIN:
    return a < b ? a : b;
  default:
    return (int64_t)((uint64_t)a + (uint64_t)b);
  }
}

/* Integers round down. */
static void divide(sums *s, int64_t i, int64_t count) {
  if (s->real) {
    s->real[i] /= (double)count;
  } else {
    const int64_t quotient = s->integer[i] / count;
    s->integer[i] = quotient - (s->integer[i] % count < 0);
  }
}

typedef struct reduction_run {
  const wk_kernel_call *call;
  wk_scatter_reduction reduction;
  int axis;
  bool exclude_x, rows; /* rows: one index for each row of source */
  sums sums;
  int64_t *counts;
} reduction_run;

/* Where element i of the walked layout goes. */
static int64_t target_of(const reduction_run *r, const wk_layout *walked, int64_t i) {
  const wk_operand *index = &r->call->inputs[1];
  const wk_layout *y = &r->call->outputs[0].layout;
  int64_t row = i;
  for (int d = walked->rank - 1; r->rows && d > r->axis; d--) row /= walked->dims[d];
  const int64_t place = r->rows ? row % walked->dims[r->axis] * index->layout.strides[0]
                                : wk_layout_position(&index->layout, i);
  const int64_t at = wk_element_integer(index, place);
  return place_of(walked, i, y, r->axis, at < 0 ? at + y->dims[r->axis] : at);
}

static void reduce_all(reduction_run *r) {
  const wk_operand *source = &r->call->inputs[2], *y = &r->call->outputs[0];
  const wk_layout *walked = r->rows ? &source->layout : &r->call->inputs[1].layout;
  const int64_t count = wk_layout_count(walked);
  sums *s = &r->sums;
  for (int64_t i = 0; i < count; i++) {
    const int64_t to = target_of(r, walked, i), from = place_of(walked, i, &source->layout, -1, 0);
    const bool first = r->exclude_x && r->counts[to] == 0;
    r->counts[to]++;
    if (s->real) {
      const double value = wk_element_real(source, from);
      s->real[to] = first ? value : combine_real(r->reduction, s->real[to], value);
    } else {
      const int64_t value = wk_element_integer(source, from);
      s->integer[to] = first ? value : combine_integer(r->reduction, s->integer[to], value);
    }
  }
  const int64_t all = wk_layout_count(&y->layout), own = r->exclude_x ? 0 : 1;
  for (int64_t i = 0; r->reduction == WK_SCATTER_REDUCTION_MEAN && i < all; i++)
    if (r->counts[i]) divide(s, i, r->counts[i] + own);
}

static wk_status run_reduction(reduction_run *r) {
  const wk_kernel_call *call = r->call;
  const wk_layout *y = &call->outputs[0].layout;
  wk_status status = wk_indices_check(&call->inputs[1], axis_size(y, r->axis), r->rows);
  if (status == WK_OK) status = sums_load(&r->sums, &call->inputs[0]);
  if (status != WK_OK) return status;
  r->counts = wk_allocate_zeroed((size_t)wk_layout_count(y) + 1, sizeof *r->counts);
  if (r->counts) reduce_all(r);
  sums_store(&r->sums, &call->outputs[0]);
  wk_deallocate(r->counts);
  return wk_error_status();
}

wk_status wk_reference_run_scatter_reduce(const wk_kernel_call *call) {
  const wk_scatter_reduce_arguments *a = call->arguments;
  reduction_run r = {.call = call,
                     .reduction = a->reduction,
                     .axis = a->axis,
                     .exclude_x = a->exclude_x};
  return run_reduction(&r);
}

wk_status wk_reference_run_index_reduce(const wk_kernel_call *call) {
  const wk_index_reduce_arguments *a = call->arguments;
  reduction_run r = {.call = call,
                     .reduction = a->reduction,
                     .axis = a->axis,
                     .exclude_x = a->exclude_x};
  r.rows = true;
  return run_reduction(&r);
}
