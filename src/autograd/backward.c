/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the records back: wk_backward and wk_grad. Nodes are listed from the output, sorted
 * latest first, and each one's gradient rule is run once all that depend on it have been. */
#include <stdlib.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "tensor/attribute.h"
#include "tensor/live.h"
#include "tensor/parameters.h"

/* One run. For wk_grad, `targets` are the tensors whose gradients are wanted and `results` (owned)
 * collect them; for wk_backward there are none, and leaves collect. */
typedef struct walk {
  wk_node **nodes;
  size_t count, capacity;
  uint64_t visit;
  const wk_tensors *targets;
  wk_tensor **results;
  bool retain_graph, create_graph;
} walk;

static bool add_node(walk *w, wk_node *node) {
  if (!node || node->visit == w->visit) return true;
  if (!wk_grow(&w->nodes, &w->capacity, w->count, sizeof *w->nodes)) return false;
  node->visit = w->visit;
  node->wanted = false;
  w->nodes[w->count++] = node;
  return true;
}

static int later_first(const void *a, const void *b) {
  const wk_node *x = *(wk_node *const *)a, *y = *(wk_node *const *)b;
  return x->sequence < y->sequence ? 1 : x->sequence > y->sequence ? -1 : 0;
}

static int target_leaf(const walk *w, const wk_tensor *leaf) {
  for (size_t i = 0; w->targets && i < w->targets->count; i++) {
    if (w->targets->item[i] == leaf) return (int)i;
  }
  return -1;
}

static int target_output(const walk *w, const wk_node *node, int output) {
  for (size_t i = 0; w->targets && i < w->targets->count; i++) {
    const wk_tensor *target = w->targets->item[i];
    if (target->link == &node->link && target->output_index == output) return (int)i;
  }
  return -1;
}

static bool input_wanted(const walk *w, const wk_node_input *input) {
  if (input->leaf) return !w->targets || target_leaf(w, input->leaf) >= 0;
  return input->node && input->node->wanted;
}

/* Lists all nodes behind `first`, latest first, and marks those that lead to a wanted gradient. */
static wk_status list_nodes(walk *w, wk_node *first) {
  w->visit = wk_new_visit();
  if (!add_node(w, first)) return wk_error_status();
  for (size_t n = 0; n < w->count; n++) {
    const wk_node *node = w->nodes[n];
    for (int i = 0; i < node->input_count; i++) {
      if (!add_node(w, node->inputs[i].node)) return wk_error_status();
    }
  }
  qsort(w->nodes, w->count, sizeof *w->nodes, later_first);
  for (size_t n = w->count; n-- > 0;) {
    wk_node *node = w->nodes[n];
    for (int i = 0; i < node->op->output_count && !node->wanted; i++) {
      node->wanted = target_output(w, node, i) >= 0;
    }
    for (int i = 0; i < node->input_count && !node->wanted; i++) {
      node->wanted = input_wanted(w, &node->inputs[i]);
    }
  }
  return WK_OK;
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

/* A leaf keeps its gradient in memory of its own, which the first one overwrites. */
static wk_status add_to_leaf(wk_tensor *leaf, wk_tensor *g) {
  wk_tensor *gradient = wk_leaf_gradient(leaf);
  if (!gradient || !g) return wk_error_status();
  g = wk_contiguous(g);
  const wk_op *op = &wk_op_table[leaf->leaf->valid ? WK_OP_ADD_UPDATE : WK_OP_COPY_UPDATE];
  const wk_add_update_arguments arguments = {sizeof arguments, gradient, g};
  const wk_status status = wk_op_run(op, WK_HERE, &arguments, NULL);
  if (status == WK_OK) leaf->leaf->valid = true;
  return status;
}

static wk_status pass_on(walk *w, const wk_node_input *input, wk_tensor *g) {
  g = sum_to(g, &input->layout);
  if (!g) return wk_error_status();
  if (!input->leaf) return add_to(&input->node->outputs[input->output_index].gradient, g);
  if (!w->targets) return add_to_leaf(input->leaf, g);
  return add_to(&w->results[target_leaf(w, input->leaf)], g);
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

/* `what` is the operand's name. */
static wk_tensor *unpack(const wk_node *node, const char *what, const wk_saved *saved,
                         const wk_layout *layout) {
  if (!saved->root) return NULL;
  if (atomic_load(&saved->root->version) != saved->version) {
    char text[128];
    wk_layout_describe(layout, text, sizeof text);
    wk_fail(WK_ERROR_STATE,
            "%s %s, which the gradient of %s needs, was overwritten after the op ran", what, text,
            node->op->name);
    wk_error_add_hint("run backward before changing it in place, or change a copy");
    return NULL;
  }
  return wk_scope_add(wk_tensor_on_root(saved->root, layout, saved->offset));
}

/* The values that the rule reads. */
static void unpack_all(const walk *w, wk_node *node, wk_tensor **inputs, wk_tensor **outputs) {
  for (int i = 0; i < node->input_count; i++) {
    const wk_node_input *input = &node->inputs[i];
    inputs[i] = unpack(node, wk_op_input_at(node->op, i)->name, &input->saved, &input->layout);
    if (!w->create_graph || !inputs[i]) continue;
    if (input->leaf)
      inputs[i] = wk_scope_add(wk_tensor_retain(input->leaf));
    else
      relink(inputs[i], input->node, input->output_index);
  }
  for (int i = 0; i < node->op->output_count; i++) {
    outputs[i] = unpack(node, "the result", &node->outputs[i].saved, &node->outputs[i].layout);
    if (w->create_graph && wk_dtype_is_float(node->outputs[i].layout.dtype))
      relink(outputs[i], node, i);
  }
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
    layouts[i] = node->inputs[i].layout;
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
  wk_status status = node->op->vjp(&vjp);
  for (int i = 0; i < node->input_count && status == WK_OK; i++) {
    if (needed[i] && gradients[i]) status = pass_on(w, &node->inputs[i], gradients[i]);
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

/* For wk_grad: the node's own gradients are complete when its turn comes. */
static wk_status collect_targets(walk *w, const wk_node *node) {
  wk_status status = WK_OK;
  for (int i = 0; i < node->op->output_count && status == WK_OK; i++) {
    const int target = target_output(w, node, i);
    if (target >= 0 && node->outputs[i].gradient) {
      status = add_to(&w->results[target], node->outputs[i].gradient);
    }
  }
  return status;
}

static wk_status run_node(walk *w, wk_node *node) {
  if (!node->wanted || !has_gradient(node)) return WK_OK;
  wk_status status = collect_targets(w, node);
  if (status != WK_OK) return status;
  if (node->spent) {
    wk_fail(WK_ERROR_STATE, "backward has already run through this %s and freed what it kept",
            node->op->name);
    wk_error_add_hint("run forward again, or give the first backward .retain_graph = true");
    return WK_ERROR_STATE;
  }
  wk_scope scope = wk_scope_open();
  const char *const module_before = wk_current_module;
  const wk_place *const place_before = wk_place_above;
  wk_current_module = node->module_path;
  wk_place_above = &node->here;
  wk_gradient_of = node->op;
  status = run_rule(w, node);
  if (status != WK_OK) {
    wk_error_add_op(node->op->name);
    wk_error_add_place(node->here);
  }
  wk_current_module = module_before;
  wk_place_above = place_before;
  wk_gradient_of = NULL;
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

/* Everything happens in a scope of its own, and is recorded only if its gradient is to be had. */
static wk_status walk_back(walk *w, wk_tensor *output, wk_tensor *given) {
  const bool recorded = wk_set_gradients_recorded(w->create_graph);
  wk_scope scope = wk_scope_open();
  wk_status status = WK_OK;
  wk_tensor *seed = seed_gradient(output, given);
  if (!seed) {
    status = wk_error_status();
  } else if (output->link) {
    wk_node *first = (wk_node *)output->link;
    status = list_nodes(w, first);
    if (status == WK_OK) status = add_to(&first->outputs[output->output_index].gradient, seed);
    if (status == WK_OK) status = run_nodes(w);
  } else {
    const wk_node_input itself = {.leaf = output, .layout = output->layout};
    if (input_wanted(w, &itself)) status = pass_on(w, &itself, seed);
  }
  wk_scope_close(&scope);
  wk_set_gradients_recorded(recorded);
  wk_deallocate(w->nodes);
  return status;
}

wk_status wk_backward_at(wk_place here, const wk_backward_arguments *arguments) {
  if (wk_failed()) return wk_error_status();
  wk_backward_arguments a;
  wk_status status = wk_settings_copy("backward", arguments,
                                      offsetof(wk_backward_arguments, gradient), sizeof a, &a);
  if (status == WK_OK && !a.loss) status = wk_fail(WK_ERROR_ARGUMENT, "the loss is NULL");
  if (status == WK_OK) {
    walk w = {.retain_graph = a.retain_graph};
    status = walk_back(&w, a.loss, a.gradient);
  }
  wk_error_add_call("backward", here);
  return status;
}

/* Hands the results to the caller's scope; where there is none, zeros. */
static wk_status deliver(const wk_tensors *inputs, wk_tensor **results, wk_tensor **gradients) {
  for (size_t i = 0; i < inputs->count; i++) {
    const wk_tensor *input = inputs->item[i];
    if (results[i])
      gradients[i] = wk_scope_add(wk_tensor_retain(results[i]));
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

wk_status wk_grad_at(wk_place here, wk_tensor **gradients, const wk_grad_arguments *arguments) {
  const bool failed_before = wk_failed();
  wk_grad_arguments a;
  wk_status status =
      wk_settings_copy("grad", arguments, offsetof(wk_grad_arguments, gradient), sizeof a, &a);
  const size_t count = a.inputs.count;
  for (size_t i = 0; gradients && i < count; i++) gradients[i] = NULL;
  if (failed_before) return wk_error_status();
  if (status == WK_OK) status = check_targets(gradients, &a);
  wk_tensor **results = NULL;
  if (status == WK_OK) {
    results = wk_allocate_zeroed(count ? count : 1, sizeof *results);
    if (!results) status = wk_error_status();
  }
  if (status == WK_OK) {
    walk w = {.targets = &a.inputs,
              .results = results,
              .retain_graph = a.retain_graph || a.create_graph,
              .create_graph = a.create_graph};
    status = walk_back(&w, a.output, a.gradient);
  }
  if (status == WK_OK) status = deliver(&a.inputs, results, gradients);
  for (size_t i = 0; results && i < count; i++) wk_tensor_release(results[i]);
  wk_deallocate(results);
  for (size_t i = 0; status != WK_OK && gradients && i < count; i++) gradients[i] = NULL;
  wk_error_add_call("grad", here);
  return status;
}
