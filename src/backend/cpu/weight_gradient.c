/* SPDX-License-Identifier: Apache-2.0 */

/* weight gradient [O, taps, C] = sum over pixels of y gradient [pixel, O] times x [pixel + tap, C]:
 * outer products of rows that lie side by side already, so nothing is packed. A tile of the result
 * stays in registers over a block of pixels; the block's rows of x and of y's gradient stay in the
 * second cache while tiles go by.
 *
 * Work is cut into items: some output channels, some input channels, some taps, some images. All
 * cuts follow from the shape alone, and sums over images are added in order, so bits depend on
 * nothing else.
 *
 * With few channels, as colours, a line of taps stands for one tap: its KW * C elements lie side by
 * side in x, whose lines are copied with their padding for that, and what fills the vectors up is
 * computed and left out. With few channels of the result too, they are the vectors and elements of
 * a line of taps the rows. */

#include "backend/cpu/weight_gradient.h"

#include <string.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/scratch.h"
#include "base/parallel.h"

#define BLOCK_PIXELS 256
#define MOST_OUT 128 /* channels of an item */
#define MOST_IN 512
#define SLICE_BYTES (256 << 10)  /* of the result, for an item: stays in the second cache */
#define ITEMS 16                 /* enough to share out evenly */
#define WHOLE_VECTOR 16          /* channels: what every instruction set's vectors divide, */
#define ROW_STEP 4               /* and rows: the same of steps of rows */
#define MOST_LINE 64             /* elements of a line of taps */
#define COPY_BYTES (64 << 20)    /* of x with its padding */
#define SERIAL_WORK 4e5          /* multiply-adds; more are worth waking threads for */
#define PARTIAL_BYTES (16 << 20) /* of all sums over some of the images */

typedef struct plan {
  const wk_cpu_conv2d_shape *shape;
  const wk_isa_product *isa;
  const float *x, *y_gradient;
  float *result, *partials;
  int64_t taps, row; /* of the filter; elements of a row of the result */
  int64_t pixel;     /* elements from pixel to pixel of x */
  int64_t out_step, out_parts, in_step, in_parts, tap_step, tap_parts, image_step, image_parts;
  bool apart, more; /* sums over images have memory of their own; it adds to what is there */
} plan;

/* What an item covers, end excluded. */
typedef struct item {
  int64_t out, out_end, in, in_end, tap, tap_end, image, image_end;
  float *result; /* [O, taps, C] of its images */
} item;

/* Pixels of the result: an image's rows, or whole images. */
typedef struct block {
  int64_t image, images, row, rows;
} block;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* The shape with lines of taps for taps: see above. */
static wk_cpu_conv2d_shape shape_of_lines(const wk_cpu_conv2d_shape *s) {
  wk_cpu_conv2d_shape lines = *s;
  const int64_t seen = (s->out_width - 1) * s->stride_width + s->kernel_width;
  lines.width = larger(s->padding_left + s->width, seen);
  lines.padding_left = 0, lines.kernel_width = 1;
  lines.channels = divide_up(s->kernel_width * s->channels, WHOLE_VECTOR) * WHOLE_VECTOR;
  return lines;
}

static int64_t copied_count(const wk_cpu_conv2d_shape *s, const wk_cpu_conv2d_shape *lines) {
  return s->batch * s->height * lines->width * s->channels + lines->channels;
}

static bool is_narrow(const wk_cpu_conv2d_shape *s) { return s->channels % WHOLE_VECTOR != 0; }

typedef enum way { NONE, WHOLE, NARROW, THIN } way;

static way way_of(const wk_cpu_conv2d_shape *s) {
  const bool whole_rows = s->out_channels % ROW_STEP == 0;
  if (s->batch * s->out_height * s->out_width < BLOCK_PIXELS) return NONE;
  if (!is_narrow(s) && whole_rows) return WHOLE;
  const wk_cpu_conv2d_shape lines = shape_of_lines(s);
  const int64_t used = s->kernel_width * s->channels;
  if (s->dilation_width != 1 || used > MOST_LINE ||
      copied_count(s, &lines) * (int64_t)sizeof(float) > COPY_BYTES)
    return NONE;
  const int64_t narrow = lines.channels * s->out_channels; /* with what fills vectors up */
  const int64_t thin = divide_up(used, ROW_STEP) * ROW_STEP *
                       divide_up(s->out_channels, WHOLE_VECTOR) * WHOLE_VECTOR;
  const bool fits = whole_rows && 2 * used >= lines.channels;
  if (fits && narrow <= thin) return NARROW;
  if (s->out_channels <= MOST_OUT) return THIN;
  return fits ? NARROW : NONE;
}

bool wk_weight_gradient_fits(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  return dtype == WK_F32 && s->groups == 1 && way_of(s) != NONE;
}

static int64_t whole_batch(const wk_cpu_conv2d_shape *s, const wk_part *part) {
  return part ? part->whole : s->batch;
}

/* All cuts are those of the whole batch, of which `s` may be a part. */
static plan make_plan(const wk_cpu_conv2d_shape *s, const wk_part *part) {
  const int64_t batch = whole_batch(s, part);
  plan p = {.shape = s, .isa = wk_cpu_isa_get()->product[WK_ISA_F32]};
  p.pixel = s->channels;
  p.taps = s->kernel_height * s->kernel_width, p.row = p.taps * s->channels;
  p.out_step = smaller(s->out_channels, MOST_OUT);
  p.in_step = smaller(s->channels, MOST_IN);
  p.out_parts = divide_up(s->out_channels, p.out_step);
  p.in_parts = divide_up(s->channels, p.in_step);
  const int64_t tap_bytes = p.out_step * p.in_step * (int64_t)sizeof(float);
  p.tap_parts = divide_up(p.taps, larger(1, SLICE_BYTES / tap_bytes));
  p.tap_step = divide_up(p.taps, p.tap_parts);
  p.tap_parts = divide_up(p.taps, p.tap_step);
  const int64_t items = p.out_parts * p.in_parts * p.tap_parts;
  const int64_t most = PARTIAL_BYTES / (s->out_channels * p.row * (int64_t)sizeof(float));
  const int64_t parts = larger(1, smaller(smaller(batch, most), divide_up(ITEMS, items)));
  p.image_step = divide_up(batch, parts);
  p.image_parts = divide_up(s->batch, p.image_step);
  p.apart = p.image_step < batch, p.more = part && part->begin > 0;
  return p;
}

/* ---- one item ---- */

/* Output places [*first, *last) whose tap at `offset` lies inside x. */
static void find_inside(int64_t out, int64_t size, int64_t stride, int64_t offset, int64_t *first,
                        int64_t *last) {
  *first = offset >= 0 ? 0 : smaller(out, divide_up(-offset, stride));
  *last = offset >= size ? 0 : smaller(out, (size - 1 - offset) / stride + 1);
  if (*last < *first) *last = *first;
}

static void join_lines(wk_outer_walk *w) {
  if (w->a_line == w->a_step * w->columns && w->b_line == w->b_step * w->columns)
    w->columns *= w->lines, w->lines = 1;
  if (w->lines == 1 && w->a_plane == w->a_step * w->columns && w->b_plane == w->b_step * w->columns)
    w->columns *= w->planes, w->planes = 1;
}

static void run_tiles(const plan *p, const item *it, const wk_outer_walk *walk, int64_t tap,
                      const float *a, const float *b) {
  const int64_t lanes = p->isa->vector_columns, step = p->isa->row_step;
  for (int64_t in = it->in, width; in < it->in_end; in += width) {
    width = smaller(2 * lanes, it->in_end - in);
    for (int64_t out = it->out, rows; out < it->out_end; out += rows) {
      rows = smaller(step * p->isa->row_steps, it->out_end - out);
      float *c = it->result + out * p->row + tap * p->shape->channels + in;
      p->isa->outer[rows / step - 1][width / lanes - 1](walk, a + out, b + in, c, c);
    }
  }
}

static void run_tap(const plan *p, const item *it, const block *at, int64_t tap) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t down = tap / s->kernel_width * s->dilation_height - s->padding_top;
  const int64_t across = tap % s->kernel_width * s->dilation_width - s->padding_left;
  int64_t row, row_end, column, column_end;
  find_inside(s->out_height, s->height, s->stride_height, down, &row, &row_end);
  find_inside(s->out_width, s->width, s->stride_width, across, &column, &column_end);
  row = larger(row, at->row), row_end = smaller(row_end, at->row + at->rows);
  if (row >= row_end || column >= column_end) return;
  wk_outer_walk walk = {.planes = at->images,
                        .lines = row_end - row,
                        .columns = column_end - column,
                        .a_row = 1,
                        .a_plane = s->out_height * s->out_width * s->out_channels,
                        .a_line = s->out_width * s->out_channels,
                        .a_step = s->out_channels,
                        .b_plane = s->height * s->width * p->pixel,
                        .b_line = s->stride_height * s->width * p->pixel,
                        .b_step = s->stride_width * p->pixel,
                        .base_row = p->row,
                        .c_row = p->row};
  const float *a =
      p->y_gradient + at->image * walk.a_plane + row * walk.a_line + column * walk.a_step;
  const int64_t first = (row * s->stride_height + down) * s->width + column * s->stride_width;
  const float *b = p->x + at->image * walk.b_plane + (first + across) * p->pixel;
  join_lines(&walk);
  run_tiles(p, it, &walk, tap, a, b);
}

/* Images of a block. */
static int64_t block_images(const wk_cpu_conv2d_shape *s) {
  return larger(1, BLOCK_PIXELS / (s->out_height * s->out_width));
}

static void run_item(const plan *p, const item *it) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t images = block_images(s);
  const int64_t rows = images > 1 ? s->out_height : larger(1, BLOCK_PIXELS / s->out_width);
  for (int64_t out = it->out; out < it->out_end && (p->apart || !p->more); out++)
    for (int64_t tap = it->tap; tap < it->tap_end; tap++)
      memset(it->result + out * p->row + tap * s->channels + it->in, 0,
             (size_t)(it->in_end - it->in) * sizeof(float));
  for (int64_t image = it->image; image < it->image_end; image += images)
    for (int64_t row = 0; row < s->out_height; row += rows) {
      const block at = {image, smaller(images, it->image_end - image), row,
                        smaller(rows, s->out_height - row)};
      for (int64_t tap = it->tap; tap < it->tap_end; tap++) run_tap(p, it, &at, tap);
    }
}

/* ---- all of them ---- */

static void run_items(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const wk_cpu_conv2d_shape *s = p->shape;
  for (int64_t i = begin; i < end; i++) {
    int64_t rest = i;
    const int64_t tap = rest % p->tap_parts * p->tap_step;
    const int64_t in = (rest /= p->tap_parts) % p->in_parts * p->in_step;
    const int64_t out = (rest /= p->in_parts) % p->out_parts * p->out_step;
    const int64_t part = rest / p->out_parts, image = part * p->image_step;
    const item it = {.out = out,
                     .out_end = smaller(out + p->out_step, s->out_channels),
                     .in = in,
                     .in_end = smaller(in + p->in_step, s->channels),
                     .tap = tap,
                     .tap_end = smaller(tap + p->tap_step, p->taps),
                     .image = image,
                     .image_end = smaller(image + p->image_step, s->batch),
                     .result =
                         p->apart ? p->partials + part * s->out_channels * p->row : p->result};
    run_item(p, &it);
  }
}

static void add_partials(void *context, int64_t begin, int64_t end) {
  const plan *p = context;
  const int64_t size = p->shape->out_channels * p->row, count = (end - begin) * p->row;
  float *to = p->result + begin * p->row;
  const float *from = p->partials + begin * p->row;
  if (!p->more) memcpy(to, from, (size_t)count * sizeof(float));
  for (int64_t i = p->more ? 0 : 1; i < p->image_parts; i++)
    p->isa->add(to, from + i * size, count);
}

static int64_t partial_count(const plan *p) {
  return p->apart ? p->image_parts * p->shape->out_channels * p->row : 0;
}

static void run_plan(plan *p) {
  const wk_cpu_conv2d_shape *s = p->shape;
  const int64_t items = p->image_parts * p->out_parts * p->in_parts * p->tap_parts;
  const int64_t pixels = s->batch * s->out_height * s->out_width;
  const double work = (double)pixels * (double)s->out_channels * (double)p->row;
  wk_parallel_for(items, work < SERIAL_WORK ? items : 1, run_items, p);
  if (p->apart) wk_parallel_for(p->shape->out_channels, 16, add_partials, p);
}

/* ---- few channels ---- */

typedef struct line_copy {
  const wk_cpu_conv2d_shape *shape;
  int64_t width; /* with padding */
  const float *from;
  float *to;
} line_copy;

static void copy_lines(void *context, int64_t begin, int64_t end) {
  const line_copy *c = context;
  const wk_cpu_conv2d_shape *s = c->shape;
  const size_t left = (size_t)(s->padding_left * s->channels);
  const size_t middle = (size_t)(s->width * s->channels);
  const size_t right = (size_t)(c->width * s->channels) - left - middle;
  for (int64_t i = begin; i < end; i++) {
    float *to = c->to + i * c->width * s->channels;
    memset(to, 0, left * sizeof(float));
    memcpy(to + left, c->from + i * s->width * s->channels, middle * sizeof(float));
    memset(to + left + middle, 0, right * sizeof(float));
  }
}

static wk_status run_narrow(const wk_cpu_conv2d_shape *s, const float *x, const float *y_gradient,
                            float *weight_gradient, const wk_part *part) {
  const wk_cpu_conv2d_shape lines = shape_of_lines(s);
  plan p = make_plan(&lines, part);
  const int64_t partials = partial_count(&p), rows = s->out_channels * s->kernel_height;
  const int64_t copied = copied_count(s, &lines), count = copied + partials + rows * lines.channels;
  float *memory = wk_cpu_scratch((size_t)count * sizeof(float));
  if (!memory) return WK_ERROR_MEMORY;
  line_copy copy = {s, lines.width, x, memory};
  memset(memory + copied - lines.channels, 0, (size_t)lines.channels * sizeof(float));
  wk_parallel_for(s->batch * s->height, 16, copy_lines, &copy);
  p.pixel = s->channels, p.x = memory, p.y_gradient = y_gradient;
  p.partials = memory + copied, p.result = p.partials + partials;
  const int64_t line = s->kernel_width * s->channels;
  if (p.more) {
    memset(p.result, 0, (size_t)(rows * lines.channels) * sizeof(float));
    p.isa->copy(p.result, lines.channels, weight_gradient, line, rows, line);
  }
  run_plan(&p);
  p.isa->copy(weight_gradient, line, p.result, lines.channels, rows, line);
  return WK_OK;
}

/* ---- few channels on both sides ---- */

typedef struct thin {
  const wk_cpu_conv2d_shape *shape;
  const wk_isa_product *isa;
  const float *x, *y_gradient, *last_line; /* lines of x with padding; y's last line, copied: */
  int64_t width;                           /* a vector reads on behind it */
  int64_t line, rows, columns;             /* elements of a line of taps; rounded up; channels */
  int64_t count, image_step, parts;        /* elements of a sum over some images */
  float *partials;                         /* [parts, KH, rows, columns] */
  bool ends;                               /* with the batch's last image */
} thin;

/* Lines [row, row_end) of one image, seen through one line of taps. */
static void run_thin_lines(const thin *t, int64_t image, int64_t row, int64_t row_end, int64_t tap,
                           const float *gradient, float *sums) {
  const wk_cpu_conv2d_shape *s = t->shape;
  const int64_t down = tap * s->dilation_height - s->padding_top;
  int64_t first, last;
  find_inside(s->out_height, s->height, s->stride_height, down, &first, &last);
  first = larger(first, row), last = smaller(last, row_end);
  if (first >= last) return;
  const wk_outer_walk walk = {.planes = 1,
                              .lines = last - first,
                              .columns = s->out_width,
                              .a_row = 1,
                              .a_line = s->stride_height * t->width * s->channels,
                              .a_step = s->stride_width * s->channels,
                              .b_line = s->out_width * s->out_channels,
                              .b_step = s->out_channels,
                              .base_row = t->columns,
                              .c_row = t->columns};
  const int64_t at = image * s->height + first * s->stride_height + down;
  const float *a = t->x + at * t->width * s->channels;
  const float *b = gradient + (first - row) * walk.b_line;
  const int64_t lanes = t->isa->vector_columns, step = t->isa->row_step;
  sums += tap * t->rows * t->columns;
  for (int64_t j = 0, width; j < t->columns; j += width) {
    width = smaller(2 * lanes, t->columns - j);
    for (int64_t i = 0, rows; i < t->rows; i += rows) {
      rows = smaller(step * t->isa->row_steps, t->rows - i);
      float *c = sums + i * t->columns + j;
      t->isa->outer[rows / step - 1][width / lanes - 1](&walk, a + i, b + j, c, c);
    }
  }
}

static void run_thin_parts(void *context, int64_t begin, int64_t end) {
  const thin *t = context;
  const wk_cpu_conv2d_shape *s = t->shape;
  const int64_t line = s->out_width * s->out_channels;
  const int64_t step = larger(1, BLOCK_PIXELS / s->out_width);
  for (int64_t part = begin; part < end; part++) {
    float *sums = t->partials + part * t->count;
    memset(sums, 0, (size_t)t->count * sizeof(float));
    const int64_t image_end = smaller(s->batch, (part + 1) * t->image_step);
    for (int64_t image = part * t->image_step; image < image_end; image++) {
      const int64_t rows = s->out_height - (t->ends && image == s->batch - 1); /* apart */
      const float *gradient = t->y_gradient + image * s->out_height * line;
      for (int64_t row = 0; row < rows; row += step)
        for (int64_t tap = 0; tap < s->kernel_height; tap++)
          run_thin_lines(t, image, row, smaller(row + step, rows), tap, gradient + row * line,
                         sums);
      for (int64_t tap = 0; rows < s->out_height && tap < s->kernel_height; tap++)
        run_thin_lines(t, image, rows, rows + 1, tap, t->last_line, sums);
    }
  }
}

static wk_status run_thin(const wk_cpu_conv2d_shape *s, const float *x, const float *y_gradient,
                          float *weight_gradient, const wk_part *part) {
  const wk_cpu_conv2d_shape lines = shape_of_lines(s);
  const int64_t batch = whole_batch(s, part), more = part && part->begin > 0;
  thin t = {.shape = s, .isa = wk_cpu_isa_get()->product[WK_ISA_F32], .width = lines.width};
  t.y_gradient = y_gradient, t.line = s->kernel_width * s->channels;
  t.ends = !part || part->begin + s->batch == batch;
  t.rows = divide_up(t.line, ROW_STEP) * ROW_STEP;
  t.columns = divide_up(s->out_channels, WHOLE_VECTOR) * WHOLE_VECTOR;
  t.count = s->kernel_height * t.rows * t.columns;
  t.image_step = divide_up(batch, ITEMS), t.parts = divide_up(s->batch, t.image_step);
  const int64_t copied = copied_count(s, &lines), last = s->out_width * s->out_channels;
  const int64_t count = copied + (more + t.parts) * t.count + last + t.columns;
  float *memory = wk_cpu_scratch((size_t)count * sizeof(float));
  if (!memory) return WK_ERROR_MEMORY;
  line_copy copy = {s, lines.width, x, memory};
  memset(memory + copied - lines.channels, 0, (size_t)lines.channels * sizeof(float));
  wk_parallel_for(s->batch * s->height, 16, copy_lines, &copy);
  float *sums = memory + copied; /* what the parts before this one left, and those of this one */
  if (more) memset(sums, 0, (size_t)t.count * sizeof(float));
  for (int64_t tap = 0; more && tap < s->kernel_height; tap++)
    t.isa->transpose(sums + tap * t.rows * t.columns, t.columns, weight_gradient + tap * t.line,
                     s->kernel_height * t.line, s->out_channels, t.line);
  t.x = memory, t.partials = sums + more * t.count;
  float *last_line = t.partials + t.parts * t.count;
  memcpy(last_line, y_gradient + (s->batch * s->out_height - 1) * last,
         (size_t)last * sizeof(float));
  memset(last_line + last, 0, (size_t)t.columns * sizeof(float));
  t.last_line = last_line;
  wk_parallel_for(t.parts, 1, run_thin_parts, &t);
  for (int64_t i = 1; i < more + t.parts; i++) t.isa->add(sums, sums + i * t.count, t.count);
  for (int64_t tap = 0; tap < s->kernel_height; tap++)
    t.isa->transpose(weight_gradient + tap * t.line, s->kernel_height * t.line,
                     sums + tap * t.rows * t.columns, t.columns, t.line, s->out_channels);
  return WK_OK;
}

wk_status wk_weight_gradient_run(const wk_cpu_conv2d_shape *shape, const float *x,
                                 const float *y_gradient, float *weight_gradient,
                                 const wk_part *part) {
  wk_cpu_conv2d_shape whole = *shape;
  whole.batch = whole_batch(shape, part);
  const way how = way_of(&whole);
  if (how == NARROW) return run_narrow(shape, x, y_gradient, weight_gradient, part);
  if (how == THIN) return run_thin(shape, x, y_gradient, weight_gradient, part);
  plan p = make_plan(shape, part);
  p.x = x, p.y_gradient = y_gradient, p.result = weight_gradient;
  if (p.apart) {
    p.partials = wk_cpu_scratch((size_t)partial_count(&p) * sizeof(float));
    if (!p.partials) return WK_ERROR_MEMORY;
  }
  run_plan(&p);
  return WK_OK;
}

int64_t wk_weight_gradient_step(const wk_cpu_conv2d_shape *s) {
  const way how = way_of(s);
  if (how == THIN) return divide_up(s->batch, ITEMS);
  const wk_cpu_conv2d_shape lines = how == NARROW ? shape_of_lines(s) : *s;
  const plan p = make_plan(&lines, NULL);
  return p.apart ? p.image_step : block_images(s);
}
