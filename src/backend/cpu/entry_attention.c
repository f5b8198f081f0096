/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of attention and its gradient. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "ops/records.gen.h"

static wk_cpu_attention attention_of(const wk_operand *operands, const wk_operand *mask) {
  const wk_layout *query = &operands[0].layout, *value = &operands[2].layout;
  wk_cpu_attention a = {.dtype = query->dtype,
                        .batch = query->dims[0],
                        .heads = query->dims[1],
                        .key_heads = value->dims[1],
                        .queries = query->dims[2],
                        .keys = value->dims[2],
                        .width = query->dims[3],
                        .value_width = value->dims[3],
                        .query = operands[0].data,
                        .key = operands[1].data,
                        .value = operands[2].data,
                        .mask = mask->data};
  if (!mask->data) return a;
  a.mask_is_truth = mask->layout.dtype == WK_BOOL;
  for (int i = 0; i < 4; i++)
    a.mask_strides[i] = mask->layout.dims[i] == 1 ? 0 : mask->layout.strides[i];
  return a;
}

wk_status wk_cpu_run_attention(const wk_kernel_call *call) {
  const wk_attention_arguments *s = call->arguments;
  wk_cpu_attention a = attention_of(call->inputs, &call->inputs[3]);
  a.causal = s->causal, a.scale = s->scale, a.rate = s->rate;
  a.seed = s->seed, a.offset = s->offset;
  return wk_cpu_attention_forward(&a, call->outputs[0].data, call->outputs[1].data);
}

wk_status wk_cpu_run_attention_gradient(const wk_kernel_call *call) {
  const wk_attention_gradient_arguments *s = call->arguments;
  const wk_operand *in = call->inputs, *out = call->outputs;
  wk_cpu_attention a = attention_of(in + 2, &in[6]);
  a.causal = s->causal, a.scale = s->scale, a.rate = s->rate;
  a.seed = s->seed, a.offset = s->offset;
  return wk_cpu_attention_gradient(&a, in[0].data, in[1].data, in[5].data, out[0].data, out[1].data,
                                   out[2].data);
}
