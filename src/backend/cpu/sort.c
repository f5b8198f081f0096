/* SPDX-License-Identifier: Apache-2.0 */

/* Sorting rows. Elements become unsigned keys in the same order, kept with their places: short rows
 * are sorted by insertion, longer ones by their bytes, the lowest first (a radix sort), both
 * stable. Of a few elements wanted of many, a heap holds the best so far. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"

#define SHORT_ROW 40

typedef struct item {
  uint64_t key;
  int64_t place;
} item;

typedef struct rows {
  wk_dtype dtype;
  int64_t columns, taken;
  bool descending, by_heap;
  const char *x;
  char *values;
  int64_t *places;
  item *space; /* two rows of items for each thread */
} rows;

/* ---- keys ---- */

/* The sign and the rest of a float's bits as an ascending number; both zeros are equal. */
static uint64_t key_of_f32(float value) {
  uint32_t bits;
  value += 0.0F; /* -0 becomes 0 */
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return UINT32_MAX;
  return bits >> 31 ? (uint32_t)~bits : bits | 0x80000000U;
}

static uint64_t key_of_f64(double value) {
  uint64_t bits;
  value += 0.0;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return UINT64_MAX;
  return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

#define FILL(TYPE, KEY)                                                                            \
  for (int64_t i = 0; i < count; i++) {                                                            \
    const TYPE value = ((const TYPE *)x)[i];                                                       \
    items[i] = (item){(KEY) ^ flip, i};                                                            \
  }                                                                                                \
  break

/* Descending order is ascending order of the keys' complements. */
static void fill_items(wk_dtype dtype, bool descending, int64_t count, const void *x, item *items) {
  const size_t size = wk_dtype_size(dtype);
  const uint64_t flip = !descending ? 0 : size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
  switch (dtype) {
  case WK_F32:
    FILL(float, key_of_f32(value));
  case WK_F64:
    FILL(double, key_of_f64(value));
  case WK_I64:
    FILL(int64_t, (uint64_t)value ^ (uint64_t)1 << 63);
  case WK_I32:
    FILL(int32_t, (uint32_t)value ^ 0x80000000U);
  case WK_I16:
    FILL(int16_t, (uint64_t)(value + 0x8000));
  case WK_I8:
    FILL(int8_t, (uint64_t)(value + 0x80));
  default: /* u8, bool */
    FILL(uint8_t, (uint64_t)value);
  }
}

/* ---- sorting items ---- */

static void sort_short(item *items, int64_t count) {
  for (int64_t i = 1; i < count; i++) {
    const item moved = items[i];
    int64_t at = i;
    for (; at > 0 && items[at - 1].key > moved.key; at--) items[at] = items[at - 1];
    items[at] = moved;
  }
}

/* Where each of a byte's values begins in order; false if all items have the same one. */
static bool find_starts(const int64_t *counts, int64_t count, int64_t *starts) {
  int64_t start = 0;
  for (int i = 0; i < 256; i++) {
    if (counts[i] == count) return false;
    starts[i] = start;
    start += counts[i];
  }
  return true;
}

/* Returns which of the two rows of items holds the result. */
static item *sort_long(item *items, item *other, int64_t count, int bytes) {
  int64_t counts[8][256] = {{0}}, starts[256];
  for (int64_t i = 0; i < count; i++)
    for (int byte = 0; byte < bytes; byte++) counts[byte][items[i].key >> 8 * byte & 255]++;
  for (int byte = 0; byte < bytes; byte++) {
    if (!find_starts(counts[byte], count, starts)) continue;
    for (int64_t i = 0; i < count; i++) other[starts[items[i].key >> 8 * byte & 255]++] = items[i];
    item *const sorted = other;
    other = items, items = sorted;
  }
  return items;
}

/* ---- a heap of the best ---- */

/* Whether a comes behind b in order. */
static bool is_behind(const item *a, const item *b) {
  return a->key > b->key || (a->key == b->key && a->place > b->place);
}

/* Lets the first item sink in a heap that has the last in order on top. */
static void sink(item *heap, int64_t count, int64_t at) {
  const item moved = heap[at];
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && is_behind(&heap[child + 1], &heap[child])) child++;
    if (!is_behind(&heap[child], &moved)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

/* The first `taken` of the items in order, in front. Later items of the same key lose. */
static void take_best(item *items, int64_t count, int64_t taken) {
  if (taken == 0) return;
  for (int64_t i = taken / 2 - 1; i >= 0; i--) sink(items, taken, i);
  for (int64_t i = taken; i < count; i++) {
    if (items[i].key >= items[0].key) continue;
    items[0] = items[i];
    sink(items, taken, 0);
  }
  for (int64_t left = taken - 1; left > 0; left--) {
    const item last = items[0];
    items[0] = items[left], items[left] = last;
    sink(items, left, 0);
  }
}

/* ---- rows ---- */

static void store_row(const rows *r, int64_t row, const item *items) {
  const size_t size = wk_dtype_size(r->dtype);
  const char *x = r->x + (size_t)(row * r->columns) * size;
  char *values = r->values + (size_t)(row * r->taken) * size;
  int64_t *places = r->places + row * r->taken;
  for (int64_t i = 0; i < r->taken; i++) places[i] = items[i].place;
  for (int64_t i = 0; i < r->taken; i++) {
    const char *from = x + (size_t)places[i] * size;
    switch (size) {
    case 8:
      memcpy(values + i * 8, from, 8);
      break;
    case 4:
      memcpy(values + i * 4, from, 4);
      break;
    default:
      memcpy(values + (size_t)i * size, from, size);
    }
  }
}

static void run_rows(void *context, int64_t begin, int64_t end) {
  const rows *r = context;
  item *first = r->space + 2 * r->columns * wk_parallel_index();
  const int bytes = (int)wk_dtype_size(r->dtype);
  for (int64_t row = begin; row < end; row++) {
    item *items = first;
    fill_items(r->dtype, r->descending, r->columns, r->x + row * r->columns * bytes, items);
    if (r->by_heap)
      take_best(items, r->columns, r->taken);
    else if (r->columns <= SHORT_ROW)
      sort_short(items, r->columns);
    else
      items = sort_long(items, first + r->columns, r->columns, bytes);
    store_row(r, row, items);
  }
}

wk_status wk_cpu_sort(wk_dtype dtype, int64_t count, int64_t columns, int64_t taken,
                      bool descending, const void *x, void *values, int64_t *places) {
  rows r = {.dtype = dtype, .columns = columns, .taken = taken, .descending = descending};
  r.by_heap = columns > SHORT_ROW && taken <= columns / 16;
  r.x = x, r.values = values, r.places = places;
  if (count == 0 || columns == 0 || taken == 0) return WK_OK;
  const size_t threads = (size_t)wk_thread_count();
  r.space = wk_allocate(2 * (size_t)columns * threads * sizeof *r.space);
  if (!r.space) return wk_error_status();
  wk_parallel_for(count, 4096 / columns + 1, run_rows, &r);
  wk_deallocate(r.space);
  return WK_OK;
}
