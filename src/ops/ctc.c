/* SPDX-License-Identifier: Apache-2.0 */
/* Connectionist temporal classification: Graves et al. 2006, "Connectionist temporal
 * classification: labelling unsegmented sequence data with recurrent neural networks". */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/loss.h"
#include "ops/records.gen.h"

/* ---- the loss ---- */

static wk_status check_sequences(wk_tensor **in, int64_t blank) {
  const wk_layout *log_p = &in[0]->layout, *targets = &in[1]->layout;
  if (log_p->rank != 3) {
    wk_fail(WK_ERROR_SHAPE, "log_probabilities must be [N, T, C]");
    wk_error_add_hint("the batch comes first: wk_permute(x, WK_AXES(1, 0, 2)) turns [T, N, C] "
                      "into that");
    return WK_ERROR_SHAPE;
  }
  if (targets->rank != 1 && (targets->rank != 2 || targets->dims[0] != log_p->dims[0]))
    return wk_fail(WK_ERROR_SHAPE, "targets must be [%lld, S], or [S] all in a row",
                   (long long)log_p->dims[0]);
  for (int i = 2; i < 4; i++) {
    const wk_layout *lengths = &in[i]->layout;
    if (lengths->rank != 1 || lengths->dims[0] != log_p->dims[0])
      return wk_fail(WK_ERROR_SHAPE, "%s_lengths must be [%lld], one for each sequence",
                     i == 2 ? "input" : "target", (long long)log_p->dims[0]);
  }
  if (blank < log_p->dims[2]) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "blank is %lld, but there are %lld classes", (long long)blank,
                 (long long)log_p->dims[2]);
}

/* Targets in a row, cut into rows of the longest one's length. */
static wk_tensor *pad_targets(wk_tensor *targets, const int64_t *lengths, int64_t count) {
  int64_t longest = 0, total = 0;
  for (int64_t i = 0; i < count; i++) {
    if (lengths[i] < 0) return wk_fail(WK_ERROR_INDEX, "a target length is negative"), NULL;
    longest = lengths[i] > longest ? lengths[i] : longest;
    total += lengths[i];
  }
  if (total != wk_tensor_count(targets)) {
    wk_fail(WK_ERROR_SHAPE, "there are %lld targets, but their lengths add up to %lld",
            (long long)wk_tensor_count(targets), (long long)total);
    return NULL;
  }
  wk_tensor **row = wk_allocate_zeroed((size_t)count, sizeof *row), *joined = NULL;
  for (int64_t i = 0, start = 0; row && i < count; start += lengths[i++]) {
    wk_tensor *own = wk_slice(targets, 0, start, start + lengths[i]);
    row[i] = wk_pad(own, WK_SHAPE(0), WK_SHAPE(longest - lengths[i]));
  }
  if (row) joined = wk_concatenate((wk_tensors){(size_t)count, row}, 0);
  wk_deallocate(row);
  return joined ? wk_reshape(joined, WK_SHAPE(count, longest)) : NULL;
}

static wk_tensor *as_rows(wk_tensor *targets, wk_tensor *target_lengths) {
  const int64_t count = wk_tensor_count(target_lengths);
  if (wk_tensor_rank(targets) == 2) return targets;
  if (count == 0) return wk_reshape(targets, WK_SHAPE(0, 0));
  int64_t *lengths = wk_allocate((size_t)count * sizeof *lengths);
  if (!lengths) return NULL;
  wk_tensor *rows = NULL;
  if (wk_tensor_read(target_lengths, lengths, (size_t)count * sizeof *lengths) == WK_OK)
    rows = pad_targets(targets, lengths, count);
  wk_deallocate(lengths);
  return rows;
}

wk_status wk_composite_ctc_loss(wk_call *call) {
  const wk_ctc_loss_arguments *a = call->arguments;
  wk_tensor **in = call->inputs;
  const wk_status status = check_sequences(in, a->blank);
  if (status != WK_OK) return status;
  wk_tensor *targets = as_rows(in[1], in[3]);
  wk_tensor *losses = wk_ctc(in[0], targets, in[2], in[3], .blank = a->blank);
  if (a->zero_infinity)
    losses = wk_where(wk_equal(losses, wk_scalar(INFINITY)), wk_scalar(0), losses);
  if (a->reduction == WK_REDUCTION_MEAN) {
    wk_tensor *lengths = wk_cast(wk_at_least(in[3], 1), wk_tensor_dtype(in[0]));
    losses = wk_divide(losses, lengths);
  }
  call->outputs[0] = wk_reduce_losses(losses, a->reduction);
  return wk_error_status();
}

static wk_status check_rows(wk_tensor **in) {
  if (in[0]->layout.rank == 3 && in[1]->layout.rank == 2 && in[2]->layout.rank == 1 &&
      in[3]->layout.rank == 1)
    return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "must be [N, T, C], [N, S], [N] and [N]");
}

wk_status wk_infer_ctc(wk_call *call) {
  const wk_layout *log_p = &call->inputs[0]->layout;
  const wk_status status = check_rows(call->inputs);
  return status != WK_OK ? status : wk_infer_output(call, log_p->dtype, 1, log_p->dims);
}

wk_status wk_vjp_ctc(wk_vjp *vjp) {
  const wk_ctc_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_ctc_gradient(vjp->output_gradients[0], vjp->inputs[0], vjp->inputs[1], vjp->inputs[2],
                      vjp->inputs[3], .blank = a->blank);
  return wk_error_status();
}

/* ---- the gradient ---- */

wk_status wk_infer_ctc_gradient(wk_call *call) {
  const wk_layout *log_p = &call->inputs[1]->layout;
  const wk_status status = check_rows(call->inputs + 1);
  return status != WK_OK ? status : wk_infer_output(call, log_p->dtype, 3, log_p->dims);
}

/* What stands for the logarithm of 0: its exponential is 0 beside any other, and so are gradients,
 * where those of infinities would be NaN. */
#define NEVER (-1e30)

/* The same recursions as the kernel's, on all sequences at once: columns are states, and what a
 * state, a step or a way lacks is NEVER. */
typedef struct lattice {
  wk_tensor *log_p;   /* [N, T, states] */
  wk_tensor *skips;   /* [N, states] bool: a path may come from two before */
  wk_tensor *one_hot; /* [N, states, C] */
  wk_tensor *is_end;  /* [N, states] bool */
  wk_tensor *steps;   /* [N, 1] */
  int64_t count, states;
} lattice;

static wk_tensor *never(const lattice *l, int64_t columns) {
  return wk_full(WK_SHAPE(l->count, columns), NEVER, .dtype = wk_tensor_dtype(l->log_p),
                 .device = wk_tensor_device(l->log_p));
}

/* Columns moved by `distance` to the right (left if negative). */
static wk_tensor *moved(const lattice *l, wk_tensor *x, int64_t distance) {
  const int64_t size = distance < 0 ? -distance : distance;
  if (size >= l->states) return never(l, l->states);
  wk_tensor *gap = never(l, size);
  if (distance > 0) return wk_concatenate(WK_TENSORS(gap, wk_slice(x, 1, 0, l->states - size)), 1);
  return wk_concatenate(WK_TENSORS(wk_slice(x, 1, size, l->states), gap), 1);
}

static wk_tensor *log_add(wk_tensor *a, wk_tensor *b) {
  wk_tensor *gap = wk_subtract(a, b);
  return wk_add(wk_maximum(a, b), wk_log(wk_plus(wk_exp(wk_minimum(gap, wk_negative(gap))), 1)));
}

static wk_tensor *column_index(const lattice *l) {
  return wk_arange(l->states, .dtype = WK_I64, .device = wk_tensor_device(l->steps));
}

/* log p of each state at one step, [N, states]. */
static wk_tensor *at_step(const lattice *l, int64_t step) {
  return wk_reshape(wk_slice(l->log_p, 1, step, step + 1), WK_SHAPE(l->count, l->states));
}

static lattice make_lattice(wk_tensor **in, int64_t blank) {
  wk_tensor *log_p = in[0], *targets = in[1];
  const int64_t count = wk_tensor_dim(log_p, 0), labels = wk_tensor_dim(targets, 1);
  lattice l = {.count = count, .states = 2 * labels + 1};
  wk_device *device = wk_tensor_device(log_p);
  l.steps = wk_reshape(in[2], WK_SHAPE(count, 1));
  wk_tensor *blanks =
      wk_full(WK_SHAPE(count, labels, 1), (double)blank, .dtype = WK_I64, .device = device);
  wk_tensor *pairs =
      wk_concatenate(WK_TENSORS(blanks, wk_reshape(targets, WK_SHAPE(count, labels, 1))), 2);
  wk_tensor *last = wk_full(WK_SHAPE(count, 1), (double)blank, .dtype = WK_I64, .device = device);
  wk_tensor *flat = wk_reshape(pairs, WK_SHAPE(count, 2 * labels));
  wk_tensor *classes = wk_concatenate(WK_TENSORS(flat, last), 1);
  wk_tensor *numbers = wk_arange(wk_tensor_dim(log_p, 2), .dtype = WK_I64, .device = device);
  l.one_hot = wk_cast(wk_equal(wk_reshape(classes, WK_SHAPE(count, l.states, 1)), numbers),
                      wk_tensor_dtype(log_p));
  l.log_p = wk_matmul(wk_at_least(log_p, NEVER), wk_permute(l.one_hot, WK_AXES(0, 2, 1)));
  if (l.states > 2) {
    wk_tensor *differ =
        wk_not_equal(wk_slice(classes, 1, 2, l.states), wk_slice(classes, 1, 0, l.states - 2));
    /* blanks equal the blanks two before, so only labels skip */
    l.skips = wk_pad(differ, WK_SHAPE(0, 2), WK_SHAPE(0, 0));
  }
  wk_tensor *ends = wk_reshape(wk_times(in[3], 2), WK_SHAPE(count, 1));
  wk_tensor *behind = wk_subtract(wk_cast(ends, WK_I64), column_index(&l)); /* 0 or 1 at the end */
  l.is_end = wk_equal(wk_multiply(behind, wk_subtract(behind, wk_scalar(1))), wk_scalar(0));
  return l;
}

static wk_tensor *step_forward(const lattice *l, int64_t step, wk_tensor *before) {
  wk_tensor *sum;
  if (before) {
    sum = log_add(before, moved(l, before, 1));
    if (l->skips) sum = log_add(sum, wk_where(l->skips, moved(l, before, 2), wk_scalar(NEVER)));
  } else {
    wk_tensor *first = wk_less(column_index(l), wk_scalar(2));
    sum = wk_where(first, wk_times(never(l, l->states), 0), wk_scalar(NEVER));
  }
  return wk_at_least(wk_add(sum, at_step(l, step)), NEVER);
}

/* Sequences begin where their last step is; after it they are not. */
static wk_tensor *step_backward(const lattice *l, int64_t step, wk_tensor *after) {
  wk_tensor *end = wk_where(l->is_end, wk_times(never(l, l->states), 0), wk_scalar(NEVER));
  wk_tensor *sum = never(l, l->states);
  if (after) {
    sum = log_add(after, moved(l, after, -1));
    if (l->skips) sum = log_add(sum, moved(l, wk_where(l->skips, after, wk_scalar(NEVER)), -2));
  }
  wk_tensor *is_last = wk_equal(l->steps, wk_scalar(step + 1));
  sum = wk_where(is_last, end, sum);
  return wk_at_least(wk_add(sum, at_step(l, step)), NEVER);
}

/* log of the sum over columns of the ends, [N, 1], at each sequence's last step. */
static wk_tensor *log_total(const lattice *l, wk_tensor *const *alpha, int64_t steps) {
  wk_tensor *total = never(l, 1);
  for (int64_t t = 0; t < steps; t++) {
    wk_tensor *ends = wk_where(l->is_end, alpha[t], wk_scalar(NEVER));
    wk_tensor *most = wk_max(ends, .axes = WK_AXES(1), .keep_dims = true);
    wk_tensor *sum = wk_sum(wk_exp(wk_subtract(ends, most)), .axes = WK_AXES(1), .keep_dims = true);
    wk_tensor *here = wk_add(most, wk_log(sum));
    total = wk_where(wk_equal(l->steps, wk_scalar(t + 1)), here, total);
  }
  return total;
}

static wk_tensor *gradient_of(const lattice *l, wk_tensor *g, wk_tensor **alpha, int64_t steps) {
  for (int64_t t = 0; t < steps; t++) alpha[t] = step_forward(l, t, t ? alpha[t - 1] : NULL);
  wk_tensor *total = log_total(l, alpha, steps), *beta = NULL;
  wk_tensor *possible = wk_greater(total, wk_scalar(NEVER / 2));
  for (int64_t t = steps; t-- > 0;) {
    beta = step_backward(l, t, beta);
    wk_tensor *path = wk_subtract(wk_subtract(wk_add(alpha[t], beta), at_step(l, t)), total);
    wk_tensor *within = wk_less(wk_scalar(t), l->steps);
    path = wk_where(within, path, wk_scalar(NEVER));
    path = wk_where(possible, path, wk_scalar(NEVER));
    alpha[t] = wk_reshape(wk_exp(path), WK_SHAPE(l->count, 1, l->states));
  }
  wk_tensor *all = wk_concatenate((wk_tensors){(size_t)steps, alpha}, 1);
  wk_tensor *scale = wk_reshape(wk_negative(g), WK_SHAPE(l->count, 1, 1));
  return wk_multiply(wk_matmul(all, l->one_hot), scale);
}

wk_status wk_composite_ctc_gradient(wk_call *call) {
  const wk_ctc_gradient_arguments *a = call->arguments;
  wk_tensor *log_p = call->inputs[1];
  const int64_t steps = wk_tensor_dim(log_p, 1);
  if (wk_tensor_count(log_p) == 0) {
    call->outputs[0] = wk_times(log_p, 0);
    return wk_error_status();
  }
  const lattice l = make_lattice(call->inputs + 1, a->blank);
  wk_tensor **alpha = wk_allocate_zeroed((size_t)steps, sizeof *alpha);
  if (!alpha) return wk_error_status();
  call->outputs[0] = gradient_of(&l, call->inputs[0], alpha, steps);
  wk_deallocate(alpha);
  return wk_error_status();
}
