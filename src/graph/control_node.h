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
  size_t *place; /* of each state in a kept item, and of what says where generators stand */
  wk_generator **generators; /* a while: from which its regions draw, */
  size_t generator_count;
  uint64_t drawn;          /* and the name of its own draws' last one (ops/journal.h) */
  bool acts;               /* it has steps on the host */
  bool keeps, checkpoints; /* a while: its states, as many as a gradient asks for; few of them */
  bool unread;             /* but no gradient does: it keeps none */
  size_t extent;           /* list_stack: which of the function's extents it checks, */
  int64_t assumed;         /* which the trace took to be this */
} wk_control;

/* What the arguments of its op are. */
typedef struct wk_control_arguments {
  size_t struct_size;
  wk_control *control;
} wk_control_arguments;

wk_status wk_run_while(const wk_control *control, const wk_kernel_call *call);
wk_status wk_run_reverse(const wk_control *control, const wk_kernel_call *call);
wk_status wk_run_list_open(const wk_control *control, const wk_kernel_call *call);
wk_status wk_run_list_append(const wk_control *control, const wk_kernel_call *call);
wk_status wk_run_list_stack(const wk_control *control, const wk_kernel_call *call);

/* A loop or step of a list ("while", "while_gradient", "list_open", "list_append", "list_stack"),
 * without operands and regions; NULL if there is none of that name. */
wk_control *wk_control_create(const char *name);
bool wk_control_is_name(const char *name);

/* Whether it runs even if nobody reads what it writes, for what else it does. */
static inline bool wk_control_is_needed(const wk_control *c) {
  return c->run == wk_run_list_stack || c->generator_count > 0 || c->acts;
}
static inline bool wk_control_is_loop(const wk_control *c) {
  return c->run == wk_run_while || c->run == wk_run_reverse;
}

/* How many of its operands, the first ones, it carries: states, or gradients and sums. */
size_t wk_control_carried(const wk_control *control);

/* Finds places for its states in what it keeps, of the sizes that its regions take, and looks for
 * what else those do. */
wk_status wk_control_place_states(wk_control *control);

/* Plans regions that came from a text. */
wk_status wk_control_plan(wk_control *control);

wk_control *wk_control_retain(wk_control *control);
void wk_control_release(wk_control *control);
extern const wk_kernel wk_control_kernel;

typedef struct wk_control_operands {
  wk_tensor **items;
  bool *written;
  size_t count;
} wk_control_operands;

/* Makes it a node of what is traced; takes the reference. */
wk_status wk_control_emit(wk_control *control, wk_place here, const wk_control_operands *operands);

#endif
