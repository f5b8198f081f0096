/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation. One hidden op does it for all: x as [N, P, G, K], with a mean and a variance for
 * each (n, g) over the P * K elements that belong to it, and a weight and a bias for each of the
 * G * K channels. The public ops bring x into that form. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ops/build.h"

/* ---- the hidden op ---- */

static wk_status check_channels(const wk_tensor *tensor, int64_t channels, const char *name) {
  if (!tensor || (tensor->layout.rank == 1 && tensor->layout.dims[0] == channels)) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "%s must be [%lld], one for each channel", name, (long long)channels);
  wk_error_add_hint("channels are the last axis of x");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_normalise(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  const int64_t *dims = x->dims;
  if (x->rank != 4) return wk_fail(WK_ERROR_SHAPE, "x must be [N, P, G, K]");
  wk_status status = check_channels(call->inputs[1], dims[2] * dims[3], "weight");
  if (status == WK_OK) status = check_channels(call->inputs[2], dims[2] * dims[3], "bias");
  if (status == WK_OK) status = wk_infer_output(call, x->dtype, 4, dims);
  const int64_t moments[] = {dims[0], dims[2]};
  for (int i = 1; i < 3 && status == WK_OK; i++)
    status = wk_infer_output_at(call, i, x->dtype, 2, moments);
  return status;
}

wk_status wk_infer_normalise_gradient(wk_call *call) {
  const wk_normalise_gradient_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[1]->layout;
  if (x->rank != 4 || !wk_layout_same_dims(&call->inputs[0]->layout, x))
    return wk_fail(WK_ERROR_SHAPE, "g and x must be [N, P, G, K]");
  for (int i = 2; i < 4; i++) {
    const wk_layout *moment = &call->inputs[i]->layout;
    if (moment->rank != 2 || moment->dims[0] != x->dims[0] || moment->dims[1] != x->dims[2])
      return wk_fail(WK_ERROR_SHAPE, "mean and variance must be [N, G]");
  }
  const int64_t channels = x->dims[2] * x->dims[3], affine = a->affine ? channels : 0;
  wk_status status = check_channels(call->inputs[4], channels, "weight");
  if (status == WK_OK) status = wk_infer_output(call, x->dtype, 4, x->dims);
  for (int i = 1; i < 3 && status == WK_OK; i++)
    status = wk_infer_output_at(call, i, x->dtype, 1, &affine);
  return status;
}

/* Sums over the positions and channels of each group, [N, 1, G, 1]. */
static wk_tensor *group_sum(wk_tensor *x) {
  return wk_sum(x, .axes = WK_AXES(1, 3), .keep_dims = true);
}

/* One for each (n, g) of x [N, P, G, K] as [N, 1, G, 1]. */
static wk_tensor *for_groups(wk_tensor *moment, const wk_layout *x) {
  return wk_reshape(moment, WK_SHAPE(x->dims[0], 1, x->dims[2], 1));
}

static wk_tensor *inverse_deviation(wk_tensor *variance, double epsilon) {
  return wk_divide(wk_scalar(1), wk_sqrt(wk_add(variance, wk_scalar(epsilon))));
}

/* With h = weight * g and z = (x - mean) * inverse:
 * x_gradient = inverse * (h - mean of h - z * mean of (h * z)), means over P and K. */
wk_status wk_composite_normalise_gradient(wk_call *call) {
  const wk_normalise_gradient_arguments *a = call->arguments;
  wk_tensor *g = call->inputs[0], *x = call->inputs[1], *weight = call->inputs[4];
  const wk_layout *layout = &x->layout;
  const int64_t *dims = layout->dims, channels = dims[2] * dims[3];
  const wk_shape by_channel = WK_SHAPE(dims[2], dims[3]);
  wk_tensor *inverse = for_groups(inverse_deviation(call->inputs[3], a->epsilon), layout);
  wk_tensor *z = wk_multiply(wk_subtract(x, for_groups(call->inputs[2], layout)), inverse);
  wk_tensor *h = weight ? wk_multiply(g, wk_reshape(weight, by_channel)) : g;
  wk_tensor *count = wk_scalar((double)(dims[1] * dims[3]));
  wk_tensor *change = wk_multiply(z, wk_divide(group_sum(wk_multiply(h, z)), count));
  if (!a->root_mean_square) change = wk_add(change, wk_divide(group_sum(h), count));
  call->outputs[0] = wk_multiply(inverse, wk_subtract(h, change));
  const wk_shape none = WK_SHAPE(0), all = WK_SHAPE(channels);
  wk_device *device = wk_tensor_device_of(x);
  wk_tensor *empty = wk_full(none, 0, .dtype = layout->dtype, .device = device);
  wk_tensor *products = a->affine ? wk_sum(wk_multiply(g, z), .axes = WK_AXES(0, 1)) : NULL;
  call->outputs[1] = a->affine ? wk_reshape(products, all) : empty;
  call->outputs[2] = a->affine ? wk_reshape(wk_sum(g, .axes = WK_AXES(0, 1)), all) : empty;
  return wk_error_status();
}

/* What the gradients of mean and variance add to that of x; only gradients of gradients need it. */
static wk_tensor *moments_gradient(const wk_vjp *vjp) {
  const wk_normalise_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *count = wk_scalar((double)(x->dims[1] * x->dims[3])), *sum = NULL;
  if (vjp->output_gradients[2]) {
    wk_tensor *centred = wk_subtract(vjp->inputs[0], for_groups(vjp->outputs[1], x));
    wk_tensor *g = wk_divide(wk_multiply(vjp->output_gradients[2], wk_scalar(2)), count);
    sum = wk_multiply(centred, for_groups(g, x));
  }
  if (vjp->output_gradients[1] && !a->root_mean_square) {
    wk_tensor *g = for_groups(wk_divide(vjp->output_gradients[1], count), x);
    sum = sum ? wk_add(sum, g) : wk_broadcast_to(g, wk_layout_shape(x));
  }
  return sum;
}

wk_status wk_vjp_normalise(wk_vjp *vjp) {
  const wk_normalise_arguments *a = vjp->arguments;
  const bool affine = vjp->needed[1] || vjp->needed[2];
  wk_normalise_gradient_result from_y = {.x_gradient = NULL};
  if (vjp->output_gradients[0])
    from_y = wk_normalise_gradient(vjp->output_gradients[0], vjp->inputs[0], vjp->outputs[1],
                                   vjp->outputs[2], .weight = vjp->inputs[1], .epsilon = a->epsilon,
                                   .root_mean_square = a->root_mean_square, .affine = affine);
  if (vjp->needed[1]) vjp->input_gradients[1] = from_y.weight_gradient;
  if (vjp->needed[2]) vjp->input_gradients[2] = from_y.bias_gradient;
  if (!vjp->needed[0]) return wk_error_status();
  wk_tensor *rest = moments_gradient(vjp);
  wk_tensor *g = from_y.x_gradient;
  vjp->input_gradients[0] = g && rest ? wk_add(g, rest) : g ? g : rest;
  return wk_error_status();
}

/* ---- over the last axes ---- */

static wk_status check_trailing(const wk_layout *x, const wk_tensor *tensor, int64_t axes,
                                const char *name) {
  if (!tensor) return WK_OK;
  bool same = tensor->layout.rank == axes;
  for (int i = 0; same && i < tensor->layout.rank; i++)
    same = tensor->layout.dims[i] == x->dims[x->rank - (int)axes + i];
  if (same) return WK_OK;
  wk_layout wanted = {.dtype = x->dtype, .rank = (int)axes};
  memcpy(wanted.dims, x->dims + x->rank - (int)axes, (size_t)axes * sizeof *wanted.dims);
  char text[128];
  wk_layout_describe(&wanted, text, sizeof text);
  return wk_fail(WK_ERROR_SHAPE, "%s must be %s, as the last axes of x", name, text);
}

/* Of each of x's rows, its last `axes` axes. */
static wk_status normalise_rows(wk_call *call, int64_t axes, double epsilon,
                                bool root_mean_square) {
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1];
  wk_tensor *bias = call->input_count > 2 ? call->inputs[2] : NULL;
  const wk_layout *layout = &x->layout;
  if (axes > layout->rank) {
    wk_fail(WK_ERROR_SHAPE, "x has %d dimensions, fewer than the %lld to normalise over",
            layout->rank, (long long)axes);
    wk_error_add_hint(".axes counts the last axes; left out it is 1");
    return WK_ERROR_SHAPE;
  }
  wk_status status = check_trailing(layout, weight, axes, "weight");
  if (status == WK_OK) status = check_trailing(layout, bias, axes, "bias");
  if (status != WK_OK) return status;
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < layout->rank; i++)
    *(i < layout->rank - (int)axes ? &rows : &columns) *= layout->dims[i];
  const wk_shape flat = WK_SHAPE(columns);
  wk_tensor *y = wk_normalise(wk_reshape(x, WK_SHAPE(rows, 1, 1, columns)),
                              .weight = weight ? wk_reshape(weight, flat) : NULL,
                              .bias = bias ? wk_reshape(bias, flat) : NULL, .epsilon = epsilon,
                              .root_mean_square = root_mean_square)
                     .y;
  call->outputs[0] = wk_reshape(y, wk_layout_shape(layout));
  return wk_error_status();
}

wk_status wk_composite_layer_norm(wk_call *call) {
  const wk_layer_norm_arguments *a = call->arguments;
  return normalise_rows(call, a->axes, a->epsilon, false);
}

wk_status wk_composite_rms_norm(wk_call *call) {
  const wk_rms_norm_arguments *a = call->arguments;
  return normalise_rows(call, a->axes, a->epsilon, true);
}

/* ---- over positions and groups of channels ---- */

static wk_status normalise_groups(wk_call *call, int64_t groups, double epsilon) {
  wk_tensor *x = call->inputs[0];
  const wk_layout *layout = &x->layout;
  const int last = layout->rank - 1;
  if (layout->rank < 2) return wk_fail(WK_ERROR_SHAPE, "x must be [N, ..., C]");
  const int64_t channels = layout->dims[last];
  if (groups < 1 || channels % groups != 0) {
    wk_fail(WK_ERROR_SHAPE, "%lld channels do not divide into %lld groups", (long long)channels,
            (long long)groups);
    wk_error_add_hint("channels are the last axis of x");
    return WK_ERROR_SHAPE;
  }
  wk_status status = check_channels(call->inputs[1], channels, "weight");
  if (status == WK_OK) status = check_channels(call->inputs[2], channels, "bias");
  if (status != WK_OK) return status;
  int64_t positions = 1;
  for (int i = 1; i < last; i++) positions *= layout->dims[i];
  const wk_shape shape = WK_SHAPE(layout->dims[0], positions, groups, channels / groups);
  wk_tensor *y = wk_normalise(wk_reshape(x, shape), .weight = call->inputs[1],
                              .bias = call->inputs[2], .epsilon = epsilon)
                     .y;
  call->outputs[0] = wk_reshape(y, wk_layout_shape(layout));
  return wk_error_status();
}

wk_status wk_composite_group_norm(wk_call *call) {
  const wk_group_norm_arguments *a = call->arguments;
  return normalise_groups(call, a->groups, a->epsilon);
}

wk_status wk_composite_instance_norm(wk_call *call) {
  const wk_instance_norm_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  return normalise_groups(call, x->rank ? x->dims[x->rank - 1] : 1, a->epsilon);
}

/* ---- over the batch ---- */

static wk_status check_batch_norm(const wk_call *call, bool training) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank < 1) return wk_fail(WK_ERROR_SHAPE, "x must be [..., C]");
  for (int i = 1; i < 5; i++) {
    const wk_status status =
        check_channels(call->inputs[i], x->dims[x->rank - 1], call->op->inputs[i].name);
    if (status != WK_OK) return status;
  }
  if (!call->inputs[3] != !call->inputs[4])
    return wk_fail(WK_ERROR_ARGUMENT, "running_mean and running_variance go together");
  if (training || call->inputs[3]) return WK_OK;
  wk_fail(WK_ERROR_ARGUMENT, "running_mean and running_variance are needed unless training");
  wk_error_add_hint(".training = true uses the mean and variance of the batch");
  return WK_ERROR_ARGUMENT;
}

static wk_status move_running(wk_tensor *running, wk_tensor *value, double momentum) {
  if (!value) return wk_error_status();
  const wk_running_update_arguments arguments = {sizeof arguments, running, value, momentum};
  return wk_op_run(&wk_op_table[WK_OP_RUNNING_UPDATE], WK_HERE, &arguments, NULL);
}

/* Both towards the batch's, the variance by its unbiased estimate; not recorded. */
static wk_status update_running(const wk_call *call, wk_normalise_result batch, int64_t count) {
  const wk_batch_norm_arguments *a = call->arguments;
  const wk_shape shape = wk_layout_shape(&call->inputs[3]->layout);
  const bool recorded = wk_gradients_recorded;
  wk_gradients_recorded = false;
  wk_tensor *unbiased = wk_multiply(batch.variance, wk_scalar((double)count / (double)(count - 1)));
  wk_status status = move_running(call->inputs[3], wk_reshape(batch.mean, shape), a->momentum);
  if (status == WK_OK)
    status = move_running(call->inputs[4], wk_reshape(unbiased, shape), a->momentum);
  wk_gradients_recorded = recorded;
  return status;
}

static wk_status train_batch_norm(wk_call *call) {
  const wk_batch_norm_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_layout *layout = &x->layout;
  const int last = layout->rank - 1;
  int64_t count = 1;
  for (int i = 0; i < last; i++) count *= layout->dims[i];
  if (count == 1) {
    wk_fail(WK_ERROR_SHAPE, "a single value in each channel has no variance to train with");
    wk_error_add_hint("use larger batches, or leave the last, smaller one out");
    return WK_ERROR_SHAPE;
  }
  const wk_normalise_result batch =
      wk_normalise(wk_reshape(x, WK_SHAPE(1, count, layout->dims[last], 1)),
                   .weight = call->inputs[1], .bias = call->inputs[2], .epsilon = a->epsilon);
  call->outputs[0] = wk_reshape(batch.y, wk_layout_shape(layout));
  if (wk_failed() || !call->inputs[3] || count == 0) return wk_error_status();
  return update_running(call, batch, count);
}

wk_status wk_composite_batch_norm(wk_call *call) {
  const wk_batch_norm_arguments *a = call->arguments;
  wk_tensor *weight = call->inputs[1], *bias = call->inputs[2];
  if (check_batch_norm(call, a->training) != WK_OK) return wk_error_status();
  if (a->training) return train_batch_norm(call);
  wk_tensor *scale = inverse_deviation(call->inputs[4], a->epsilon);
  if (weight) scale = wk_multiply(scale, weight);
  call->outputs[0] =
      wk_scale_shift(call->inputs[0], call->inputs[3], scale, bias ? bias : wk_scalar(0));
  return wk_error_status();
}

/* ---- by the norm ---- */

wk_status wk_composite_l2_normalize(wk_call *call) {
  const wk_l2_normalize_arguments *a = call->arguments;
  wk_tensor *given = call->inputs[0], *x = wk_to_accumulate(given); /* f16 has no such squares */
  const int axis = wk_axis_resolve(a->axis, x->layout.rank);
  if (axis < 0) return wk_error_status();
  wk_tensor *squares = wk_sum(wk_multiply(x, x), .axes = WK_AXES(axis), .keep_dims = true);
  /* The square of epsilon is inside the root, which then has a slope where x is 0. */
  wk_tensor *least = wk_maximum(squares, wk_scalar(a->epsilon * a->epsilon));
  call->outputs[0] = wk_cast_if_other(wk_divide(x, wk_sqrt(least)), given->layout.dtype);
  return wk_error_status();
}
