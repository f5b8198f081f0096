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
  int draw;      /* index into the graph's draws, or WK_NO_DRAW */
  wk_late late;  /* fills in the arguments before each run, or says that there is none to be; run
                  * NULL: they are as they are. Such nodes and host steps keep their order */
  wk_place here; /* where it was called, */
  const char *module_path; /* and in which module */
} wk_graph_node;

/* Random numbers that a random op takes from a generator when the function is called. */
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

/* The parts of the graph that a text shows, a line each:
 *   %4 f32 [64, 10] = matmul(%2 f32 [64, 128], %3 f32 [128, 10]) {transpose_b: true}
 * Appended to `text`. */
wk_status wk_graph_to_text(const wk_graph *graph, wk_text *text);

/* Raises WK_ERROR_STATE, naming the node, unless every reading lies within its buffer, names a
 * version that is there when the node runs, and every input and output is what its op's record and
 * shape rule say. */
wk_status wk_graph_verify(const wk_graph *graph);

/* Writes what differs first between the two, or "", to `difference`. */
wk_status wk_graph_compare(const wk_graph *a, const wk_graph *b, char *difference, size_t size);

#endif
