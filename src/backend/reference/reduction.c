/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/reduction.h"

/* What has been gathered for one element of the result; `real` for floats, `integer` for others. */
typedef struct gathered {
  double real;
  int64_t integer;
  int64_t place; /* max, min and their places: where it was, or -1 */
} gathered;

typedef void (*gather)(gathered *into, double real, int64_t integer, int64_t place);

/* Which element of the result element `index` of x falls into, and, row-major, its place among
 * those that do. */
static int64_t result_index(const wk_layout *x, const bool *reduced, int64_t index,
                            int64_t *place) {
  int64_t result = 0, result_scale = 1, place_scale = 1;
  *place = 0;
  for (int axis = x->rank - 1; axis >= 0; axis--) {
    int64_t *into = reduced[axis] ? place : &result;
    int64_t *scale = reduced[axis] ? &place_scale : &result_scale;
    *into += index % x->dims[axis] * *scale;
    *scale *= x->dims[axis];
    index /= x->dims[axis];
  }
  return result;
}

/* One `gathered` for each element of the result, to be freed, or NULL. */
static gathered *reduce(const wk_kernel_call *call, const wk_axes *axes, gathered start,
                        gather take) {
  const wk_operand *x = &call->inputs[0];
  bool reduced[WK_MAX_RANK];
  if (wk_reduced_axes(axes, x->layout.rank, reduced) != WK_OK) return NULL;
  const int64_t results = wk_layout_count(&call->outputs[0].layout);
  gathered *all = wk_allocate_zeroed((size_t)results + 1, sizeof *all);
  if (!all) return NULL;
  for (int64_t i = 0; i < results; i++) all[i] = start;

  const bool is_real = wk_element_is_real(x->layout.dtype);
  const int64_t count = wk_layout_count(&x->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t position = wk_layout_position(&x->layout, i);
    int64_t place;
    gathered *into = &all[result_index(&x->layout, reduced, i, &place)];
    take(into, is_real ? wk_element_real(x, position) : 0,
         is_real ? 0 : wk_element_integer(x, position), place);
  }
  return all;
}

static wk_status store(const wk_kernel_call *call, gathered *all) {
  if (!all) return wk_error_status();
  const wk_operand *y = &call->outputs[0];
  const int64_t results = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < results; i++)
    if (wk_element_is_real(y->layout.dtype))
      wk_element_set_real(y, i, all[i].real);
    else
      wk_element_set_integer(y, i, all[i].integer);
  wk_deallocate(all);
  return WK_OK;
}

static wk_status store_places(const wk_kernel_call *call, gathered *all) {
  const int64_t results = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; all && i < results; i++) all[i].integer = all[i].place;
  return store(call, all);
}

static void take_sum(gathered *into, double real, int64_t integer, int64_t place) {
  (void)place;
  into->real += real;
  into->integer = (int64_t)((uint64_t)into->integer + (uint64_t)integer);
}

static void take_product(gathered *into, double real, int64_t integer, int64_t place) {
  (void)place;
  into->real *= real;
  into->integer = (int64_t)((uint64_t)into->integer * (uint64_t)integer);
}

/* The first NaN is larger than all, and the first of equal ones stays. */
static void take_max(gathered *into, double real, int64_t integer, int64_t place) {
  const bool first = into->place < 0;
  if (first || real > into->real || (isnan(real) && !isnan(into->real)) || integer > into->integer)
    *into = (gathered){real, integer, place};
}

/* Here it is smaller than all. */
static void take_min(gathered *into, double real, int64_t integer, int64_t place) {
  const bool first = into->place < 0;
  if (first || real < into->real || (isnan(real) && !isnan(into->real)) || integer < into->integer)
    *into = (gathered){real, integer, place};
}

static void take_all(gathered *into, double real, int64_t integer, int64_t place) {
  (void)place;
  into->integer = into->integer && (real != 0 || integer != 0);
}

static void take_any(gathered *into, double real, int64_t integer, int64_t place) {
  (void)place;
  into->integer = into->integer || real != 0 || integer != 0;
}

static const gathered nothing = {0, 0, -1};

wk_status wk_reference_run_sum(const wk_kernel_call *call) {
  const wk_sum_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, (gathered){0, 0, 0}, take_sum));
}

wk_status wk_reference_run_product(const wk_kernel_call *call) {
  const wk_product_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, (gathered){1, 1, 0}, take_product));
}

wk_status wk_reference_run_max(const wk_kernel_call *call) {
  const wk_max_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, nothing, take_max));
}

wk_status wk_reference_run_min(const wk_kernel_call *call) {
  const wk_min_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, nothing, take_min));
}

wk_status wk_reference_run_all(const wk_kernel_call *call) {
  const wk_all_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, (gathered){0, 1, 0}, take_all));
}

wk_status wk_reference_run_any(const wk_kernel_call *call) {
  const wk_any_arguments *a = call->arguments;
  return store(call, reduce(call, &a->axes, (gathered){0, 0, 0}, take_any));
}

wk_status wk_reference_run_argmax(const wk_kernel_call *call) {
  const wk_argmax_arguments *a = call->arguments;
  return store_places(call, reduce(call, &(wk_axes){1, {a->axis}}, nothing, take_max));
}

wk_status wk_reference_run_argmin(const wk_kernel_call *call) {
  const wk_argmin_arguments *a = call->arguments;
  return store_places(call, reduce(call, &(wk_axes){1, {a->axis}}, nothing, take_min));
}
