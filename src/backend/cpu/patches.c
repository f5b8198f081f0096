/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/cpu/patches.h"

#include <string.h>

#include "backend/cpu/product.h"

/* A piece of a patch that lies side by side in the image: a whole line of taps where neighbouring
 * taps are neighbouring pixels and all channels are taken, otherwise one tap. */
typedef struct patch_piece {
  int64_t tap_row; /* which line of taps */
  int64_t offset;  /* elements from the grid pixel's origin in the image's line */
  int64_t length;  /* elements */
} patch_piece;

typedef struct target {
  char *to;
  int64_t stride, element; /* elements, bytes */
} target;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void clear(const target *t, int64_t rows, int64_t length) {
  for (int64_t i = 0; i < rows; i++)
    memset(t->to + i * t->stride * t->element, 0, (size_t)(length * t->element));
}

/* One row whose piece sticks out of the line at one or both ends. `at`: the piece's first element
 * in the line, possibly outside [0, end). */
static void copy_clipped(const target *t, const char *line, int64_t at, int64_t end,
                         int64_t length) {
  const int64_t first = smaller(length, larger(0, -at));
  const int64_t last = larger(first, smaller(length, end - at));
  memset(t->to, 0, (size_t)(first * t->element));
  if (last > first)
    memcpy(t->to + first * t->element, line + (at + first) * t->element,
           (size_t)((last - first) * t->element));
  memset(t->to + last * t->element, 0, (size_t)((length - last) * t->element));
}

static int64_t divide_down(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* `count` grid pixels of one line of the grid, from pixel (i, j) of the image at `image`. */
static void copy_run(const wk_patches *p, const char *image, int64_t i, int64_t j, int64_t count,
                     const patch_piece *piece, target t) {
  const int64_t y =
      p->origin_height + i * p->grid_step_height + piece->tap_row * p->tap_step_height;
  if (y < 0 || y >= p->height) {
    clear(&t, count, piece->length);
    return;
  }
  const int64_t end = p->width * p->pixel_stride, step = p->grid_step_width * p->pixel_stride;
  const char *line = image + y * end * t.element;
  int64_t at = (p->origin_width + j * p->grid_step_width) * p->pixel_stride + piece->offset;
  /* Pixels [inside, outside) of the run see the whole piece. */
  const int64_t inside = at >= 0 ? 0 : smaller(count, divide_down(-at - 1, step) + 1);
  const int64_t outside =
      smaller(count, larger(inside, divide_down(end - piece->length - at, step) + 1));
  for (int64_t k = 0; k < count; k++) {
    if (k == inside && outside > inside) {
      wk_cpu_isa_get()->product[p->real]->copy(t.to, t.stride, line + at * t.element, step,
                                               outside - inside, piece->length);
      t.to += (outside - inside) * t.stride * t.element, at += (outside - inside) * step;
      k = outside;
      if (k == count) break;
    }
    copy_clipped(&t, line, at, end, piece->length);
    t.to += t.stride * t.element, at += step;
  }
}

static void copy_piece(const wk_patches *p, int64_t row, int64_t rows, const patch_piece *piece,
                       target t) {
  const int64_t grid = p->grid_height * p->grid_width;
  const int64_t image_bytes = p->height * p->width * p->pixel_stride * t.element;
  while (rows > 0) {
    const int64_t in_image = row % grid;
    const int64_t i = in_image / p->grid_width, j = in_image % p->grid_width;
    const int64_t count = smaller(rows, p->grid_width - j);
    copy_run(p, p->images + row / grid * image_bytes, i, j, count, piece, t);
    row += count, rows -= count;
    t.to += count * t.stride * t.element;
  }
}

void wk_patches_copy(const wk_patches *p, int64_t row, int64_t rows, int64_t column,
                     int64_t columns, char *to, int64_t to_stride) {
  const bool whole_lines = p->tap_step_width == 1 && p->channels == p->pixel_stride;
  const int64_t piece_length = whole_lines ? p->taps_width * p->channels : p->channels;
  const int64_t pieces_in_line = whole_lines ? 1 : p->taps_width;
  target t = {to, to_stride, (int64_t)wk_isa_real_size(p->real)};
  while (columns > 0) {
    const int64_t index = column / piece_length, start = column % piece_length;
    const int64_t tap_column = index % pieces_in_line;
    const patch_piece piece = {index / pieces_in_line,
                               tap_column * p->tap_step_width * p->pixel_stride + start,
                               smaller(columns, piece_length - start)};
    copy_piece(p, row, rows, &piece, t);
    column += piece.length, columns -= piece.length;
    t.to += piece.length * t.element;
  }
}
