/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled functions: which plan serves a call, and when to trace anew. */
#include <string.h>

#include <wick/ops.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "graph/capture.h"
#include "graph/pass.h"
#include "graph/timeline.h"
#include "graph/watch.h"
#include "tensor/attribute.h"

#define DEFAULT_PLAN_LIMIT ((int64_t)64 << 20)

/* A plan, and what must hold for it to serve a call. */
typedef struct version {
  wk_plan plan;
  wk_watch watch; /* empty, unless the function is verified */
  wk_field_journal fields;
  wk_layout *inputs;
  size_t input_count;
  wk_modes modes;
  size_t bytes; /* its tables take */
  uint64_t last_use;
} version;

struct wk_function {
  wk_body body;
  wk_one_body one; /* the context of a body of one result */
  bool verify;
  size_t plan_limit, memory_budget; /* 0: none */
  version *versions;
  size_t count, capacity;
  size_t last; /* the version of the last call; may be gone: then `count` or more */
  uint64_t calls;
  int64_t traces;
  wk_plan_context running;
};

wk_function *wk_compile_at(wk_place here, const wk_compile_arguments *arguments) {
  if (wk_failed()) return NULL;
  wk_compile_arguments a;
  wk_status status =
      wk_settings_copy("compile", arguments, offsetof(wk_compile_arguments, context), sizeof a, &a);
  if (status == WK_OK && !a.body == !a.body_all)
    status = wk_fail(WK_ERROR_ARGUMENT, a.body ? "both body and body_all are given"
                                               : "the function to compile is NULL");
  if (status == WK_OK && a.body_all && (a.result_count < 1 || a.result_count > INT32_MAX))
    status = wk_fail(WK_ERROR_ARGUMENT, "result_count is %lld, but body_all needs 1 or more",
                     (long long)a.result_count);
  if (status == WK_OK && a.plan_limit < 0)
    status = wk_fail(WK_ERROR_ARGUMENT, "plan_limit is %lld, but bytes are not negative",
                     (long long)a.plan_limit);
  if (status == WK_OK && a.memory_budget < 0)
    status = wk_fail(WK_ERROR_ARGUMENT, "memory_budget is %lld, but bytes are not negative",
                     (long long)a.memory_budget);
  wk_function *function = status == WK_OK ? wk_allocate_zeroed(1, sizeof *function) : NULL;
  if (function) {
    function->one = (wk_one_body){a.body, a.context};
    function->body = a.body ? (wk_body){wk_body_of_one, &function->one, 1}
                            : (wk_body){a.body_all, a.context, (size_t)a.result_count};
    function->verify = a.verify != 0 || wk_debug_topic("verify");
    function->memory_budget = (size_t)a.memory_budget;
    function->plan_limit = (size_t)(a.plan_limit ? a.plan_limit : DEFAULT_PLAN_LIMIT);
  }
  wk_error_add_call("compile", here);
  return function;
}

static void free_version(version *v) {
  wk_plan_free(&v->plan);
  wk_watch_free(&v->watch);
  wk_fields_free(&v->fields);
  wk_deallocate(v->inputs);
}

void wk_function_free(wk_function *function) {
  if (!function) return;
  for (size_t i = 0; i < function->count; i++) free_version(&function->versions[i]);
  wk_deallocate(function->versions);
  wk_plan_context_free(&function->running);
  wk_deallocate(function);
}

/* ---- finding a plan ---- */

static bool serves(const version *v, wk_tensors inputs) {
  const wk_modes modes = wk_modes_now();
  if (v->input_count != inputs.count || !wk_modes_equal(&v->modes, &modes)) return false;
  for (size_t i = 0; i < inputs.count; i++) {
    const wk_layout *layout = &inputs.item[i]->layout;
    if (layout->dtype != v->inputs[i].dtype || !wk_layout_same_dims(layout, &v->inputs[i]))
      return false;
  }
  return wk_fields_hold(&v->fields);
}

static version *find_version(wk_function *f, wk_tensors inputs) {
  for (size_t i = 0; i < f->count; i++)
    if (serves(&f->versions[i], inputs)) return &f->versions[i];
  return NULL;
}

/* ---- making one ---- */

static size_t bytes_of(const wk_plan *plan) {
  const wk_graph *g = &plan->graph;
  size_t bytes = g->buffer_count * (sizeof(wk_buffer) + sizeof(size_t) + sizeof(bool)) +
                 g->node_count * (sizeof(wk_graph_node) + sizeof(wk_plan_step));
  for (size_t n = 0; n < g->node_count; n++)
    bytes += (size_t)g->nodes[n].input_count * sizeof(wk_reference) +
             (g->nodes[n].op ? g->nodes[n].op->settings.size : 0);
  return bytes;
}

static void forget(wk_function *f, size_t i) {
  free_version(&f->versions[i]);
  f->versions[i] = f->versions[--f->count];
}

/* The plans used longest ago go when all together, with a new one of so many bytes, take too much.
 */
static void keep_within_limit(wk_function *f, size_t new_bytes) {
  while (f->count > 0) {
    size_t bytes = new_bytes, oldest = 0;
    for (size_t i = 0; i < f->count; i++) {
      bytes += f->versions[i].bytes;
      if (f->versions[i].last_use < f->versions[oldest].last_use) oldest = i;
    }
    if (bytes <= f->plan_limit) return;
    forget(f, oldest);
  }
}

/* Traces the body; the first time twice, since what differs then is no function of its inputs. */
static wk_status trace(wk_function *f, wk_tensors inputs, wk_trace *found) {
  wk_status status = wk_trace_body(found, &f->body, inputs);
  if (status != WK_OK || f->traces++ > 0) return status;
  wk_trace again;
  status = wk_trace_body(&again, &f->body, inputs);
  if (status == WK_OK) {
    char difference[512];
    status = wk_graph_compare(&found->graph, &again.graph, difference, sizeof difference);
    if (difference[0]) {
      status = wk_fail(WK_ERROR_STATE, "the function does not do the same twice: %s", difference);
      wk_error_add_hint("what it keeps in C variables is not seen when it is compiled; keep it in "
                        "tensors, or give it to the function as an input");
    }
    wk_trace_free(&again);
  }
  if (status != WK_OK) wk_trace_free(found);
  return status;
}

static version *add_version(wk_function *f, wk_tensors inputs) {
  wk_trace found;
  if (trace(f, inputs, &found) != WK_OK) return NULL;
  version v = {.fields = found.fields,
               .inputs = wk_allocate_zeroed(inputs.count + 1, sizeof(wk_layout)),
               .input_count = inputs.count,
               .modes = found.modes};
  found.fields = (wk_field_journal){0};
  for (size_t i = 0; v.inputs && i < inputs.count; i++) v.inputs[i] = inputs.item[i]->layout;
  if (f->verify && v.inputs) wk_watch_create(&v.watch, &found.graph);
  if (v.inputs && !wk_failed() && wk_passes_run(&found.graph) == WK_OK)
    wk_plan_create(&v.plan, &found.graph, f->memory_budget);
  wk_trace_free(&found);
  if (wk_failed() || !wk_grow(&f->versions, &f->capacity, f->count, sizeof *f->versions)) {
    free_version(&v);
    return NULL;
  }
  v.bytes = bytes_of(&v.plan);
  v.last_use = ++f->calls;
  keep_within_limit(f, v.bytes);
  f->versions[f->count++] = v;
  return &f->versions[f->count - 1];
}

/* ---- calling ---- */

static wk_status check_call(const wk_function *f, wk_tensors inputs) {
  if (!f) return wk_fail(WK_ERROR_ARGUMENT, "there is no function to call");
  if (inputs.count && !inputs.item) return wk_fail(WK_ERROR_ARGUMENT, "the inputs are NULL");
  for (size_t i = 0; i < inputs.count; i++)
    if (!inputs.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
  return WK_OK;
}

static wk_status call_body(const wk_function *f, wk_tensors inputs, wk_tensor **results) {
  const wk_status status = f->body.run(f->body.context, inputs, results);
  for (size_t i = 0; i < f->body.result_count; i++) {
    if (!results[i] && !wk_failed())
      wk_fail(WK_ERROR_CALLBACK, "the function that is compiled gave no result");
    wk_tensor_retain(results[i]);
  }
  return status < 0 && !wk_failed() ? wk_fail(WK_ERROR_CALLBACK, "the function failed")
                                    : wk_error_status();
}

/* Sets results to owned references. */
static wk_status call(wk_function *f, wk_tensors inputs, wk_tensor **results) {
  if (wk_anomaly_detection_is_on()) /* which looks at every op: they run one by one */
    return call_body(f, inputs, results);
  version *v = find_version(f, inputs);
  if (!v) v = add_version(f, inputs);
  if (!v) return wk_error_status();
  f->last = (size_t)(v - f->versions);
  v->last_use = ++f->calls;
  if (f->verify)
    return wk_watch_call(&v->watch, &v->plan, &f->running, &v->fields, &f->body, inputs, results);
  wk_fields_begin(&v->fields);
  const wk_status status = wk_plan_run(&v->plan, &f->running, inputs, results);
  if (status == WK_OK)
    wk_fields_apply(&v->fields);
  else
    wk_fields_undo(&v->fields);
  return status;
}

/* Inputs lie row by row, as the plan expects them; the copies are freed at once. */
static wk_status call_with_rows(wk_function *f, wk_tensors inputs, wk_tensor **results) {
  wk_tensor **rows = wk_allocate_zeroed(inputs.count + 1, sizeof *rows);
  if (!rows) return wk_error_status();
  wk_scope scope = wk_scope_open();
  for (size_t i = 0; i < inputs.count; i++)
    rows[i] =
        wk_tensor_is_contiguous(inputs.item[i]) ? inputs.item[i] : wk_contiguous(inputs.item[i]);
  if (!wk_failed()) call(f, (wk_tensors){inputs.count, rows}, results);
  wk_scope_close(&scope);
  wk_deallocate(rows);
  return wk_error_status();
}

static wk_status call_into_scope(wk_function *f, wk_tensors inputs, wk_tensor **results) {
  if (call_with_rows(f, inputs, results) == WK_OK)
    for (size_t i = 0; i < f->body.result_count; i++) results[i] = wk_scope_add(results[i]);
  else
    for (size_t i = 0; i < f->body.result_count; i++) {
      wk_tensor_release(results[i]);
      results[i] = NULL;
    }
  return wk_error_status();
}

wk_tensor *wk_call_at(wk_place here, wk_function *function, wk_tensors inputs) {
  if (wk_failed()) return NULL;
  wk_tensor *result = NULL;
  wk_status status = check_call(function, inputs);
  if (status == WK_OK && function->body.result_count > 1)
    status = wk_fail(WK_ERROR_ARGUMENT, "the function has %zu results, which wk_call_all gives",
                     function->body.result_count);
  if (status == WK_OK) call_into_scope(function, inputs, &result);
  wk_error_add_call("call", here);
  return wk_failed() ? NULL : result;
}

wk_status wk_call_all_at(wk_place here, wk_function *function, wk_tensors inputs,
                         wk_tensor **results) {
  for (size_t i = 0; function && results && i < function->body.result_count; i++) results[i] = NULL;
  if (wk_failed()) return wk_error_pending;
  wk_status status = check_call(function, inputs);
  if (status == WK_OK && !results)
    status = wk_fail(WK_ERROR_ARGUMENT, "there is no place for the results");
  if (status == WK_OK) call_into_scope(function, inputs, results);
  wk_error_add_call("call_all", here);
  return wk_error_status();
}

/* ---- asking ---- */

const wk_plan *wk_function_plan(wk_function *f, wk_tensors inputs) {
  const version *v = find_version(f, inputs);
  if (!v) v = add_version(f, inputs);
  return v ? &v->plan : NULL;
}

size_t wk_function_describe(const wk_function *function, char *buffer, size_t size) {
  if (!function || function->last >= function->count)
    return wk_print_into(buffer, size, 0, "not called yet");
  const wk_plan *plan = &function->versions[function->last].plan;
  char arena[32], total[32];
  wk_format_bytes(arena, sizeof arena, plan->arena_size);
  wk_format_bytes(total, sizeof total, plan->total_size);
  return wk_print_into(buffer, size, 0, "%zu steps, %zu buffers, %d in place, arena %s for %s",
                       plan->step_count, plan->graph.buffer_count, plan->in_place_count, arena,
                       total);
}

void wk_function_memory(const wk_function *function, wk_plan_memory *memory) {
  if (!memory) return;
  wk_plan_memory all = {.struct_size = memory->struct_size};
  if (function && function->last < function->count) {
    const wk_plan *plan = &function->versions[function->last].plan;
    all.arena = plan->arena_size;
    all.again = (int64_t)plan->again_count;
    for (size_t i = 0; i < plan->graph.buffer_count; i++) {
      const wk_buffer *b = &plan->graph.buffers[i];
      if (b->kind == WK_BUFFER_CELL) all.cells += b->size;
      if (b->kind == WK_BUFFER_INPUT) all.inputs += b->size;
      if (b->kind == WK_BUFFER_LOCAL && !plan->in_arena[i]) all.results += b->size;
    }
  }
  memcpy(memory, &all, memory->struct_size < sizeof all ? memory->struct_size : sizeof all);
}

int64_t wk_function_plan_count(const wk_function *function) {
  return function ? (int64_t)function->count : 0;
}

int64_t wk_function_trace_count(const wk_function *function) {
  return function ? function->traces : 0;
}
