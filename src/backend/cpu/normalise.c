/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation of x [N, P, G, K] over P and K.
 *
 * With P and G of 1 it goes row by row, all of a row in the cache. Otherwise an image's P rows of
 * G * K columns are cut into blocks: one pass over memory finds each block's mean and squares by
 * column, which are then joined in double (Chan et al. 1979), and a second pass writes the result.
 * Blocks depend on the sizes alone, so the bits do, too. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/scratch.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/records.gen.h"

/* Elements of a block: it stays in the cache between the passes over it. */
#define BLOCK_ELEMENTS 32768
/* Blocks of rows whose gradients of weight and bias are summed apart. */
#define ROW_BLOCKS 64

typedef struct work {
  const wk_isa_normalise *isa;
  wk_isa_real real;
  size_t element;
  int64_t n, p, g, k, columns; /* columns: G * K */
  int64_t block_rows, blocks;  /* of each of the n */
  int64_t partial_row;         /* elements from one row of partial results to the next */
  double epsilon;
  bool centred;
  const char *x, *weight, *bias, *gradient;
  const char *mean, *variance; /* given: for the gradient */
  char *to, *to_mean, *to_variance;
  char *partial;        /* [n, blocks, 3, partial_row] */
  char *coefficients;   /* [n, 4, columns] */
  double *channel_sums; /* [n, 2, columns] */
  char *weight_gradient, *bias_gradient;
} work;

static double get(const work *w, const char *from, int64_t i) {
  return w->real == WK_ISA_F64 ? ((const double *)(const void *)from)[i]
                               : (double)((const float *)(const void *)from)[i];
}

static void set(const work *w, char *to, int64_t i, double value) {
  if (w->real == WK_ISA_F64)
    ((double *)(void *)to)[i] = value;
  else
    ((float *)(void *)to)[i] = (float)value;
}

static work make_work(const wk_layout *x) {
  const int64_t *d = x->dims;
  work w = {.real = wk_isa_real_of(x->dtype), .n = d[0], .p = d[1], .g = d[2], .k = d[3]};
  w.isa = wk_cpu_isa_get()->normalise[w.real];
  w.element = wk_isa_real_size(w.real);
  w.columns = w.g * w.k;
  w.partial_row = (w.columns + 15) / 16 * 16 + 16; /* no power of two, which caches dislike */
  w.block_rows = BLOCK_ELEMENTS / (w.columns + 1) + 16;
  w.blocks = (w.p + w.block_rows - 1) / w.block_rows;
  return w;
}

static bool goes_by_row(const work *w) { return w->p == 1 && w->g == 1; }

/* Scratch memory for the passes over columns, or NULL. */
static char *divide_scratch(work *w, bool gradient) {
  const size_t row = (size_t)w->columns * w->element;
  const size_t partial =
      wk_scratch_round((size_t)(w->n * w->blocks * 3 * w->partial_row) * w->element);
  const size_t coefficients = wk_scratch_round((size_t)w->n * 4 * row);
  const size_t sums = gradient ? (size_t)w->n * 2 * (size_t)w->columns * sizeof(double) : 0;
  char *scratch = wk_cpu_scratch(partial + coefficients + sums + 64);
  if (!scratch) return NULL;
  w->partial = scratch;
  w->coefficients = scratch + partial;
  w->channel_sums = (double *)(void *)(scratch + partial + coefficients);
  return scratch;
}

/* Row `i` of the coefficients of image n, and part `i` of a block. */
static char *coefficient(const work *w, int64_t n, int i) {
  return w->coefficients + (size_t)((n * 4 + i) * w->columns) * w->element;
}
static char *part(const work *w, int64_t n, int64_t block, int i) {
  return w->partial + (size_t)(((n * w->blocks + block) * 3 + i) * w->partial_row) * w->element;
}

static int64_t rows_of_block(const work *w, int64_t block) {
  const int64_t rest = w->p - block * w->block_rows;
  return rest < w->block_rows ? rest : w->block_rows;
}

/* Where item (n, block) of the blocks begins in x. */
static size_t block_offset(const work *w, int64_t item) {
  const int64_t row = item / w->blocks * w->p + item % w->blocks * w->block_rows;
  return (size_t)(row * w->columns) * w->element;
}

/* ---- forward, by columns ---- */

static void find_moments(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t n = item / w->blocks, block = item % w->blocks;
    w->isa->column_moments(rows_of_block(w, block), w->columns, w->x + block_offset(w, item),
                           w->centred, part(w, n, block, 0), part(w, n, block, 1),
                           part(w, n, block, 2));
  }
}

/* A mean and a sum of squared differences from it, of `count` elements. */
typedef struct moments {
  double count, mean, squares;
} moments;

static moments join(moments a, moments b) {
  const double total = a.count + b.count, difference = b.mean - a.mean;
  return (moments){total, a.mean + difference * (b.count / total),
                   a.squares + b.squares + difference * difference * (a.count * b.count / total)};
}

/* A column of a block; its mean was rounded, and `rest` tells how far. */
static moments moments_of(const work *w, int64_t n, int64_t block, int64_t c) {
  const double count = (double)rows_of_block(w, block), mean = get(w, part(w, n, block, 0), c);
  const double rest = get(w, part(w, n, block, 1), c), squares = get(w, part(w, n, block, 2), c);
  if (!w->centred) return (moments){count, 0, squares};
  return (moments){count, mean + rest / count, squares - rest * rest / count};
}

/* Groups [begin, end) of N * G: their moments, and what each of their channels is multiplied by. */
static void join_moments(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t group = begin; group < end; group++) {
    const int64_t n = group / w->g, first = group % w->g * w->k;
    moments m = {0};
    for (int64_t c = first; c < first + w->k; c++)
      for (int64_t block = 0; block < w->blocks; block++) m = join(m, moments_of(w, n, block, c));
    const double variance = m.count > 0 ? m.squares / m.count : 0;
    const double inverse = 1 / sqrt(variance + w->epsilon);
    set(w, w->to_mean, group, m.mean);
    set(w, w->to_variance, group, variance);
    const double rounded = get(w, w->to_mean, group);
    for (int64_t c = first; c < first + w->k; c++) {
      const double scale = w->weight ? inverse * get(w, w->weight, c) : inverse;
      const double bias = w->bias ? get(w, w->bias, c) : 0;
      set(w, coefficient(w, n, 0), c, rounded);
      set(w, coefficient(w, n, 1), c, scale);
      set(w, coefficient(w, n, 2), c, bias - (m.mean - rounded) * scale);
    }
  }
}

static void apply(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t n = item / w->blocks;
    const size_t at = block_offset(w, item);
    w->isa->column_apply(rows_of_block(w, item % w->blocks), w->columns, w->x + at,
                         coefficient(w, n, 0), coefficient(w, n, 1), coefficient(w, n, 2),
                         w->to + at);
  }
}

/* Items worth a thread's while, each of so many elements. */
static int64_t block_of(int64_t elements) { return 16384 / (elements + 1) + 1; }

static int64_t elements_of_block(const work *w) {
  return (w->p < w->block_rows ? w->p : w->block_rows) * w->columns;
}

static wk_status normalise_columns(work *w) {
  if (!divide_scratch(w, false)) return WK_ERROR_MEMORY;
  const int64_t items = w->n * w->blocks, block = block_of(elements_of_block(w));
  wk_parallel_for(items, block, find_moments, w);
  wk_parallel_for(w->n * w->g, block_of(w->blocks * w->k * 4), join_moments, w);
  wk_parallel_for(items, block, apply, w);
  return WK_OK;
}

static void normalise_rows(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->row_forward(w->k, w->x, w->weight, w->bias, w->epsilon, w->centred, w->to, w->to_mean,
                      w->to_variance, begin, end);
}

wk_status wk_cpu_run_normalise(const wk_kernel_call *call) {
  const wk_normalise_arguments *a = call->arguments;
  work w = make_work(&call->inputs[0].layout);
  w.epsilon = a->epsilon, w.centred = !a->root_mean_square;
  w.x = call->inputs[0].data, w.weight = call->inputs[1].data, w.bias = call->inputs[2].data;
  w.to = call->outputs[0].data;
  w.to_mean = call->outputs[1].data, w.to_variance = call->outputs[2].data;
  if (!goes_by_row(&w)) return normalise_columns(&w);
  wk_parallel_for(w.n, block_of(w.k), normalise_rows, &w);
  return WK_OK;
}

/* ---- gradients, by columns ---- */

/* The means by channel, for all of the n. */
static void spread_means(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t group = begin; group < end; group++)
    for (int64_t k = 0; k < w->k; k++)
      set(w, coefficient(w, group / w->g, 0), group % w->g * w->k + k, get(w, w->mean, group));
}

static void find_products(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t n = item / w->blocks, block = item % w->blocks;
    const size_t at = block_offset(w, item);
    w->isa->column_products(rows_of_block(w, block), w->columns, w->gradient + at, w->x + at,
                            coefficient(w, n, 0), part(w, n, block, 0), part(w, n, block, 1));
  }
}

/* Of groups [begin, end): each channel's sums of g and g * z, and the coefficients of
 * x_gradient = a * g + b * (x - mean) + c. */
static void join_products(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const double count = (double)(w->p * w->k);
  for (int64_t group = begin; group < end; group++) {
    const int64_t n = group / w->g, first = group % w->g * w->k;
    double *sums = w->channel_sums + n * 2 * w->columns, *products = sums + w->columns;
    const double inverse = 1 / sqrt(get(w, w->variance, group) + w->epsilon);
    double sum = 0, product = 0;
    for (int64_t c = first; c < first + w->k; c++) {
      sums[c] = products[c] = 0;
      for (int64_t block = 0; block < w->blocks; block++) {
        sums[c] += get(w, part(w, n, block, 0), c);
        products[c] += get(w, part(w, n, block, 1), c);
      }
      products[c] *= inverse;
      const double weight = w->weight ? get(w, w->weight, c) : 1;
      sum += weight * sums[c], product += weight * products[c];
    }
    for (int64_t c = first; c < first + w->k; c++) {
      const double weight = w->weight ? get(w, w->weight, c) : 1;
      set(w, coefficient(w, n, 1), c, weight * inverse);
      set(w, coefficient(w, n, 2), c, -inverse * inverse * product / count);
      set(w, coefficient(w, n, 3), c, w->centred ? -inverse * sum / count : 0);
    }
  }
}

static void write_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t n = item / w->blocks;
    const size_t at = block_offset(w, item);
    w->isa->column_gradient(rows_of_block(w, item % w->blocks), w->columns, w->gradient + at,
                            w->x + at, coefficient(w, n, 0), coefficient(w, n, 1),
                            coefficient(w, n, 2), coefficient(w, n, 3), w->to + at);
  }
}

/* Channels [begin, end): their sums over all of the n. */
static void sum_channels(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t c = begin; c < end; c++) {
    double sum = 0, product = 0;
    for (int64_t n = 0; n < w->n; n++) {
      sum += w->channel_sums[n * 2 * w->columns + c];
      product += w->channel_sums[(n * 2 + 1) * w->columns + c];
    }
    set(w, w->weight_gradient, c, product);
    set(w, w->bias_gradient, c, sum);
  }
}

static wk_status column_gradients(work *w, bool affine) {
  if (!divide_scratch(w, true)) return WK_ERROR_MEMORY;
  const int64_t items = w->n * w->blocks, block = block_of(elements_of_block(w));
  wk_parallel_for(w->n * w->g, block_of(w->k), spread_means, w);
  wk_parallel_for(items, block, find_products, w);
  wk_parallel_for(w->n * w->g, block_of(w->blocks * w->k * 4), join_products, w);
  wk_parallel_for(items, block, write_gradient, w);
  if (affine) wk_parallel_for(w->columns, block_of(w->n * 4), sum_channels, w);
  return WK_OK;
}

/* ---- gradients, by rows ---- */

/* Each block of rows sums its gradients of weight and bias apart. */
static void row_gradients(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t block = begin; block < end; block++) {
    const int64_t first = block * w->block_rows, rest = w->n - first;
    char *products = w->partial, *sums = NULL;
    if (products) {
      const size_t row = (size_t)w->columns * w->element;
      products += (size_t)block * 2 * row;
      sums = products + row;
      memset(products, 0, 2 * row);
    }
    w->isa->row_gradient(w->k, w->gradient, w->x, w->mean, w->variance, w->weight, w->epsilon,
                         w->centred, w->to, products, sums, first,
                         first + (rest < w->block_rows ? rest : w->block_rows));
  }
}

static void sum_row_blocks(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t c = begin; c < end; c++) {
    double product = 0, sum = 0;
    for (int64_t block = 0; block < w->blocks; block++) {
      product += get(w, w->partial, block * 2 * w->columns + c);
      sum += get(w, w->partial, (block * 2 + 1) * w->columns + c);
    }
    set(w, w->weight_gradient, c, product);
    set(w, w->bias_gradient, c, sum);
  }
}

static wk_status all_row_gradients(work *w, bool affine) {
  w->block_rows = w->n / ROW_BLOCKS + 1;
  w->blocks = (w->n + w->block_rows - 1) / w->block_rows;
  if (affine) {
    w->partial = wk_cpu_scratch((size_t)w->blocks * 2 * (size_t)w->columns * w->element + 64);
    if (!w->partial) return WK_ERROR_MEMORY;
  }
  wk_parallel_for(w->blocks, block_of(w->block_rows * w->k), row_gradients, w);
  if (affine) wk_parallel_for(w->columns, block_of(w->blocks * 2), sum_row_blocks, w);
  return WK_OK;
}

wk_status wk_cpu_run_normalise_gradient(const wk_kernel_call *call) {
  const wk_normalise_gradient_arguments *a = call->arguments;
  work w = make_work(&call->inputs[1].layout);
  w.epsilon = a->epsilon, w.centred = !a->root_mean_square;
  w.gradient = call->inputs[0].data, w.x = call->inputs[1].data;
  w.mean = call->inputs[2].data, w.variance = call->inputs[3].data;
  w.weight = call->inputs[4].data;
  w.to = call->outputs[0].data;
  w.weight_gradient = call->outputs[1].data, w.bias_gradient = call->outputs[2].data;
  return goes_by_row(&w) ? all_row_gradients(&w, a->affine) : column_gradients(&w, a->affine);
}
