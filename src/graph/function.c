/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled functions: which plan serves a call, and when to trace anew. */
#include <math.h>
#include <string.h>

#include <wick/ops.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "graph/control_node.h"
#include "graph/function.h"
#include "graph/pass.h"
#include "graph/timeline.h"
#include "tensor/attribute.h"

#define DEFAULT_PLAN_LIMIT ((int64_t)64 << 20)
enum { PIECES = 4 };                  /* of a batch, unless a budget asks for more */
#define SMALL_ARENA ((size_t)1 << 20) /* not worth a step more */

static double usual_share(void) {
  double percent;
  const bool good = wk_parse_number(wk_variable_get(WK_VARIABLE_RECOMPUTE), &percent);
  return good && percent >= 0 ? percent / 100 : 0;
}

static wk_function *create(void) {
  wk_function *function = wk_allocate_zeroed(1, sizeof *function);
  if (!function) return NULL;
  pthread_rwlock_init(&function->turns, NULL);
  pthread_mutexattr_t again; /* the body that is traced may ask about its own function */
  pthread_mutexattr_init(&again);
  pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&function->table, &again);
  pthread_mutexattr_destroy(&again);
  function->plan_limit = DEFAULT_PLAN_LIMIT;
  return function;
}

wk_function *wk_compile_at(wk_place here, const wk_compile_arguments *arguments) {
  if (wk_failed()) return NULL;
  wk_compile_arguments a;
  wk_status status =
      wk_settings_copy("compile", arguments, offsetof(wk_compile_arguments, context), sizeof a, &a);
  if (status == WK_OK && !a.body == !a.body_all)
    status = wk_fail(WK_ERROR_ARGUMENT, a.body ? "both body and body_all are given"
                                               : "the function to compile is NULL");
  if (status == WK_OK && a.body_all && (a.result_count < 1 || a.result_count > INT32_MAX))
    status = wk_fail(WK_ERROR_ARGUMENT, "result_count is %lld, but body_all needs 1 to %d",
                     (long long)a.result_count, INT32_MAX);
  if (status == WK_OK && a.plan_limit < 0)
    status = wk_fail(WK_ERROR_ARGUMENT, "plan_limit is %lld, but bytes are not negative",
                     (long long)a.plan_limit);
  if (status == WK_OK && a.memory_budget < 0)
    status = wk_fail(WK_ERROR_ARGUMENT, "memory_budget is %lld, but bytes are not negative",
                     (long long)a.memory_budget);
  if (status == WK_OK && !(a.recompute >= 0))
    status = wk_fail(WK_ERROR_ARGUMENT, "recompute is %g, but a share of the work is not negative",
                     a.recompute);
  if (status == WK_OK && a.fold_batch_norm && a.verify)
    status = wk_fail(WK_ERROR_ARGUMENT, "fold_batch_norm changes bits, which verify compares");
  wk_function *function = status == WK_OK ? create() : NULL;
  if (function) {
    function->one = (wk_one_body){a.body, a.context};
    function->body = a.body ? (wk_body){wk_body_of_one, &function->one, 1}
                            : (wk_body){a.body_all, a.context, (size_t)a.result_count};
    function->fold_batch_norm = a.fold_batch_norm != 0;
    function->verify = a.verify != 0 || wk_debug_topic("verify");
    function->limits = (wk_plan_limits){(size_t)a.memory_budget, a.recompute, 0, 0};
    const bool usual = a.recompute == 0 && !signbit(a.recompute);
    if (usual) function->limits.recompute = usual_share(), function->limits.small = SMALL_ARENA;
    if (!function->verify && (usual || a.memory_budget)) /* which looks at each step's result */
      function->limits.pieces = PIECES;
    if (a.plan_limit) function->plan_limit = (size_t)a.plan_limit;
  }
  wk_error_add_call("compile", here);
  return function;
}

void wk_served_free(wk_served *v) {
  if (!v) return;
  wk_plan_free(&v->plan);
  wk_watch_free(&v->watch);
  wk_fields_free(&v->fields);
  wk_deallocate(v->inputs);
  wk_deallocate(v);
}

void wk_function_free(wk_function *function) {
  if (!function) return;
  for (size_t i = 0; i < function->count; i++) wk_served_free(function->versions[i]);
  for (size_t i = 0; i < function->idle_count; i++) wk_plan_context_free(&function->idle[i]);
  wk_deallocate(function->versions);
  pthread_rwlock_destroy(&function->turns);
  pthread_mutex_destroy(&function->table);
  wk_deallocate(function);
}

/* ---- finding a plan ---- */

static bool serves(const wk_served *v, wk_tensors inputs) {
  const wk_modes modes = wk_modes_now();
  if (v->input_count != inputs.count || (!v->loaded && !wk_modes_equal(&v->modes, &modes)))
    return false;
  for (size_t i = 0; i < inputs.count; i++) {
    const wk_layout *layout = &inputs.item[i]->layout;
    if (layout->dtype != v->inputs[i].dtype || !wk_layout_same_dims(layout, &v->inputs[i]) ||
        wk_tensor_device_of(inputs.item[i]) != v->device)
      return false;
  }
  return wk_fields_hold(&v->fields);
}

/* Of those that serve and agree with the extents, the one used last. */
static wk_served *find_version(wk_function *f, wk_tensors inputs, const wk_extents *extents) {
  wk_served *found = NULL;
  for (size_t i = 0; i < f->count; i++) {
    wk_served *v = f->versions[i];
    if (found && found->last_use >= v->last_use) continue;
    if (wk_extents_agree(&v->extents, extents) && serves(v, inputs)) found = v;
    if (found && !found->extents.count) break; /* then it is the only one */
  }
  return found;
}

/* ---- making one ---- */

/* What a plan keeps: its tables, those of its loops, and memory that nobody else holds. */
static size_t bytes_of(const wk_plan *plan) {
  const wk_graph *g = &plan->graph;
  size_t bytes = g->buffer_count * (sizeof(wk_buffer) + sizeof(size_t) + sizeof(bool)) +
                 g->node_count * (sizeof(wk_graph_node) + sizeof(wk_plan_step));
  for (size_t n = 0; n < g->node_count; n++) {
    const wk_graph_node *node = &g->nodes[n];
    bytes +=
        (size_t)node->input_count * sizeof(wk_reference) + (node->op ? node->op->settings.size : 0);
    for (int i = 0; node->control && i < WK_REGION_COUNT; i++)
      bytes += bytes_of(&node->control->plans[i]);
  }
  for (size_t i = 0; i < g->buffer_count; i++) {
    wk_storage *storage = g->buffers[i].storage;
    if (storage && atomic_load(&storage->references) == 1) bytes += storage->size;
  }
  return bytes;
}

static void forget(wk_function *f, size_t i) {
  if (f->last == f->versions[i]) f->last = NULL;
  wk_served_free(f->versions[i]);
  f->versions[i] = f->versions[--f->count];
}

/* The plans used longest ago go when all together, with a new one of so many bytes, take too much;
 * those that run stay. */
static void keep_within_limit(wk_function *f, size_t new_bytes) {
  for (;;) {
    size_t bytes = new_bytes, oldest = SIZE_MAX;
    for (size_t i = 0; i < f->count; i++) {
      const wk_served *v = f->versions[i];
      bytes += v->bytes;
      if (!v->running && (oldest == SIZE_MAX || v->last_use < f->versions[oldest]->last_use))
        oldest = i;
    }
    if (bytes <= f->plan_limit || oldest == SIZE_MAX) return;
    forget(f, oldest);
  }
}

/* Traces the body; the first time twice, since what differs then is no function of its inputs. */
static wk_status trace(wk_function *f, wk_tensors inputs, wk_extents *extents, wk_trace *found) {
  wk_extents_taken = extents;
  wk_status status = wk_trace_body(found, &f->body, inputs);
  wk_extents_taken = NULL;
  if (status != WK_OK || f->traces++ > 0) return status;
  wk_trace again;
  extents->asked = 0;
  wk_extents_taken = extents;
  status = wk_trace_body(&again, &f->body, inputs);
  wk_extents_taken = NULL;
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

/* Whether a run changes what others may see: memory or fields older than the call, a generator that
 * is not the thread's own. Such runs take turns. */
static bool takes_turns(const wk_function *f, const wk_served *v) {
  const wk_graph *g = &v->plan.graph;
  bool changes = f->verify || v->fields.written_count > 0;
  for (size_t i = 0; i < v->fields.count; i++) {
    const wk_field *field = &v->fields.fields[i];
    changes = changes || !field->guarded || field->after != field->before;
  }
  for (size_t i = 0; i < g->buffer_count; i++)
    changes = changes || (g->buffers[i].kind != WK_BUFFER_LOCAL && g->buffers[i].version > 0);
  for (size_t n = 0; n < g->node_count; n++) {
    const wk_control *control = g->nodes[n].control;
    changes = changes || g->nodes[n].late.run || (control && control->acts);
  }
  for (size_t i = 0; i < g->draw_count; i++) changes = changes || g->draws[i].generator;
  return changes;
}

/* Whether its ops can be compared one by one. Loops are one node of a graph and, run op by op,
 * many; and there are values to look at in the host's memory only. */
static bool may_be_watched(const wk_graph *g) {
  for (size_t n = 0; n < g->node_count; n++)
    if (g->nodes[n].control) return false;
  return !g->buffer_count || g->buffers[0].device->host_memory;
}

/* Adds it to the table; takes it, also on failure. */
static wk_served *adopt(wk_function *f, wk_served *v) {
  if (wk_failed() || !wk_grow(&f->versions, &f->capacity, f->count, sizeof *f->versions)) {
    wk_served_free(v);
    return NULL;
  }
  v->bytes = bytes_of(&v->plan);
  v->takes_turns = takes_turns(f, v);
  keep_within_limit(f, v->bytes);
  return f->versions[f->count++] = v;
}

static wk_served *add_version(wk_function *f, wk_tensors inputs, const wk_extents *known) {
  wk_trace found;
  wk_extents extents = *known;
  if (!f->body.run) {
    wk_fail(WK_ERROR_SHAPE, "a function that was loaded takes inputs like those that its plan was "
                            "made for");
    wk_error_add_hint("save one for each size of inputs, or compile the function here");
    return NULL;
  }
  if (trace(f, inputs, &extents, &found) != WK_OK) return NULL;
  wk_served *v = wk_allocate_zeroed(1, sizeof *v);
  if (v) {
    v->fields = found.fields, v->modes = found.modes, v->input_count = inputs.count;
    v->extents = extents;
    found.fields = (wk_field_journal){0};
    v->inputs = wk_allocate_zeroed(inputs.count + 1, sizeof(wk_layout));
    for (size_t i = 0; v->inputs && i < inputs.count; i++) v->inputs[i] = inputs.item[i]->layout;
    v->device = inputs.count ? wk_tensor_device_of(inputs.item[0]) : NULL;
    v->watched = f->verify && may_be_watched(&found.graph);
    if (v->watched && v->inputs) wk_watch_create(&v->watch, &found.graph);
    if (f->fold_batch_norm && !f->verify && !wk_failed())
      wk_passes_run_named(&found.graph, "batch_norm");
    if (!wk_failed() && wk_passes_run(&found.graph) == WK_OK)
      wk_plan_create(&v->plan, &found.graph, &f->limits);
  }
  wk_trace_free(&found);
  return adopt(f, v);
}

/* ---- calling ---- */

/* A plan is of one device. */
static wk_status check_devices(wk_tensors inputs) {
  for (size_t i = 1; i < inputs.count; i++) {
    const wk_device *on = wk_tensor_device_of(inputs.item[i]);
    const wk_device *first = wk_tensor_device_of(inputs.item[0]);
    if (on == first) continue;
    wk_fail(WK_ERROR_DEVICE, "input %zu is on %s, but input 0 is on %s", i, on->name, first->name);
    wk_error_add_hint("wk_tensor_to copies a tensor to another device");
    return WK_ERROR_DEVICE;
  }
  return WK_OK;
}

static wk_status check_call(const wk_function *f, wk_tensors inputs) {
  if (!f) return wk_fail(WK_ERROR_ARGUMENT, "there is no function to call");
  if (wk_tracing)
    return wk_fail(WK_ERROR_STATE, "a compiled function is called while one is traced");
  if (inputs.count && !inputs.item) return wk_fail(WK_ERROR_ARGUMENT, "the inputs are NULL");
  for (size_t i = 0; i < inputs.count; i++)
    if (!inputs.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
  return check_devices(inputs);
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

/* A plan for the call and what it runs with, found under the lock. It stays until it is let go. */
static wk_served *take_version(wk_function *f, wk_tensors inputs, const wk_extents *extents,
                               wk_plan_context *context) {
  pthread_mutex_lock(&f->table);
  wk_served *v = find_version(f, inputs, extents);
  if (!v) v = add_version(f, inputs, extents);
  if (v) {
    f->last = v, v->last_use = ++f->calls, v->running++;
    *context = f->idle_count ? f->idle[--f->idle_count] : (wk_plan_context){0};
  }
  pthread_mutex_unlock(&f->table);
  return v;
}

/* Contexts are kept, as many as ran at once; one whose arena no plan needs any more is not. */
static void let_go(wk_function *f, wk_served *v, wk_plan_context *context) {
  size_t needed = 0;
  pthread_mutex_lock(&f->table);
  v->running--;
  for (size_t i = 0; i < f->count; i++)
    if (f->versions[i]->plan.arena_size > needed) needed = f->versions[i]->plan.arena_size;
  const bool kept =
      (!context->arena || context->arena->size <= needed) && f->idle_count < WK_IDLE_CONTEXTS;
  if (kept) f->idle[f->idle_count++] = *context;
  pthread_mutex_unlock(&f->table);
  if (!kept) wk_plan_context_free(context);
}

static wk_status run_version(const wk_function *f, wk_served *v, wk_plan_context *context,
                             wk_tensors inputs, wk_tensor **results) {
  if (v->watched)
    return wk_watch_call(&v->watch, &v->plan, context, &v->fields, &f->body, inputs, results);
  if (!v->takes_turns) return wk_plan_run(&v->plan, context, inputs, results);
  wk_fields_begin(&v->fields);
  const wk_status status = wk_plan_run(&v->plan, context, inputs, results);
  if (status == WK_OK)
    wk_fields_apply(&v->fields);
  else
    wk_fields_undo(&v->fields);
  return status;
}

/* Whether the run, which was undone, found other extents than its plan has: then these are those of
 * the plan up to the one that differs. What a function computes decides them one after the other,
 * so that each time there is one more. */
static bool learn_extents(const wk_served *v, wk_extents *extents) {
  const size_t found = wk_extents_found.count;
  wk_extents_found.count = 0;
  if (!found || found <= extents->count) return false;
  wk_error_clear();
  *extents = v->extents;
  extents->values[found - 1] = wk_extents_found.values[found - 1];
  extents->count = found, extents->asked = 0;
  return true;
}

/* Sets results to owned references. */
static wk_status call(wk_function *f, wk_tensors inputs, wk_tensor **results) {
  if (f->body.run &&
      wk_anomaly_detection_is_on()) /* which looks at every op: they run one by one */
    return call_body(f, inputs, results);
  wk_plan_context context;
  wk_extents extents = {.count = 0};
  bool alone = atomic_load(&f->took_turns); /* most likely as before */
  for (;;) {
    if (alone)
      pthread_rwlock_wrlock(&f->turns);
    else
      pthread_rwlock_rdlock(&f->turns);
    wk_served *v = take_version(f, inputs, &extents, &context);
    bool again = v && v->takes_turns && !alone;
    alone = alone || again;
    if (v && !again) {
      run_version(f, v, &context, inputs, results);
      again = learn_extents(v, &extents);
    }
    if (v) atomic_store(&f->took_turns, v->takes_turns);
    if (v) let_go(f, v, &context);
    pthread_rwlock_unlock(&f->turns);
    if (!again) return wk_error_status();
  }
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

const wk_plan *wk_function_plan(wk_function *f, wk_tensors inputs) {
  const wk_extents any = {.count = 0};
  wk_served *v = find_version(f, inputs, &any);
  if (!v) v = add_version(f, inputs, &any);
  if (v) f->last = v;
  return v ? &v->plan : NULL;
}

wk_function *wk_function_of(wk_served *v) {
  wk_function *function = create();
  if (!function) {
    wk_served_free(v);
    return NULL;
  }
  v->device = v->plan.device;
  function->body.result_count = v->plan.graph.result_count;
  function->last = adopt(function, v);
  if (function->last) return function;
  wk_function_free(function);
  return NULL;
}
