/* SPDX-License-Identifier: Apache-2.0 */
/* Searching in order, different elements, and counting them. */
#include <math.h>

#include "base/error.h"
#include "ops/build.h"

/* ---- searching ---- */

wk_status wk_infer_search_sorted(wk_call *call) {
  const wk_layout *sorted = &call->inputs[0]->layout, *values = &call->inputs[1]->layout;
  bool fits = sorted->rank == 1 || (sorted->rank == values->rank && sorted->rank > 0);
  for (int i = 0; fits && i + 1 < sorted->rank; i++) fits = sorted->dims[i] == values->dims[i];
  if (!fits) {
    wk_fail(WK_ERROR_SHAPE, "sorted must be a list, or have the sizes of values but for the last");
    wk_error_add_hint("wk_reshape(sorted, WK_SHAPE(-1)) makes it one list for all values");
    return WK_ERROR_SHAPE;
  }
  return wk_infer_output(call, WK_I64, values->rank, values->dims);
}

wk_status wk_composite_bucketize(wk_call *call) {
  const wk_bucketize_arguments *a = call->arguments;
  if (call->inputs[1]->layout.rank != 1)
    return wk_fail(WK_ERROR_SHAPE, "the boundaries must be a list");
  call->outputs[0] = wk_search_sorted(call->inputs[1], call->inputs[0], .right = a->right);
  return wk_error_status();
}

wk_status wk_composite_is_in(wk_call *call) {
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  const int64_t count = wk_tensor_count(y);
  if (count == 0) {
    call->outputs[0] =
        wk_full(wk_tensor_shape(x), 0, .dtype = WK_BOOL, .device = wk_tensor_device_of(x));
    return wk_error_status();
  }
  wk_tensor *sorted = wk_sort(wk_reshape(y, WK_SHAPE(count)), 0).values;
  wk_tensor *list = wk_reshape(x, WK_SHAPE(wk_tensor_count(x)));
  wk_tensor *place = wk_minimum(wk_search_sorted(sorted, list), wk_scalar(count - 1));
  call->outputs[0] = wk_reshape(wk_equal(wk_gather(sorted, place, 0), list), wk_tensor_shape(x));
  return wk_error_status();
}

/* ---- different elements ---- */

/* A tensor's only element, of i64, on the host; -1 on failure. */
static int64_t read_number(wk_tensor *x) {
  int64_t value = -1;
  return x && wk_tensor_read(x, &value, sizeof value) == WK_OK ? value : -1;
}

/* The runs of equal elements in a list: the first element of each, their lengths, and the number
 * of the run that each element is in. */
typedef struct runs {
  wk_tensor *values, *group, *counts;
} runs;

static runs find_runs(wk_tensor *list) {
  wk_device *device = wk_tensor_device_of(list);
  const int64_t size = wk_tensor_count(list);
  wk_tensor *changed = wk_not_equal(wk_slice(list, 0, 1, size), wk_slice(list, 0, 0, size - 1));
  wk_tensor *group =
      wk_cumulative_sum(wk_pad(wk_cast(changed, WK_I64), WK_SHAPE(1), WK_SHAPE(0)), 0);
  wk_tensor *zero = wk_full(WK_SHAPE(1), 0, .dtype = WK_I64, .device = device);
  wk_tensor *last = wk_full(WK_SHAPE(1), (double)size, .dtype = WK_I64, .device = device);
  wk_tensor *later = wk_add(wk_reshape(wk_nonzero(changed), WK_SHAPE(-1)), wk_scalar(1));
  wk_tensor *begin = wk_concatenate(WK_TENSORS(zero, later), 0);
  wk_tensor *end = wk_concatenate(WK_TENSORS(later, last), 0);
  return (runs){wk_gather(list, begin, 0), group, wk_subtract(end, begin)};
}

static wk_status no_runs(wk_call *call) {
  wk_tensor *x = call->inputs[0];
  wk_device *device = wk_tensor_device_of(x);
  call->outputs[0] = wk_full(WK_SHAPE(0), 0, .dtype = x->layout.dtype, .device = device);
  call->outputs[1] = wk_full(wk_tensor_shape(x), 0, .dtype = WK_I64, .device = device);
  call->outputs[2] = wk_full(WK_SHAPE(0), 0, .dtype = WK_I64, .device = device);
  return wk_error_status();
}

wk_status wk_composite_unique(wk_call *call) {
  wk_tensor *x = call->inputs[0];
  const int64_t size = wk_tensor_count(x);
  if (size == 0) return no_runs(call);
  const wk_sort_result sorted = wk_sort(wk_reshape(x, WK_SHAPE(size)), 0);
  if (!sorted.values) return wk_error_status();
  const runs found = find_runs(sorted.values);
  if (!found.group) return wk_error_status();
  wk_tensor *inverse = wk_scatter(found.group, sorted.indices, found.group, 0);
  call->outputs[0] = found.values;
  call->outputs[1] = wk_reshape(inverse, wk_tensor_shape(x));
  call->outputs[2] = found.counts;
  return wk_error_status();
}

wk_status wk_composite_unique_consecutive(wk_call *call) {
  wk_tensor *x = call->inputs[0];
  const int64_t size = wk_tensor_count(x);
  if (size == 0) return no_runs(call);
  const runs found = find_runs(wk_reshape(x, WK_SHAPE(size)));
  call->outputs[0] = found.values;
  call->outputs[1] = found.group ? wk_reshape(found.group, wk_tensor_shape(x)) : NULL;
  call->outputs[2] = found.counts;
  return wk_error_status();
}

/* ---- counting ---- */

wk_status wk_composite_bin_count(wk_call *call) {
  const wk_bin_count_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weights = call->inputs[1];
  if (x->layout.rank != 1) return wk_fail(WK_ERROR_SHAPE, "x must be a list of numbers");
  if (weights && !wk_layout_same_dims(&x->layout, &weights->layout))
    return wk_fail(WK_ERROR_SHAPE, "there must be one weight for each number");
  wk_device *device = wk_tensor_device_of(x);
  int64_t length = 0;
  if (wk_tensor_count(x) > 0) {
    const wk_min_max_result range = wk_min_max(x);
    const int64_t least = read_number(range.min);
    length = read_number(range.max) + 1;
    if (wk_error_status() < 0) return wk_error_status();
    if (least < 0 || length == INT64_MIN)
      return wk_fail(WK_ERROR_ARGUMENT, "only numbers from 0 are counted, but one is %lld",
                     (long long)least);
  }
  if (length < a->minimum_length) length = a->minimum_length;
  const wk_dtype dtype = weights ? weights->layout.dtype : WK_I64;
  wk_tensor *zeros = wk_full(WK_SHAPE(length), 0, .dtype = dtype, .device = device);
  if (!weights) weights = wk_full(wk_tensor_shape(x), 1, .dtype = WK_I64, .device = device);
  call->outputs[0] = wk_scatter_add(zeros, x, weights, 0);
  return wk_error_status();
}

/* The range of a histogram: what was given, or what there is; never empty. */
static wk_status find_range(wk_tensor *x, double *low, double *high) {
  if (*low > *high) {
    wk_fail(WK_ERROR_ARGUMENT, "low (%g) is above high (%g)", *low, *high);
    return WK_ERROR_ARGUMENT;
  }
  if (*low == *high && wk_tensor_count(x) > 0) {
    const wk_min_max_result range = wk_min_max(x);
    *low = wk_item(range.min), *high = wk_item(range.max);
    if (wk_error_status() < 0) return wk_error_status();
  }
  if (!isfinite(*low) || !isfinite(*high)) {
    wk_fail(WK_ERROR_ARGUMENT, "the range from %g to %g is not finite", *low, *high);
    wk_error_add_hint("low and high choose one");
    return WK_ERROR_ARGUMENT;
  }
  if (*low == *high) *low -= 1, *high += 1;
  return WK_OK;
}

wk_status wk_composite_histogram(wk_call *call) {
  const wk_histogram_arguments *a = call->arguments;
  wk_tensor *given = call->inputs[0], *x = wk_to_accumulate(given);
  double low = a->low, high = a->high;
  const bool recorded = wk_gradients_pause(); /* counts do not change with x */
  const wk_status status = find_range(x, &low, &high);
  if (status == WK_OK) {
    const wk_dtype dtype = x->layout.dtype;
    x = wk_reshape(x, WK_SHAPE(wk_tensor_count(x)));
    wk_tensor *lower = wk_scalar(low), *upper = wk_scalar(high);
    wk_tensor *inside =
        wk_where(wk_greater_equal(x, lower), wk_less_equal(x, upper),
                 wk_full(WK_SCALAR, 0, .dtype = WK_BOOL, .device = wk_tensor_device_of(given)));
    wk_tensor *place = wk_multiply(wk_subtract(wk_where(inside, x, lower), lower),
                                   wk_scalar((double)a->bins / (high - low)));
    wk_tensor *bin = wk_minimum(wk_cast(place, WK_I64), wk_scalar(a->bins - 1));
    wk_tensor *zeros =
        wk_full(WK_SHAPE(a->bins), 0, .dtype = dtype, .device = wk_tensor_device_of(given));
    wk_tensor *counts = wk_scatter_add(zeros, bin, wk_cast(inside, dtype), 0);
    call->outputs[0] = wk_cast_if_other(counts, given->layout.dtype);
  }
  wk_gradients_resume(recorded);
  return wk_error_status();
}
