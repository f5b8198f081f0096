/* SPDX-License-Identifier: Apache-2.0 */

/* The choice of an instruction set at run time. */

#include "backend/cpu/isa.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/environment.h"

/* Best first. The build says which the compiler could make; AVX-512 stands for its foundation and
 * the BW, DQ and VL parts. */
static const wk_cpu_isa *const candidates[] = {
#ifdef WICK_HAVE_AVX512
    &wk_cpu_isa_avx512,
#endif
#ifdef WICK_HAVE_AVX2
    &wk_cpu_isa_avx2,
#endif
    &wk_cpu_isa_baseline,
};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

_Atomic(const wk_cpu_isa *) wk_cpu_isa_selected;

static bool available(const wk_cpu_isa *isa) {
#ifdef WICK_HAVE_AVX512
  if (isa == &wk_cpu_isa_avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#endif
#ifdef WICK_HAVE_AVX2
  if (isa == &wk_cpu_isa_avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == &wk_cpu_isa_baseline;
}

bool wk_cpu_isa_select(const char *name) {
  for (int i = 0; i < CANDIDATES; i++)
    if (strcmp(candidates[i]->name, name) == 0 && available(candidates[i])) {
      atomic_store(&wk_cpu_isa_selected, candidates[i]);
      return true;
    }
  return false;
}

/* The variable names the best one allowed; a name that is unknown or not available is ignored. */
static const wk_cpu_isa *choose(void) {
  const char *name = wk_variable_get(WK_VARIABLE_ISA);
  int first = 0;
  for (int i = 0; i < CANDIDATES; i++)
    if (strcmp(candidates[i]->name, name) == 0) first = i;
  while (!available(candidates[first])) first++;
  return candidates[first];
}

/* The baseline as it is at WK_DETERMINISM_MACHINE: with the bits of sets that have fused
 * multiply-adds. */
static wk_cpu_isa fused;
static wk_isa_product fused_products[WK_ISA_REALS];

static void make_fused(void) {
  fused = wk_cpu_isa_baseline;
  for (int i = 0; i < WK_ISA_REALS; i++) fused_products[i] = *fused.product[i];
  if (!wk_isa_fuse_baseline(&fused_products[WK_ISA_F32], &fused_products[WK_ISA_F64])) return;
  for (int i = 0; i < WK_ISA_REALS; i++) fused.product[i] = &fused_products[i];
}

static const wk_cpu_isa *baseline_for_level(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (wk_determinism_get() < WK_DETERMINISM_MACHINE) return &wk_cpu_isa_baseline;
  pthread_once(&once, make_fused);
  return &fused;
}

const wk_cpu_isa *wk_cpu_isa_choose(void) {
  const wk_cpu_isa *isa = atomic_load_explicit(&wk_cpu_isa_selected, memory_order_acquire);
  if (!isa) {
    isa = choose();
    atomic_store(&wk_cpu_isa_selected, isa);
  }
  return isa == &wk_cpu_isa_baseline ? baseline_for_level() : isa;
}

const char *wk_cpu_isa_name(void) { return wk_cpu_isa_get()->name; }
