/* SPDX-License-Identifier: Apache-2.0 */

/* Recurrent layers: at each step one product for all sequences, then the gates, for which threads
 * share the sequences. */

#include <string.h>

#include "backend/cpu/isa.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

typedef struct work {
  const wk_cpu_recurrent *r;
  const wk_isa_recurrent *isa;
  int64_t size; /* of a row of hidden units, in bytes */
  int64_t step;
  const char *projected, *before, *saved, *y; /* before: the first state */
  char *kept, *result;                        /* forward: saved and y; */
  char *hidden, *cell;                        /* the running states, or their gradients */
  char *product;                              /* of gru forward; of both backward */
  wk_cpu_recurrent_gradients g;
  char *to_projected, *to_recurrent;
} work;

static work make_work(const wk_cpu_recurrent *r) {
  const wk_isa_real real = wk_isa_real_of(r->dtype);
  return (work){.r = r,
                .isa = wk_cpu_isa_get()->recurrent[real],
                .size = r->size * (int64_t)wk_isa_real_size(real)};
}

static bool counts(const work *w, int64_t n, int64_t step) {
  return step >= 0 && step < (w->r->lengths ? w->r->lengths[n] : w->r->steps);
}

/* Where the row of sequence n at a step begins in a tensor [batch, steps, parts]. */
static int64_t row_at(const work *w, int64_t n, int64_t step, int64_t parts) {
  return (n * w->r->steps + step) * parts * w->size;
}

static const char *maybe_at(const void *data, int64_t at) {
  return data ? (const char *)data + at : NULL;
}

static void for_rows(work *w, void (*run)(void *context, int64_t begin, int64_t end)) {
  wk_parallel_for(w->r->batch, 2048 / (w->r->size + 1) + 1, run, w);
}

/* The step before in the layer's own direction. */
static int64_t step_before(const work *w) { return w->step + (w->r->reverse ? 1 : -1); }

/* Row n of the state before: the first one where no step that counts came before. `parts`: of the
 * tensor `of` that holds states, in its part `part`. */
static const char *state_before(const work *w, int64_t n, const char *of, int64_t parts,
                                int64_t part) {
  const int64_t step = step_before(w);
  if (!counts(w, n, step)) return w->before + n * w->size;
  return of + row_at(w, n, step, parts) + part * w->size;
}

/* The i-th step in the layer's direction; in the opposite one if `back`. */
static int64_t step_at(const wk_cpu_recurrent *r, int64_t i, bool back) {
  return r->reverse != back ? r->steps - 1 - i : i;
}

/* weight [rows, size] turned, so that products need not pack it. */
static char *turned(const work *w, const void *weight, int64_t rows) {
  const wk_isa_real real = wk_isa_real_of(w->r->dtype);
  char *to = wk_allocate_aligned(64, (size_t)(rows * w->size) + 64);
  if (to)
    wk_cpu_isa_get()->product[real]->transpose(to, rows, weight, w->r->size, rows, w->r->size);
  return to;
}

/* ---- lstm ---- */

static void load_gates(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++)
    memcpy(w->kept + row_at(w, n, w->step, 5), w->projected + row_at(w, n, w->step, 4),
           (size_t)(4 * w->size));
}

static void run_lstm(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++) {
    char *kept = w->kept + row_at(w, n, w->step, 5), *y = w->result + row_at(w, n, w->step, 1);
    if (!counts(w, n, w->step)) {
      memset(kept, 0, (size_t)(5 * w->size));
      memset(y, 0, (size_t)w->size);
      continue;
    }
    w->isa->lstm(w->r->size, kept, w->cell + n * w->size, y);
    memcpy(w->hidden + n * w->size, y, (size_t)w->size);
  }
}

wk_status wk_cpu_lstm(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                      const void *hidden, const void *cell, void *y, void *final, void *saved) {
  work w = make_work(r);
  const size_t states = (size_t)(r->batch * w.size);
  w.projected = projected;
  w.kept = saved;
  w.result = y;
  w.hidden = final;
  w.cell = (char *) final + states;
  if (states) memcpy(w.hidden, hidden, states), memcpy(w.cell, cell, states);
  char *columns = turned(&w, weight, 4 * r->size);
  wk_status status = columns ? WK_OK : wk_error_status();
  for (int64_t i = 0; status == WK_OK && i < r->steps; i++) {
    w.step = step_at(r, i, false);
    for_rows(&w, load_gates);
    status = wk_cpu_gemm(r->dtype, &(wk_cpu_gemm_operands){.m = r->batch,
                                                           .n = 4 * r->size,
                                                           .k = r->size,
                                                           .a = w.hidden,
                                                           .a_row_stride = r->size,
                                                           .a_column_stride = 1,
                                                           .b = columns,
                                                           .b_row_stride = 4 * r->size,
                                                           .b_column_stride = 1,
                                                           .c = w.kept + row_at(&w, 0, w.step, 5),
                                                           .c_row_stride = r->steps * 5 * r->size,
                                                           .accumulate = true});
    for_rows(&w, run_lstm);
  }
  wk_deallocate(columns);
  return status;
}

/* ---- gradients ---- */

/* product [batch, size] = the gradients of one step's gates times the weight. */
static wk_status multiply_back(const work *w, const char *gates, int64_t parts,
                               const void *weight) {
  const wk_cpu_recurrent *r = w->r;
  return wk_cpu_gemm(r->dtype, &(wk_cpu_gemm_operands){.m = r->batch,
                                                       .n = r->size,
                                                       .k = parts * r->size,
                                                       .a = gates + row_at(w, 0, w->step, parts),
                                                       .a_row_stride = r->steps * parts * r->size,
                                                       .a_column_stride = 1,
                                                       .b = weight,
                                                       .b_row_stride = r->size,
                                                       .b_column_stride = 1,
                                                       .c = w->product,
                                                       .c_row_stride = r->size});
}

static void load_states(char *to, const void *from, size_t bytes) {
  if (from)
    memcpy(to, from, bytes);
  else
    memset(to, 0, bytes);
}

static void run_lstm_back(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++) {
    char *to = w->to_projected + row_at(w, n, w->step, 4);
    if (!counts(w, n, w->step)) {
      memset(to, 0, (size_t)(4 * w->size));
      continue;
    }
    const int64_t row = row_at(w, n, w->step, 1);
    w->isa->lstm_gradient(w->r->size, w->saved + 5 * row, state_before(w, n, w->saved, 5, 4),
                          maybe_at(w->g.y, row), maybe_at(w->g.saved, 5 * row),
                          w->hidden + n * w->size, w->cell + n * w->size, to);
  }
}

/* What the product gives to the hidden gradients of sequences that were at this step. */
static void store_lstm_back(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++)
    if (counts(w, n, w->step))
      memcpy(w->hidden + n * w->size, w->product + n * w->size, (size_t)w->size);
}

wk_status wk_cpu_lstm_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                               const void *weight, const void *cell, const void *saved,
                               void *projected_gradient, void *hidden_gradient,
                               void *cell_gradient) {
  work w = make_work(r);
  const size_t states = (size_t)(r->batch * w.size);
  w.g = *g;
  w.before = cell;
  w.saved = saved;
  w.to_projected = projected_gradient;
  w.hidden = hidden_gradient;
  w.cell = cell_gradient;
  w.product = wk_allocate_aligned(64, states + 64);
  if (!w.product) return wk_error_status();
  load_states(w.hidden, g->final, states);
  load_states(w.cell, maybe_at(g->final, (int64_t)states), states);
  wk_status status = WK_OK;
  for (int64_t i = 0; status == WK_OK && i < r->steps; i++) {
    w.step = step_at(r, i, true);
    for_rows(&w, run_lstm_back);
    status = multiply_back(&w, w.to_projected, 4, weight);
    for_rows(&w, store_lstm_back);
  }
  wk_deallocate(w.product);
  return status;
}

/* ---- gru ---- */

static void run_gru(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++) {
    const int64_t row = row_at(w, n, w->step, 1);
    if (counts(w, n, w->step)) {
      w->isa->gru(w->r->size, w->projected + 3 * row, w->product + 3 * n * w->size,
                  w->kept + 4 * row, w->hidden + n * w->size, w->result + row);
    } else {
      memset(w->kept + 4 * row, 0, (size_t)(4 * w->size));
      memset(w->result + row, 0, (size_t)w->size);
    }
  }
}

wk_status wk_cpu_gru(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                     const void *bias, const void *hidden, void *y, void *final, void *saved) {
  work w = make_work(r);
  const size_t states = (size_t)(r->batch * w.size);
  w.projected = projected;
  w.kept = saved;
  w.result = y;
  w.hidden = final;
  if (states) memcpy(w.hidden, hidden, states);
  w.product = wk_allocate_aligned(64, 3 * states + 64);
  char *columns = turned(&w, weight, 3 * r->size);
  wk_status status = columns && w.product ? WK_OK : wk_error_status();
  for (int64_t i = 0; status == WK_OK && i < r->steps; i++) {
    w.step = step_at(r, i, false);
    status = wk_cpu_gemm(r->dtype, &(wk_cpu_gemm_operands){.m = r->batch,
                                                           .n = 3 * r->size,
                                                           .k = r->size,
                                                           .a = w.hidden,
                                                           .a_row_stride = r->size,
                                                           .a_column_stride = 1,
                                                           .b = columns,
                                                           .b_row_stride = 3 * r->size,
                                                           .b_column_stride = 1,
                                                           .c = w.product,
                                                           .c_row_stride = 3 * r->size,
                                                           .bias = bias});
    for_rows(&w, run_gru);
  }
  wk_deallocate(columns);
  wk_deallocate(w.product);
  return status;
}

static void run_gru_back(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t n = begin; n < end; n++) {
    const int64_t row = row_at(w, n, w->step, 1);
    char *to_projected = w->to_projected + 3 * row, *to_recurrent = w->to_recurrent + 3 * row;
    if (counts(w, n, w->step)) {
      w->isa->gru_gradient(w->r->size, w->saved + 4 * row, state_before(w, n, w->y, 1, 0),
                           maybe_at(w->g.y, row), maybe_at(w->g.saved, 4 * row),
                           w->hidden + n * w->size, to_projected, to_recurrent);
    } else {
      memset(to_projected, 0, (size_t)(3 * w->size));
      memset(to_recurrent, 0, (size_t)(3 * w->size));
    }
  }
}

/* The product is 0 for sequences that were not at this step. */
static void add_product(const work *w) {
  const wk_isa_real real = wk_isa_real_of(w->r->dtype);
  wk_cpu_isa_get()->product[real]->add(w->hidden, w->product, w->r->batch * w->r->size);
}

wk_status wk_cpu_gru_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                              const void *weight, const void *hidden, const void *saved,
                              const void *y, void *projected_gradient, void *recurrent_gradient,
                              void *hidden_gradient) {
  work w = make_work(r);
  const size_t states = (size_t)(r->batch * w.size);
  w.g = *g;
  w.before = hidden;
  w.saved = saved;
  w.y = y;
  w.to_projected = projected_gradient;
  w.to_recurrent = recurrent_gradient;
  w.hidden = hidden_gradient;
  w.product = wk_allocate_aligned(64, states + 64);
  if (!w.product) return wk_error_status();
  load_states(w.hidden, g->final, states);
  wk_status status = WK_OK;
  for (int64_t i = 0; status == WK_OK && i < r->steps; i++) {
    w.step = step_at(r, i, true);
    for_rows(&w, run_gru_back);
    status = multiply_back(&w, w.to_recurrent, 3, weight);
    if (status == WK_OK) add_product(&w);
  }
  wk_deallocate(w.product);
  return status;
}
