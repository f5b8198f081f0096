/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the records back: wk_backward and wk_grad. Nodes are listed from the output, sorted
 * latest first, and each one's gradient rule is run once all that depend on it have been. */
#include <stdlib.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "autograd/hooks.h"
#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/autocast.h"
#include "ops/records.gen.h"
#include "ops/rows.h"
#include "tensor/attribute.h"
#include "tensor/live.h"
#include "tensor/parameters.h"

/* A tensor whose gradient is wanted. */
typedef struct target {
  const wk_tensor *leaf; /* or, if NULL, */
  const wk_node *node;   /* this one's result */
  int output_index;
} target;

/* One run. With `targets` their gradients are wanted, and `results` (owned) collect them: wk_grad.
 * Without, leaves collect: wk_backward. */
typedef struct walk {
  wk_node **nodes;
  size_t count, capacity;
  uint64_t visit;
  const target *targets;
  wk_tensor **results;
  size_t target_count;
  wk_tensor **hooked; /* leaves whose gradients are summed up first, because they have hooks */
  size_t hooked_count, hooked_capacity;
  uint64_t since; /* number of the first node that is walked through; older ones may be targets */
  bool retain_graph, create_graph;
  bool within; /* inside another run, which sees to the hooks of leaves */
} walk;

static bool is_older(const walk *w, const wk_node *node) { return node->sequence < w->since; }

static wk_status add_node(walk *w, wk_node *node) {
  if (!node || node->visit == w->visit || is_older(w, node)) return WK_OK;
  if (node->walked) {
    wk_fail(WK_ERROR_STATE, "a backward is already on its way through this %s", node->op->name);
    wk_error_add_hint("hooks and backward functions may walk only through what they made "
                      "themselves");
    return WK_ERROR_STATE;
  }
  if (!wk_grow(&w->nodes, &w->capacity, w->count, sizeof *w->nodes)) return wk_error_status();
  node->visit = w->visit;
  node->wanted = false;
  node->walked = true;
  w->nodes[w->count++] = node;
  return WK_OK;
}

static int later_first(const void *a, const void *b) {
  const wk_node *x = *(wk_node *const *)a, *y = *(wk_node *const *)b;
  return x->sequence < y->sequence ? 1 : x->sequence > y->sequence ? -1 : 0;
}

/* As a chain of nodes is from the beginning. */
static bool is_sorted(const walk *w) {
  for (size_t i = 1; i < w->count; i++)
    if (w->nodes[i]->sequence > w->nodes[i - 1]->sequence) return false;
  return true;
}

/* Which target this is, or -1. */
static int find_target(const walk *w, const wk_tensor *leaf, const wk_node *node, int output) {
  for (size_t i = 0; i < w->target_count; i++) {
    const target *t = &w->targets[i];
    if (leaf ? t->leaf == leaf : !t->leaf && t->node == node && t->output_index == output)
      return (int)i;
  }
  return -1;
}

static int input_target(const walk *w, const wk_node_input *input) {
  return find_target(w, input->leaf, input->node, input->output_index);
}

static bool input_wanted(const walk *w, const wk_node_input *input) {
  if (input->leaf) return !w->targets || input_target(w, input) >= 0;
  if (!input->node) return false;
  return is_older(w, input->node) ? input_target(w, input) >= 0 : input->node->wanted;
}

static void mark_wanted(const walk *w, wk_node *node) {
  for (int i = 0; w->targets && i < node->op->output_count && !node->wanted; i++)
    node->wanted = find_target(w, NULL, node, i) >= 0;
  for (int i = 0; i < node->input_count && !node->wanted; i++)
    node->wanted = input_wanted(w, &node->inputs[i]);
}

/* The sum of a leaf with hooks that this run will give a gradient to, or NULL. */
static wk_leaf_sum *leaf_sum(const walk *w, const wk_node_input *input) {
  if (w->targets || !input->leaf || !input->leaf->leaf) return NULL;
  wk_hooks *hooks = input->leaf->leaf->hooks;
  return hooks ? wk_hooks_sum(hooks) : NULL;
}

/* Counts the node among those that may add to the gradients of leaves with hooks. */
static wk_status count_hooked(walk *w, const wk_node *node) {
  for (int i = 0; node->wanted && i < node->input_count; i++) {
    wk_leaf_sum *sum = leaf_sum(w, &node->inputs[i]);
    if (!sum) continue;
    if (sum->pending++ > 0) continue;
    if (!wk_grow(&w->hooked, &w->hooked_capacity, w->hooked_count, sizeof *w->hooked)) {
      sum->pending = 0;
      return wk_error_status();
    }
    w->hooked[w->hooked_count++] = wk_tensor_retain(node->inputs[i].leaf);
  }
  return WK_OK;
}

/* Lists all nodes behind `first`, latest first, and marks those that lead to a wanted gradient. */
static wk_status list_nodes(walk *w, wk_node *first) {
  w->visit = wk_new_visit();
  wk_status status = add_node(w, first);
  for (size_t n = 0; n < w->count && status == WK_OK; n++) {
    const wk_node *node = w->nodes[n];
    for (int i = 0; i < node->input_count && status == WK_OK; i++)
      status = add_node(w, node->inputs[i].node);
  }
  if (status != WK_OK) return status;
  if (!is_sorted(w)) qsort(w->nodes, w->count, sizeof *w->nodes, later_first);
  for (size_t n = w->count; n-- > 0 && status == WK_OK;) {
    mark_wanted(w, w->nodes[n]);
    status = count_hooked(w, w->nodes[n]);
  }
  return status;
}

/* ---- collecting gradients ---- */

/* The sum of `g` over the axes along which an input of these sizes was broadcast. */
static wk_tensor *sum_to(wk_tensor *g, const wk_layout *layout) {
  if (!g || wk_layout_same_dims(&g->layout, layout)) return g;
  const int added = g->layout.rank - layout->rank;
  wk_axes axes = {.count = 0};
  for (int i = 0; i < g->layout.rank; i++) {
    const bool repeated = i >= added && layout->dims[i - added] == 1 && g->layout.dims[i] != 1;
    if (i < added || repeated) axes.axis[axes.count++] = i;
  }
  return wk_reshape(wk_sum(g, .axes = axes, .keep_dims = true), wk_layout_shape(layout));
}

/* *sum += g, where *sum is an owned reference or NULL. */
static wk_status add_to(wk_tensor **sum, wk_tensor *g) {
  if (*sum) {
    g = wk_add(*sum, g);
    wk_tensor_release(*sum);
  }
  *sum = wk_tensor_retain(g);
  return wk_error_status();
}

/* `fresh`: nobody else knows of `g`. */
static wk_status pass_on(walk *w, const wk_node_input *input, wk_tensor *g, bool fresh) {
  g = sum_to(g, &input->layout);
  if (!g) return wk_error_status();
  if (input->node && !is_older(w, input->node))
    return add_to(&input->node->outputs[input->output_index].gradient, g);
  if (w->targets) return add_to(&w->results[input_target(w, input)], g);
  wk_leaf_sum *sum = leaf_sum(w, input);
  if (sum) return add_to(&sum->gradient, g);
  return fresh ? wk_leaf_take(input->leaf, g) : wk_leaf_add(input->leaf, g);
}

/* What is of some rows alone stays so on its way to a leaf without hooks. */
static wk_status pass_rows_on(walk *w, const wk_node_input *input, wk_tensor *rows, wk_tensor *g) {
  if (input->leaf && !w->targets && !leaf_sum(w, input))
    return wk_leaf_add_rows(input->leaf, rows, g);
  return pass_on(w, input, wk_rows_spread(&input->layout, rows, g), false);
}

/* ---- leaves with hooks ---- */

static wk_status deliver_to_leaf(wk_tensor *leaf) {
  wk_hooks *hooks = leaf->leaf->hooks;
  wk_leaf_sum *sum = wk_hooks_sum(hooks);
  if (!sum->gradient) return WK_OK;
  wk_scope scope = wk_scope_open();
  wk_tensor *g = wk_hooks_run(hooks, false, leaf, wk_scope_add(sum->gradient));
  sum->gradient = NULL;
  wk_status status = g ? wk_leaf_add(leaf, g) : wk_error_status();
  if (status == WK_OK && wk_hooks_are_set(hooks, true) &&
      !wk_hooks_run(hooks, true, leaf, leaf->leaf->gradient))
    status = wk_error_status();
  wk_scope_close(&scope);
  return status;
}

/* The node is done, or was left out: a leaf that waited for it alone has its whole gradient. */
static wk_status leave_node(const walk *w, const wk_node *node) {
  wk_status status = WK_OK;
  for (int i = 0; node->wanted && i < node->input_count && status == WK_OK; i++) {
    wk_leaf_sum *sum = leaf_sum(w, &node->inputs[i]);
    if (sum && sum->pending > 0 && --sum->pending == 0)
      status = deliver_to_leaf(node->inputs[i].leaf);
  }
  return status;
}

static void forget_hooked(walk *w) {
  for (size_t i = 0; i < w->hooked_count; i++) {
    wk_leaf_sum *sum = wk_hooks_sum(w->hooked[i]->leaf->hooks);
    wk_tensor_release(sum->gradient);
    *sum = (wk_leaf_sum){NULL, 0};
    wk_tensor_release(w->hooked[i]);
  }
  wk_deallocate(w->hooked);
}

/* ---- running a gradient rule ---- */

_Thread_local const wk_op *wk_gradient_of;

/* Ties a saved value to the record that it came from, so that the gradient rule is recorded, too.
 */
static void relink(wk_tensor *tensor, wk_node *maker, int output_index) {
  if (!tensor || !maker) return;
  atomic_fetch_add(&maker->link.references, 1);
  tensor->link = &maker->link;
  tensor->output_index = output_index;
  tensor->requires_gradient = true;
}

wk_tensor *wk_saved_unpack(const wk_saved *saved, const wk_layout *layout, const char *what,
                           const char *op) {
  if (!saved->root) return NULL;
  if (atomic_load(&saved->root->version) != saved->version) {
    char text[128];
    wk_layout_describe(layout, text, sizeof text);
    wk_fail(WK_ERROR_STATE,
            "%s %s, which the gradient of %s needs, was overwritten after the op ran", what, text,
            op);
    wk_error_add_hint("run backward before changing it in place, or change a copy");
    return NULL;
  }
  return wk_scope_add(wk_tensor_on_root(saved->root, layout, saved->offset));
}

wk_tensor *wk_node_tie_input(const wk_node *node, int input, wk_tensor *unpacked) {
  const wk_node_input *from = &node->inputs[input];
  if (!unpacked || unpacked == from->leaf || unpacked->link) return unpacked;
  if (from->leaf) return wk_scope_add(wk_tensor_retain(from->leaf));
  relink(unpacked, from->node, from->output_index);
  return unpacked;
}

/* The values that the rule reads. */
static void unpack_all(const walk *w, wk_node *node, wk_tensor **inputs, wk_tensor **outputs) {
  const wk_op *op = node->op;
  for (int i = 0; i < node->input_count; i++) {
    const wk_node_input *input = &node->inputs[i];
    inputs[i] =
        wk_saved_unpack(&input->saved, &input->layout, wk_op_input_at(op, i)->name, op->name);
    if (w->create_graph) inputs[i] = wk_node_tie_input(node, i, inputs[i]);
  }
  for (int i = 0; i < op->output_count; i++) {
    const wk_node_output *output = &node->outputs[i];
    outputs[i] = wk_saved_unpack(&output->saved, &output->layout, "the result", op->name);
    if (w->create_graph && wk_dtype_is_float(output->layout.dtype)) relink(outputs[i], node, i);
  }
}

/* Whether what the rule gave for input `i` is known to nobody else: not to the user's code, not as
 * another's gradient. */
static bool is_fresh(const wk_node *node, wk_tensor *const *gradients, int i) {
  bool fresh = !node->companion && node->op->id < WK_OP_COUNT;
  for (int k = 0; k < node->op->output_count && fresh; k++)
    fresh = node->outputs[k].gradient != gradients[i];
  for (int k = 0; k < node->input_count && fresh; k++)
    fresh = k == i || gradients[k] != gradients[i];
  return fresh;
}

#define MANY 16

typedef struct rule_space {
  wk_tensor *inputs[MANY], *gradients[MANY];
  wk_layout layouts[MANY];
  bool needed[MANY];
} rule_space;

/* Room for the rule's arrays: on the stack for few inputs, allocated for lists of many. */
static wk_status run_rule_in(walk *w, wk_node *node, wk_tensor **inputs, wk_tensor **gradients,
                             wk_layout *layouts, bool *needed) {
  wk_tensor *outputs[WK_MAX_OUTPUTS] = {NULL}, *output_gradients[WK_MAX_OUTPUTS] = {NULL};
  unpack_all(w, node, inputs, outputs);
  if (wk_failed()) return wk_error_status();
  for (int i = 0; i < node->input_count; i++) {
    gradients[i] = NULL;
    wk_layout_copy(&layouts[i], &node->inputs[i].layout);
    needed[i] = input_wanted(w, &node->inputs[i]);
  }
  for (int i = 0; i < node->op->output_count; i++) output_gradients[i] = node->outputs[i].gradient;
  wk_vjp vjp = {.op = node->op,
                .arguments = node->arguments,
                .input_count = node->input_count,
                .inputs = inputs,
                .input_layouts = layouts,
                .outputs = outputs,
                .output_gradients = output_gradients,
                .needed = needed,
                .input_gradients = gradients};
  wk_companion *companion = node->companion;
  wk_status status = companion ? companion->vjp(companion, node, &vjp) : node->op->vjp(&vjp);
  for (int i = 0; i < node->input_count && status == WK_OK; i++) {
    if (!needed[i] || !gradients[i]) continue;
    status = i == 0 && vjp.rows
                 ? pass_rows_on(w, &node->inputs[i], vjp.rows, gradients[i])
                 : pass_on(w, &node->inputs[i], gradients[i], is_fresh(node, gradients, i));
  }
  return status;
}

static wk_status run_rule(walk *w, wk_node *node) {
  const size_t count = (size_t)node->input_count;
  if (count <= MANY) {
    rule_space s;
    return run_rule_in(w, node, s.inputs, s.gradients, s.layouts, s.needed);
  }
  wk_tensor **tensors = wk_allocate_zeroed(2 * count, sizeof *tensors);
  wk_layout *layouts = wk_allocate_zeroed(count, sizeof *layouts);
  bool *needed = wk_allocate_zeroed(count, sizeof *needed);
  wk_status status = wk_error_status();
  if (status == WK_OK) status = run_rule_in(w, node, tensors, tensors + count, layouts, needed);
  wk_deallocate(tensors);
  wk_deallocate(layouts);
  wk_deallocate(needed);
  return status;
}

static bool has_gradient(const wk_node *node) {
  for (int i = 0; i < node->op->output_count; i++) {
    if (node->outputs[i].gradient) return true;
  }
  return false;
}

/* The node's own gradients are complete when its turn comes: hooks may change them, and wk_grad may
 * want them. */
static wk_status finish_gradients(walk *w, wk_node *node) {
  wk_status status = WK_OK;
  for (int i = 0; i < node->op->output_count && status == WK_OK; i++) {
    wk_node_output *output = &node->outputs[i];
    if (!output->gradient) continue;
    if (wk_hooks_are_set(output->hooks, false)) {
      wk_tensor *g = wk_hooks_run(output->hooks, false, NULL, output->gradient);
      if (!g) return wk_error_status();
      wk_tensor_retain(g);
      wk_tensor_release(output->gradient);
      output->gradient = g;
    }
    const int wanted = w->targets ? find_target(w, NULL, node, i) : -1;
    if (wanted >= 0) status = add_to(&w->results[wanted], output->gradient);
  }
  return status;
}

/* False where the node's own gradient was what is wanted, not what lies behind it. */
static bool needs_rule(const walk *w, const wk_node *node) {
  for (int i = 0; i < node->input_count; i++) {
    if (input_wanted(w, &node->inputs[i])) return true;
  }
  return false;
}

static wk_status check_unspent(const wk_node *node) {
  if (!node->spent) return WK_OK;
  wk_fail(WK_ERROR_STATE, "backward has already run through this %s and freed what it kept",
          node->op->name);
  wk_error_add_hint("run forward again, or give the first backward .retain_graph = true");
  return WK_ERROR_STATE;
}

/* What fails in there is told as a failure of the node's op, where it was called. */
static wk_status run_in_place_of(walk *w, wk_node *node, wk_status (*run)(walk *w, wk_node *node)) {
  const char *const module_before = wk_current_module;
  const wk_place *const place_before = wk_place_above;
  const wk_op *const op_before = wk_gradient_of;
  wk_current_module = node->module_path;
  wk_place_above = &node->here;
  wk_gradient_of = node->op;
  const wk_status status = run(w, node);
  if (status != WK_OK) {
    wk_error_add_op(node->op->name);
    wk_error_add_place(node->here);
  }
  wk_current_module = module_before;
  wk_place_above = place_before;
  wk_gradient_of = op_before;
  return status;
}

static wk_status run_node(walk *w, wk_node *node) {
  if (!node->wanted || !has_gradient(node)) return WK_OK;
  wk_scope scope = wk_scope_open();
  wk_status status = run_in_place_of(w, node, finish_gradients);
  if (status == WK_OK && needs_rule(w, node)) {
    status = check_unspent(node);
    if (status == WK_OK) status = run_in_place_of(w, node, run_rule);
  }
  wk_scope_close(&scope);
  if (!w->retain_graph) wk_node_spend(node);
  return status;
}

static wk_status run_nodes(walk *w) {
  wk_status status = WK_OK;
  for (size_t n = 0; n < w->count; n++) {
    if (status == WK_OK) status = run_node(w, w->nodes[n]);
    for (int i = 0; i < w->nodes[n]->op->output_count; i++) {
      wk_tensor_release(w->nodes[n]->outputs[i].gradient);
      w->nodes[n]->outputs[i].gradient = NULL;
    }
    if (status == WK_OK) status = leave_node(w, w->nodes[n]);
  }
  return status;
}

/* ---- beginning ---- */

/* The gradient to begin with: the caller's, checked, or a one. */
static wk_tensor *seed_gradient(wk_tensor *output, wk_tensor *given) {
  if (!output->requires_gradient) {
    wk_fail(WK_ERROR_STATE,
            "no gradient leads to this tensor: nothing it was computed from requires "
            "one, or recording was off");
    wk_error_add_hint("wk_tensor_set_requires_gradient makes a tensor collect one");
    return NULL;
  }
  if (!given) {
    if (wk_layout_count(&output->layout) == 1) {
      return wk_full(wk_layout_shape(&output->layout), 1, .dtype = output->layout.dtype,
                     .device = wk_tensor_device_of(output));
    }
    char text[128];
    wk_tensor_describe(output, text, sizeof text);
    wk_fail(WK_ERROR_SHAPE, "%s has %lld elements, but a loss has one", text,
            (long long)wk_layout_count(&output->layout));
    wk_error_add_hint("take its wk_sum or wk_mean first, or give .gradient");
    return NULL;
  }
  if (!wk_layout_same_dims(&given->layout, &output->layout) ||
      given->layout.dtype != output->layout.dtype) {
    wk_fail(WK_ERROR_SHAPE, "the gradient's sizes and dtype must be those of the tensor");
    return NULL;
  }
  return given;
}

/* What came to a leaf that is a target itself goes through its hooks. */
static wk_status run_target_hooks(walk *w) {
  for (size_t i = 0; i < w->target_count && !w->within; i++) {
    const wk_tensor *leaf = w->targets[i].leaf;
    if (!leaf || !leaf->leaf || !w->results[i]) continue;
    if (!wk_hooks_are_set(leaf->leaf->hooks, false)) continue;
    wk_tensor *g = wk_hooks_run(leaf->leaf->hooks, false, (wk_tensor *)(uintptr_t)leaf,
                                wk_scope_add(w->results[i]));
    w->results[i] = wk_tensor_retain(g);
    if (!g) return wk_error_status();
  }
  return WK_OK;
}

static wk_status walk_nodes(walk *w, wk_tensor *output, wk_tensor *seed) {
  wk_node *first = (wk_node *)output->link;
  if (!first || is_older(w, first)) { /* the tensor is where the walk ends, too */
    const wk_node_input itself = {.node = first,
                                  .output_index = output->output_index,
                                  .leaf = first ? NULL : output,
                                  .layout = output->layout};
    if (!input_wanted(w, &itself)) return WK_OK;
    const wk_status status = pass_on(w, &itself, seed, false);
    if (status != WK_OK || !leaf_sum(w, &itself)) return status;
    return deliver_to_leaf(output);
  }
  wk_status status = list_nodes(w, first);
  if (status == WK_OK) status = add_to(&first->outputs[output->output_index].gradient, seed);
  if (status == WK_OK) status = run_nodes(w);
  for (size_t n = 0; n < w->count; n++) w->nodes[n]->walked = false;
  return status;
}

/* Everything happens in a scope of its own, and is recorded only if its gradient is to be had. */
static wk_status walk_back(walk *w, wk_tensor *output, wk_tensor *given) {
  const bool recorded = wk_set_gradients_recorded(w->create_graph);
  const wk_dtype autocast = wk_autocasting;
  wk_autocasting = WK_DTYPE_DEFAULT; /* gradients have their values' types */
  wk_scope scope = wk_scope_open();
  wk_scope_add(wk_tensor_retain(output)); /* holds the nodes, whatever hooks let go of */
  wk_tensor *seed = seed_gradient(output, given);
  wk_status status = seed ? walk_nodes(w, output, seed) : wk_error_status();
  if (status == WK_OK) status = run_target_hooks(w);
  forget_hooked(w);
  wk_scope_close(&scope);
  wk_autocasting = autocast;
  wk_set_gradients_recorded(recorded);
  wk_deallocate(w->nodes);
  return status;
}

_Thread_local uint64_t wk_gradients_asked;

wk_status wk_backward_at(wk_place here, const wk_backward_arguments *arguments) {
  if (wk_failed()) return wk_error_status();
  wk_gradients_asked++;
  wk_backward_arguments a;
  wk_status status = wk_settings_copy("backward", arguments,
                                      offsetof(wk_backward_arguments, gradient), sizeof a, &a);
  if (status == WK_OK && !a.loss) status = wk_fail(WK_ERROR_ARGUMENT, "the loss is NULL");
  if (status == WK_OK && a.create_graph) {
    status = wk_fail(WK_ERROR_UNSUPPORTED, "a leaf's gradient is memory without a history");
    wk_error_add_hint("wk_grad(gradients, loss, inputs, .create_graph = true) gives gradients that "
                      "have gradients");
  }
  if (status == WK_OK) {
    walk w = {.retain_graph = a.retain_graph};
    status = walk_back(&w, a.loss, a.gradient);
  }
  wk_error_add_call("backward", here);
  return status;
}

static target target_of(const wk_tensor *tensor) {
  if (!tensor->link) return (target){.leaf = tensor};
  return (target){.node = (const wk_node *)tensor->link, .output_index = tensor->output_index};
}

/* A tensor listed twice collects at its first place. */
static wk_tensor *result_of(const walk *w, size_t i) {
  const target *t = &w->targets[i];
  return w->results[find_target(w, t->leaf, t->node, t->output_index)];
}

/* Hands the results to the caller's scope; where there is none, zeros. */
static wk_status deliver(const wk_tensors *inputs, const walk *w, wk_tensor **gradients) {
  for (size_t i = 0; i < inputs->count; i++) {
    const wk_tensor *input = inputs->item[i];
    wk_tensor *result = result_of(w, i);
    if (result)
      gradients[i] = wk_scope_add(wk_tensor_retain(result));
    else
      gradients[i] = wk_full(wk_layout_shape(&input->layout), 0, .dtype = input->layout.dtype,
                             .device = wk_tensor_device_of(input));
  }
  return wk_error_status();
}

static wk_status check_targets(wk_tensor **gradients, const wk_grad_arguments *a) {
  if (a->inputs.count > 0 && (!gradients || !a->inputs.item))
    return wk_fail(WK_ERROR_ARGUMENT, "the inputs or the place for their gradients is NULL");
  if (!a->output) return wk_fail(WK_ERROR_ARGUMENT, "the output is NULL");
  for (size_t i = 0; i < a->inputs.count; i++) {
    if (!a->inputs.item[i]) return wk_fail(WK_ERROR_ARGUMENT, "input %zu is NULL", i);
    if (a->inputs.item[i]->requires_gradient) continue;
    wk_fail(WK_ERROR_STATE, "input %zu requires no gradient", i);
    wk_error_add_hint("call wk_tensor_set_requires_gradient on it before it is used");
    return WK_ERROR_STATE;
  }
  return WK_OK;
}

static wk_status grad(const wk_grad_arguments *a, wk_tensor **gradients) {
  wk_status status = check_targets(gradients, a);
  if (status != WK_OK) return status;
  const size_t count = a->inputs.count, some = count ? count : 1;
  target *targets = wk_allocate_zeroed(some, sizeof *targets);
  wk_tensor **results = wk_allocate_zeroed(some, sizeof *results);
  walk w = {.targets = targets,
            .results = results,
            .target_count = count,
            .retain_graph = a->retain_graph || a->create_graph,
            .create_graph = a->create_graph};
  for (size_t i = 0; targets && i < count; i++) targets[i] = target_of(a->inputs.item[i]);
  status = targets && results ? walk_back(&w, a->output, a->gradient) : wk_error_status();
  if (status == WK_OK) status = deliver(&a->inputs, &w, gradients);
  for (size_t i = 0; results && i < count; i++) wk_tensor_release(results[i]);
  wk_deallocate(targets);
  wk_deallocate(results);
  return status;
}

wk_status wk_grad_at(wk_place here, wk_tensor **gradients, const wk_grad_arguments *arguments) {
  const bool failed_before = wk_failed();
  wk_grad_arguments a;
  wk_status status =
      wk_settings_copy("grad", arguments, offsetof(wk_grad_arguments, gradient), sizeof a, &a);
  const size_t count = a.inputs.count;
  for (size_t i = 0; gradients && i < count; i++) gradients[i] = NULL;
  if (failed_before) return wk_error_status();
  wk_gradients_asked++;
  if (status == WK_OK) status = grad(&a, gradients);
  for (size_t i = 0; status != WK_OK && gradients && i < count; i++) gradients[i] = NULL;
  wk_error_add_call("grad", here);
  return status;
}

/* ---- for those who record again what lies behind one node ---- */

wk_status wk_walk_within(const wk_node *node, const bool *needed, uint64_t since, wk_tensor *output,
                         wk_tensor *given, wk_tensor **gradients) {
  const size_t count = (size_t)node->input_count;
  target *targets = wk_allocate_zeroed(count, sizeof *targets);
  wk_tensor **results = wk_allocate_zeroed(count, sizeof *results);
  walk w = {.targets = targets,
            .results = results,
            .target_count = count,
            .since = since,
            .retain_graph = wk_gradients_recorded,
            .create_graph = wk_gradients_recorded,
            .within = true};
  for (size_t i = 0; targets && i < count; i++) {
    const wk_node_input *input = &node->inputs[i];
    if (needed[i]) targets[i] = (target){input->leaf, input->node, input->output_index};
  }
  const wk_status status = targets && results ? walk_back(&w, output, given) : wk_error_status();
  for (size_t i = 0; results && i < count; i++) gradients[i] = wk_scope_add(results[i]);
  wk_deallocate(targets);
  wk_deallocate(results);
  return status;
}

wk_status wk_walk_to(uint64_t since, wk_tensor *output, bool create, wk_tensors targets,
                     wk_tensor **gradients) {
  target *to = wk_allocate_zeroed(targets.count + 1, sizeof *to);
  wk_tensor **results = wk_allocate_zeroed(targets.count + 1, sizeof *results);
  walk w = {.targets = to,
            .results = results,
            .target_count = targets.count,
            .since = since,
            .retain_graph = create,
            .create_graph = create,
            .within = true};
  for (size_t i = 0; to && i < targets.count; i++) to[i] = target_of(targets.item[i]);
  const wk_status status = to && results ? walk_back(&w, output, NULL) : wk_error_status();
  for (size_t i = 0; results && i < targets.count; i++) gradients[i] = wk_scope_add(results[i]);
  wk_deallocate(to);
  wk_deallocate(results);
  return status;
}
