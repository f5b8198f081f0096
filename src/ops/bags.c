/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/bags.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"

int64_t wk_bag_count(const wk_layout *indices, const wk_layout *offsets, bool include_last) {
  const bool has_offsets = offsets && offsets->rank >= 0;
  if (indices->rank == 2 && !has_offsets) return indices->dims[0];
  if (indices->rank != 1 || !has_offsets || offsets->rank != 1) {
    wk_fail(WK_ERROR_SHAPE, "indices must be [bags, size], or [n] with offsets [bags]");
    return -1;
  }
  if (!include_last) return offsets->dims[0];
  if (offsets->dims[0] > 0) return offsets->dims[0] - 1;
  wk_fail(WK_ERROR_SHAPE, "include_last_offset needs offsets [bags + 1], but there are none");
  return -1;
}

static int64_t integer_at(const wk_operand *x, int64_t i) {
  return ((const int64_t *)(const void *)x->data)[wk_layout_position(&x->layout, i)];
}

static wk_status check_order(const int64_t *starts, int64_t count, int64_t index_count) {
  for (int64_t b = 0; b <= count; b++) {
    const int64_t before = b > 0 ? starts[b - 1] : 0;
    if (starts[b] >= before && starts[b] <= index_count && (b > 0 || starts[0] == 0 || count == 0))
      continue;
    wk_fail(WK_ERROR_INDEX, "offset %lld at [%lld] is out of order", (long long)starts[b],
            (long long)b);
    wk_error_add_hint("offsets begin with 0 and never fall or exceed the number of indices, %lld",
                      (long long)index_count);
    return WK_ERROR_INDEX;
  }
  return WK_OK;
}

/* Those in a bag; the others are not looked at. */
static wk_status check_indices(const wk_bags *bags, const wk_operand *indices, int64_t rows) {
  const int64_t end = bags->starts[bags->count];
  if (end == wk_layout_count(&indices->layout)) return wk_indices_check(indices, rows, false);
  const wk_operand inside = {
      .data = (char *)(uintptr_t)bags->index,
      .layout = {.dtype = WK_I64, .rank = 1, .dims = {end}, .strides = {1}},
  };
  return wk_indices_check(&inside, rows, false);
}

wk_status wk_bags_make(wk_bags *bags, const wk_operand *indices, const wk_operand *offsets,
                       bool include_last, int64_t rows) {
  const bool has_offsets = offsets->data != NULL;
  const int64_t all = wk_layout_count(&indices->layout);
  *bags = (wk_bags){.count = wk_bag_count(&indices->layout, has_offsets ? &offsets->layout : NULL,
                                          include_last),
                    .index = (const int64_t *)(const void *)indices->data};
  if (bags->count < 0) return wk_error_status();
  bags->starts = wk_allocate(((size_t)bags->count + 1) * sizeof *bags->starts);
  if (!bags->starts) return wk_error_status();
  if (!wk_layout_is_contiguous(&indices->layout)) {
    bags->index = bags->copy = wk_allocate((size_t)all * sizeof *bags->copy + 1);
    for (int64_t i = 0; bags->copy && i < all; i++) bags->copy[i] = integer_at(indices, i);
    if (!bags->copy) return wk_error_status();
  }
  const int64_t given = has_offsets ? offsets->layout.dims[0] : 0;
  const int64_t size = has_offsets || bags->count == 0 ? 0 : all / bags->count;
  for (int64_t b = 0; b <= bags->count; b++)
    bags->starts[b] = !has_offsets ? b * size : b < given ? integer_at(offsets, b) : all;
  const wk_status status = check_order(bags->starts, bags->count, all);
  if (bags->count == 0) bags->starts[0] = 0; /* what is in no bag is left out */
  return status == WK_OK && rows >= 0 ? check_indices(bags, indices, rows) : status;
}

void wk_bags_free(wk_bags *bags) {
  wk_deallocate(bags->starts);
  wk_deallocate(bags->copy);
}
