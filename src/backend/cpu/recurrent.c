/* SPDX-License-Identifier: Apache-2.0 */

/* Recurrent layers. The weight is packed once; at each step threads share the hidden units: for all
 * sequences the product of a few groups of UNITS, then their gates; all steps are one parallel job.
 * Backward a step takes the product of the step after it, and there is one more than there are.
 *
 * Bits: a sum runs over the parts of a row and over blocks of WK_PRODUCT_DEPTH units in order. */

#include <string.h>

#include "backend/cpu/isa.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/tiles.h"
#include "base/error.h"
#include "base/parallel.h"

#define UNITS 32 /* hidden units of a group: columns of a packed panel */
#define CHUNK 4  /* groups whose gates follow together, so that rows are met in long pieces */
#define SERIAL_WORK 4e5 /* multiply-adds of a step that are not worth waking threads for */

typedef struct work work;

/* Units that lie side by side, from `first` on, and how many a product of them has room for. */
typedef struct piece {
  int64_t first, units, width;
} piece;

/* A piece of sequence n at the current step; n counts. */
typedef void (*step_function)(const work *w, int64_t n, const piece *p, const char *product);

struct work {
  const wk_cpu_recurrent *r;
  const wk_isa_product *isa_product;
  const wk_isa_recurrent *isa;
  int64_t element, size; /* bytes: of an element, of a row of hidden units */
  int64_t gates, groups;
  int64_t rows, blocks; /* of a left operand: sequences with padding, blocks of its depth */
  int64_t step;
  bool first, last; /* whether it is the first of the loops, or the last */
  step_function run;
  char *panels;      /* the weight, by group */
  char *left, *next; /* left operands: what the step before made, what this one makes */
  char *own;         /* products of the threads */
  int64_t own_bytes;
  const char *projected, *before, *saved, *y, *bias; /* before: the first state */
  char *kept, *result;                               /* forward: saved and y; */
  char *hidden, *cell;                               /* the running states, or their gradients */
  wk_cpu_recurrent_gradients g;
  char *to_projected, *to_recurrent; /* what the product is taken of is to_recurrent */
};

static bool counts(const work *w, int64_t n, int64_t step) {
  return step >= 0 && step < (w->r->lengths ? w->r->lengths[n] : w->r->steps);
}

/* Where unit `unit` of sequence n at a step lies in a tensor [batch, steps, parts], in part 0. */
static int64_t place(const work *w, int64_t n, int64_t step, int64_t parts, int64_t unit) {
  return (n * w->r->steps + step) * parts * w->size + unit * w->element;
}

static const char *maybe_at(const void *data, int64_t at) {
  return data ? (const char *)data + at : NULL;
}

/* The step before in the layer's own direction. */
static int64_t step_before(const work *w) { return w->step + (w->r->reverse ? 1 : -1); }

/* The state before: the first one where no step that counts came before. `parts`: of the tensor
 * `of` that holds states, in its part `part`. */
static const char *state_before(const work *w, int64_t n, int64_t unit, const char *of,
                                int64_t parts, int64_t part) {
  const int64_t step = step_before(w);
  if (!counts(w, n, step)) return w->before + n * w->size + unit * w->element;
  return of + place(w, n, step, parts, unit) + part * w->size;
}

/* The i-th step in the layer's direction; in the opposite one if `back`. */
static int64_t step_at(const wk_cpu_recurrent *r, int64_t i, bool back) {
  return r->reverse != back ? r->steps - 1 - i : i;
}

static int64_t units_of(const work *w, int64_t group) {
  const int64_t left = w->r->size - group * UNITS;
  return left < UNITS ? left : UNITS;
}

static piece piece_of(const work *w, int64_t group, int64_t end) {
  const int64_t groups = end - group < CHUNK ? end - group : CHUNK;
  const int64_t first = group * UNITS, left = w->r->size - first, width = groups * UNITS;
  return (piece){first, left < width ? left : width, width};
}

/* Parts of a row of `saved`. */
static int64_t saved_parts(const work *w) { return w->gates == 4 ? 5 : 4; }

static void clear_parts(const work *w, char *to, int64_t parts, int64_t units) {
  for (int64_t i = 0; i < parts; i++) memset(to + i * w->size, 0, (size_t)(units * w->element));
}

/* ---- products ---- */

/* Of a left operand with rows of `part` after `part`: each in blocks of its own, so that a group of
 * units never lies in two. */
static char *left_at(const work *w, char *left, int64_t n, int64_t part, int64_t unit) {
  const int64_t block = part * w->blocks + unit / WK_PRODUCT_DEPTH;
  return left + ((block * w->rows + n) * WK_PRODUCT_DEPTH + unit % WK_PRODUCT_DEPTH) * w->element;
}

/* Copies a piece's units into a left operand. */
static void put_left(const work *w, char *left, int64_t n, int64_t part, const piece *p,
                     const char *from) {
  for (int64_t i = 0; i < p->units;) { /* as far as the block goes */
    const int64_t unit = p->first + i, room = WK_PRODUCT_DEPTH - unit % WK_PRODUCT_DEPTH;
    const int64_t units = p->units - i < room ? p->units - i : room;
    memcpy(left_at(w, left, n, part, unit), from + i * w->element, (size_t)(units * w->element));
    i += units;
  }
}

/* to[n, 0 .. UNITS) = the left operand's rows times the panel. */
static void multiply(const work *w, int64_t parts, const char *panel, char *to, int64_t to_stride) {
  wk_tiles t = {.product = w->isa_product,
                .size = w->element,
                .order = WK_LEFT_BY_ROW,
                .rows = w->r->batch,
                .columns = UNITS,
                .b_stride = UNITS,
                .c = to,
                .c_stride = to_stride,
                .store = WK_TILE_SET};
  for (int64_t part = 0; part < parts; part++)
    for (int64_t unit = 0; unit < w->r->size; unit += WK_PRODUCT_DEPTH) {
      const int64_t left = w->r->size - unit;
      t.depth = left < WK_PRODUCT_DEPTH ? left : WK_PRODUCT_DEPTH;
      t.a = left_at(w, w->left, 0, part, unit);
      t.b = panel + (part * w->r->size + unit) * UNITS * w->element;
      wk_cpu_multiply_tiles(&t);
      t.store = WK_TILE_ADD;
    }
}

static int64_t panel_bytes(const work *w) { return w->gates * w->size * UNITS; }

/* Forward a group's panel is for each gate [size, UNITS] of the weight turned. */
static void pack_turned(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t item = begin; item < end; item++) {
    const int64_t group = item / w->gates, gate = item % w->gates, units = units_of(w, group);
    char *to = w->panels + item * w->size * UNITS;
    if (units < UNITS) memset(to, 0, (size_t)(w->size * UNITS));
    w->isa_product->transpose(to, UNITS, w->saved + (gate * w->r->size + group * UNITS) * w->size,
                              w->r->size, units, w->r->size);
  }
}

/* Backward it is [gates * size, UNITS] of the weight as it lies. */
static void pack_plain(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  for (int64_t group = begin; group < end; group++) {
    char *to = w->panels + group * panel_bytes(w);
    const int64_t units = units_of(w, group);
    if (units < UNITS) memset(to, 0, (size_t)panel_bytes(w));
    w->isa_product->copy(to, UNITS, w->saved + group * UNITS * w->element, w->r->size,
                         w->gates * w->r->size, units);
  }
}

static int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

/* Takes scratch memory and packs the weight. Left operands have `parts` parts. */
static wk_status prepare(work *w, const void *weight, int64_t parts) {
  w->element = (int64_t)wk_isa_real_size(wk_isa_real_of(w->r->dtype));
  w->size = w->r->size * w->element;
  w->groups = (w->r->size + UNITS - 1) / UNITS;
  w->rows = round_up(w->r->batch, WK_TILE_GRAIN) + WK_TILE_GRAIN;
  w->blocks = (w->r->size + WK_PRODUCT_DEPTH - 1) / WK_PRODUCT_DEPTH;
  w->own_bytes = w->rows * w->gates * CHUNK * UNITS * w->element;
  const size_t panels = wk_scratch_round((size_t)(w->groups * panel_bytes(w)));
  const size_t left = (size_t)(parts * w->blocks * w->rows * WK_PRODUCT_DEPTH * w->element);
  const size_t own = (size_t)(w->own_bytes * wk_thread_count());
  w->panels = wk_cpu_scratch(panels + 2 * left + own + 1);
  if (!w->panels) return wk_error_status();
  w->left = w->panels + panels, w->next = w->left + left, w->own = w->next + left;
  memset(w->left, 0, 2 * left); /* what pads rows is multiplied too */
  work packing = *w;
  packing.saved = weight;
  const bool turned = parts == 1;
  const int64_t items = turned ? w->groups * w->gates : w->groups;
  wk_parallel_for(items, 1 + 16384 / (w->r->size * UNITS + 1), turned ? pack_turned : pack_plain,
                  &packing);
  return WK_OK;
}

static work make_work(const wk_cpu_recurrent *r, int64_t gates, step_function run) {
  const wk_isa_real real = wk_isa_real_of(r->dtype);
  return (work){.r = r,
                .isa_product = wk_cpu_isa_get()->product[real],
                .isa = wk_cpu_isa_get()->recurrent[real],
                .gates = gates,
                .run = run};
}

/* All steps, or one more backward, of groups that threads share. */
typedef struct walk {
  const work *w;
  void (*run)(const work *w, int64_t begin, int64_t end);
  int64_t loops;
  int parts;
  bool back;
} walk;

static void run_part(void *context, int64_t loop, int part) {
  const walk *a = context;
  work w = *a->w;
  w.step = step_at(w.r, loop, a->back);
  w.first = loop == 0, w.last = loop == w.r->steps;
  if (loop % 2) w.left = a->w->next, w.next = a->w->left;
  a->run(&w, part * w.groups / a->parts, (part + 1) * w.groups / a->parts);
}

static void run_all(work *w, bool back, void (*run)(const work *w, int64_t begin, int64_t end)) {
  const double terms = (double)(w->r->batch * w->gates) * (double)w->r->size * (double)w->r->size;
  const int64_t threads = terms < SERIAL_WORK ? 1 : wk_thread_count();
  const int64_t parts = threads < w->groups ? threads : w->groups;
  walk a = {w, run, w->r->steps + back, (int)(parts < 64 ? parts : 64), back};
  wk_parallel_steps(a.loops, a.parts, run_part, &a);
  char *const left = w->left;
  if (a.loops % 2) w->left = w->next, w->next = left;
}

/* ---- forward ---- */

/* Fetches rows of a step that a product makes time for, some with each of `parts` of the product:
 * sequences lie far apart, so that nobody else does. Rows of `of` have `row_parts` parts. */
static void fetch_rows(const work *w, const piece *p, const char *of, int64_t step,
                       int64_t row_parts, int64_t part, int64_t parts) {
  if (step < 0 || step >= w->r->steps) return;
  for (int64_t n = part * w->r->batch / parts; n < (part + 1) * w->r->batch / parts; n++) {
    const char *row = of + place(w, n, step, row_parts, p->first);
    for (int64_t i = 0; i < row_parts; i++, row += w->size)
      for (int64_t at = 0; at < p->units * w->element; at += 64) __builtin_prefetch(row + at, 0, 2);
  }
}

/* product [batch, gates, width] */
static void multiply_forward(const work *w, int64_t group, const piece *p, char *product) {
  const int64_t panels = p->width / UNITS;
  for (int64_t i = 0; i < panels; i++)
    for (int64_t gate = 0; gate < w->gates; gate++) {
      fetch_rows(w, p, w->projected, w->step, w->gates, i * w->gates + gate, panels * w->gates);
      multiply(w, 1, w->panels + ((group + i) * w->gates + gate) * w->size * UNITS,
               product + (gate * p->width + i * UNITS) * w->element, w->gates * p->width);
    }
}

/* Where the sequence has ended: results are 0, the state stays. */
static void skip_step(const work *w, int64_t n, const piece *p) {
  const int64_t parts = saved_parts(w);
  clear_parts(w, w->kept + place(w, n, w->step, parts, p->first), parts, p->units);
  clear_parts(w, w->result + place(w, n, w->step, 1, p->first), 1, p->units);
  for (int64_t i = 0; i < p->units; i += UNITS)
    memcpy(left_at(w, w->next, n, 0, p->first + i), left_at(w, w->left, n, 0, p->first + i),
           (size_t)(UNITS * w->element));
}

static void run_forward(const work *w, int64_t begin, int64_t end) {
  char *product = w->own + wk_parallel_index() * w->own_bytes;
  for (int64_t group = begin; group < end; group += CHUNK) {
    const piece p = piece_of(w, group, end);
    multiply_forward(w, group, &p, product);
    for (int64_t n = 0; n < w->r->batch; n++) {
      if (!counts(w, n, w->step)) {
        skip_step(w, n, &p);
        continue;
      }
      w->run(w, n, &p, product + n * w->gates * p.width * w->element);
      put_left(w, w->next, n, 0, &p, w->result + place(w, n, w->step, 1, p.first));
    }
  }
}

/* Between rows of states and a left operand of one part. */
static void move_states(const work *w, char *states, bool out) {
  for (int64_t n = 0; n < w->r->batch; n++)
    for (int64_t unit = 0; unit < w->r->size; unit += WK_PRODUCT_DEPTH) {
      const int64_t rest = w->r->size - unit;
      const size_t bytes =
          (size_t)((rest < WK_PRODUCT_DEPTH ? rest : WK_PRODUCT_DEPTH) * w->element);
      char *state = states + n * w->size + unit * w->element, *at = left_at(w, w->left, n, 0, unit);
      if (out)
        memcpy(state, at, bytes);
      else
        memcpy(at, state, bytes);
    }
}

/* w->hidden holds the first states, then the last. */
static wk_status forward(work *w, const void *weight) {
  const wk_status status = prepare(w, weight, 1);
  if (status != WK_OK) return status;
  move_states(w, w->hidden, false);
  run_all(w, false, run_forward);
  move_states(w, w->hidden, true);
  return WK_OK;
}

static size_t state_bytes(const wk_cpu_recurrent *r) {
  return (size_t)(r->batch * r->size) * wk_dtype_size(r->dtype);
}

static void lstm_step(const work *w, int64_t n, const piece *p, const char *product) {
  w->isa->lstm(p->units, w->r->size, p->width, w->projected + place(w, n, w->step, 4, p->first),
               product, w->kept + place(w, n, w->step, 5, p->first),
               w->cell + n * w->size + p->first * w->element,
               w->result + place(w, n, w->step, 1, p->first));
}

wk_status wk_cpu_lstm(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                      const void *hidden, const void *cell, void *y, void *final, void *saved) {
  work w = make_work(r, 4, lstm_step);
  const size_t states = state_bytes(r);
  w.projected = projected;
  w.kept = saved;
  w.result = y;
  w.hidden = final;
  w.cell = (char *) final + states;
  if (states == 0) return WK_OK;
  memcpy(w.hidden, hidden, states), memcpy(w.cell, cell, states);
  return forward(&w, weight);
}

static void gru_step(const work *w, int64_t n, const piece *p, const char *product) {
  w->isa->gru(p->units, w->r->size, p->width, w->projected + place(w, n, w->step, 3, p->first),
              product, maybe_at(w->bias, p->first * w->element),
              state_before(w, n, p->first, w->result, 1, 0),
              w->kept + place(w, n, w->step, 4, p->first),
              w->result + place(w, n, w->step, 1, p->first));
}

wk_status wk_cpu_gru(const wk_cpu_recurrent *r, const void *projected, const void *weight,
                     const void *bias, const void *hidden, void *y, void *final, void *saved) {
  work w = make_work(r, 3, gru_step);
  const size_t states = state_bytes(r);
  w.projected = projected;
  w.bias = bias;
  w.before = hidden;
  w.kept = saved;
  w.result = y;
  w.hidden = final;
  if (states == 0) return WK_OK;
  memcpy(w.hidden, hidden, states);
  return forward(&w, weight);
}

/* ---- backward ---- */

/* What the product of the step after gives to the hidden gradients; it is 0 for sequences that were
 * not there. */
static void add_product(const work *w, int64_t group, const piece *p) {
  char *product = w->own + wk_parallel_index() * w->own_bytes;
  const int64_t panels = p->width / UNITS;
  for (int64_t i = 0; i < panels; i++) {
    fetch_rows(w, p, w->saved, step_before(w), saved_parts(w), i, panels);
    multiply(w, w->gates, w->panels + (group + i) * panel_bytes(w),
             product + i * UNITS * w->element, p->width);
  }
  for (int64_t n = 0; n < w->r->batch; n++)
    w->isa_product->add(w->hidden + n * w->size + p->first * w->element,
                        product + n * p->width * w->element, p->units);
}

static void run_back(const work *w, int64_t begin, int64_t end) {
  for (int64_t group = begin; group < end; group += CHUNK) {
    const piece p = piece_of(w, group, end);
    if (!w->first) add_product(w, group, &p);
    for (int64_t n = 0; n < w->r->batch && !w->last; n++) {
      const int64_t at = place(w, n, w->step, w->gates, p.first);
      if (counts(w, n, w->step)) {
        w->run(w, n, &p, NULL);
      } else {
        clear_parts(w, w->to_projected + at, w->gates, p.units);
        clear_parts(w, w->to_recurrent + at, w->gates, p.units);
      }
      for (int64_t gate = 0; gate < w->gates; gate++)
        put_left(w, w->next, n, gate, &p, w->to_recurrent + at + gate * w->size);
    }
  }
}

static void load_states(char *to, const void *from, size_t bytes) {
  if (from)
    memcpy(to, from, bytes);
  else
    memset(to, 0, bytes);
}

static wk_status backward(work *w, const void *weight) {
  const wk_status status = prepare(w, weight, w->gates);
  if (status != WK_OK) return status;
  run_all(w, true, run_back);
  return WK_OK;
}

static void lstm_step_back(const work *w, int64_t n, const piece *p, const char *product) {
  (void)product;
  const int64_t at = place(w, n, w->step, 5, p->first), own = n * w->size + p->first * w->element;
  w->isa->lstm_gradient(p->units, w->r->size, w->saved + at,
                        state_before(w, n, p->first, w->saved, 5, 4),
                        maybe_at(w->g.y, place(w, n, w->step, 1, p->first)),
                        maybe_at(w->g.saved, at), w->hidden + own, w->cell + own,
                        w->to_projected + place(w, n, w->step, 4, p->first));
  memset(w->hidden + own, 0, (size_t)(p->units * w->element));
}

wk_status wk_cpu_lstm_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                               const void *weight, const void *cell, const void *saved,
                               void *projected_gradient, void *hidden_gradient,
                               void *cell_gradient) {
  work w = make_work(r, 4, lstm_step_back);
  const size_t states = state_bytes(r);
  w.g = *g;
  w.before = cell;
  w.saved = saved;
  w.to_projected = w.to_recurrent = projected_gradient;
  w.hidden = hidden_gradient;
  w.cell = cell_gradient;
  if (states == 0) return WK_OK;
  load_states(w.hidden, g->final, states);
  load_states(w.cell, maybe_at(g->final, (int64_t)states), states);
  return backward(&w, weight);
}

static void gru_step_back(const work *w, int64_t n, const piece *p, const char *product) {
  (void)product;
  const int64_t at = place(w, n, w->step, 4, p->first), to = place(w, n, w->step, 3, p->first);
  w->isa->gru_gradient(p->units, w->r->size, w->saved + at,
                       state_before(w, n, p->first, w->y, 1, 0),
                       maybe_at(w->g.y, place(w, n, w->step, 1, p->first)),
                       maybe_at(w->g.saved, at), w->hidden + n * w->size + p->first * w->element,
                       w->to_projected + to, w->to_recurrent + to);
}

wk_status wk_cpu_gru_gradient(const wk_cpu_recurrent *r, const wk_cpu_recurrent_gradients *g,
                              const void *weight, const void *hidden, const void *saved,
                              const void *y, void *projected_gradient, void *recurrent_gradient,
                              void *hidden_gradient) {
  work w = make_work(r, 3, gru_step_back);
  const size_t states = state_bytes(r);
  w.g = *g;
  w.before = hidden;
  w.saved = saved;
  w.y = y;
  w.to_projected = projected_gradient;
  w.to_recurrent = recurrent_gradient;
  w.hidden = hidden_gradient;
  if (states == 0) return WK_OK;
  load_states(w.hidden, g->final, states);
  return backward(&w, weight);
}
