/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_CPU_KERNELS_H
#define WICK_BACKEND_CPU_KERNELS_H

/* The processor's own kernels, on raw pointers to contiguous data unless strides are given. They
 * choose an instruction set at run time (isa.h), split work over wk_parallel_for in ways that never
 * change a result's bits, and trust their caller: shapes, labels and dtypes are checked above.
 * What returns a status can fail with WK_ERROR_MEMORY only. `dtype` is WK_F32 or WK_F64 where
 * nothing else is said; all sizes may be 0; outputs never overlap inputs. */

#include <stdbool.h>
#include <stdint.h>

#include <wick/base.h>
#include <wick/tensor.h>

#include "ops/kernel.h"

/* ---- the machine ---- */

/* The instruction set in use: "baseline", "avx2" or "avx512"; $WICK_ISA picks a lower one. */
const char *wk_cpu_isa_name(void);

/* Multiply-adds per second that registers alone can do, in GFLOP/s (two per multiply-add), measured
 * for about `seconds` each with one thread and with all. */
typedef struct wk_cpu_peak {
  double one_thread, all_threads;
} wk_cpu_peak;
wk_cpu_peak wk_cpu_peak_measure(wk_dtype dtype, double seconds);

/* ---- products ---- */

/* c[m, n] = sum over k of a[m, k] * b[k, n] + (accumulate ? c[m, n] : bias[n]). Strides count
 * elements and may be anything, 0 and negative included; c's columns lie side by side. The sum over
 * k runs in blocks of fixed length added in order, so an element's bits depend on its own row, its
 * own column and k alone: not on m, n, threads, strides or whether operands are transposed. */
typedef struct wk_cpu_gemm_operands {
  int64_t m, n, k;
  const void *a;
  int64_t a_row_stride, a_column_stride;
  const void *b;
  int64_t b_row_stride, b_column_stride;
  void *c;
  int64_t c_row_stride;
  const void *bias; /* [n], or NULL; not with accumulate */
  bool accumulate;
  const wk_after *after; /* told of rows of c, or NULL */
} wk_cpu_gemm_operands;
wk_status wk_cpu_gemm(wk_dtype dtype, const wk_cpu_gemm_operands *operands);

/* Tells of all rows, of `columns` elements, at once. after: or NULL. */
void wk_cpu_tell_rows(const wk_after *after, int64_t rows, int64_t columns);

/* ---- convolutions, channels last ---- */

/* x [batch, height, width, channels], weight [out_channels, kernel_height, kernel_width,
 * channels / groups], y [batch, out_height, out_width, out_channels]. Output pixel (i, j) sees rows
 * i * stride_height - padding_top + kh * dilation_height of x, zero outside; so any output size may
 * be given, and padding at the bottom and right is what it implies. */
typedef struct wk_cpu_conv2d_shape {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width, out_channels;
  int64_t kernel_height, kernel_width, groups;
  int64_t stride_height, stride_width;
  int64_t padding_top, padding_left;
  int64_t dilation_height, dilation_width;
} wk_cpu_conv2d_shape;
wk_status wk_cpu_conv2d(wk_dtype dtype, const wk_cpu_conv2d_shape *shape, const void *x,
                        const void *weight, const void *bias /* [out_channels] or NULL */, void *y,
                        const wk_after *after /* told of rows [out_channels] of y, or NULL */);
wk_status wk_cpu_conv2d_data_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *shape,
                                      const void *y_gradient, const void *weight, void *x_gradient);
wk_status wk_cpu_conv2d_weight_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *shape,
                                        const void *x, const void *y_gradient,
                                        void *weight_gradient, const wk_part *part);

/* ---- pooling, channels last ---- */

typedef struct wk_cpu_pool2d_shape {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_height, stride_width;
  int64_t padding_top, padding_left;
  bool count_include_pad; /* average: divide by the whole window, not by what lies inside x, */
  int64_t padded_height, padded_width;     /* as far as it lies in front of these (0: anywhere) */
  int64_t dilation_height, dilation_width; /* 0 stands for 1 */
} wk_cpu_pool2d_shape;

/* The first NaN, else the first largest value in row-major window order, gives the result and takes
 * the gradient. A window wholly outside x gives -infinity and passes nothing on. */
void wk_cpu_max_pool2d(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x, void *y);
void wk_cpu_max_pool2d_gradient(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x,
                                const void *y_gradient, void *x_gradient);

/* A window wholly outside x gives 0. */
void wk_cpu_average_pool2d(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x,
                           void *y);
void wk_cpu_average_pool2d_gradient(wk_dtype dtype, const wk_cpu_pool2d_shape *shape,
                                    const void *y_gradient, void *x_gradient);

/* ---- softmax family ---- */

/* One of the first four on [outer, count, inner] along the middle: x is the result's input or, for
 * gradients, the result y, with its gradient. f16 and bf16 only where inner is 1. */
typedef enum wk_cpu_row_function {
  WK_CPU_SOFTMAX,
  WK_CPU_LOG_SOFTMAX,
  WK_CPU_SOFTMAX_GRADIENT,
  WK_CPU_LOG_SOFTMAX_GRADIENT,
  WK_CPU_CROSS_ENTROPY,
  WK_CPU_CROSS_ENTROPY_GRADIENT
} wk_cpu_row_function;
wk_status wk_cpu_rows(wk_cpu_row_function function, wk_dtype dtype, int64_t outer, int64_t count,
                      int64_t inner, const void *x, const void *y_gradient, void *result);

/* *loss = mean over rows of logsumexp(logits[row]) - logits[row, labels[row]]; NaN for no rows. The
 * gradient scales by *loss_gradient / rows. Labels lie in [0, columns). Any float dtype. */
wk_status wk_cpu_cross_entropy(wk_dtype dtype, int64_t rows, int64_t columns, const void *logits,
                               const int64_t *labels, void *loss);
wk_status wk_cpu_cross_entropy_gradient(wk_dtype dtype, int64_t rows, int64_t columns,
                                        const void *logits, const int64_t *labels,
                                        const void *loss_gradient, void *logits_gradient);

/* ---- attention ---- */

/* query [batch, heads, queries, width], key [batch, key_heads, keys, width], value [batch,
 * key_heads, keys, value_width]; heads / key_heads neighbouring query heads share a key head. Both
 * widths are at most WK_ATTENTION_WIDTH. What the mask hides or lies behind the diagonal, with
 * `causal`, has no part; a query with no keys left gives 0. Element (b, h, q, k) of the
 * probabilities is dropped by number offset + its row-major index. */
#define WK_ATTENTION_WIDTH 256
typedef struct wk_cpu_attention {
  wk_dtype dtype;
  int64_t batch, heads, key_heads, queries, keys, width, value_width;
  const void *query, *key, *value;
  const void *mask; /* NULL, or truth values, or terms of `dtype` */
  bool mask_is_truth;
  int64_t mask_strides[4]; /* in elements; 0 where it is repeated */
  bool causal;
  double scale, rate;
  uint64_t seed, offset;
} wk_cpu_attention;

/* log_sum [batch, heads, queries]: of exp(scores), what the gradient needs of them. */
wk_status wk_cpu_attention_forward(const wk_cpu_attention *a, void *y, void *log_sum);

/* From y's gradient, and delta = the sum of its products with y along a row. */
wk_status wk_cpu_attention_gradient(const wk_cpu_attention *a, const void *y_gradient,
                                    const void *delta, const void *log_sum, void *query_gradient,
                                    void *key_gradient, void *value_gradient);

/* ---- recurrent layers ---- */

/* Sequences of `steps`, of which only the first lengths[n] count (NULL: all); from the last one
 * that counts to the first if `reverse`. Elsewhere results are 0. The widths in the comments below
 * are in units of `size`, the number of hidden units. */
typedef struct wk_cpu_recurrent {
  wk_dtype dtype;
  int64_t batch, steps, size;
  const int64_t *lengths;
  bool reverse;
} wk_cpu_recurrent;

/* projected [batch, steps, 4], weight [4, size], hidden and cell [batch, 1], y [batch, steps, 1],
 * final [2, batch, 1], saved [batch, steps, 5] as wk_isa_recurrent says. */
wk_status wk_cpu_lstm(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                      const void *hidden, const void *cell, void *y, void *final, void *saved);

/* The gradients of the results may be NULL. */
typedef struct wk_cpu_recurrent_gradients {
  const void *y, *final, *saved;
} wk_cpu_recurrent_gradients;
wk_status wk_cpu_lstm_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                               const void *weight, const void *cell, const void *saved,
                               void *projected_gradient, void *hidden_gradient,
                               void *cell_gradient);

/* projected [batch, steps, 3], weight [3, size], bias [3] or NULL, final [batch, 1], saved
 * [batch, steps, 4]. */
wk_status wk_cpu_gru(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                     const void *bias, const void *hidden, void *y, void *final, void *saved);
wk_status wk_cpu_gru_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                              const void *weight, const void *hidden, const void *saved,
                              const void *y, void *projected_gradient, void *recurrent_gradient,
                              void *hidden_gradient);

/* ---- reductions of [outer, count, inner] over the middle, to [outer, inner] ---- */

/* dtype: WK_F32, WK_F64, WK_I64 or WK_I32, of input and output alike; integer sums and products
 * wrap around. The order of a sum is fixed by `count` and by whether inner is 1. Max and min
 * propagate NaN; over no elements they are infinite, or the integer that is furthest off. */
typedef enum wk_cpu_reduction {
  WK_CPU_SUM,
  WK_CPU_MAX,
  WK_CPU_MIN,
  WK_CPU_PRODUCT,
  WK_CPU_REDUCTIONS
} wk_cpu_reduction;
wk_status wk_cpu_reduce(wk_cpu_reduction reduction, wk_dtype dtype, int64_t outer, int64_t count,
                        int64_t inner, const void *x, void *y);

/* Index along the middle of [outer, count, inner] of the first NaN, else of the first largest or
 * smallest value; count from 1, and below 2^31 where inner is not 1. dtypes as wk_cpu_reduce. */
wk_status wk_cpu_find(bool largest, wk_dtype dtype, int64_t outer, int64_t count, int64_t inner,
                      const void *x, int64_t *y);

/* ---- along the middle of [outer, count, inner] ---- */

typedef enum wk_cpu_scan { WK_CPU_SCAN_SUM, WK_CPU_SCAN_PRODUCT } wk_cpu_scan;

/* dtype: WK_F32, WK_F64 or WK_I64. Added up one after the other, from the first to the last element
 * or, reversed, back. Exclusive: without the element itself. */
void wk_cpu_cumulate(wk_cpu_scan scan, wk_dtype dtype, int64_t outer, int64_t count, int64_t inner,
                     bool reverse, bool exclusive, const void *x, void *y);

/* The largest or smallest so far, and where it stands: the last of equal ones, the last NaN. dtype:
 * WK_F32, WK_F64, WK_I64 or WK_I32. */
void wk_cpu_cumulate_extreme(bool largest, wk_dtype dtype, int64_t outer, int64_t count,
                             int64_t inner, const void *x, void *y, int64_t *places);

/* y[i] = a[i] * y[i - 1] + b[i], rounded twice; a[0], or in reverse the last, is not looked at. */
void wk_cpu_recur(wk_dtype dtype, int64_t outer, int64_t count, int64_t inner, bool reverse,
                  const void *a, const void *b, void *y);

/* ---- order in rows ---- */

/* The first `taken` elements of each row [columns] of x in ascending or descending order, and where
 * they stood; stable, NaN as the largest. dtype: any but floats of 16 bits. values and places are
 * [rows, taken]. */
wk_status wk_cpu_sort(wk_dtype dtype, int64_t rows, int64_t columns, int64_t taken, bool descending,
                      const void *x, void *values, int64_t *places);

/* How many elements of the ascending row [columns] that belongs to each of `count` values come
 * before it, or are not behind it if `right`. Values [rows, per_row] have a row each, or share one.
 * dtype: WK_F32, WK_F64, WK_I64 or WK_I32. */
void wk_cpu_search(wk_dtype dtype, int64_t rows, int64_t per_row, int64_t columns, bool shared,
                   bool right, const void *sorted, const void *values, int64_t *places);

#endif
