/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_BENCH_H
#define WICK_CLI_BENCH_H

#include <stdbool.h>

/* The parts of `wick bench`; each prints its table, of the rows whose names contain `only` (NULL: all). An error is left pending. */
void wk_bench_gemm(bool json, const char *only);
void wk_bench_conv(bool json, const char *only);
void wk_bench_ops(bool json, const char *only);

#endif
