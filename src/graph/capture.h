/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_GRAPH_CAPTURE_H
#define WICK_GRAPH_CAPTURE_H

/* Calling a function to see what it does. */

#include <wick/graph.h>

#include "graph/graph.h"
#include "tensor/fields.h"

/* What of a thread decides which ops a function calls, and which kernels run them. */
typedef struct wk_modes {
  bool gradients_recorded;
  wk_dtype autocast;
  wk_determinism determinism;
  int threads;
  wk_device *device; /* where tensors are made */
} wk_modes;

wk_modes wk_modes_now(void);
bool wk_modes_equal(const wk_modes *a, const wk_modes *b);

/* What one tracing found: the graph, and what must hold for it to be the function's again. */
typedef struct wk_trace {
  wk_graph graph;
  wk_field_journal fields;
  wk_modes modes;
} wk_trace;

/* Calls body(context, inputs) with tensors like `inputs` but without values. Nothing that it does
 * lasts, also when it fails; then an error is pending and the trace is empty. */
wk_status wk_trace_function(wk_trace *trace, wk_function_body body, void *context,
                            wk_tensors inputs);

/* The same for a function of any number of results. */
typedef struct wk_body {
  wk_function_body_all run;
  void *context;
  size_t result_count;
} wk_body;

/* A part of a function that is traced on its own, and what it reaches of the function around it. */
typedef struct wk_region {
  wk_graph graph;      /* its inputs: those given, then those reached */
  wk_tensor **reached; /* owned: memory of the function around it, whole, as bytes */
  size_t reached_count, reached_capacity;
} wk_region;

/* While a function is traced: traces a body over tensors like `inputs`. Each result is a buffer of
 * its own. Its changes of fields are the function's. The region is empty after a failure. */
wk_status wk_trace_region(wk_region *region, const wk_body *body, wk_tensors inputs);
void wk_region_free(wk_region *region);

wk_status wk_trace_body(wk_trace *trace, const wk_body *body, wk_tensors inputs);

/* A function of one result as one of several: the context of wk_body_of_one. */
typedef struct wk_one_body {
  wk_function_body body;
  void *context;
} wk_one_body;
wk_status wk_body_of_one(void *one, wk_tensors inputs, wk_tensor **results);
void wk_trace_free(wk_trace *trace);

#endif
