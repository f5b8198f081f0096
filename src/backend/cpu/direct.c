/* SPDX-License-Identifier: Apache-2.0 */

/* A tile of the result, some neighbouring pixels by one or two vectors of channels, stays in
 * registers while it is summed over the window: pixel by pixel elements of x that lie side by side
 * for a line of taps, times rows of the packed filters. Lines of x are copied with their padding
 * first, which is little beside the patches that overlap so much.
 *
 * An element's terms are added in the order of the filter, from zero, then the bias: bits depend on
 * nothing else. */

#include "backend/cpu/direct.h"

#include <string.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

#define PIECE_BYTES (128 << 10) /* of padded lines of x: they stay in the second cache */
#define PIECES 16               /* enough to share out evenly */
#define SERIAL_WORK 4e5         /* multiply-adds; more are worth waking threads for */
#define MOST_DEPTH 2048         /* terms of a sum: a panel of filters stays in the second cache */

typedef struct plan {
  const wk_cpu_conv2d_shape *shape;
  const wk_isa_product *isa;
  const float *x, *weight;
  bool reversed; /* the weight's taps and sides are swapped: for the gradient of the data */
  float *y;
  const wk_after *after;
  int64_t depth;         /* terms of a sum */
  int64_t panel, panels; /* channels of the result that are computed together */
  int64_t rows, pieces;  /* of the result, and how many such pieces an image has */
  int64_t width;         /* of padded lines of x */
  float *filters, *bias, *padded;
  int64_t padded_count; /* of one thread */
} plan;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- planning ---- */

static bool is_pointwise(const wk_cpu_conv2d_shape *s) {
  return s->kernel_height * s->kernel_width == 1;
}

bool wk_direct_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  return dtype == WK_F32 && s->groups == 1 && !is_pointwise(s) &&
         s->kernel_height * s->kernel_width * s->channels <= MOST_DEPTH;
}

/* The gradient of x as the convolution of y's gradient that it is. */
static wk_cpu_conv2d_shape shape_of_gradient(const wk_cpu_conv2d_shape *s) {
  wk_cpu_conv2d_shape g = *s;
  g.height = s->out_height, g.width = s->out_width, g.channels = s->out_channels;
  g.out_height = s->height, g.out_width = s->width, g.out_channels = s->channels;
  g.padding_top = (s->kernel_height - 1) * s->dilation_height - s->padding_top;
  g.padding_left = (s->kernel_width - 1) * s->dilation_width - s->padding_left;
  return g;
}

bool wk_direct_data_gradient_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  const wk_cpu_conv2d_shape g = shape_of_gradient(s);
  return s->stride_height == 1 && s->stride_width == 1 && g.padding_top >= 0 &&
         g.padding_left >= 0 && wk_direct_fits(dtype, &g);
}

/* Lines of x that `rows` rows of the result see. */
static int64_t lines_of(const wk_cpu_conv2d_shape *s, int64_t rows) {
  return (rows - 1) * s->stride_height + (s->kernel_height - 1) * s->dilation_height + 1;
}

static plan make_plan(const wk_cpu_conv2d_shape *s) {
  plan p = {.shape = s, .isa = wk_cpu_isa_get()->product[WK_ISA_F32]};
  const int64_t seen =
      (s->out_width - 1) * s->stride_width + (s->kernel_width - 1) * s->dilation_width + 1;
  p.depth = s->kernel_height * s->kernel_width * s->channels;
  p.panel = 2 * p.isa->vector_columns;
  p.panels = divide_up(s->out_channels, p.panel);
  p.width = larger(s->padding_left + s->width, seen);
  const int64_t line_bytes = p.width * s->channels * (int64_t)sizeof(float);
  const int64_t lines = PIECE_BYTES / larger(1, line_bytes) - lines_of(s, 1);
  const int64_t most = larger(1, 1 + lines / s->stride_height);
  p.rows = smaller(most, divide_up(s->out_height, divide_up(PIECES, larger(1, s->batch))));
  p.rows = larger(1, p.rows);
  p.pieces = divide_up(s->out_height, p.rows);
  /* A tile may have more rows than there are pixels left. */
  p.padded_count =
      (lines_of(s, p.rows) * p.width + p.isa->row_step * s->stride_width) * s->channels;
  p.padded_count = divide_up(p.padded_count, 16) * 16;
  return p;
}

/* ---- packing the filters ---- */

static int64_t panel_width(const plan *p, int64_t panel) {
  const int64_t lanes = p->isa->vector_columns;
  return smaller(p->panel, divide_up(p->shape->out_channels - panel * p->panel, lanes) * lanes);
}

static void pack_panels(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t taps = s->kernel_height * s->kernel_width;
  for (int64_t panel = begin; panel < end; panel++) {
    const int64_t first = panel * p->panel, width = panel_width(p, panel);
    const int64_t columns = smaller(width, s->out_channels - first);
    float *to = p->filters + first * p->depth;
    if (columns < width) memset(to, 0, (size_t)(p->depth * width) * sizeof(float));
    if (!p->reversed) {
      p->isa->transpose(to, width, p->weight + first * p->depth, p->depth, columns, p->depth);
      continue;
    }
    for (int64_t tap = 0; tap < taps; tap++, to += s->channels * width)
      p->isa->copy(to, width, p->weight + (taps - 1 - tap) * s->out_channels + first,
                   taps * s->out_channels, s->channels, columns);
  }
}

/* ---- one piece of an image ---- */

/* Lines of x with their padding, those that output rows from `row` on see. */
static void copy_lines(const plan *p, const float *image, int64_t row, int64_t rows, float *to) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const size_t left = (size_t)(s->padding_left * s->channels) * sizeof(float);
  const size_t line = (size_t)(p->width * s->channels) * sizeof(float);
  const size_t middle = (size_t)(s->width * s->channels) * sizeof(float);
  int64_t at = row * s->stride_height - s->padding_top;
  for (int64_t i = lines_of(s, rows); i > 0; i--, at++, to += p->width * s->channels) {
    if (at < 0 || at >= s->height) {
      memset(to, 0, line);
      continue;
    }
    memset(to, 0, left);
    memcpy((char *)to + left, image + at * s->width * s->channels, middle);
    memset((char *)to + left + middle, 0, line - left - middle);
  }
}

static wk_outer_walk walk_of(const plan *p, int64_t panel) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t width = panel_width(p, panel);
  const bool joined = s->dilation_width == 1; /* a line of taps lies side by side */
  wk_outer_walk w = {.planes = joined ? 1 : s->kernel_height,
                     .lines = joined ? s->kernel_height : s->kernel_width,
                     .columns = joined ? s->kernel_width * s->channels : s->channels,
                     .a_row = s->stride_width * s->channels,
                     .a_plane = s->dilation_height * p->width * s->channels,
                     .a_step = 1,
                     .b_step = width,
                     .c_row = s->out_channels};
  w.a_line = joined ? w.a_plane : s->dilation_width * s->channels;
  w.b_line = w.columns * width, w.b_plane = w.lines * w.b_line;
  return w;
}

/* Where a tile would write behind the piece's end, it is computed beside it. */
static void run_tile(const plan *p, const wk_outer_walk *walk, int64_t panel, int64_t pixels,
                     const float *a, float *c, const float *end) {
  const int64_t lanes = p->isa->vector_columns, step = p->isa->row_step;
  const int64_t first = panel * p->panel, width = panel_width(p, panel);
  const int64_t columns = smaller(width, p->shape->out_channels - first);
  const int64_t steps = divide_up(pixels, step), last = (steps * step - 1) * walk->c_row + width;
  const wk_outer_function run = p->isa->outer[steps - 1][width / lanes - 1];
  const float *b = p->filters + first * p->depth, *bias = p->bias + first;
  if (last <= end - c && (columns == width || p->panels == 1)) {
    run(walk, a, b, bias, c);
    return;
  }
  float tile[WK_PRODUCT_MAX_TILE_ROWS * WK_PRODUCT_MAX_TILE_COLUMNS];
  wk_outer_walk beside = *walk;
  beside.c_row = width;
  run(&beside, a, b, bias, tile);
  for (int64_t i = 0; i < pixels; i++)
    memcpy(c + i * walk->c_row, tile + i * width, (size_t)columns * sizeof(float));
}

/* Later tiles write over what earlier ones left behind their pixels. */
static void run_piece(const plan *p, const float *padded, int64_t rows, float *y) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t step = p->isa->row_step, steps = divide_up(s->out_width, step);
  const int64_t tiles = divide_up(steps, p->isa->row_steps); /* of about the same size */
  const float *end = y + rows * s->out_width * s->out_channels;
  for (int64_t panel = 0; panel < p->panels; panel++) {
    const wk_outer_walk walk = walk_of(p, panel);
    for (int64_t row = 0; row < rows; row++) {
      const float *line = padded + row * s->stride_height * p->width * s->channels;
      float *to = y + row * s->out_width * s->out_channels + panel * p->panel;
      for (int64_t i = 0; i < tiles; i++) {
        const int64_t at = i * steps / tiles * step;
        const int64_t next = smaller((i + 1) * steps / tiles * step, s->out_width);
        run_tile(p, &walk, panel, next - at, line + at * walk.a_row, to + at * s->out_channels,
                 end);
      }
    }
  }
}

static void run_pieces(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const wk_cpu_conv2d_shape *s = p->shape;
  float *padded = p->padded + wk_parallel_index() * p->padded_count;
  for (int64_t i = begin; i < end; i++) {
    const int64_t image = i / p->pieces, row = i % p->pieces * p->rows;
    const int64_t rows = smaller(p->rows, s->out_height - row);
    copy_lines(p, p->x + image * s->height * s->width * s->channels, row, rows, padded);
    const int64_t pixel = (image * s->out_height + row) * s->out_width;
    run_piece(p, padded, rows, p->y + pixel * s->out_channels);
    if (p->after) p->after->run(p->after, pixel, pixel + rows * s->out_width);
  }
}

/* ---- all of them ---- */

static wk_status run_plan(plan *p, const float *bias) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t channels = p->panels * p->panel, threads = wk_thread_count();
  const int64_t count = channels * (p->depth + 1) + threads * p->padded_count;
  p->filters = wk_cpu_scratch((size_t)count * sizeof(float));
  if (!p->filters) return WK_ERROR_MEMORY;
  p->bias = p->filters + channels * p->depth, p->padded = p->bias + channels;
  memset(p->bias, 0, (size_t)channels * sizeof(float));
  if (bias) memcpy(p->bias, bias, (size_t)s->out_channels * sizeof(float));
  memset(p->padded, 0, (size_t)(threads * p->padded_count) * sizeof(float));
  const double filter = (double)p->depth * (double)s->out_channels;
  const int64_t pieces = s->batch * p->pieces;
  const bool serial =
      filter * (double)s->batch * (double)(s->out_height * s->out_width) < SERIAL_WORK;
  wk_parallel_for(p->panels, filter < SERIAL_WORK ? p->panels : 1, pack_panels, p);
  wk_parallel_for(pieces, serial ? larger(1, pieces) : 1, run_pieces, p);
  return WK_OK;
}

wk_status wk_direct_run(const wk_cpu_conv2d_shape *shape, const float *x, const float *weight,
                        const float *bias, float *y, const wk_after *after) {
  plan p = make_plan(shape);
  p.x = x, p.weight = weight, p.y = y, p.after = after;
  return run_plan(&p, bias);
}

wk_status wk_direct_data_gradient_run(const wk_cpu_conv2d_shape *shape, const float *y_gradient,
                                      const float *weight, float *x_gradient) {
  const wk_cpu_conv2d_shape g = shape_of_gradient(shape);
  plan p = make_plan(&g);
  p.x = y_gradient, p.weight = weight, p.reversed = true, p.y = x_gradient;
  return run_plan(&p, NULL);
}
