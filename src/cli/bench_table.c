/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wick/base.h>
#include <wick/tensor.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "device/benchmark.h"

enum { MOST_ROUNDS = 9 };
static const double burst_seconds = 0.02, clock_seconds = 20e-6;

/* ---- the machine's own limits ---- */

static void copy_part(void *context, int64_t begin, int64_t end) {
  char **both = context;
  memcpy(both[1] + begin, both[0] + begin, (size_t)(end - begin));
}

/* GB/s that copying on all threads reads and writes, in the best of a few copies. */
static double measure_bandwidth(void) {
  enum { BYTES = 64 << 20, COPIES = 4 };
  static char *both[2];
  for (int i = 0; i < 2; i++) {
    if (!both[i]) both[i] = wk_allocate(BYTES);
    if (!both[i]) return 0;
    memset(both[i], i, BYTES);
  }
  double best = INFINITY;
  for (int i = 0; i < COPIES; i++) {
    const double start = wk_seconds();
    wk_parallel_for(BYTES, BYTES / 64, copy_part, both);
    best = fmin(best, wk_seconds() - start);
  }
  for (int i = 0; i < 2; i++) {
    wk_deallocate(both[i]);
    both[i] = NULL;
  }
  return 2e-9 * BYTES / best;
}

static void measure_limits(wk_bench_table *t) {
  const double rate = wk_cpu_benchmark.fma_peak(WK_F32, wk_thread_count(), burst_seconds);
  if (rate > t->peak) t->peak = rate;
  if (!t->streams || t->count % 4) return; /* it is slow, and the same for all rows */
  const double bytes = measure_bandwidth();
  if (bytes > t->bandwidth) t->bandwidth = bytes;
}

/* ---- one row ---- */

static int compare_numbers(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_of(double *numbers, int count) {
  int known = 0;
  for (int i = 0; i < count; i++)
    if (!isnan(numbers[i])) numbers[known++] = numbers[i];
  qsort(numbers, (size_t)known, sizeof *numbers, compare_numbers);
  return known ? numbers[known / 2] : (double)NAN;
}

static double least_of(const double *numbers, int count) {
  double least = (double)NAN;
  for (int i = 0; i < count; i++) least = fmin(least, numbers[i]);
  return least;
}

/* Calls between two looks at the clock, so many that looking costs nothing. */
static int calls_in_time(void (*call)(void *context), void *context) {
  int calls = 1;
  for (; calls < 1 << 20; calls *= 2) {
    const double start = wk_seconds();
    for (int i = 0; i < calls; i++) call(context);
    if (wk_seconds() - start >= clock_seconds || wk_failed()) break;
  }
  return calls;
}

/* Seconds of one call in one round: the best, or the median. */
static double time_round(const wk_bench_table *t, double budget, int calls,
                         void (*call)(void *context), void *context) {
  enum { MOST_TIMES = 4096 };
  static double times[MOST_TIMES];
  int count = 0;
  const double start = wk_seconds();
  for (double now = start; now - start < budget && !wk_failed();) {
    const double before = now;
    for (int i = 0; i < calls; i++) call(context);
    now = wk_seconds();
    times[count < MOST_TIMES ? count++ : MOST_TIMES - 1] = (now - before) / calls;
  }
  return t->median ? median_of(times, count) : least_of(times, count);
}

static void print_row(const wk_bench_table *t, const wk_bench_row *r) {
  printf("%-46s", r->name);
  if (t->median || r->seconds < 2e-6 || (r->operations == 0 && r->bytes == 0))
    printf(r->seconds < 1e-4 ? "%9.0f ns" : "%9.3f ms",
           r->seconds * (r->seconds < 1e-4 ? 1e9 : 1e3));
  else if (r->operations > 0)
    printf(" %9.1f GFLOP/s", r->operations / r->seconds * 1e-9);
  else
    printf(" %9.1f GB/s", r->bytes / r->seconds * 1e-9);
  if (r->operations > 0)
    printf(" %6.1f%%", 100e-9 * r->operations / r->seconds / t->peak);
  else if (r->bytes > 0)
    printf(" %6.1f%%", 100e-9 * r->bytes / r->seconds / t->bandwidth);
  for (int p = 0; p < t->peer_count; p++)
    if (!isnan(r->peer_seconds[p]))
      printf("  %s %.3fx", t->peers[p].name, r->peer_seconds[p] / r->seconds);
  printf("\n");
  fflush(stdout);
}

void wk_bench_add(wk_bench_table *t, const char *name, double operations, double bytes,
                  void (*call)(void *context), void *context, json_t *question) {
  if (wk_failed() || t->count == WK_BENCH_ROWS || (t->only && !strstr(name, t->only))) {
    json_decref(question);
    return;
  }
  wk_bench_row *r = &t->rows[t->count];
  *r = (wk_bench_row){.operations = operations, .bytes = bytes};
  wk_print_into(r->name, sizeof r->name, 0, "%s", name);
  if (question) json_object_set_new(question, "threads", json_integer(wk_thread_count()));
  double own[MOST_ROUNDS], others[WK_BENCH_PEERS][MOST_ROUNDS];
  const int rounds = t->rounds ? t->rounds : 5;
  const double budget = t->budget > 0 ? t->budget : 0.06;
  const int calls = calls_in_time(call, context);
  for (int round = 0; round < rounds && !wk_failed(); round++) {
    measure_limits(t);
    own[round] = time_round(t, budget, calls, call, context);
    for (int p = 0; p < t->peer_count; p++)
      others[p][round] = question ? wk_peer_ask(&t->peers[p], question, budget) : (double)NAN;
  }
  json_decref(question);
  if (wk_failed()) return;
  t->count++;
  r->seconds = t->median ? median_of(own, rounds) : least_of(own, rounds);
  for (int p = 0; p < t->peer_count; p++)
    r->peer_seconds[p] = t->median ? median_of(others[p], rounds) : least_of(others[p], rounds);
  if (!t->json) print_row(t, r);
}

/* ---- the whole table ---- */

void wk_bench_start_peers(wk_bench_table *t, const char *const *names, int count) {
  for (int i = 0; i < count && names[i] && t->peer_count < WK_BENCH_PEERS; i++) {
    if (wk_peer_start(&t->peers[t->peer_count], names[i]))
      t->peer_count++;
    else
      fprintf(stderr, "wick bench: no %s beside; bench/peers/setup brings it\n", names[i]);
  }
}

static void print_json_row(const wk_bench_table *t, const wk_bench_row *r) {
  json_t *row = json_pack("{s:s, s:s, s:f}", "bench", t->what, "name", r->name, "nanoseconds",
                          1e9 * r->seconds);
  if (r->operations > 0) {
    const double rate = 1e-9 * r->operations / r->seconds;
    json_object_set_new(row, "gflops", json_real(rate));
    json_object_set_new(row, "percent_of_peak", json_real(100 * rate / t->peak));
  }
  if (r->bytes > 0) {
    const double rate = 1e-9 * r->bytes / r->seconds;
    json_object_set_new(row, "gigabytes_per_second", json_real(rate));
    json_object_set_new(row, "percent_of_bandwidth", json_real(100 * rate / t->bandwidth));
  }
  for (int p = 0; p < t->peer_count; p++) {
    if (isnan(r->peer_seconds[p])) continue;
    json_object_set_new(row, t->peers[p].name,
                        json_pack("{s:f, s:f}", "nanoseconds", 1e9 * r->peer_seconds[p], "ratio",
                                  r->peer_seconds[p] / r->seconds));
  }
  wk_print_json(row);
}

/* The geometric mean of the rows' shares of the peak in percent, or (p >= 0) of how many times as
 * long a peer took; NaN if no row has it. */
static double mean_of(const wk_bench_table *t, int p) {
  double sum = 0;
  int count = 0;
  for (int i = 0; i < t->count; i++) {
    const wk_bench_row *r = &t->rows[i];
    const double value =
        p >= 0 ? r->peer_seconds[p] / r->seconds : 100e-9 * r->operations / r->seconds / t->peak;
    if (isnan(value) || value <= 0) continue;
    sum += log(value), count++;
  }
  return count ? exp(sum / count) : (double)NAN;
}

static void print_means(const wk_bench_table *t) {
  for (int p = 0; p < t->peer_count; p++)
    if (!isnan(mean_of(t, p)))
      printf("%s takes %.3f times as long (geometric mean)\n", t->peers[p].name, mean_of(t, p));
  if (!isnan(mean_of(t, -1))) printf("%s: %.1f%% of FMA peak\n", t->what, mean_of(t, -1));
}

static void print_end(const wk_bench_table *t) {
  if (t->json) {
    for (int i = 0; i < t->count; i++) print_json_row(t, &t->rows[i]);
    json_t *end =
        json_pack("{s:s, s:f, s:i, s:o}", "bench", t->what, "peak_gflops", t->peak, "threads",
                  wk_thread_count(), "percent_of_peak", wk_json_number(mean_of(t, -1)));
    if (t->bandwidth > 0)
      json_object_set_new(end, "bandwidth_gigabytes_per_second", json_real(t->bandwidth));
    for (int p = 0; p < t->peer_count; p++)
      json_object_set_new(end, t->peers[p].name, wk_json_number(mean_of(t, p)));
    wk_print_json(end);
    return;
  }
  printf("FMA peak %.1f GFLOP/s on %d threads (%s)\n", t->peak, wk_thread_count(),
         wk_cpu_benchmark.instruction_set());
  if (t->bandwidth > 0) printf("copying moves %.1f GB/s\n", t->bandwidth);
  print_means(t);
}

void wk_bench_end(wk_bench_table *t) {
  if (!wk_failed() && t->count > 0) print_end(t);
  for (int p = 0; p < t->peer_count; p++) wk_peer_stop(&t->peers[p]);
}
