/* SPDX-License-Identifier: Apache-2.0 */
/* Attention: Vaswani et al. 2017, "Attention is all you need". */
#include <math.h>

#include "base/error.h"
#include "ops/records.gen.h"

#define MOST_WIDTH 256 /* of the kernels */

/* What is asked for, brought to query [B, H, L, E], key [B, K, S, E], value [B, K, S, V]. */
typedef struct attention {
  wk_tensor *query, *key, *value;
  wk_tensor *mask; /* [B or 1, H or 1, L or 1, S or 1], bool or of the others' dtype; or NULL */
  int64_t batch, heads, key_heads, queries, keys, width, value_width;
  bool causal;
  double scale, rate;
  uint64_t seed, offset;
} attention;

/* ---- checks ---- */

static int64_t from_end(const wk_layout *x, int place) {
  return x->rank >= place ? x->dims[x->rank - place] : 1;
}

static wk_status check_operands(const wk_layout *q, const wk_layout *k, const wk_layout *v) {
  if (q->rank < 2 || k->rank != q->rank || v->rank != q->rank)
    return wk_fail(WK_ERROR_SHAPE, "query, key and value must all be [..., heads, tokens, size]");
  for (int i = 0; i < q->rank - 3; i++)
    if (k->dims[i] != q->dims[i] || v->dims[i] != q->dims[i])
      return wk_fail(WK_ERROR_SHAPE, "query, key and value differ in dimension %d", i);
  if (from_end(q, 1) != from_end(k, 1)) {
    return wk_fail(WK_ERROR_SHAPE, "queries have size %lld, but keys %lld",
                   (long long)from_end(q, 1), (long long)from_end(k, 1));
  }
  if (from_end(k, 2) != from_end(v, 2)) {
    return wk_fail(WK_ERROR_SHAPE, "there are %lld keys, but %lld values",
                   (long long)from_end(k, 2), (long long)from_end(v, 2));
  }
  const int64_t heads = from_end(q, 3), key_heads = from_end(k, 3);
  if (from_end(v, 3) == key_heads && (key_heads ? heads % key_heads == 0 : heads == 0))
    return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "%lld query heads cannot share %lld key and %lld value heads",
          (long long)heads, (long long)key_heads, (long long)from_end(v, 3));
  wk_error_add_hint("operands are [..., heads, tokens, size]; heads come before tokens");
  return WK_ERROR_SHAPE;
}

static wk_status check_mask(const wk_layout *mask, const wk_layout *q, int64_t keys) {
  if (mask->dtype != WK_BOOL && !wk_dtype_is_float(mask->dtype)) {
    wk_fail(WK_ERROR_DTYPE, "the mask is %s, but must be bool or a float",
            wk_dtype_name(mask->dtype));
    wk_error_add_hint("wk_cast(mask, WK_BOOL): true where a query may look");
    return WK_ERROR_DTYPE;
  }
  bool fits = mask->rank <= (q->rank > 2 ? q->rank : 2);
  for (int i = 1; fits && i <= mask->rank; i++) {
    const int64_t size = from_end(mask, i), full = i == 1 ? keys : from_end(q, i);
    fits = size == 1 || size == full;
  }
  if (fits) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "the mask must broadcast to [..., %lld, %lld, %lld]",
                 (long long)from_end(q, 3), (long long)from_end(q, 2), (long long)keys);
}

/* ---- bringing into form ---- */

/* [..., H, L, E] as [B, H, L, E] */
static wk_tensor *with_four_axes(wk_tensor *x, int64_t batch) {
  const wk_layout *l = &x->layout;
  const wk_shape shape = {4, {batch, from_end(l, 3), from_end(l, 2), from_end(l, 1)}};
  return wk_reshape(x, shape);
}

static wk_tensor *mask_with_four_axes(wk_tensor *mask, const wk_layout *q, const attention *a) {
  if (mask->layout.dtype != WK_BOOL) mask = wk_cast(mask, q->dtype);
  if (!mask || mask->layout.rank <= 3 || q->rank <= 4)
    return mask ? with_four_axes(mask, from_end(&mask->layout, 4)) : NULL;
  wk_shape full = wk_layout_shape(q); /* the axes in front become one, so they must be there */
  full.dims[full.rank - 3] = from_end(&mask->layout, 3);
  full.dims[full.rank - 2] = from_end(&mask->layout, 2);
  full.dims[full.rank - 1] = from_end(&mask->layout, 1);
  return with_four_axes(wk_broadcast_to(mask, full), a->batch);
}

static attention bring_into_form(wk_tensor **in) {
  const wk_layout *q = &in[0]->layout, *k = &in[1]->layout, *v = &in[2]->layout;
  attention a = {.heads = from_end(q, 3),
                 .key_heads = from_end(k, 3),
                 .queries = from_end(q, 2),
                 .keys = from_end(k, 2),
                 .width = from_end(q, 1),
                 .value_width = from_end(v, 1),
                 .batch = 1};
  for (int i = 0; i < q->rank - 3; i++) a.batch *= q->dims[i];
  a.query = with_four_axes(in[0], a.batch);
  a.key = with_four_axes(in[1], a.batch);
  a.value = with_four_axes(in[2], a.batch);
  if (in[3]) a.mask = mask_with_four_axes(in[3], q, &a);
  return a;
}

/* ---- with the matrix of scores, from public ops ---- */

/* What is added to hidden scores: small enough for their exponentials to be 0, and finite, so that
 * no gradient becomes NaN. */
static double hidden_score(const attention *a) {
  return wk_tensor_dtype(a->query) == WK_F16 ? -6e4 : -1e30;
}

/* [B, H, m, n] as [B, K, H / K, m, n], and the keys' [B, K, m, n] as [B, K, 1, m, n]. */
static wk_tensor *by_group(const attention *a, wk_tensor *x) {
  const int64_t batch = wk_tensor_dim(x, 0), heads = wk_tensor_dim(x, 1);
  const int64_t group = a->key_heads ? a->heads / a->key_heads : 1;
  const bool each = heads == a->heads; /* else one for each key head, or for all */
  const wk_shape shape = {5,
                          {batch, each ? a->key_heads : heads, each ? group : 1,
                           wk_tensor_dim(x, 2), wk_tensor_dim(x, 3)}};
  return wk_reshape(x, shape);
}

static wk_tensor *shared_by_group(const attention *a, wk_tensor *x) {
  return wk_reshape(x,
                    WK_SHAPE(a->batch, a->key_heads, 1, wk_tensor_dim(x, 2), wk_tensor_dim(x, 3)));
}

static wk_tensor *turned(wk_tensor *x) { return wk_permute(x, WK_AXES(0, 1, 2, 4, 3)); }

/* Where queries may look, broadcastable to [B, K, G, L, S]; NULL: everywhere. */
static wk_tensor *visible(const attention *a, wk_tensor *mask) {
  wk_tensor *seen = NULL;
  if (mask) seen = wk_tensor_dtype(mask) == WK_BOOL ? mask : wk_greater(mask, wk_scalar(-INFINITY));
  if (!a->causal) return seen;
  wk_device *device = wk_tensor_device(a->query);
  wk_tensor *q = wk_arange(a->queries, .dtype = WK_I64, .device = device);
  wk_tensor *k = wk_arange(a->keys, .dtype = WK_I64, .device = device);
  wk_tensor *before = wk_greater_equal(wk_reshape(q, WK_SHAPE(a->queries, 1)), k);
  if (!seen) return before;
  return wk_equal(wk_add(wk_cast(before, WK_I32), wk_cast(seen, WK_I32)), wk_scalar(2));
}

typedef struct scores {
  wk_tensor *query, *key, *value; /* [B, K, G or 1, ...], the query times the scale */
  wk_tensor *seen, *value_of;     /* value_of: the scores, with the mask's terms */
} scores;

static scores make_scores(const attention *a) {
  scores s = {.key = shared_by_group(a, a->key), .value = shared_by_group(a, a->value)};
  s.query = wk_multiply(by_group(a, a->query), wk_scalar(a->scale));
  wk_tensor *mask = a->mask ? by_group(a, a->mask) : NULL;
  s.seen = visible(a, mask);
  s.value_of = wk_matmul(s.query, turned(s.key));
  if (mask && wk_tensor_dtype(mask) != WK_BOOL)
    s.value_of = wk_add(s.value_of, wk_maximum(mask, wk_scalar(hidden_score(a))));
  return s;
}

static wk_tensor *hide(const scores *s, wk_tensor *x, double number) {
  return s->seen ? wk_where(s->seen, x, wk_scalar(number)) : x;
}

static wk_tensor *drop(const attention *a, wk_tensor *p) {
  if (a->rate == 0) return p;
  return wk_dropout(p, a->rate, .keyed = true, .seed = a->seed, .offset = a->offset);
}

static wk_tensor *explicit_attention(const attention *a) {
  const scores s = make_scores(a);
  wk_tensor *p = wk_softmax(hide(&s, s.value_of, hidden_score(a)));
  wk_tensor *y = wk_matmul(drop(a, hide(&s, p, 0)), s.value);
  return wk_reshape(y, WK_SHAPE(a->batch, a->heads, a->queries, a->value_width));
}

/* ---- the op ---- */

/* Hidden queries and missing keys apart, the kernel does all but differentiate the mask. */
static bool kernel_can(const attention *a) {
  const bool mask_counts = wk_gradients_recorded && wk_wants_gradient(a->mask);
  return a->width <= MOST_WIDTH && a->value_width <= MOST_WIDTH && !mask_counts;
}

#define SETTINGS(a)                                                                                \
  .causal = (a)->causal, .scale = (a)->scale != 0 ? (a)->scale : WK_EXACTLY_ZERO,                  \
  .rate = (a)->rate, .seed = (a)->seed, .offset = (a)->offset

wk_status wk_composite_scaled_dot_product_attention(wk_call *call) {
  wk_scaled_dot_product_attention_arguments *s = call->arguments;
  wk_tensor **in = call->inputs;
  const wk_layout *q = &in[0]->layout;
  wk_status status = check_operands(q, &in[1]->layout, &in[2]->layout);
  if (status == WK_OK && in[3]) status = check_mask(&in[3]->layout, q, from_end(&in[1]->layout, 2));
  if (status != WK_OK) return status;
  attention a = bring_into_form(in);
  if (wk_failed()) return wk_error_status();
  a.causal = s->causal;
  a.scale =
      s->scale != 0 || signbit(s->scale) ? s->scale : 1 / sqrt(a.width > 0 ? (double)a.width : 1);
  a.rate = s->dropout;
  if (a.rate > 0) {
    wk_random_key *key = (wk_random_key *)(void *)&s->generator;
    if (wk_random_key_draw(key, a.batch * a.heads * a.queries * a.keys) != WK_OK)
      return wk_error_status();
    a.seed = key->seed, a.offset = key->offset;
  }
  wk_tensor *y = kernel_can(&a)
                     ? wk_attention(a.query, a.key, a.value, .mask = a.mask, SETTINGS(&a)).y
                     : explicit_attention(&a);
  wk_shape shape = wk_layout_shape(q);
  shape.dims[shape.rank - 1] = a.value_width;
  call->outputs[0] = wk_reshape(y, shape);
  return wk_error_status();
}

static wk_status check_four_axes(wk_tensor *const *in, const wk_tensor *mask) {
  const wk_layout *q = &in[0]->layout, *k = &in[1]->layout, *v = &in[2]->layout;
  if (q->rank != 4) return wk_fail(WK_ERROR_SHAPE, "the query must have four axes");
  const wk_status status = check_operands(q, k, v);
  if (status != WK_OK || !mask) return status;
  if (mask->layout.rank != 4 || (mask->layout.dtype != WK_BOOL && mask->layout.dtype != q->dtype))
    return wk_fail(WK_ERROR_SHAPE, "the mask must have four axes, and the dtype of the query");
  return check_mask(&mask->layout, q, k->dims[2]);
}

/* Sums of exponentials are not rounded to 16 bits. */
static wk_dtype sum_dtype(wk_dtype dtype) { return wk_dtype_size(dtype) == 2 ? WK_F32 : dtype; }

wk_status wk_infer_attention(wk_call *call) {
  const wk_layout *q = &call->inputs[0]->layout, *v = &call->inputs[2]->layout;
  wk_status status = check_four_axes(call->inputs, call->inputs[3]);
  const int64_t dims[] = {q->dims[0], q->dims[1], q->dims[2], v->dims[3]};
  if (status == WK_OK) status = wk_infer_output_at(call, 0, q->dtype, 4, dims);
  if (status == WK_OK) status = wk_infer_output_at(call, 1, sum_dtype(q->dtype), 3, dims);
  return status;
}

wk_status wk_vjp_attention(wk_vjp *vjp) {
  const wk_attention_arguments *s = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0], *to_log_sum = vjp->output_gradients[1];
  wk_tensor *y = vjp->outputs[0], *log_sum = vjp->outputs[1];
  if (!g) g = wk_multiply(y, wk_scalar(0));
  wk_tensor *delta = wk_sum(wk_multiply(g, y), .axes = WK_AXES(-1));
  if (to_log_sum) delta = wk_subtract(delta, to_log_sum);
  const wk_attention_gradient_result result =
      wk_attention_gradient(g, delta, vjp->inputs[0], vjp->inputs[1], vjp->inputs[2], log_sum,
                            .mask = vjp->inputs[3], SETTINGS(s));
  vjp->input_gradients[0] = result.query_gradient;
  vjp->input_gradients[1] = result.key_gradient;
  vjp->input_gradients[2] = result.value_gradient;
  return wk_error_status();
}

/* ---- the gradient ---- */

wk_status wk_infer_attention_gradient(wk_call *call) {
  wk_tensor **in = call->inputs;
  wk_status status = check_four_axes(in + 2, in[6]);
  for (int i = 0; i < 3 && status == WK_OK; i++) {
    const wk_layout *of = &in[2 + i]->layout;
    status = wk_infer_output_at(call, i, of->dtype, of->rank, of->dims);
  }
  return status;
}

/* [B, H, L] as a column beside the scores. */
static wk_tensor *as_column(const attention *a, wk_tensor *x) {
  const int64_t group = a->key_heads ? a->heads / a->key_heads : 1;
  return wk_reshape(x, WK_SHAPE(a->batch, a->key_heads, group, a->queries, 1));
}

static wk_tensor *sum_of_group(wk_tensor *x, const wk_tensor *like) {
  return wk_reshape(wk_sum(x, .axes = WK_AXES(2)), wk_tensor_shape(like));
}

wk_status wk_composite_attention_gradient(wk_call *call) {
  const wk_attention_gradient_arguments *s = call->arguments;
  wk_tensor **in = call->inputs;
  attention a = bring_into_form((wk_tensor *[]){in[2], in[3], in[4], in[6]});
  a.causal = s->causal, a.scale = s->scale, a.rate = s->rate;
  a.seed = s->seed, a.offset = s->offset;
  const scores of = make_scores(&a);
  wk_tensor *g = by_group(&a, in[0]);
  wk_tensor *log_sum = wk_cast(in[5], wk_tensor_dtype(g));
  wk_tensor *exponents = wk_subtract(of.value_of, as_column(&a, log_sum));
  wk_tensor *p = wk_exp(hide(&of, exponents, hidden_score(&a)));
  p = hide(&of, p, 0);
  wk_tensor *inner = drop(&a, wk_matmul(g, turned(of.value)));
  wk_tensor *slopes = wk_multiply(p, wk_subtract(inner, as_column(&a, in[1])));
  wk_tensor *query = wk_multiply(wk_matmul(slopes, of.key), wk_scalar(a.scale));
  call->outputs[0] = wk_reshape(query, wk_tensor_shape(a.query));
  call->outputs[1] = sum_of_group(wk_matmul(turned(slopes), of.query), a.key);
  call->outputs[2] = sum_of_group(wk_matmul(turned(drop(&a, p)), g), a.value);
  return wk_error_status();
}
