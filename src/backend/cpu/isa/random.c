/* SPDX-License-Identifier: Apache-2.0 */

/* The random words of base/random.h and the normally distributed numbers of ops/random.h, eight
 * blocks at a time for one instruction set. */

#include <math.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/isa/parts.h"
#include "backend/cpu/isa/vector.h"

enum { BLOCKS = 8 };
typedef wk_f64_vector wk_normal_real;
typedef uint64_t wk_normal_words __attribute__((vector_size(WK_VECTOR_BYTES)));
#include "ops/normal.h"
typedef uint64_t many __attribute__((vector_size(8 * BLOCKS)));
typedef uint64_t many_anywhere __attribute__((vector_size(8 * BLOCKS), aligned(4), may_alias));

/* wk_philox of `counter`, two words in each element. */
WK_INLINE void eight_blocks(uint64_t seed, many counter, uint64_t stream, uint32_t *to) {
  const many low = (many){0} + 0xFFFFFFFFu;
  many c0 = counter & low, c1 = counter >> 32, c2 = (many){0} + (stream & low[0]),
       c3 = (many){0} + (stream >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const many p0 = c0 * 0xD2511F53u, p1 = c2 * 0xCD9E8D57u;
    c0 = (p1 >> 32) ^ c1 ^ k0, c2 = (p0 >> 32) ^ c3 ^ k1;
    c1 = p1 & low, c3 = p0 & low;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  const many a = c0 | c1 << 32, b = c2 | c3 << 32;
  ((many_anywhere *)to)[0] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  ((many_anywhere *)to)[1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

__attribute__((noinline)) void WK_ISA_NAME(wk_isa_random_words)(uint64_t seed, uint64_t block,
                                                                int64_t blocks, uint64_t stream,
                                                                uint32_t *to) {
  const many step = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t i = 0; i < blocks; i += BLOCKS, to += 4 * BLOCKS)
    eight_blocks(seed, block + (uint64_t)i + step, stream, to);
}

/* Numbers 2k and 2k + 1 side by side. */
#if WK_VECTOR_BYTES == 64
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define LAST_HALF(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif WK_VECTOR_BYTES == 32
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define LAST_HALF(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 2)
#define LAST_HALF(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

void WK_ISA_NAME(wk_isa_random_normals)(uint64_t seed, uint64_t block, int64_t blocks, double mean,
                                        double deviation, double *to) {
  /* the words lie in the second half of what their numbers, twice as long, are written over */
  uint32_t *words = (uint32_t *)(to + 2 * blocks);
  WK_ISA_NAME(wk_isa_random_words)(seed, block, blocks, 0, words);
  typedef wk_normal_words anywhere __attribute__((aligned(4), may_alias));
  const anywhere *from = (const anywhere *)words;
  for (int64_t i = 0; i < 4 * blocks; i += WK_VECTOR_BYTES / 4, to += WK_VECTOR_BYTES / 4) {
    const wk_normal_words pairs = *from++;
    const wk_normal_pair p = wk_normal_from_words(pairs & 0xFFFFFFFFu, pairs >> 32);
    const wk_f64_vector radius = wk_f64_root(p.square);
    const wk_f64_vector a = mean + deviation * (radius * p.cosine);
    const wk_f64_vector b = mean + deviation * (radius * p.sine);
    wk_f64_store(to, FIRST_HALF(a, b));
    wk_f64_store(to + WK_VECTOR_BYTES / 8, LAST_HALF(a, b));
  }
}
