/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_VECTOR_H
#define WICK_BACKEND_CPU_ISA_VECTOR_H

/* One register of the instruction set a file is compiled for, where its width matters: products and
 * convolutions. Everything else uses 16 lanes whatever the processor (lanes.h), so that its bits do
 * not depend on the width. This is the only file with intrinsics: a fused multiply-add is the one
 * thing vector extensions cannot say. The baseline of x86-64 has none; it rounds twice. */

#include <math.h>
#include <stdint.h>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define WK_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define WK_VECTOR_BYTES 32
#else
#define WK_VECTOR_BYTES 16
#endif

/* Pastes the instruction set to a name: wk_isa_avx512 and so on. */
#define WK_ISA_PASTE_(name, isa) name##_##isa
#define WK_ISA_PASTE(name, isa) WK_ISA_PASTE_(name, isa)
#define WK_ISA_NAME(name) WK_ISA_PASTE(name, WICK_ISA)

#define WK_INLINE static inline __attribute__((always_inline))

/* In front of a loop whose count is a constant: every accumulator then stays in a register. */
#if defined(__clang__)
#define WK_UNROLL _Pragma("clang loop unroll(full)")
#else
#define WK_UNROLL _Pragma("GCC unroll 16")
#endif

typedef float wk_f32_vector __attribute__((vector_size(WK_VECTOR_BYTES)));
typedef double wk_f64_vector __attribute__((vector_size(WK_VECTOR_BYTES)));
typedef float wk_f32_anywhere __attribute__((vector_size(WK_VECTOR_BYTES), aligned(4), may_alias));
typedef double wk_f64_anywhere __attribute__((vector_size(WK_VECTOR_BYTES), aligned(8), may_alias));

WK_INLINE wk_f32_vector wk_f32_load(const float *from) { return *(const wk_f32_anywhere *)from; }
WK_INLINE wk_f64_vector wk_f64_load(const double *from) { return *(const wk_f64_anywhere *)from; }
WK_INLINE void wk_f32_store(float *to, wk_f32_vector x) { *(wk_f32_anywhere *)to = x; }
WK_INLINE void wk_f64_store(double *to, wk_f64_vector x) { *(wk_f64_anywhere *)to = x; }

/* x - 0 is x for every x, so this is a plain broadcast. */
WK_INLINE wk_f32_vector wk_f32_broadcast(float x) { return x - (wk_f32_vector){0}; }
WK_INLINE wk_f64_vector wk_f64_broadcast(double x) { return x - (wk_f64_vector){0}; }

/* a * b + c */
WK_INLINE wk_f32_vector wk_f32_fma(wk_f32_vector a, wk_f32_vector b, wk_f32_vector c) {
#if defined(__AVX512F__)
  return (wk_f32_vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif WK_VECTOR_BYTES == 32
  return (wk_f32_vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (wk_f32_vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

WK_INLINE wk_f64_vector wk_f64_fma(wk_f64_vector a, wk_f64_vector b, wk_f64_vector c) {
#if defined(__AVX512F__)
  return (wk_f64_vector)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif WK_VECTOR_BYTES == 32
  return (wk_f64_vector)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return (wk_f64_vector)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  return a * b + c;
#endif
}

/* Square roots; written by lane they become instructions for single numbers where code is small. */
WK_INLINE wk_f32_vector wk_f32_root(wk_f32_vector x) {
#if defined(__AVX512F__)
  return (wk_f32_vector)_mm512_sqrt_ps((__m512)x);
#elif WK_VECTOR_BYTES == 32
  return (wk_f32_vector)_mm256_sqrt_ps((__m256)x);
#else
  for (int i = 0; i < WK_VECTOR_BYTES / 4; i++) x[i] = sqrtf(x[i]);
  return x;
#endif
}
WK_INLINE wk_f64_vector wk_f64_root(wk_f64_vector x) {
#if defined(__AVX512F__)
  return (wk_f64_vector)_mm512_sqrt_pd((__m512d)x);
#elif WK_VECTOR_BYTES == 32
  return (wk_f64_vector)_mm256_sqrt_pd((__m256d)x);
#else
  for (int i = 0; i < WK_VECTOR_BYTES / 8; i++) x[i] = sqrt(x[i]);
  return x;
#endif
}

/* The running largest: x where it is larger than `best` or NaN. A processor's own maximum gives its
 * second operand for equal ones and NaN. */
#if defined(__AVX512F__)
WK_INLINE wk_f32_vector wk_f32_larger(wk_f32_vector best, wk_f32_vector x) {
  const __m512 own = (__m512)x, most = _mm512_max_ps(own, (__m512)best);
  return (wk_f32_vector)_mm512_mask_mov_ps(most, _mm512_cmp_ps_mask(own, own, _CMP_UNORD_Q), own);
}
#elif WK_VECTOR_BYTES == 32
WK_INLINE wk_f32_vector wk_f32_larger(wk_f32_vector best, wk_f32_vector x) {
  const __m256 own = (__m256)x, most = _mm256_max_ps(own, (__m256)best);
  return (wk_f32_vector)_mm256_blendv_ps(most, own, _mm256_cmp_ps(own, own, _CMP_UNORD_Q));
}
#else
WK_INLINE wk_f32_vector wk_f32_larger(wk_f32_vector best, wk_f32_vector x) {
  typedef int32_t mask __attribute__((vector_size(WK_VECTOR_BYTES)));
  const mask where = (mask)((x > best) | (x != x));
  return (wk_f32_vector)((where & (mask)x) | (~where & (mask)best));
}
#endif
#if defined(__AVX512F__)
WK_INLINE wk_f64_vector wk_f64_larger(wk_f64_vector best, wk_f64_vector x) {
  const __m512d own = (__m512d)x, most = _mm512_max_pd(own, (__m512d)best);
  return (wk_f64_vector)_mm512_mask_mov_pd(most, _mm512_cmp_pd_mask(own, own, _CMP_UNORD_Q), own);
}
#else
WK_INLINE wk_f64_vector wk_f64_larger(wk_f64_vector best, wk_f64_vector x) {
  typedef int64_t mask __attribute__((vector_size(WK_VECTOR_BYTES)));
  const mask where = (mask)((x > best) | (x != x));
  return (wk_f64_vector)((where & (mask)x) | (~where & (mask)best));
}
#endif

/* x inside [least, most], NaN staying, and x * 2^n for whole n, rounded once: where the processor
 * has one instruction each. */
#if defined(__AVX512F__)
#define WK_HAS_SCALE
WK_INLINE wk_f32_vector wk_f32_clamp(wk_f32_vector x, float least, float most) {
  const __m512 below = _mm512_min_ps(_mm512_set1_ps(most), (__m512)x);
  return (wk_f32_vector)_mm512_max_ps(_mm512_set1_ps(least), below);
}
WK_INLINE wk_f32_vector wk_f32_scale(wk_f32_vector x, wk_f32_vector n) {
  return (wk_f32_vector)_mm512_scalef_ps((__m512)x, (__m512)n);
}
WK_INLINE wk_f64_vector wk_f64_scale(wk_f64_vector x, wk_f64_vector n) {
  return (wk_f64_vector)_mm512_scalef_pd((__m512d)x, (__m512d)n);
}
#endif

/* A register of f16 as f32 and back, and one of bf16 as f32, where the processor does that. NaN
 * becomes the one that base/half.h makes of it. */
#if defined(__AVX512F__)
#define WK_HAS_F16
WK_INLINE wk_f32_vector wk_bf16_load(const uint16_t *from) {
  const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)from);
  return (wk_f32_vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}
WK_INLINE wk_f32_vector wk_f16_load(const uint16_t *from) {
  return (wk_f32_vector)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
}
WK_INLINE void wk_f16_store(uint16_t *to, wk_f32_vector x) {
  const __m512i plain = _mm512_and_si512((__m512i)x, _mm512_set1_epi32((int)0xFFC00000));
  const __m512i value =
      _mm512_mask_mov_epi32((__m512i)x, _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q),
                            _mm512_or_si512(plain, _mm512_set1_epi32(0x00400000)));
  _mm256_storeu_si256((__m256i *)(void *)to,
                      _mm512_maskz_cvtps_ph(UINT16_MAX, (__m512)value,
                                            _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#elif WK_VECTOR_BYTES == 32 && defined(__F16C__)
#define WK_HAS_F16
WK_INLINE wk_f32_vector wk_bf16_load(const uint16_t *from) {
  const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)from);
  return (wk_f32_vector)_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
}
WK_INLINE wk_f32_vector wk_f16_load(const uint16_t *from) {
  return (wk_f32_vector)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}
WK_INLINE void wk_f16_store(uint16_t *to, wk_f32_vector x) {
  const __m256 nan = _mm256_cmp_ps((__m256)x, (__m256)x, _CMP_UNORD_Q);
  const __m256 sign = _mm256_and_ps((__m256)x, _mm256_set1_ps(-0.0f));
  const __m256 plain = _mm256_or_ps(sign, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC00000)));
  _mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtps_ph(_mm256_blendv_ps((__m256)x, plain, nan),
                                                          _MM_FROUND_TO_NEAREST_INT));
}
#endif

/* The first `count` numbers in memory, `other` in the rest; and the first numbers to memory. Only
 * where the processor masks lanes: what goes by a buffer waits for it. */
#if defined(__AVX512F__)
WK_INLINE wk_f32_vector wk_f32_load_first(const float *from, int64_t count, float other) {
  const __mmask16 first = (__mmask16)((UINT32_C(1) << count) - 1);
  return (wk_f32_vector)_mm512_mask_loadu_ps(_mm512_set1_ps(other), first, from);
}
WK_INLINE void wk_f32_store_first(float *to, int64_t count, wk_f32_vector x) {
  _mm512_mask_storeu_ps(to, (__mmask16)((UINT32_C(1) << count) - 1), (__m512)x);
}
#endif

#endif
