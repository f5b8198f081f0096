/* SPDX-License-Identifier: Apache-2.0 */
#include "support/kernels.h"

#include "support/unit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"

#define GUARD 64
#define GUARD_BYTE 0xA5

static size_t bytes_of(const real_array *array) {
  return (size_t)array->count * wk_dtype_size(array->dtype);
}

real_array real_array_create(wk_dtype dtype, int64_t count) {
  static uint64_t drawn;
  real_array array = {.dtype = dtype, .count = count};
  const size_t size = bytes_of(&array), element = wk_dtype_size(dtype);
  array.memory = malloc(size + 2 * GUARD + element);
  assert_non_null(array.memory);
  memset(array.memory, GUARD_BYTE, size + 2 * GUARD + element);
  array.data = array.memory + GUARD + element; /* malloc's alignment, plus one element */
  for (int64_t i = 0; i < count; i++)
    real_set(&array, i, 2 * wk_random_unit_float(wk_random_word(1, drawn++)) - 1);
  return array;
}

void real_array_free(real_array *array) {
  const size_t size = bytes_of(array), front = (size_t)(array->data - array->memory);
  for (size_t i = 0; i < front; i++) assert_int_equal((uint8_t)array->memory[i], GUARD_BYTE);
  for (size_t i = 0; i < GUARD; i++) assert_int_equal((uint8_t)array->data[size + i], GUARD_BYTE);
  free(array->memory);
}

double real_get(const real_array *array, int64_t i) {
  float small;
  double large;
  if (array->dtype == WK_F64) return memcpy(&large, array->data + i * 8, 8), large;
  return memcpy(&small, array->data + i * 4, 4), small;
}

void real_set(real_array *array, int64_t i, double value) {
  const float small = (float)value;
  if (array->dtype == WK_F64)
    memcpy(array->data + i * 8, &value, 8);
  else
    memcpy(array->data + i * 4, &small, 4);
}

void real_fill(real_array *array, double value) {
  for (int64_t i = 0; i < array->count; i++) real_set(array, i, value);
}

bool real_equal_bits(const real_array *a, const real_array *b) {
  return a->count == b->count && memcmp(a->data, b->data, bytes_of(a)) == 0;
}

void assert_close(const real_array *got, int64_t i, double want, double ulps, double scale) {
  const double value = real_get(got, i);
  if (isnan(value) && isnan(want)) return;
  const double epsilon = got->dtype == WK_F64 ? DBL_EPSILON : FLT_EPSILON;
  if (value == want || fabs(value - want) <= ulps * epsilon * scale) return;
  fail_msg("%s %s: element %lld is %.17g, not %.17g", wk_cpu_isa_name(), wk_dtype_name(got->dtype),
           (long long)i, value, want);
}

static const char *const names[] = {"baseline", "avx2", "avx512"};

int64_t isa_count(void) { return sizeof names / sizeof *names; }
const char *isa_name(int64_t i) { return names[i]; }

void with_all_kernels(void (*run)(wk_dtype dtype)) {
  const char *before = wk_cpu_isa_name();
  for (int64_t i = 0; i < isa_count(); i++) {
    if (!wk_cpu_isa_select(names[i])) continue;
    run(WK_F32);
    run(WK_F64);
  }
  wk_cpu_isa_select(before);
}
