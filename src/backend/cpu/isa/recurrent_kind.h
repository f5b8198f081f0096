/* SPDX-License-Identifier: Apache-2.0 */

/* One step of one sequence through a recurrent layer, and back, for one real type; see kinds.h. */

#include "backend/cpu/isa/group_kind.h"

#define lstm OF_KIND(lstm)
#define lstm_gradient OF_KIND(lstm_gradient)
#define gru OF_KIND(gru)
#define gru_gradient OF_KIND(gru_gradient)

/* Element `at` of part `part` of a row, of a product, and of what `from` holds, or 0 if it is NULL.
 */
#define PART(from, part) load_group((const TYPE *)(from) + (part)*size + at, some, 0)
#define PRODUCT_PART(part) load_group((const TYPE *)product + (part)*width + at, some, 0)
#define PART_OR_ZERO(from, part) ((from) ? PART(from, part) : (lanes){0})
#define STORE_PART(to, part, x) store_group((TYPE *)(to) + (part)*size + at, some, x)

static void lstm(int64_t columns, int64_t size, int64_t width, const void *projected,
                 const void *product, void *saved, void *cell, void *y) {
  EACH_GROUP(at, some) {
    const lanes input = lanes_sigmoid(PART(projected, 0) + PRODUCT_PART(0));
    const lanes forget = lanes_sigmoid(PART(projected, 1) + PRODUCT_PART(1));
    const lanes new = lanes_tanh(PART(projected, 2) + PRODUCT_PART(2));
    const lanes output = lanes_sigmoid(PART(projected, 3) + PRODUCT_PART(3));
    const lanes state = forget * PART(cell, 0) + input * new;
    STORE_PART(saved, 0, input);
    STORE_PART(saved, 1, forget);
    STORE_PART(saved, 2, new);
    STORE_PART(saved, 3, output);
    STORE_PART(saved, 4, state);
    STORE_PART(cell, 0, state);
    STORE_PART(y, 0, output * lanes_tanh(state));
  }
}

static void lstm_gradient(int64_t columns, int64_t size, const void *saved, const void *before,
                          const void *to_y, const void *to_saved, const void *hidden, void *cell,
                          void *result) {
  EACH_GROUP(at, some) {
    const lanes input = PART(saved, 0), forget = PART(saved, 1), new = PART(saved, 2);
    const lanes output = PART(saved, 3), bent = lanes_tanh(PART(saved, 4));
    const lanes h = PART(hidden, 0) + PART_OR_ZERO(to_y, 0);
    const lanes state =
        PART(cell, 0) + h * output * ((TYPE)1 - bent * bent) + PART_OR_ZERO(to_saved, 4);
    const lanes to_i = state * new + PART_OR_ZERO(to_saved, 0);
    const lanes to_f = state * PART(before, 0) + PART_OR_ZERO(to_saved, 1);
    const lanes to_g = state * input + PART_OR_ZERO(to_saved, 2);
    const lanes to_o = h * bent + PART_OR_ZERO(to_saved, 3);
    STORE_PART(result, 0, to_i * input * ((TYPE)1 - input));
    STORE_PART(result, 1, to_f * forget * ((TYPE)1 - forget));
    STORE_PART(result, 2, to_g * ((TYPE)1 - new *new));
    STORE_PART(result, 3, to_o * output * ((TYPE)1 - output));
    STORE_PART(cell, 0, state * forget);
  }
}

static void gru(int64_t columns, int64_t size, int64_t width, const void *projected,
                const void *product, const void *bias, const void *hidden, void *saved, void *y) {
  EACH_GROUP(at, some) {
    const lanes reset =
        lanes_sigmoid(PART(projected, 0) + (PRODUCT_PART(0) + PART_OR_ZERO(bias, 0)));
    const lanes update =
        lanes_sigmoid(PART(projected, 1) + (PRODUCT_PART(1) + PART_OR_ZERO(bias, 1)));
    const lanes part = PRODUCT_PART(2) + PART_OR_ZERO(bias, 2);
    const lanes new = lanes_tanh(PART(projected, 2) + reset * part);
    STORE_PART(saved, 0, reset);
    STORE_PART(saved, 1, update);
    STORE_PART(saved, 2, new);
    STORE_PART(saved, 3, part);
    STORE_PART(y, 0, ((TYPE)1 - update) * new + update *PART(hidden, 0));
  }
}

static void gru_gradient(int64_t columns, int64_t size, const void *saved, const void *before,
                         const void *to_y, const void *to_saved, void *hidden, void *projected,
                         void *recurrent) {
  EACH_GROUP(at, some) {
    const lanes reset = PART(saved, 0), update = PART(saved, 1);
    const lanes new = PART(saved, 2), part = PART(saved, 3);
    const lanes h = PART(hidden, 0) + PART_OR_ZERO(to_y, 0);
    const lanes to_z = h * (PART(before, 0) - new) + PART_OR_ZERO(to_saved, 1);
    const lanes to_n = (h * ((TYPE)1 - update) + PART_OR_ZERO(to_saved, 2)) * ((TYPE)1 - new *new);
    const lanes to_r = (to_n * part + PART_OR_ZERO(to_saved, 0)) * reset * ((TYPE)1 - reset);
    const lanes before_z = to_z * update * ((TYPE)1 - update);
    STORE_PART(projected, 0, to_r);
    STORE_PART(recurrent, 0, to_r);
    STORE_PART(projected, 1, before_z);
    STORE_PART(recurrent, 1, before_z);
    STORE_PART(projected, 2, to_n);
    STORE_PART(recurrent, 2, to_n * reset + PART_OR_ZERO(to_saved, 3));
    STORE_PART(hidden, 0, h * update);
  }
}

#undef PART
#undef PRODUCT_PART
#undef PART_OR_ZERO
#undef STORE_PART

const wk_isa_recurrent WK_ISA_NAME(OF_KIND(wk_isa_recurrent)) = {
    lstm,
    lstm_gradient,
    gru,
    gru_gradient,
};
