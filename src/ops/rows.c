/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rows.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/dispatch.h"
#include "ops/position.h"
#include "ops/trace.h"

/* ---- numbering ---- */

/* A bit for each row of the table that is used, and how many are used before each word. */
typedef struct used_rows {
  uint64_t *bits;
  int64_t *before;
  int64_t words, count;
} used_rows;

static int64_t place_of(const used_rows *u, int64_t row) {
  const uint64_t below = u->bits[row / 64] & (((uint64_t)1 << row % 64) - 1);
  return u->before[row / 64] + __builtin_popcountll(below);
}

static void mark(used_rows *u, const int64_t *indices, int64_t count, int64_t left_out) {
  for (int64_t i = 0; i < count; i++) u->bits[indices[i] / 64] |= (uint64_t)1 << indices[i] % 64;
  if (left_out >= 0) u->bits[left_out / 64] &= ~((uint64_t)1 << left_out % 64);
  for (int64_t w = 0; w < u->words; w++) {
    u->before[w] = u->count;
    u->count += __builtin_popcountll(u->bits[w]);
  }
}

static void list(const used_rows *u, int64_t *rows) {
  for (int64_t w = 0; w < u->words; w++)
    for (uint64_t bits = u->bits[w]; bits; bits &= bits - 1)
      *rows++ = w * 64 + __builtin_ctzll(bits);
}

static wk_status number(used_rows *u, int64_t *values, const wk_layout *layout, int64_t left_out,
                        wk_device *device, wk_row_numbers *result) {
  const int64_t count = wk_layout_count(layout);
  mark(u, values, count, left_out);
  int64_t *rows = wk_allocate((size_t)u->count * sizeof *rows + 1);
  if (!rows) return wk_error_status();
  list(u, rows);
  for (int64_t i = 0; i < count; i++)
    values[i] = values[i] == left_out ? u->count : place_of(u, values[i]);
  *result = (wk_row_numbers){.count = u->count,
                             .rows = wk_tensor_from_data(WK_SHAPE(u->count), WK_I64, rows, device),
                             .numbers = wk_tensor_from_data(wk_layout_shape(layout), WK_I64, values,
                                                            device)};
  wk_deallocate(rows);
  return wk_error_status();
}

wk_status wk_rows_number(wk_tensor *indices, int64_t table, int64_t left_out,
                         wk_row_numbers *result) {
  *result = (wk_row_numbers){0, NULL, NULL};
  if (!indices) return wk_error_status();
  if (wk_tracing) {
    wk_fail(WK_ERROR_UNSUPPORTED, "how many rows a sparse gradient has is known by its values "
                                  "alone, which a function has not while it is compiled");
    wk_error_add_hint(".sparse = false keeps the gradient of all rows; or run this step eagerly");
    return WK_ERROR_UNSUPPORTED;
  }
  const size_t size = (size_t)wk_tensor_count(indices) * sizeof(int64_t);
  used_rows u = {.words = table / 64 + 1};
  wk_operand values = {.data = wk_allocate(size + 1), .layout = indices->layout};
  wk_layout_set_strides(&values.layout);
  u.bits = wk_allocate_zeroed((size_t)u.words, sizeof *u.bits);
  u.before = wk_allocate_zeroed((size_t)u.words, sizeof *u.before);
  wk_status status = values.data && u.bits && u.before ? WK_OK : wk_error_status();
  if (status == WK_OK) status = wk_tensor_read(indices, values.data, size);
  if (status == WK_OK) status = wk_indices_check(&values, table, false);
  if (status == WK_OK)
    status = number(&u, (int64_t *)(void *)values.data, &values.layout, left_out,
                    wk_tensor_device_of(indices), result);
  wk_deallocate(u.before);
  wk_deallocate(u.bits);
  wk_deallocate(values.data);
  return status;
}

/* ---- gradients of rows ---- */

wk_tensor *wk_rows_spread(const wk_layout *layout, wk_tensor *rows, wk_tensor *values) {
  if (!rows || !values) return NULL;
  return wk_index_put(wk_zeros_shaped(layout, values), values, WK_TENSORS(rows),
                      .accumulate = true);
}

/* ---- writing in place ---- */

wk_status wk_infer_put_rows_update(wk_call *call) {
  const wk_layout *value = &call->inputs[0]->layout, *rows = &call->inputs[1]->layout;
  const wk_layout *source = &call->inputs[2]->layout;
  wk_layout wanted = *value;
  if (value->rank > 0 && rows->rank == 1) wanted.dims[0] = rows->dims[0];
  if (value->rank < 1 || rows->rank != 1 || !wk_layout_same_dims(&wanted, source))
    return wk_fail(WK_ERROR_SHAPE, "source must hold a row of value for each of rows [n]");
  if (!wk_layout_is_contiguous(value))
    return wk_fail(WK_ERROR_ARGUMENT, "value must be contiguous to be written");
  return WK_OK;
}

wk_status wk_rows_put(wk_tensor *table, wk_tensor *rows, wk_tensor *values) {
  if (wk_failed()) return wk_error_status();
  const wk_put_rows_update_arguments arguments = {sizeof arguments, table, rows, values};
  return wk_op_run(&wk_op_table[WK_OP_PUT_ROWS_UPDATE], WK_HERE, &arguments, NULL);
}
