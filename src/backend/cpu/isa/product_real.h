/* SPDX-License-Identifier: Apache-2.0 */

/* Tiles of products and the moves that feed them, for one real type. Included by product.c with
 *   REAL             the type
 *   OF_VECTOR(name)  wk_f32_name or wk_f64_name, as vector.h has them
 *   OF_REAL(name)    a name with the type pasted to it
 * Once inlined, all loops over rows and vectors have constant counts, so `sums` is in registers. */

#define vector OF_VECTOR(vector)
#define vector_load OF_VECTOR(load)
#define vector_store OF_VECTOR(store)
#define vector_broadcast OF_VECTOR(broadcast)
#define vector_fma OF_VECTOR(fma)
#define tile_sums OF_REAL(tile_sums)
#define tile OF_REAL(tile)
#define outer OF_REAL(outer)
#define outer_line OF_REAL(outer_line)
#define copy OF_REAL(copy)
#define four OF_REAL(four)
#define four_anywhere OF_REAL(four_anywhere)
#define transpose_four OF_REAL(transpose_four)
#define transpose OF_REAL(transpose)
#define add OF_REAL(add)
#define peak OF_REAL(peak)
#define eight OF_REAL(eight)
#define eight_anywhere OF_REAL(eight_anywhere)
#define transpose_eight OF_REAL(transpose_eight)

#define LANES ((int64_t)(sizeof(vector) / sizeof(REAL)))

WK_INLINE void tile_sums(wk_left_order order, int rows, int vectors, int64_t depth, const REAL *a,
                         const REAL *b, int64_t b_stride,
                         vector sums[WK_PRODUCT_MAX_TILE_ROWS][2]) {
  const int64_t row_step = order == WK_LEFT_BY_ROW ? WK_PRODUCT_DEPTH : 1;
  const int64_t depth_step = order == WK_LEFT_BY_ROW ? 1 : WK_PRODUCT_BLOCK_ROWS;
  for (int i = 0; i < rows; i++)
    for (int v = 0; v < vectors; v++) sums[i][v] = (vector){0};
  for (int64_t k = 0; k < depth; k++, a += depth_step, b += b_stride) {
    vector right[2];
    WK_UNROLL
    for (int v = 0; v < vectors; v++) right[v] = vector_load(b + v * LANES);
    WK_UNROLL
    for (int i = 0; i < rows; i++) {
      const vector left = vector_broadcast(a[i * row_step]);
      WK_UNROLL
      for (int v = 0; v < vectors; v++) sums[i][v] = vector_fma(left, right[v], sums[i][v]);
    }
  }
}

WK_INLINE void tile(wk_left_order order, int rows, int vectors, int64_t depth, const REAL *a,
                    const REAL *b, int64_t b_stride, void *const *c, const REAL *bias,
                    wk_tile_store store) {
  vector sums[WK_PRODUCT_MAX_TILE_ROWS][2];
  WK_UNROLL
  for (int i = 0; i < rows; i++) /* c's rows lie far apart: fetch them while the sums run */
    for (int v = 0; v < vectors; v++) __builtin_prefetch((REAL *)c[i] + v * LANES, 1);
  tile_sums(order, rows, vectors, depth, a, b, b_stride, sums);
  WK_UNROLL
  for (int i = 0; i < rows; i++) {
    REAL *row = c[i];
    WK_UNROLL
    for (int v = 0; v < vectors; v++) {
      vector sum = sums[i][v];
      if (store == WK_TILE_ADD)
        sum = vector_load(row + v * LANES) + sum;
      else if (store == WK_TILE_BIAS)
        sum = sum + vector_load(bias + v * LANES);
      vector_store(row + v * LANES, sum);
    }
  }
}

#define TILE(name, order, steps, vectors)                                                          \
  static void OF_REAL(name)(int64_t depth, const void *a, const void *b, int64_t b_stride,         \
                            void *const *c, const void *bias, wk_tile_store store) {               \
    tile(order, (steps)*ROW_STEP, vectors, depth, a, b, b_stride, c, bias, store);                 \
  }
#define TILES(steps)                                                                               \
  TILE(row_##steps##_1, WK_LEFT_BY_ROW, steps, 1)                                                  \
  TILE(row_##steps##_2, WK_LEFT_BY_ROW, steps, 2)                                                  \
  TILE(depth_##steps##_1, WK_LEFT_BY_DEPTH, steps, 1)                                              \
  TILE(depth_##steps##_2, WK_LEFT_BY_DEPTH, steps, 2)
TILES(1)
TILES(2)
#if ROW_STEPS > 2
TILES(3)
#endif
#undef TILES
#undef TILE

/* Rows lie far apart, where the processor foresees nothing. */
#define PREFETCH_ROWS 16

#ifdef WITH_OUTER
/* Keeps the compiler from working out all addresses ahead: there are too few registers for them. */
#define HIDE(x) __asm__("" : "+r"(x))

WK_INLINE void outer_line(int steps, int vectors, const wk_outer_walk *walk, const REAL *a,
                          const REAL *b, vector sums[WK_PRODUCT_MAX_TILE_ROWS][2]) {
  int64_t row = walk->a_row, a_step = walk->a_step, b_step = walk->b_step;
  const REAL *left[3];
  HIDE(a_step);
  WK_UNROLL
  for (int s = 0; s < steps; s++) {
    left[s] = a + s * ROW_STEP * row;
    HIDE(left[s]);
  }
  for (int64_t k = walk->columns; k > 0; k--, b += b_step) {
    vector right[2];
    WK_UNROLL
    for (int v = 0; v < vectors; v++) right[v] = vector_load(b + v * LANES);
    WK_UNROLL
    for (int s = 0; s < steps; s++) {
      WK_UNROLL
      for (int i = 0; i < ROW_STEP; i++) {
        const vector factor = vector_broadcast(left[s][i * row]);
        vector *sum = sums[s * ROW_STEP + i];
        WK_UNROLL
        for (int v = 0; v < vectors; v++) sum[v] = vector_fma(factor, right[v], sum[v]);
      }
      left[s] += a_step;
    }
  }
}

WK_INLINE void outer(int steps, int vectors, const wk_outer_walk *walk, const REAL *a,
                     const REAL *b, const REAL *base, REAL *c) {
  vector sums[WK_PRODUCT_MAX_TILE_ROWS][2];
  WK_UNROLL
  for (int i = 0; i < steps * ROW_STEP; i++)
    for (int v = 0; v < vectors; v++) sums[i][v] = (vector){0};
  for (int64_t plane = 0; plane < walk->planes; plane++)
    for (int64_t line = 0; line < walk->lines; line++)
      outer_line(steps, vectors, walk, a + plane * walk->a_plane + line * walk->a_line,
                 b + plane * walk->b_plane + line * walk->b_line, sums);
  WK_UNROLL
  for (int i = 0; i < steps * ROW_STEP; i++)
    for (int v = 0; v < vectors; v++)
      vector_store(c + i * walk->c_row + v * LANES,
                   vector_load(base + i * walk->base_row + v * LANES) + sums[i][v]);
}

#define OUTER(steps, vectors)                                                                      \
  static void outer_##steps##_##vectors(const wk_outer_walk *walk, const void *a, const void *b,   \
                                        const void *base, void *c) {                               \
    outer(steps, vectors, walk, a, b, base, c);                                                    \
  }
OUTER(1, 1)
OUTER(1, 2)
OUTER(2, 1)
OUTER(2, 2)
#if ROW_STEPS > 2
OUTER(3, 1)
OUTER(3, 2)
#endif
#undef OUTER
#undef HIDE
#endif

static void copy(void *to_, int64_t to_stride, const void *from_, int64_t from_stride, int64_t rows,
                 int64_t columns) {
  REAL *to = to_;
  const REAL *from = from_;
  for (int64_t i = 0; i < rows; i++, to += to_stride, from += from_stride) {
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
      __builtin_prefetch(from + PREFETCH_ROWS * from_stride + j);
      vector_store(to + j, vector_load(from + j));
    }
    for (; j < columns; j++) to[j] = from[j];
  }
}

/* Four rows of four at a time: two rounds of interleaving. */
typedef REAL four __attribute__((vector_size(4 * sizeof(REAL))));
typedef REAL four_anywhere
    __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

WK_INLINE void transpose_four(REAL *to, int64_t to_stride, const REAL *from, int64_t from_stride) {
  const four r0 = *(const four_anywhere *)from, r1 = *(const four_anywhere *)(from + from_stride);
  const four r2 = *(const four_anywhere *)(from + 2 * from_stride);
  const four r3 = *(const four_anywhere *)(from + 3 * from_stride);
  const four a = __builtin_shufflevector(r0, r2, 0, 4, 1, 5);
  const four b = __builtin_shufflevector(r0, r2, 2, 6, 3, 7);
  const four c = __builtin_shufflevector(r1, r3, 0, 4, 1, 5);
  const four d = __builtin_shufflevector(r1, r3, 2, 6, 3, 7);
  *(four_anywhere *)to = __builtin_shufflevector(a, c, 0, 4, 1, 5);
  *(four_anywhere *)(to + to_stride) = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  *(four_anywhere *)(to + 2 * to_stride) = __builtin_shufflevector(b, d, 0, 4, 1, 5);
  *(four_anywhere *)(to + 3 * to_stride) = __builtin_shufflevector(b, d, 2, 6, 3, 7);
}

#if WIDE_TRANSPOSE
/* Eight rows of eight: two rounds within halves of registers, one between them. */
typedef REAL eight __attribute__((vector_size(8 * sizeof(REAL))));
typedef REAL eight_anywhere
    __attribute__((vector_size(8 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

WK_INLINE void transpose_eight(REAL *to, int64_t to_stride, const REAL *from, int64_t from_stride) {
  eight a[8], b[8];
  WK_UNROLL
  for (int i = 0; i < 8; i++) a[i] = *(const eight_anywhere *)(from + i * from_stride);
  WK_UNROLL
  for (int i = 0; i < 8; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  WK_UNROLL
  for (int i = 0; i < 8; i += 4) {
    a[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    a[i + 1] = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    a[i + 2] = __builtin_shufflevector(b[i + 1], b[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    a[i + 3] = __builtin_shufflevector(b[i + 1], b[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  WK_UNROLL
  for (int i = 0; i < 4; i++) {
    *(eight_anywhere *)(to + i * to_stride) =
        __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(eight_anywhere *)(to + (i + 4) * to_stride) =
        __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
#endif

static void transpose(void *to_, int64_t to_stride, const void *from_, int64_t from_stride,
                      int64_t rows, int64_t columns) {
  REAL *to = to_;
  const REAL *from = from_;
  int64_t i = 0;
#if WIDE_TRANSPOSE
  for (; i + 8 <= rows; i += 8) {
    int64_t j = 0;
    for (; j + 8 <= columns; j += 8)
      transpose_eight(to + j * to_stride + i, to_stride, from + i * from_stride + j, from_stride);
    for (; j < columns; j++)
      for (int64_t r = i; r < i + 8; r++) to[j * to_stride + r] = from[r * from_stride + j];
  }
#endif
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4)
      transpose_four(to + j * to_stride + i, to_stride, from + i * from_stride + j, from_stride);
    for (; j < columns; j++)
      for (int64_t r = i; r < i + 4; r++) to[j * to_stride + r] = from[r * from_stride + j];
  }
  for (; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * to_stride + i] = from[i * from_stride + j];
}

/* Several registers are read before one is written: a read waits for writes just in front of it. */
static void add(void *to_, const void *from_, int64_t count) {
  REAL *to = to_;
  const REAL *from = from_;
  int64_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES) {
    vector sums[4];
    WK_UNROLL for (int k = 0; k < 4; k++) sums[k] =
        vector_load(to + i + k * LANES) + vector_load(from + i + k * LANES);
    WK_UNROLL for (int k = 0; k < 4; k++) vector_store(to + i + k * LANES, sums[k]);
  }
  for (; i < count; i++) to[i] += from[i];
}

/* Chains of multiply-adds that depend on nothing but themselves; enough to hide the latency. */
static int64_t peak(int64_t rounds) {
  enum { CHAINS = 12, STEPS = 16 };
  vector sums[CHAINS];
  const vector factor = vector_broadcast((REAL)0.5), term = vector_broadcast((REAL)1);
  WK_UNROLL
  for (int i = 0; i < CHAINS; i++) sums[i] = vector_broadcast((REAL)i);
  for (int64_t round = 0; round < rounds * STEPS; round++) {
    WK_UNROLL
    for (int i = 0; i < CHAINS; i++) {
      sums[i] = vector_fma(sums[i], factor, term);
      __asm__ volatile("" : KEEP(sums[i])); /* lest the compiler drop sums that nobody reads */
    }
  }
  return 2 * CHAINS * STEPS * LANES;
}

#undef LANES
