/* SPDX-License-Identifier: Apache-2.0 */
/* The floats of 16 bits in ops that have no kernel for them: operands are widened to f32, the f32
 * kernel runs, results are rounded once. */
#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "device/device.h"
#include "ops/records.gen.h"

#define BLOCK 16384

static bool is_half(const wk_operand *operand) {
  return operand->data && wk_wide_dtype(operand->layout.dtype) == WK_F32 &&
         operand->layout.dtype != WK_F32;
}

/* What only moves elements, or rounds from f64, is not helped by f32. */
const char *wk_cpu_refuse_unless_half(const wk_kernel_call *call) {
  if (call->op->class == WK_CLASS_MOVE || call->op->class == WK_CLASS_CREATION) return "no sums";
  for (int i = 0; i < call->input_count; i++)
    if (is_half(&call->inputs[i])) return NULL;
  for (int i = 0; i < call->output_count; i++)
    if (is_half(&call->outputs[i])) return NULL;
  return "only f16 and bf16";
}

typedef struct conversion {
  const wk_operand *half, *wide;
} conversion;

static void widen_range(void *context, int64_t begin, int64_t end) {
  const conversion *c = context;
  wk_widen(c->half->layout.dtype, c->wide->data + begin * 4, c->half->data + begin * 2,
           end - begin);
}

static void narrow_range(void *context, int64_t begin, int64_t end) {
  const conversion *c = context;
  wk_narrow_elements(c->half->layout.dtype, c->half->data + begin * 2, c->wide->data + begin * 4,
                     end - begin);
}

static size_t wide_size(const wk_operand *operand) {
  return (size_t)wk_layout_count(&operand->layout) * sizeof(float) + 1;
}

/* An f32 stand-in for the operand, with its values if `filled`; others stand for themselves. Its
 * memory is a tensor's, which is kept: fresh pages would take most of the time. */
static bool widen(wk_stream *stream, const wk_operand *operand, bool filled, wk_operand *wide) {
  *wide = *operand;
  if (!is_half(operand)) return true;
  const int64_t count = wk_layout_count(&operand->layout);
  wide->layout.dtype = WK_F32;
  wk_layout_set_strides(&wide->layout);
  wide->data = stream->device->functions->allocate(stream->device, wide_size(operand), stream);
  if (!wide->data) return false;
  conversion c = {operand, wide};
  if (filled) wk_parallel_for(count, BLOCK, widen_range, &c);
  return true;
}

static wk_status run_wide(const wk_kernel_call *call, const wk_operand *inputs,
                          wk_operand *outputs) {
  wk_kernel_call wide = *call;
  wide.inputs = inputs;
  wide.outputs = outputs;
  const wk_kernel *kernel = wk_kernel_find(call->stream->device, &wide);
  return kernel ? kernel->run(&wide) : wk_error_status();
}

static void store(wk_stream *stream, const wk_operand *operand, wk_operand *wide, bool written,
                  bool succeeded) {
  if (!is_half(operand) || !wide->data) return;
  conversion c = {operand, wide};
  if (written && succeeded)
    wk_parallel_for(wk_layout_count(&operand->layout), BLOCK, narrow_range, &c);
  stream->device->functions->free(stream->device, wide->data, wide_size(operand), stream);
}

wk_status wk_cpu_run_half(const wk_kernel_call *call) {
  const int inputs = call->input_count, all = inputs + call->output_count;
  wk_operand *wide = wk_allocate_zeroed((size_t)all, sizeof *wide);
  if (!wide) return wk_error_status();
  wk_status status = WK_OK;
  for (int i = 0; i < all && status == WK_OK; i++) {
    const wk_operand *operand = i < inputs ? &call->inputs[i] : &call->outputs[i - inputs];
    if (!widen(call->stream, operand, i < inputs, &wide[i])) status = wk_error_status();
  }
  if (status == WK_OK) status = run_wide(call, wide, wide + inputs);
  for (int i = 0; i < all; i++) {
    const wk_operand *operand = i < inputs ? &call->inputs[i] : &call->outputs[i - inputs];
    const bool written = i >= inputs || wk_op_input_at(call->op, i)->written;
    store(call->stream, operand, &wide[i], written, status == WK_OK);
  }
  wk_deallocate(wide);
  return status;
}
