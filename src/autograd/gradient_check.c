/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of a user's function against central differences. With y = f(x), what is differentiated
 * is sum(w * y) with fixed random w; for the second order it is sum(u * g), where g are the first
 * gradients, with respect to the inputs and to w. */
#include <math.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "tensor/attribute.h"
#include "tensor/tensor.h"

/* A tensor that is changed element by element: an input's copy, or w. */
typedef struct variable {
  wk_tensor *tensor; /* of the scope that is open around the check */
  double *values;    /* its elements on the host; NULL: not to be checked */
  int64_t count;
} variable;

typedef struct check {
  wk_gradient_check_arguments a;
  variable *variables; /* the inputs, and behind them w, which has values in the second order */
  wk_tensor **inputs;
  size_t count;        /* of inputs */
  wk_tensor **wanted;  /* those to be checked, and behind them w */
  size_t wanted_count; /* without w */
  double *high, *low;  /* what was found at both ends of a step */
  int64_t result_count;
} check;

static double weight_at(uint64_t stream, int64_t index) {
  const wk_philox_block block = wk_philox(91, (uint64_t)index, stream);
  return 2 * wk_random_unit_double(block.word[0], block.word[1]) - 1;
}

static wk_tensor *weights_like(const wk_tensor *tensor, uint64_t stream) {
  const int64_t count = wk_tensor_count(tensor);
  double *values = wk_allocate_zeroed((size_t)count + 1, sizeof *values);
  for (int64_t i = 0; values && i < count; i++) values[i] = weight_at(stream, i);
  wk_tensor *weights = values ? wk_tensor_from_data(wk_tensor_shape(tensor), WK_F64, values,
                                                    wk_tensor_device(tensor))
                              : NULL;
  wk_deallocate(values);
  return weights;
}

/* ---- what the library says ---- */

static wk_tensor *run_function(const check *k) {
  wk_tensor *y = k->a.function(k->a.context, (wk_tensors){k->count, k->inputs});
  if (!y) {
    if (!wk_failed()) wk_fail(WK_ERROR_CALLBACK, "the function gave no result");
    return NULL;
  }
  if (wk_tensor_dtype(y) == WK_F64) return y;
  wk_fail(WK_ERROR_DTYPE, "the function's result is %s; differences need f64",
          wk_dtype_name(wk_tensor_dtype(y)));
  return NULL;
}

/* The first gradients; zeros where the result requires none. */
static wk_status first_gradients(const check *k, wk_tensor *y, bool create_graph,
                                 wk_tensor **gradients) {
  if (y && wk_tensor_requires_gradient(y))
    return wk_grad(gradients, y, (wk_tensors){k->wanted_count, k->wanted},
                   .gradient = k->wanted[k->wanted_count], .create_graph = create_graph);
  for (size_t i = 0; i < k->wanted_count; i++)
    gradients[i] = wk_multiply(wk_detach(k->wanted[i]), wk_scalar(0.0));
  return wk_error_status();
}

/* The sum of u * g; NULL if it depends on nothing. */
static wk_tensor *weighted_sum(const check *k, wk_tensor **gradients) {
  wk_tensor *sum = NULL;
  for (size_t i = 0; i < k->wanted_count; i++) {
    if (!wk_tensor_requires_gradient(gradients[i])) continue;
    wk_tensor *part = wk_sum(wk_multiply(gradients[i], weights_like(gradients[i], i + 1)));
    sum = sum ? wk_add(sum, part) : part;
  }
  return sum;
}

/* Gradients of the given order, in the order of `wanted`, each an element array to be freed. */
static wk_status find_gradients(const check *k, int order, double **found) {
  WK_SCOPE;
  const size_t count = k->wanted_count + (order > 1);
  wk_tensor **gradients = wk_allocate_zeroed(count + 1, sizeof *gradients);
  wk_tensor *y = gradients ? run_function(k) : NULL;
  wk_status status = y ? first_gradients(k, y, order > 1, gradients) : wk_error_status();
  wk_tensor *sum = status == WK_OK && order > 1 ? weighted_sum(k, gradients) : NULL;
  if (sum)
    status = wk_grad(gradients, sum, (wk_tensors){count, k->wanted});
  else if (order > 1)
    for (size_t i = 0; gradients && i < count; i++) gradients[i] = NULL;
  for (size_t i = 0; i < count && status == WK_OK && !wk_failed(); i++) {
    const size_t size = (size_t)wk_tensor_count(k->wanted[i]) * sizeof(double);
    found[i] = wk_allocate_zeroed(1, size + 1);
    if (found[i] && gradients[i]) status = wk_tensor_read(gradients[i], found[i], size);
  }
  wk_deallocate(gradients);
  return wk_error_status();
}

/* ---- what differences say ---- */

/* What is differenced: y, or all first gradients one after the other. */
static wk_status read_results(const check *k, int order, double *results) {
  WK_SCOPE;
  wk_tensor *y = run_function(k);
  if (order == 1) {
    if (y && wk_tensor_count(y) != k->result_count)
      return wk_fail(WK_ERROR_CALLBACK, "the function's result has other sizes in every run");
    return y ? wk_tensor_read(y, results, (size_t)k->result_count * sizeof *results)
             : wk_error_status();
  }
  wk_tensor **gradients = wk_allocate_zeroed(k->wanted_count + 1, sizeof *gradients);
  wk_status status = y && gradients ? first_gradients(k, y, false, gradients) : wk_error_status();
  for (size_t i = 0; i < k->wanted_count && status == WK_OK; i++) {
    const size_t count = (size_t)wk_tensor_count(k->wanted[i]);
    status = wk_tensor_read(gradients[i], results, count * sizeof *results);
    results += count;
  }
  wk_deallocate(gradients);
  return wk_error_status();
}

static wk_status read_at(const check *k, variable *v, int64_t element, double at, int order,
                         double *results) {
  const double before = v->values[element];
  const size_t size = (size_t)v->count * sizeof *v->values;
  wk_status status;
  v->values[element] = at;
  {
    WK_NO_GRADIENT;
    status = wk_tensor_write(v->tensor, v->values, size);
  }
  if (status == WK_OK) {
    const bool recorded = wk_set_gradients_recorded(order > 1);
    status = read_results(k, order, results);
    wk_set_gradients_recorded(recorded);
  }
  v->values[element] = before;
  WK_NO_GRADIENT;
  return status == WK_OK ? wk_tensor_write(v->tensor, v->values, size) : status;
}

/* The weight of element `index` of all that is differenced. */
static double weight_of(const check *k, int order, int64_t index) {
  if (order == 1) return weight_at(0, index);
  for (size_t i = 0; i < k->wanted_count; i++) {
    const int64_t count = wk_tensor_count(k->wanted[i]);
    if (index < count) return weight_at(i + 1, index);
    index -= count;
  }
  return 0;
}

/* The slope, and what rounding can make of it. */
static wk_status find_slope(const check *k, variable *v, int64_t element, int order, double *slope,
                            double *noise) {
  const double at = v->values[element], step = k->a.step * fmax(1, fabs(at));
  const double above = at + step, below = at - step;
  wk_status status = read_at(k, v, element, above, order, k->high);
  if (status == WK_OK) status = read_at(k, v, element, below, order, k->low);
  int64_t count = k->result_count;
  if (order > 1) {
    count = 0;
    for (size_t i = 0; i < k->wanted_count; i++) count += wk_tensor_count(k->wanted[i]);
  }
  double change = 0, rounding = 0;
  for (int64_t i = 0; i < count; i++) {
    if (k->high[i] == k->low[i]) continue;
    const double weight = weight_of(k, order, i);
    change += weight * (k->high[i] - k->low[i]);
    rounding += fabs(weight) * fmax(fabs(k->high[i]), fabs(k->low[i]));
  }
  *slope = change / (above - below);
  *noise = 32 * 0x1p-52 * rounding / step;
  return status;
}

/* ---- comparing ---- */

static wk_status fail(int order, const char *what, int64_t element, double gradient, double slope) {
  char is[32], should[32];
  wk_format_number(is, sizeof is, gradient);
  wk_format_number(should, sizeof should, slope);
  return wk_fail(WK_ERROR_NUMERIC,
                 "the %s with respect to %s, element %lld, is %s, but differences give %s",
                 order == 1 ? "gradient" : "gradient of the gradients", what, (long long)element,
                 is, should);
}

static wk_status compare_variable(const check *k, size_t which, int order, const double *found) {
  variable *v = &k->variables[which];
  char what[64] = "the incoming gradient";
  if (which < k->count) wk_print_into(what, sizeof what, 0, "input %zu", which);
  const int64_t most = k->a.most_elements;
  const int64_t every = most > 0 && v->count > most ? (v->count + most - 1) / most : 1;
  for (int64_t i = 0; i < v->count; i += every) {
    double slope, noise;
    const wk_status status = find_slope(k, v, i, order, &slope, &noise);
    if (status != WK_OK) return status;
    const double size = fmax(fabs(found[i]), fabs(slope));
    const double allowed = k->a.relative_tolerance * size + noise + k->a.absolute_tolerance;
    if (fabs(found[i] - slope) <= allowed) continue;
    return fail(order, what, i, found[i], slope);
  }
  return WK_OK;
}

static wk_status compare_order(const check *k, int order) {
  const size_t count = k->wanted_count + (order > 1);
  double **found = wk_allocate_zeroed(count + 1, sizeof *found);
  wk_status status = found ? find_gradients(k, order, found) : wk_error_status();
  size_t next = 0;
  for (size_t i = 0; i <= k->count && status == WK_OK; i++) {
    if (!k->variables[i].values || (i == k->count && order == 1)) continue;
    status = compare_variable(k, i, order, found[next++]);
  }
  for (size_t i = 0; found && i < count; i++) wk_deallocate(found[i]);
  wk_deallocate(found);
  return status;
}

/* ---- beginning ---- */

static wk_status set_variable(variable *v, wk_tensor *tensor) {
  *v = (variable){.tensor = tensor, .count = wk_tensor_count(tensor)};
  const size_t size = (size_t)v->count * sizeof *v->values;
  if (!tensor || !(v->values = wk_allocate_zeroed(1, size + 1))) return wk_error_status();
  const wk_status status = wk_tensor_read(tensor, v->values, size);
  return status == WK_OK ? wk_tensor_set_requires_gradient(tensor, true) : status;
}

static wk_status copy_inputs(check *k) {
  for (size_t i = 0; i < k->count; i++) {
    wk_tensor *given = k->a.inputs.item[i];
    if (!given) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
    k->inputs[i] = given;
    k->variables[i] = (variable){.tensor = given};
    if (wk_tensor_dtype(given) != WK_F64) {
      if (!wk_dtype_is_float(wk_tensor_dtype(given))) continue;
      wk_fail(WK_ERROR_DTYPE, "input %zu is %s; differences need f64", i,
              wk_dtype_name(wk_tensor_dtype(given)));
      wk_error_add_hint("wk_cast(x, WK_F64) converts it");
      return WK_ERROR_DTYPE;
    }
    WK_NO_GRADIENT;
    wk_tensor *copy = wk_add(given, wk_scalar(0.0));
    const wk_status status = set_variable(&k->variables[i], copy);
    if (status != WK_OK) return status;
    k->wanted[k->wanted_count++] = k->inputs[i] = copy;
  }
  return WK_OK;
}

/* w is like the result, which one run shows. */
static wk_status set_weights(check *k) {
  wk_tensor *weights = NULL;
  {
    WK_SCOPE;
    WK_NO_GRADIENT;
    wk_tensor *y = run_function(k);
    weights = y ? wk_tensor_retain(weights_like(y, 0)) : NULL;
  }
  weights = wk_scope_add(weights);
  const wk_status status = set_variable(&k->variables[k->count], weights);
  if (status != WK_OK || wk_failed()) return wk_error_status();
  k->wanted[k->wanted_count] = weights;
  k->result_count = wk_tensor_count(weights);
  int64_t room = 0;
  for (size_t i = 0; i < k->wanted_count; i++) room += wk_tensor_count(k->wanted[i]);
  if (room < k->result_count) room = k->result_count;
  k->high = wk_allocate_zeroed((size_t)room + 1, sizeof *k->high);
  k->low = wk_allocate_zeroed((size_t)room + 1, sizeof *k->low);
  return wk_error_status();
}

static wk_status run_check(check *k) {
  WK_SCOPE;
  const bool recorded = wk_set_gradients_recorded(true);
  k->count = k->a.inputs.count;
  k->variables = wk_allocate_zeroed(k->count + 1, sizeof *k->variables);
  k->inputs = wk_allocate_zeroed(k->count + 1, sizeof *k->inputs);
  k->wanted = wk_allocate_zeroed(k->count + 1, sizeof *k->wanted);
  wk_status status = wk_error_status();
  if (status == WK_OK) status = copy_inputs(k);
  if (status == WK_OK) status = set_weights(k);
  if (status == WK_OK && !k->wanted_count)
    status = wk_fail(WK_ERROR_ARGUMENT, "no input is f64, so no gradient can be checked");
  for (int order = 1; order <= k->a.order && status == WK_OK; order++)
    status = compare_order(k, order);
  for (size_t i = 0; k->variables && i <= k->count; i++) wk_deallocate(k->variables[i].values);
  wk_deallocate(k->variables);
  wk_deallocate(k->inputs);
  wk_deallocate(k->wanted);
  wk_deallocate(k->high);
  wk_deallocate(k->low);
  wk_set_gradients_recorded(recorded);
  return status;
}

wk_status wk_gradient_check_at(wk_place here, const wk_gradient_check_arguments *arguments) {
  if (wk_failed()) return wk_error_status();
  check k = {0};
  wk_status status =
      wk_settings_copy("gradient_check", arguments, offsetof(wk_gradient_check_arguments, order),
                       sizeof k.a, &k.a);
  if (k.a.order == 0) k.a.order = 1;
  if (k.a.step == 0) k.a.step = 1e-6;
  if (k.a.relative_tolerance == 0) k.a.relative_tolerance = 1e-6;
  if (k.a.absolute_tolerance == 0) k.a.absolute_tolerance = 1e-8;
  if (status == WK_OK && (!k.a.function || (k.a.inputs.count && !k.a.inputs.item)))
    status = wk_fail(WK_ERROR_ARGUMENT, "the function or its inputs are NULL");
  if (status == WK_OK && (k.a.order < 1 || k.a.order > 2 || !(k.a.step > 0)))
    status = wk_fail(WK_ERROR_ARGUMENT,
                     "order %d and step %g: the order is 1 or 2, the step is "
                     "positive",
                     k.a.order, k.a.step);
  if (status == WK_OK) status = run_check(&k);
  wk_error_add_call("gradient_check", here);
  return status;
}
