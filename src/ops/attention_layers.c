/* SPDX-License-Identifier: Apache-2.0 */
/* What is built around attention: multi_head_attention and rotary_embedding. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

/* ---- multi-head attention ---- */

/* Projects x [N, L, ...] by weights[place] and cuts the result into heads: [N, H, L, D / H]. */
static wk_tensor *heads_of(const wk_call *call, wk_tensor *x, int place, int64_t heads) {
  wk_tensor **weights = call->inputs + 4;
  const bool has_biases = call->input_count == 12;
  wk_tensor *y = wk_linear(x, weights[place], .bias = has_biases ? weights[4 + place] : NULL);
  const int64_t size = wk_tensor_dim(weights[place], 0) / heads;
  const wk_shape shape = {4, {wk_tensor_dim(x, 0), wk_tensor_dim(x, 1), heads, size}};
  return wk_permute(wk_reshape(y, shape), WK_AXES(0, 2, 1, 3));
}

static wk_status check_heads(const wk_call *call, int64_t heads) {
  const int count = call->input_count - 4;
  if (count != 4 && count != 8) {
    wk_fail(WK_ERROR_ARGUMENT, "there are %d weights; there must be 4, or 8 with biases", count);
    wk_error_add_hint("in the order query, key, value, out");
    return WK_ERROR_ARGUMENT;
  }
  for (int i = 0; i < 3; i++)
    if (call->inputs[i] && call->inputs[i]->layout.rank != 3)
      return wk_fail(WK_ERROR_SHAPE, "query, key and value must be [N, tokens, size]");
  for (int i = 0; i < 3; i++) {
    const wk_layout *weight = &call->inputs[4 + i]->layout;
    if (weight->rank != 2 || weight->dims[0] % heads != 0)
      return wk_fail(WK_ERROR_SHAPE, "weight %d must be [D, in], D a multiple of %lld heads", i + 1,
                     (long long)heads);
  }
  return WK_OK;
}

wk_status wk_composite_multi_head_attention(wk_call *call) {
  const wk_multi_head_attention_arguments *a = call->arguments;
  const wk_status status = check_heads(call, a->heads);
  if (status != WK_OK) return status;
  wk_tensor *query = call->inputs[0];
  wk_tensor *key = call->inputs[1] ? call->inputs[1] : query;
  wk_tensor *value = call->inputs[2] ? call->inputs[2] : key;
  wk_tensor *y =
      wk_scaled_dot_product_attention(heads_of(call, query, 0, a->heads),
                                      heads_of(call, key, 1, a->heads),
                                      heads_of(call, value, 2, a->heads), .mask = call->inputs[3],
                                      .causal = a->causal, .dropout = a->dropout,
                                      .generator = a->generator, .keyed = a->keyed, .seed = a->seed,
                                      .offset = a->offset);
  wk_tensor *joined = wk_flatten(wk_permute(y, WK_AXES(0, 2, 1, 3)), 2);
  call->outputs[0] =
      wk_linear(joined, call->inputs[7], .bias = call->input_count == 12 ? call->inputs[11] : NULL);
  return wk_error_status();
}

/* ---- rotary embedding ---- */

typedef struct turns {
  wk_tensor *cosines, *sines; /* [L, E / 2] */
} turns;

static bool make_turns(const wk_rotary_embedding_arguments *a, const wk_tensor *x, turns *made) {
  const int64_t rows = wk_tensor_dim(x, -2), pairs = wk_tensor_dim(x, -1) / 2;
  const size_t count = (size_t)(rows * pairs);
  double *values = wk_allocate_zeroed(2 * count + 1, sizeof *values);
  if (!values) return false;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t i = 0; i < pairs; i++) {
      const double frequency = pow(a->base, -(double)i / (double)pairs);
      const double angle = (double)(a->start + row) * frequency;
      values[row * pairs + i] = cos(angle);
      values[(int64_t)count + row * pairs + i] = sin(angle);
    }
  wk_tensor *all =
      wk_tensor_from_data(WK_SHAPE(2, rows, pairs), WK_F64, values, wk_tensor_device(x));
  wk_deallocate(values);
  all = wk_cast(all, wk_tensor_dtype(x));
  made->cosines = wk_reshape(wk_slice(all, 0, 0, 1), WK_SHAPE(rows, pairs));
  made->sines = wk_reshape(wk_slice(all, 0, 1, 2), WK_SHAPE(rows, pairs));
  return made->sines != NULL;
}

/* The first or second elements of the pairs, [..., L, E / 2]. */
static wk_tensor *part(wk_tensor *x, bool interleaved, int which) {
  wk_shape shape = wk_tensor_shape(x);
  const int64_t pairs = shape.dims[shape.rank - 1] / 2;
  if (!interleaved) return wk_slice(x, -1, which * pairs, (which + 1) * pairs);
  shape.dims[shape.rank - 1] = pairs;
  wk_shape split = shape;
  split.dims[split.rank++] = 2;
  return wk_reshape(wk_slice(wk_reshape(x, split), -1, which, which + 1), shape);
}

static wk_tensor *join(wk_tensor *first, wk_tensor *second, bool interleaved) {
  if (!interleaved) return wk_concatenate(WK_TENSORS(first, second), -1);
  wk_shape shape = wk_tensor_shape(first), split = shape;
  split.dims[split.rank++] = 1;
  shape.dims[shape.rank - 1] *= 2;
  wk_tensor *both =
      wk_concatenate(WK_TENSORS(wk_reshape(first, split), wk_reshape(second, split)), -1);
  return wk_reshape(both, shape);
}

wk_status wk_composite_rotary_embedding(wk_call *call) {
  const wk_rotary_embedding_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const int rank = wk_tensor_rank(x);
  if (rank < 2 || rank == WK_MAX_RANK || wk_tensor_dim(x, -1) % 2 != 0)
    return wk_fail(WK_ERROR_SHAPE, "x must be [..., tokens, size], the size even");
  turns t;
  if (!make_turns(a, x, &t)) return wk_error_status();
  wk_tensor *first = part(x, a->interleaved, 0), *second = part(x, a->interleaved, 1);
  wk_tensor *turned_first =
      wk_subtract(wk_multiply(first, t.cosines), wk_multiply(second, t.sines));
  wk_tensor *turned_second = wk_add(wk_multiply(second, t.cosines), wk_multiply(first, t.sines));
  call->outputs[0] = join(turned_first, turned_second, a->interleaved);
  return wk_error_status();
}
