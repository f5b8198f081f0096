/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"

#include <string.h>

#include "base/memory.h"
#include "tensor/element.h"

static char *address_of(const wk_operand *operand, int64_t position) {
  return operand->data + position * (int64_t)wk_dtype_size(operand->layout.dtype);
}

int64_t wk_element_integer(const wk_operand *operand, int64_t position) {
  return wk_read_integer(operand->layout.dtype, address_of(operand, position));
}

double wk_element_real(const wk_operand *operand, int64_t position) {
  return wk_read_real(operand->layout.dtype, address_of(operand, position));
}

void wk_element_set_integer(const wk_operand *operand, int64_t position, int64_t value) {
  char *address = address_of(operand, position);
  switch (operand->layout.dtype) {
  case WK_F32:
    *(float *)address = (float)value;
    break;
  case WK_F64:
    *(double *)address = (double)value;
    break;
  case WK_F16:
    *(uint16_t *)address = wk_f32_to_f16(wk_i64_to_odd_f32(value));
    break;
  case WK_BF16:
    *(uint16_t *)address = wk_f32_to_bf16(wk_i64_to_odd_f32(value));
    break;
  case WK_I64:
    *(int64_t *)address = value;
    break;
  case WK_I32:
    *(int32_t *)address = (int32_t)value;
    break;
  case WK_I16:
    *(int16_t *)address = (int16_t)value;
    break;
  case WK_I8:
    *(int8_t *)address = (int8_t)value;
    break;
  case WK_U8:
    *(uint8_t *)address = (uint8_t)value;
    break;
  case WK_BOOL:
    *(uint8_t *)address = value != 0;
    break;
  default:
    break;
  }
}

void wk_element_set_real(const wk_operand *operand, int64_t position, double value) {
  char *address = address_of(operand, position);
  switch (operand->layout.dtype) {
  case WK_F32:
    *(float *)address = (float)value;
    break;
  case WK_F64:
    *(double *)address = value;
    break;
  case WK_F16:
    *(uint16_t *)address = wk_f64_to_f16(value);
    break;
  case WK_BF16:
    *(uint16_t *)address = wk_f64_to_bf16(value);
    break;
  default:
    wk_element_convert_real(operand, position, value);
  }
}

static void convert_integer(const wk_operand *operand, int64_t position, int64_t value) {
  int64_t least = INT64_MIN, most = INT64_MAX;
  if (operand->layout.dtype == WK_I32) least = INT32_MIN, most = INT32_MAX;
  if (operand->layout.dtype == WK_I16) least = INT16_MIN, most = INT16_MAX;
  if (operand->layout.dtype == WK_I8) least = INT8_MIN, most = INT8_MAX;
  if (operand->layout.dtype == WK_U8) least = 0, most = UINT8_MAX;
  wk_element_set_integer(operand, position, value < least ? least : value > most ? most : value);
}

void wk_element_convert_real(const wk_operand *operand, int64_t position, double value) {
  if (wk_element_is_real(operand->layout.dtype)) {
    wk_element_set_real(operand, position, value);
  } else if (operand->layout.dtype == WK_BOOL) {
    wk_element_set_integer(operand, position, value != 0); /* NaN is true */
  } else {
    const int64_t whole = value != value     ? 0
                          : value >= 0x1p63  ? INT64_MAX
                          : value <= -0x1p63 ? INT64_MIN
                                             : (int64_t)value;
    convert_integer(operand, position, whole);
  }
}

void wk_element_copy(const wk_operand *to, int64_t to_position, const wk_operand *from,
                     int64_t from_position) {
  memcpy(address_of(to, to_position), address_of(from, from_position),
         wk_dtype_size(to->layout.dtype));
}

void wk_elements_copy(const wk_operand *y, int64_t start, const wk_operand *x) {
  wk_layout part = x->layout; /* x's sizes, y's strides */
  for (int i = 0; i < part.rank; i++) part.strides[i] = y->layout.strides[i];
  const int64_t count = wk_layout_count(&x->layout);
  for (int64_t i = 0; i < count; i++)
    wk_element_copy(y, start + wk_layout_position(&part, i), x, wk_layout_position(&x->layout, i));
}

double *wk_reals_zeroed(int64_t count) {
  return wk_allocate_zeroed((size_t)count + 1, sizeof(double)); /* one more: never of no bytes */
}

double *wk_reals_load(const wk_operand *operand) {
  const int64_t count = wk_layout_count(&operand->layout);
  double *values = wk_reals_zeroed(count);
  for (int64_t i = 0; values && i < count; i++)
    values[i] = wk_element_real(operand, wk_layout_position(&operand->layout, i));
  return values;
}

void wk_reals_store(const double *values, const wk_operand *operand) {
  const int64_t count = wk_layout_count(&operand->layout);
  for (int64_t i = 0; i < count; i++) wk_element_set_real(operand, i, values[i]);
}

void wk_reals_free(double **values) { wk_deallocate(*values); }
