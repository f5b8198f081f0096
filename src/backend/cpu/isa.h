/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_H
#define WICK_BACKEND_CPU_ISA_H

/* What is compiled once per instruction set (the files of isa/), as one table of functions. Every
 * pointer is to float or double, or what the comment says, as the table that holds it says. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/pointwise.h"

/* Products sum over k in blocks of this many terms: each block from zero, then added to the result.
 * It is part of what defines a product's bits, so it is one for all instruction sets. */
#define WK_PRODUCT_DEPTH 256
/* Rows of a that are packed at a time: a quarter of a megabyte of floats with WK_PRODUCT_DEPTH. */
#define WK_PRODUCT_BLOCK_ROWS 264
#define WK_PRODUCT_MAX_TILE_ROWS 12
#define WK_PRODUCT_MAX_TILE_COLUMNS 32

/* What a tile does with its sums. */
typedef enum wk_tile_store {
  WK_TILE_SET,  /* c = sums */
  WK_TILE_BIAS, /* c = sums + bias */
  WK_TILE_ADD   /* c = c + sums */
} wk_tile_store;

/* How packed a lies, so that packing is plain copying whichever way the operand lies. */
typedef enum wk_left_order {
  WK_LEFT_BY_ROW,  /* element (i, k) at i * WK_PRODUCT_DEPTH + k */
  WK_LEFT_BY_DEPTH /* at k * WK_PRODUCT_BLOCK_ROWS + i */
} wk_left_order;

/* One tile of a product: c[i][j] from packed a[i, k] and b[k * b_stride + j] for k up to depth. c
 * holds a pointer to each row. */
typedef void (*wk_tile_function)(int64_t depth, const void *a, const void *b, int64_t b_stride,
                                 void *const *c, const void *bias, wk_tile_store store);

/* Moves a [rows, columns] matrix with side-by-side columns; transpose writes to[column][row]. */
typedef void (*wk_move_function)(void *to, int64_t to_stride, const void *from, int64_t from_stride,
                                 int64_t rows, int64_t columns);

typedef struct wk_isa_product {
  int row_step; /* tiles have row_step * (1 .. row_steps) rows */
  int row_steps;
  int vector_columns;             /* and one or two vectors of columns */
  wk_tile_function tile[2][3][2]; /* [order of a][row steps - 1][vectors - 1] */
  wk_move_function copy, transpose;
  void (*add)(void *to, const void *from, int64_t count); /* to += from */
  /* Runs `rounds` rounds of independent multiply-adds in registers; returns how many operations one
   * round is (two per multiply-add and lane). */
  int64_t (*peak)(int64_t rounds);
} wk_isa_product;

/* Convolution of each channel with its own filter; weight is [kernel_height, kernel_width,
 * channels] here. y rows [begin, end) of the batch * out_height of them, or x rows for the
 * gradient. The weight gradient adds rows [begin, end) of y to `weight_gradient`. */
typedef struct wk_isa_depthwise {
  void (*forward)(const wk_cpu_conv2d_shape *shape, const void *x, const void *weight,
                  const void *bias, void *y, int64_t begin, int64_t end);
  void (*data_gradient)(const wk_cpu_conv2d_shape *shape, const void *y_gradient,
                        const void *weight, void *x_gradient, int64_t begin, int64_t end);
  void (*weight_gradient)(const wk_cpu_conv2d_shape *shape, const void *x, const void *y_gradient,
                          void *weight_gradient, int64_t begin, int64_t end);
} wk_isa_depthwise;

/* Pooling: y rows [begin, end) of batch * out_height. The gradients work on items [begin, end) of
 * batch * blocks of WK_POOL_CHANNELS channels, and first zero their part of x_gradient. */
#define WK_POOL_CHANNELS 64
typedef struct wk_isa_pool {
  void (*max)(const wk_cpu_pool2d_shape *shape, const void *x, void *y, int64_t begin, int64_t end);
  void (*max_gradient)(const wk_cpu_pool2d_shape *shape, const void *x, const void *y_gradient,
                       void *x_gradient, int64_t begin, int64_t end);
  void (*average)(const wk_cpu_pool2d_shape *shape, const void *x, void *y, int64_t begin,
                  int64_t end);
  void (*average_gradient)(const wk_cpu_pool2d_shape *shape, const void *y_gradient,
                           void *x_gradient, int64_t begin, int64_t end);
} wk_isa_pool;

/* Rows [begin, end) of softmax and its family. */
typedef struct wk_isa_softmax {
  void (*softmax)(int64_t columns, const void *x, void *y, int64_t begin, int64_t end);
  void (*log_softmax)(int64_t columns, const void *x, void *y, int64_t begin, int64_t end);
  void (*softmax_gradient)(int64_t columns, const void *y, const void *y_gradient, void *x_gradient,
                           int64_t begin, int64_t end);
  void (*log_softmax_gradient)(int64_t columns, const void *y, const void *y_gradient,
                               void *x_gradient, int64_t begin, int64_t end);
  /* losses[row] = logsumexp(row) - row[label] */
  void (*cross_entropy)(int64_t columns, const void *logits, const int64_t *labels, void *losses,
                        int64_t begin, int64_t end);
  void (*cross_entropy_gradient)(int64_t columns, const void *logits, const int64_t *labels,
                                 double scale, void *logits_gradient, int64_t begin, int64_t end);
} wk_isa_softmax;

/* Reduction of one block of terms, by wk_cpu_reduction; reduce.c says what the blocks are. */
typedef struct wk_isa_reduce {
  /* *y from x[0 .. count) */
  void (*block[WK_CPU_REDUCTIONS])(int64_t count, const void *x, void *y);
  /* y[j] from x[i * stride + j] for i < count, j < columns */
  void (*columns[WK_CPU_REDUCTIONS])(int64_t count, int64_t stride, int64_t columns, const void *x,
                                     void *y);
  void (*argmax)(int64_t columns, const void *x, int64_t *y, int64_t begin, int64_t end);
  void (*argmin)(int64_t columns, const void *x, int64_t *y, int64_t begin, int64_t end);
} wk_isa_reduce;

typedef enum wk_isa_real { WK_ISA_F32, WK_ISA_F64, WK_ISA_REALS } wk_isa_real;

typedef struct wk_cpu_isa {
  const char *name;
  const wk_isa_product *product[WK_ISA_REALS];
  const wk_isa_depthwise *depthwise[WK_ISA_REALS];
  const wk_isa_pool *pool[WK_ISA_REALS];
  const wk_isa_softmax *softmax[WK_ISA_REALS];
  const wk_isa_reduce *reduce[4];                         /* f32, f64, i64, i32 */
  const wk_pointwise_kernel (*pointwise)[WK_DTYPE_LIMIT]; /* by op and dtype; NULL: none */
} wk_cpu_isa;

extern const wk_cpu_isa wk_cpu_isa_baseline, wk_cpu_isa_avx2, wk_cpu_isa_avx512;

/* The one in use: the best the processor has, or what $WICK_ISA or wk_cpu_isa_select says. */
const wk_cpu_isa *wk_cpu_isa_get(void);

/* For tests: uses the named one from now on; false if this processor lacks it. */
bool wk_cpu_isa_select(const char *name);

static inline wk_isa_real wk_isa_real_of(wk_dtype dtype) {
  return dtype == WK_F64 ? WK_ISA_F64 : WK_ISA_F32;
}
static inline size_t wk_isa_real_size(wk_isa_real real) {
  return real == WK_ISA_F64 ? sizeof(double) : sizeof(float);
}

#endif
