/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/plan.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "graph/control_node.h"
#include "graph/destination.h"
#include "graph/joined.h"
#include "graph/order.h"
#include "graph/place.h"
#include "graph/recompute.h"
#include "graph/undo.h"
#include "ops/records.gen.h"

enum {
  ALIGNMENT = 64,
  PIECE_SHARE = 8,     /* what is smaller than the largest buffer by so much is not cut */
  BUDGET_PIECES = 4,   /* how many times as many pieces there may be under a budget */
  MOST_LEFT = 63,      /* groups that are left whole */
  MOST_ORDERED = 4096, /* nodes for which another order is sought, */
  ORDER_SHARE = 32     /* which must free such a share of the arena */
};
/* Bytes of a buffer that is worth cutting for speed alone: caches do not hold it. */
#define FAR_BYTES ((size_t)16 << 20)
/* ---- kernels ---- */

/* Kernels are asked with addresses that only say how operands are aligned. */
static wk_operand stand_in(const wk_reference *r) {
  if (r->buffer < 0) return (wk_operand){.data = NULL};
  return (wk_operand){.data = (char *)(uintptr_t)(4096 + r->start % 4096), .layout = r->layout};
}

/* The kernel that would run the node; or, where that is given, what `asked` says of parts or of
 * the memory that it takes. */
static const wk_kernel *ask(const wk_graph *g, const wk_graph_node *node, const wk_kernel *asked,
                            const wk_part *part, size_t *memory) {
  wk_operand outputs[WK_MAX_OUTPUTS];
  wk_operand *inputs = wk_allocate_zeroed((size_t)node->input_count + 1, sizeof *inputs);
  if (!inputs) return NULL;
  for (int i = 0; i < node->input_count; i++) inputs[i] = stand_in(&node->inputs[i]);
  for (int i = 0; i < node->op->output_count; i++) outputs[i] = stand_in(&node->outputs[i]);
  const int first = node->op->output_count ? node->outputs[0].buffer : node->inputs[0].buffer;
  wk_device *device = g->buffers[first].device;
  const wk_kernel_call call = {.op = node->op,
                               .arguments = node->arguments,
                               .inputs = inputs,
                               .input_count = node->input_count,
                               .outputs = outputs,
                               .output_count = node->op->output_count,
                               .stream = &device->stream,
                               .part = part,
                               .memory = memory};
  if (asked)
    asked->run(&call);
  else
    asked = wk_kernel_find(device, &call);
  wk_deallocate(inputs);
  return asked;
}

static const wk_kernel *choose_kernel(const wk_graph *g, const wk_graph_node *node) {
  if (node->control) return wk_control_plan(node->control) == WK_OK ? &wk_control_kernel : NULL;
  return ask(g, node, NULL, NULL, NULL);
}

wk_status wk_plan_ask_parts(const wk_graph *graph, const wk_graph_node *node,
                            const wk_kernel *kernel, int64_t *step, size_t *state) {
  *step = 0, *state = 0;
  ask(graph, node, kernel, &(wk_part){.step = step, .state_size = state}, NULL);
  return wk_error_status();
}

size_t wk_plan_ask_memory(const wk_graph *graph, const wk_graph_node *node,
                          const wk_kernel *kernel) {
  size_t bytes = 0;
  if (kernel && kernel->habits & WK_TAKES_MEMORY) ask(graph, node, kernel, NULL, &bytes);
  return bytes;
}

wk_status wk_plan_add_step(wk_plan *plan, const wk_graph_node *node) {
  if (!wk_grow(&plan->steps, &plan->step_capacity, plan->step_count, sizeof *plan->steps))
    return wk_error_status();
  const wk_kernel *kernel = node->op ? choose_kernel(&plan->graph, node) : NULL;
  if (node->op && !kernel) return wk_error_status();
  const size_t head = wk_joined_head(&plan->graph, plan->step_count);
  plan->steps[plan->step_count++] = (wk_plan_step){.kernel = kernel, .node = node};
  if (node->joined && plan->steps[head].kernel->habits & WK_TELLS_ROWS) plan->steps[head].joined++;
  return WK_OK;
}

/* ---- row-major copies for kernels that take no strides ---- */

static bool needs_copy(const wk_kernel *kernel, const wk_reference *r) {
  return r->buffer >= 0 && !(kernel->habits & WK_TAKES_STRIDES) &&
         !wk_layout_is_contiguous(&r->layout);
}

static wk_status add_copy(wk_graph *g, wk_reference *r, wk_graph_node *copy) {
  wk_reference dense = {.buffer = (int)g->buffer_count, .layout = r->layout};
  wk_layout_set_strides(&dense.layout);
  if (!wk_grow(&g->buffers, &g->buffer_capacity, g->buffer_count, sizeof *g->buffers))
    return wk_error_status();
  wk_device *device = g->buffers[r->buffer].device;
  g->buffers[g->buffer_count++] = (wk_buffer){.kind = WK_BUFFER_LOCAL,
                                              .device = device,
                                              .size = (size_t)wk_layout_count(&dense.layout) *
                                                      wk_dtype_size(dense.layout.dtype)};
  const wk_op *op = &wk_op_table[WK_OP_CONTIGUOUS];
  *copy = (wk_graph_node){.op = op, .input_count = 1, .draw = WK_NO_DRAW, .outputs = {dense}};
  copy->arguments = wk_allocate_zeroed(1, op->settings.size);
  copy->inputs = wk_allocate_zeroed(1, sizeof *copy->inputs);
  if (!copy->arguments || !copy->inputs) return wk_error_status();
  memcpy(copy->arguments, &op->settings.size, sizeof op->settings.size);
  copy->inputs[0] = *r;
  *r = dense;
  return WK_OK;
}

typedef struct node_list {
  wk_graph_node *nodes;
  size_t count, capacity;
} node_list;

static wk_status append(node_list *to, const wk_graph_node *node) {
  if (!wk_grow(&to->nodes, &to->capacity, to->count, sizeof *to->nodes)) return wk_error_status();
  to->nodes[to->count++] = *node;
  return WK_OK;
}

static wk_status append_copies(wk_graph *g, wk_graph_node *node, node_list *to) {
  const wk_kernel *kernel = node->op ? choose_kernel(g, node) : NULL;
  if (node->op && !kernel) return wk_error_status();
  for (int i = 0; kernel && i < node->input_count; i++) {
    if (!needs_copy(kernel, &node->inputs[i])) continue;
    wk_graph_node copy = {0};
    if (append(to, &copy) != WK_OK) return wk_error_status();
    if (add_copy(g, &node->inputs[i], &to->nodes[to->count - 1]) != WK_OK) return wk_error_status();
  }
  return WK_OK;
}

/* The graph's nodes once more, with a copy in front of each operand whose kernel needs one. */
static wk_status insert_copies(wk_graph *g) {
  node_list all = {0};
  size_t done = 0;
  wk_status status = WK_OK;
  for (; done < g->node_count && status == WK_OK; done++) {
    status = append_copies(g, &g->nodes[done], &all);
    if (status == WK_OK) status = append(&all, &g->nodes[done]);
    if (status != WK_OK) break;
  }
  for (; done < g->node_count; done++) { /* after a failure: what has not moved yet */
    wk_graph_node_free(&g->nodes[done]);
  }
  wk_deallocate(g->nodes);
  g->nodes = all.nodes, g->node_count = all.count, g->node_capacity = all.capacity;
  return status;
}

const wk_kernel *wk_plan_choose_kernel(const wk_graph *graph, const wk_graph_node *node) {
  return choose_kernel(graph, node);
}

/* ---- the whole ---- */

void (*wk_plan_made)(wk_plan *plan);

/* Gives up values until the arena fits. Between buffers there are gaps, so that less must be alive
 * than the arena may take. */
static wk_status keep_budget(wk_plan *plan, size_t budget) {
  const size_t before = plan->graph.node_count;
  size_t least = plan->arena_size, target = budget, lowest = SIZE_MAX;
  wk_status status = WK_OK;
  while (plan->arena_size > budget && status == WK_OK && target >= ALIGNMENT) {
    const size_t nodes = plan->graph.node_count;
    status = wk_graph_recompute(&plan->graph, plan->cut, target, INFINITY, &lowest);
    if (plan->graph.node_count == nodes && lowest > target) break;
    if (status == WK_OK) status = wk_plan_place(plan);
    if (plan->arena_size < least) least = plan->arena_size;
    target = (lowest < target ? lowest : target) / 16 * 15;
  }
  plan->again_count += plan->graph.node_count - before;
  if (status != WK_OK || plan->arena_size <= budget) return status;
  char wanted[32], had[32];
  wk_format_bytes(wanted, sizeof wanted, budget);
  wk_format_bytes(had, sizeof had, least);
  wk_fail(WK_ERROR_MEMORY, "the function cannot run in %s, its memory budget: it takes %s", wanted,
          had);
  wk_error_add_hint("the least budget that works is %zu bytes; smaller batches take less", least);
  return WK_ERROR_MEMORY;
}

/* What costs little to make again is given up anyway. */
static wk_status give_up_cheap(wk_plan *plan, double share) {
  const size_t before = plan->graph.node_count;
  size_t lowest;
  wk_status status = wk_graph_recompute(&plan->graph, plan->cut, 0, share, &lowest);
  plan->again_count = plan->graph.node_count - before;
  if (status == WK_OK && plan->again_count) status = wk_plan_place(plan);
  return status;
}

/* Runs groups of nodes in up to `most` pieces, unless nothing is gained by it. */
static wk_status cut(wk_plan *plan, const wk_plan_limits *limits) {
  const int64_t most = limits->budget ? BUDGET_PIECES * limits->pieces : limits->pieces;
  const size_t whole = plan->arena_size;
  if (most < 2) return WK_OK;
  plan->cut = (wk_pieces_limits){.most = most, .share = PIECE_SHARE};
  const wk_status status = wk_plan_place(plan);
  if (status != WK_OK || limits->budget || plan->arena_size < whole) return status;
  plan->cut = (wk_pieces_limits){0};
  return wk_plan_place(plan);
}

static bool is_far(const wk_plan *plan, const wk_piece_group *group) {
  const wk_graph *g = &plan->graph;
  for (size_t n = group->first; n <= group->last; n++)
    for (int o = 0; o < g->nodes[n].op->output_count; o++) {
      const int b = g->nodes[n].outputs[o].buffer;
      if (plan->pieces.inner[b] && g->buffers[b].size >= FAR_BYTES) return true;
    }
  return false;
}

/* Leaves whole, the last first, those groups that lie near and without which the arena is no
 * larger. */
static wk_status leave_groups(wk_plan *plan) {
  wk_status status = WK_OK;
  size_t i = plan->pieces.count < MOST_LEFT ? plan->pieces.count : MOST_LEFT;
  while (i-- > 0 && status == WK_OK) { /* before the i-th none has been left yet */
    const size_t before = plan->arena_size;
    if (is_far(plan, &plan->pieces.groups[i])) continue;
    plan->cut.left |= (uint64_t)1 << i;
    status = wk_plan_place(plan);
    if (status != WK_OK || plan->arena_size <= before) continue;
    plan->cut.left &= ~((uint64_t)1 << i);
    status = wk_plan_place(plan);
  }
  return status;
}

/* Puts the nodes into an order in which less is alive, if the arena is smaller by some then. */
static wk_status reorder(wk_plan *plan) {
  wk_graph *g = &plan->graph;
  const size_t before = plan->arena_size;
  size_t *order =
      g->node_count > MOST_ORDERED ? NULL : wk_allocate_zeroed(g->node_count + 1, sizeof *order);
  if (!order) return wk_error_status();
  wk_status status = wk_graph_find_order(g, order);
  if (status == WK_OK) status = wk_graph_reorder(g, order, false);
  if (status == WK_OK) status = wk_plan_place(plan);
  if (status == WK_OK && plan->arena_size > before - before / ORDER_SHARE) {
    status = wk_graph_reorder(g, order, true);
    if (status == WK_OK) status = wk_plan_place(plan);
  }
  wk_deallocate(order);
  return status;
}

static wk_status make(wk_plan *plan, const wk_plan_limits *limits) {
  wk_graph *g = &plan->graph;
  wk_status status = insert_copies(g);
  if (status == WK_OK) status = wk_graph_make_in_destinations(g);
  if (status == WK_OK) status = wk_plan_place(plan);
  const bool large = plan->arena_size > limits->small;
  if (status == WK_OK && large && limits->pieces) status = reorder(plan);
  if (status == WK_OK && !limits->budget && large) status = cut(plan, limits);
  if (status == WK_OK && !limits->budget && limits->recompute > 0 && large)
    status = give_up_cheap(plan, limits->recompute);
  if (status == WK_OK && limits->budget && plan->arena_size > limits->budget)
    status = cut(plan, limits);
  if (status == WK_OK && limits->budget && plan->arena_size > limits->budget)
    status = keep_budget(plan, limits->budget);
  if (status == WK_OK && plan->pieces.count) status = leave_groups(plan);
  for (size_t n = 0; n < g->node_count && status == WK_OK; n++)
    status = wk_plan_add_step(plan, &g->nodes[n]);
  return status;
}

wk_status wk_plan_create(wk_plan *plan, wk_graph *graph, const wk_plan_limits *limits) {
  *plan = (wk_plan){.graph = *graph};
  *graph = (wk_graph){0};
  wk_graph *g = &plan->graph;
  wk_status status = make(plan, limits ? limits : &(wk_plan_limits){0});
  if (status == WK_OK) plan->fallible = wk_plan_count_fallible(plan);
  plan->device = g->buffer_count ? g->buffers[0].device : wk_device_or_default(NULL);
  if (status != WK_OK)
    wk_plan_free(plan);
  else if (wk_plan_made)
    wk_plan_made(plan);
  return status;
}

void wk_plan_free(wk_plan *plan) {
  wk_graph_free(&plan->graph);
  wk_deallocate(plan->steps);
  wk_deallocate(plan->place);
  wk_deallocate(plan->in_arena);
  wk_deallocate(plan->first_of);
  wk_pieces_free(&plan->pieces);
  *plan = (wk_plan){0};
}
