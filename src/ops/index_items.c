/* SPDX-License-Identifier: Apache-2.0 */
/* wk_index and its like: items one by one become views, then index tensors are looked up together.
 * An update goes back over the same views. */
#include <wick/indexing.h>

#include "base/error.h"
#include "ops/inner.h"
#include "ops/position.h"
#include "ops/records.gen.h"

#define MOST_STEPS 32
#define MOST_TENSORS (WK_MAX_INPUTS - 2)

typedef enum step_kind { SLICED, DROPPED, ADDED, ORDERED } step_kind;

/* One view on the way, so that an update finds back. */
typedef struct step {
  step_kind kind;
  wk_tensor *before;
  int axis;
  int64_t start, end, step;
  wk_axes back; /* ORDERED: the order of before */
} step;

typedef struct part {
  wk_tensor *tensor; /* the view so far */
  int axis;          /* where the next item applies */
  int rest;          /* axes that WK_REST stands for */
  step steps[MOST_STEPS];
  int step_count;
  wk_tensor *indices[MOST_TENSORS];
  int index_axes[MOST_TENSORS], index_count;
} part;

static bool add_step(part *p, step next) {
  if (wk_failed()) return false;
  if (p->step_count == MOST_STEPS) {
    wk_fail(WK_ERROR_ARGUMENT, "there are more than %d items", MOST_STEPS);
    return false;
  }
  next.before = p->tensor;
  p->steps[p->step_count++] = next;
  return true;
}

/* ---- items ---- */

static void take_range(part *p, int64_t start, int64_t end, int64_t every) {
  if (every == 0) {
    wk_fail(WK_ERROR_ARGUMENT, "the step of a range is 0");
    return;
  }
  if (!add_step(p,
                (step){.kind = SLICED, .axis = p->axis, .start = start, .end = end, .step = every}))
    return;
  p->tensor = wk_slice(p->tensor, p->axis, start, end, .step = every);
}

static void take_place(part *p, int64_t place) {
  const int64_t start = wk_place_resolve(place, wk_tensor_dim(p->tensor, p->axis), p->axis);
  if (start < 0) return;
  take_range(p, start, start + 1, 1);
  if (!add_step(p, (step){.kind = DROPPED, .axis = p->axis})) return;
  p->tensor = wk_squeeze(p->tensor, .axes = WK_AXES(p->axis));
}

static void add_axis(part *p) {
  if (!add_step(p, (step){.kind = ADDED, .axis = p->axis})) return;
  p->tensor = wk_unsqueeze(p->tensor, p->axis++);
}

static void add_index(part *p, wk_tensor *index) {
  if (!index) return;
  if (p->index_count == MOST_TENSORS) {
    wk_fail(WK_ERROR_ARGUMENT, "there are more than %d index tensors", MOST_TENSORS);
    return;
  }
  if (index->layout.dtype != WK_I64) index = wk_cast(index, WK_I64);
  p->indices[p->index_count] = index;
  p->index_axes[p->index_count++] = p->axis++;
}

/* A mask of no dimensions takes or leaves all: an axis of 1 or 0 stands for it. */
static void add_mask(part *p, wk_tensor *mask) {
  if (mask->layout.rank == 0) {
    add_axis(p);
    p->axis--;
    mask = wk_reshape(mask, WK_SHAPE(1));
  }
  for (int i = 0; mask && i < mask->layout.rank; i++) {
    const int64_t size = wk_tensor_dim(p->tensor, p->axis + i);
    if (mask->layout.dims[i] == size) continue;
    wk_fail(WK_ERROR_SHAPE, "the mask has size %lld in dimension %d, but that axis has %lld",
            (long long)mask->layout.dims[i], i, (long long)size);
    wk_error_add_hint("a mask stands for as many axes as it has, and has their sizes");
    return;
  }
  wk_tensor *places = wk_nonzero(mask);
  for (int i = 0; places && i < mask->layout.rank; i++) add_index(p, wk_select(places, 1, i));
}

static void add_tensor(part *p, const wk_index_item *item) {
  wk_tensor *tensor = item->tensor;
  if (!tensor)
    wk_fail(WK_ERROR_ARGUMENT, "an index tensor is NULL");
  else if (tensor->layout.dtype == WK_BOOL)
    add_mask(p, tensor);
  else if (item->kind == WK_INDEX_MASK || wk_dtype_is_float(tensor->layout.dtype))
    wk_fail(WK_ERROR_DTYPE, "%s is %s", item->kind == WK_INDEX_MASK ? "a mask" : "an index tensor",
            wk_dtype_name(tensor->layout.dtype));
  else
    add_index(p, tensor);
}

static void add_item(part *p, const wk_index_item *item) {
  switch (item->kind) {
  case WK_INDEX_ALL:
    p->axis++;
    break;
  case WK_INDEX_AT:
    take_place(p, item->start);
    break;
  case WK_INDEX_RANGE:
    take_range(p, item->start, item->end, item->step);
    p->axis++;
    break;
  case WK_INDEX_NEW_AXIS:
    add_axis(p);
    break;
  case WK_INDEX_REST:
    p->axis += p->rest;
    break;
  case WK_INDEX_TAKE:
  case WK_INDEX_MASK:
    add_tensor(p, item);
    break;
  default:
    wk_fail(WK_ERROR_ARGUMENT, "%d is no kind of index", (int)item->kind);
  }
}

/* How many axes the items stand for but WK_REST; -1 on error. */
static int axes_used(wk_index_items items) {
  int used = 0, rests = 0;
  for (size_t i = 0; i < items.count; i++) {
    const wk_index_item *item = &items.item[i];
    const bool is_tensor = item->kind == WK_INDEX_TAKE || item->kind == WK_INDEX_MASK;
    if (item->kind == WK_INDEX_REST)
      rests++;
    else if (is_tensor && item->tensor && item->tensor->layout.dtype == WK_BOOL)
      used += item->tensor->layout.rank;
    else if (item->kind != WK_INDEX_NEW_AXIS)
      used++;
  }
  if (rests <= 1) return used;
  wk_fail(WK_ERROR_ARGUMENT, "WK_REST stands twice, so that it is not clear what is the rest");
  return -1;
}

/* The indexed axes side by side. */
static void order_axes(part *p) {
  const int rank = p->tensor->layout.rank;
  wk_axes order = {.count = rank}, back = {.count = rank};
  bool taken[WK_MAX_RANK] = {false};
  int next = 0;
  for (int i = 0; i < p->index_count; i++) {
    order.axis[next++] = p->index_axes[i];
    taken[p->index_axes[i]] = true;
    p->index_axes[i] = i;
  }
  for (int i = 0; i < rank; i++)
    if (!taken[i]) order.axis[next++] = i;
  for (int i = 0; i < rank; i++) back.axis[order.axis[i]] = i;
  if (add_step(p, (step){.kind = ORDERED, .back = back})) p->tensor = wk_permute(p->tensor, order);
}

static wk_status find_part(part *p, wk_tensor *x, wk_index_items items) {
  *p = (part){.tensor = x};
  if (!x) return wk_fail(WK_ERROR_ARGUMENT, "x of index is NULL");
  if (items.count && !items.item) return wk_fail(WK_ERROR_ARGUMENT, "the items are NULL");
  const int used = axes_used(items);
  if (used < 0) return wk_error_status();
  if (used > x->layout.rank) {
    wk_fail(WK_ERROR_ARGUMENT, "the items stand for %d axes, but x has %d", used, x->layout.rank);
    return WK_ERROR_ARGUMENT;
  }
  p->rest = x->layout.rank - used;
  for (size_t i = 0; i < items.count && !wk_failed(); i++) add_item(p, &items.item[i]);
  bool neighbours = true;
  for (int i = 1; i < p->index_count; i++)
    neighbours = neighbours && p->index_axes[i] == p->index_axes[i - 1] + 1;
  if (!neighbours && !wk_failed()) order_axes(p);
  return wk_error_status();
}

static wk_tensors indices_of(part *p) { return (wk_tensors){(size_t)p->index_count, p->indices}; }

/* ---- reading ---- */

wk_tensor *wk_index_at(wk_place here, wk_tensor *x, wk_index_items items) {
  if (wk_failed()) return NULL;
  wk_inner inner;
  wk_inner_begin(&inner, here);
  part p;
  wk_tensor *y = NULL;
  if (find_part(&p, x, items) == WK_OK)
    y = p.index_count ? wk_index_get(p.tensor, indices_of(&p), .axis = p.index_axes[0]) : p.tensor;
  wk_inner_end(&inner, "index", &y, 1);
  return y;
}

/* ---- writing ---- */

static wk_tensor *go_back(const step *s, wk_tensor *y) {
  wk_tensor *x = s->before;
  switch (s->kind) {
  case SLICED:
    return wk_slice_update(x, y, s->axis, s->start, s->end, .step = s->step);
  case ORDERED:
    return wk_permute(y, s->back);
  default:
    return wk_reshape(y, wk_tensor_shape(x));
  }
}

static wk_tensor *put_part(wk_tensor *x, wk_tensor *source, wk_index_items items, bool accumulate) {
  part p;
  if (find_part(&p, x, items) != WK_OK) return NULL;
  if (!source) {
    wk_fail(WK_ERROR_ARGUMENT, "source of index_update is NULL");
    return NULL;
  }
  if (source->layout.dtype != x->layout.dtype) source = wk_cast(source, x->layout.dtype);
  wk_tensor *y;
  if (p.index_count)
    y = wk_index_put(p.tensor, source, indices_of(&p), .axis = p.index_axes[0],
                     .accumulate = accumulate);
  else {
    y = wk_broadcast_to(source, wk_tensor_shape(p.tensor));
    if (accumulate) y = wk_add(p.tensor, y);
  }
  for (int i = p.step_count - 1; i >= 0; i--) y = go_back(&p.steps[i], y);
  return y;
}

wk_tensor *wk_index_update_at(wk_place here, wk_tensor *x, wk_tensor *source,
                              wk_index_items items) {
  if (wk_failed()) return NULL;
  wk_inner inner;
  wk_inner_begin(&inner, here);
  wk_tensor *y = put_part(x, source, items, false);
  wk_inner_end(&inner, "index_update", &y, 1);
  return y;
}

wk_tensor *wk_index_accumulate_at(wk_place here, wk_tensor *x, wk_tensor *source,
                                  wk_index_items items) {
  if (wk_failed()) return NULL;
  wk_inner inner;
  wk_inner_begin(&inner, here);
  wk_tensor *y = put_part(x, source, items, true);
  wk_inner_end(&inner, "index_accumulate", &y, 1);
  return y;
}
