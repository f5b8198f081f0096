/* SPDX-License-Identifier: Apache-2.0 */
/* Random ops: shapes, composites, and the values that every backend draws. */
#include "ops/random.h"

#include "base/error.h"
#include "base/maths.h"
#include "ops/records.gen.h"

/* ---- values ---- */

static double truncated_normal(const wk_truncated_normal_arguments *a, double unit) {
  const double scale = 0.7071067811865476 / a->deviation;
  const double below_low = 0.5 * erfc(-(a->low - a->mean) * scale);
  const double below_high = 0.5 * erfc(-(a->high - a->mean) * scale);
  const double below = below_low + (below_high - below_low) * unit;
  const double value = a->mean + wk_real_erfinv(2 * below - 1) / scale;
  return value < a->low ? a->low : value > a->high ? a->high : value;
}

/* The key as the arguments of random ops hold it. */
static const wk_random_key *key_of(const wk_op *op, const void *arguments) {
  return (const void *)((const char *)arguments + op->random_key);
}

double wk_random_real(const wk_op *op, const void *arguments, int64_t index) {
  const wk_random_key *key = key_of(op, arguments);
  const uint64_t seed = key->seed, at = key->offset + (uint64_t)index;
  switch (op->id) {
  case WK_OP_NORMAL: {
    const wk_normal_arguments *a = arguments;
    return wk_random_normal(seed, at, a->mean, a->deviation);
  }
  case WK_OP_LOG_NORMAL: {
    const wk_log_normal_arguments *a = arguments;
    return exp(wk_random_normal(seed, at, a->mean, a->deviation));
  }
  case WK_OP_TRUNCATED_NORMAL:
    return truncated_normal(arguments, wk_random_unit(seed, at));
  case WK_OP_EXPONENTIAL: {
    const wk_exponential_arguments *a = arguments;
    return -log1p(-wk_random_unit(seed, at)) / a->rate;
  }
  case WK_OP_GEOMETRIC: {
    const wk_geometric_arguments *a = arguments;
    if (a->probability == 1) return 1;
    return 1 + floor(log1p(-wk_random_unit(seed, at)) / log1p(-a->probability));
  }
  case WK_OP_CAUCHY: {
    const wk_cauchy_arguments *a = arguments;
    return a->median + a->scale * tan(3.141592653589793 * (wk_random_unit(seed, at) - 0.5));
  }
  default: /* gumbel; half a step more than 0, whose logarithm is not finite */
    return -log(-log(wk_random_unit(seed, at) + 0x1p-54));
  }
}

/* ---- shapes ---- */

static wk_status infer_floats(wk_call *call, const wk_shape *shape, wk_dtype dtype) {
  if (dtype && !wk_dtype_is_float(dtype)) {
    return wk_fail(WK_ERROR_DTYPE, "these random numbers are floats, not %s", wk_dtype_name(dtype));
  }
  return wk_infer_output(call, dtype ? dtype : WK_F32, shape->rank, shape->dims);
}

static wk_status infer_numbers(wk_call *call, const wk_shape *shape, wk_dtype dtype) {
  if (dtype == WK_BOOL) {
    wk_fail(WK_ERROR_DTYPE, "random whole numbers are integers or floats, not bool");
    wk_error_add_hint("wk_random_mask makes random truth values");
    return WK_ERROR_DTYPE;
  }
  return wk_infer_output(call, dtype ? dtype : WK_I64, shape->rank, shape->dims);
}

static wk_status check_order(const char *low, const char *high, bool ordered) {
  return ordered ? WK_OK : wk_fail(WK_ERROR_ARGUMENT, "%s is not below %s", low, high);
}

wk_status wk_infer_uniform(wk_call *call) {
  const wk_uniform_arguments *a = call->arguments;
  if (!(a->low <= a->high)) return wk_fail(WK_ERROR_ARGUMENT, "low is above high");
  return infer_floats(call, &a->shape, a->dtype);
}

#define INFER_FLOATS(name)                                                                         \
  wk_status wk_infer_##name(wk_call *call) {                                                       \
    const wk_##name##_arguments *a = call->arguments;                                              \
    return infer_floats(call, &a->shape, a->dtype);                                                \
  }
INFER_FLOATS(normal)
INFER_FLOATS(log_normal)
INFER_FLOATS(exponential)
INFER_FLOATS(geometric)
INFER_FLOATS(cauchy)
INFER_FLOATS(gumbel)
#undef INFER_FLOATS

wk_status wk_infer_truncated_normal(wk_call *call) {
  const wk_truncated_normal_arguments *a = call->arguments;
  const wk_status status = check_order("low", "high", a->low < a->high);
  return status == WK_OK ? infer_floats(call, &a->shape, a->dtype) : status;
}

wk_status wk_infer_random_integers(wk_call *call) {
  const wk_random_integers_arguments *a = call->arguments;
  const wk_status status = check_order("low", "high", a->low < a->high);
  return status == WK_OK ? infer_numbers(call, &a->shape, a->dtype) : status;
}

wk_status wk_infer_random_permutation(wk_call *call) {
  const wk_random_permutation_arguments *a = call->arguments;
  const wk_shape shape = {.rank = 1, .dims = {a->count}};
  return infer_numbers(call, &shape, a->dtype);
}

wk_status wk_infer_multinomial(wk_call *call) {
  const wk_multinomial_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank == 0) return wk_fail(WK_ERROR_SHAPE, "x has no dimension of weights");
  const int64_t places = x->dims[x->rank - 1];
  if (!a->replacement && a->count > places) {
    wk_fail(WK_ERROR_ARGUMENT, "count is %lld, but a row has only %lld places", (long long)a->count,
            (long long)places);
    wk_error_add_hint(".replacement = true allows places to be drawn again");
    return WK_ERROR_ARGUMENT;
  }
  int64_t dims[WK_MAX_RANK];
  for (int i = 0; i < x->rank; i++) dims[i] = x->dims[i];
  dims[x->rank - 1] = a->count;
  return wk_infer_output(call, WK_I64, x->rank, dims);
}

static wk_status infer_like_inputs(wk_call *call) {
  wk_layout joint;
  const wk_status status = wk_broadcast_layouts(call->inputs, call->input_count, &joint);
  if (status != WK_OK) return status;
  return wk_infer_output(call, call->inputs[0]->layout.dtype, joint.rank, joint.dims);
}

wk_status wk_infer_random_gamma(wk_call *call) { return infer_like_inputs(call); }
wk_status wk_infer_random_beta(wk_call *call) { return infer_like_inputs(call); }
wk_status wk_infer_random_poisson(wk_call *call) { return infer_like_inputs(call); }

/* ---- dropout ---- */

wk_status wk_infer_dropout(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

/* The same numbers are drawn again, so no mask is kept. */
wk_status wk_vjp_dropout(wk_vjp *vjp) {
  const wk_dropout_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_dropout(vjp->output_gradients[0], a->rate, .keyed = true,
                                       .seed = a->seed, .offset = a->offset);
  return wk_error_status();
}

/* ---- composites ---- */

/* Hands the key on. */
#define KEY .generator = a->generator, .keyed = a->keyed, .seed = a->seed, .offset = a->offset

wk_status wk_composite_bernoulli(wk_call *call) {
  const wk_bernoulli_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_dtype dtype = x->layout.dtype;
  wk_tensor *draws = wk_uniform(wk_tensor_shape(x), .dtype = dtype == WK_F64 ? WK_F64 : WK_F32,
                                .device = wk_tensor_device(x), KEY);
  call->outputs[0] = wk_cast(wk_less(draws, x), dtype);
  return wk_error_status();
}

wk_status wk_composite_random_mask(wk_call *call) {
  const wk_random_mask_arguments *a = call->arguments;
  wk_tensor *draws = wk_uniform(a->shape, .dtype = WK_F64, .device = a->device, KEY);
  wk_tensor *mask = wk_less(draws, wk_scalar(a->probability));
  call->outputs[0] = a->dtype && a->dtype != WK_BOOL ? wk_cast(mask, a->dtype) : mask;
  return wk_error_status();
}

wk_status wk_composite_categorical(wk_call *call) {
  const wk_categorical_arguments *a = call->arguments;
  call->outputs[0] =
      wk_multinomial(wk_softmax(call->inputs[0]), a->count, .replacement = true, KEY);
  return wk_error_status();
}

wk_status wk_composite_uniform_like(wk_call *call) {
  const wk_uniform_like_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  /* bounds by their settings' rule: zero that is meant is -0.0 where 0 stands for something else */
  call->outputs[0] =
      wk_uniform(wk_tensor_shape(x), .low = a->low, .high = a->high == 0 ? -0.0 : a->high,
                 .dtype = a->dtype ? a->dtype : x->layout.dtype, .device = wk_tensor_device(x),
                 KEY);
  return wk_error_status();
}

wk_status wk_composite_normal_like(wk_call *call) {
  const wk_normal_like_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  call->outputs[0] =
      wk_normal(wk_tensor_shape(x), .mean = a->mean,
                .deviation = a->deviation == 0 ? -0.0 : a->deviation,
                .dtype = a->dtype ? a->dtype : x->layout.dtype, .device = wk_tensor_device(x), KEY);
  return wk_error_status();
}

wk_status wk_composite_rrelu(wk_call *call) {
  const wk_rrelu_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  wk_tensor *slope =
      wk_uniform(wk_tensor_shape(x), .low = a->lower, .high = a->upper == 0 ? -0.0 : a->upper,
                 .dtype = x->layout.dtype, .device = wk_tensor_device(x), KEY);
  call->outputs[0] = wk_where(wk_greater(x, wk_scalar(0)), x, wk_multiply(x, slope));
  return wk_error_status();
}

/* ---- initial values of weights ---- */

/* What a weight of these sizes joins: [out, K..., in]. */
static double fan_of(const wk_shape *shape, wk_fan fan) {
  double kernel = 1;
  for (int i = 1; i + 1 < shape->rank; i++) kernel *= (double)shape->dims[i];
  const double out = shape->rank ? (double)shape->dims[0] : 1;
  const double in = shape->rank > 1 ? (double)shape->dims[shape->rank - 1] : out;
  return kernel * (fan == WK_FAN_IN ? in : fan == WK_FAN_OUT ? out : 0.5 * (in + out));
}

typedef struct weight_arguments {
  const wk_shape *shape;
  wk_dtype dtype;
  wk_device *device;
  wk_random_key key;
} weight_arguments;

static wk_tensor *weights(const weight_arguments *w, double scale, wk_fan fan,
                          wk_distribution distribution) {
  const wk_random_key *a = &w->key;
  const double most = fan_of(w->shape, fan), deviation = sqrt(scale / (most > 0 ? most : 1));
  if (distribution == WK_DISTRIBUTION_NORMAL) {
    return wk_normal(*w->shape, .deviation = deviation, .dtype = w->dtype, .device = w->device,
                     KEY);
  }
  if (distribution == WK_DISTRIBUTION_UNIFORM) {
    const double reach = deviation * 1.7320508075688772; /* sqrt(3): then the variance is right */
    return wk_uniform(*w->shape, .low = -reach, .high = reach, .dtype = w->dtype,
                      .device = w->device, KEY);
  }
  const double wide = deviation / 0.8796256610342398; /* what cutting at 2 leaves of it */
  return wk_truncated_normal(*w->shape, -2 * wide, 2 * wide, .deviation = wide, .dtype = w->dtype,
                             .device = w->device, KEY);
}

wk_status wk_composite_variance_scaling(wk_call *call) {
  const wk_variance_scaling_arguments *a = call->arguments;
  if (!(a->scale > 0))
    return wk_fail(WK_ERROR_ARGUMENT, "scale is %g, but must be above 0", a->scale);
  const weight_arguments w = {&a->shape, a->dtype, a->device, *key_of(call->op, a)};
  call->outputs[0] = weights(&w, a->scale, a->fan, a->distribution);
  return wk_error_status();
}

#define WEIGHTS(name, scale, fan, distribution)                                                    \
  wk_status wk_composite_##name(wk_call *call) {                                                   \
    const wk_##name##_arguments *a = call->arguments;                                              \
    const weight_arguments w = {&a->shape, a->dtype, a->device, *key_of(call->op, a)};             \
    call->outputs[0] = weights(&w, scale, fan, distribution);                                      \
    return wk_error_status();                                                                      \
  }
WEIGHTS(glorot_uniform, 1, WK_FAN_AVERAGE, WK_DISTRIBUTION_UNIFORM)
WEIGHTS(glorot_normal, 1, WK_FAN_AVERAGE, WK_DISTRIBUTION_NORMAL)
WEIGHTS(he_uniform, 2, WK_FAN_IN, WK_DISTRIBUTION_UNIFORM)
WEIGHTS(he_normal, 2, WK_FAN_IN, WK_DISTRIBUTION_NORMAL)
WEIGHTS(lecun_uniform, 1, WK_FAN_IN, WK_DISTRIBUTION_UNIFORM)
WEIGHTS(lecun_normal, 1, WK_FAN_IN, WK_DISTRIBUTION_NORMAL)
#undef WEIGHTS
