/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of one layer of gated recurrent units, and its gradient. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/recurrent.h"

wk_status wk_infer_gru_steps(wk_call *call) {
  wk_tensor **in = call->inputs, *bias = in[3];
  wk_status status = wk_check_layer(in, 3, in[4]);
  if (status != WK_OK) return status;
  const wk_layout *x = &in[0]->layout;
  const int64_t batch = x->dims[0], steps = x->dims[1], size = in[1]->layout.dims[1];
  if (bias && (bias->layout.rank != 1 || bias->layout.dims[0] != 3 * size))
    return wk_fail(WK_ERROR_SHAPE, "the bias must be [%lld]", (long long)(3 * size));
  status = wk_infer_output_at(call, 0, x->dtype, 3, (int64_t[]){batch, steps, size});
  if (status == WK_OK) status = wk_infer_output_at(call, 1, x->dtype, 2, (int64_t[]){batch, size});
  if (status == WK_OK)
    status = wk_infer_output_at(call, 2, x->dtype, 3, (int64_t[]){batch, steps, 4 * size});
  return status;
}

wk_status wk_vjp_gru_steps(wk_vjp *vjp) {
  const wk_gru_steps_arguments *a = vjp->arguments;
  wk_tensor *weight = vjp->inputs[1], *hidden = vjp->inputs[2], *lengths = vjp->inputs[4];
  wk_tensor *y = vjp->outputs[0];
  const wk_gru_steps_gradient_result g =
      wk_gru_steps_gradient(weight, hidden, vjp->outputs[2], y, .to_y = vjp->output_gradients[0],
                            .to_final = vjp->output_gradients[1],
                            .to_saved = vjp->output_gradients[2], .lengths = lengths,
                            .reverse = a->reverse);
  vjp->input_gradients[0] = g.projected_gradient;
  vjp->input_gradients[2] = g.hidden_gradient;
  if (vjp->needed[1] && g.recurrent_gradient) {
    wk_tensor *before = wk_states_before(y, hidden, lengths, a->reverse);
    vjp->input_gradients[1] = wk_weight_gradient(g.recurrent_gradient, before);
  }
  if (vjp->needed[3]) vjp->input_gradients[3] = wk_sum(g.recurrent_gradient, .axes = WK_AXES(0, 1));
  return wk_error_status();
}

wk_status wk_infer_gru_steps_gradient(wk_call *call) {
  const wk_layout *hidden = &call->inputs[1]->layout, *saved = &call->inputs[2]->layout;
  if (hidden->rank != 2 || saved->rank != 3 || saved->dims[2] != 4 * hidden->dims[1])
    return wk_fail(WK_ERROR_SHAPE, "must be [3H, H], [N, H] and [N, L, 4H]");
  const int64_t dims[] = {saved->dims[0], saved->dims[1], 3 * hidden->dims[1]};
  wk_status status = WK_OK;
  for (int i = 0; i < 2 && status == WK_OK; i++)
    status = wk_infer_output_at(call, i, hidden->dtype, 3, dims);
  return status != WK_OK ? status : wk_infer_output_at(call, 2, hidden->dtype, 2, hidden->dims);
}

static wk_tensor *one_minus(wk_tensor *x) { return wk_subtract(wk_scalar(1), x); }

/* The gradients of one step's gates; `hidden` is that of the state after it, then before it. */
typedef struct step {
  wk_tensor *projected, *recurrent, *hidden;
} step;

static void step_back(wk_tensor *saved, wk_tensor *before, wk_tensor *to_y, wk_tensor *to_saved,
                      wk_tensor *weight, step *s) {
  wk_tensor *r = wk_part_of(saved, 0, 4), *z = wk_part_of(saved, 1, 4);
  wk_tensor *n = wk_part_of(saved, 2, 4), *m = wk_part_of(saved, 3, 4);
  wk_tensor *h = wk_add_maybe(s->hidden, to_y);
  wk_tensor *to_z =
      wk_add_maybe(wk_multiply(h, wk_subtract(before, n)), wk_part_of(to_saved, 1, 4));
  wk_tensor *to_n = wk_add_maybe(wk_multiply(h, one_minus(z)), wk_part_of(to_saved, 2, 4));
  to_n = wk_multiply(to_n, one_minus(wk_multiply(n, n)));
  wk_tensor *to_r = wk_add_maybe(wk_multiply(to_n, m), wk_part_of(to_saved, 0, 4));
  wk_tensor *to_m = wk_add_maybe(wk_multiply(to_n, r), wk_part_of(to_saved, 3, 4));
  to_r = wk_multiply(to_r, wk_multiply(r, one_minus(r)));
  to_z = wk_multiply(to_z, wk_multiply(z, one_minus(z)));
  s->projected = wk_concatenate(WK_TENSORS(to_r, to_z, to_n), 1);
  s->recurrent = wk_concatenate(WK_TENSORS(to_r, to_z, to_m), 1);
  s->hidden = wk_add(wk_multiply(h, z), wk_matmul(s->recurrent, weight));
}

static wk_tensor *run_back(const wk_call *call, wk_tensor **projected, wk_tensor **recurrent) {
  const wk_gru_steps_gradient_arguments *a = call->arguments;
  wk_tensor **in = call->inputs, *saved = in[2], *lengths = in[7];
  const int64_t steps = wk_tensor_dim(saved, 1);
  step s = {.hidden = in[5] ? in[5]
                            : wk_full(wk_tensor_shape(in[1]), 0, .dtype = wk_tensor_dtype(saved),
                                      .device = wk_tensor_device(saved))};
  wk_tensor *before = wk_states_before(in[3], in[1], lengths, a->reverse);
  for (int64_t i = 0; i < steps && !wk_failed(); i++) {
    const int64_t t = a->reverse ? i : steps - 1 - i;
    wk_tensor *counts = wk_counts(lengths, t), *after = s.hidden;
    step_back(wk_step_of(saved, t), wk_step_of(before, t), wk_step_of(in[4], t),
              wk_step_of(in[6], t), in[0], &s);
    projected[t] = wk_choose(counts, s.projected, NULL);
    recurrent[t] = wk_choose(counts, s.recurrent, NULL);
    s.hidden = wk_choose(counts, s.hidden, after);
  }
  return s.hidden;
}

wk_status wk_composite_gru_steps_gradient(wk_call *call) {
  wk_tensor *saved = call->inputs[2];
  const int64_t steps = wk_tensor_dim(saved, 1);
  wk_tensor **gates = wk_allocate_zeroed(2 * (size_t)steps + 1, sizeof *gates);
  if (!gates) return wk_error_status();
  call->outputs[2] = run_back(call, gates, gates + steps);
  if (steps > 0) {
    call->outputs[0] = wk_join_steps(gates, steps);
    call->outputs[1] = wk_join_steps(gates + steps, steps);
  } else {
    const wk_shape none = WK_SHAPE(wk_tensor_dim(saved, 0), 0, 3 * wk_tensor_dim(saved, 2) / 4);
    for (int i = 0; i < 2; i++)
      call->outputs[i] =
          wk_full(none, 0, .dtype = wk_tensor_dtype(saved), .device = wk_tensor_device(saved));
  }
  wk_deallocate(gates);
  return wk_error_status();
}
