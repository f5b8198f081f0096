/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/transpose.h"

#include <string.h>

#include "backend/cpu/isa.h"
#include "base/parallel.h"

#define LINE 64     /* bytes */
#define BLOCK 16384 /* elements a thread takes at a time */

typedef struct transposition {
  wk_layout x, y; /* the same sizes */
  int inner;      /* the axis along which x's elements lie side by side; y's is the last */
  size_t size;
  int64_t tile, tiles;        /* elements of a tile's side; tiles along `inner` */
  wk_move_function transpose; /* or NULL */
  const char *from;
  char *to;
} transposition;

/* Without axes of size 1, and with neighbours that lie in x as one axis made one. */
static void simplify(const wk_layout *given, wk_layout *x) {
  *x = (wk_layout){.dtype = given->dtype, .rank = 0};
  for (int i = 0; i < given->rank; i++) {
    if (given->dims[i] == 1) continue;
    const int last = x->rank - 1;
    if (last >= 0 && x->strides[last] == given->strides[i] * given->dims[i]) {
      x->dims[last] *= given->dims[i];
      x->strides[last] = given->strides[i];
    } else {
      x->dims[x->rank] = given->dims[i];
      x->strides[x->rank++] = given->strides[i];
    }
  }
}

/* Elements of 4 and 8 bytes are moved as floats are, which changes no bit. */
static wk_move_function transpose_of(size_t size) {
  if (size < 4) return NULL;
  return wk_cpu_isa_get()->product[size == 8 ? WK_ISA_F64 : WK_ISA_F32]->transpose;
}

/* One tile by way of a buffer, so that each line of x and y is touched once. */
#define TILE(type, SIDE)                                                                           \
  do {                                                                                             \
    type buffer[SIDE][SIDE];                                                                       \
    for (int64_t j = 0; j < columns; j++)                                                          \
      memcpy(buffer[j], from + j * from_stride * (int64_t)sizeof(type),                            \
             (size_t)rows * sizeof(type));                                                         \
    for (int64_t i = 0; i < rows; i++) {                                                           \
      type *out = (type *)(void *)(to + i * to_stride * (int64_t)sizeof(type));                    \
      for (int64_t j = 0; j < columns; j++) out[j] = buffer[j][i];                                 \
    }                                                                                              \
  } while (0)

static void copy_tile(size_t size, char *to, int64_t to_stride, const char *from,
                      int64_t from_stride, int64_t rows, int64_t columns) {
  if (size == 1)
    TILE(uint8_t, LINE);
  else
    TILE(uint16_t, LINE / 2);
}

/* A unit is one row of tiles: all of y's last axis, `tile` elements of the inner one. */
static void transpose_range(void *context, int64_t begin, int64_t end) {
  const transposition *t = context;
  const int last = t->x.rank - 1;
  const int64_t width = t->x.dims[last], height = t->x.dims[t->inner];
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t start = unit % t->tiles * t->tile;
    const int64_t rows = height - start < t->tile ? height - start : t->tile;
    int64_t rest = unit / t->tiles, x_at = start, y_at = start * t->y.strides[t->inner];
    for (int d = last - 1; d >= 0; d--) {
      if (d == t->inner) continue;
      x_at += rest % t->x.dims[d] * t->x.strides[d];
      y_at += rest % t->x.dims[d] * t->y.strides[d];
      rest /= t->x.dims[d];
    }
    if (t->transpose) {
      t->transpose(t->to + y_at * (int64_t)t->size, t->y.strides[t->inner],
                   t->from + x_at * (int64_t)t->size, t->x.strides[last], width, rows);
      continue;
    }
    for (int64_t j = 0; j < width; j += t->tile) {
      const int64_t columns = width - j < t->tile ? width - j : t->tile;
      copy_tile(t->size, t->to + (y_at + j) * (int64_t)t->size, t->y.strides[t->inner],
                t->from + (x_at + j * t->x.strides[last]) * (int64_t)t->size, t->x.strides[last],
                rows, columns);
    }
  }
}

bool wk_cpu_transpose(const wk_operand *y, const wk_operand *x) {
  transposition t = {.inner = -1, .from = x->data, .to = y->data};
  simplify(&x->layout, &t.x);
  const int last = t.x.rank - 1;
  if (last < 1 || t.x.strides[last] == 1) return false;
  for (int i = 0; i < last; i++)
    if (t.x.strides[i] == 1) t.inner = i;
  if (t.inner < 0 || t.x.dims[t.inner] < 8 || t.x.dims[last] < 8) return false;
  t.y = t.x;
  wk_layout_set_strides(&t.y);
  t.size = wk_dtype_size(t.x.dtype);
  t.transpose = transpose_of(t.size);
  t.tile = (t.transpose ? 2 * LINE : LINE) / (int64_t)t.size;
  t.tiles = (t.x.dims[t.inner] + t.tile - 1) / t.tile;
  const int64_t row = t.tile * t.x.dims[last];
  const int64_t units = wk_layout_count(&t.x) / t.x.dims[last] / t.x.dims[t.inner] * t.tiles;
  wk_parallel_for(units, BLOCK / row + 1, transpose_range, &t);
  return true;
}
