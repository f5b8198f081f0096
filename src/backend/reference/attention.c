/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/random.h"
#include "ops/records.gen.h"

/* query [B, H, L, E], key [B, K, S, E], value [B, K, S, V], row-major. */
typedef struct attention {
  const double *query, *key, *value, *g, *delta, *log_sum;
  const wk_operand *mask;
  int64_t heads, key_heads, queries, keys, width, value_width;
  bool causal, single;
  double scale, rate;
  uint64_t seed, offset;
} attention;

static void set_sizes(attention *a, const wk_operand *query, const wk_operand *value) {
  a->heads = query->layout.dims[1];
  a->key_heads = value->layout.dims[1];
  a->queries = query->layout.dims[2];
  a->keys = value->layout.dims[2];
  a->width = query->layout.dims[3];
  a->value_width = value->layout.dims[3];
  a->single = query->layout.dtype != WK_F64;
}

/* The first row of the keys, or values, that query head `head`, counted through the batch, sees. */
static int64_t key_row(const attention *a, int64_t head) {
  const int64_t batch = head / a->heads, own = head % a->heads / (a->heads / a->key_heads);
  return (batch * a->key_heads + own) * a->keys;
}

/* What the mask adds to a score: -infinity hides the key. */
static double mask_term(const attention *a, int64_t head, int64_t q, int64_t k) {
  if (a->causal && k > q) return -INFINITY;
  if (!a->mask->data) return 0;
  const int64_t index[] = {head / a->heads, head % a->heads, q, k};
  int64_t position = 0;
  for (int i = 0; i < 4; i++)
    if (a->mask->layout.dims[i] != 1) position += index[i] * a->mask->layout.strides[i];
  const double value = wk_element_real(a->mask, position);
  if (a->mask->layout.dtype == WK_BOOL) return value != 0 ? 0 : -INFINITY;
  return value;
}

static double dot(const double *x, const double *y, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

static double score_of(const attention *a, int64_t head, int64_t q, int64_t k) {
  const double term = mask_term(a, head, q, k);
  if (term == -INFINITY) return term;
  const double *x = a->query + (head * a->queries + q) * a->width;
  const double *y = a->key + (key_row(a, head) + k) * a->width;
  return dot(x, y, a->width) * a->scale + term;
}

/* What dropout multiplies a probability by. */
static double kept(const attention *a, int64_t head, int64_t q, int64_t k) {
  if (a->rate == 0) return 1;
  const int64_t index = (head * a->queries + q) * a->keys + k;
  const double scale = wk_random_keep_scale(a->rate);
  if (!wk_random_keep(a->seed, a->offset + (uint64_t)index, a->rate)) return 0;
  return a->single ? (double)(float)scale : scale;
}

/* One row of y; its scores stand in `scores`. Returns the logarithm of their exponentials' sum. */
static double attend(const attention *a, int64_t head, int64_t q, double *scores, double *y) {
  double largest = -INFINITY, sum = 0;
  for (int64_t k = 0; k < a->keys; k++) {
    scores[k] = score_of(a, head, q, k);
    if (scores[k] > largest) largest = scores[k];
  }
  if (largest == -INFINITY) return 0;
  for (int64_t k = 0; k < a->keys; k++) sum += exp(scores[k] - largest);
  for (int64_t k = 0; k < a->keys; k++) {
    const double p = exp(scores[k] - largest) / sum * kept(a, head, q, k);
    const double *value = a->value + (key_row(a, head) + k) * a->value_width;
    for (int64_t i = 0; i < a->value_width; i++) y[i] += p * value[i];
  }
  return largest + log(sum);
}

wk_status wk_reference_run_attention(const wk_kernel_call *call) {
  const wk_attention_arguments *s = call->arguments;
  const wk_operand *in = call->inputs;
  WK_REALS query = wk_reals_load(&in[0]);
  WK_REALS key = wk_reals_load(&in[1]);
  WK_REALS value = wk_reals_load(&in[2]);
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&call->outputs[0].layout));
  WK_REALS scores = wk_reals_zeroed(in[1].layout.dims[2]);
  if (!query || !key || !value || !y || !scores) return wk_error_status();
  attention a = {.query = query, .key = key, .value = value, .mask = &in[3], .causal = s->causal};
  a.scale = s->scale, a.rate = s->rate, a.seed = s->seed, a.offset = s->offset;
  set_sizes(&a, &in[0], &in[2]);
  const int64_t rows = in[0].layout.dims[0] * a.heads * a.queries;
  for (int64_t row = 0; row < rows; row++) {
    const double log_sum =
        attend(&a, row / a.queries, row % a.queries, scores, y + row * a.value_width);
    wk_element_set_real(&call->outputs[1], row, log_sum);
  }
  wk_reals_store(y, &call->outputs[0]);
  return WK_OK;
}

/* What one probability gives to the gradients of its query, key and value. */
static void add_gradients(const attention *a, int64_t head, int64_t q, int64_t k, double *query,
                          double *key, double *value) {
  const int64_t row = head * a->queries + q, other = key_row(a, head) + k;
  const double p = exp(score_of(a, head, q, k) - a->log_sum[row]), keep = kept(a, head, q, k);
  const double *g = a->g + row * a->value_width;
  const double inner = dot(g, a->value + other * a->value_width, a->value_width);
  const double slope = p * (inner * keep - a->delta[row]) * a->scale;
  for (int64_t i = 0; i < a->value_width; i++) value[other * a->value_width + i] += p * keep * g[i];
  for (int64_t i = 0; i < a->width; i++) {
    query[row * a->width + i] += slope * a->key[other * a->width + i];
    key[other * a->width + i] += slope * a->query[row * a->width + i];
  }
}

wk_status wk_reference_run_attention_gradient(const wk_kernel_call *call) {
  const wk_attention_gradient_arguments *s = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  WK_REALS g = wk_reals_load(&in[0]);
  WK_REALS delta = wk_reals_load(&in[1]);
  WK_REALS query = wk_reals_load(&in[2]);
  WK_REALS key = wk_reals_load(&in[3]);
  WK_REALS value = wk_reals_load(&in[4]);
  WK_REALS log_sum = wk_reals_load(&in[5]);
  WK_REALS to_query = wk_reals_zeroed(wk_layout_count(&out[0].layout));
  WK_REALS to_key = wk_reals_zeroed(wk_layout_count(&out[1].layout));
  WK_REALS to_value = wk_reals_zeroed(wk_layout_count(&out[2].layout));
  if (!g || !delta || !query || !key || !value || !log_sum || !to_query || !to_key || !to_value)
    return wk_error_status();
  attention a = {query, key, value, g, delta, log_sum, &in[6], .causal = s->causal};
  a.scale = s->scale, a.rate = s->rate, a.seed = s->seed, a.offset = s->offset;
  set_sizes(&a, &in[2], &in[4]);
  const int64_t rows = in[2].layout.dims[0] * a.heads * a.queries;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t k = 0; k < a.keys; k++)
      add_gradients(&a, row / a.queries, row % a.queries, k, to_query, to_key, to_value);
  wk_reals_store(to_query, &out[0]);
  wk_reals_store(to_key, &out[1]);
  wk_reals_store(to_value, &out[2]);
  return WK_OK;
}
