/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_VECTOR_H
#define WICK_BACKEND_CPU_ISA_VECTOR_H

/* One register of the instruction set a file is compiled for, where its width matters: products and
 * convolutions. Everything else uses 16 lanes whatever the processor (lanes.h), so that its bits do
 * not depend on the width. This is the only file with intrinsics: a fused multiply-add is the one
 * thing vector extensions cannot say. The baseline of x86-64 has none; it rounds twice. */

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

#endif
