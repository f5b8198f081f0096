/* SPDX-License-Identifier: Apache-2.0 */

/* One step of one sequence through a recurrent layer, and back, for one real type; see kinds.h. */

#include "backend/cpu/isa/group_kind.h"

#define lstm OF_KIND(lstm)
#define lstm_gradient OF_KIND(lstm_gradient)
#define gru OF_KIND(gru)
#define gru_gradient OF_KIND(gru_gradient)

static void lstm(int64_t columns, void *saved, void *cell, void *y_) {
  TYPE *i = saved, *f = i + columns, *g = f + columns, *o = g + columns, *kept = o + columns;
  TYPE *c = cell, *y = y_;
  EACH_GROUP(at, some) {
    const lanes input = lanes_sigmoid(load_group(i + at, some, 0));
    const lanes forget = lanes_sigmoid(load_group(f + at, some, 0));
    const lanes new = lanes_tanh(load_group(g + at, some, 0));
    const lanes output = lanes_sigmoid(load_group(o + at, some, 0));
    const lanes state = forget * load_group(c + at, some, 0) + input * new;
    store_group(i + at, some, input);
    store_group(f + at, some, forget);
    store_group(g + at, some, new);
    store_group(o + at, some, output);
    store_group(kept + at, some, state);
    store_group(c + at, some, state);
    store_group(y + at, some, output * lanes_tanh(state));
  }
}

/* Element `at` of part `part` of what `from` holds, or 0 if it is NULL. */
#define PART_OR_ZERO(from, part)                                                                   \
  ((from) ? load_group((const TYPE *)(from) + (part)*columns + at, some, 0) : (lanes){0})

static void lstm_gradient(int64_t columns, const void *saved, const void *before, const void *to_y,
                          const void *to_saved, const void *hidden, void *cell, void *result) {
  const TYPE *i = saved, *f = i + columns, *g = f + columns, *o = g + columns, *c = o + columns;
  TYPE *to = result;
  EACH_GROUP(at, some) {
    const lanes input = load_group(i + at, some, 0), forget = load_group(f + at, some, 0);
    const lanes new = load_group(g + at, some, 0), output = load_group(o + at, some, 0);
    const lanes bent = lanes_tanh(load_group(c + at, some, 0));
    const lanes h = load_group((const TYPE *)hidden + at, some, 0) + PART_OR_ZERO(to_y, 0);
    const lanes state = load_group((TYPE *)cell + at, some, 0) +
                        h * output * ((TYPE)1 - bent * bent) + PART_OR_ZERO(to_saved, 4);
    const lanes to_i = state * new + PART_OR_ZERO(to_saved, 0);
    const lanes to_f =
        state * load_group((const TYPE *)before + at, some, 0) + PART_OR_ZERO(to_saved, 1);
    const lanes to_g = state * input + PART_OR_ZERO(to_saved, 2);
    const lanes to_o = h * bent + PART_OR_ZERO(to_saved, 3);
    store_group(to + at, some, to_i * input * ((TYPE)1 - input));
    store_group(to + columns + at, some, to_f * forget * ((TYPE)1 - forget));
    store_group(to + 2 * columns + at, some, to_g * ((TYPE)1 - new *new));
    store_group(to + 3 * columns + at, some, to_o * output * ((TYPE)1 - output));
    store_group((TYPE *)cell + at, some, state * forget);
  }
}

static void gru(int64_t columns, const void *projected, const void *recurrent, void *saved,
                void *hidden, void *y) {
  const TYPE *x = projected, *r = recurrent;
  TYPE *kept = saved, *h = hidden;
  EACH_GROUP(at, some) {
    const lanes reset = lanes_sigmoid(load_group(x + at, some, 0) + load_group(r + at, some, 0));
    const lanes update = lanes_sigmoid(load_group(x + columns + at, some, 0) +
                                       load_group(r + columns + at, some, 0));
    const lanes part = load_group(r + 2 * columns + at, some, 0);
    const lanes new = lanes_tanh(load_group(x + 2 * columns + at, some, 0) + reset * part);
    const lanes state = ((TYPE)1 - update) * new + update *load_group(h + at, some, 0);
    store_group(kept + at, some, reset);
    store_group(kept + columns + at, some, update);
    store_group(kept + 2 * columns + at, some, new);
    store_group(kept + 3 * columns + at, some, part);
    store_group(h + at, some, state);
    store_group((TYPE *)y + at, some, state);
  }
}

static void gru_gradient(int64_t columns, const void *saved, const void *before, const void *to_y,
                         const void *to_saved, void *hidden, void *projected, void *recurrent) {
  const TYPE *r = saved, *z = r + columns, *n = z + columns, *m = n + columns;
  TYPE *to_x = projected, *to_h = recurrent;
  EACH_GROUP(at, some) {
    const lanes reset = load_group(r + at, some, 0), update = load_group(z + at, some, 0);
    const lanes new = load_group(n + at, some, 0), part = load_group(m + at, some, 0);
    const lanes h = load_group((TYPE *)hidden + at, some, 0) + PART_OR_ZERO(to_y, 0);
    const lanes old = load_group((const TYPE *)before + at, some, 0);
    const lanes to_z = h * (old - new) + PART_OR_ZERO(to_saved, 1);
    const lanes to_n = (h * ((TYPE)1 - update) + PART_OR_ZERO(to_saved, 2)) * ((TYPE)1 - new *new);
    const lanes to_r = (to_n * part + PART_OR_ZERO(to_saved, 0)) * reset * ((TYPE)1 - reset);
    const lanes before_z = to_z * update * ((TYPE)1 - update);
    store_group(to_x + at, some, to_r);
    store_group(to_h + at, some, to_r);
    store_group(to_x + columns + at, some, before_z);
    store_group(to_h + columns + at, some, before_z);
    store_group(to_x + 2 * columns + at, some, to_n);
    store_group(to_h + 2 * columns + at, some, to_n * reset + PART_OR_ZERO(to_saved, 3));
    store_group((TYPE *)hidden + at, some, h * update);
  }
}

#undef PART_OR_ZERO

const wk_isa_recurrent WK_ISA_NAME(OF_KIND(wk_isa_recurrent)) = {
    lstm,
    lstm_gradient,
    gru,
    gru_gradient,
};
