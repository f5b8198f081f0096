/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_CONTROL_NODE_H
#define WICK_GRAPH_CONTROL_NODE_H

/* A loop as one node of a graph: an update of the buffers that carry its state, by an op of its own
 * whose kernel runs the plans of its regions. To passes and planner it is one op that writes. */

#include "graph/plan.h"

#define WK_CONTROL_OP (INT32_MAX / 2) /* all such ops' number */

enum { WK_REGION_CONDITION, WK_REGION_BODY, WK_REGION_REVERSE, WK_REGION_COUNT };

typedef struct wk_control {
  atomic_int references;
  wk_op op;
  wk_op_input *records; /* of each operand */
  wk_status (*run)(const struct wk_control *control, const wk_kernel_call *call);
  wk_plan plans[WK_REGION_COUNT];
  size_t reached[WK_REGION_COUNT]; /* operands that they reach besides what they are given, behind
                                      one another, */
  size_t first_reached;            /* from this one on */
  size_t state_count;
  size_t *place; /* of each state in a kept item, and at the end its size */
  bool keeps, checkpoints;
} wk_control;

/* What the arguments of its op are. */
typedef struct wk_control_arguments {
  size_t struct_size;
  wk_control *control;
} wk_control_arguments;

wk_control *wk_control_retain(wk_control *control);
void wk_control_release(wk_control *control);
extern const wk_kernel wk_control_kernel;

wk_status wk_run_while(const wk_control *control, const wk_kernel_call *call);
wk_status wk_run_reverse(const wk_control *control, const wk_kernel_call *call);

/* What loops keep while a plan runs: freed by the run in which they were made. */
struct wk_loop_tape;
struct wk_loop_tape *wk_loop_tapes_now(void);
void wk_loop_tapes_free(struct wk_loop_tape *until);

#endif
