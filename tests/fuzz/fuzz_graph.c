/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as text: what is read is written as it reads back, and the verifier bears all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fuzz/support.h"
#include "graph/graph.h"

static void check_text(const wk_graph *graph) {
  wk_graph again;
  wk_text first = {0}, second = {0};
  wk_graph_to_text(graph, &first);
  if (first.data) {
    wk_graph_from_text(&again, first.data, graph);
    wk_graph_to_text(&again, &second);
    if (wk_failed() || strcmp(first.data, second.data ? second.data : "") != 0) {
      wk_error_report(stderr);
      fprintf(stderr, "broken promise: a text reads back\n%s", first.data);
      abort();
    }
    wk_graph_free(&again);
  }
  wk_text_free(&first);
  wk_text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = wk_allocate(size + 1);
  wk_graph graph;
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = '\0';
  if (wk_graph_from_text(&graph, text, NULL) == WK_OK) {
    check_text(&graph);
    wk_graph_verify(&graph);
  }
  wk_graph_free(&graph);
  wk_deallocate(text);
  wk_error_clear();
  return 0;
}
