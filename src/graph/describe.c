/* SPDX-License-Identifier: Apache-2.0 */
/* What a function's plans do and take, for those who ask. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "graph/cost.h"
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

/* What the steps of one kernel do together. */
typedef struct total {
  const char *kernel;
  size_t steps;
  wk_cost cost;
} total;

static int more_bytes(const void *a, const void *b) {
  const total *x = a, *y = b;
  const double more = y->cost.bytes - x->cost.bytes;
  return more > 0 ? 1 : more < 0 ? -1 : strcmp(x->kernel, y->kernel);
}

/* Those of all kernels, the sum first; `totals` has room for one a step and one more. */
static size_t sum_up(const wk_plan *plan, total *totals) {
  size_t count = 1;
  totals[0].kernel = "in all";
  for (size_t i = 0; i < plan->step_count; i++) {
    const char *kernel = wk_step_kernel(&plan->steps[i]);
    const wk_cost cost = wk_node_cost(plan->steps[i].node);
    size_t k = 1;
    while (k < count && strcmp(totals[k].kernel, kernel)) k++;
    if (k == count) totals[count++].kernel = kernel;
    for (size_t at = 0; at <= k; at += k) {
      totals[at].steps++;
      totals[at].cost.operations += cost.operations, totals[at].cost.bytes += cost.bytes;
    }
  }
  qsort(totals + 1, count - 1, sizeof *totals, more_bytes);
  return count;
}

static size_t print_total(const total *t, char *buffer, size_t size, size_t used) {
  char bytes[32];
  wk_format_bytes(bytes, sizeof bytes, (uint64_t)t->cost.bytes);
  return wk_print_into(buffer, size, used, "\n%7zu %-28s %12.6g MFLOP %12s", t->steps, t->kernel,
                       t->cost.operations * 1e-6, bytes);
}

static size_t describe_steps(const wk_plan *plan, char *buffer, size_t size, size_t used) {
  total *totals = wk_allocate_zeroed(plan->step_count + 1, sizeof *totals);
  const size_t count = totals ? sum_up(plan, totals) : 0;
  for (size_t i = 0; i < count; i++) used = print_total(&totals[i], buffer, size, used);
  wk_deallocate(totals);
  for (size_t i = 0; i < plan->step_count; i++) {
    char why[160];
    if (wk_step_explain(plan, i, why, sizeof why))
      used = wk_print_into(buffer, size, used, "\nstep %zu, %s: %s", i + 1,
                           plan->steps[i].node->op->name, why);
  }
  return used;
}

static size_t describe(const wk_plan *plan, char *buffer, size_t size) {
  if (!plan) return wk_print_into(buffer, size, 0, "not called yet");
  char arena[32], all[32], loops[32];
  wk_format_bytes(arena, sizeof arena, plan->arena_size);
  wk_format_bytes(all, sizeof all, plan->total_size);
  wk_format_bytes(loops, sizeof loops, wk_plan_loop_bytes(plan));
  size_t used =
      wk_print_into(buffer, size, 0, "%zu steps, %zu buffers, %d in place, arena %s for %s",
                    plan->step_count, plan->graph.buffer_count, plan->in_place_count, arena, all);
  if (plan->pieces.count)
    used = wk_print_into(buffer, size, used, ", %zu groups of steps by pieces of the batch",
                         plan->pieces.count);
  if (wk_plan_loop_bytes(plan)) used = wk_print_into(buffer, size, used, ", loops %s", loops);
  return describe_steps(plan, buffer, size, used);
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
    all.loops = wk_plan_loop_bytes(plan);
    all.scratch = wk_plan_scratch_bytes(plan);
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
