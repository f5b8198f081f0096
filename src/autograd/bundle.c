/* SPDX-License-Identifier: Apache-2.0 */
#include "autograd/bundle.h"

#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/autocast.h"
#include "ops/journal.h"

static const wk_op_input operand = {.name = "input", .list = true, .dtypes = WK_DTYPES_ANY};

/* ---- many results of one record: each is a record of its own that hands its gradient back ---- */

typedef struct part {
  wk_companion companion;
  wk_bundle *bundle; /* alive: its node is this one's input */
  size_t index;
} part;

static const wk_op part_record = {.name = "result",
                                  .class = WK_CLASS_MATRIX,
                                  .inputs = &operand,
                                  .input_count = 1,
                                  .output_count = 1,
                                  .settings = {.size = sizeof(size_t)}};

static wk_tensor *no_value(wk_device *device) { return wk_full(WK_SHAPE(1), 0, .device = device); }

static wk_status give_to_bundle(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  const part *p = (const part *)self;
  wk_tensor **gradient = &p->bundle->gradients[p->index];
  wk_tensor_release(*gradient);
  *gradient = wk_tensor_retain(vjp->output_gradients[0]);
  vjp->input_gradients[0] = no_value(wk_tensor_device_of(*gradient));
  (void)node;
  return wk_error_status();
}

static void keep(wk_companion *self) { (void)self; }
static void destroy_part(wk_companion *self) { wk_deallocate(self); }

static wk_status record_part(wk_bundle *bundle, size_t index, wk_place here, wk_tensor *flow,
                             wk_tensor **result) {
  part *p = wk_allocate_zeroed(1, sizeof *p);
  if (!p) return wk_error_status();
  *p = (part){{give_to_bundle, keep, NULL, destroy_part}, bundle, index};
  size_t nothing = 0;
  wk_call call = {.op = &part_record,
                  .here = here,
                  .inputs = &flow,
                  .input_count = 1,
                  .arguments = &nothing,
                  .outputs = {*result}};
  const bool none[1] = {false};
  const wk_status status = wk_tape_record_companion(&call, &p->companion, none, none);
  if (status != WK_OK) wk_deallocate(p);
  *result = call.outputs[0];
  return status;
}

void wk_bundle_clear(wk_bundle *bundle) {
  for (size_t i = 0; bundle->gradients && i < bundle->result_count; i++) {
    wk_tensor_release(bundle->gradients[i]);
    bundle->gradients[i] = NULL;
  }
}

wk_status wk_bundle_record(wk_bundle *bundle, const wk_op *op, wk_place here, wk_tensors inputs,
                           wk_tensors made, wk_tensor **results) {
  const bool recorded = wk_set_gradients_recorded(false);
  wk_tensor *value = made.count ? no_value(wk_tensor_device_of(made.item[0])) : NULL;
  wk_set_gradients_recorded(recorded);
  bool *all = wk_allocate_zeroed(inputs.count + 1, 1);
  bundle->result_count = made.count;
  bundle->gradients = wk_allocate_zeroed(made.count + 1, sizeof *bundle->gradients);
  if (!all || !bundle->gradients || !value) {
    wk_deallocate(all);
    return wk_error_status();
  }
  memset(all, true, inputs.count);
  size_t nothing = 0;
  wk_call call = {.op = op,
                  .here = wk_place_above ? *wk_place_above : here,
                  .inputs = inputs.item,
                  .input_count = (int)inputs.count,
                  .arguments = &nothing,
                  .outputs = {wk_tensor_retain(value)}};
  const bool none[1] = {false};
  wk_status status = wk_tape_record_companion(&call, &bundle->companion, all, none);
  wk_deallocate(all);
  if (status != WK_OK) return status;
  wk_tensor *flow = wk_scope_add(call.outputs[0]); /* the node has the bundle now */
  for (size_t i = 0; i < made.count; i++) {
    wk_tensor *result =
        wk_tensor_on_root(made.item[i]->root, &made.item[i]->layout, made.item[i]->offset);
    if (!result) break;
    result->producer = op->name, result->module_path = wk_current_module;
    if (wk_dtype_is_float(result->layout.dtype) &&
        record_part(bundle, i, call.here, flow, &result) != WK_OK) {
      wk_tensor_release(result);
      break;
    }
    results[i] = wk_scope_add(result);
  }
  return WK_OK;
}

/* ---- functions that are called again ---- */

/* The end of what was recorded: where the results' gradients come in. */
typedef struct seed {
  wk_companion companion;
  wk_tensor *const *given; /* of each input */
} seed;

static const wk_op seed_record = {.name = "results",
                                  .class = WK_CLASS_MATRIX,
                                  .inputs = &operand,
                                  .input_count = 1,
                                  .output_count = 1,
                                  .settings = {.size = sizeof(size_t)}};

static wk_status begin_walk(wk_companion *self, const wk_node *node, wk_vjp *vjp) {
  const seed *s = (const seed *)self;
  for (int i = 0; i < node->input_count; i++) vjp->input_gradients[i] = s->given[i];
  return WK_OK;
}

static void destroy_seed(wk_companion *self) { wk_deallocate(self); }

/* One tensor on which the results depend that have a gradient; NULL: none has. */
static wk_tensor *join_results(wk_tensor **results, wk_tensor **given, size_t count) {
  size_t wanted = 0;
  for (size_t i = 0; i < count; i++) {
    if (!given[i] || !wk_wants_gradient(results[i])) continue;
    results[wanted] = results[i], given[wanted++] = given[i];
  }
  if (!wanted) return NULL;
  wk_tensor *value = no_value(wk_tensor_device_of(results[0]));
  seed *s = value ? wk_allocate_zeroed(1, sizeof *s) : NULL;
  bool *none = s ? wk_allocate_zeroed(wanted, 1) : NULL;
  if (!none) {
    wk_deallocate(s);
    return NULL;
  }
  *s = (seed){{begin_walk, keep, NULL, destroy_seed}, given};
  size_t nothing = 0;
  wk_call call = {.op = &seed_record,
                  .inputs = results,
                  .input_count = (int)wanted,
                  .arguments = &nothing,
                  .outputs = {wk_tensor_retain(value)}};
  if (wk_tape_record_companion(&call, &s->companion, none, (bool[]){false}) != WK_OK)
    wk_deallocate(s);
  wk_deallocate(none);
  return wk_scope_add(call.outputs[0]);
}

static wk_status call_again(const wk_recomputed *f, wk_tensors inputs, wk_tensor **results) {
  wk_capture *const capturing = wk_capturing;
  const wk_dtype autocast = wk_autocasting;
  wk_capturing = NULL, wk_autocasting = f->autocast;
  if (f->journal) wk_journal_open(f->journal, true);
  wk_recomputing++;
  wk_status status = f->body(f->context, inputs, results);
  wk_recomputing--;
  if (f->journal) wk_journal_close(f->journal);
  wk_capturing = capturing, wk_autocasting = autocast;
  if (status < 0 && !wk_failed()) wk_fail(status, "a body failed without saying why");
  for (size_t i = 0; i < f->result_count && !wk_failed(); i++)
    if (!results[i]) wk_fail(WK_ERROR_CALLBACK, "a body gave no result %zu", i);
  return wk_error_status();
}

/* The inputs as tensors that gradients are with respect to, which they alone are. */
static wk_status begin_inputs(wk_tensors inputs, bool create, wk_tensor **fresh) {
  for (size_t i = 0; i < inputs.count; i++) {
    wk_tensor *x = inputs.item[i];
    if (create && wk_wants_gradient(x)) {
      fresh[i] = wk_reshape(x, wk_layout_shape(&x->layout));
      continue;
    }
    fresh[i] = wk_detach(x);
    if (fresh[i]) fresh[i]->requires_gradient = wk_dtype_is_float(x->layout.dtype);
  }
  return wk_error_status();
}

static wk_status vjp_in(const wk_recomputed *f, wk_tensors inputs, wk_tensors closures,
                        wk_tensor *const *given, bool create, wk_tensor **room,
                        wk_tensor **gradients) {
  const size_t n = f->result_count, all = inputs.count + closures.count;
  wk_tensor **targets = room, **results = room + all, **seeds = results + n;
  if (begin_inputs(inputs, create, targets) != WK_OK) return wk_error_status();
  for (size_t i = 0; i < closures.count; i++) targets[inputs.count + i] = closures.item[i];
  if (n) memcpy(seeds, given, n * sizeof *seeds);
  const uint64_t since = wk_tape_begin_at(inputs, closures);
  if (call_again(f, (wk_tensors){inputs.count, targets}, results) != WK_OK)
    return wk_error_status();
  wk_tensor *end = join_results(results, seeds, n);
  if (!end) return wk_error_status();
  return wk_walk_to(since, end, create, (wk_tensors){all, targets}, gradients);
}

wk_status wk_recomputed_vjp(const wk_recomputed *f, wk_tensors inputs, wk_tensors closures,
                            wk_tensor *const *given, wk_tensor **gradients) {
  const bool create = wk_gradients_recorded;
  const size_t all = inputs.count + closures.count;
  for (size_t i = 0; i < all; i++) gradients[i] = NULL;
  wk_tensor **room = wk_allocate_zeroed(all + 2 * f->result_count + 1, sizeof *room);
  wk_status status = room ? WK_OK : wk_error_status();
  if (status == WK_OK) status = wk_capture_inputs(inputs.item, (int)inputs.count);
  if (status == WK_OK) status = wk_capture_inputs(closures.item, (int)closures.count);
  if (status == WK_OK) status = wk_capture_inputs(given, (int)f->result_count);
  if (status == WK_OK) {
    wk_scope scope = wk_scope_open();
    wk_set_gradients_recorded(true);
    status = vjp_in(f, inputs, closures, given, create, room, gradients);
    wk_set_gradients_recorded(create);
    for (size_t i = 0; i < all; i++) wk_tensor_retain(gradients[i]);
    wk_scope_close(&scope);
    for (size_t i = 0; i < all; i++) gradients[i] = wk_scope_add(gradients[i]);
  }
  wk_deallocate(room);
  return status;
}
