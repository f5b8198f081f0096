/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_PRODUCT_H
#define WICK_BACKEND_CPU_PRODUCT_H

/* The engine under matrix products and convolutions: c[m, n] from a[m, k] and b[k, n], where a and
 * b are known only to the functions that pack pieces of them. A convolution packs patches of images
 * this way and never writes them out as a matrix. */

#include "backend/cpu/isa.h"
#include "ops/kernel.h"

typedef struct wk_product wk_product;
struct wk_product {
  int64_t m, n, k;
  wk_isa_real real;

  /* Writes a[row .. + rows, k .. + depth] to `to`, in this order. */
  wk_left_order left_order;
  void (*pack_a)(const wk_product *product, int64_t row, int64_t rows, int64_t k, int64_t depth,
                 char *to);
  /* Writes b[k .. + depth, column .. + columns] to `to`, whose rows are `width` elements apart. */
  void (*pack_b)(const wk_product *product, int64_t k, int64_t depth, int64_t column,
                 int64_t columns, int64_t width, char *to);
  /* Points c[0 .. rows) to rows row .. row + rows of c. */
  void (*find_c)(const wk_product *product, int64_t row, int64_t rows, char **c);

  const char *bias; /* [n] or NULL */
  bool accumulate;
  const wk_after *after; /* told of rows of c, or NULL */

  /* The operands, as the functions above understand them. */
  const void *left, *right;
  char *c;
  int64_t c_row_stride; /* in elements, for wk_product_find_rows */
};

/* A strided matrix as an operand: `left` or `right` points to one. */
typedef struct wk_product_matrix {
  const char *data;
  int64_t row_stride, column_stride;
} wk_product_matrix;

/* The order in which packing it as `left` is plain copying. */
wk_left_order wk_product_order_of(const wk_product_matrix *a);

void wk_product_pack_a_matrix(const wk_product *product, int64_t row, int64_t rows, int64_t k,
                              int64_t depth, char *to);
void wk_product_pack_b_matrix(const wk_product *product, int64_t k, int64_t depth, int64_t column,
                              int64_t columns, int64_t width, char *to);
void wk_product_find_rows(const wk_product *product, int64_t row, int64_t rows, char **c);

/* Computes it. Fails with WK_ERROR_MEMORY only. */
wk_status wk_product_run(const wk_product *product);

#endif
