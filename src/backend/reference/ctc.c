/* SPDX-License-Identifier: Apache-2.0 */
/* Connectionist temporal classification, after Graves et al. 2006: forward and backward variables
 * over the target with a blank around each label, all as logarithms, a thread for each sequence. */
#include <math.h>
#include <string.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/label.h"
#include "ops/records.gen.h"

typedef struct batch {
  const wk_operand *log_p, *targets, *steps, *labels; /* the last two: how many of each */
  int64_t blank;
  const wk_operand *g, *result;
  double *scratch;
  int64_t own; /* doubles of scratch for each thread */
} batch;

typedef struct sequence {
  const batch *batch;
  int64_t number, steps, states; /* states: 2 * labels + 1 */
} sequence;

static sequence sequence_of(const batch *b, int64_t number) {
  sequence q = {b, number, 0, 0};
  q.steps = wk_element_integer(b->steps, number * b->steps->layout.strides[0]);
  q.states = 2 * wk_element_integer(b->labels, number * b->labels->layout.strides[0]) + 1;
  return q;
}

/* The class that a state stands for. */
static int64_t class_of(const sequence *q, int64_t state) {
  if (state % 2 == 0) return q->batch->blank;
  const wk_operand *targets = q->batch->targets;
  return wk_element_integer(targets, q->number * targets->layout.strides[0] +
                                         state / 2 * targets->layout.strides[1]);
}

/* Whether a path may come to this state from two before: past a blank between different labels. */
static bool may_skip(const sequence *q, int64_t state) {
  return state >= 2 && state % 2 == 1 && class_of(q, state) != class_of(q, state - 2);
}

static double log_p_of(const sequence *q, int64_t step, int64_t state) {
  const wk_operand *log_p = q->batch->log_p;
  const int64_t *strides = log_p->layout.strides;
  return wk_element_real(log_p, q->number * strides[0] + step * strides[1] +
                                    class_of(q, state) * strides[2]);
}

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b) {
  const double most = a > b ? a : b, least = a > b ? b : a;
  return least == -INFINITY ? most : most + log1p(exp(least - most));
}

/* Fills one row of forward variables from the one before (NULL: the first). */
static void step_forward(const sequence *q, int64_t step, const double *before, double *alpha) {
  for (int64_t s = 0; s < q->states; s++) {
    double sum = -INFINITY;
    if (before) {
      sum = before[s];
      if (s >= 1) sum = log_add(sum, before[s - 1]);
      if (may_skip(q, s)) sum = log_add(sum, before[s - 2]);
    } else if (s <= 1) {
      sum = 0;
    }
    alpha[s] = sum == -INFINITY ? sum : sum + log_p_of(q, step, s);
  }
}

/* The same from the end (after NULL: the last row). */
static void step_backward(const sequence *q, int64_t step, const double *after, double *beta) {
  for (int64_t s = 0; s < q->states; s++) {
    double sum = -INFINITY;
    if (after) {
      sum = after[s];
      if (s + 1 < q->states) sum = log_add(sum, after[s + 1]);
      if (s + 2 < q->states && may_skip(q, s + 2)) sum = log_add(sum, after[s + 2]);
    } else if (s >= q->states - 2) {
      sum = 0;
    }
    beta[s] = sum == -INFINITY ? sum : sum + log_p_of(q, step, s);
  }
}

static double loss_of(const sequence *q, const double *last) {
  if (q->steps == 0) return q->states == 1 ? 0 : INFINITY;
  double sum = last[q->states - 1];
  if (q->states > 1) sum = log_add(sum, last[q->states - 2]);
  return -sum;
}

static void run_losses(void *context, int64_t begin, int64_t end) {
  const batch *b = context;
  double *alpha = b->scratch + wk_parallel_index() * b->own, *before = alpha + b->own / 2;
  for (int64_t number = begin; number < end; number++) {
    const sequence q = sequence_of(b, number);
    for (int64_t step = 0; step < q.steps; step++) {
      step_forward(&q, step, step ? before : NULL, alpha);
      memcpy(before, alpha, (size_t)q.states * sizeof *alpha);
    }
    wk_element_set_real(b->result, number, loss_of(&q, before));
  }
}

/* -g times how often paths are in each class, one step. `counts` has a place for each class. */
static void store_step(const sequence *q, int64_t step, double loss, const double *alpha,
                       const double *beta, double *counts) {
  const wk_operand *result = q->batch->result;
  const int64_t classes = result->layout.dims[2];
  memset(counts, 0, (size_t)classes * sizeof *counts);
  for (int64_t s = 0; s < q->states; s++) {
    if (alpha[s] == -INFINITY || beta[s] == -INFINITY) continue;
    counts[class_of(q, s)] += exp(alpha[s] + beta[s] - log_p_of(q, step, s) + loss);
  }
  const double g = wk_element_real(q->batch->g, q->number * q->batch->g->layout.strides[0]);
  const int64_t at = (q->number * result->layout.dims[1] + step) * classes;
  for (int64_t c = 0; c < classes; c++) wk_element_set_real(result, at + c, -g * counts[c]);
}

static void run_gradients(void *context, int64_t begin, int64_t end) {
  const batch *b = context;
  const int64_t steps = b->result->layout.dims[1], classes = b->result->layout.dims[2];
  const int64_t states = 2 * b->targets->layout.dims[1] + 1;
  double *alpha = b->scratch + wk_parallel_index() * b->own, *beta = alpha + steps * states;
  double *after = beta + states, *counts = after + states;
  for (int64_t number = begin; number < end; number++) {
    const sequence q = sequence_of(b, number);
    for (int64_t step = 0; step < q.steps; step++)
      step_forward(&q, step, step ? alpha + (step - 1) * states : NULL, alpha + step * states);
    const double loss = loss_of(&q, q.steps ? alpha + (q.steps - 1) * states : NULL);
    const int64_t used = isfinite(loss) ? q.steps : 0;
    for (int64_t i = (number * steps + used) * classes; i < (number + 1) * steps * classes; i++)
      wk_element_set_real(b->result, i, 0);
    for (int64_t step = used; step-- > 0;) {
      step_backward(&q, step, step + 1 < q.steps ? after : NULL, beta);
      store_step(&q, step, loss, alpha + step * states, beta, counts);
      memcpy(after, beta, (size_t)q.states * sizeof *beta);
    }
  }
}

/* Only the targets that count are looked at: behind them there may be anything. */
static wk_status check_batch(const batch *b) {
  const int64_t classes = b->log_p->layout.dims[2];
  wk_status status = wk_lengths_check("input length", b->steps, b->log_p->layout.dims[1]);
  if (status == WK_OK)
    status = wk_lengths_check("target length", b->labels, b->targets->layout.dims[1]);
  for (int64_t n = 0; status == WK_OK && n < b->targets->layout.dims[0]; n++) {
    wk_operand row = *b->targets;
    row.data += n * row.layout.strides[0] * (int64_t)sizeof(int64_t);
    row.layout.rank = 1;
    row.layout.dims[0] = wk_element_integer(b->labels, n * b->labels->layout.strides[0]);
    row.layout.strides[0] = row.layout.strides[1];
    status = wk_labels_check(&row, classes, -INFINITY);
  }
  return status;
}

static wk_status run_batch(batch *b, int64_t own, void (*run)(void *, int64_t, int64_t)) {
  const wk_status status = check_batch(b);
  if (status != WK_OK) return status;
  WK_REALS scratch = wk_reals_zeroed(own * wk_thread_count());
  if (!scratch) return wk_error_status();
  b->scratch = scratch;
  b->own = own;
  wk_parallel_for(b->log_p->layout.dims[0], 1, run, b);
  return WK_OK;
}

wk_status wk_reference_run_ctc(const wk_kernel_call *call) {
  const wk_ctc_arguments *a = call->arguments;
  const wk_operand *in = call->inputs;
  batch b = {&in[0], &in[1], &in[2], &in[3], a->blank, NULL, &call->outputs[0], NULL, 0};
  return run_batch(&b, 2 * (2 * in[1].layout.dims[1] + 1), run_losses);
}

wk_status wk_reference_run_ctc_gradient(const wk_kernel_call *call) {
  const wk_ctc_gradient_arguments *a = call->arguments;
  const wk_operand *in = call->inputs;
  batch b = {&in[1], &in[2], &in[3], &in[4], a->blank, &in[0], &call->outputs[0], NULL, 0};
  const int64_t states = 2 * in[2].layout.dims[1] + 1;
  return run_batch(&b, (in[1].layout.dims[1] + 2) * states + in[1].layout.dims[2], run_gradients);
}
