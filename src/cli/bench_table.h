/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_BENCH_TABLE_H
#define WICK_CLI_BENCH_TABLE_H

/* Rows of `wick bench`. Wick, the peers and bursts of the machine's own limits are measured by
 * turns, so that all meet the same clock and the same neighbours. */

#include "cli/bench_peers.h"

enum { WK_BENCH_ROWS = 160, WK_BENCH_PEERS = 4 };

typedef struct wk_bench_row {
  char name[64];
  double operations, bytes; /* of one call; 0: not told */
  double seconds, peer_seconds[WK_BENCH_PEERS];
} wk_bench_row;

typedef struct wk_bench_table {
  const char *what; /* "gemm" */
  bool json;
  const char *only; /* NULL, or what a row's name must contain */
  bool median;      /* of rounds, for work that differs from call to call; else the best call */
  int rounds;       /* 0: five */
  double budget;    /* seconds of one round; 0: 0.06 */
  double peak;      /* the best of all bursts, GFLOP/s */
  double bandwidth; /* likewise, GB/s read and written; 0: not asked for */
  bool streams;     /* whether to measure it */
  int peer_count;
  wk_peer peers[WK_BENCH_PEERS];
  wk_bench_row rows[WK_BENCH_ROWS];
  int count;
} wk_bench_table;

/* Starts those of the named peers (NULLs are passed over) that are there; tells of others. */
void wk_bench_start_peers(wk_bench_table *table, const char *const *names, int count);

/* Measures and prints a row. `question` says the same work to peers, and is taken. */
void wk_bench_add(wk_bench_table *table, const char *name, double operations, double bytes,
                  void (*call)(void *context), void *context, json_t *question);

/* Prints the machine's limits and means over rows; ends the peers. */
void wk_bench_end(wk_bench_table *table);

#endif
