/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_BENCH_H
#define WICK_CLI_BENCH_H

#include "cli/bench_table.h"

/* The parts of `wick bench`; each adds its rows. An error is left pending. */
void wk_bench_gemm(wk_bench_table *table);
void wk_bench_conv(wk_bench_table *table);
void wk_bench_ops(wk_bench_table *table);
void wk_bench_mlp(wk_bench_table *table);
void wk_bench_lenet(wk_bench_table *table);
void wk_bench_cifar(wk_bench_table *table);

#endif
