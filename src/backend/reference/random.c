/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/random.h"

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

/* Stores a random number: floats of 16 bits get the f32 value rounded. */
static void store(const wk_operand *y, int64_t index, double value) {
  wk_element_set_real(y, index, y->layout.dtype == WK_F64 ? value : (double)(float)value);
}

wk_status wk_reference_run_uniform(const wk_kernel_call *call) {
  const wk_uniform_arguments *a = call->arguments;
  const wk_operand *y = &call->outputs[0];
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const uint64_t index = a->offset + (uint64_t)i;
    store(y, i,
          y->layout.dtype == WK_F64
              ? wk_random_uniform_f64(a->seed, index, a->low, a->high)
              : (double)wk_random_uniform_f32(a->seed, index, a->low, a->high));
  }
  return WK_OK;
}

wk_status wk_reference_run_random_real(const wk_kernel_call *call) {
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++)
    store(&call->outputs[0], i, wk_random_real(call->op, call->arguments, i));
  return WK_OK;
}

wk_status wk_reference_run_dropout(const wk_kernel_call *call) {
  const wk_dropout_arguments *a = call->arguments;
  const wk_operand *x = &call->inputs[0];
  const int64_t count = wk_layout_count(&x->layout);
  double scale = wk_random_keep_scale(a->rate);
  if (x->layout.dtype != WK_F64) scale = (double)(float)scale;
  for (int64_t i = 0; i < count; i++) {
    const bool keep = wk_random_keep(a->seed, a->offset + (uint64_t)i, a->rate);
    const double value = wk_element_real(x, wk_layout_position(&x->layout, i));
    store(&call->outputs[0], i, keep ? value * scale : 0);
  }
  return WK_OK;
}

wk_status wk_reference_run_random_integers(const wk_kernel_call *call) {
  const wk_random_integers_arguments *a = call->arguments;
  const int64_t count = wk_layout_count(&call->outputs[0].layout);
  for (int64_t i = 0; i < count; i++)
    wk_element_set_integer(&call->outputs[0], i,
                           wk_random_integer(a->seed, a->offset + (uint64_t)i, a->low, a->high));
  return WK_OK;
}

wk_status wk_reference_run_random_permutation(const wk_kernel_call *call) {
  const wk_random_permutation_arguments *a = call->arguments;
  int64_t *order = wk_allocate((size_t)a->count * sizeof *order + 1);
  if (!order) return wk_error_status();
  wk_shuffle_order(a->seed, 1, a->offset, a->count, order);
  for (int64_t i = 0; i < a->count; i++) wk_element_set_integer(&call->outputs[0], i, order[i]);
  wk_deallocate(order);
  return WK_OK;
}

/* ---- with parameters that are tensors ---- */

/* The element of an operand that broadcasts to the result. */
static double parameter_at(const wk_operand *x, const wk_layout *result, int64_t index) {
  int64_t position = 0;
  for (int axis = x->layout.rank - 1, at = result->rank - 1; axis >= 0; axis--, at--) {
    if (x->layout.dims[axis] != 1) position += index % result->dims[at] * x->layout.strides[axis];
    index /= result->dims[at];
  }
  return wk_element_real(x, position);
}

wk_status wk_reference_run_random_of_parameters(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const wk_random_key *key = (const void *)((const char *)call->arguments + call->op->random_key);
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const uint64_t at = key->offset + (uint64_t)i;
    const double x = parameter_at(&call->inputs[0], &y->layout, i);
    if (call->op->id == WK_OP_RANDOM_GAMMA)
      store(y, i, wk_random_gamma_value(key->seed, at, x));
    else if (call->op->id == WK_OP_RANDOM_POISSON)
      store(y, i, wk_random_poisson_value(key->seed, at, x));
    else
      store(y, i,
            wk_random_beta_value(key->seed, at, x, parameter_at(&call->inputs[1], &y->layout, i)));
  }
  return WK_OK;
}

/* ---- multinomial ---- */

static wk_status load_weights(const wk_operand *x, int64_t row, int64_t places, double *weights) {
  for (int64_t i = 0; i < places; i++) {
    weights[i] = wk_element_real(x, wk_layout_position(&x->layout, row * places + i));
    if (weights[i] >= 0 && weights[i] <= 1.7976931348623157e308) continue;
    wk_fail(WK_ERROR_ARGUMENT, "weight %lld of row %lld is %g", (long long)i, (long long)row,
            weights[i]);
    wk_error_add_hint("weights must be finite and not negative; wk_categorical takes logits");
    return WK_ERROR_ARGUMENT;
  }
  return WK_OK;
}

/* The place whose part of the weights, laid end to end, holds the fraction `unit` of their sum; -1
 * if all are 0. */
static int64_t place_at(const double *weights, int64_t places, double unit) {
  double sum = 0, below = 0;
  int64_t last = -1;
  for (int64_t i = 0; i < places; i++) sum += weights[i];
  for (int64_t i = 0; i < places; i++) {
    if (weights[i] == 0) continue;
    last = i;
    below += weights[i];
    if (unit * sum < below) break;
  }
  return last;
}

static wk_status draw_row(const wk_kernel_call *call, int64_t row, int64_t places,
                          double *weights) {
  const wk_multinomial_arguments *a = call->arguments;
  for (int64_t k = 0; k < a->count; k++) {
    const int64_t index = row * a->count + k;
    const double unit = wk_random_unit(a->seed, a->offset + (uint64_t)index);
    const int64_t place = place_at(weights, places, unit);
    if (place < 0) {
      return wk_fail(WK_ERROR_ARGUMENT, "row %lld has only %lld weights above 0, not %lld",
                     (long long)row, (long long)k, (long long)a->count);
    }
    wk_element_set_integer(&call->outputs[0], index, place);
    if (!a->replacement) weights[place] = 0;
  }
  return WK_OK;
}

wk_status wk_reference_run_multinomial(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0];
  const int64_t places = x->layout.dims[x->layout.rank - 1];
  const wk_multinomial_arguments *a = call->arguments;
  const int64_t rows = wk_layout_count(&call->outputs[0].layout) / a->count;
  WK_REALS weights = wk_reals_zeroed(places);
  if (!weights) return wk_error_status();
  for (int64_t row = 0; row < rows; row++) {
    wk_status status = load_weights(x, row, places, weights);
    if (status == WK_OK) status = draw_row(call, row, places, weights);
    if (status != WK_OK) return status;
  }
  return WK_OK;
}
