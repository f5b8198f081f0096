/* SPDX-License-Identifier: Apache-2.0 */

/* The sum of all squares. Blocks of a fixed size are summed in 16 lanes of f64, whatever the
 * processor, their sums in order: memory is what it waits for. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "base/parallel.h"

enum { BLOCK = 16384, LANES = 16, PART = LANES / 2 };

typedef double reals __attribute__((vector_size(PART * sizeof(double))));
typedef float floats __attribute__((vector_size(PART * sizeof(float)), aligned(4), may_alias));
typedef double doubles __attribute__((vector_size(PART * sizeof(double)), aligned(8), may_alias));

typedef struct square_sum {
  const char *x;
  int64_t count;
  bool wide; /* f64, not f32 */
  double *sums;
} square_sum;

static double block_of_f32(const float *x, int64_t count) {
  reals sums[2] = {{0}, {0}};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (int part = 0; part < 2; part++) {
      const reals v = __builtin_convertvector(*(const floats *)(x + i + part * PART), reals);
      sums[part] += v * v;
    }
  }
  for (int lane = 0; i + lane < count; lane++)
    sums[lane / PART][lane % PART] += (double)x[i + lane] * (double)x[i + lane];
  double sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += sums[lane / PART][lane % PART];
  return sum;
}

static double block_of_f64(const double *x, int64_t count) {
  reals sums[2] = {{0}, {0}};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (int part = 0; part < 2; part++) {
      const reals v = *(const doubles *)(x + i + part * PART);
      sums[part] += v * v;
    }
  }
  for (int lane = 0; i + lane < count; lane++)
    sums[lane / PART][lane % PART] += x[i + lane] * x[i + lane];
  double sum = 0;
  for (int lane = 0; lane < LANES; lane++) sum += sums[lane / PART][lane % PART];
  return sum;
}

static void sum_blocks(void *context, int64_t begin, int64_t end) {
  const square_sum *s = context;
  for (int64_t at = begin; at < end; at += BLOCK) {
    const int64_t count = end - at < BLOCK ? end - at : BLOCK;
    s->sums[at / BLOCK] = s->wide ? block_of_f64((const double *)(const void *)s->x + at, count)
                                  : block_of_f32((const float *)(const void *)s->x + at, count);
  }
}

wk_status wk_cpu_run_square_sum(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0];
  const int64_t count = wk_layout_count(&x->layout), blocks = (count + BLOCK - 1) / BLOCK;
  square_sum s = {x->data, count, x->layout.dtype == WK_F64, NULL};
  double few[64], sum = 0;
  s.sums = blocks <= 64 ? few : wk_allocate((size_t)blocks * sizeof *s.sums);
  if (!s.sums) return wk_error_status();
  wk_parallel_for(count, BLOCK, sum_blocks, &s);
  for (int64_t i = 0; i < blocks; i++) sum += s.sums[i];
  if (s.sums != few) wk_deallocate(s.sums);
  if (s.wide)
    *(double *)(void *)call->outputs[0].data = sum;
  else
    *(float *)(void *)call->outputs[0].data = (float)sum;
  return WK_OK;
}
