/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_ELEMENT_H
#define WICK_BACKEND_REFERENCE_ELEMENT_H

/* Elements of operands, whatever their dtype and strides. A position counts elements from the
 * operand's first one; an index counts them in row-major order. */

#include "ops/kernel.h"

static inline bool wk_element_is_real(wk_dtype dtype) { return wk_dtype_is_float(dtype); }

/* The element as a double (of any dtype; large i64 are rounded), and as an integer (not of floats).
 */
double wk_element_real(const wk_operand *operand, int64_t position);
int64_t wk_element_integer(const wk_operand *operand, int64_t position);

/* Store a result of arithmetic: floats round, integers wrap around, bool is whether it is not 0. */
void wk_element_set_real(const wk_operand *operand, int64_t position, double value);
void wk_element_set_integer(const wk_operand *operand, int64_t position, int64_t value);

/* Stores a float by the rules of cast: an integer takes the nearest it can hold. */
void wk_element_convert_real(const wk_operand *operand, int64_t position, double value);

/* The same bits; the operands' dtypes are equal. */
void wk_element_copy(const wk_operand *to, int64_t to_position, const wk_operand *from,
                     int64_t from_position);

/* Copies x to the part of y that begins at `start`, a position in y. */
void wk_elements_copy(const wk_operand *y, int64_t start, const wk_operand *x);

/* All elements in row-major order as doubles, and back. WK_REALS declares an array that is freed
 * when its block is left; it is NULL, with an error pending, when memory could not be had. */
#define WK_REALS __attribute__((cleanup(wk_reals_free))) double *
double *wk_reals_load(const wk_operand *operand);
double *wk_reals_zeroed(int64_t count);
void wk_reals_store(const double *values, const wk_operand *operand);
void wk_reals_free(double **values);

#endif
