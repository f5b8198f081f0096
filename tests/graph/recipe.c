/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe.h"

#include <stdbool.h>

enum { MOST_VALUES = 48, MOST_ELEMENTS = 3000 };

/* What a running function has to choose from. */
typedef struct kitchen {
  uint64_t random;
  const recipe *made;
  wk_tensor *values[MOST_VALUES];
  int count;
} kitchen;

/* Marsaglia 2003, xorshift. */
static uint64_t next(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  return *state = x;
}

static int pick(kitchen *k, int count) { return (int)((next(&k->random) >> 20) % (uint64_t)count); }
static bool toss(kitchen *k, int one_in) { return pick(k, one_in) == 0; }

static void start(uint64_t *state, uint64_t seed) {
  *state = seed * 0x9E3779B97F4A7C15u + 0x1234567;
  for (int i = 0; i < 5; i++) next(state);
}

static void add(kitchen *k, wk_tensor *x) {
  if (!x || wk_tensor_count(x) > MOST_ELEMENTS || wk_tensor_count(x) == 0) return;
  if (k->count < MOST_VALUES)
    k->values[k->count++] = x;
  else
    k->values[pick(k, MOST_VALUES)] = x;
}

/* Newer ones more often. */
static wk_tensor *choose(kitchen *k) {
  const int a = pick(k, k->count), b = pick(k, k->count);
  return k->values[a > b ? a : b];
}

static bool is_float(const wk_tensor *x) {
  const wk_dtype dtype = wk_tensor_dtype(x);
  return dtype == WK_F32 || dtype == WK_F64 || dtype == WK_F16 || dtype == WK_BF16;
}

static wk_tensor *choose_float(kitchen *k) {
  wk_tensor *x = choose(k);
  return is_float(x) ? x : wk_cast(x, WK_F32);
}

static int choose_axis(kitchen *k, const wk_tensor *x) {
  const int axis = pick(k, wk_tensor_rank(x));
  return toss(k, 3) ? axis - wk_tensor_rank(x) : axis;
}

static bool fits(const wk_tensor *a, const wk_tensor *b) {
  const int m = wk_tensor_rank(a), n = wk_tensor_rank(b);
  for (int i = 1; i <= m && i <= n; i++) {
    const int64_t p = wk_tensor_dim(a, -i), q = wk_tensor_dim(b, -i);
    if (p != q && p != 1 && q != 1) return false;
  }
  return true;
}

/* Something that goes with x by broadcasting. */
static wk_tensor *choose_beside(kitchen *k, wk_tensor *x) {
  for (int i = 0; i < 6; i++) {
    wk_tensor *y = choose_float(k);
    if (fits(x, y)) return y;
  }
  if (wk_tensor_rank(x) > 0 && toss(k, 2))
    return wk_mean(x, .axes = WK_AXES(choose_axis(k, x)), .keep_dims = true);
  return wk_scalar(0.25 + pick(k, 8));
}

/* ---- kinds of steps ---- */

static wk_tensor *unary(kitchen *k) {
  wk_tensor *x = choose_float(k);
  switch (pick(k, 14)) {
  case 0:
    return wk_sin(x);
  case 1:
    return wk_tanh(x);
  case 2:
    return wk_exp(wk_minimum(x, wk_scalar(3)));
  case 3:
    return wk_sqrt(wk_add(wk_abs(x), wk_scalar(0.5)));
  case 4:
    return wk_relu(x);
  case 5:
    return wk_sigmoid(x);
  case 6:
    return wk_gelu(x);
  case 7:
    return wk_silu(x);
  case 8:
    return wk_softplus(x);
  case 9:
    return wk_square(wk_tanh(x));
  case 10:
    return wk_erf(x);
  case 11:
    return wk_floor(x);
  case 12:
    return wk_reciprocal(wk_add(wk_square(x), wk_scalar(1)));
  default:
    return wk_negative(x);
  }
}

static wk_tensor *binary(kitchen *k) {
  wk_tensor *x = choose_float(k), *y = choose_beside(k, x);
  switch (pick(k, 8)) {
  case 0:
    return wk_add(x, y);
  case 1:
    return wk_subtract(x, y);
  case 2:
    return wk_multiply(wk_tanh(x), y);
  case 3:
    return wk_divide(x, wk_add(wk_abs(y), wk_scalar(1)));
  case 4:
    return wk_maximum(x, y);
  case 5:
    return wk_minimum(y, x);
  case 6:
    return wk_where(wk_greater(x, y), x, wk_multiply(y, wk_scalar(0.5)));
  default:
    return wk_atan2(x, y);
  }
}

static wk_tensor *reduction(kitchen *k) {
  wk_tensor *x = choose_float(k);
  if (wk_tensor_rank(x) == 0) return wk_multiply(x, wk_scalar(2));
  const wk_axes axes = toss(k, 4) ? (wk_axes){0} : WK_AXES(choose_axis(k, x));
  const bool keep = toss(k, 2);
  switch (pick(k, 5)) {
  case 0:
    return wk_sum(x, .axes = axes, .keep_dims = keep);
  case 1:
    return wk_mean(x, .axes = axes, .keep_dims = keep);
  case 2:
    return wk_max(x, .axes = axes, .keep_dims = keep);
  case 3:
    return wk_cumulative_sum(x, choose_axis(k, x));
  default:
    return wk_softmax(x, .axes = WK_AXES(choose_axis(k, x)));
  }
}

static wk_tensor *permute(kitchen *k, wk_tensor *x) {
  wk_axes axes = {.count = wk_tensor_rank(x)};
  for (int i = 0; i < axes.count; i++) axes.axis[i] = i;
  for (int i = axes.count - 1; i > 0; i--) {
    const int j = pick(k, i + 1), held = axes.axis[i];
    axes.axis[i] = axes.axis[j], axes.axis[j] = held;
  }
  return wk_permute(x, axes);
}

static wk_tensor *view(kitchen *k) {
  wk_tensor *x = choose(k);
  const int rank = wk_tensor_rank(x);
  if (rank == 0) return wk_reshape(x, WK_SHAPE(1));
  const int axis = choose_axis(k, x);
  const int64_t size = wk_tensor_dim(x, axis);
  switch (pick(k, 6)) {
  case 0:
    return wk_reshape(x, WK_SHAPE(-1));
  case 1:
    return permute(k, x);
  case 2:
    return wk_slice(x, axis, .start = size / 3, .end = size, .step = 1 + pick(k, 2));
  case 3:
    return wk_slice(x, axis, .start = WK_LAST, .end = WK_FIRST, .step = -1);
  case 4:
    return wk_reshape(x, WK_SHAPE(size > 0 ? wk_tensor_count(x) / wk_tensor_dim(x, 0) : 1, -1));
  default: {
    wk_shape shape = {.rank = rank + (rank < 4)};
    for (int i = 1; i <= rank; i++) shape.dims[shape.rank - i] = wk_tensor_dim(x, -i);
    if (rank < 4) shape.dims[0] = 2;
    return wk_broadcast_to(x, shape);
  }
  }
}

static wk_tensor *join(kitchen *k) {
  wk_tensor *x = choose_float(k);
  if (wk_tensor_rank(x) == 0) return wk_stack(WK_TENSORS(x, wk_sin(x)), 0);
  wk_tensor *y = wk_cast(wk_multiply(x, wk_scalar(1.5)), wk_tensor_dtype(x));
  if (toss(k, 2)) return wk_stack(WK_TENSORS(x, y), choose_axis(k, x));
  return wk_concatenate(WK_TENSORS(y, x, y), choose_axis(k, x));
}

static wk_tensor *product(kitchen *k) {
  wk_tensor *x = wk_tanh(choose_float(k));
  if (wk_tensor_rank(x) < 2)
    return wk_matmul(wk_reshape(x, WK_SHAPE(-1, 1)), wk_reshape(x, WK_SHAPE(1, -1)));
  wk_tensor *other = toss(k, 2) ? x : wk_sigmoid(x);
  return toss(k, 2) ? wk_matmul(x, wk_transpose(other, -1, -2))
                    : wk_matmul(wk_transpose(x, -1, -2), other);
}

/* Five and more axes do not occur: images have as many channels as the last axis has places. */
static wk_tensor *convolution(kitchen *k) {
  wk_tensor *x = wk_cast(wk_tanh(choose_float(k)), WK_F32);
  const int64_t count = wk_tensor_count(x);
  const int64_t channels = count % 3 == 0 ? 3 : count % 2 == 0 ? 2 : 1;
  const int64_t height = (count / channels) % 2 == 0 ? 2 : 1;
  wk_tensor *images = wk_reshape(x, WK_SHAPE(1, height, count / channels / height, channels));
  wk_tensor *filters =
      wk_sin(wk_uniform(WK_SHAPE(4, 1, 2, channels), -1, 1, .keyed = true, .seed = 5));
  return wk_conv2d(images, filters, .same = true, .stride = {1, 1 + pick(k, 2)});
}

static wk_tensor *keyed(wk_shape shape, uint64_t seed, const wk_tensor *like) {
  wk_tensor *x = wk_uniform(shape, -1, 1, .keyed = true, .seed = seed, .offset = 1 << 30);
  return wk_cast(x, wk_tensor_dtype(like));
}

/* A product or a convolution and what is done to its result at once, as in layers: bias,
 * coefficients for each column, the input or another value added, an activation; at times one of
 * them twice. */
static wk_tensor *layered(kitchen *k) {
  wk_tensor *x = wk_cast(wk_tanh(choose_float(k)), toss(k, 6) ? WK_F64 : WK_F32);
  const int64_t count = wk_tensor_count(x);
  const int64_t columns = count % 5 == 0 ? 5 : count % 4 == 0 ? 4 : count % 3 == 0 ? 3 : 1;
  x = wk_reshape(x, WK_SHAPE(1, count / columns, 1, columns));
  wk_tensor *y = toss(k, 2)
                     ? wk_conv2d(x, keyed(WK_SHAPE(columns, 3, 1, columns), 6, x), .same = true)
                     : wk_linear(x, keyed(WK_SHAPE(columns, columns), 7, x),
                                 .bias = keyed(WK_SHAPE(columns), 8, x));
  wk_tensor *first = y;
  for (int i = pick(k, 4); i >= 0; i--) {
    wk_tensor *row = keyed(WK_SHAPE(wk_tensor_dim(y, -1)), 9 + (uint64_t)i, y);
    wk_tensor *const others[] = {row, x, first, wk_scalar(0.5), choose_beside(k, y)};
    wk_tensor *other = others[pick(k, 5)];
    switch (pick(k, 5)) {
    case 0:
      y = wk_relu(y);
      break;
    case 1:
      y = wk_batch_norm(y, .running_mean = row, .running_variance = wk_square(row));
      break;
    case 2:
      y = wk_multiply(other, y);
      break;
    default:
      y = wk_add(y, other);
    }
  }
  return toss(k, 2) ? y : wk_reshape(y, WK_SHAPE(-1, columns));
}

static wk_tensor *is_small(void *context, wk_tensors state) {
  (void)context;
  return wk_less(state.item[0], wk_scalar(3));
}

static wk_status go_on(void *context, wk_tensors state, wk_tensor **next) {
  const recipe *made = context;
  wk_tensor *scale =
      wk_cast(wk_detach(wk_mean(made->parameters[1])), wk_tensor_dtype(state.item[1]));
  next[0] = wk_add(state.item[0], wk_scalar(1));
  next[1] = wk_cast(wk_tanh(wk_add(state.item[1], scale)), wk_tensor_dtype(state.item[1]));
  return wk_error_status();
}

/* Some trips of a loop that reaches a parameter; without gradients, which eager mode adds up in
 * another order, and does not make of no trips. */
static wk_tensor *looped(kitchen *k) {
  WK_NO_GRADIENT;
  wk_tensor *x = wk_detach(choose_float(k)), *results[2];
  if (!toss(k, 3)) return wk_tanh(x);
  wk_tensor *from = wk_full(WK_SHAPE(1), pick(k, 5), .dtype = WK_F64);
  const wk_loop_policy policy = toss(k, 2) ? WK_LOOP_SQUARE_ROOT : WK_LOOP_KEEP_ALL;
  wk_while(results, is_small, go_on, (void *)(uintptr_t)k->made, WK_TENSORS(from, x), policy);
  return wk_error_status() < 0 ? NULL : results[1];
}

static wk_tensor *drawn(kitchen *k) {
  wk_tensor *x = choose_float(k);
  if (toss(k, 2)) return wk_dropout(x, 0.3);
  wk_shape shape = wk_tensor_shape(x);
  return wk_add(x, toss(k, 2) ? wk_uniform(shape, -1, 1) : wk_normal(shape, .deviation = 0.5));
}

static wk_tensor *other_dtype(kitchen *k) {
  static const wk_dtype dtypes[] = {WK_F32, WK_F64, WK_BF16, WK_F16, WK_F32, WK_I32, WK_I64};
  return wk_cast(wk_tanh(choose_float(k)), dtypes[pick(k, 7)]);
}

/* Memory of its own that is written in parts, and read before and after. */
static wk_tensor *written(kitchen *k) {
  WK_NO_GRADIENT;
  wk_tensor *x = wk_detach(choose_float(k));
  wk_tensor *memory = wk_multiply(x, wk_scalar(3));
  wk_tensor *before = wk_sin(memory);
  if (wk_tensor_rank(memory) > 0) {
    const int axis = choose_axis(k, memory);
    wk_tensor *part = wk_slice(memory, axis, .start = wk_tensor_dim(memory, axis) / 2);
    wk_assign(part, wk_scalar(0.5));
  } else {
    wk_assign(memory, wk_scalar(2));
  }
  if (toss(k, 2)) add(k, before);
  return memory;
}

static wk_tensor *norm(kitchen *k) {
  wk_tensor *x = choose_float(k);
  return wk_tensor_rank(x) ? wk_layer_norm(x) : wk_tanh(x);
}

static wk_tensor *moved(kitchen *k) {
  wk_tensor *x = choose_float(k);
  if (wk_tensor_rank(x) == 0) return x;
  const int axis = choose_axis(k, x);
  if (toss(k, 2)) return wk_flip(x, WK_AXES(axis));
  wk_tensor *places = wk_random_integers(WK_SHAPE(3), wk_tensor_dim(x, axis));
  return wk_index_select(x, places, axis);
}

static void write_state(kitchen *k, wk_tensor *state) {
  WK_NO_GRADIENT;
  wk_tensor *mean = wk_cast(wk_mean(wk_tanh(wk_detach(choose_float(k)))), WK_F32);
  wk_assign(wk_slice(state, 0, .end = 2), wk_add(wk_slice(state, 0, .start = 1, .end = 3), mean));
}

static wk_tensor *(*const kinds[])(kitchen *k) = {unary,   unary,       unary,       binary,
                                                  binary,  binary,      reduction,   reduction,
                                                  view,    view,        join,        moved,
                                                  drawn,   norm,        other_dtype, written,
                                                  product, convolution, layered,     layered,
                                                  looped};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- the whole ---- */

static wk_tensor *loss_of(kitchen *k) {
  wk_tensor *loss = wk_scalar(0);
  for (int i = 0; i < 3; i++)
    loss = wk_add(loss, wk_mean(wk_tanh(wk_cast(choose_float(k), WK_F32))));
  return wk_add(loss, wk_mean(wk_square(wk_cast(k->values[2], WK_F32)))); /* a parameter, always */
}

wk_tensor *recipe_run(void *context, wk_tensors inputs) {
  const recipe *made = context;
  kitchen k = {.made = made};
  start(&k.random, made->seed ^ 0xABCDEF);
  for (int i = 0; i < RECIPE_INPUTS; i++) add(&k, inputs.item[i]);
  for (int i = 0; i < RECIPE_PARAMETERS; i++) add(&k, made->parameters[i]);
  for (int i = 0; i < made->steps && wk_error_status() >= 0; i++) {
    add(&k, kinds[pick(&k, KINDS)](&k));
    if (i == made->steps / 2) write_state(&k, made->state);
  }
  wk_backward(loss_of(&k));
  return wk_error_status() < 0 ? NULL
                               : wk_add(wk_cast(wk_detach(choose_float(&k)), WK_F32), wk_scalar(1));
}

void recipe_create(recipe *made, uint64_t seed) {
  static const wk_shape shapes[] = {{1, {7}},     {2, {4, 6}},  {3, {2, 3, 5}},
                                    {2, {17, 3}}, {2, {1, 33}}, {0}};
  *made = (recipe){.seed = seed};
  uint64_t random;
  start(&random, seed);
  made->steps = 4 + (int)(next(&random) % 24);
  made->shape = shapes[next(&random) % 6];
  wk_generator_set(wk_generator_default(), seed, 0);
  for (int i = 0; i < RECIPE_PARAMETERS; i++) {
    wk_tensor *values =
        wk_uniform(made->shape, -1, 1, .keyed = true, .seed = seed, .offset = 1000 * (uint64_t)i);
    made->parameters[i] = wk_tensor_retain(values);
    wk_tensor_set_requires_gradient(values, true);
  }
  made->state =
      wk_tensor_retain(wk_uniform(WK_SHAPE(5), .keyed = true, .seed = seed, .offset = 5000));
}

void recipe_free(recipe *made) {
  for (int i = 0; i < RECIPE_PARAMETERS; i++) wk_tensor_release(made->parameters[i]);
  wk_tensor_release(made->state);
}

void recipe_inputs(const recipe *made, int call, wk_tensor **inputs) {
  for (int i = 0; i < RECIPE_INPUTS; i++)
    inputs[i] = wk_uniform(made->shape, -2, 2, .keyed = true, .seed = made->seed + 77,
                           .offset = (uint64_t)(100000 * call + 20000 * i));
}
