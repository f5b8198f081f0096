/* SPDX-License-Identifier: Apache-2.0 */

/* What the machine's memory gives to `threads` threads, in GB/s of what a loop must read and write
 * (lines that the processor fetches only to overwrite them are not counted): a triad
 * a[i] = b[i] + s * c[i], once with common stores and once past the caches, and a sum. Arrays lie
 * in huge pages where the system has them. The best of `rounds` rounds; 0 without memory. Built by
 * pointwise.py as a shared library. */

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef float lanes __attribute__((vector_size(64)));

typedef struct job {
  lanes *a, *b, *c;
  int64_t count; /* of lanes */
  int kind;      /* 0: triad, 1: triad past the caches, 2: sum */
  lanes sum;
} job;

static void triad_past_caches(job *j) {
#if defined(__clang__)
  for (int64_t i = 0; i < j->count; i++)
    __builtin_nontemporal_store(j->b[i] + 3.0f * j->c[i], &j->a[i]);
#elif defined(__AVX512F__)
  typedef long long whole __attribute__((vector_size(64)));
  for (int64_t i = 0; i < j->count; i++)
    __builtin_ia32_movntdq512((whole *)&j->a[i], (whole)(j->b[i] + 3.0f * j->c[i]));
#else
  for (int64_t i = 0; i < j->count; i++) j->a[i] = j->b[i] + 3.0f * j->c[i];
#endif
}

static void *run(void *context) {
  job *j = context;
  if (j->kind == 0)
    for (int64_t i = 0; i < j->count; i++) j->a[i] = j->b[i] + 3.0f * j->c[i];
  else if (j->kind == 1)
    triad_past_caches(j);
  else {
    lanes s[4] = {{0}};
    for (int64_t i = 0; i + 4 <= j->count; i += 4)
      for (int k = 0; k < 4; k++) s[k] += j->b[i + k];
    j->sum = s[0] + s[1] + s[2] + s[3];
  }
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *make_array(size_t bytes) {
  const size_t page = (size_t)2 << 20;
  char *all = mmap(0, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return 0;
  char *array = all + (page - (uintptr_t)all % page);
#ifdef MADV_HUGEPAGE
  madvise(array, bytes, MADV_HUGEPAGE);
#endif
  memset(array, 0, bytes);
  return array;
}

/* Three arrays of `bytes` each. */
double stream_measure(int kind, int threads, int rounds, int64_t bytes) {
  static char *arrays[3];
  for (int i = 0; i < 3; i++)
    if (!arrays[i] && !(arrays[i] = make_array((size_t)bytes))) return 0;
  void *a = arrays[0], *b = arrays[1], *c = arrays[2];
  pthread_t thread[64];
  job jobs[64];
  double best = 0;
  if (threads > 64) threads = 64;
  const int64_t share = bytes / 64 / threads;
  for (int round = 0; round < rounds; round++) {
    const double start = seconds();
    for (int t = 0; t < threads; t++) {
      const int64_t at = t * share;
      jobs[t] = (job){(lanes *)a + at, (lanes *)b + at, (lanes *)c + at, share, kind, {0}};
      if (t) pthread_create(&thread[t], NULL, run, &jobs[t]);
    }
    run(&jobs[0]);
    for (int t = 1; t < threads; t++) pthread_join(thread[t], NULL);
    const double moved = (double)(share * threads * 64) * (kind == 2 ? 1 : 3);
    const double rate = moved / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  return best;
}
