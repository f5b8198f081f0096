/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/environment.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/text.h"

enum { GROUP_COUNT = 128, EXPLAINED = 5, REPORTED = 12, PEAK_TEXT_SIZE = 4096 };

/* Values that the same op made in the same module. */
typedef struct group {
  const char *op, *module_path, *name;
  const wk_layout *largest; /* borrowed for the walk */
  size_t largest_bytes, bytes;
  int64_t count;
} group;

typedef struct census {
  wk_live_walk walk; /* first: `add` gets its address */
  group groups[GROUP_COUNT];
  group others; /* what found no place */
  int64_t count;
  size_t bytes;
} census;

uint64_t wk_new_visit(void) {
  /* Each thread has numbers of its own, so that drawing one touches nothing that is shared. */
  static _Thread_local uint64_t visits;
  static atomic_uint_least64_t threads = 1;
  if (visits == 0) visits = atomic_fetch_add(&threads, 1) << 40;
  return ++visits;
}

/* ---- walking ---- */

void wk_live_visit(wk_live_walk *walk, const wk_tensor *tensor) {
  walk->add(walk, &(wk_live){tensor->root, &tensor->layout, tensor->producer, tensor->module_path,
                             tensor->name});
  if (tensor->link && tensor->link->visit) tensor->link->visit(tensor->link, walk);
}

static void visit_entry(wk_tensor *tensor, void *walk) { wk_live_visit(walk, tensor); }

/* ---- counting ---- */

/* Memory that only this root uses counts whole, whatever part of it the tensor shows. */
static size_t bytes_of(const wk_live *live) {
  const wk_storage *storage = live->root->storage;
  if (live->root->offset == 0 && atomic_load(&storage->references) == 1) return storage->size;
  return (size_t)wk_layout_count(live->layout) * wk_dtype_size(live->layout->dtype);
}

/* Names are interned or static, so equal ones are the same pointer. */
static group *find_group(census *c, const wk_live *live) {
  const uint64_t key = ((uint64_t)(uintptr_t)live->op * 31 + (uintptr_t)live->module_path) * 31 +
                       (uintptr_t)live->name;
  const size_t start = (size_t)((key * 0x9E3779B97F4A7C15u) >> 32) % GROUP_COUNT;
  for (size_t i = 0; i < GROUP_COUNT; i++) {
    group *g = &c->groups[(start + i) % GROUP_COUNT];
    if (g->count == 0) *g = (group){live->op, live->module_path, live->name, .count = 0};
    if (g->op == live->op && g->module_path == live->module_path && g->name == live->name) return g;
  }
  return &c->others;
}

static void count(wk_live_walk *walk, const wk_live *live) {
  census *c = (census *)(void *)walk;
  if (atomic_exchange_explicit(&live->root->visit, walk->visit, memory_order_relaxed) ==
      walk->visit)
    return;
  const size_t bytes = bytes_of(live);
  group *g = find_group(c, live);
  g->count++, g->bytes += bytes;
  c->count++, c->bytes += bytes;
  if (bytes >= g->largest_bytes) g->largest = live->layout, g->largest_bytes = bytes;
}

static int more_first(const void *a, const void *b) {
  const group *x = a, *y = b;
  return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

/* ---- telling ---- */

/* "  5.28 MiB  f32 [64, 26, 26, 32] from conv2d at network.0 (conv2d)" */
static size_t print_group(const group *g, char *buffer, size_t size, size_t used) {
  char bytes[32], layout[128], number[32];
  wk_format_bytes(bytes, sizeof bytes, g->bytes);
  wk_format_count(number, sizeof number, g->count);
  wk_layout_describe(g->largest, layout, sizeof layout);
  used = wk_print_into(buffer, size, used, "\n  %10s  ", bytes);
  if (g->count > 1) used = wk_print_into(buffer, size, used, "%s tensors, largest ", number);
  used = wk_print_into(buffer, size, used, "%s", layout);
  if (g->name) used = wk_print_into(buffer, size, used, " %s", g->name);
  if (g->op) used = wk_print_into(buffer, size, used, " from %s", g->op);
  if (g->module_path) used = wk_print_into(buffer, size, used, " at %s", g->module_path);
  return used;
}

static size_t print_census(census *c, char *buffer, size_t size, int most) {
  char bytes[32], number[32];
  wk_format_bytes(bytes, sizeof bytes, c->bytes);
  wk_format_count(number, sizeof number, c->count);
  size_t used =
      wk_print_into(buffer, size, 0, "%s in %s tensor%s", bytes, number, c->count == 1 ? "" : "s");
  qsort(c->groups, GROUP_COUNT, sizeof *c->groups, more_first);
  size_t left = c->bytes;
  for (int i = 0; i < most && i < GROUP_COUNT && c->groups[i].bytes; i++) {
    used = print_group(&c->groups[i], buffer, size, used);
    left -= c->groups[i].bytes;
  }
  if (!left) return used;
  wk_format_bytes(bytes, sizeof bytes, left);
  return wk_print_into(buffer, size, used, "\n  %10s  others", bytes);
}

size_t wk_live_text(char *buffer, size_t size, int most) {
  if (size) buffer[0] = '\0';
  census c;
  memset(&c, 0, sizeof c);
  c.walk = (wk_live_walk){.visit = wk_new_visit(), .add = count};
  wk_scope_each(visit_entry, &c.walk);
  return c.bytes ? print_census(&c, buffer, size, most) : 0;
}

size_t wk_scope_report(char *buffer, size_t size) {
  static const char start[] = "this thread's scopes hold ";
  size_t used = wk_print_into(buffer, size, 0, "%s", start);
  const bool room = used < size;
  const size_t more = wk_live_text(room ? buffer + used : NULL, room ? size - used : 0, REPORTED);
  if (!more) return wk_print_into(buffer, size, 0, "%snothing\n", start);
  used += more;
  return wk_print_into(buffer, size, used, "\n");
}

/* ---- WICK_DEBUG=scope: the report of the moment when there was most ---- */

static _Thread_local struct {
  size_t active; /* bytes of all tensors then */
  char *text;    /* NULL until there is something to keep */
} peak;

static void forget_peak(void) {
  wk_deallocate(peak.text);
  peak.text = NULL, peak.active = 0;
}

static size_t print_peak(char *buffer, size_t size) {
  if (!peak.text) return 0;
  return wk_print_into(buffer, size, 0, "wick: at the most, %s", peak.text);
}

bool wk_live_is_watched(void) {
  static atomic_int watched = -1; /* not known yet */
  int now = atomic_load_explicit(&watched, memory_order_relaxed);
  if (now >= 0) return now;
  now = wk_debug_topic("scope");
  if (now) wk_error_report_end_with(print_peak);
  atomic_store(&watched, now);
  return now;
}

static size_t active_bytes(void) {
  size_t sum = 0;
  for (int i = 0; i < wk_device_table_count; i++) {
    wk_memory_statistics statistics = {.struct_size = sizeof statistics};
    wk_memory_statistics_get(wk_device_table[i], &statistics);
    sum += statistics.active;
  }
  return sum;
}

/* Looks only where memory has grown by a sixteenth, so that a run of many scopes makes few walks.
 */
void wk_live_note_peak(void) {
  const size_t active = active_bytes();
  if (active <= peak.active + peak.active / 16) return;
  if (!peak.text) {
    wk_at_thread_exit(forget_peak);
    if (!(peak.text = wk_allocate(PEAK_TEXT_SIZE))) return;
  }
  peak.active = active;
  wk_scope_report(peak.text, PEAK_TEXT_SIZE);
}

/* ---- out of memory ---- */

void wk_live_explain(void) {
  char text[768];
  const size_t begin = wk_print_into(text, sizeof text, 0, "this thread's scopes hold ");
  if (wk_live_text(text + begin, sizeof text - begin, EXPLAINED)) wk_error_add_lines(text);
}
