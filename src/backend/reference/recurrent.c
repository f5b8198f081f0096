/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent layers, one sequence and one step at a time. */
#include <math.h>
#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/label.h"
#include "ops/records.gen.h"

/* `size` hidden units; all tensors row-major. */
typedef struct layer {
  int64_t batch, steps, size;
  const wk_operand *lengths;
  bool reverse;
  const double *weight, *projected, *bias; /* bias NULL: none */
  double *y, *saved;
} layer;

static wk_status set_shape(layer *l, const wk_operand *saved, int parts, const wk_operand *lengths,
                           bool reverse) {
  l->batch = saved->layout.dims[0];
  l->steps = saved->layout.dims[1];
  l->size = saved->layout.dims[2] / parts;
  l->lengths = lengths;
  l->reverse = reverse;
  return lengths->data ? wk_lengths_check("length", lengths, l->steps) : WK_OK;
}

static int64_t length_of(const layer *l, int64_t n) {
  if (!l->lengths->data) return l->steps;
  return wk_element_integer(l->lengths, n * l->lengths->layout.strides[0]);
}

/* The i-th of the steps that count, in the layer's direction. */
static int64_t step_at(const layer *l, int64_t length, int64_t i) {
  return l->reverse ? length - 1 - i : i;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* The sum over the hidden units that goes into gate `row`. */
static double recurrent_sum(const layer *l, int64_t row, const double *hidden) {
  double sum = l->bias ? l->bias[row] : 0;
  for (int64_t k = 0; k < l->size; k++) sum += l->weight[row * l->size + k] * hidden[k];
  return sum;
}

/* result[k] = sum over gates of gates[row] * weight[row][k] */
static void multiply_back(const layer *l, int64_t rows, const double *gates, double *result) {
  for (int64_t k = 0; k < l->size; k++) {
    result[k] = 0;
    for (int64_t row = 0; row < rows; row++) result[k] += gates[row] * l->weight[row * l->size + k];
  }
}

/* ---- lstm ---- */

/* One step: hidden and cell are replaced, hidden through y. */
static void step_lstm(const layer *l, int64_t at, double *hidden, double *cell) {
  const int64_t size = l->size;
  const double *x = l->projected + at * 4 * size;
  double *saved = l->saved + at * 5 * size, *y = l->y + at * size;
  for (int64_t j = 0; j < 4 * size; j++) {
    const double gate = x[j] + recurrent_sum(l, j, hidden);
    saved[j] = j / size == 2 ? tanh(gate) : sigmoid(gate);
  }
  for (int64_t j = 0; j < size; j++) {
    cell[j] = saved[size + j] * cell[j] + saved[j] * saved[2 * size + j];
    saved[4 * size + j] = cell[j];
    y[j] = saved[3 * size + j] * tanh(cell[j]);
  }
  memcpy(hidden, y, (size_t)size * sizeof *hidden);
}

wk_status wk_reference_run_lstm_steps(const wk_kernel_call *call) {
  const wk_lstm_steps_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  layer l = {0};
  const wk_status status = set_shape(&l, &out[2], 5, &in[4], a->reverse);
  if (status != WK_OK) return status;
  WK_REALS projected = wk_reals_load(&in[0]);
  WK_REALS weight = wk_reals_load(&in[1]);
  WK_REALS hidden = wk_reals_load(&in[2]);
  WK_REALS cell = wk_reals_load(&in[3]);
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&out[0].layout));
  WK_REALS final = wk_reals_zeroed(wk_layout_count(&out[1].layout));
  WK_REALS saved = wk_reals_zeroed(wk_layout_count(&out[2].layout));
  if (!projected || !weight || !hidden || !cell || !y || !final || !saved) return wk_error_status();
  l.projected = projected, l.weight = weight, l.y = y, l.saved = saved;
  const int64_t states = l.batch * l.size;
  memcpy(final, hidden, (size_t)states * sizeof *final);
  memcpy(final + states, cell, (size_t)states * sizeof *final);
  for (int64_t n = 0; n < l.batch; n++)
    for (int64_t i = 0, length = length_of(&l, n); i < length; i++)
      step_lstm(&l, n * l.steps + step_at(&l, length, i), final + n * l.size,
                final + states + n * l.size);
  wk_reals_store(y, &out[0]);
  wk_reals_store(final, &out[1]);
  wk_reals_store(saved, &out[2]);
  return WK_OK;
}

/* The gradients of the results; NULL: zero. */
typedef struct result_gradients {
  const double *y, *final, *saved;
} result_gradients;

static double or_zero(const double *values, int64_t index) { return values ? values[index] : 0; }

/* One step back: to_hidden and to_cell are the states' gradients after it, then before it. */
static void step_lstm_back(const layer *l, const result_gradients *g, int64_t at,
                           const double *cell_before, double *to_hidden, double *to_cell,
                           double *gates) {
  const int64_t size = l->size, first = at * 5 * size;
  const double *saved = l->saved + first;
  for (int64_t j = 0; j < size; j++) {
    const double i = saved[j], f = saved[size + j], c = saved[2 * size + j];
    const double o = saved[3 * size + j], bent = tanh(saved[4 * size + j]);
    const double h = to_hidden[j] + or_zero(g->y, at * size + j);
    const double cell =
        to_cell[j] + h * o * (1 - bent * bent) + or_zero(g->saved, first + 4 * size + j);
    gates[j] = (cell * c + or_zero(g->saved, first + j)) * i * (1 - i);
    gates[size + j] = (cell * cell_before[j] + or_zero(g->saved, first + size + j)) * f * (1 - f);
    gates[2 * size + j] = (cell * i + or_zero(g->saved, first + 2 * size + j)) * (1 - c * c);
    gates[3 * size + j] = (h * bent + or_zero(g->saved, first + 3 * size + j)) * o * (1 - o);
    to_cell[j] = cell * f;
  }
  multiply_back(l, 4 * size, gates, to_hidden);
}

wk_status wk_reference_run_lstm_steps_gradient(const wk_kernel_call *call) {
  const wk_lstm_steps_gradient_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  layer l = {0};
  const wk_status status = set_shape(&l, &in[2], 5, &in[6], a->reverse);
  if (status != WK_OK) return status;
  WK_REALS weight = wk_reals_load(&in[0]);
  WK_REALS cell = wk_reals_load(&in[1]);
  WK_REALS saved = wk_reals_load(&in[2]);
  WK_REALS g_y = in[3].data ? wk_reals_load(&in[3]) : NULL;
  WK_REALS g_final = in[4].data ? wk_reals_load(&in[4]) : NULL;
  WK_REALS g_saved = in[5].data ? wk_reals_load(&in[5]) : NULL;
  WK_REALS gates = wk_reals_zeroed(wk_layout_count(&out[0].layout));
  const int64_t states = l.batch * l.size;
  WK_REALS to = wk_reals_zeroed(2 * states);
  if (!weight || !cell || !saved || !gates || !to || wk_error_status() != WK_OK)
    return wk_error_status();
  const result_gradients g = {g_y, g_final, g_saved};
  l.weight = weight, l.saved = saved;
  if (g_final) memcpy(to, g_final, (size_t)(2 * states) * sizeof *to);
  for (int64_t n = 0; n < l.batch; n++) {
    const int64_t length = length_of(&l, n);
    for (int64_t i = length; i-- > 0;) {
      const int64_t at = n * l.steps + step_at(&l, length, i);
      const int64_t before = n * l.steps + step_at(&l, length, i - 1);
      const double *cell_before = i ? saved + (before * 5 + 4) * l.size : cell + n * l.size;
      step_lstm_back(&l, &g, at, cell_before, to + n * l.size, to + states + n * l.size,
                     gates + at * 4 * l.size);
    }
  }
  wk_reals_store(gates, &out[0]);
  wk_reals_store(to, &out[1]);
  wk_reals_store(to + states, &out[2]);
  return WK_OK;
}

/* ---- gru ---- */

static void step_gru(const layer *l, int64_t at, double *hidden) {
  const int64_t size = l->size;
  const double *x = l->projected + at * 3 * size;
  double *saved = l->saved + at * 4 * size, *y = l->y + at * size;
  for (int64_t j = 0; j < size; j++) {
    const double reset = sigmoid(x[j] + recurrent_sum(l, j, hidden));
    const double update = sigmoid(x[size + j] + recurrent_sum(l, size + j, hidden));
    const double part = recurrent_sum(l, 2 * size + j, hidden);
    const double new = tanh(x[2 * size + j] + reset * part);
    saved[j] = reset, saved[size + j] = update, saved[2 * size + j] = new;
    saved[3 * size + j] = part;
    y[j] = (1 - update) * new + update *hidden[j];
  }
  memcpy(hidden, y, (size_t)size * sizeof *hidden);
}

wk_status wk_reference_run_gru_steps(const wk_kernel_call *call) {
  const wk_gru_steps_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  layer l = {0};
  const wk_status status = set_shape(&l, &out[2], 4, &in[4], a->reverse);
  if (status != WK_OK) return status;
  WK_REALS projected = wk_reals_load(&in[0]);
  WK_REALS weight = wk_reals_load(&in[1]);
  WK_REALS final = wk_reals_load(&in[2]);
  WK_REALS bias = in[3].data ? wk_reals_load(&in[3]) : NULL;
  WK_REALS y = wk_reals_zeroed(wk_layout_count(&out[0].layout));
  WK_REALS saved = wk_reals_zeroed(wk_layout_count(&out[2].layout));
  if (!projected || !weight || !final || !y || !saved || wk_error_status() != WK_OK)
    return wk_error_status();
  l.projected = projected, l.weight = weight, l.bias = bias, l.y = y, l.saved = saved;
  for (int64_t n = 0; n < l.batch; n++)
    for (int64_t i = 0, length = length_of(&l, n); i < length; i++)
      step_gru(&l, n * l.steps + step_at(&l, length, i), final + n * l.size);
  wk_reals_store(y, &out[0]);
  wk_reals_store(final, &out[1]);
  wk_reals_store(saved, &out[2]);
  return WK_OK;
}

/* `back` takes what the product of the gates' gradients and the weight is. */
static void step_gru_back(const layer *l, const result_gradients *g, int64_t at,
                          const double *hidden_before, double *to_hidden, double *to_x,
                          double *to_h, double *back) {
  const int64_t size = l->size, first = at * 4 * size;
  const double *saved = l->saved + first;
  for (int64_t j = 0; j < size; j++) {
    const double r = saved[j], z = saved[size + j], n = saved[2 * size + j];
    const double h = to_hidden[j] + or_zero(g->y, at * size + j);
    const double to_z = h * (hidden_before[j] - n) + or_zero(g->saved, first + size + j);
    const double to_n = (h * (1 - z) + or_zero(g->saved, first + 2 * size + j)) * (1 - n * n);
    const double to_r = to_n * saved[3 * size + j] + or_zero(g->saved, first + j);
    to_x[j] = to_h[j] = to_r * r * (1 - r);
    to_x[size + j] = to_h[size + j] = to_z * z * (1 - z);
    to_x[2 * size + j] = to_n;
    to_h[2 * size + j] = to_n * r + or_zero(g->saved, first + 3 * size + j);
    to_hidden[j] = h * z;
  }
  multiply_back(l, 3 * size, to_h, back);
  for (int64_t j = 0; j < size; j++) to_hidden[j] += back[j];
}

wk_status wk_reference_run_gru_steps_gradient(const wk_kernel_call *call) {
  const wk_gru_steps_gradient_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  layer l = {0};
  const wk_status status = set_shape(&l, &in[2], 4, &in[7], a->reverse);
  if (status != WK_OK) return status;
  WK_REALS weight = wk_reals_load(&in[0]);
  WK_REALS hidden = wk_reals_load(&in[1]);
  WK_REALS saved = wk_reals_load(&in[2]);
  WK_REALS y = wk_reals_load(&in[3]);
  WK_REALS g_y = in[4].data ? wk_reals_load(&in[4]) : NULL;
  WK_REALS g_final = in[5].data ? wk_reals_load(&in[5]) : NULL;
  WK_REALS g_saved = in[6].data ? wk_reals_load(&in[6]) : NULL;
  WK_REALS to_x = wk_reals_zeroed(wk_layout_count(&out[0].layout));
  WK_REALS to_h = wk_reals_zeroed(wk_layout_count(&out[1].layout));
  const int64_t states = l.batch * l.size;
  WK_REALS to = wk_reals_zeroed(states + l.size);
  if (!weight || !hidden || !saved || !y || !to_x || !to_h || !to || wk_error_status() != WK_OK)
    return wk_error_status();
  const result_gradients g = {g_y, g_final, g_saved};
  l.weight = weight, l.saved = saved;
  if (g_final) memcpy(to, g_final, (size_t)states * sizeof *to);
  for (int64_t n = 0; n < l.batch; n++) {
    const int64_t length = length_of(&l, n);
    for (int64_t i = length; i-- > 0;) {
      const int64_t at = n * l.steps + step_at(&l, length, i);
      const int64_t before = n * l.steps + step_at(&l, length, i - 1);
      const double *hidden_before = i ? y + before * l.size : hidden + n * l.size;
      step_gru_back(&l, &g, at, hidden_before, to + n * l.size, to_x + at * 3 * l.size,
                    to_h + at * 3 * l.size, to + states);
    }
  }
  wk_reals_store(to_x, &out[0]);
  wk_reals_store(to_h, &out[1]);
  wk_reals_store(to, &out[2]);
  return WK_OK;
}
