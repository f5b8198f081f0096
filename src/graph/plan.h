/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_PLAN_H
#define WICK_GRAPH_PLAN_H

/* A graph made ready to run: kernels chosen, buffers placed in one arena. A plan does not change
 * and owns no memory but its tables; each thread that runs it brings a context. */

#include "graph/pieces.h"
#include "ops/kernel.h"

typedef struct wk_plan_step {
  const wk_kernel *kernel; /* NULL: a step on the host */
  const wk_graph_node *node;
  int joined; /* steps behind it that run with it */
} wk_plan_step;

typedef struct wk_plan {
  wk_graph graph; /* taken */
  wk_plan_step *steps;
  size_t step_count, step_capacity;
  size_t *place;  /* of each buffer, in the arena, if it is there */
  bool *in_arena; /* local buffers that are no results */
  int *first_of;  /* of each buffer, the one in whose place it is, or itself */
  int in_place_count;
  wk_pieces_limits cut; /* how far groups of nodes run piece by piece, */
  wk_pieces pieces;     /* and which do */
  size_t again_count;   /* steps that make once more what was given up */
  size_t fallible;      /* steps up to the last that may fail for its values' sake: undo.h */
  size_t arena_size;    /* bytes: what a call needs besides cells, inputs and results */
  size_t total_size;    /* of all the buffers in it, had each its own memory */
  wk_device *device;
} wk_plan;

/* Tests set it, to spoil plans that are made. */
extern void (*wk_plan_made)(wk_plan *plan);

/* What a plan may take. */
typedef struct wk_plan_limits {
  size_t budget; /* bytes of the arena: what does not fit is made again where it is read; 0: any */
  double recompute; /* without a budget: the share of the graph's work that may be done again to
                     * lower the peak, */
  size_t small;     /* unless the arena is no larger than that anyway */
  int64_t pieces;   /* the most into which a batch may be cut; with a budget four times as many.
                     * 0: none, and the steps keep their order */
} wk_plan_limits;

/* Takes the graph, which becomes empty, also on failure. `limits` NULL: none, and nothing is made
 * again. WK_ERROR_MEMORY names the least budget that works. */
wk_status wk_plan_create(wk_plan *plan, wk_graph *graph, const wk_plan_limits *limits);
void wk_plan_free(wk_plan *plan);

/* Adds the step that runs the graph's next node. */
wk_status wk_plan_add_step(wk_plan *plan, const wk_graph_node *node);

/* The kernel that would run the node, or NULL with an error pending. */
const wk_kernel *wk_plan_choose_kernel(const wk_graph *graph, const wk_graph_node *node);

/* Of how many rows parts of the node are multiples, and how many bytes the kernel keeps between
 * them (wk_part). */
wk_status wk_plan_ask_parts(const wk_graph *graph, const wk_graph_node *node,
                            const wk_kernel *kernel, int64_t *step, size_t *state);

/* Bytes of the device's memory that the kernel takes while it runs the node. */
size_t wk_plan_ask_memory(const wk_graph *graph, const wk_graph_node *node,
                          const wk_kernel *kernel);

/* What one thread runs plans with. Zeroed at first. */
typedef struct wk_plan_context {
  wk_storage *arena;
  char **base;            /* of each buffer */
  wk_operand *operands;   /* of the step that runs */
  struct wk_watch *watch; /* is told of each step (watch.h); NULL: nobody is */
  size_t base_capacity, operand_capacity;
} wk_plan_context;

/* Runs all steps. `results` become owned tensors; all NULL on failure. */
wk_status wk_plan_run(const wk_plan *plan, wk_plan_context *context, wk_tensors inputs,
                      wk_tensor **results);

/* The same in two parts, for regions of a loop: memory for the plan's own buffers, after which the
 * bases of inputs and results are the caller's to set; and all steps. */
wk_status wk_plan_bind(const wk_plan *plan, wk_plan_context *context);
wk_status wk_plan_run_bound(const wk_plan *plan, wk_plan_context *context);
void wk_plan_context_free(wk_plan_context *context);

#endif
