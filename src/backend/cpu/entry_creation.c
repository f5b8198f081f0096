/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of tensors made from settings alone, and of random ones. */
#include <math.h>
#include <string.h>

#include "backend/cpu/convert.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/parallel.h"
#include "ops/creation.h"
#include "ops/random.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */
#define TILE 480

/* The first tile is worked out and converted; where all elements are equal it is then copied on. */
static void creation_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_dtype dtype = call->outputs[0].layout.dtype;
  const size_t size = wk_dtype_size(dtype);
  double values[TILE];
  for (int64_t at = begin; at < end; at += TILE) {
    const int64_t count = end - at < TILE ? end - at : TILE;
    char *to = call->outputs[0].data + (size_t)at * size;
    if (call->op->id == WK_OP_FULL && at > begin) {
      memcpy(to, to - TILE * size, (size_t)count * size);
      continue;
    }
    for (int64_t i = 0; i < count; i++)
      values[i] = wk_creation_value(call->op, call->arguments, at + i);
    wk_convert(dtype, to, WK_F64, values, count);
  }
}

wk_status wk_cpu_run_creation(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, creation_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}

/* Elements [at, at + count) of normal or log_normal, up to three in front that come with them;
 * where the first one lies. */
static const double *next_normals(const wk_kernel_call *call, int64_t at, int64_t count,
                                  double values[TILE + 32]) {
  const bool exponential = call->op->id == WK_OP_LOG_NORMAL;
  const wk_normal_arguments *n = call->arguments;
  const wk_log_normal_arguments *l = call->arguments;
  const uint64_t index = (exponential ? l->offset : n->offset) + (uint64_t)at;
  wk_cpu_isa_get()->random_normals(exponential ? l->seed : n->seed, index >> 2, (TILE + 32) / 4,
                                   exponential ? l->mean : n->mean,
                                   exponential ? l->deviation : n->deviation, values);
  values += index & 3;
  for (int64_t i = 0; exponential && i < count; i++) values[i] = exp(values[i]);
  return values;
}

static void random_real_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_dtype dtype = call->outputs[0].layout.dtype;
  const bool normal = call->op->id == WK_OP_NORMAL || call->op->id == WK_OP_LOG_NORMAL;
  double values[TILE + 32];
  for (int64_t at = begin; at < end; at += TILE) {
    const int64_t count = end - at < TILE ? end - at : TILE;
    const double *from = values;
    if (normal)
      from = next_normals(call, at, count, values);
    else
      for (int64_t i = 0; i < count; i++)
        values[i] = wk_random_real(call->op, call->arguments, at + i);
    wk_convert(dtype, call->outputs[0].data + (size_t)at * wk_dtype_size(dtype), WK_F64, from,
               count);
  }
}

wk_status wk_cpu_run_random_real(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, random_real_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}

/* Words [index, index + WORDS) of the stream, less up to three in front that come with them; where
 * the first one lies. The numbers are those of wk_random_word. */
#define WORDS 480
static const uint32_t *next_words(uint64_t seed, uint64_t index, uint32_t words[WORDS + 32]) {
  wk_cpu_isa_get()->random_words(seed, index >> 2, (WORDS + 32) / 4, 0, words);
  return words + (index & 3);
}

static void uniform_range(void *context, int64_t begin, int64_t end) {
  const wk_kernel_call *call = context;
  const wk_uniform_arguments *a = call->arguments;
  const bool single = call->outputs[0].layout.dtype == WK_F32;
  float *f32 = (float *)(void *)call->outputs[0].data;
  double *f64 = (double *)(void *)call->outputs[0].data;
  uint32_t words[WORDS + 32];
  const int64_t blocks = WORDS / 4; /* one for each number of f64 */
  for (int64_t at = begin; !single && at < end; at += blocks) {
    wk_cpu_isa_get()->random_words(a->seed, a->offset + (uint64_t)at, blocks, 1, words);
    for (int64_t i = 0; i < blocks && at + i < end; i++)
      f64[at + i] =
          a->low + (a->high - a->low) * wk_random_unit_double(words[4 * i], words[4 * i + 1]);
  }
  for (int64_t at = begin; single && at < end; at += WORDS) {
    const uint32_t *word = next_words(a->seed, a->offset + (uint64_t)at, words);
    const int64_t count = end - at < WORDS ? end - at : WORDS;
    for (int64_t i = 0; i < count; i++)
      f32[at + i] = wk_uniform_from_word(word[i], a->low, a->high);
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
  float *y32 = (float *)(void *)call->outputs[0].data, scale32 = (float)scale;
  const double *x64 = (const double *)(const void *)call->inputs[0].data;
  double *y64 = (double *)(void *)call->outputs[0].data;
  uint32_t words[WORDS + 32];
  for (int64_t at = begin; at < end; at += WORDS) {
    const uint32_t *word = next_words(a->seed, a->offset + (uint64_t)at, words);
    const int64_t count = end - at < WORDS ? end - at : WORDS;
    if (single)
      for (int64_t i = 0; i < count; i++)
        y32[at + i] = wk_keep_by_word(word[i], a->rate) ? x32[at + i] * scale32 : 0;
    else
      for (int64_t i = 0; i < count; i++)
        y64[at + i] = wk_keep_by_word(word[i], a->rate) ? x64[at + i] * scale : 0;
  }
}

wk_status wk_cpu_run_dropout(const wk_kernel_call *call) {
  wk_parallel_for(wk_layout_count(&call->outputs[0].layout), BLOCK, dropout_range,
                  (void *)(uintptr_t)call);
  return WK_OK;
}
