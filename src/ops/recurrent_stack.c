/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent layers on each other, in one direction or both: lstm, gru, rnn. Each projects the
 * inputs of all steps with one product. Also their single steps. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/recurrent.h"

typedef enum recurrent_kind { KIND_LSTM, KIND_GRU, KIND_RNN } recurrent_kind;

static const int gates_of[] = {4, 3, 1};
static const int biases_of[] = {1, 2, 1};

typedef struct stack {
  recurrent_kind kind;
  wk_tensor *x, *hidden, *cell, *lengths;
  wk_tensor **weights;
  int weight_count;
  int64_t layers, directions;
  double dropout;
  bool no_bias, relu;
  wk_random_key *key;
} stack;

/* What one direction of one layer gives; cell NULL unless it is an lstm. */
typedef struct direction {
  wk_tensor *y, *hidden, *cell;
} direction;

static int weights_each(const stack *s) { return s->no_bias ? 2 : 2 + biases_of[s->kind]; }

/* ---- checks ---- */

static wk_status check_state(const stack *s, const wk_tensor *state, const char *name,
                             int64_t size) {
  if (!state) return WK_OK;
  const wk_layout *l = &state->layout;
  const int64_t count = s->layers * s->directions, batch = s->x->layout.dims[0];
  if (l->rank == 3 && l->dims[0] == count && l->dims[1] == batch && l->dims[2] == size)
    return WK_OK;
  return wk_fail(WK_ERROR_SHAPE,
                 "%s must be [%lld, %lld, %lld]: layers times directions, batch, "
                 "hidden size",
                 name, (long long)count, (long long)batch, (long long)size);
}

/* The weights of one direction of one layer against its input of `in` features. */
static wk_status check_weights(const stack *s, int place, int64_t in, int64_t size) {
  wk_tensor **w = s->weights + place * weights_each(s);
  const int64_t rows = gates_of[s->kind] * size;
  for (int i = 0; i < 2; i++) {
    const int64_t columns = i == 0 ? in : size;
    const wk_layout *l = &w[i]->layout;
    if (l->rank != 2 || l->dims[0] != rows || l->dims[1] != columns)
      return wk_fail(WK_ERROR_SHAPE, "weight %d must be [%lld, %lld]",
                     place * weights_each(s) + i + 1, (long long)rows, (long long)columns);
  }
  for (int i = 2; i < weights_each(s); i++)
    if (w[i]->layout.rank != 1 || w[i]->layout.dims[0] != rows)
      return wk_fail(WK_ERROR_SHAPE, "weight %d, a bias, must be [%lld]",
                     place * weights_each(s) + i + 1, (long long)rows);
  return WK_OK;
}

static wk_status check_stack(const stack *s) {
  if (s->x->layout.rank != 3) {
    wk_fail(WK_ERROR_SHAPE, "x must be [N, L, I]: sequences, steps, features");
    wk_error_add_hint("wk_permute(x, WK_AXES(1, 0, 2)) turns [L, N, I] into that");
    return WK_ERROR_SHAPE;
  }
  const int64_t directions = s->layers * s->directions;
  if (s->weight_count != directions * weights_each(s)) {
    wk_fail(WK_ERROR_ARGUMENT, "there are %d weights; %lld layers and directions need %d each",
            s->weight_count, (long long)directions, weights_each(s));
    wk_error_add_hint("for each layer, and in it each direction: the input's weight, the state's%s",
                      s->no_bias ? "" : ", and biases unless .no_bias is set");
    return WK_ERROR_ARGUMENT;
  }
  if (s->weights[1]->layout.rank != 2)
    return wk_fail(WK_ERROR_SHAPE, "weight 2 must have two dimensions");
  const int64_t size = s->weights[1]->layout.dims[1];
  wk_status status = check_state(s, s->hidden, "hidden", size);
  if (status == WK_OK) status = check_state(s, s->cell, "cell", size);
  for (int i = 0; i < directions && status == WK_OK; i++) {
    const bool first = i < s->directions;
    status = check_weights(s, i, first ? s->x->layout.dims[2] : s->directions * size, size);
  }
  const wk_layout *lengths = s->lengths ? &s->lengths->layout : NULL;
  if (status == WK_OK && lengths &&
      (lengths->rank != 1 || lengths->dims[0] != s->x->layout.dims[0]))
    return wk_fail(WK_ERROR_SHAPE, "lengths must be [%lld], one for each sequence",
                   (long long)s->x->layout.dims[0]);
  return status;
}

/* ---- one direction ---- */

static wk_tensor *first_state(const stack *s, wk_tensor *states, int place, int64_t size) {
  const wk_shape shape = WK_SHAPE(wk_tensor_dim(s->x, 0), size);
  if (states) return wk_reshape(wk_slice(states, 0, place, place + 1), shape);
  return wk_full(shape, 0, .dtype = wk_tensor_dtype(s->x), .device = wk_tensor_device(s->x));
}

/* The plain layer has no kernel: step by step in public ops. */
static direction run_rnn(const stack *s, wk_tensor *projected, wk_tensor *weight, wk_tensor *hidden,
                         bool reverse) {
  const int64_t steps = wk_tensor_dim(projected, 1);
  wk_tensor **y = wk_allocate_zeroed((size_t)steps + 1, sizeof *y);
  wk_tensor *columns = wk_permute(weight, WK_AXES(1, 0));
  direction d = {projected, hidden, NULL};
  for (int64_t i = 0; y && i < steps && !wk_failed(); i++) {
    const int64_t t = reverse ? steps - 1 - i : i;
    wk_tensor *sum = wk_add(wk_step_of(projected, t), wk_matmul(d.hidden, columns));
    wk_tensor *state = s->relu ? wk_relu(sum) : wk_tanh(sum), *counts = wk_counts(s->lengths, t);
    y[t] = wk_choose(counts, state, NULL);
    d.hidden = wk_choose(counts, state, d.hidden);
  }
  if (y && steps > 0) d.y = wk_join_steps(y, steps);
  wk_deallocate(y);
  return d;
}

static direction run_direction(const stack *s, wk_tensor *x, int place, bool reverse) {
  wk_tensor **w = s->weights + place * weights_each(s);
  const int64_t size = wk_tensor_dim(w[1], 1);
  wk_tensor *projected = wk_linear(x, w[0], .bias = s->no_bias ? NULL : w[2]);
  wk_tensor *hidden = first_state(s, s->hidden, place, size);
  if (s->kind == KIND_RNN) return run_rnn(s, projected, w[1], hidden, reverse);
  if (s->kind == KIND_GRU) {
    const wk_gru_steps_result r =
        wk_gru_steps(projected, w[1], hidden, .bias = s->no_bias ? NULL : w[3],
                     .lengths = s->lengths, .reverse = reverse);
    return (direction){r.y, r.final, NULL};
  }
  const wk_lstm_steps_result r =
      wk_lstm_steps(projected, w[1], hidden, first_state(s, s->cell, place, size),
                    .lengths = s->lengths, .reverse = reverse);
  return (direction){r.y, wk_slice(r.final, 0, 0, 1), wk_slice(r.final, 0, 1, 2)};
}

/* ---- the stack ---- */

static wk_tensor *drop(const stack *s, wk_tensor *y) {
  if (s->dropout == 0) return y;
  wk_tensor *result =
      wk_dropout(y, s->dropout, .generator = s->key->generator, .keyed = s->key->keyed,
                 .seed = s->key->seed, .offset = s->key->offset);
  s->key->offset += (uint64_t)wk_tensor_count(y);
  return result;
}

/* States [N, H] or [1, N, H] as one tensor [count, N, H]. */
static wk_tensor *join_states(wk_tensor **states, int64_t count) {
  if (wk_failed()) return NULL;
  for (int64_t i = 0; i < count; i++)
    states[i] = wk_reshape(states[i],
                           WK_SHAPE(1, wk_tensor_dim(states[i], -2), wk_tensor_dim(states[i], -1)));
  return wk_concatenate((wk_tensors){(size_t)count, states}, 0);
}

static direction run_layers(const stack *s, wk_tensor **hidden, wk_tensor **cell) {
  wk_tensor *x = s->x;
  for (int64_t layer = 0; layer < s->layers && !wk_failed(); layer++) {
    wk_tensor *y[2] = {NULL, NULL};
    if (layer > 0) x = drop(s, x);
    for (int way = 0; way < s->directions; way++) {
      const int place = (int)(layer * s->directions) + way;
      const direction d = run_direction(s, x, place, way == 1);
      y[way] = d.y, hidden[place] = d.hidden, cell[place] = d.cell;
    }
    x = y[1] ? wk_concatenate(WK_TENSORS(y[0], y[1]), 2) : y[0];
  }
  const int64_t count = s->layers * s->directions;
  direction all = {x, join_states(hidden, count), NULL};
  if (s->kind == KIND_LSTM) all.cell = join_states(cell, count);
  return all;
}

static wk_status run_stack(wk_call *call, const stack *s) {
  const wk_status status = check_stack(s);
  if (status != WK_OK) return status;
  const size_t count = (size_t)(s->layers * s->directions);
  wk_tensor **states = wk_allocate_zeroed(2 * count, sizeof *states);
  if (!states) return wk_error_status();
  const direction all = run_layers(s, states, states + count);
  wk_deallocate(states);
  call->outputs[0] = all.y;
  call->outputs[1] = all.hidden;
  if (s->kind == KIND_LSTM) call->outputs[2] = all.cell;
  return wk_error_status();
}

/* What the three ops' arguments have in common, and the inputs up to the weights. */
#define STACK(kind_, a, in, before_weights)                                                        \
  {                                                                                                \
    .kind = (kind_), .x = (in)[0], .hidden = (in)[1], .lengths = (in)[(before_weights)-1],         \
    .weights = (in) + (before_weights), .weight_count = call->input_count - (before_weights),      \
    .layers = (a)->layers, .directions = (a)->bidirectional ? 2 : 1, .dropout = (a)->dropout,      \
    .no_bias = (a)->no_bias, .key = (wk_random_key *)(void *)&(a)->generator                       \
  }

wk_status wk_composite_lstm(wk_call *call) {
  wk_lstm_arguments *a = call->arguments;
  stack s = STACK(KIND_LSTM, a, call->inputs, 4);
  s.cell = call->inputs[2];
  return run_stack(call, &s);
}

wk_status wk_composite_gru(wk_call *call) {
  wk_gru_arguments *a = call->arguments;
  const stack s = STACK(KIND_GRU, a, call->inputs, 3);
  return run_stack(call, &s);
}

wk_status wk_composite_rnn(wk_call *call) {
  wk_rnn_arguments *a = call->arguments;
  stack s = STACK(KIND_RNN, a, call->inputs, 3);
  s.relu = a->relu;
  return run_stack(call, &s);
}

/* ---- single steps ---- */

static wk_status check_cell(const wk_tensor *x, const wk_tensor *hidden, const wk_tensor *weight) {
  if (x->layout.rank == 2 && hidden->layout.rank == 2 && weight->layout.rank == 2 &&
      x->layout.dims[0] == hidden->layout.dims[0] &&
      weight->layout.dims[1] == hidden->layout.dims[1])
    return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "x must be [N, I], hidden [N, H] and its weight [..., H]");
}

/* [N, K] as one step, [N, 1, K] */
static wk_tensor *as_one_step(wk_tensor *x) {
  return wk_reshape(x, WK_SHAPE(wk_tensor_dim(x, 0), 1, wk_tensor_dim(x, 1)));
}

wk_status wk_composite_lstm_cell(wk_call *call) {
  wk_tensor **in = call->inputs;
  const wk_status status = check_cell(in[0], in[1], in[4]);
  if (status != WK_OK) return status;
  wk_tensor *projected = as_one_step(wk_linear(in[0], in[3], .bias = in[5]));
  const wk_lstm_steps_result r = wk_lstm_steps(projected, in[4], in[1], in[2]);
  const wk_shape shape = wk_tensor_shape(in[1]);
  call->outputs[0] = wk_reshape(wk_slice(r.final, 0, 0, 1), shape);
  call->outputs[1] = wk_reshape(wk_slice(r.final, 0, 1, 2), shape);
  return wk_error_status();
}

wk_status wk_composite_gru_cell(wk_call *call) {
  wk_tensor **in = call->inputs;
  const wk_status status = check_cell(in[0], in[1], in[3]);
  if (status != WK_OK) return status;
  wk_tensor *projected = as_one_step(wk_linear(in[0], in[2], .bias = in[4]));
  call->outputs[0] = wk_gru_steps(projected, in[3], in[1], .bias = in[5]).final;
  return wk_error_status();
}

wk_status wk_composite_rnn_cell(wk_call *call) {
  wk_tensor **in = call->inputs;
  const wk_status status = check_cell(in[0], in[1], in[3]);
  if (status != WK_OK) return status;
  wk_tensor *sum = wk_add(wk_linear(in[0], in[2], .bias = in[4]), wk_linear(in[1], in[3]));
  call->outputs[0] = wk_tanh(sum);
  return wk_error_status();
}
