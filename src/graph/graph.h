/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_GRAPH_H
#define WICK_GRAPH_GRAPH_H

/* What a function does, as data: buffers, and nodes that read and write them, in an order that may
 * run. It is the eager model written down: a buffer is an alias root, a node is one call of a
 * kernel, and what a view is in eager mode is here how a node looks at a buffer (element offset,
 * sizes, strides). A write makes a new version of its buffer, and each reading names the version
 * that it wants, so what depends on what can be seen without the order. */

#include "ops/trace.h"

typedef enum wk_buffer_kind {
  WK_BUFFER_INPUT, /* an argument of the function */
  WK_BUFFER_CELL,  /* memory older than the function: read and written where it is */
  WK_BUFFER_LOCAL  /* made by a node; those that are results outlive the call */
} wk_buffer_kind;

typedef struct wk_buffer {
  wk_buffer_kind kind;
  wk_device *device;
  size_t size;         /* bytes */
  wk_storage *storage; /* of a cell: its memory, retained */
  int input;           /* of an input: which one */
  unsigned version;    /* writes so far, while the graph is made: at the end, all of them */
} wk_buffer;

/* Some of a buffer's elements, as they are after `version` writes. */
typedef struct wk_reference {
  int buffer; /* -1: an optional input that is absent */
  unsigned version;
  size_t start; /* bytes from the buffer's start */
  wk_layout layout;
} wk_reference;

/* Which numbers a node draws, or which earlier node's it uses again. */
#define WK_NO_DRAW (-1)

typedef struct wk_graph_node {
  const wk_op *op; /* NULL: a step on the host, `late`, of the value of an input, if it has one */
  void *arguments; /* resolved; owned */
  int input_count;
  wk_reference *inputs; /* owned; written ones name the version before */
  wk_reference outputs[WK_MAX_OUTPUTS];
  int draw;       /* index into the graph's draws, or WK_NO_DRAW */
  wk_late late;   /* fills in the arguments before each run, or says that there is none to be; run
                   * NULL: they are as they are. Such nodes and host steps keep their order */
  unsigned order; /* 1, 2, ...: nodes with one run in this order: host steps, late ops and users'
                   * ops, which may do anything; 0: when their operands are there */
  struct wk_control *control; /* retained: `op` is a loop (control_node.h); or NULL */
  bool again;                 /* computes anew what was let go: wk_checkpoint's second run */
  bool joined;                /* runs with the node before it, row by row: joined.h */
  const char *apart;          /* why it does not; static, or NULL: nobody asked */
  wk_place here;              /* where it was called, */
  const char *module_path;    /* and in which module */
} wk_graph_node;

/* Random numbers that a random op takes from a generator when the function is called, in the order
 * of the trace. A loop that draws has one of no numbers for each generator, which says where that
 * stands as it begins; its regions have draws of their own. */
typedef struct wk_draw {
  wk_generator *generator;
  int64_t count;
} wk_draw;

typedef struct wk_graph {
  wk_buffer *buffers;
  size_t buffer_count, buffer_capacity;
  wk_graph_node *nodes;
  size_t node_count, node_capacity;
  wk_draw *draws;
  size_t draw_count, draw_capacity;
  wk_reference *results;
  size_t result_count, result_capacity;
} wk_graph;

void wk_graph_free(wk_graph *graph); /* what it holds; not `graph` itself */

/* What one node holds. */
void wk_graph_node_free(wk_graph_node *node);

/* Whether the reference's elements all lie in a buffer of `size` bytes, and none of its numbers is
 * past all bounds. */
bool wk_reference_fits(const wk_reference *reference, size_t size);

/* Whether both reach into the same bytes of one buffer. */
bool wk_reference_overlaps(const wk_reference *a, const wk_reference *b);

/* The whole graph, a line each for buffers, draws, nodes and results; '#' begins a comment:
 *   @0: input 0, 32768 bytes on cpu
 *   $1: cell 0, 5120 bytes on cpu
 *   %2: local, 2560 bytes on cpu
 *   draw 0: 640 numbers
 *   %2 f32 [64, 10] = matmul(@0 f32 [64, 128], $1.1+16 f32 [128, 10] by [1, 128]) {transpose_b:
 *       false, ...} at "network.7 (linear)" from "main.c":12
 *   return %2 f32 [64, 10]
 * where $1.1+16 is buffer 1 after one write, from byte 16 on, and `by` gives strides that are not
 * row-major. Appended to `text`. */
wk_status wk_graph_to_text(const wk_graph *graph, wk_text *text);

/* Lines of nodes [first, end) alone, also of a graph that is broken. */
wk_status wk_graph_nodes_to_text(const wk_graph *graph, size_t first, size_t end, wk_text *text);

/* The graph of such a text, not verified. What a text cannot say comes from the graph `with`, or is
 * absent where that is NULL: the memory of its cell of the same number, generators of draws, what
 * the host step or late op of the same order runs. Raises WK_ERROR_FORMAT, naming line and column;
 * then the graph is empty. */
wk_status wk_graph_from_text(wk_graph *graph, const char *text, const wk_graph *with);

/* Raises WK_ERROR_STATE, naming the node, unless every reading lies within its buffer, names a
 * version that is there when the node runs, every setting is in its range, every input and output
 * is what its op's record and shape rule say, and what keeps its order has it. */
wk_status wk_graph_verify(const wk_graph *graph);

/* The same for the graph of a plan, where results may be made in cells: in what order those are
 * read is not looked at then. */
wk_status wk_graph_verify_planned(const wk_graph *graph);

/* Writes what differs first between the two, or "", to `difference`. */
wk_status wk_graph_compare(const wk_graph *a, const wk_graph *b, char *difference, size_t size);

#endif
