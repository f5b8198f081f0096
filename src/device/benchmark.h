/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_DEVICE_BENCHMARK_H
#define WICK_DEVICE_BENCHMARK_H

#include <stddef.h>

/* What the processor itself can do, for commands that compare kernels with it. The command sees no
 * backend; src/wick.c defines the table. */

typedef struct wk_machine_benchmark {
  /* GFLOP/s (two per multiply-add) that registers alone reach on `threads` threads (1 or
   * wk_thread_count()), measured for about `seconds`. `dtype` is WK_F32 or WK_F64. */
  double (*fma_peak)(int dtype, int threads, double seconds);
  /* The instruction set its kernels use: "avx512" and so on; static storage. */
  const char *(*instruction_set)(void);
  /* Which oneDNN its kernels use, or why none; as snprintf. */
  size_t (*onednn)(char *buffer, size_t size);
} wk_machine_benchmark;

extern const wk_machine_benchmark wk_cpu_benchmark;

#endif
