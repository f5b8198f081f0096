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
  wk_hooks *hooks;     /* functions to call with it; or NULL */
} wk_node_output;

/* What stands behind a node that no record describes (a function of the user's, a checkpoint), as
 * the first field of a larger struct: its gradient rule, and what it keeps besides the node. */
typedef struct wk_companion {
  wk_status (*vjp)(struct wk_companion *self, const struct wk_node *node, wk_vjp *vjp);
  void (*spend)(struct wk_companion *self); /* lets go of what only `vjp` needs; perhaps again */
  void (*visit)(const struct wk_companion *self, struct wk_live_walk *walk); /* or NULL */
  void (*destroy)(struct wk_companion *self);
} wk_companion;

typedef struct wk_node {
  wk_link link; /* first, so that a tensor's link is its node */
  const wk_op *op;
  wk_place here;
  const char *module_path;
  uint64_t sequence; /* later nodes have larger ones, so sorting by it is topological order */
  uint64_t visit;    /* the last walk that has met it: a backward run, or a look at what is alive */
  struct wk_node *next_visited; /* in that walk, or among those to be freed */
  wk_companion *companion;      /* owned; or NULL: `op` has the rule */
  bool walked;                  /* a backward is on its way through it */
  bool wanted;                  /* in that run: a wanted gradient lies behind it */
  bool spent;                   /* its saved values are gone */
  int input_count;
  size_t size;             /* of this allocation, where behind the inputs also lie */
  wk_node_output *outputs; /* as many as op has, */
  void *arguments;         /* and the op's arguments */
  wk_node_input inputs[];  /* input_count of them */
} wk_node;

/* Drops what the node kept for its gradient rule. */
void wk_node_spend(wk_node *node);

/* Makes call->outputs, which have no history, the results of a node, with what its rule needs kept:
 * as the record says, or, where `companion` has the rule, the inputs and results so marked. On
 * failure the outputs are released, and the companion is still the caller's. */
wk_status wk_tape_record(wk_call *call);
wk_status wk_tape_record_companion(wk_call *call, wk_companion *companion, const bool *keep_inputs,
                                   const bool *keep_outputs);

/* Every node that this thread makes from now on is later than those before `node`; returns the
 * number of the first. */
uint64_t wk_tape_begin_after(const wk_node *node);

/* Keeps a value as nodes do, and gives it back: NULL with an error pending if it was overwritten.
 * `what` was to be kept for the gradient of `op`. */
wk_saved wk_saved_take(const wk_tensor *tensor);
void wk_saved_drop(wk_saved *saved);
wk_tensor *wk_saved_unpack(const wk_saved *saved, const wk_layout *layout, const char *what,
                           const char *op);

/* The value of a node's input, unpacked, tied to what it came from, so that it is recorded again.
 */
wk_tensor *wk_node_tie_input(const wk_node *node, int input, wk_tensor *unpacked);

/* Gradients of `output`, given its own, with respect to the inputs of `node` that are needed,
 * through the nodes from number `since` on: what is older is somebody else's. Results belong to the
 * innermost scope; NULL: zero. */
wk_status wk_walk_within(const wk_node *node, const bool *needed, uint64_t since, wk_tensor *output,
                         wk_tensor *given, wk_tensor **gradients);

/* The same from any tensor, given a one, to any tensors: what is older than `since` is not walked
 * through. `create`: the gradients are recorded. */
wk_status wk_walk_to(uint64_t since, wk_tensor *output, bool create, wk_tensors targets,
                     wk_tensor **gradients);

/* Every node that this thread makes from now on is later than those of these tensors; returns the
 * number of the first. */
uint64_t wk_tape_begin_at(wk_tensors some, wk_tensors others);

/* How many functions this thread is calling again (wk_is_recomputing). */
extern _Thread_local int wk_recomputing;

/* How often the thread has asked for gradients by wk_backward or wk_grad. */
extern _Thread_local uint64_t wk_gradients_asked;

/* While a thread runs something without recording that it will record later: the tensors from
 * outside that want gradients and are met on the way; owned references. */
typedef struct wk_capture {
  wk_tensor **tensors;
  size_t count, capacity;
} wk_capture;
#define wk_capturing (wk_thread_here()->capturing)

/* Adds what wants a gradient among the inputs of something that is run, if that is noted. */
wk_status wk_capture_inputs(wk_tensor *const *inputs, int count);

/* Adds to a leaf's gradient in memory, or begins it: a tensor like the leaf, or values of some
 * rows, ascending and each once, which it keeps as such while nothing else is added. */
wk_status wk_leaf_add(wk_tensor *leaf, wk_tensor *g);
/* The same with a `g` that nobody looks at any more, whose memory may become the gradient's. */
wk_status wk_leaf_take(wk_tensor *leaf, wk_tensor *g);
wk_status wk_leaf_add_rows(wk_tensor *leaf, wk_tensor *rows, wk_tensor *values);

/* The op whose gradient rule this thread runs, or NULL. */
extern _Thread_local const wk_op *wk_gradient_of;

/* The layer of dispatch that records. */
extern const wk_dispatch_layer wk_autograd_layer;

#endif
