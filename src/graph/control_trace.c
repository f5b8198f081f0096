/* SPDX-License-Identifier: Apache-2.0 */
/* Loops in a function that is traced: nodes whose regions are traced once, and as their gradient a
 * node that goes back over the states that were kept. */
#include <string.h>

#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/capture.h"
#include "graph/control.h"
#include "graph/control_node.h"
#include "graph/pass.h"
#include "ops/autocast.h"
#include "ops/dispatch.h"

/* A loop that was traced, as its record keeps it. */
typedef struct loop {
  wk_bundle bundle;
  wk_while_arguments a; /* its state is only counted */
  wk_dtype autocast;
  void (*destroy)(void *context); /* or NULL */
  wk_tensor *tape;                /* owned: where the plan notes what it keeps; or NULL */
  wk_control *control;            /* retained: of its node; or NULL */
  bool goes_back;                 /* a gradient does, over what is kept */
  bool draws, acts;               /* what it does in each trip: on the host, too; */
  bool takes_gradients;           /* and of its own; then it has none */
} loop;

/* ---- nodes ---- */

typedef wk_control_operands operands;

static wk_status open_operands(operands *o, size_t most) {
  o->items = wk_allocate_zeroed(most + 1, sizeof *o->items);
  o->written = wk_allocate_zeroed(most + 1, 1);
  return wk_error_status();
}

static void close_operands(operands *o) {
  wk_deallocate(o->items);
  wk_deallocate(o->written);
}

static void add(operands *o, wk_tensor *tensor, bool written) {
  o->items[o->count] = tensor, o->written[o->count++] = written;
}

/* Whether nodes of the region write the input. */
static bool is_written(const wk_graph *g, size_t input) {
  for (size_t i = 0; i < g->buffer_count; i++)
    if (g->buffers[i].kind == WK_BUFFER_INPUT && g->buffers[i].input == (int)input)
      return g->buffers[i].version > 0;
  return false;
}

static void add_reached(operands *o, const wk_region *region, size_t given) {
  for (size_t i = 0; i < region->reached_count; i++)
    add(o, region->reached[i], is_written(&region->graph, given + i));
}

static wk_control *create_control(const char *name, size_t states) {
  wk_control *c = wk_control_create(name);
  if (c) c->state_count = states;
  return c;
}

static wk_status take_region(wk_control *c, int which, wk_region *region) {
  c->reached[which] = region->reached_count;
  wk_status status = wk_passes_run(&region->graph);
  if (status == WK_OK) status = wk_plan_create(&c->plans[which], &region->graph, NULL);
  if (status == WK_OK) c->plans[which].fallible = 0; /* the node's own operands are kept */
  return status;
}

wk_status wk_control_emit(wk_control *c, wk_place here, const operands *o) {
  c->records = wk_allocate_zeroed(o->count + 1, sizeof *c->records);
  if (c->records) {
    for (size_t i = 0; i < o->count; i++)
      c->records[i] =
          (wk_op_input){.name = "carried", .dtypes = WK_DTYPES_ANY, .written = o->written[i]};
    c->op.inputs = c->records;
    c->op.input_count = (uint16_t)o->count;
    wk_control_arguments arguments = {sizeof arguments, c};
    wk_call call = {.op = &c->op,
                    .thread = wk_thread_here(),
                    .here = wk_place_above ? *wk_place_above : here,
                    .inputs = o->items,
                    .input_count = (int)o->count,
                    .arguments = &arguments};
    wk_tracing->call(wk_tracing, &call);
  }
  wk_control_release(c);
  return wk_error_status();
}

/* Memory of the node's own with the tensor's values. */
static wk_tensor *carry(wk_tensor *tensor) {
  const bool recorded = wk_set_gradients_recorded(false);
  wk_tensor *copy = wk_clone(tensor);
  wk_set_gradients_recorded(recorded);
  return copy;
}

wk_status wk_host_memory_only(const wk_tensor *tensor) {
  const wk_device *device = wk_tensor_device_of(tensor);
  if (device->host_memory || device->null) return WK_OK;
  return wk_fail(WK_ERROR_UNSUPPORTED, "compiled loops run in the host's memory only");
}

/* ---- forward ---- */

static wk_status call_condition(void *context, wk_tensors in, wk_tensor **results) {
  const wk_while_arguments *a = context;
  wk_tensor *answer = a->condition(a->context, in);
  if (!answer && !wk_failed()) wk_fail(WK_ERROR_CALLBACK, "the condition gave no tensor");
  if (!wk_failed() && wk_layout_count(&answer->layout) != 1) {
    char text[128];
    wk_layout_describe(&answer->layout, text, sizeof text);
    wk_fail(WK_ERROR_SHAPE, "the condition is %s, but a choice has one element", text);
  }
  results[0] = answer;
  return wk_error_status();
}

static wk_status call_body(void *context, wk_tensors in, wk_tensor **results) {
  const wk_while_arguments *a = context;
  wk_status status = wk_body_call(a->body, a->context, in, a->state.count, results);
  for (size_t i = 0; i < in.count && status == WK_OK; i++)
    status = wk_state_check("carried value", i, in.item[i], results[i]);
  return status;
}

/* What is carried where gradients are taken has no history: they would go back through it. */
static wk_status call_recorded(void *context, wk_tensors in, wk_tensor **results) {
  const wk_while_arguments *a = context;
  wk_status status = call_body(context, in, results);
  for (size_t i = 0; i < in.count && status == WK_OK; i++) {
    if (!wk_wants_gradient(results[i]) && !wk_wants_gradient(a->state.item[i])) continue;
    status =
        wk_fail(WK_ERROR_UNSUPPORTED,
                "a compiled loop takes gradients in its trips, and carried value %zu has one, too",
                i);
    wk_error_add_hint("carry its wk_detach");
  }
  return status;
}

static wk_status trace_both(wk_while_arguments *given, wk_tensors state, wk_region *condition,
                            wk_region *body, wk_function_body_all run, wk_capture *met) {
  wk_capture *const capturing = wk_capturing;
  wk_capturing = NULL;
  wk_status status = wk_trace_region(condition, &(wk_body){call_condition, given, 1}, state);
  wk_capturing = met;
  if (status == WK_OK) status = wk_trace_region(body, &(wk_body){run, given, state.count}, state);
  wk_capturing = capturing;
  return status;
}

/* Traces condition and body; `met`: what the body reaches that wants a gradient. If they take
 * gradients themselves they are traced once more, recorded as when they run eagerly. */
static wk_status trace_parts(const wk_while_arguments *a, wk_tensors state, wk_region *condition,
                             wk_region *body, wk_capture *met, bool *takes_gradients) {
  wk_while_arguments given = *a;
  const uint64_t asked = wk_gradients_asked;
  const bool recorded = wk_set_gradients_recorded(false);
  wk_status status = trace_both(&given, state, condition, body, call_body, met);
  wk_set_gradients_recorded(recorded);
  *takes_gradients = status == WK_ERROR_STATE && recorded && wk_gradients_asked > asked;
  if (*takes_gradients) {
    wk_error_clear();
    wk_region_free(condition);
    return trace_both(&given, state, condition, body, call_recorded, NULL);
  }
  if (status == WK_OK) wk_capture_inputs(met->tensors, (int)met->count); /* loops around this */
  return wk_error_status();
}

/* The loop's own draws: none, but they say where each generator stands when it begins. */
static wk_status draw(wk_control *c) {
  wk_status status = WK_OK;
  for (size_t i = 0; i < c->generator_count && status == WK_OK; i++) {
    wk_random_key key = {.generator = c->generators[i]};
    status = wk_random_key_draw(&key, 0);
    c->drawn = key.offset;
  }
  return status;
}

static wk_status emit_while(wk_place here, loop *l, wk_tensor **state, wk_region *condition,
                            wk_region *body) {
  const size_t n = l->a.state.count;
  wk_control *c = create_control("while", n);
  operands o = {0};
  wk_status status = c ? wk_error_status() : WK_ERROR_MEMORY;
  if (status == WK_OK)
    status = open_operands(&o, n + 1 + condition->reached_count + body->reached_count);
  if (status == WK_OK) {
    c->keeps = l->tape != NULL, c->checkpoints = l->a.policy == WK_LOOP_SQUARE_ROOT;
    for (size_t i = 0; i < n; i++) add(&o, state[i], true);
    if (l->tape) add(&o, l->tape, true);
    c->first_reached = o.count;
    add_reached(&o, condition, n);
    add_reached(&o, body, n);
    status = take_region(c, WK_REGION_CONDITION, condition);
  }
  if (status == WK_OK) status = take_region(c, WK_REGION_BODY, body);
  if (status == WK_OK) status = wk_control_place_states(c);
  if (status == WK_OK) status = draw(c);
  if (status == WK_OK) l->draws = c->generator_count > 0, l->acts = c->acts;
  if (status == WK_OK) l->control = wk_control_retain(c);
  if (status == WK_OK)
    status = wk_control_emit(c, here, &o);
  else
    wk_control_release(c);
  close_operands(&o);
  return status;
}

/* ---- backward ---- */

typedef struct reverse {
  const loop *l;
  wk_tensors closures;
  const bool *wanted; /* states that have gradients */
} reverse;

wk_tensor *wk_zeros_like_of(const wk_tensor *x) {
  return wk_full(wk_layout_shape(&x->layout), 0, .dtype = x->layout.dtype,
                 .device = wk_tensor_device_of(x));
}

/* From a trip's state, the gradients of the next one and the closures' sums: those of this one. */
static wk_status call_reverse(void *context, wk_tensors in, wk_tensor **results) {
  const reverse *r = context;
  const size_t n = r->l->a.state.count, m = r->closures.count;
  wk_tensor **given = wk_allocate_zeroed(2 * n + m + 1, sizeof *given), **found = given + n;
  if (!given) return wk_error_status();
  size_t at = n;
  for (size_t i = 0; i < n; i++)
    if (r->wanted[i]) given[i] = in.item[at++];
  const wk_recomputed body = {r->l->a.body, r->l->a.context, n, r->l->autocast, NULL};
  wk_recomputed_vjp(&body, (wk_tensors){n, in.item}, r->closures, given, found);
  for (size_t i = 0; i < n && !wk_failed(); i++)
    if (r->wanted[i]) *results++ = found[i] ? found[i] : wk_zeros_like_of(given[i]);
  for (size_t k = 0; k < m && !wk_failed(); k++, at++)
    *results++ = found[n + k] ? wk_add(in.item[at], found[n + k]) : in.item[at];
  wk_deallocate(given);
  return wk_error_status();
}

static wk_status emit_reverse(const reverse *r, wk_tensors state, operands *carried) {
  const loop *l = r->l;
  const size_t n = state.count, given = n + carried->count;
  wk_region back = {0}, condition = {0}, body = {0};
  wk_capture none = {0};
  wk_tensor **like = wk_allocate_zeroed(given + 1, sizeof *like);
  wk_control *c = like ? create_control("while_gradient", n) : NULL;
  operands o = {0};
  if (c) {
    for (size_t i = 0; i < given; i++) like[i] = i < n ? state.item[i] : carried->items[i - n];
    wk_trace_region(&back, &(wk_body){call_reverse, (void *)(uintptr_t)r, carried->count},
                    (wk_tensors){given, like});
  }
  const bool again = l->a.policy == WK_LOOP_SQUARE_ROOT;
  wk_recomputing++; /* its lists have grown the first time */
  bool takes_gradients;
  if (again && !wk_failed()) trace_parts(&l->a, state, &condition, &body, &none, &takes_gradients);
  wk_recomputing--;
  if (!wk_failed())
    open_operands(&o,
                  given + 1 + condition.reached_count + body.reached_count + back.reached_count);
  if (!wk_failed()) {
    c->checkpoints = again;
    for (size_t i = 0; i < carried->count; i++) add(&o, carried->items[i], true);
    add(&o, l->tape, false);
    c->first_reached = o.count;
    const bool draws = condition.graph.draw_count > 0; /* between the trips */
    if (draws) add_reached(&o, &condition, n);
    if (again) add_reached(&o, &body, n);
    add_reached(&o, &back, given);
    if (draws) take_region(c, WK_REGION_CONDITION, &condition);
    if (again) take_region(c, WK_REGION_BODY, &body);
  }
  if (!wk_failed()) take_region(c, WK_REGION_REVERSE, &back);
  if (!wk_failed()) wk_control_place_states(c);
  if (!wk_failed())
    wk_control_emit(c, (wk_place){0}, &o);
  else
    wk_control_release(c);
  for (size_t i = 0; i < none.count; i++) wk_tensor_release(none.tensors[i]);
  wk_deallocate(none.tensors);
  wk_region_free(&back);
  wk_region_free(&condition);
  wk_region_free(&body);
  close_operands(&o);
  wk_deallocate(like);
  return wk_error_status();
}

static wk_status go_back(loop *l, wk_tensors state, wk_tensors closures, wk_tensor **gradients) {
  const size_t n = state.count;
  bool *wanted = wk_allocate_zeroed(n + 1, 1);
  operands carried = {0};
  if (!wanted || open_operands(&carried, n + closures.count) != WK_OK) {
    wk_deallocate(wanted);
    close_operands(&carried);
    return wk_error_status();
  }
  for (size_t i = 0; i < n; i++) {
    wanted[i] = wk_dtype_is_float(state.item[i]->layout.dtype);
    wk_tensor *g = l->bundle.gradients[i];
    if (wanted[i])
      add(&carried, gradients[i] = g ? carry(g) : wk_zeros_like_of(state.item[i]), true);
  }
  for (size_t k = 0; k < closures.count; k++)
    add(&carried, gradients[n + k] = wk_zeros_like_of(closures.item[k]), true);
  const reverse r = {l, closures, wanted};
  if (!wk_failed()) emit_reverse(&r, state, &carried);
  wk_deallocate(wanted);
  close_operands(&carried);
  return wk_error_status();
}

static wk_status backward(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  loop *l = (loop *)self;
  const size_t n = l->a.state.count, all = (size_t)node->input_count;
  wk_tensor **inputs = wk_allocate_zeroed(all + 1, sizeof *inputs);
  if (!inputs) return wk_error_status();
  for (size_t i = 0; i < all; i++)
    inputs[i] = i < n && !wk_gradients_recorded ? vjp->inputs[i]
                                                : wk_node_tie_input(node, (int)i, vjp->inputs[i]);
  if (l->acts) {
    wk_fail(WK_ERROR_UNSUPPORTED, "the gradient of a compiled loop with an optimizer's step in it");
    wk_error_add_hint("carry the wk_detach of what it computes");
  } else if (wk_gradients_recorded && l->draws) {
    wk_fail(WK_ERROR_UNSUPPORTED,
            "gradients of gradients of a compiled loop in which random numbers are drawn");
    wk_error_add_hint("draw them before the loop, or run the function eagerly");
  } else if (wk_gradients_recorded) {
    wk_while_deep_vjp(&l->a, l->autocast, (wk_tensors){all, inputs}, l->bundle.gradients,
                      vjp->input_gradients);
  } else {
    l->goes_back = true;
    go_back(l, (wk_tensors){n, inputs}, (wk_tensors){all - n, inputs + n}, vjp->input_gradients);
  }
  wk_bundle_clear(&l->bundle);
  wk_deallocate(inputs);
  return wk_error_status();
}

static void spend(wk_companion *self) {
  loop *l = (loop *)self;
  wk_tensor_release(l->tape);
  l->tape = NULL;
  wk_bundle_clear(&l->bundle);
}

static void destroy(wk_companion *self) {
  spend(self);
  const loop *l = (const loop *)self;
  if (l->control) l->control->unread = !l->goes_back;
  wk_control_release(l->control);
  if (l->destroy) l->destroy(l->a.context);
  wk_deallocate(((loop *)self)->bundle.gradients);
  wk_deallocate(self);
}

/* ---- the loop ---- */

static wk_status trace_loop(wk_place here, loop *l, wk_capture *met, wk_tensor **results,
                            bool *taken) {
  const wk_tensors given = l->a.state;
  const size_t n = given.count;
  wk_region condition = {0}, body = {0};
  wk_tensor **state = wk_allocate_zeroed(n + 1, sizeof *state);
  for (size_t i = 0; i < n && state && !wk_failed(); i++)
    if (wk_host_memory_only(given.item[i]) == WK_OK) state[i] = carry(given.item[i]);
  if (!wk_failed())
    trace_parts(&l->a, (wk_tensors){n, state}, &condition, &body, met, &l->takes_gradients);
  const bool recorded =
      !wk_failed() && wk_gradients_recorded && !l->takes_gradients && wk_any_wanted(given, met);
  if (!wk_tracing->around) wk_lists_end_loop(recorded);
  if (recorded)
    l->tape = wk_tensor_retain(
        wk_full(WK_SHAPE(1), 0, .dtype = WK_I64, .device = wk_tensor_device_of(given.item[0])));
  if (!wk_failed()) emit_while(here, l, state, &condition, &body);
  size_t count = 0;
  wk_tensor **inputs = recorded && !wk_failed() ? wk_join_closures(given, met, &count) : NULL;
  if (inputs)
    *taken = wk_bundle_record(&l->bundle, &wk_while_record, here, (wk_tensors){count, inputs},
                              (wk_tensors){n, state}, results) == WK_OK;
  else if (!wk_failed())
    memcpy(results, state, n * sizeof *results);
  wk_region_free(&condition);
  wk_region_free(&body);
  wk_deallocate(inputs);
  wk_deallocate(state);
  return wk_error_status();
}

wk_status wk_while_captured(wk_place here, const wk_while_arguments *a,
                            void (*given_up)(void *context), wk_tensor **results) {
  loop *l = wk_allocate_zeroed(1, sizeof *l);
  if (!l) {
    if (given_up) given_up(a->context);
    return wk_error_status();
  }
  l->bundle.companion = (wk_companion){backward, spend, NULL, destroy};
  l->a = *a, l->autocast = wk_autocasting, l->destroy = given_up;
  wk_capture met = {0};
  bool taken = false;
  trace_loop(here, l, &met, results, &taken);
  for (size_t i = 0; i < met.count; i++) wk_tensor_release(met.tensors[i]);
  wk_deallocate(met.tensors);
  if (!taken) destroy(&l->bundle.companion);
  return wk_error_status();
}
