/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of a compiled loop, as loops that have gradients themselves: one counts the trips,
 * and one goes back over them, finding each trip's state by a loop from the first one on. That runs
 * the body some T^2 / 2 times and keeps nothing: the way for gradients of gradients. */
#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/control.h"
#include "ops/autocast.h"

/* The loop whose gradient it is; both loops' context. */
typedef struct deep {
  atomic_int references;
  wk_while_arguments a; /* its state is only counted */
  wk_dtype autocast;
  wk_tensor **state, **closures; /* owned, one array: the state at first, and what is reached */
  size_t closure_count;
} deep;

/* A loop from the first state to that before trip `until`. */
typedef struct stretch {
  deep *d;
  wk_tensor *until;
} stretch;

static void release_deep(void *context) {
  deep *d = context;
  if (!wk_drop_reference(&d->references)) return;
  for (size_t i = 0; i < d->a.state.count + d->closure_count; i++) wk_tensor_release(d->state[i]);
  wk_deallocate(d->state);
  wk_deallocate(d);
}

static void release_stretch(void *context) {
  stretch *s = context;
  wk_tensor_release(s->until);
  release_deep(s->d);
  wk_deallocate(s);
}

static wk_tensor *whole(const deep *d, double value) {
  return wk_full(WK_SHAPE(1), value, .dtype = WK_I64, .device = wk_tensor_device_of(d->state[0]));
}

/* ---- counting trips, from the first state on ---- */

static wk_tensor *goes_on(void *context, wk_tensors s) {
  const deep *d = context;
  return d->a.condition(d->a.context, (wk_tensors){s.count - 1, s.item});
}

static wk_status count_on(void *context, wk_tensors s, wk_tensor **next) {
  const deep *d = context;
  const size_t n = d->a.state.count;
  wk_status status = wk_body_call(d->a.body, d->a.context, (wk_tensors){n, s.item}, n, next);
  if (status == WK_OK) next[n] = wk_add(s.item[n], whole(d, 1));
  return wk_error_status();
}

static wk_tensor *is_before(void *context, wk_tensors s) {
  return wk_less(s.item[s.count - 1], ((const stretch *)context)->until);
}

static wk_status go_on(void *context, wk_tensors s, wk_tensor **next) {
  return count_on(((const stretch *)context)->d, s, next);
}

/* ---- going back: the trips that are left, gradients of the state, sums of the closures' ---- */

static wk_tensor *is_left(void *context, wk_tensors s) {
  return wk_less(whole(context, 0), s.item[0]);
}

/* The state before the trip, to found[0 ..], and behind it its number. */
static wk_status find_state(deep *d, wk_tensor *until, wk_tensor **room, wk_tensor **found) {
  stretch *s = wk_allocate_zeroed(1, sizeof *s);
  if (!s) return wk_error_status();
  const size_t n = d->a.state.count;
  atomic_fetch_add(&d->references, 1);
  *s = (stretch){d, wk_tensor_retain(until)};
  for (size_t i = 0; i < n; i++) room[i] = d->state[i];
  room[n] = whole(d, 0);
  const wk_while_arguments a = {.condition = is_before,
                                .body = go_on,
                                .context = s,
                                .state = {n + 1, room}};
  return wk_while_captured((wk_place){0}, &a, release_stretch, found);
}

static wk_status go_back(void *context, wk_tensors s, wk_tensor **next) {
  deep *d = context;
  const size_t n = d->a.state.count, m = d->closure_count;
  wk_tensor **room = wk_allocate_zeroed(4 * n + m + 3, sizeof *room);
  if (!room) return wk_error_status();
  wk_tensor **found = room + n + 1, **given = found + n + 1, **gradients = given + n;
  size_t at = 1;
  for (size_t i = 0; i < n; i++)
    if (wk_dtype_is_float(d->state[i]->layout.dtype)) given[i] = s.item[at++];
  next[0] = wk_subtract(s.item[0], whole(d, 1));
  find_state(d, next[0], room, found);
  const wk_recomputed body = {d->a.body, d->a.context, n, d->autocast, NULL};
  if (!wk_failed())
    wk_recomputed_vjp(&body, (wk_tensors){n, found}, (wk_tensors){m, d->closures}, given,
                      gradients);
  at = 1;
  for (size_t i = 0; i < n && !wk_failed(); i++)
    if (given[i]) next[at++] = gradients[i] ? gradients[i] : wk_zeros_like_of(given[i]);
  for (size_t k = 0; k < m && !wk_failed(); k++, at++)
    next[at] = gradients[n + k] ? wk_add(s.item[at], gradients[n + k]) : s.item[at];
  wk_deallocate(room);
  return wk_error_status();
}

static wk_tensor *count_trips(deep *d, wk_tensor **room) {
  const size_t n = d->a.state.count;
  const bool recorded = wk_set_gradients_recorded(false);
  for (size_t i = 0; i < n; i++) room[i] = d->state[i];
  room[n] = whole(d, 0);
  const wk_while_arguments a = {.condition = goes_on,
                                .body = count_on,
                                .context = d,
                                .state = {n + 1, room}};
  wk_while_captured((wk_place){0}, &a, NULL, room + n + 1);
  wk_set_gradients_recorded(recorded);
  return wk_failed() ? NULL : room[2 * n + 1];
}

static deep *create_deep(const wk_while_arguments *a, wk_dtype autocast, wk_tensors inputs) {
  deep *d = wk_allocate_zeroed(1, sizeof *d);
  wk_tensor **all = d ? wk_allocate_zeroed(inputs.count + 1, sizeof *all) : NULL;
  if (!all) {
    wk_deallocate(d);
    return NULL;
  }
  for (size_t i = 0; i < inputs.count; i++) all[i] = wk_tensor_retain(inputs.item[i]);
  atomic_init(&d->references, 1);
  d->a = *a, d->autocast = autocast;
  d->state = all, d->closures = all + a->state.count;
  d->closure_count = inputs.count - a->state.count;
  return d;
}

wk_status wk_while_deep_vjp(const wk_while_arguments *a, wk_dtype autocast, wk_tensors inputs,
                            wk_tensor *const *given, wk_tensor **gradients) {
  const size_t n = a->state.count;
  deep *d = create_deep(a, autocast, inputs);
  wk_tensor **room = d ? wk_allocate_zeroed(4 * (inputs.count + 2), sizeof *room) : NULL;
  if (!room) {
    if (d) release_deep(d);
    return wk_error_status();
  }
  wk_tensor **carried = room + 2 * (inputs.count + 2), **results = carried + inputs.count + 2;
  size_t count = 0;
  carried[count++] = count_trips(d, room);
  for (size_t i = 0; i < inputs.count && !wk_failed(); i++) {
    const wk_tensor *x = inputs.item[i];
    if (i < n && !wk_dtype_is_float(x->layout.dtype)) continue;
    carried[count++] = i < n && given[i] ? given[i] : wk_zeros_like_of(x);
  }
  const wk_while_arguments back = {.condition = is_left,
                                   .body = go_back,
                                   .context = d,
                                   .state = {count, carried}};
  if (wk_failed())
    release_deep(d);
  else
    wk_while_captured((wk_place){0}, &back, release_deep, results);
  for (size_t i = 0, at = 1; i < inputs.count && !wk_failed(); i++)
    if (i >= n || wk_dtype_is_float(inputs.item[i]->layout.dtype)) gradients[i] = results[at++];
  wk_deallocate(room);
  return wk_error_status();
}
