/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/cost.h"

#include "base/text.h"
#include "graph/control_node.h"
#include "ops/records.gen.h"

/* ---- counts ---- */

static double count_of(const wk_reference *r) { return (double)wk_layout_count(&r->layout); }

static const wk_reference *tensor_of(const wk_graph_node *node, int which) {
  return which > 0 ? &node->inputs[which - 1] : &node->outputs[-which - 1];
}

static double largest(const wk_graph_node *node) {
  double most = 0;
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i].buffer >= 0 && count_of(&node->inputs[i]) > most)
      most = count_of(&node->inputs[i]);
  for (int i = 0; i < node->op->output_count; i++)
    if (count_of(&node->outputs[i]) > most) most = count_of(&node->outputs[i]);
  return most;
}

/* As its record says; an element of what is no product counts as one. */
static double operations(const wk_graph_node *node) {
  const wk_work *w = &node->op->work;
  double count = w->factor;
  for (int i = 0; w->factor && i < 2; i++)
    if (w->counts[i]) count *= count_of(tensor_of(node, w->counts[i]));
  if (w->factor && w->sized) {
    const wk_layout *layout = &tensor_of(node, w->sized)->layout;
    const int axis = w->axis < 0 ? layout->rank + w->axis : w->axis;
    const double size = axis >= 0 && axis < layout->rank ? (double)layout->dims[axis] : 1;
    count = !w->divides ? count * size : size > 0 ? count / size : 0;
  }
  if (w->factor) return count;
  const wk_op_class class = node->op->class;
  const bool counted = class == WK_CLASS_POINTWISE || class == WK_CLASS_REDUCTION ||
                       class == WK_CLASS_UPDATE || class == WK_CLASS_WINDOW ||
                       class == WK_CLASS_ROW;
  return counted ? largest(node) : 0;
}

static void add_bytes(wk_cost *cost, const wk_reference *r) {
  if (r->buffer >= 0) cost->bytes += count_of(r) * (double)wk_dtype_size(r->layout.dtype);
}

wk_cost wk_node_cost(const wk_graph_node *node) {
  wk_cost cost = {0, 0};
  if (!node->op) return cost;
  for (int k = 0; node->control && k < WK_REGION_COUNT; k++)
    for (size_t i = 0; i < node->control->plans[k].step_count; i++) {
      const wk_cost inner = wk_node_cost(node->control->plans[k].steps[i].node);
      cost.operations += inner.operations, cost.bytes += inner.bytes;
    }
  if (node->control) return cost;
  cost.operations = operations(node);
  for (int i = 0; i < node->input_count; i++) add_bytes(&cost, &node->inputs[i]);
  for (int i = 0; i < node->op->output_count; i++) add_bytes(&cost, &node->outputs[i]);
  return cost;
}

const char *wk_step_kernel(const wk_plan_step *step) {
  return step->kernel ? step->kernel->name : "host";
}

size_t wk_plan_loop_bytes(const wk_plan *plan) {
  size_t most = 0;
  for (size_t n = 0; n < plan->step_count; n++) {
    const wk_control *control = plan->steps[n].node->control;
    size_t bytes = 0;
    for (int k = 0; control && k < WK_REGION_COUNT; k++) {
      const wk_plan *region = &control->plans[k];
      bytes += region->arena_size + wk_plan_loop_bytes(region);
      for (size_t i = 0; i < region->graph.result_count; i++)
        bytes += region->graph.buffers[region->graph.results[i].buffer].size;
    }
    if (bytes > most) most = bytes;
  }
  return most;
}

size_t wk_plan_scratch_bytes(const wk_plan *plan) {
  size_t most = 0;
  for (size_t n = 0; n < plan->step_count; n++) {
    const wk_plan_step *step = &plan->steps[n];
    const wk_control *control = step->node->control;
    size_t bytes = control ? 0 : wk_plan_ask_memory(&plan->graph, step->node, step->kernel);
    for (int k = 0; control && k < WK_REGION_COUNT; k++) {
      const size_t inner = wk_plan_scratch_bytes(&control->plans[k]);
      if (inner > bytes) bytes = inner;
    }
    if (bytes > most) most = bytes;
  }
  return most;
}

/* ---- reasons ---- */

static bool reads(const wk_graph_node *node, int buffer) {
  for (int i = 0; i < node->input_count; i++)
    if (node->inputs[i].buffer == buffer) return true;
  return false;
}

/* The next step behind `step` that reads the buffer, or step_count. */
static size_t next_reader(const wk_plan *plan, size_t step, int buffer) {
  while (++step < plan->step_count)
    if (reads(plan->steps[step].node, buffer)) break;
  return step;
}

/* How near the operand is to giving up its place, and what is in the way. */
static int find_obstacle(const wk_plan *plan, size_t step, int i, const char **why) {
  const wk_graph_node *node = plan->steps[step].node;
  const wk_reference *r = &node->inputs[i], *to = &node->outputs[0];
  if (r->buffer < 0) return 0;
  const wk_buffer *b = &plan->graph.buffers[r->buffer];
  if (b->kind != WK_BUFFER_LOCAL)
    return *why = b->kind == WK_BUFFER_INPUT ? "is an input" : "is older than the call", 1;
  if (!wk_layout_same_dims(&r->layout, &to->layout) ||
      wk_dtype_size(r->layout.dtype) != wk_dtype_size(to->layout.dtype))
    return *why = "has another size", 2;
  if (!plan->in_arena[r->buffer]) return *why = "is a result of the function", 3;
  if (next_reader(plan, step, r->buffer) < plan->step_count) return *why = "is read again", 4;
  return *why = "is a part of its memory", 3;
}

static size_t explain_place(const wk_plan *plan, size_t step, char *buffer, size_t size) {
  const wk_graph_node *node = plan->steps[step].node;
  const int made = node->outputs[0].buffer;
  if (plan->graph.buffers[made].kind != WK_BUFFER_LOCAL || plan->first_of[made] != made) return 0;
  if (!plan->in_arena[made])
    return wk_print_into(buffer, size, 0, "not in place: it is handed out");
  const char *why = NULL, *found;
  int nearest = 0, operand = -1;
  for (int i = 0; i < node->input_count; i++) {
    const int near = find_obstacle(plan, step, i, &found);
    if (near > nearest) nearest = near, operand = i, why = found;
  }
  if (operand < 0) return 0;
  const size_t used =
      wk_print_into(buffer, size, 0, "not in place: operand %d %s", operand + 1, why);
  const size_t again = next_reader(plan, step, node->inputs[operand].buffer);
  return nearest < 4 ? used : wk_print_into(buffer, size, used, " by step %zu", again + 1);
}

size_t wk_step_explain(const wk_plan *plan, size_t step, char *buffer, size_t size) {
  const wk_graph_node *node = plan->steps[step].node;
  if (size) buffer[0] = '\0';
  if (!node->op || node->op->output_count != 1) return 0;
  if (node->op->class == WK_CLASS_POINTWISE) {
    const size_t used = explain_place(plan, step, buffer, size);
    if (!node->apart) return used;
    return wk_print_into(buffer, size, used, "%sapart from the product that it reads: %s",
                         used ? "; " : "", node->apart);
  }
  if (node->op->id != WK_OP_CONTIGUOUS) return 0;
  const size_t reader = next_reader(plan, step, node->outputs[0].buffer);
  if (reader == plan->step_count || !plan->steps[reader].kernel ||
      plan->steps[reader].kernel->habits & WK_TAKES_STRIDES)
    return 0;
  return wk_print_into(buffer, size, 0, "a copy: %s of step %zu takes no strides",
                       plan->steps[reader].kernel->name, reader + 1);
}
