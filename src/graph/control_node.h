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
  bool needed;   /* it runs even if nobody reads what it writes, */
  size_t extent; /* since it checks which of the function's extents */
  int64_t assumed;
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

/* A control without regions yet, and an operand of its node. */
wk_control *wk_control_create(const char *name, size_t states);

typedef struct wk_control_operands {
  wk_tensor **items;
  bool *written;
  size_t count;
} wk_control_operands;

/* Makes it a node of what is traced; takes the reference. */
wk_status wk_control_emit(wk_control *control, wk_place here, const wk_control_operands *operands);

#endif
