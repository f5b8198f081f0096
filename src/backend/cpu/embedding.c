/* SPDX-License-Identifier: Apache-2.0 */
/* Bags of rows of a table. Bags are shared among threads, and rows of a gradient, which each thread
 * adds up in the order of the indices: the bits do not depend on the number of threads. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/bags.h"
#include "ops/position.h"
#include "ops/records.gen.h"

#define BLOCK 16384 /* elements a thread takes at a time */
#define LIST 256    /* rows that are listed at a time */
#define AHEAD 8     /* rows that are fetched before they are needed */

typedef struct bag_run {
  wk_bags bags;
  int64_t padding; /* or -1 */
  int64_t width;
  bool mean, is_double;
  size_t size;         /* of an element */
  const char *x;       /* the table, or the gradients of bags */
  const char *weights; /* of rows in their bags; or NULL: 1 */
  char *y;
  int64_t *chosen;
  int64_t rows;       /* of the table */
  atomic_bool failed; /* an index is not one of them */
} bag_run;

static wk_status prepare(bag_run *r, const wk_kernel_call *call, int64_t rows, bool include_last) {
  const wk_operand *x = &call->inputs[0];
  r->width = x->layout.dims[1];
  r->size = wk_dtype_size(x->layout.dtype);
  r->is_double = x->layout.dtype == WK_F64;
  r->x = x->data, r->y = call->outputs[0].data;
  return wk_bags_make(&r->bags, &call->inputs[1], &call->inputs[2], include_last, rows);
}

/* Bags that make a piece of work. */
static int64_t block_of(const bag_run *r) {
  const int64_t all = r->bags.starts[r->bags.count], each = all / (r->bags.count + 1) + 1;
  return BLOCK / (each * r->width + 1) + 1;
}

static int64_t bag_size(const bag_run *r, int64_t bag) {
  const int64_t begin = r->bags.starts[bag], end = r->bags.starts[bag + 1];
  if (r->padding < 0) return end - begin;
  int64_t size = 0;
  for (int64_t i = begin; i < end; i++) size += r->bags.index[i] != r->padding;
  return size;
}

/* ---- sums and means ---- */

/* Rows of a bag but its padding, some at a time. */
static void add_listed(const bag_run *r, const wk_isa_resample *isa, int64_t bag, char *y) {
  int64_t list[LIST], i = r->bags.starts[bag];
  double weights[LIST];
  while (i < r->bags.starts[bag + 1]) {
    int64_t count = 0;
    for (; i < r->bags.starts[bag + 1] && count < LIST; i++) {
      if (r->bags.index[i] == r->padding) continue;
      list[count] = r->bags.index[i];
      if (r->weights)
        memcpy((char *)weights + (size_t)count * r->size, r->weights + (size_t)i * r->size,
               r->size);
      count++;
    }
    isa->add(count, count, list, r->weights ? weights : NULL, r->width, r->x, 1, y);
  }
  if (r->mean) isa->add(0, 0, list, NULL, r->width, r->x, (double)bag_size(r, bag), y);
}

/* Whether all in the bags are rows of the table. */
static bool are_rows(const bag_run *r, int64_t begin, int64_t end) {
  uint64_t most = 0;
  for (int64_t i = r->bags.starts[begin]; i < r->bags.starts[end]; i++)
    most = (uint64_t)r->bags.index[i] > most ? (uint64_t)r->bags.index[i] : most;
  return most < (uint64_t)r->rows || r->bags.starts[begin] == r->bags.starts[end];
}

static void sum_range(void *context, int64_t begin, int64_t end) {
  bag_run *r = context;
  if (!are_rows(r, begin, end)) {
    r->failed = true;
    return;
  }
  const wk_isa_resample *isa = wk_cpu_isa_get()->resample[r->is_double ? WK_ISA_F64 : WK_ISA_F32];
  const int64_t last = r->bags.starts[r->bags.count];
  memset(r->y + (size_t)(begin * r->width) * r->size, 0,
         (size_t)((end - begin) * r->width) * r->size);
  for (int64_t bag = begin; bag < end; bag++) {
    char *y = r->y + (size_t)(bag * r->width) * r->size;
    const int64_t first = r->bags.starts[bag], size = r->bags.starts[bag + 1] - first;
    if (r->padding >= 0 && bag_size(r, bag) > 0)
      add_listed(r, isa, bag, y);
    else if (r->padding < 0 && size > 0)
      isa->add(size, last - first, r->bags.index + first,
               r->weights ? r->weights + (size_t)first * r->size : NULL, r->width, r->x,
               r->mean ? (double)size : 1, y);
  }
}

wk_status wk_cpu_run_embedding_bag(const wk_kernel_call *call) {
  const wk_embedding_bag_arguments *a = call->arguments;
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1,
               .mean = a->mode == WK_BAG_MODE_MEAN,
               .weights = call->inputs[3].data};
  r.rows = call->inputs[0].layout.dims[0];
  wk_status status = prepare(&r, call, -1, a->include_last_offset);
  if (status == WK_OK) wk_parallel_for(r.bags.count, block_of(&r), sum_range, &r);
  if (r.failed) status = wk_indices_check(&call->inputs[1], r.rows, false);
  wk_bags_free(&r.bags);
  return status;
}

/* ---- the gradient ---- */

#define ADD_SCALED(type)                                                                           \
  do {                                                                                             \
    type *out = (type *)(void *)to;                                                                \
    const type *in = (const type *)(const void *)from, f = (type)factor;                           \
    for (int64_t k = 0; k < width; k++) out[k] += in[k] * f;                                       \
  } while (0)

static void add_scaled(bool is_double, char *to, const char *from, double factor, int64_t width) {
  if (is_double)
    ADD_SCALED(double);
  else
    ADD_SCALED(float);
}

static double weight_at(const bag_run *r, int64_t i) {
  if (r->is_double) return ((const double *)(const void *)r->weights)[i];
  return (double)((const float *)(const void *)r->weights)[i];
}

/* Rows begin .. end - 1 of the table's gradient. */
static void spread_range(void *context, int64_t begin, int64_t end) {
  const bag_run *r = context;
  const size_t bytes = (size_t)r->width * r->size;
  const int64_t last = r->bags.starts[r->bags.count];
  memset(r->y + (size_t)begin * bytes, 0, (size_t)(end - begin) * bytes);
  for (int64_t bag = 0; bag < r->bags.count; bag++) {
    const double each = r->mean ? 1 / (double)bag_size(r, bag) : 1;
    for (int64_t i = r->bags.starts[bag]; i < r->bags.starts[bag + 1]; i++) {
      if (i + AHEAD < last) {
        const int64_t next = r->bags.index[i + AHEAD];
        for (size_t at = 0; next >= begin && next < end && at < bytes; at += 64)
          __builtin_prefetch(r->y + (size_t)next * bytes + at, 1);
      }
      const int64_t row = r->bags.index[i];
      if (row < begin || row >= end || row == r->padding) continue;
      add_scaled(r->is_double, r->y + (size_t)row * bytes, r->x + (size_t)bag * bytes,
                 r->weights ? weight_at(r, i) : each, r->width);
    }
  }
}

wk_status wk_cpu_run_embedding_bag_gradient(const wk_kernel_call *call) {
  const wk_embedding_bag_gradient_arguments *a = call->arguments;
  const int64_t rows = call->outputs[0].layout.dims[0];
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1,
               .mean = a->mode == WK_BAG_MODE_MEAN,
               .weights = call->inputs[3].data};
  const wk_status status = prepare(&r, call, rows, a->include_last_offset);
  /* Each piece looks at all indices: few pieces. */
  const int64_t pieces = rows * r.width < BLOCK ? 1 : 2 * wk_thread_count();
  if (status == WK_OK) wk_parallel_for(rows, (rows + pieces - 1) / pieces, spread_range, &r);
  wk_bags_free(&r.bags);
  return status;
}

/* ---- the largest ---- */

#define COLUMNS 64 /* at a time */

/* What is larger than the largest so far, or the first NaN, with its place. In vectors of any
 * processor by hand: compilers make branches of the loop over elements. */
#define DEFINE_TAKE_LARGER(name, type, integer)                                                    \
  typedef type name##_vector __attribute__((vector_size(16), aligned(sizeof(type)), may_alias));   \
  typedef integer name##_mask __attribute__((vector_size(16), aligned(sizeof(type)), may_alias));  \
  static void name(const type *in, integer at, type *most, integer *place) {                       \
    const name##_mask here = (name##_mask){0} + at;                                                \
    for (int k = 0; k < COLUMNS; k += (int)(16 / sizeof(type))) {                                  \
      const name##_vector a = *(const name##_vector *)(in + k);                                    \
      const name##_vector b = *(const name##_vector *)(most + k);                                  \
      const name##_mask takes = (name##_mask) ~(a <= b) & (name##_mask)(b == b);                   \
      name##_mask *to = (name##_mask *)(place + k);                                                \
      *to = (*to & ~takes) | (here & takes);                                                       \
      *(name##_mask *)(most + k) = ((name##_mask)b & ~takes) | ((name##_mask)a & takes);           \
    }                                                                                              \
  }
DEFINE_TAKE_LARGER(take_larger_f32, float, int32_t)
DEFINE_TAKE_LARGER(take_larger_f64, double, int64_t)

static void fetch_row(const bag_run *r, int64_t row) {
  const size_t bytes = (size_t)r->width * r->size;
  for (size_t at = 0; at < bytes && at < 512; at += 64)
    __builtin_prefetch(r->x + (size_t)row * bytes + at);
}

/* Columns first .. first + count - 1 of one bag. */
#define FIND_LARGEST(type, integer, take_larger)                                                   \
  do {                                                                                             \
    type most[COLUMNS], in[COLUMNS] = {0}, *out = (type *)(void *)r->y + bag * r->width + first;   \
    integer place[COLUMNS];                                                                        \
    int64_t start = 0; /* it is chosen if all are the least there is */                            \
    while (start < size && index[start] == r->padding) start++;                                    \
    for (int k = 0; k < COLUMNS; k++)                                                              \
      most[k] = (type)-INFINITY, place[k] = start < size ? (integer)start : -1;                    \
    for (int64_t i = start; i < size; i++) {                                                       \
      if (i + AHEAD < listed) fetch_row(r, index[i + AHEAD]);                                      \
      if (index[i] == r->padding) continue;                                                        \
      const type *row = (const type *)(const void *)r->x + index[i] * r->width + first;            \
      for (int64_t k = 0; k < count && count < COLUMNS; k++) in[k] = row[k];                       \
      take_larger(count < COLUMNS ? in : row, (integer)i, most, place);                            \
    }                                                                                              \
    for (int64_t k = 0; k < count; k++) {                                                          \
      out[k] = place[k] < 0 ? 0 : most[k];                                                         \
      chosen[k] = place[k] < 0 ? -1 : index[place[k]];                                             \
    }                                                                                              \
  } while (0)

static void find_largest(const bag_run *r, int64_t bag, int64_t first) {
  const int64_t *index = r->bags.index + r->bags.starts[bag];
  const int64_t size = r->bags.starts[bag + 1] - r->bags.starts[bag];
  const int64_t left = r->width - first, count = left < COLUMNS ? left : COLUMNS;
  const int64_t listed = first == 0 ? r->bags.starts[r->bags.count] - r->bags.starts[bag] : 0;
  int64_t *chosen = r->chosen + bag * r->width + first;
  if (r->is_double)
    FIND_LARGEST(double, int64_t, take_larger_f64);
  else
    FIND_LARGEST(float, int32_t, take_larger_f32);
}

static void find_range(void *context, int64_t begin, int64_t end) {
  const bag_run *r = context;
  for (int64_t bag = begin; bag < end; bag++)
    for (int64_t first = 0; first < r->width; first += COLUMNS) find_largest(r, bag, first);
}

/* Places in a bag of f32 are numbers of 32 bits. */
const char *wk_cpu_refuse_embedding_bag_max(const wk_kernel_call *call) {
  const bool many = wk_layout_count(&call->inputs[1].layout) > INT32_MAX;
  return many ? "too many indices" : wk_cpu_refuse_unless_float(call);
}

wk_status wk_cpu_run_embedding_bag_max(const wk_kernel_call *call) {
  const wk_embedding_bag_max_arguments *a = call->arguments;
  bag_run r = {.padding = a->has_padding ? a->padding_index : -1,
               .chosen = (int64_t *)(void *)call->outputs[1].data};
  const wk_status status =
      prepare(&r, call, call->inputs[0].layout.dims[0], a->include_last_offset);
  if (status == WK_OK) wk_parallel_for(r.bags.count, block_of(&r), find_range, &r);
  wk_bags_free(&r.bags);
  return status;
}

/* ---- rows, written in place ---- */

typedef struct put_run {
  const int64_t *rows;
  const char *source;
  char *value;
  size_t bytes; /* of a row */
} put_run;

static void put_range(void *context, int64_t begin, int64_t end) {
  const put_run *r = context;
  for (int64_t i = begin; i < end; i++)
    memcpy(r->value + (size_t)r->rows[i] * r->bytes, r->source + (size_t)i * r->bytes, r->bytes);
}

wk_status wk_cpu_run_put_rows(const wk_kernel_call *call) {
  const wk_operand *value = &call->inputs[0], *rows = &call->inputs[1], *source = &call->inputs[2];
  const wk_status status = wk_indices_check(rows, value->layout.dims[0], false);
  const int64_t count = rows->layout.dims[0];
  if (status != WK_OK || count == 0) return status;
  const int64_t width = wk_layout_count(&source->layout) / count;
  put_run r = {.rows = (const int64_t *)(const void *)rows->data,
               .source = source->data,
               .value = value->data,
               .bytes = (size_t)width * wk_dtype_size(value->layout.dtype)};
  wk_parallel_for(count, BLOCK / (width + 1) + 1, put_range, &r);
  return WK_OK;
}
