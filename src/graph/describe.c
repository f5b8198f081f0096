/* SPDX-License-Identifier: Apache-2.0 */
/* What a function's plans do and take, for those who ask. */
#include <string.h>

#include "base/text.h"
#include "graph/function.h"

/* The plan of the last call, which stays while the table is locked; or NULL. */
static const wk_plan *open_last(const wk_function *function) {
  if (!function) return NULL;
  pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&function->table);
  return function->last ? &function->last->plan : NULL;
}

static void close_last(const wk_function *function) {
  if (function) pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&function->table);
}

static size_t describe(const wk_plan *plan, char *buffer, size_t size) {
  if (!plan) return wk_print_into(buffer, size, 0, "not called yet");
  char arena[32], total[32];
  wk_format_bytes(arena, sizeof arena, plan->arena_size);
  wk_format_bytes(total, sizeof total, plan->total_size);
  return wk_print_into(buffer, size, 0, "%zu steps, %zu buffers, %d in place, arena %s for %s",
                       plan->step_count, plan->graph.buffer_count, plan->in_place_count, arena,
                       total);
}

size_t wk_function_describe(const wk_function *function, char *buffer, size_t size) {
  const size_t length = describe(open_last(function), buffer, size);
  close_last(function);
  return length;
}

void wk_function_memory(const wk_function *function, wk_plan_memory *memory) {
  if (!memory) return;
  wk_plan_memory all = {.struct_size = memory->struct_size};
  const wk_plan *plan = open_last(function);
  if (plan) {
    all.arena = plan->arena_size;
    all.again = (int64_t)plan->again_count;
  }
  for (size_t i = 0; plan && i < plan->graph.buffer_count; i++) {
    const wk_buffer *b = &plan->graph.buffers[i];
    if (b->kind == WK_BUFFER_CELL) all.cells += b->size;
    if (b->kind == WK_BUFFER_INPUT) all.inputs += b->size;
    if (b->kind == WK_BUFFER_LOCAL && !plan->in_arena[i]) all.results += b->size;
  }
  close_last(function);
  memcpy(memory, &all, memory->struct_size < sizeof all ? memory->struct_size : sizeof all);
}

int64_t wk_function_plan_count(const wk_function *function) {
  open_last(function);
  const size_t count = function ? function->count : 0;
  close_last(function);
  return (int64_t)count;
}

int64_t wk_function_trace_count(const wk_function *function) {
  open_last(function);
  const int64_t traces = function ? function->traces : 0;
  close_last(function);
  return traces;
}
