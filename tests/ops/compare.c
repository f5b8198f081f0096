/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tests.h"

/* Floats as integers in the same order: neighbours differ by one, infinity follows the largest. */
static int64_t order_of(const sample_tensor *tensor, int64_t index) {
  int64_t bits;
  if (wk_dtype_size(tensor->dtype) == 2) {
    const uint16_t half = ((uint16_t *)tensor->data)[index];
    return half & 0x8000 ? -(int64_t)(half & 0x7FFF) : half;
  }
  if (tensor->dtype == WK_F32) {
    int32_t narrow;
    memcpy(&narrow, (float *)tensor->data + index, sizeof narrow);
    return narrow < 0 ? -(int64_t)(narrow & INT32_MAX) : narrow;
  }
  memcpy(&bits, (double *)tensor->data + index, sizeof bits);
  return bits < 0 ? -(bits & INT64_MAX) : bits;
}

static bool same_bits(const sample_tensor *a, const sample_tensor *b, int64_t index) {
  const size_t size = wk_dtype_size(a->dtype);
  return memcmp((char *)a->data + (size_t)index * size, (char *)b->data + (size_t)index * size,
                size) == 0;
}

/* How many floats lie between them: in whole numbers, since doubles cannot tell f64's neighbours.
 */
static double order_distance(const sample_tensor *a, const sample_tensor *b, int64_t index) {
  int64_t distance;
  const int64_t x = order_of(a, index), y = order_of(b, index);
  return __builtin_sub_overflow(x, y, &distance) ? (double)x - (double)y : (double)distance;
}

static double unit_of(const sample_tensor *values, const tolerance *allowed, int64_t index) {
  double size = fabs(sample_real(values, index));
  if (allowed->scale && fabs(sample_real(allowed->scale, index)) > size)
    size = fabs(sample_real(allowed->scale, index));
  switch (values->dtype) {
  case WK_F16:
    return size * 0x1p-10 + 0x1p-24;
  case WK_BF16:
    return size * 0x1p-7 + 0x1p-133;
  case WK_F32:
    return size * 0x1p-23 + 0x1p-149;
  default:
    return size * 0x1p-52 + 0x1p-1074;
  }
}

static bool is_near(const sample_tensor *actual, const sample_tensor *expected, int64_t index,
                    const tolerance *allowed) {
  if (same_bits(actual, expected, index)) return true;
  if (!is_float(actual->dtype)) return false;
  const double a = sample_real(actual, index), e = sample_real(expected, index);
  if (isnan(a) || isnan(e)) return isnan(a) && isnan(e);
  if (allowed->ulp == 0) return false;
  if (fabs(order_distance(actual, expected, index)) <= allowed->ulp) return true;
  return allowed->scale && fabs(a - e) <= allowed->ulp * unit_of(expected, allowed, index);
}

static void print_element(const sample_tensor *tensor, int64_t index) {
  switch (tensor->dtype) {
  case WK_F16:
  case WK_BF16:
  case WK_F32:
  case WK_F64:
    print_error("%.17g (%a)", sample_real(tensor, index), sample_real(tensor, index));
    break;
  case WK_I64:
    print_error("%" PRId64, ((int64_t *)tensor->data)[index]);
    break;
  case WK_I32:
    print_error("%d", ((int32_t *)tensor->data)[index]);
    break;
  case WK_I16:
    print_error("%d", ((int16_t *)tensor->data)[index]);
    break;
  case WK_I8:
    print_error("%d", ((int8_t *)tensor->data)[index]);
    break;
  default:
    print_error("%d", ((uint8_t *)tensor->data)[index]);
    break;
  }
}

static void print_difference(const sample_tensor *actual, const sample_tensor *expected,
                             int64_t index) {
  print_error("  element %" PRId64 " of %" PRId64 ": ", index, actual->count);
  print_element(actual, index);
  print_error(" instead of ");
  print_element(expected, index);
  if (is_float(actual->dtype)) print_error(", %.0f ulp", order_distance(actual, expected, index));
  print_error("\n");
}

static bool same_type(const sample_tensor *a, const sample_tensor *b) {
  return !a->data == !b->data && a->dtype == b->dtype && a->shape.rank == b->shape.rank &&
         memcmp(a->shape.dims, b->shape.dims, (size_t)a->shape.rank * sizeof *a->shape.dims) == 0;
}

bool compare_tensors(const char *what, const sample_tensor *actual, const sample_tensor *expected,
                     tolerance allowed) {
  if (!same_type(actual, expected)) {
    print_error("%s: dtype or sizes differ (%s of rank %d instead of %s of rank %d)\n", what,
                wk_dtype_name(actual->dtype), actual->shape.rank, wk_dtype_name(expected->dtype),
                expected->shape.rank);
    return false;
  }
  int64_t wrong = 0;
  for (int64_t i = 0; i < expected->count; i++) {
    if (is_near(actual, expected, i, &allowed)) continue;
    if (wrong == 0) print_error("%s, allowed are %g ulp:\n", what, allowed.ulp);
    if (wrong++ < 4) print_difference(actual, expected, i);
  }
  if (wrong > 4) print_error("  and %" PRId64 " more\n", wrong - 4);
  return wrong == 0;
}

double largest_magnitude(const sample_tensor *values) {
  double largest = 0;
  for (int64_t i = 0; i < values->count; i++) {
    const double size = fabs(sample_real(values, i));
    if (isfinite(size) && size > largest) largest = size;
  }
  return largest;
}
