/* SPDX-License-Identifier: Apache-2.0 */

/* Sorting rows. Elements become unsigned keys in the same order, kept with their places: short rows
 * are sorted by insertion, longer ones by a few bits at a time, the lowest first (a radix sort),
 * both stable. Of a few elements wanted of many, a heap holds the best so far. Threads share the
 * rows or, where these are few and long, each row: its parts are counted and moved in their order,
 * so that their number changes nothing. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/scratch.h"
#include "base/error.h"
#include "base/parallel.h"

#define SHORT_ROW 40
#define LONG_ROW 65536 /* worth several threads */
#define TILE 512       /* keys that are made at a time */
#define MOST_BITS 11   /* that are sorted by at a time */
#define BUCKETS (1 << MOST_BITS)
#define MOST_HEAPED 256

typedef struct item {
  uint64_t key;
  int64_t place;
} item;

typedef struct rows {
  wk_dtype dtype;
  int64_t columns, taken;
  bool descending, by_heap;
  int64_t parts; /* of a row: how many threads share it */
  const char *x;
  char *values;
  int64_t *places;
  char *space; /* two rows of items for each thread, and its buckets behind them */
  int64_t space_bytes;
} rows;

/* One row that is being sorted. Where keys are short, an item is one number: key and place. */
typedef struct sorting {
  const rows *r;
  const char *x;
  char *values;
  int64_t *places;
  uint64_t flip, least; /* of the keys */
  bool packed;
  int shift, bits;    /* of the pass */
  char *from, *to;    /* items */
  int64_t *starts;    /* [parts][BUCKETS] */
  uint64_t *extremes; /* [parts][2] */
  int64_t heaped;     /* items of each part's heap */
} sorting;

/* ---- keys ---- */

/* The sign and the rest of a float's bits as an ascending number; both zeros are equal. */
static uint64_t key_of_f32(float value) {
  int32_t bits;
  value += 0.0F; /* -0 becomes 0 */
  memcpy(&bits, &value, sizeof bits);
  const int32_t is_nan = -((bits & INT32_MAX) > 0x7f800000);
  return (uint32_t)((bits ^ (bits >> 31 | INT32_MIN)) | is_nan);
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
    const TYPE value = ((const TYPE *)(const void *)s->x)[first + i];                              \
    keys[i] = (KEY) ^ flip;                                                                        \
  }                                                                                                \
  break

/* Descending order is ascending order of the keys' complements. */
static void make_keys(const sorting *s, int64_t first, int64_t count, uint64_t *keys) {
  const uint64_t flip = s->flip;
  switch (s->r->dtype) {
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

/* ---- parts of a row ---- */

static int64_t part_begin(const sorting *s, int64_t part) {
  return part * s->r->columns / s->r->parts;
}

/* Runs the body for each of the parts begin .. end - 1 and in it for each tile of keys. */
#define EACH_TILE(...)                                                                             \
  for (int64_t at = part_begin(s, part), stop = part_begin(s, part + 1); at < stop; at += TILE) {  \
    uint64_t keys[TILE];                                                                           \
    const int64_t count = stop - at < TILE ? stop - at : TILE;                                     \
    make_keys(s, at, count, keys);                                                                 \
    __VA_ARGS__                                                                                    \
  }

static void find_extremes(void *context, int64_t begin, int64_t end) {
  const sorting *s = context;
  for (int64_t part = begin; part < end; part++) {
    uint64_t least = UINT64_MAX, most = 0;
    EACH_TILE(for (int64_t i = 0; i < count; i++) {
      least = keys[i] < least ? keys[i] : least;
      most = keys[i] > most ? keys[i] : most;
    })
    s->extremes[2 * part] = least, s->extremes[2 * part + 1] = most;
  }
}

static void fill_items(void *context, int64_t begin, int64_t end) {
  const sorting *s = context;
  for (int64_t part = begin; part < end; part++) {
    uint64_t *packed = (uint64_t *)(void *)s->from;
    item *items = (item *)(void *)s->from;
    if (s->packed)
      EACH_TILE(for (int64_t i = 0; i < count; i++) packed[at + i] =
                    (keys[i] - s->least) << 32 | (uint64_t)(at + i);)
    else
      EACH_TILE(for (int64_t i = 0; i < count; i++) items[at + i] =
                    (item){keys[i] - s->least, at + i};)
  }
}

/* One pass: how many items of a part go to each bucket, then where they go. */
#define DEFINE_PASS(kind, ITEM, KEY)                                                               \
  static void count_##kind(void *context, int64_t begin, int64_t end) {                            \
    const sorting *s = context;                                                                    \
    const ITEM *from = (const ITEM *)(const void *)s->from;                                        \
    const uint64_t mask = ((uint64_t)1 << s->bits) - 1;                                            \
    for (int64_t part = begin; part < end; part++) {                                               \
      int64_t *counts = s->starts + part * BUCKETS;                                                \
      memset(counts, 0, (mask + 1) * sizeof *counts);                                              \
      for (int64_t i = part_begin(s, part), stop = part_begin(s, part + 1); i < stop; i++)         \
        counts[KEY(from[i]) >> s->shift & mask]++;                                                 \
    }                                                                                              \
  }                                                                                                \
  static void move_##kind(void *context, int64_t begin, int64_t end) {                             \
    const sorting *s = context;                                                                    \
    const ITEM *from = (const ITEM *)(const void *)s->from;                                        \
    ITEM *to = (ITEM *)(void *)s->to;                                                              \
    const uint64_t mask = ((uint64_t)1 << s->bits) - 1;                                            \
    for (int64_t part = begin; part < end; part++) {                                               \
      int64_t *starts = s->starts + part * BUCKETS;                                                \
      for (int64_t i = part_begin(s, part), stop = part_begin(s, part + 1); i < stop; i++)         \
        to[starts[KEY(from[i]) >> s->shift & mask]++] = from[i];                                   \
    }                                                                                              \
  }
#define PACKED_KEY(item) ((item) >> 32)
#define WIDE_KEY(item) ((item).key)
DEFINE_PASS(packed, uint64_t, PACKED_KEY)
DEFINE_PASS(wide, item, WIDE_KEY)

/* Counts become where each part's items of each bucket begin; false if all are in one bucket. */
static bool find_starts(const sorting *s) {
  int64_t start = 0;
  for (int64_t bucket = 0; bucket < (int64_t)1 << s->bits; bucket++) {
    const int64_t before = start;
    for (int64_t part = 0; part < s->r->parts; part++) {
      int64_t *at = &s->starts[part * BUCKETS + bucket];
      const int64_t count = *at;
      *at = start;
      start += count;
    }
    if (start - before == s->r->columns) return false;
  }
  return true;
}

static void store_range(void *context, int64_t begin, int64_t end) {
  const sorting *s = context;
  const size_t size = wk_dtype_size(s->r->dtype);
  for (int64_t i = begin; i < end; i++)
    s->places[i] = s->packed ? (int64_t)(((const uint64_t *)(const void *)s->from)[i] & UINT32_MAX)
                             : ((const item *)(const void *)s->from)[i].place;
  if (s->packed && s->r->dtype == WK_I64) { /* keys say all, and elements may lie anywhere */
    for (int64_t i = begin; i < end; i++)
      ((uint64_t *)(void *)s->values)[i] =
          ((((const uint64_t *)(const void *)s->from)[i] >> 32) + s->least) ^ s->flip ^
          (uint64_t)1 << 63;
    return;
  }
  for (int64_t i = begin; i < end; i++) {
    const char *from = s->x + (size_t)s->places[i] * size;
    switch (size) {
    case 8:
      memcpy(s->values + i * 8, from, 8);
      break;
    case 4:
      memcpy(s->values + i * 4, from, 4);
      break;
    default:
      memcpy(s->values + (size_t)i * size, from, size);
    }
  }
}

/* ---- sorting a row ---- */

static void sort_short(sorting *s) {
  item *items = (item *)(void *)s->from;
  s->packed = false;
  fill_items(s, 0, 1);
  for (int64_t i = 1; i < s->r->columns; i++) {
    const item moved = items[i];
    int64_t at = i;
    for (; at > 0 && items[at - 1].key > moved.key; at--) items[at] = items[at - 1];
    items[at] = moved;
  }
}

/* How many bits of the keys are to be sorted by; of long keys, those above the least one. */
static int count_bits(sorting *s) {
  const size_t size = wk_dtype_size(s->r->dtype);
  if (size < 8) return 8 * (int)size;
  uint64_t most = 0;
  s->least = UINT64_MAX;
  wk_parallel_for(s->r->parts, 1, find_extremes, s);
  for (int64_t part = 0; part < s->r->parts; part++) {
    if (s->extremes[2 * part] < s->least) s->least = s->extremes[2 * part];
    if (s->extremes[2 * part + 1] > most) most = s->extremes[2 * part + 1];
  }
  return most > s->least ? 64 - __builtin_clzll(most - s->least) : 0;
}

static void sort_long(sorting *s) {
  const int64_t parts = s->r->parts;
  const int bits = count_bits(s);
  s->packed = bits <= 32 && s->r->columns <= UINT32_MAX;
  wk_parallel_for(parts, 1, fill_items, s);
  const int most = s->r->columns < 1024 ? 8 : MOST_BITS, passes = (bits + most - 1) / most;
  for (int pass = 0; pass < passes; pass++) {
    s->bits = (bits + passes - 1) / passes;
    s->shift = pass * s->bits;
    wk_parallel_for(parts, 1, s->packed ? count_packed : count_wide, s);
    if (!find_starts(s)) continue;
    wk_parallel_for(parts, 1, s->packed ? move_packed : move_wide, s);
    char *const sorted = s->to;
    s->to = s->from, s->from = sorted;
  }
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

/* The first of a heap's items in order, in front. */
static void order_heap(item *heap, int64_t count) {
  for (int64_t left = count - 1; left > 0; left--) {
    const item last = heap[0];
    heap[0] = heap[left], heap[left] = last;
    sink(heap, left, 0);
  }
}

/* Each part's best; later items of the same key lose. */
static void heap_parts(void *context, int64_t begin, int64_t end) {
  const sorting *s = context;
  for (int64_t part = begin; part < end; part++) {
    item *heap = (item *)(void *)s->from + part * s->heaped;
    int64_t filled = 0;
    EACH_TILE({
      int64_t i = 0;
      for (; filled < s->heaped && i < count; i++) heap[filled++] = (item){keys[i], at + i};
      if (i > 0 && filled == s->heaped)
        for (int64_t k = filled / 2 - 1; k >= 0; k--) sink(heap, filled, k);
      for (; i < count; i++) {
        if (keys[i] >= heap[0].key) continue;
        heap[0] = (item){keys[i], at + i};
        sink(heap, filled, 0);
      }
    })
  }
}

static void take_best(sorting *s) {
  const int64_t taken = s->r->taken, all = s->r->parts * taken;
  item *items = (item *)(void *)s->from;
  s->heaped = taken;
  s->packed = false;
  wk_parallel_for(s->r->parts, 1, heap_parts, s);
  for (int64_t i = taken; i < all; i++) { /* the first part's heap meets the others' items */
    if (!is_behind(&items[0], &items[i])) continue;
    items[0] = items[i];
    sink(items, taken, 0);
  }
  order_heap(items, taken);
}

/* ---- rows ---- */

static void run_row(const rows *r, int64_t row) {
  const int64_t size = (int64_t)wk_dtype_size(r->dtype), columns = r->columns;
  char *const space = r->space + wk_parallel_index() * r->space_bytes;
  sorting s = {.r = r,
               .x = r->x + row * columns * size,
               .values = r->values + row * r->taken * size,
               .places = r->places + row * r->taken,
               .from = space,
               .to = space + columns * (int64_t)sizeof(item)};
  if (r->descending) s.flip = size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
  s.starts = (int64_t *)(void *)(s.to + columns * (int64_t)sizeof(item));
  s.extremes = (uint64_t *)(s.starts + r->parts * BUCKETS);
  if (r->by_heap)
    take_best(&s);
  else if (columns <= SHORT_ROW)
    sort_short(&s);
  else
    sort_long(&s);
  wk_parallel_for(r->taken, r->parts > 1 ? 16384 : r->taken, store_range, &s);
}

static void run_rows(void *context, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) run_row(context, row);
}

wk_status wk_cpu_sort(wk_dtype dtype, int64_t count, int64_t columns, int64_t taken,
                      bool descending, const void *x, void *values, int64_t *places) {
  rows r = {.dtype = dtype, .columns = columns, .taken = taken, .descending = descending};
  const int64_t threads = wk_thread_count();
  const bool shared = columns >= LONG_ROW && count < 2 * threads;
  r.by_heap = taken <= columns / 8 && taken <= MOST_HEAPED;
  r.parts = shared ? threads : 1;
  r.x = x, r.values = values, r.places = places;
  if (count == 0 || columns == 0 || taken == 0) return WK_OK;
  const size_t buckets = (size_t)r.parts * (BUCKETS + 2) * sizeof(int64_t);
  r.space_bytes = (int64_t)wk_scratch_round(2 * (size_t)columns * sizeof(item) + buckets);
  r.space = wk_cpu_scratch((size_t)r.space_bytes * (size_t)(shared ? 1 : threads));
  if (!r.space) return wk_error_status();
  if (shared)
    run_rows(&r, 0, count);
  else
    wk_parallel_for(count, 4096 / columns + 1, run_rows, &r);
  return WK_OK;
}
