/* SPDX-License-Identifier: Apache-2.0 */

/* The multiply-adds this processor can do when nothing else is in the way: what products are
 * measured against. */

#include <stdatomic.h>

#include "backend/cpu/isa.h"
#include "base/file.h"
#include "base/parallel.h"

typedef struct burst {
  int64_t (*peak)(int64_t rounds);
  int64_t rounds;
  _Atomic int64_t operations;
} burst;

static void run_burst(void *context, int64_t begin, int64_t end) {
  burst *b = context;
  for (int64_t i = begin; i < end; i++)
    atomic_fetch_add(&b->operations, b->peak(b->rounds) * b->rounds);
}

/* Best of short bursts, each one piece of work per thread: other programs disturb some of them. */
static double best_rate(int64_t (*peak)(int64_t), int64_t threads, double seconds) {
  burst b = {.peak = peak, .rounds = 20000};
  double best = 0;
  for (const double start = wk_seconds(); wk_seconds() - start < seconds;) {
    atomic_store(&b.operations, 0);
    const double begin = wk_seconds();
    wk_parallel_for(threads, 1, run_burst, &b);
    const double rate = (double)atomic_load(&b.operations) / (wk_seconds() - begin) * 1e-9;
    if (rate > best) best = rate;
  }
  return best;
}

wk_cpu_peak wk_cpu_peak_measure(wk_dtype dtype, double seconds) {
  int64_t (*peak)(int64_t) = wk_cpu_isa_get()->product[wk_isa_real_of(dtype)]->peak;
  return (wk_cpu_peak){best_rate(peak, 1, seconds), best_rate(peak, wk_thread_count(), seconds)};
}
