/* SPDX-License-Identifier: Apache-2.0 */

/* The engine under matrix products and convolutions, after Goto and van de Geijn, "Anatomy of
 * high-performance matrix multiplication" (ACM TOMS 34(3), 2008), and Van Zee and van de Geijn,
 * "BLIS" (ACM TOMS 41(3), 2015): blocks of a that fit the second cache, panels of b that fit the
 * first, both packed, and a tile of c in registers.
 *
 * Bits: an element of c is the sum over blocks of WK_PRODUCT_DEPTH terms, each summed in order from
 * zero, the blocks added in order. All ways of splitting the work below keep to that. */

#include "backend/cpu/product.h"

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

/* Packed b that is shared by all threads takes at most about this many bytes at a time. */
#define SHARED_BYTES ((int64_t)16 << 20)
/* Partial sums of a product split along k. */
#define PARTIAL_BYTES ((int64_t)64 << 20)
/* Multiply-adds worth waking threads for. */
#define SERIAL_WORK 4e5
/* Row tiles up to which packing b does not pay, and rows of b that stay in the first cache wherever
 * they lie. */
#define UNPACKED_TILES 4
#define UNPACKED_DEPTH 128
/* Elements that are told of together. */
#define TOLD 16384
/* What packing an element costs, in multiply-adds. */
#define PACK_COST 6.0

typedef struct plan {
  const wk_product *product;
  const wk_isa_product *isa;
  int64_t element;                   /* bytes */
  int64_t tile_rows, tile_columns;   /* of a full tile */
  int64_t row_tiles, column_tiles;   /* how many tiles c has, */
  int64_t row_blocks, column_blocks; /* and into how many blocks of them it is cut */
  int64_t depth_blocks;
  int64_t depth_begin, depth_end; /* the blocks of k that are being worked on */
  bool share_b;                   /* all of b is packed first, by all threads */
  bool split_depth;               /* threads take blocks of k instead of blocks of c */
  char *shared, *partials, *own;  /* packed b; sums by block of k; scratch of the threads */
  int64_t own_bytes;              /* of one thread */
} plan;

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- planning ---- */

/* Time of the busiest thread, in multiply-adds per unit of k. */
static double estimate(const plan *p, int64_t row_blocks, int64_t column_blocks, bool share_b,
                       int64_t threads) {
  const double rows = (double)(divide_up(p->row_tiles, row_blocks) * p->tile_rows);
  const double columns = (double)(divide_up(p->column_tiles, column_blocks) * p->tile_columns);
  const double rounds = (double)divide_up(row_blocks * column_blocks, threads);
  const double pack_b = PACK_COST * columns;
  if (!share_b) return rounds * (rows * columns + PACK_COST * rows + pack_b);
  return rounds * (rows * columns + PACK_COST * rows) + pack_b / (double)threads;
}

/* Row tiles in a block. A block that meets few panels of b is used up fast: then it should still be
 * in the first cache. */
static int64_t most_row_tiles(const plan *p) {
  const int64_t most = WK_PRODUCT_BLOCK_ROWS / p->tile_rows;
  return p->column_tiles <= 4 ? smaller(most, 3 * larger(1, p->column_tiles)) : most;
}

/* All of packed b, for one block of k. */
static int64_t shared_bytes(const plan *p) {
  return p->column_tiles * p->tile_columns * WK_PRODUCT_DEPTH * p->element;
}

static void choose_grid(plan *p, int64_t threads) {
  const int64_t least = larger(1, divide_up(p->row_tiles, most_row_tiles(p)));
  const int64_t most = larger(1, smaller(p->row_tiles, least + threads - 1));
  if (most == 1 && threads == 1) return; /* one block is all there can be */
  double best = -1;
  for (int64_t rows = smaller(least, most); rows <= most; rows++) {
    const int64_t columns = larger(1, smaller(p->column_tiles, divide_up(threads, rows)));
    for (int share = 0; share < 2; share++) {
      if (share && (rows < 2 || columns > 1 || shared_bytes(p) > SHARED_BYTES)) continue;
      const double cost = estimate(p, rows, columns, share, threads);
      if (best >= 0 && cost >= best) continue;
      best = cost;
      p->row_blocks = rows, p->column_blocks = columns, p->share_b = share;
    }
  }
}

static plan make_plan(const wk_product *product, int64_t threads) {
  plan p = {.product = product};
  p.isa = wk_cpu_isa_get()->product[product->real];
  p.element = (int64_t)wk_isa_real_size(product->real);
  p.tile_rows = p.isa->row_step * p.isa->row_steps;
  p.tile_columns = 2 * p.isa->vector_columns;
  p.row_tiles = divide_up(product->m, p.tile_rows);
  p.column_tiles = divide_up(product->n, p.tile_columns);
  p.depth_blocks = larger(1, divide_up(product->k, WK_PRODUCT_DEPTH));
  p.depth_end = p.depth_blocks;
  p.own_bytes = (WK_PRODUCT_BLOCK_ROWS * WK_PRODUCT_DEPTH + p.tile_columns * WK_PRODUCT_DEPTH +
                 (p.tile_rows + 2) * p.tile_columns) *
                p.element;
  const int64_t partial_bytes = p.depth_blocks * product->m * product->n * p.element;
  p.split_depth = threads > 1 && p.row_tiles * p.column_tiles < 2 * threads &&
                  product->m <= WK_PRODUCT_BLOCK_ROWS && p.depth_blocks >= 2 * threads &&
                  partial_bytes <= PARTIAL_BYTES;
  p.row_blocks = p.column_blocks = 1;
  if (!p.split_depth) choose_grid(&p, threads);
  return p;
}

/* ---- one block of c ---- */

/* What a thread needs for a block: packed a, one packed panel of b, a tile for ragged edges, a row
 * that takes what rows past the end would get, and a padded piece of the bias. */
typedef struct workspace {
  char *a, *b, *tile, *spare, *bias;
} workspace;

static workspace get_workspace(const plan *p) {
  char *start = p->own + wk_parallel_index() * p->own_bytes;
  workspace w = {.a = start};
  w.b = w.a + WK_PRODUCT_BLOCK_ROWS * WK_PRODUCT_DEPTH * p->element;
  w.tile = w.b + WK_PRODUCT_DEPTH * p->tile_columns * p->element;
  w.spare = w.tile + p->tile_rows * p->tile_columns * p->element;
  w.bias = w.spare + p->tile_columns * p->element;
  memset(w.spare, 0, (size_t)(p->tile_columns * p->element));
  return w;
}

typedef struct tile {
  int64_t rows, column, columns, depth;
  const char *a, *b;
  int64_t b_stride;
  char *const *c; /* its rows' starts */
  wk_tile_store store;
} tile;

/* A tile whose columns end before the vector does is computed beside c. */
static void run_ragged_tile(const plan *p, const workspace *w, const tile *t, int64_t width,
                            wk_tile_function run, void **c, int64_t padded_rows) {
  const size_t bytes = (size_t)(t->columns * p->element);
  const int64_t offset = t->column * p->element;
  for (int64_t i = 0; i < padded_rows; i++) {
    c[i] = w->tile + i * width * p->element;
    if (t->store == WK_TILE_ADD && i < t->rows) memcpy(c[i], t->c[i] + offset, bytes);
  }
  if (t->store == WK_TILE_BIAS) memcpy(w->bias, p->product->bias + offset, bytes);
  run(t->depth, t->a, t->b, t->b_stride, c, w->bias, t->store);
  for (int64_t i = 0; i < t->rows; i++) memcpy(t->c[i] + offset, c[i], bytes);
}

static void run_tile(const plan *p, const workspace *w, const tile *t) {
  const int64_t steps = divide_up(t->rows, p->isa->row_step);
  const int64_t vectors = divide_up(t->columns, p->isa->vector_columns);
  const int64_t padded_rows = steps * p->isa->row_step, width = vectors * p->isa->vector_columns;
  const wk_tile_function run = p->isa->tile[p->product->left_order][steps - 1][vectors - 1];
  void *c[WK_PRODUCT_MAX_TILE_ROWS];
  if (t->columns < width) {
    run_ragged_tile(p, w, t, width, run, c, padded_rows);
    return;
  }
  const int64_t offset = t->column * p->element;
  for (int64_t i = 0; i < t->rows; i++) c[i] = t->c[i] + offset;
  for (int64_t i = t->rows; i < padded_rows; i++) c[i] = w->spare;
  const char *bias = p->product->bias ? p->product->bias + offset : NULL;
  run(t->depth, t->a, t->b, t->b_stride, c, bias, t->store);
}

static wk_tile_store store_of(const plan *p, int64_t depth_block) {
  if (p->split_depth) return WK_TILE_SET;
  if (depth_block > 0 || p->product->accumulate) return WK_TILE_ADD;
  return p->product->bias ? WK_TILE_BIAS : WK_TILE_SET;
}

/* Columns of panel `index`, and how far apart its packed rows lie. */
static int64_t panel_width(const plan *p, int64_t index, int64_t *columns) {
  *columns = smaller(p->tile_columns, p->product->n - index * p->tile_columns);
  return divide_up(*columns, p->isa->vector_columns) * p->isa->vector_columns;
}

static int64_t block_depth(const plan *p, int64_t depth_block) {
  return smaller(WK_PRODUCT_DEPTH, p->product->k - depth_block * WK_PRODUCT_DEPTH);
}

static void pack_panel(const plan *p, int64_t depth_block, int64_t index, char *to) {
  int64_t columns;
  const int64_t width = panel_width(p, index, &columns), depth = block_depth(p, depth_block);
  if (columns < width) memset(to, 0, (size_t)(depth * width * p->element));
  p->product->pack_b(p->product, depth_block * WK_PRODUCT_DEPTH, depth, index * p->tile_columns,
                     columns, width, to);
}

static char *shared_panel(const plan *p, int64_t depth_block, int64_t index) {
  const int64_t panel = (depth_block - p->depth_begin) * p->column_tiles + index;
  return p->shared + panel * p->tile_columns * WK_PRODUCT_DEPTH * p->element;
}

/* Where b lies by rows and only a few rows of a will meet it, it is used as it lies. */
static const wk_product_matrix *unpacked(const plan *p, int64_t rows) {
  if (p->product->pack_b != wk_product_pack_b_matrix) return NULL;
  if (rows > UNPACKED_TILES * p->tile_rows && p->product->k > UNPACKED_DEPTH) return NULL;
  const wk_product_matrix *b = p->product->right;
  return b->column_stride == 1 ? b : NULL;
}

/* Sets the tile's columns and its panel of b, packing that if need be. */
static void find_panel(const plan *p, const workspace *w, int64_t depth_block, int64_t index,
                       int64_t rows, tile *t) {
  t->column = index * p->tile_columns;
  t->b_stride = panel_width(p, index, &t->columns);
  const wk_product_matrix *b = p->share_b ? NULL : unpacked(p, rows);
  if (b && t->columns == t->b_stride) {
    const int64_t row = depth_block * WK_PRODUCT_DEPTH;
    t->b = b->data + (row * b->row_stride + t->column) * p->element;
    t->b_stride = b->row_stride;
    return;
  }
  t->b = p->share_b ? shared_panel(p, depth_block, index) : w->b;
  if (!p->share_b) pack_panel(p, depth_block, index, w->b);
}

static void pack_block(const plan *p, const workspace *w, int64_t row, int64_t rows,
                       int64_t depth_block) {
  const int64_t depth = block_depth(p, depth_block);
  p->product->pack_a(p->product, row, rows, depth_block * WK_PRODUCT_DEPTH, depth, w->a);
  const int64_t padding = divide_up(rows, p->isa->row_step) * p->isa->row_step - rows;
  if (padding == 0) return;
  if (p->product->left_order == WK_LEFT_BY_ROW) {
    for (int64_t i = rows; i < rows + padding; i++)
      memset(w->a + i * WK_PRODUCT_DEPTH * p->element, 0, (size_t)(depth * p->element));
  } else {
    for (int64_t k = 0; k < depth; k++)
      memset(w->a + (k * WK_PRODUCT_BLOCK_ROWS + rows) * p->element, 0,
             (size_t)(padding * p->element));
  }
}

/* Rows [row, row + rows) and panels [begin, end) of c, for one block of k. */
static void run_block(const plan *p, const workspace *w, int64_t row, int64_t rows, int64_t begin,
                      int64_t end, int64_t depth_block, char *const *c) {
  pack_block(p, w, row, rows, depth_block);
  const bool by_row = p->product->left_order == WK_LEFT_BY_ROW;
  tile t = {.depth = block_depth(p, depth_block), .store = store_of(p, depth_block)};
  for (int64_t index = begin; index < end; index++) {
    find_panel(p, w, depth_block, index, rows, &t);
    for (int64_t i = 0; i < rows; i += p->tile_rows) {
      t.rows = smaller(p->tile_rows, rows - i);
      t.a = w->a + i * (by_row ? WK_PRODUCT_DEPTH : 1) * p->element;
      t.c = c + i;
      run_tile(p, w, &t);
    }
  }
}

/* ---- work for the threads ---- */

/* Whether blocks of c are whole rows, that are told of at once. */
static bool tells_blocks(const plan *p) {
  return p->product->after && p->column_blocks == 1 && !p->split_depth;
}

static void run_grid(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const workspace w = get_workspace(p);
  char *c[WK_PRODUCT_BLOCK_ROWS];
  for (int64_t i = begin; i < end; i++) {
    const int64_t row_block = i / p->column_blocks, column_block = i % p->column_blocks;
    const int64_t row = row_block * p->row_tiles / p->row_blocks * p->tile_rows;
    const int64_t row_end = (row_block + 1) * p->row_tiles / p->row_blocks * p->tile_rows;
    const int64_t rows = smaller(row_end, p->product->m) - row;
    p->product->find_c(p->product, row, rows, c);
    for (int64_t depth_block = p->depth_begin; depth_block < p->depth_end; depth_block++)
      run_block(p, &w, row, rows, column_block * p->column_tiles / p->column_blocks,
                (column_block + 1) * p->column_tiles / p->column_blocks, depth_block, c);
    if (tells_blocks(p) && p->depth_end == p->depth_blocks)
      p->product->after->run(p->product->after, row, row + rows);
  }
}

static void run_depth(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const workspace w = get_workspace(p);
  char *c[WK_PRODUCT_BLOCK_ROWS];
  const int64_t row_bytes = p->product->n * p->element;
  for (int64_t depth_block = begin; depth_block < end; depth_block++) {
    for (int64_t i = 0; i < p->product->m; i++)
      c[i] = p->partials + (depth_block * p->product->m + i) * row_bytes;
    run_block(p, &w, 0, p->product->m, 0, p->column_tiles, depth_block, c);
  }
}

static void add_partials(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const wk_product *product = p->product;
  const size_t bytes = (size_t)(product->n * p->element);
  for (int64_t row = begin; row < end; row++) {
    char *c;
    product->find_c(product, row, 1, &c);
    const char *partial = p->partials + row * product->n * p->element;
    if (product->accumulate)
      p->isa->add(c, partial, product->n);
    else
      memcpy(c, partial, bytes);
    if (product->bias) p->isa->add(c, product->bias, product->n);
    for (int64_t i = 1; i < p->depth_blocks; i++)
      p->isa->add(c, partial + i * product->m * product->n * p->element, product->n);
  }
}

static void pack_shared(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  for (int64_t i = begin; i < end; i++) {
    const int64_t depth_block = p->depth_begin + i / p->column_tiles;
    pack_panel(p, depth_block, i % p->column_tiles,
               shared_panel(p, depth_block, i % p->column_tiles));
  }
}

/* Blocks of k whose packed b is shared at a time. */
static int64_t shared_depth(const plan *p) {
  return larger(1, smaller(p->depth_blocks, SHARED_BYTES / shared_bytes(p)));
}

static bool get_memory(plan *p, int64_t threads) {
  size_t own = wk_scratch_round((size_t)p->own_bytes), size, more = 0;
  p->own_bytes = (int64_t)own;
  if (p->share_b) more = (size_t)(shared_depth(p) * shared_bytes(p));
  if (p->split_depth) more = (size_t)(p->depth_blocks * p->product->m * p->product->n * p->element);
  size = own * (size_t)threads + more;
  p->own = wk_cpu_scratch(size);
  if (!p->own) return false;
  p->shared = p->partials = p->own + own * (size_t)threads;
  return true;
}

wk_status wk_product_run(const wk_product *product) {
  if (product->m == 0 || product->n == 0) return WK_OK;
  const double work = (double)product->m * (double)product->n * (double)product->k;
  const int64_t threads = work < SERIAL_WORK ? 1 : wk_thread_count();
  plan p = make_plan(product, threads);
  if (!get_memory(&p, wk_thread_count())) return WK_ERROR_MEMORY;
  const int64_t blocks = p.row_blocks * p.column_blocks;
  if (p.split_depth) {
    wk_parallel_for(p.depth_blocks, 1, run_depth, &p);
    wk_parallel_for(product->m, 1, add_partials, &p);
  } else if (p.share_b) {
    const int64_t step = shared_depth(&p);
    for (p.depth_begin = 0; p.depth_begin < p.depth_blocks; p.depth_begin += step) {
      p.depth_end = smaller(p.depth_begin + step, p.depth_blocks);
      const int64_t panels = (p.depth_end - p.depth_begin) * p.column_tiles;
      wk_parallel_for(panels, threads > 1 ? 1 : panels, pack_shared, &p);
      wk_parallel_for(blocks, threads > 1 ? 1 : blocks, run_grid, &p);
    }
  } else {
    wk_parallel_for(blocks, threads > 1 ? 1 : blocks, run_grid, &p);
  }
  if (!tells_blocks(&p)) wk_cpu_tell_rows(product->after, product->m, product->n);
  return WK_OK;
}

static void tell(void *context, int64_t begin, int64_t end) {
  const wk_after *after = context;
  after->run(after, begin, end);
}

void wk_cpu_tell_rows(const wk_after *after, int64_t rows, int64_t columns) {
  if (after && columns > 0)
    wk_parallel_for(rows, larger(1, TOLD / columns), tell, (void *)(uintptr_t)after);
}

/* ---- strided matrices as operands ---- */

static const wk_isa_product *isa_of(const wk_product *product) {
  return wk_cpu_isa_get()->product[product->real];
}

/* Moves a [rows, columns] piece whose elements may lie anywhere. */
static void move_strided(const wk_product *product, char *to, int64_t to_stride, const char *from,
                         int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns) {
  const int64_t element = (int64_t)wk_isa_real_size(product->real);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      memcpy(to + (i * to_stride + j) * element,
             from + (i * row_stride + j * column_stride) * element, (size_t)element);
}

static void move_matrix(const wk_product *product, char *to, int64_t to_stride, const char *from,
                        int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns) {
  if (column_stride == 1)
    isa_of(product)->copy(to, to_stride, from, row_stride, rows, columns);
  else if (row_stride == 1)
    isa_of(product)->transpose(to, to_stride, from, column_stride, columns, rows);
  else
    move_strided(product, to, to_stride, from, row_stride, column_stride, rows, columns);
}

wk_left_order wk_product_order_of(const wk_product_matrix *a) {
  return a->row_stride == 1 && a->column_stride != 1 ? WK_LEFT_BY_DEPTH : WK_LEFT_BY_ROW;
}

void wk_product_pack_a_matrix(const wk_product *product, int64_t row, int64_t rows, int64_t k,
                              int64_t depth, char *to) {
  const wk_product_matrix *a = product->left;
  const int64_t element = (int64_t)wk_isa_real_size(product->real);
  const char *from = a->data + (row * a->row_stride + k * a->column_stride) * element;
  if (product->left_order == WK_LEFT_BY_ROW)
    move_matrix(product, to, WK_PRODUCT_DEPTH, from, a->row_stride, a->column_stride, rows, depth);
  else
    move_matrix(product, to, WK_PRODUCT_BLOCK_ROWS, from, a->column_stride, a->row_stride, depth,
                rows);
}

void wk_product_pack_b_matrix(const wk_product *product, int64_t k, int64_t depth, int64_t column,
                              int64_t columns, int64_t width, char *to) {
  const wk_product_matrix *b = product->right;
  const int64_t element = (int64_t)wk_isa_real_size(product->real);
  move_matrix(product, to, width,
              b->data + (k * b->row_stride + column * b->column_stride) * element, b->row_stride,
              b->column_stride, depth, columns);
}

void wk_product_find_rows(const wk_product *product, int64_t row, int64_t rows, char **c) {
  const int64_t stride = product->c_row_stride * (int64_t)wk_isa_real_size(product->real);
  for (int64_t i = 0; i < rows; i++) c[i] = product->c + (row + i) * stride;
}
