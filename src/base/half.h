/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BASE_HALF_H
#define WICK_BASE_HALF_H

/* The 16-bit floats as bits, and back. Rounding is to the nearest, ties to even (IEEE 754), once:
 * a double goes to 16 bits without being rounded to f32 on the way. NaN stays NaN. */

#include <stdint.h>
#include <string.h>

static inline uint32_t wk_bits_of_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float wk_f32_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float wk_bf16_to_f32(uint16_t half) { return wk_f32_of_bits((uint32_t)half << 16); }

static inline uint16_t wk_f32_to_bf16(float value) {
  const uint32_t bits = wk_bits_of_f32(value);
  if (value != value) return (uint16_t)(bits >> 16 | 0x40); /* a quiet NaN stays one */
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* Without branches, so that loops over it become vectors: the bits are shifted into an f32's places
 * and the exponent is made right by a product; infinities and NaN are then given theirs. */
static inline float wk_f16_to_f32(uint16_t half) {
  const uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
  const float scaled = wk_f32_of_bits(magnitude) * 0x1p112f;
  uint32_t endless = magnitude >= 0x7C00u << 13 ? 0x7F800000u : 0;
  endless |= magnitude > 0x7C00u << 13 ? 0x00400000u : 0; /* processors make NaN quiet, too */
  return wk_f32_of_bits(wk_bits_of_f32(scaled) | endless | (uint32_t)(half & 0x8000) << 16);
}

/* Normal results round in integers; smaller ones by adding a number whose last place is 2^-24. */
static inline uint16_t wk_f32_to_f16(float value) {
  const uint32_t bits = wk_bits_of_f32(value), magnitude = bits & 0x7FFFFFFF;
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t normal = (magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  const uint32_t small = wk_bits_of_f32(wk_f32_of_bits(magnitude) + 0.5f) - wk_bits_of_f32(0.5f);
  uint32_t half = magnitude < 113u << 23 ? small : normal;
  half = magnitude >= 0x477FF000u ? 0x7C00 : half; /* 65520 and more: infinity */
  half = magnitude > 0x7F800000u ? 0x7E00 : half;  /* NaN */
  return (uint16_t)(half | sign);
}

/* To f32 rounding to odd: what 16 bits then round to is what they would of the double itself.
 * Boldo and Melquiond 2008, doi 10.1109/TC.2007.70819. */
static inline float wk_f64_to_odd_f32(double value) {
  const float nearest = (float)value;
  const double back = (double)nearest;
  const uint32_t bits = wk_bits_of_f32(nearest);
  if (back == value || value != value || (bits & 1)) return nearest;
  const int beyond = (back > value) == (value > 0); /* nearest lies further from 0 */
  return wk_f32_of_bits(beyond ? bits - 1 : bits + 1);
}

/* The same of an integer: what lies below a double's last place is kept as a mark. */
static inline float wk_i64_to_odd_f32(int64_t value) {
  const int64_t high = value & ~(int64_t)0xFFFF; /* exact as a double, as is the sum with a mark */
  const double marked = (double)high + (double)((value & 0xFFFF) != 0 ? 0x8000 : 0);
  const int is_small = value < (int64_t)1 << 53 && value > -((int64_t)1 << 53);
  return wk_f64_to_odd_f32(is_small ? (double)value : marked);
}

static inline uint16_t wk_f64_to_bf16(double value) {
  return wk_f32_to_bf16(wk_f64_to_odd_f32(value));
}

static inline uint16_t wk_f64_to_f16(double value) {
  return wk_f32_to_f16(wk_f64_to_odd_f32(value));
}

#endif
