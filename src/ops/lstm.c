/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of one layer of long short-term memory, and its gradient. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/recurrent.h"

wk_status wk_infer_lstm_steps(wk_call *call) {
  wk_tensor **in = call->inputs;
  wk_status status = wk_check_layer(in, 4, in[4]);
  if (status != WK_OK) return status;
  if (!wk_layout_same_dims(&in[2]->layout, &in[3]->layout))
    return wk_fail(WK_ERROR_SHAPE, "hidden and cell must have the same sizes");
  const wk_layout *x = &in[0]->layout;
  const int64_t batch = x->dims[0], steps = x->dims[1], size = in[1]->layout.dims[1];
  status = wk_infer_output_at(call, 0, x->dtype, 3, (int64_t[]){batch, steps, size});
  if (status == WK_OK)
    status = wk_infer_output_at(call, 1, x->dtype, 3, (int64_t[]){2, batch, size});
  if (status == WK_OK)
    status = wk_infer_output_at(call, 2, x->dtype, 3, (int64_t[]){batch, steps, 5 * size});
  return status;
}

wk_status wk_vjp_lstm_steps(wk_vjp *vjp) {
  const wk_lstm_steps_arguments *a = vjp->arguments;
  wk_tensor *weight = vjp->inputs[1], *hidden = vjp->inputs[2], *lengths = vjp->inputs[4];
  const wk_lstm_steps_gradient_result g =
      wk_lstm_steps_gradient(weight, vjp->inputs[3], vjp->outputs[2],
                             .to_y = vjp->output_gradients[0], .to_final = vjp->output_gradients[1],
                             .to_saved = vjp->output_gradients[2], .lengths = lengths,
                             .reverse = a->reverse);
  vjp->input_gradients[0] = g.projected_gradient;
  vjp->input_gradients[2] = g.hidden_gradient;
  vjp->input_gradients[3] = g.cell_gradient;
  if (vjp->needed[1] && g.projected_gradient) {
    wk_tensor *before = wk_states_before(vjp->outputs[0], hidden, lengths, a->reverse);
    vjp->input_gradients[1] = wk_weight_gradient(g.projected_gradient, before);
  }
  return wk_error_status();
}

wk_status wk_infer_lstm_steps_gradient(wk_call *call) {
  const wk_layout *cell = &call->inputs[1]->layout, *saved = &call->inputs[2]->layout;
  if (cell->rank != 2 || saved->rank != 3 || saved->dims[2] != 5 * cell->dims[1])
    return wk_fail(WK_ERROR_SHAPE, "must be [4H, H], [N, H] and [N, L, 5H]");
  const int64_t dims[] = {saved->dims[0], saved->dims[1], 4 * cell->dims[1]};
  wk_status status = wk_infer_output_at(call, 0, cell->dtype, 3, dims);
  for (int i = 1; i < 3 && status == WK_OK; i++)
    status = wk_infer_output_at(call, i, cell->dtype, 2, cell->dims);
  return status;
}

static wk_tensor *zeros_like(const wk_tensor *x) {
  return wk_full(wk_tensor_shape(x), 0, .dtype = wk_tensor_dtype(x), .device = wk_tensor_device(x));
}

static wk_tensor *one_minus(wk_tensor *x) { return wk_subtract(wk_scalar(1), x); }
static wk_tensor *one_minus_square(wk_tensor *x) { return one_minus(wk_multiply(x, x)); }

/* The gradients of hidden and cell after a step, then before it. */
typedef struct states {
  wk_tensor *hidden, *cell;
} states;

/* Returns the gradient of the gates before their functions. */
static wk_tensor *step_back(wk_tensor *saved, wk_tensor *before, wk_tensor *to_y,
                            wk_tensor *to_saved, wk_tensor *weight, states *s) {
  wk_tensor *i = wk_part_of(saved, 0, 5), *f = wk_part_of(saved, 1, 5);
  wk_tensor *g = wk_part_of(saved, 2, 5), *o = wk_part_of(saved, 3, 5);
  wk_tensor *bent = wk_tanh(wk_part_of(saved, 4, 5));
  wk_tensor *h = wk_add_maybe(s->hidden, to_y);
  wk_tensor *c = wk_add(s->cell, wk_multiply(wk_multiply(h, o), one_minus_square(bent)));
  c = wk_add_maybe(c, wk_part_of(to_saved, 4, 5));
  wk_tensor *to_i = wk_add_maybe(wk_multiply(c, g), wk_part_of(to_saved, 0, 5));
  wk_tensor *to_f = wk_add_maybe(wk_multiply(c, before), wk_part_of(to_saved, 1, 5));
  wk_tensor *to_g = wk_add_maybe(wk_multiply(c, i), wk_part_of(to_saved, 2, 5));
  wk_tensor *to_o = wk_add_maybe(wk_multiply(h, bent), wk_part_of(to_saved, 3, 5));
  wk_tensor *gates = wk_concatenate(WK_TENSORS(wk_multiply(to_i, wk_multiply(i, one_minus(i))),
                                               wk_multiply(to_f, wk_multiply(f, one_minus(f))),
                                               wk_multiply(to_g, one_minus_square(g)),
                                               wk_multiply(to_o, wk_multiply(o, one_minus(o)))),
                                    1);
  *s = (states){wk_matmul(gates, weight), wk_multiply(c, f)};
  return gates;
}

wk_status wk_composite_lstm_steps_gradient(wk_call *call) {
  const wk_lstm_steps_gradient_arguments *a = call->arguments;
  wk_tensor **in = call->inputs, *saved = in[2], *final = in[4], *lengths = in[6];
  const int64_t steps = wk_tensor_dim(saved, 1);
  const wk_shape shape = wk_tensor_shape(in[1]);
  states s = {zeros_like(in[1]), zeros_like(in[1])};
  if (final)
    s = (states){wk_reshape(wk_slice(final, 0, 0, 1), shape),
                 wk_reshape(wk_slice(final, 0, 1, 2), shape)};
  wk_tensor **gates = wk_allocate_zeroed((size_t)steps + 1, sizeof *gates);
  if (!gates) return wk_error_status();
  wk_tensor *before = wk_states_before(wk_part_of(saved, 4, 5), in[1], lengths, a->reverse);
  for (int64_t i = 0; i < steps && !wk_failed(); i++) {
    const int64_t t = a->reverse ? i : steps - 1 - i;
    wk_tensor *counts = wk_counts(lengths, t);
    states next = s;
    gates[t] = step_back(wk_step_of(saved, t), wk_step_of(before, t), wk_step_of(in[3], t),
                         wk_step_of(in[5], t), in[0], &next);
    gates[t] = wk_choose(counts, gates[t], NULL);
    s = (states){wk_choose(counts, next.hidden, s.hidden), wk_choose(counts, next.cell, s.cell)};
  }
  if (steps > 0) {
    call->outputs[0] = wk_join_steps(gates, steps);
  } else {
    const wk_shape none = WK_SHAPE(shape.dims[0], 0, 4 * shape.dims[1]);
    call->outputs[0] =
        wk_full(none, 0, .dtype = wk_tensor_dtype(saved), .device = wk_tensor_device(saved));
  }
  call->outputs[1] = s.hidden;
  call->outputs[2] = s.cell;
  wk_deallocate(gates);
  return wk_error_status();
}
