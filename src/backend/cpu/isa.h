/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_ISA_H
#define WICK_BACKEND_CPU_ISA_H

/* What is compiled once per instruction set (the files of isa/), as one table of functions. Every
 * pointer is to float or double, or what the comment says, as the table that holds it says. */

#include <stdatomic.h>
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

/* Pairs of a column of a, its elements a_row apart, and a row of b, side by side: `columns` of them
 * in each of `lines` in each of `planes`. Steps are in elements. */
typedef struct wk_outer_walk {
  int64_t planes, lines, columns;
  int64_t a_row, a_plane, a_line, a_step;
  int64_t b_plane, b_line, b_step;
  int64_t base_row, c_row;
} wk_outer_walk;

/* c[i][j] = base[i][j] + the sum over all pairs of a[i] * b[j], for one tile of c, rows in order.
 */
typedef void (*wk_outer_function)(const wk_outer_walk *walk, const void *a, const void *b,
                                  const void *base, void *c);

typedef struct wk_isa_product {
  int row_step; /* tiles have row_step * (1 .. row_steps) rows */
  int row_steps;
  int vector_columns;             /* and one or two vectors of columns */
  wk_tile_function tile[2][3][2]; /* [order of a][row steps - 1][vectors - 1] */
  wk_outer_function outer[3][2];  /* [row steps - 1][vectors - 1]; f32 only, else NULL */
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
 * batch * blocks of wk_pool_block channels: all of x_gradient there. */
static inline int64_t wk_pool_block(const wk_cpu_pool2d_shape *shape) {
  return shape->batch < 8 ? 64 : 512; /* long pieces where there are images enough for threads */
}
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

/* Sums of rows of `columns` elements. */
typedef struct wk_isa_resample {
  /* y[r][j] = sum over start[r] <= k < start[r + 1] of weight[k] * x[index[k] * columns + j], for
   * rows r and j < columns. */
  void (*combine)(int64_t rows, const int64_t *start, const int64_t *index, const double *weight,
                  int64_t columns, const void *x, void *y);
  /* y[j] = (y[j] + sum over k < terms of the same) / divisor; weight, of the rows' type, may be
   * NULL: 1. `listed` indices may be read, those of rows that are wanted next behind the terms. */
  void (*add)(int64_t terms, int64_t listed, const int64_t *index, const void *weight,
              int64_t columns, const void *x, double divisor, void *y);
} wk_isa_resample;

/* Normalisation; a mean of 0 is used, and given, unless `centred`. By column of [rows, columns]: */
typedef struct wk_isa_normalise {
  /* its rounded mean, and the sums of its differences from that and of their squares, */
  void (*column_moments)(int64_t rows, int64_t columns, const void *x, bool centred, void *mean,
                         void *rest, void *squares);
  /* y = (x - mean) * scale + shift, */
  void (*column_apply)(int64_t rows, int64_t columns, const void *x, const void *mean,
                       const void *scale, const void *shift, void *y);
  /* its sums of g and of g * (x - mean), */
  void (*column_products)(int64_t rows, int64_t columns, const void *g, const void *x,
                          const void *mean, void *sums, void *products);
  /* and x_gradient = a * g + b * (x - mean) + c. */
  void (*column_gradient)(int64_t rows, int64_t columns, const void *g, const void *x,
                          const void *mean, const void *a, const void *b, const void *c,
                          void *x_gradient);
  /* Rows [begin, end). weight and bias may be NULL; so may products and sums, to which the rows'
   * gradients of weight and bias are added. */
  void (*row_forward)(int64_t columns, const void *x, const void *weight, const void *bias,
                      double epsilon, bool centred, void *y, void *mean, void *variance,
                      int64_t begin, int64_t end);
  void (*row_gradient)(int64_t columns, const void *g, const void *x, const void *mean,
                       const void *variance, const void *weight, double epsilon, bool centred,
                       void *x_gradient, void *products, void *sums, int64_t begin, int64_t end);
} wk_isa_normalise;
/* Which probabilities are dropped: element (row, column) of a tile has the number
 * index + row * row_step + column. */
typedef struct wk_attention_drop {
  double rate;
  uint64_t seed;
  int64_t row_step;
} wk_attention_drop;

/* A tile of attention scores, [rows, columns] with rows `stride` elements apart; the arrays beside
 * it have an element for each row. */
typedef struct wk_isa_attention {
  /* -infinity where a mask of truth values is 0, else adds the mask; its steps are in elements */
  void (*add_mask)(int64_t rows, int64_t columns, int64_t stride, void *scores, const void *mask,
                   bool is_truth, int64_t row_step, int64_t column_step);
  /* -infinity where column > row + diagonal */
  void (*hide_later)(int64_t rows, int64_t columns, int64_t stride, void *scores, int64_t diagonal);
  /* Makes scores exp(score - largest), largest being the greatest of this tile and those before;
   * `sum` becomes the sum of all, and `factor` what must be done to what came of tiles before. */
  void (*accumulate)(int64_t rows, int64_t columns, int64_t stride, void *scores, void *largest,
                     void *sum, void *factor);
  void (*rescale)(int64_t rows, int64_t columns, int64_t stride, void *data, const void *factor);
  /* y, whose rows lie side by side, and the logarithm of the sum of exp(score); 0 of nothing. */
  void (*finish)(int64_t rows, int64_t columns, int64_t stride, const void *data,
                 const void *largest, const void *sum, void *y, void *log_sum);
  void (*probabilities)(int64_t rows, int64_t columns, int64_t stride, void *scores,
                        const void *log_sum); /* exp(score - log_sum) */
  void (*drop)(int64_t rows, int64_t columns, int64_t stride, const void *from, void *to,
               int64_t to_stride, const wk_attention_drop *how, uint64_t index);
  /* Both p and slope become p * (slope - delta). */
  void (*slopes)(int64_t rows, int64_t columns, void *p, int64_t p_stride, void *slope,
                 int64_t slope_stride, const void *delta);
} wk_isa_attention;

/* One step of one sequence for `columns` neighbouring hidden units of a layer of `size`: every
 * pointer is to the first of them, parts of a row being `size` apart, those of a product `width`.
 * What records of the way forward need is in `saved`: input, forget, new and
 * output gate and cell for lstm; reset and update gate, new state and the recurrent part of it for
 * gru. */
typedef struct wk_isa_recurrent {
  /* The gates before their functions are projected + product. */
  void (*lstm)(int64_t columns, int64_t size, int64_t width, const void *projected,
               const void *product, void *saved, void *cell, void *y);
  /* From the gradients of y, of what is saved (or NULL) and of the states after; that of the cell
   * becomes that of the one before, `result` that of the gates before their functions. */
  void (*lstm_gradient)(int64_t columns, int64_t size, const void *saved, const void *cell_before,
                        const void *y_gradient, const void *saved_gradient,
                        const void *hidden_gradient, void *cell_gradient, void *result);
  /* bias: of the recurrent product, or NULL */
  void (*gru)(int64_t columns, int64_t size, int64_t width, const void *projected,
              const void *product, const void *bias, const void *hidden, void *saved, void *y);
  /* The hidden gradient becomes what of it goes to the state before by the update gate alone. */
  void (*gru_gradient)(int64_t columns, int64_t size, const void *saved, const void *hidden_before,
                       const void *y_gradient, const void *saved_gradient, void *hidden_gradient,
                       void *projected_gradient, void *recurrent_gradient);
} wk_isa_recurrent;

/* Reduction of one block of terms, by wk_cpu_reduction; reduce.c says what the blocks are. */
typedef struct wk_isa_reduce {
  /* *y from x[0 .. count) */
  void (*block[WK_CPU_REDUCTIONS])(int64_t count, const void *x, void *y);
  /* y[j] from x[i * stride + j] for i < count, j < columns */
  void (*columns[WK_CPU_REDUCTIONS])(int64_t count, int64_t stride, int64_t columns, const void *x,
                                     void *y);
  /* Where the largest, or smallest, element stands: of rows [begin, end), or of each column; there
   * count is less than 2^31. */
  void (*find[2])(int64_t columns, const void *x, int64_t *y, int64_t begin, int64_t end);
  void (*find_columns[2])(int64_t count, int64_t stride, int64_t columns, const void *x,
                          int64_t *y);
} wk_isa_reduce;

/* Sums of (x - mean)^2: along a row, and down columns, added to `sums`. */
typedef struct wk_isa_square_sum {
  double (*row[2])(int64_t count, const void *x, double mean);
  void (*columns[2])(int64_t rows, int64_t stride, int64_t columns, const void *x,
                     const double *means, double *sums);
} wk_isa_square_sum; /* by wk_isa_real */

/* Over i < steps the sums, or the largest (NaN if there is one), of floats of 16 bits: lanes[k] of
 * x[i * step + k], k < 16 * WK_HALF_STREAMS. */
#define WK_HALF_STREAMS 8
typedef void (*wk_isa_join_halves)(wk_dtype dtype, bool largest, int64_t steps, int64_t step,
                                   const void *x, float *lanes);

/* Rows of one dtype as rows of another: what convert.h offers, for whole groups of elements. */
#define WK_CONVERT_GROUP 32
typedef struct wk_isa_convert {
  void (*widen)(wk_dtype dtype, void *to, const void *from, int64_t count);
  void (*narrow)(wk_dtype dtype, void *to, const void *from, int64_t count);
  /* From a wide dtype, or one of few others; false if it has to be widened first. */
  bool (*cast)(wk_dtype to_dtype, void *to, wk_dtype from_dtype, const void *from, int64_t count);
} wk_isa_convert;

typedef enum wk_isa_real { WK_ISA_F32, WK_ISA_F64, WK_ISA_REALS } wk_isa_real;

typedef struct wk_cpu_isa {
  const char *name;
  const wk_isa_product *product[WK_ISA_REALS];
  const wk_isa_depthwise *depthwise[WK_ISA_REALS];
  const wk_isa_pool *pool[WK_ISA_REALS];
  const wk_isa_softmax *softmax[WK_ISA_REALS];
  const wk_isa_resample *resample[WK_ISA_REALS];
  const wk_isa_normalise *normalise[WK_ISA_REALS];
  const wk_isa_attention *attention[WK_ISA_REALS];
  const wk_isa_recurrent *recurrent[WK_ISA_REALS];
  const wk_isa_convert *convert;
  const wk_isa_square_sum *square_sum;
  const wk_isa_reduce *reduce[4]; /* f32, f64, i64, i32 */
  wk_isa_join_halves join_halves;
  /* Blocks [block, block + blocks) of wk_philox(seed, .., stream), four words each; blocks is a
   * multiple of 8. */
  void (*random_words)(uint64_t seed, uint64_t block, int64_t blocks, uint64_t stream,
                       uint32_t *to);
  /* wk_random_normal of each of their words, the stream being 0. */
  void (*random_normals)(uint64_t seed, uint64_t block, int64_t blocks, double mean,
                         double deviation, double *to);
  const wk_pointwise_kernel (*pointwise)[WK_KINDS]; /* by place and kind; NULL: none */
} wk_cpu_isa;

extern const wk_cpu_isa wk_cpu_isa_baseline, wk_cpu_isa_avx2, wk_cpu_isa_avx512;

/* Where a set's own multiply-adds round twice: puts tiles into copies of its products whose round
 * once, and returns true. */
bool wk_isa_fuse_baseline(wk_isa_product *f32, wk_isa_product *f64);

/* The one in use: the best the processor has, or what $WICK_ISA or wk_cpu_isa_select says. */
extern _Atomic(const wk_cpu_isa *) wk_cpu_isa_selected; /* NULL: none yet */
const wk_cpu_isa *wk_cpu_isa_choose(void);
static inline const wk_cpu_isa *wk_cpu_isa_get(void) {
  const wk_cpu_isa *isa = atomic_load_explicit(&wk_cpu_isa_selected, memory_order_acquire);
  return isa && isa != &wk_cpu_isa_baseline ? isa : wk_cpu_isa_choose();
}

/* For tests: uses the named one from now on; false if this processor lacks it. */
bool wk_cpu_isa_select(const char *name);

static inline wk_isa_real wk_isa_real_of(wk_dtype dtype) {
  return dtype == WK_F64 ? WK_ISA_F64 : WK_ISA_F32;
}
static inline size_t wk_isa_real_size(wk_isa_real real) {
  return real == WK_ISA_F64 ? sizeof(double) : sizeof(float);
}

#endif
