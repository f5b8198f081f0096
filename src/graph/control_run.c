/* SPDX-License-Identifier: Apache-2.0 */
/* Running loops in plans. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control_node.h"
#include "graph/loop_tape.h"
#include "ops/journal.h"
#include "tensor/element.h"

/* ---- one region, bound to memory ---- */

typedef struct region {
  const wk_plan *plan;
  wk_plan_context context;
  int *inputs; /* the buffer of each */
  wk_storage **results;
} region;

static void close_region(region *r) {
  wk_plan_context_free(&r->context);
  for (size_t i = 0; r->results && i < r->plan->graph.result_count; i++)
    wk_storage_release(r->results[i]);
  wk_deallocate(r->inputs);
  wk_deallocate(r->results);
}

static void set_input(region *r, size_t i, char *data) {
  if (r->inputs[i] >= 0) r->context.base[r->inputs[i]] = data;
}

/* Binds the region's own memory and what it reaches; what it is given follows trip by trip. */
static wk_status open_region(region *r, const wk_control *c, int which, size_t given,
                             const wk_kernel_call *call) {
  *r = (region){.plan = &c->plans[which]};
  const wk_graph *g = &r->plan->graph;
  const size_t inputs = given + c->reached[which];
  r->inputs = wk_allocate_zeroed(inputs + 1, sizeof *r->inputs);
  r->results = wk_allocate_zeroed(g->result_count + 1, sizeof *r->results);
  if (!r->inputs || !r->results || wk_plan_bind(r->plan, &r->context) != WK_OK)
    return wk_error_status();
  for (size_t i = 0; i < inputs; i++) r->inputs[i] = -1;
  for (size_t i = 0; i < g->buffer_count; i++)
    if (g->buffers[i].kind == WK_BUFFER_INPUT) r->inputs[g->buffers[i].input] = (int)i;
  size_t operand = c->first_reached;
  for (int k = 0; k < which; k++) operand += c->reached[k];
  for (size_t i = given; i < inputs; i++) set_input(r, i, call->inputs[operand++].data);
  for (size_t i = 0; i < g->result_count; i++) {
    const int b = g->results[i].buffer;
    for (size_t k = 0; k < i && !r->results[i]; k++) /* passes may have made two one */
      if (g->results[k].buffer == b) r->results[i] = wk_storage_retain(r->results[k]);
    if (r->results[i]) continue;
    r->results[i] = wk_storage_create(g->buffers[b].device, g->buffers[b].size);
    if (!r->results[i]) return wk_error_status();
    if (r->context.base[b]) /* or a constant */
      memcpy(r->results[i]->data, r->context.base[b], g->buffers[b].size);
    else
      r->context.base[b] = r->results[i]->data;
  }
  return WK_OK;
}

static wk_status run_region(region *r) {
  wk_loop_tape *const before = wk_loop_tapes_now();
  const wk_status status = wk_plan_run_bound(r->plan, &r->context);
  wk_loop_tapes_free(before);
  return status;
}

static size_t size_of(const region *r, size_t i) {
  const wk_graph *g = &r->plan->graph;
  return g->buffers[g->results[i].buffer].size;
}

/* ---- forward ---- */

static bool is_true(const region *condition) {
  const char *value = condition->results[0]->data;
  for (size_t i = 0; i < size_of(condition, 0); i++) {
    const wk_dtype dtype = condition->plan->graph.results[0].layout.dtype;
    const bool sign = i + 1 == size_of(condition, 0) && wk_dtype_is_float(dtype);
    if (sign ? value[i] & 0x7f : value[i]) return true; /* minus zero is zero */
  }
  return false;
}

/* Where the generators stand before the trip. */
static wk_random_journal drawn_of(const wk_control *c, const wk_loop_tape *t, char *item) {
  const size_t at = c->place[c->state_count];
  return (wk_random_journal){.entries = (void *)(item + at),
                             .count = (t->item_size - at) / sizeof(wk_journal_entry)};
}

static wk_status keep_state(wk_loop_tape *t, const wk_control *c, const wk_kernel_call *call) {
  if (c->checkpoints && t->trips % t->each == 0 && (int64_t)t->count >= 2 * t->each)
    wk_loop_tape_keep_fewer(t);
  if (t->trips++ % t->each) return WK_OK;
  char *item = wk_loop_tape_push(t);
  for (size_t i = 0; item && i < c->state_count; i++)
    memcpy(item + c->place[i], call->inputs[i].data,
           c->plans[WK_REGION_BODY]
               .graph.buffers[c->plans[WK_REGION_BODY].graph.results[i].buffer]
               .size);
  for (size_t i = 0; item && i < c->generator_count; i++)
    drawn_of(c, t, item).entries[i] = wk_generator_draw(c->generators[i], 0);
  return item ? WK_OK : wk_error_status();
}

wk_status wk_run_while(const wk_control *c, const wk_kernel_call *call) {
  const size_t n = c->state_count;
  region condition, body;
  wk_loop_tape *kept = NULL;
  wk_status status = open_region(&condition, c, WK_REGION_CONDITION, n, call);
  if (open_region(&body, c, WK_REGION_BODY, n, call) != WK_OK) status = wk_error_status();
  for (size_t i = 0; i < n && status == WK_OK; i++) {
    set_input(&condition, i, call->inputs[i].data);
    set_input(&body, i, call->inputs[i].data);
  }
  if (status == WK_OK && c->keeps && !c->unread) {
    kept = wk_loop_tape_create(call->stream->device,
                               c->place[n] + c->generator_count * sizeof(wk_journal_entry));
    if (kept) memcpy(call->inputs[n].data, &kept, sizeof kept);
    status = wk_error_status();
  }
  while (status == WK_OK) {
    status = run_region(&condition);
    if (status != WK_OK || !is_true(&condition)) break;
    if (kept) status = keep_state(kept, c, call);
    if (status == WK_OK) status = run_region(&body);
    for (size_t i = 0; i < n && status == WK_OK; i++)
      memcpy(call->inputs[i].data, body.results[i]->data, size_of(&body, i));
  }
  close_region(&condition);
  close_region(&body);
  return status;
}

/* ---- backward: operands are gradients, sums, the tape ---- */

/* The states of a stretch's trips, from the one that was kept on. */
static wk_status run_again(const wk_control *c, region *condition, region *body,
                           const wk_loop_tape *t, size_t k, int64_t count, char *states) {
  const size_t n = c->state_count;
  memcpy(states, wk_loop_tape_item(t, k), t->item_size);
  const wk_random_journal first = drawn_of(c, t, states);
  wk_journal_undo(&first);
  wk_status status = WK_OK;
  for (int64_t i = 1; i < count && status == WK_OK; i++) {
    char *from = states + (size_t)(i - 1) * t->item_size, *to = from + t->item_size;
    for (size_t s = 0; s < n; s++) set_input(body, s, from + c->place[s]);
    status = run_region(body);
    for (size_t s = 0; s < n && status == WK_OK; s++)
      memcpy(to + c->place[s], body->results[s]->data, size_of(body, s));
    for (size_t s = 0; condition->plan && s < n; s++) set_input(condition, s, to + c->place[s]);
    if (condition->plan && status == WK_OK) status = run_region(condition);
    for (size_t j = 0; j < first.count; j++)
      drawn_of(c, t, to).entries[j] = wk_generator_draw(first.entries[j].generator, 0);
  }
  return status;
}

static wk_status go_back(const wk_control *c, region *reverse, const wk_loop_tape *t, char *state,
                         const wk_kernel_call *call) {
  const size_t n = c->state_count, carried = reverse->plan->graph.result_count;
  for (size_t i = 0; i < n; i++) set_input(reverse, i, state + c->place[i]);
  const wk_random_journal drawn = drawn_of(c, t, state);
  wk_journal_undo(&drawn);
  const wk_status status = run_region(reverse);
  for (size_t i = 0; i < carried && status == WK_OK; i++)
    memcpy(call->inputs[i].data, reverse->results[i]->data, size_of(reverse, i));
  return status;
}

wk_status wk_run_reverse(const wk_control *c, const wk_kernel_call *call) {
  const size_t n = c->state_count, carried = c->plans[WK_REGION_REVERSE].graph.result_count;
  wk_loop_tape *t;
  memcpy(&t, call->inputs[carried].data, sizeof t);
  region condition = {0}, body = {0}, reverse;
  wk_storage *states = NULL;
  wk_random_journal first = {.count = 0}, now;
  if (t->count) first = drawn_of(c, t, wk_loop_tape_item(t, 0));
  wk_status status = wk_generators_note(&now, &first);
  if (open_region(&reverse, c, WK_REGION_REVERSE, n + carried, call) != WK_OK)
    status = wk_error_status();
  for (size_t i = 0; i < carried && status == WK_OK; i++)
    set_input(&reverse, n + i, call->inputs[i].data);
  if (c->checkpoints && status == WK_OK) {
    status = open_region(&body, c, WK_REGION_BODY, n, call);
    if (c->plans[WK_REGION_CONDITION].graph.result_count && status == WK_OK)
      status = open_region(&condition, c, WK_REGION_CONDITION, n, call);
    if (status == WK_OK) states = wk_storage_create(t->device, (size_t)t->each * t->item_size);
    status = wk_error_status();
  }
  for (size_t k = t->count; k-- > 0 && status == WK_OK;) {
    const int64_t left = t->trips - (int64_t)k * t->each, count = left < t->each ? left : t->each;
    if (states) status = run_again(c, &condition, &body, t, k, count, states->data);
    for (int64_t i = count; i-- > 0 && status == WK_OK;)
      status =
          go_back(c, &reverse, t,
                  states ? states->data + (size_t)i * t->item_size : wk_loop_tape_item(t, k), call);
  }
  wk_journal_undo(&now);
  wk_journal_free(&now);
  wk_storage_release(states);
  if (condition.plan) close_region(&condition);
  if (body.plan) close_region(&body);
  close_region(&reverse);
  return status;
}

/* ---- the node's op ---- */

static wk_status run_control(const wk_kernel_call *call) {
  const wk_control_arguments *a = call->arguments;
  return a->control->run(a->control, call);
}

const wk_kernel wk_control_kernel = {.op = WK_CONTROL_OP,
                                     .name = "loop",
                                     .habits = WK_TAKES_STRIDES,
                                     .run = run_control};

wk_control *wk_control_retain(wk_control *control) {
  if (control) atomic_fetch_add(&control->references, 1);
  return control;
}

void wk_control_release(wk_control *control) {
  if (!control || !wk_drop_reference(&control->references)) return;
  for (int i = 0; i < WK_REGION_COUNT; i++) wk_plan_free(&control->plans[i]);
  wk_deallocate(control->records);
  wk_deallocate(control->place);
  wk_deallocate(control->generators);
  wk_deallocate(control);
}
