/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/position.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "ops/records.gen.h"

static int64_t value_at(const wk_operand *indices, int64_t position) {
  int64_t value;
  memcpy(&value, indices->data + position * (int64_t)sizeof value, sizeof value);
  return value;
}

/* "[1, 0]" */
static void describe_place(const wk_layout *layout, int64_t index, char *buffer, size_t size) {
  int64_t at[WK_MAX_RANK];
  for (int i = layout->rank - 1; i >= 0; i--) {
    at[i] = index % layout->dims[i];
    index /= layout->dims[i];
  }
  size_t used = wk_print_into(buffer, size, 0, "[");
  for (int i = 0; i < layout->rank; i++)
    used = wk_print_into(buffer, size, used, i ? ", %lld" : "%lld", (long long)at[i]);
  wk_print_into(buffer, size, used, "]");
}

static wk_status out_of_range(const wk_layout *layout, int64_t place, int64_t value, int64_t size,
                              bool from_end) {
  char where[128];
  describe_place(layout, place, where, sizeof where);
  if (size == 0) {
    wk_fail(WK_ERROR_INDEX, "index %lld at %s points into an axis without elements",
            (long long)value, where);
    return WK_ERROR_INDEX;
  }
  wk_fail(WK_ERROR_INDEX, "index %lld at %s is not one of %lld .. %lld", (long long)value, where,
          from_end ? -(long long)size : 0LL, (long long)size - 1);
  wk_error_add_hint(from_end ? "the axis has %lld elements; negative indices count from its end"
                             : "the axis has %lld elements, counted from 0; this op does not count "
                               "negative indices from the end",
                    (long long)size);
  return WK_ERROR_INDEX;
}

#define BLOCK 16384 /* indices a thread takes at a time */

typedef struct index_check {
  const char *data;
  int64_t least, most;
  atomic_bool wrong;
} index_check;

/* A difference wraps around only where it then is negative too: the sign bit tells in any case. */
static void check_range(void *context, int64_t begin, int64_t end) {
  index_check *c = context;
  uint64_t signs = 0;
  for (int64_t i = begin; i < end; i++) {
    uint64_t value;
    memcpy(&value, c->data + i * (int64_t)sizeof value, sizeof value);
    signs |= (value - (uint64_t)c->least) | ((uint64_t)c->most - value);
  }
  if (signs >> 63) c->wrong = true;
}

wk_status wk_indices_check(const wk_operand *indices, int64_t size, bool from_end) {
  const wk_layout *layout = &indices->layout;
  const int64_t count = wk_layout_count(layout), least = from_end ? -size : 0;
  const bool dense = wk_layout_is_contiguous(layout);
  if (dense && size > 0) {
    index_check c = {.data = indices->data, .least = least, .most = size - 1};
    wk_parallel_for(count, BLOCK, check_range, &c);
    if (!c.wrong) return WK_OK;
  }
  for (int64_t i = 0; i < count; i++) {
    const int64_t value = value_at(indices, dense ? i : wk_layout_position(layout, i));
    if (value < least || value >= size) return out_of_range(layout, i, value, size, from_end);
  }
  return WK_OK;
}

/* ---- several index tensors ---- */

static wk_status join_indices(wk_layout *joint, const wk_layout *const *indices, int count) {
  *joint = (wk_layout){.dtype = WK_I64, .rank = 0};
  for (int k = 0; k < count; k++)
    if (indices[k]->rank > joint->rank) joint->rank = indices[k]->rank;
  for (int i = 0; i < joint->rank; i++) joint->dims[i] = 1;
  for (int k = 0; k < count; k++) {
    const int added = joint->rank - indices[k]->rank;
    for (int i = added; i < joint->rank; i++) {
      const int64_t size = indices[k]->dims[i - added];
      if (size == 1 || size == joint->dims[i]) continue;
      if (joint->dims[i] != 1) {
        return wk_fail(WK_ERROR_SHAPE,
                       "index tensor %d has size %lld in dimension %d, where the others have %lld; "
                       "sizes must be equal or 1",
                       k + 1, (long long)size, i - added, (long long)joint->dims[i]);
      }
      joint->dims[i] = size;
    }
  }
  wk_layout_set_strides(joint);
  return WK_OK;
}

wk_status wk_index_plan_make(wk_index_plan *plan, const wk_layout *x,
                             const wk_layout *const *indices, int count, int axis) {
  *plan = (wk_index_plan){.axis = axis, .count = count, .outer = 1, .inner = 1, .rows = 1};
  if (count == 0) return wk_fail(WK_ERROR_ARGUMENT, "there is no index tensor");
  if (axis + count > x->rank) {
    wk_fail(WK_ERROR_SHAPE, "%d index tensors from axis %d on, but x has %d dimensions", count,
            axis, x->rank);
    wk_error_add_hint("each index tensor takes the place of one axis of x");
    return WK_ERROR_SHAPE;
  }
  const wk_status status = join_indices(&plan->joint, indices, count);
  if (status != WK_OK) return status;
  plan->selected = (wk_layout){.dtype = x->dtype, .rank = x->rank - count + plan->joint.rank};
  if (plan->selected.rank > WK_MAX_RANK) {
    return wk_fail(WK_ERROR_SHAPE, "the result would have %d dimensions; %d are possible",
                   plan->selected.rank, WK_MAX_RANK);
  }
  int64_t *dims = plan->selected.dims;
  for (int i = 0; i < axis; i++) plan->outer *= *dims++ = x->dims[i];
  for (int i = 0; i < plan->joint.rank; i++) *dims++ = plan->joint.dims[i];
  for (int i = axis; i < axis + count; i++) plan->rows *= x->dims[i];
  for (int i = axis + count; i < x->rank; i++) plan->inner *= *dims++ = x->dims[i];
  plan->outputs = wk_layout_count(&plan->joint);
  return WK_OK;
}

typedef struct row_listing {
  const wk_index_plan *plan;
  const wk_layout *x;
  const wk_operand *indices;
  bool from_end;
  int64_t *rows;
  atomic_bool wrong;
} row_listing;

/* Takes one more axis into the rows begin .. end - 1; false if an index is wrong. */
static bool list_axis(const row_listing *l, int k, int64_t begin, int64_t end) {
  const int64_t size = l->x->dims[l->plan->axis + k];
  wk_layout aligned;
  wk_layout_align(&l->indices[k].layout, &l->plan->joint, &aligned);
  const bool dense = wk_layout_is_contiguous(&aligned);
  for (int64_t i = begin; i < end; i++) {
    int64_t place = value_at(&l->indices[k], dense ? i : wk_layout_position(&aligned, i));
    if (l->from_end && place < 0) place += size;
    if (place < 0 || place >= size) return false;
    l->rows[i] = k == 0 ? place : l->rows[i] * size + place;
  }
  return true;
}

static void list_range(void *context, int64_t begin, int64_t end) {
  row_listing *l = context;
  while (begin < end) { /* piece by piece, so that rows stay near */
    const int64_t stop = end - begin < BLOCK ? end : begin + BLOCK;
    bool right = true;
    for (int k = 0; k < l->plan->count && right; k++) right = list_axis(l, k, begin, stop);
    if (!right) l->wrong = true;
    begin = stop;
  }
}

wk_status wk_index_plan_rows(const wk_index_plan *plan, const wk_layout *x,
                             const wk_operand *indices, bool from_end, int64_t *rows) {
  row_listing l = {.plan = plan, .x = x, .indices = indices, .from_end = from_end, .rows = rows};
  wk_parallel_for(plan->outputs, BLOCK, list_range, &l);
  wk_status status = WK_OK;
  for (int k = 0; k < plan->count && l.wrong && status == WK_OK; k++)
    status = wk_indices_check(&indices[k], x->dims[plan->axis + k], from_end);
  return status;
}

int64_t wk_place_resolve(int64_t place, int64_t size, int axis) {
  if (place >= -size && place < size) return place < 0 ? place + size : place;
  if (size == 0) {
    wk_fail(WK_ERROR_INDEX, "index %lld points into axis %d, which has no elements",
            (long long)place, axis);
    return -1;
  }
  wk_fail(WK_ERROR_INDEX, "index %lld is not one of %lld .. %lld", (long long)place,
          -(long long)size, (long long)size - 1);
  wk_error_add_hint("axis %d has %lld elements; negative indices count from its end", axis,
                    (long long)size);
  return -1;
}

int wk_axis_or_zero(int axis, int rank) {
  return rank == 0 && (axis == 0 || axis == -1) ? 0 : wk_axis_resolve(axis, rank);
}

void wk_layout_align(const wk_layout *from, const wk_layout *joint, wk_layout *to) {
  *to = *joint;
  to->dtype = from->dtype;
  const int added = joint->rank - from->rank;
  for (int i = 0; i < joint->rank; i++) {
    const bool repeated = i < added || (from->dims[i - added] == 1 && joint->dims[i] != 1);
    to->strides[i] = repeated ? 0 : from->strides[i - added];
  }
}

wk_tensor *wk_zeros_shaped(const wk_layout *layout, const wk_tensor *beside) {
  if (!beside) return NULL;
  wk_tensor *zero =
      wk_full(WK_SCALAR, 0, .dtype = layout->dtype, .device = wk_tensor_device_of(beside));
  return wk_broadcast_to(zero, wk_layout_shape(layout));
}

wk_tensor *wk_counting(int64_t count, const wk_tensor *beside) {
  if (!beside) return NULL;
  return wk_arange(count, .dtype = WK_I64, .device = wk_tensor_device_of(beside));
}
