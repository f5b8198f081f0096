/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of recurrent layers. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "ops/label.h"
#include "ops/records.gen.h"

/* Sizes are those of `saved`, whose rows have `parts` times the hidden units. */
static wk_status shape_of(const wk_operand *saved, int parts, const wk_operand *lengths,
                          bool reverse, wk_cpu_recurrent *r) {
  *r = (wk_cpu_recurrent){.dtype = saved->layout.dtype,
                          .batch = saved->layout.dims[0],
                          .steps = saved->layout.dims[1],
                          .size = saved->layout.dims[2] / parts,
                          .lengths = (const int64_t *)(const void *)lengths->data,
                          .reverse = reverse};
  return lengths->data ? wk_lengths_check("length", lengths, r->steps) : WK_OK;
}

wk_status wk_cpu_run_lstm_steps(const wk_kernel_call *call) {
  const wk_lstm_steps_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  wk_cpu_recurrent r;
  const wk_status status = shape_of(&out[2], 5, &in[4], a->reverse, &r);
  if (status != WK_OK) return status;
  return wk_cpu_lstm(&r, in[0].data, in[1].data, in[2].data, in[3].data, out[0].data, out[1].data,
                     out[2].data);
}

wk_status wk_cpu_run_lstm_steps_gradient(const wk_kernel_call *call) {
  const wk_lstm_steps_gradient_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  const wk_cpu_recurrent_gradients g = {in[3].data, in[4].data, in[5].data};
  wk_cpu_recurrent r;
  const wk_status status = shape_of(&in[2], 5, &in[6], a->reverse, &r);
  if (status != WK_OK) return status;
  return wk_cpu_lstm_gradient(&r, &g, in[0].data, in[1].data, in[2].data, out[0].data, out[1].data,
                              out[2].data);
}

wk_status wk_cpu_run_gru_steps(const wk_kernel_call *call) {
  const wk_gru_steps_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  wk_cpu_recurrent r;
  const wk_status status = shape_of(&out[2], 4, &in[4], a->reverse, &r);
  if (status != WK_OK) return status;
  return wk_cpu_gru(&r, in[0].data, in[1].data, in[3].data, in[2].data, out[0].data, out[1].data,
                    out[2].data);
}

wk_status wk_cpu_run_gru_steps_gradient(const wk_kernel_call *call) {
  const wk_gru_steps_gradient_arguments *a = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  const wk_cpu_recurrent_gradients g = {in[4].data, in[5].data, in[6].data};
  wk_cpu_recurrent r;
  const wk_status status = shape_of(&in[2], 4, &in[7], a->reverse, &r);
  if (status != WK_OK) return status;
  return wk_cpu_gru_gradient(&r, &g, in[0].data, in[1].data, in[2].data, in[3].data, out[0].data,
                             out[1].data, out[2].data);
}
