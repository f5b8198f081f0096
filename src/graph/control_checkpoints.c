/* SPDX-License-Identifier: Apache-2.0 */
/* A loop of any number of trips T in memory for about the root of T states: one is kept each s
 * trips, and when 2 s are kept every other goes and s doubles. Its gradient runs each stretch
 * between two of them again. */
#include <string.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control.h"
#include "ops/autocast.h"

/* The state before a trip, and the random numbers of the trips from there to the next one kept. */
typedef struct stretch {
  wk_tensor **state; /* owned references */
  wk_random_journal journal;
} stretch;

typedef struct loop {
  wk_bundle bundle;
  wk_while_arguments a; /* its state is borrowed, and only counted later */
  wk_dtype autocast;
  stretch *stretches;
  size_t count, capacity;
  int64_t each, trips;
} loop;

/* ---- states ---- */

static void release_all(wk_tensor **tensors, size_t count) {
  for (size_t i = 0; tensors && i < count; i++) wk_tensor_release(tensors[i]);
  wk_deallocate(tensors);
}

static wk_tensor **retain_all(wk_tensor *const *tensors, size_t count) {
  wk_tensor **all = wk_allocate_zeroed(count + 1, sizeof *all);
  for (size_t i = 0; all && i < count; i++) all[i] = wk_tensor_retain(tensors[i]);
  return all;
}

static void free_stretch(loop *l, stretch *s) {
  release_all(s->state, l->a.state.count);
  wk_journal_free(&s->journal);
}

static void spend(wk_companion *self) {
  loop *l = (loop *)self;
  for (size_t i = 0; i < l->count; i++) free_stretch(l, &l->stretches[i]);
  l->count = 0;
  wk_bundle_clear(&l->bundle);
}

static void destroy(wk_companion *self) {
  loop *l = (loop *)self;
  spend(self);
  wk_deallocate(l->stretches);
  wk_deallocate(l->bundle.gradients);
  wk_deallocate(l);
}

/* ---- forward ---- */

static void join_journals(wk_random_journal *to, wk_random_journal *from) {
  for (size_t i = 0; i < from->count; i++) {
    if (!wk_grow(&to->entries, &to->capacity, to->count, sizeof *to->entries)) return;
    to->entries[to->count++] = from->entries[i];
  }
}

static wk_status keep_fewer(loop *l) {
  size_t kept = 0;
  for (size_t i = 0; i < l->count; i += 2) {
    stretch joined = l->stretches[i];
    if (i + 1 < l->count) {
      join_journals(&joined.journal, &l->stretches[i + 1].journal);
      free_stretch(l, &l->stretches[i + 1]);
    }
    l->stretches[kept++] = joined;
  }
  l->count = kept;
  l->each *= 2;
  return wk_error_status();
}

static wk_status keep(loop *l, wk_tensor *const *state) {
  if (l->trips % l->each) return WK_OK;
  if ((int64_t)l->count >= 2 * l->each && keep_fewer(l) != WK_OK) return wk_error_status();
  if (l->trips % l->each) return WK_OK;
  if (!wk_grow(&l->stretches, &l->capacity, l->count, sizeof *l->stretches))
    return wk_error_status();
  wk_tensor **kept = retain_all(state, l->a.state.count);
  if (kept) l->stretches[l->count++] = (stretch){.state = kept};
  return wk_error_status();
}

/* state becomes the next one, in a scope of its own. */
static wk_status make_trip(const loop *l, wk_tensor **state, wk_tensor **next) {
  wk_scope scope = wk_scope_open();
  const wk_status status = wk_while_advance(&l->a, state, next);
  wk_scope_close(&scope);
  return status;
}

static wk_status goes_on(const loop *l, wk_tensor **state, bool *yes) {
  wk_scope scope = wk_scope_open();
  wk_tensor *answer = l->a.condition(l->a.context, (wk_tensors){l->a.state.count, state});
  const wk_status status = wk_truth("the condition", answer, yes);
  wk_scope_close(&scope);
  return status;
}

static wk_status run_forward(loop *l, wk_tensor **state, wk_tensor **next) {
  for (bool yes = true; !wk_failed(); l->trips++) {
    if (goes_on(l, state, &yes) != WK_OK || !yes) break;
    if (keep(l, state) != WK_OK) break;
    wk_random_journal *journal = &l->stretches[l->count - 1].journal;
    wk_journal_open(journal, false);
    make_trip(l, state, next);
    wk_journal_close(journal);
  }
  return wk_error_status();
}

/* ---- backward ---- */

/* All trips at once, recorded: for gradients that have gradients. */
static wk_status run_whole(void *context, wk_tensors inputs, wk_tensor **results) {
  loop *l = context;
  const size_t n = l->a.state.count;
  wk_tensor **state = wk_allocate_zeroed(2 * n + 1, sizeof *state);
  if (!state) return wk_error_status();
  for (size_t i = 0; i < n; i++) state[i] = wk_tensor_retain(inputs.item[i]);
  for (size_t k = 0; k < l->count && !wk_failed(); k++) {
    const int64_t first = (int64_t)k * l->each;
    wk_journal_open(&l->stretches[k].journal, true);
    for (int64_t t = first; t < l->trips && t < first + l->each && !wk_failed(); t++)
      make_trip(l, state, state + n);
    wk_journal_close(&l->stretches[k].journal);
  }
  for (size_t i = 0; i < n; i++) results[i] = wk_scope_add(state[i]);
  wk_deallocate(state);
  return wk_error_status();
}

typedef struct trip {
  wk_tensor **state; /* before it; owned references */
  wk_random_journal journal;
} trip;

/* The states of a stretch's trips once more, and each one's random numbers. */
static wk_status run_stretch(loop *l, stretch *s, trip *trips, int64_t count) {
  const size_t n = l->a.state.count;
  wk_tensor **state = retain_all(s->state, n), **next = wk_allocate_zeroed(n + 1, sizeof *next);
  const bool recorded = wk_set_gradients_recorded(false);
  wk_journal_open(&s->journal, true);
  wk_recomputing++;
  for (int64_t t = 0; t < count && state && next && !wk_failed(); t++) {
    trips[t].state = retain_all(state, n);
    wk_journal_open(&trips[t].journal, false);
    make_trip(l, state, next);
    wk_journal_close(&trips[t].journal);
  }
  wk_recomputing--;
  wk_journal_close(&s->journal);
  wk_set_gradients_recorded(recorded);
  release_all(state, n);
  wk_deallocate(next);
  return wk_error_status();
}

/* sum[i] += g[i], all owned references; NULL is zero. */
static void add_all(wk_tensor **sum, wk_tensor *const *g, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!g[i]) continue;
    wk_tensor *total = wk_tensor_retain(sum[i] ? wk_add(sum[i], g[i]) : g[i]);
    wk_tensor_release(sum[i]);
    sum[i] = total;
  }
}

/* One trip back: `gradients`, owned, of the state, and of the closures behind it. */
static wk_status go_back(loop *l, trip *t, wk_tensors closures, wk_tensor **gradients,
                         wk_tensor **room) {
  const size_t n = l->a.state.count;
  const wk_recomputed body = {l->a.body, l->a.context, n, l->autocast, &t->journal};
  wk_scope scope = wk_scope_open();
  const wk_status status =
      wk_recomputed_vjp(&body, (wk_tensors){n, t->state}, closures, gradients, room);
  for (size_t i = 0; i < n && status == WK_OK; i++) {
    wk_tensor_retain(room[i]);
    wk_tensor_release(gradients[i]);
    gradients[i] = room[i];
  }
  if (status == WK_OK) add_all(gradients + n, room + n, closures.count);
  wk_scope_close(&scope);
  return status;
}

static wk_status go_back_all(loop *l, wk_tensors closures, wk_tensor **gradients,
                             wk_tensor **room) {
  trip *trips = wk_allocate_zeroed((size_t)l->each + 1, sizeof *trips);
  for (size_t k = l->count; k-- > 0 && trips && !wk_failed();) {
    const int64_t first = (int64_t)k * l->each;
    const int64_t count = l->trips - first < l->each ? l->trips - first : l->each;
    run_stretch(l, &l->stretches[k], trips, count);
    for (int64_t t = count; t-- > 0;) {
      if (!wk_failed()) go_back(l, &trips[t], closures, gradients, room);
      release_all(trips[t].state, l->a.state.count);
      wk_journal_free(&trips[t].journal);
      trips[t].state = NULL;
    }
  }
  wk_deallocate(trips);
  return wk_error_status();
}

static wk_status backward(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  loop *l = (loop *)self;
  const size_t n = l->a.state.count, all = (size_t)node->input_count;
  wk_tensor **inputs = wk_allocate_zeroed(3 * all + 1, sizeof *inputs);
  if (!inputs) return wk_error_status();
  wk_tensor **gradients = inputs + all, **room = gradients + all;
  for (size_t i = 0; i < all; i++)
    inputs[i] = i < n ? vjp->inputs[i] : wk_node_tie_input(node, (int)i, vjp->inputs[i]);
  const wk_tensors closures = {all - n, inputs + n};
  if (wk_gradients_recorded) {
    const wk_recomputed whole = {run_whole, l, n, l->autocast, NULL};
    wk_recomputed_vjp(&whole, (wk_tensors){n, inputs}, closures, l->bundle.gradients, gradients);
  } else {
    for (size_t i = 0; i < n; i++) gradients[i] = wk_tensor_retain(l->bundle.gradients[i]);
    go_back_all(l, closures, gradients, room);
    for (size_t i = 0; i < all; i++) gradients[i] = wk_scope_add(gradients[i]);
  }
  for (size_t i = 0; i < all; i++) vjp->input_gradients[i] = gradients[i];
  wk_bundle_clear(&l->bundle);
  wk_deallocate(inputs);
  return wk_error_status();
}

/* ---- the loop ---- */

static wk_status run(wk_place here, loop *l, wk_capture *met, wk_tensor **results, bool *taken) {
  const size_t n = l->a.state.count;
  const wk_tensors given = l->a.state;
  wk_tensor **state = retain_all(given.item, n), **next = wk_allocate_zeroed(n + 1, sizeof *next);
  wk_capture *const capturing = wk_capturing;
  const bool recorded = wk_set_gradients_recorded(false);
  wk_capturing = met;
  if (state && next) run_forward(l, state, next);
  wk_capturing = capturing;
  wk_set_gradients_recorded(recorded);
  size_t count = 0;
  wk_tensor **inputs = wk_failed() ? NULL : wk_join_closures(given, met, &count);
  if (inputs && wk_any_wanted(given, met))
    *taken = wk_bundle_record(&l->bundle, &wk_while_record, here, (wk_tensors){count, inputs},
                              (wk_tensors){n, state}, results) == WK_OK;
  else
    for (size_t i = 0; i < n && inputs; i++) results[i] = wk_scope_add(wk_tensor_retain(state[i]));
  wk_deallocate(inputs);
  wk_deallocate(next);
  release_all(state, n);
  return wk_error_status();
}

wk_status wk_while_checkpointed(wk_place here, const wk_while_arguments *a, wk_tensor **results) {
  loop *l = wk_allocate_zeroed(1, sizeof *l);
  if (!l) return wk_error_status();
  l->bundle.companion = (wk_companion){backward, spend, NULL, destroy};
  l->a = *a, l->autocast = wk_autocasting, l->each = 1;
  wk_capture met = {0};
  bool taken = false;
  run(here, l, &met, results, &taken);
  for (size_t i = 0; i < met.count; i++) wk_tensor_release(met.tensors[i]);
  wk_deallocate(met.tensors);
  if (!taken) destroy(&l->bundle.companion);
  return wk_error_status();
}
