/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of copies and of random numbers. */
#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/pointwise.h"
#include "base/parallel.h"
#include "ops/random.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */

static void copy_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_layout *layout = &call->inputs[0].layout;
  const size_t size = wk_dtype_size(layout->dtype);
  wk_gather(call->outputs[0].data + (size_t)begin * size, call->inputs[0].data, layout, begin,
            end - begin);
}

wk_status wk_cpu_run_contiguous(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, copy_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}

static void cast_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_operand *x = &call->inputs[0], *y = &call->outputs[0];
  const size_t x_size = wk_dtype_size(x->layout.dtype), y_size = wk_dtype_size(y->layout.dtype);
  wk_convert(y->layout.dtype, y->data + (size_t)begin * y_size, x->layout.dtype,
             x->data + (size_t)begin * x_size, end - begin);
}

wk_status wk_cpu_run_cast(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, cast_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}

static void uniform_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_uniform_arguments *a = call->arguments;
  float *f32 = (float *)(void *)call->outputs[0].data;
  double *f64 = (double *)(void *)call->outputs[0].data;
  const bool single = call->outputs[0].layout.dtype == WK_F32;
  for (int64_t i = begin; i < end; i++) {
    const uint64_t index = a->offset + (uint64_t)i;
    if (single)
      f32[i] = wk_random_uniform_f32(a->seed, index, a->low, a->high);
    else
      f64[i] = wk_random_uniform_f64(a->seed, index, a->low, a->high);
  }
}

wk_status wk_cpu_run_uniform(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, uniform_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}

static void dropout_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_dropout_arguments *a = call->arguments;
  const double scale = wk_random_keep_scale(a->rate);
  const bool single = call->outputs[0].layout.dtype == WK_F32;
  const float *x32 = (const float *)(const void *)call->inputs[0].data;
  float *y32 = (float *)(void *)call->outputs[0].data;
  const double *x64 = (const double *)(const void *)call->inputs[0].data;
  double *y64 = (double *)(void *)call->outputs[0].data;
  for (int64_t i = begin; i < end; i++) {
    const bool keep = wk_random_keep(a->seed, a->offset + (uint64_t)i, a->rate);
    if (single)
      y32[i] = keep ? x32[i] * (float)scale : 0;
    else
      y64[i] = keep ? x64[i] * scale : 0;
  }
}

wk_status wk_cpu_run_dropout(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, dropout_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}
