/* SPDX-License-Identifier: Apache-2.0 */

/* Attention without its matrix of scores, after Dao et al. 2022, "FlashAttention": a block of
 * queries meets the keys block by block; backward computes the scores again. Memory beside the
 * operands grows with the number of tokens, not with its square.
 *
 * Bits: the blocks are of fixed sizes and every sum runs over them in order, whichever thread does
 * which, and whether one pass makes all gradients or two share them. */

#include <math.h>
#include <string.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/tiles.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

#define ROWS 48             /* queries in a block */
#define COLUMNS 128         /* keys in a block */
#define GRAIN WK_TILE_GRAIN /* widths are rounded up to it */

/* Tiles as left operands of products (isa.h says how those must lie): as they are, and turned. */
#define STRIDE WK_PRODUCT_DEPTH
#define TURNED_STRIDE WK_PRODUCT_BLOCK_ROWS

/* Rows of an operand, `stride` elements apart, their number a multiple of nothing. */
typedef struct panel {
  const char *data;
  int64_t stride;
} panel;

typedef struct work {
  const wk_cpu_attention *a;
  const wk_isa_product *product;
  const wk_isa_attention *isa;
  int64_t size, width, value_width; /* of an element; widths rounded up */
  int64_t row_blocks, column_blocks;
  int64_t group;                          /* query heads to a key head */
  char *turned_keys, *turned_values;      /* each block of keys as [width, COLUMNS] */
  panel keys, values, queries, gradients; /* as right operands */
  const char *delta, *log_sum;
  char *query_sums; /* gradients of queries, before the scale; rows of `width` */
  char *y, *log_sum_result, *query_gradient, *key_gradient, *value_gradient;
  char *own; /* scratch of the threads */
  int64_t own_bytes;
} work;

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* c[rows, columns] from packed a and b[depth, columns]. */
static void multiply(const work *w, wk_left_order order, int64_t rows, int64_t columns,
                     int64_t depth, const char *a, const char *b, int64_t b_stride, char *c,
                     int64_t c_stride, wk_tile_store store) {
  wk_cpu_multiply_tiles(&(wk_tiles){w->product, w->size, order, rows, columns, depth, a, b,
                                    b_stride, c, c_stride, store});
}

/* ---- packing ---- */

typedef struct turning {
  const work *w;
  const char *from;
  char *to;
  int64_t width;
} turning;

/* Items are blocks of keys. */
static void turn_blocks(void *context, int64_t begin, int64_t end) {
  const turning *t = context;
  const work *w = t->w;
  const int64_t block_bytes = t->width * COLUMNS * w->size;
  for (int64_t item = begin; item < end; item++) {
    const int64_t first = item % w->column_blocks * COLUMNS;
    const int64_t count = smaller(COLUMNS, w->a->keys - first);
    const int64_t row = item / w->column_blocks * w->a->keys + first;
    char *to = t->to + item * block_bytes;
    if (count < COLUMNS) memset(to, 0, (size_t)block_bytes);
    w->product->transpose(to, COLUMNS, t->from + row * t->width * w->size, t->width, count,
                          t->width);
  }
}

static char *turn(const work *w, const void *from, int64_t width) {
  const int64_t blocks = w->a->batch * w->a->key_heads * w->column_blocks;
  turning t = {w, from, NULL, width};
  t.to = wk_allocate_aligned(64, (size_t)(blocks * width * COLUMNS * w->size) + 64);
  if (t.to) wk_parallel_for(blocks, 1, turn_blocks, &t);
  return t.to;
}

typedef struct widening {
  const work *w;
  const char *from;
  char *to;
  int64_t width, padded;
  double scale;
} widening;

static void widen_rows(void *context, int64_t begin, int64_t end) {
  const widening *p = context;
  const int64_t size = p->w->size;
  for (int64_t row = begin; row < end; row++) {
    char *to = p->to + row * p->padded * size;
    memcpy(to, p->from + row * p->width * size, (size_t)(p->width * size));
    memset(to + p->width * size, 0, (size_t)((p->padded - p->width) * size));
    for (int64_t i = 0; p->scale != 1 && i < p->width; i++) {
      if (size == sizeof(double))
        ((double *)(void *)to)[i] *= p->scale;
      else
        ((float *)(void *)to)[i] *= (float)p->scale;
    }
  }
}

/* Rows of `width` as a right operand, multiplied by `scale`; *copy is what then is to be freed. */
static bool widen(const work *w, const void *from, int64_t rows, int64_t width, double scale,
                  panel *result, char **copy) {
  const int64_t padded = round_up(width, GRAIN);
  *result = (panel){from, width};
  if (padded == width && scale == 1) return true;
  *copy = wk_allocate_aligned(64, (size_t)(rows * padded * w->size) + 64);
  if (!*copy) return false;
  widening p = {w, from, *copy, width, padded, scale};
  wk_parallel_for(rows, 64, widen_rows, &p);
  *result = (panel){*copy, padded};
  return true;
}

/* Copies rows into a left operand. */
static void load_left(const work *w, char *to, const panel *from, int64_t first, int64_t rows,
                      int64_t width) {
  w->product->copy(to, STRIDE, from->data + first * from->stride * w->size, from->stride, rows,
                   width);
}

/* ---- one block of queries and one of keys ---- */

typedef struct block {
  int64_t head, key_head; /* counted through the batch */
  int64_t first_row, rows, first_column, columns;
} block;

static block block_at(const work *w, int64_t head, int64_t row_block, int64_t column_block) {
  const wk_cpu_attention *a = w->a;
  block b = {.head = head, .key_head = head / w->group};
  b.first_row = row_block * ROWS;
  b.rows = smaller(ROWS, a->queries - b.first_row);
  b.first_column = column_block * COLUMNS;
  b.columns = smaller(COLUMNS, a->keys - b.first_column);
  return b;
}

/* Whether the diagonal leaves nothing of it. */
static bool is_hidden(const work *w, const block *b) {
  return w->a->causal && b->first_column > b->first_row + b->rows - 1;
}

static const char *turned_block(const work *w, const char *turned, int64_t width, const block *b) {
  const int64_t number = b->key_head * w->column_blocks + b->first_column / COLUMNS;
  return turned + number * width * COLUMNS * w->size;
}

static void make_scores(const work *w, const block *b, const char *queries, char *scores,
                        int64_t stride) {
  const wk_cpu_attention *a = w->a;
  multiply(w, WK_LEFT_BY_ROW, b->rows, round_up(b->columns, GRAIN), a->width, queries,
           turned_block(w, w->turned_keys, a->width, b), COLUMNS, scores, stride, WK_TILE_SET);
  if (a->mask) {
    const int64_t *step = a->mask_strides, element = a->mask_is_truth ? 1 : w->size;
    const int64_t at = b->head / a->heads * step[0] + b->head % a->heads * step[1] +
                       b->first_row * step[2] + b->first_column * step[3];
    w->isa->add_mask(b->rows, b->columns, stride, scores, (const char *)a->mask + at * element,
                     a->mask_is_truth, step[2], step[3]);
  }
  if (a->causal && b->first_column + b->columns - 1 > b->first_row)
    w->isa->hide_later(b->rows, b->columns, stride, scores, b->first_row - b->first_column);
}

static void drop(const work *w, const block *b, const char *from, int64_t stride, char *to,
                 int64_t to_stride) {
  const wk_cpu_attention *a = w->a;
  const wk_attention_drop how = {a->rate, a->seed, a->keys};
  const int64_t at = (b->head * a->queries + b->first_row) * a->keys + b->first_column;
  w->isa->drop(b->rows, b->columns, stride, from, to, to_stride, &how, a->offset + (uint64_t)at);
}

/* ---- forward ---- */

#define TILE_ROWS (ROWS + GRAIN)

static void run_queries(const work *w, int64_t head, int64_t row_block) {
  const wk_cpu_attention *a = w->a;
  char *queries = w->own + wk_parallel_index() * w->own_bytes;
  char *scores = queries + TILE_ROWS * STRIDE * w->size;
  char *sums = scores + TILE_ROWS * STRIDE * w->size;
  char *largest = sums + TILE_ROWS * w->value_width * w->size;
  char *total = largest + TILE_ROWS * w->size, *factor = total + TILE_ROWS * w->size;
  block b = block_at(w, head, row_block, 0);
  const int64_t first = head * a->queries + b.first_row;
  load_left(w, queries, &w->queries, first, b.rows, a->width);
  memset(sums, 0, (size_t)(TILE_ROWS * w->value_width * w->size));
  memset(total, 0, (size_t)(TILE_ROWS * w->size));
  for (int64_t i = 0; i < ROWS; i++) {
    if (w->size == sizeof(double))
      ((double *)(void *)largest)[i] = -INFINITY;
    else
      ((float *)(void *)largest)[i] = -INFINITY;
  }
  for (int64_t j = 0; j < w->column_blocks; j++) {
    b = block_at(w, head, row_block, j);
    if (is_hidden(w, &b)) break;
    make_scores(w, &b, queries, scores, STRIDE);
    w->isa->accumulate(b.rows, b.columns, STRIDE, scores, largest, total, factor);
    w->isa->rescale(b.rows, w->value_width, w->value_width, sums, factor);
    if (a->rate > 0) drop(w, &b, scores, STRIDE, scores, STRIDE);
    const int64_t row = b.key_head * a->keys + b.first_column;
    multiply(w, WK_LEFT_BY_ROW, b.rows, w->value_width, b.columns, scores,
             w->values.data + row * w->values.stride * w->size, w->values.stride, sums,
             w->value_width, WK_TILE_ADD);
  }
  w->isa->finish(b.rows, a->value_width, w->value_width, sums, largest, total,
                 w->y + first * a->value_width * w->size, w->log_sum_result + first * w->size);
}

static void run_query_blocks(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t i = begin; i < end; i++) run_queries(w, i / w->row_blocks, i % w->row_blocks);
}

static work make_work(const wk_cpu_attention *a) {
  const wk_isa_real real = wk_isa_real_of(a->dtype);
  work w = {.a = a};
  w.product = wk_cpu_isa_get()->product[real];
  w.isa = wk_cpu_isa_get()->attention[real];
  w.size = (int64_t)wk_isa_real_size(real);
  w.width = round_up(a->width, GRAIN);
  w.value_width = round_up(a->value_width, GRAIN);
  w.row_blocks = divide_up(a->queries, ROWS);
  w.column_blocks = divide_up(a->keys, COLUMNS);
  w.group = a->key_heads ? a->heads / a->key_heads : 1;
  return w;
}

/* Zeroed, so that what pads the tiles is finite. */
static bool make_own(work *w, int64_t elements) {
  w->own_bytes = round_up(elements * w->size, 64);
  const size_t bytes = (size_t)(w->own_bytes * wk_thread_count());
  w->own = wk_allocate_aligned(64, bytes);
  if (w->own) memset(w->own, 0, bytes);
  return w->own;
}

wk_status wk_cpu_attention_forward(const wk_cpu_attention *a, void *y, void *log_sum) {
  work w = make_work(a);
  const int64_t heads = a->batch * a->heads, key_heads = a->batch * a->key_heads;
  if (heads * a->queries == 0) return WK_OK;
  if (a->keys == 0) {
    memset(y, 0, (size_t)(heads * a->queries * a->value_width * w.size));
    memset(log_sum, 0, (size_t)(heads * a->queries * w.size));
    return WK_OK;
  }
  char *queries = NULL, *values = NULL;
  w.y = y;
  w.log_sum_result = log_sum;
  w.turned_keys = turn(&w, a->key, a->width);
  const bool ready =
      w.turned_keys &&
      widen(&w, a->query, heads * a->queries, a->width, a->scale, &w.queries, &queries) &&
      widen(&w, a->value, key_heads * a->keys, a->value_width, 1, &w.values, &values) &&
      make_own(&w, TILE_ROWS * (2 * STRIDE + w.value_width + 3));
  if (ready) wk_parallel_for(heads * w.row_blocks, 1, run_query_blocks, &w);
  wk_deallocate(w.turned_keys);
  wk_deallocate(queries);
  wk_deallocate(values);
  wk_deallocate(w.own);
  return ready ? WK_OK : wk_error_status();
}

/* ---- backward ---- */

typedef struct tiles {
  char *queries, *gradients; /* left operands */
  char *p, *dropped, *slopes;
  char *key_sums, *value_sums; /* of a block of keys */
} tiles;

#define TURNED_ROWS (COLUMNS + GRAIN)

static tiles tiles_of(const work *w) {
  tiles t = {.queries = w->own + wk_parallel_index() * w->own_bytes};
  t.gradients = t.queries + TILE_ROWS * STRIDE * w->size;
  t.p = t.gradients + TILE_ROWS * STRIDE * w->size;
  t.dropped = t.p + TILE_ROWS * TURNED_STRIDE * w->size;
  t.slopes = t.dropped + TILE_ROWS * TURNED_STRIDE * w->size;
  t.key_sums = t.slopes + TILE_ROWS * STRIDE * w->size;
  t.value_sums = t.key_sums + TURNED_ROWS * w->width * w->size;
  return t;
}

static int64_t tile_elements(const work *w) {
  return TILE_ROWS * (3 * STRIDE + 2 * TURNED_STRIDE) + TURNED_ROWS * (w->width + w->value_width);
}

/* Adds what one block of queries and one of keys give to the sums that are asked for. */
static void add_block(const work *w, const tiles *t, const block *b, bool for_queries,
                      bool for_keys) {
  const wk_cpu_attention *a = w->a;
  if (is_hidden(w, b)) return;
  const int64_t row = b->head * a->queries + b->first_row;
  const int64_t key_row = b->key_head * a->keys + b->first_column;
  load_left(w, t->queries, &w->queries, row, b->rows, a->width);
  load_left(w, t->gradients, &w->gradients, row, b->rows, a->value_width);
  make_scores(w, b, t->queries, t->p, TURNED_STRIDE);
  w->isa->probabilities(b->rows, b->columns, TURNED_STRIDE, t->p, w->log_sum + row * w->size);
  multiply(w, WK_LEFT_BY_ROW, b->rows, round_up(b->columns, GRAIN), a->value_width, t->gradients,
           turned_block(w, w->turned_values, a->value_width, b), COLUMNS, t->slopes, STRIDE,
           WK_TILE_SET);
  const char *dropped = t->p;
  if (a->rate > 0) {
    drop(w, b, t->slopes, STRIDE, t->slopes, STRIDE);
    if (for_keys) drop(w, b, t->p, TURNED_STRIDE, t->dropped, TURNED_STRIDE);
    dropped = t->dropped;
  }
  if (for_keys)
    multiply(w, WK_LEFT_BY_DEPTH, b->columns, w->value_width, b->rows, dropped,
             w->gradients.data + row * w->gradients.stride * w->size, w->gradients.stride,
             t->value_sums, w->value_width, WK_TILE_ADD);
  w->isa->slopes(b->rows, b->columns, t->p, TURNED_STRIDE, t->slopes, STRIDE,
                 w->delta + row * w->size);
  if (for_keys)
    multiply(w, WK_LEFT_BY_DEPTH, b->columns, w->width, b->rows, t->p,
             w->queries.data + row * w->queries.stride * w->size, w->queries.stride, t->key_sums,
             w->width, WK_TILE_ADD);
  if (for_queries) {
    const int64_t at = b->head * (w->row_blocks * ROWS + GRAIN) + b->first_row;
    multiply(w, WK_LEFT_BY_ROW, b->rows, w->width, b->columns, t->slopes,
             w->keys.data + key_row * w->keys.stride * w->size, w->keys.stride,
             w->query_sums + at * w->width * w->size, w->width, WK_TILE_ADD);
  }
}

/* All queries that see a block of keys. */
static void run_keys(const work *w, int64_t key_head, int64_t column_block, bool for_queries) {
  const wk_cpu_attention *a = w->a;
  const tiles t = tiles_of(w);
  memset(t.key_sums, 0, (size_t)(TURNED_ROWS * w->width * w->size));
  memset(t.value_sums, 0, (size_t)(TURNED_ROWS * w->value_width * w->size));
  for (int64_t h = 0; h < w->group; h++)
    for (int64_t i = 0; i < w->row_blocks; i++) {
      const block b = block_at(w, key_head * w->group + h, i, column_block);
      add_block(w, &t, &b, for_queries, true);
    }
  const block b = block_at(w, key_head * w->group, 0, column_block);
  const int64_t row = key_head * a->keys + b.first_column;
  w->product->copy(w->key_gradient + row * a->width * w->size, a->width, t.key_sums, w->width,
                   b.columns, a->width);
  w->product->copy(w->value_gradient + row * a->value_width * w->size, a->value_width, t.value_sums,
                   w->value_width, b.columns, a->value_width);
}

static void run_key_heads(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t head = begin; head < end; head++)
    for (int64_t j = 0; j < w->column_blocks; j++) run_keys(w, head, j, true);
}

static void run_key_blocks(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t i = begin; i < end; i++)
    run_keys(w, i / w->column_blocks, i % w->column_blocks, false);
}

static void run_query_sums(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const tiles t = tiles_of(w);
  for (int64_t i = begin; i < end; i++)
    for (int64_t j = 0; j < w->column_blocks; j++) {
      const block b = block_at(w, i / w->row_blocks, i % w->row_blocks, j);
      add_block(w, &t, &b, true, false);
    }
}

static void store_queries(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const wk_cpu_attention *a = w->a;
  for (int64_t row = begin; row < end; row++) {
    const int64_t at = row / a->queries * (w->row_blocks * ROWS + GRAIN) + row % a->queries;
    const char *from = w->query_sums + at * w->width * w->size;
    char *to = w->query_gradient + row * a->width * w->size;
    for (int64_t i = 0; i < a->width; i++) {
      if (w->size == sizeof(double))
        ((double *)(void *)to)[i] = ((const double *)(const void *)from)[i] * a->scale;
      else
        ((float *)(void *)to)[i] = ((const float *)(const void *)from)[i] * (float)a->scale;
    }
  }
}

/* With key heads enough for all threads one pass makes everything; else scores are made twice. */
static void run_gradient(work *w) {
  const int64_t heads = w->a->batch * w->a->heads, key_heads = w->a->batch * w->a->key_heads;
  if (key_heads >= wk_thread_count()) {
    wk_parallel_for(key_heads, 1, run_key_heads, w);
  } else {
    wk_parallel_for(key_heads * w->column_blocks, 1, run_key_blocks, w);
    wk_parallel_for(heads * w->row_blocks, 1, run_query_sums, w);
  }
  wk_parallel_for(heads * w->a->queries, 256, store_queries, w);
}

wk_status wk_cpu_attention_gradient(const wk_cpu_attention *a, const void *y_gradient,
                                    const void *delta, const void *log_sum, void *query_gradient,
                                    void *key_gradient, void *value_gradient) {
  work w = make_work(a);
  const int64_t heads = a->batch * a->heads, key_heads = a->batch * a->key_heads;
  w.query_gradient = query_gradient;
  w.key_gradient = key_gradient;
  w.value_gradient = value_gradient;
  if (heads * a->queries == 0 || a->keys == 0) {
    memset(query_gradient, 0, (size_t)(heads * a->queries * a->width * w.size));
    memset(key_gradient, 0, (size_t)(key_heads * a->keys * a->width * w.size));
    memset(value_gradient, 0, (size_t)(key_heads * a->keys * a->value_width * w.size));
    return WK_OK;
  }
  w.delta = delta;
  w.log_sum = log_sum;
  char *queries = NULL, *keys = NULL, *gradients = NULL;
  const size_t sums = (size_t)(heads * (w.row_blocks * ROWS + GRAIN) * w.width) * (size_t)w.size;
  w.query_sums = wk_allocate_aligned(64, sums);
  w.turned_keys = turn(&w, a->key, a->width);
  w.turned_values = turn(&w, a->value, a->value_width);
  const bool ready =
      w.query_sums && w.turned_keys && w.turned_values &&
      widen(&w, a->query, heads * a->queries, a->width, a->scale, &w.queries, &queries) &&
      widen(&w, a->key, key_heads * a->keys, a->width, 1, &w.keys, &keys) &&
      widen(&w, y_gradient, heads * a->queries, a->value_width, 1, &w.gradients, &gradients) &&
      make_own(&w, tile_elements(&w));
  if (ready) {
    memset(w.query_sums, 0, sums);
    run_gradient(&w);
  }
  wk_deallocate(w.query_sums);
  wk_deallocate(w.turned_keys);
  wk_deallocate(w.turned_values);
  wk_deallocate(queries);
  wk_deallocate(keys);
  wk_deallocate(gradients);
  wk_deallocate(w.own);
  return ready ? WK_OK : wk_error_status();
}
