/* SPDX-License-Identifier: Apache-2.0 */

/* Softmax and its family for one real type; see kinds.h. Sums run in 16 lanes along a row (term i
 * to lane i mod 16), folded in halves at the end. */

#include "backend/cpu/isa/group_kind.h"

#define row_facts OF_KIND(row_facts)
#define find_facts OF_KIND(find_facts)
#define log_of OF_KIND(log_of)
#define log_softmax OF_KIND(log_softmax)
#define softmax_gradient OF_KIND(softmax_gradient)
#define log_softmax_gradient OF_KIND(log_softmax_gradient)
#define cross_entropy OF_KIND(cross_entropy)
#define cross_entropy_gradient OF_KIND(cross_entropy_gradient)
#define softmax OF_KIND(softmax)

/* A row's largest element and the sum of exp(x - largest). */
typedef struct row_facts {
  TYPE largest, sum;
} row_facts;

/* Also writes exp(x - largest) to `exponentials` unless that is NULL. */
WK_LANES_INLINE row_facts find_facts(int64_t columns, const TYPE *x, TYPE *exponentials) {
  row_facts facts;
  lanes best = lanes_all(-(TYPE)INFINITY), sum = {0};
  EACH_GROUP(i, some) {
    const lanes group = load_group(x + i, some, -(TYPE)INFINITY);
    best = lanes_larger(best, group);
  }
  WK_FOLD_LANES(TYPE, best, facts.largest, LARGER_ONE);
  EACH_GROUP(i, some) {
    const lanes group = load_group(x + i, some, -(TYPE)INFINITY);
    const lanes e = lanes_exp(group - facts.largest);
    if (exponentials) store_group(exponentials + i, some, e);
    sum += e;
  }
  WK_FOLD_LANES(TYPE, sum, facts.sum, ADD_ONE);
  return facts;
}

/* The vector function of one number, so that all logarithms are the same one. */
static TYPE log_of(TYPE x) { return lanes_log(lanes_all(x))[0]; }

static void softmax(int64_t columns, const void *x, void *y, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    TYPE *to = (TYPE *)y + row * columns;
    const row_facts facts = find_facts(columns, (const TYPE *)x + row * columns, to);
    EACH_GROUP(i, some)
    store_group(to + i, some, load_group(to + i, some, 0) / facts.sum);
  }
}

static void log_softmax(int64_t columns, const void *x, void *y, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *from = (const TYPE *)x + row * columns;
    TYPE *to = (TYPE *)y + row * columns;
    const row_facts facts = find_facts(columns, from, NULL);
    const TYPE log_sum = log_of(facts.sum);
    EACH_GROUP(i, some)
    store_group(to + i, some, (load_group(from + i, some, 0) - facts.largest) - log_sum);
  }
}

static void softmax_gradient(int64_t columns, const void *y, const void *y_gradient,
                             void *x_gradient, int64_t begin, int64_t end) {
  for (int64_t at = begin * columns; at < end * columns; at += columns) {
    const TYPE *p = (const TYPE *)y + at, *g = (const TYPE *)y_gradient + at;
    TYPE *to = (TYPE *)x_gradient + at, mean;
    lanes sum = {0};
    EACH_GROUP(i, some)
    sum += load_group(p + i, some, 0) * load_group(g + i, some, 0);
    WK_FOLD_LANES(TYPE, sum, mean, ADD_ONE);
    EACH_GROUP(i, some)
    store_group(to + i, some, load_group(p + i, some, 0) * (load_group(g + i, some, 0) - mean));
  }
}

static void log_softmax_gradient(int64_t columns, const void *y, const void *y_gradient,
                                 void *x_gradient, int64_t begin, int64_t end) {
  for (int64_t at = begin * columns; at < end * columns; at += columns) {
    const TYPE *log_p = (const TYPE *)y + at, *g = (const TYPE *)y_gradient + at;
    TYPE *to = (TYPE *)x_gradient + at, total;
    lanes sum = {0};
    EACH_GROUP(i, some) sum += load_group(g + i, some, 0);
    WK_FOLD_LANES(TYPE, sum, total, ADD_ONE);
    EACH_GROUP(i, some)
    store_group(to + i, some,
                load_group(g + i, some, 0) - lanes_exp(load_group(log_p + i, some, 0)) * total);
  }
}

static void cross_entropy(int64_t columns, const void *logits, const int64_t *labels, void *losses,
                          int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)logits + row * columns;
    const row_facts facts = find_facts(columns, x, NULL);
    ((TYPE *)losses)[row] = log_of(facts.sum) - (x[labels[row]] - facts.largest);
  }
}

static void cross_entropy_gradient(int64_t columns, const void *logits, const int64_t *labels,
                                   double scale, void *logits_gradient, int64_t begin,
                                   int64_t end) {
  const TYPE factor = (TYPE)scale;
  for (int64_t row = begin; row < end; row++) {
    const TYPE *x = (const TYPE *)logits + row * columns;
    TYPE *to = (TYPE *)logits_gradient + row * columns;
    const row_facts facts = find_facts(columns, x, to);
    const TYPE right = to[labels[row]] / facts.sum;
    EACH_GROUP(i, some)
    store_group(to + i, some, load_group(to + i, some, 0) / facts.sum * factor);
    to[labels[row]] = (right - 1) * factor;
  }
}

const wk_isa_softmax WK_ISA_NAME(OF_KIND(wk_isa_softmax)) = {
    softmax,          log_softmax,
    softmax_gradient, log_softmax_gradient,
    cross_entropy,    cross_entropy_gradient,
};
