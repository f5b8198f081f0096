/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_AUTOGRAD_TAPE_H
#define WICK_AUTOGRAD_TAPE_H

/* The record of one op that ran: what its gradient rule needs, and where its gradients go. A result
 * holds its node through wk_tensor.link; a node holds the nodes of its inputs, never its own
 * results, so nothing goes in circles. */

#include "ops/dispatch.h"

/* A value kept for the gradient: memory and layout, no handle. */
typedef struct wk_saved {
  wk_root *root; /* NULL: not kept */
  int64_t offset;
  unsigned version; /* of the root when it was kept */
} wk_saved;

typedef struct wk_node_input {
  struct wk_node *node; /* that made it; retained; or NULL */
  int output_index;     /* as which output */
  wk_tensor *leaf;      /* if it collects a gradient itself; retained; or NULL */
  wk_layout layout;     /* rank -1: absent */
  wk_saved saved;
} wk_node_input;

typedef struct wk_node_output {
  wk_layout layout;
  wk_saved saved;
  wk_tensor *gradient; /* owned; collected while backward runs */
} wk_node_output;

typedef struct wk_node {
  wk_link link; /* first, so that a tensor's link is its node */
  const wk_op *op;
  wk_place here;
  const char *module_path;
  uint64_t sequence; /* later nodes have larger ones, so sorting by it is topological order */
  uint64_t visit;    /* the last walk that has met it: a backward run, or a look at what is alive */
  struct wk_node *next_visited;
  bool wanted; /* in that run: a wanted gradient lies behind it */
  bool spent;  /* its saved values are gone */
  int input_count;
  wk_node_output outputs[WK_MAX_OUTPUTS];
  void *arguments;        /* inside this allocation, behind the inputs */
  wk_node_input inputs[]; /* input_count of them */
} wk_node;

/* Drops what the node kept for its gradient rule. */
void wk_node_spend(wk_node *node);

/* The op whose gradient rule this thread runs, or NULL. */
extern _Thread_local const wk_op *wk_gradient_of;

/* The layer of dispatch that records. */
extern const wk_dispatch_layer wk_autograd_layer;

#endif
