/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as text: what is taken is written as it reads back, and, where it is small, it runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/tensor.h>

#include "base/error.h"
#include "base/memory.h"
#include "fuzz/support.h"
#include "graph/plan_text.h"

enum { MOST_BYTES = 1 << 16, MOST_INPUTS = 16, MOST_RESULTS = 16, MOST_OPERATIONS = 1 << 22 };

static void check_text(const wk_plan *plan, size_t count, const wk_layout *inputs) {
  wk_plan again;
  wk_text first = {0}, second = {0};
  size_t read = 0;
  wk_layout *layouts = NULL;
  if (wk_plan_to_text(plan, count, inputs, &first) == WK_OK &&
      wk_plan_from_text(&again, first.data, &read, &layouts) == WK_OK) {
    wk_plan_to_text(&again, read, layouts, &second);
    wk_plan_free(&again);
    wk_deallocate(layouts);
  }
  if (wk_failed() || strcmp(first.data, second.data) != 0) {
    wk_error_report(stderr);
    fprintf(stderr, "broken promise: a text reads back\n%s", first.data ? first.data : "");
    abort();
  }
  wk_text_free(&first);
  wk_text_free(&second);
}

static bool is_small(const wk_plan *plan, size_t count) {
  const wk_graph *g = &plan->graph;
  double work = 0;
  for (size_t b = 0; b < g->buffer_count; b++)
    if (g->buffers[b].size > MOST_BYTES) return false;
  for (size_t n = 0; n < g->node_count; n++) {
    double operands = 1;
    if (g->nodes[n].op->id >= wk_op_table_count) return false;
    for (int i = 0; i < g->nodes[n].input_count; i++)
      operands *= (double)(1 + wk_layout_count(&g->nodes[n].inputs[i].layout));
    work += operands;
  }
  return plan->arena_size <= MOST_BYTES && count <= MOST_INPUTS && g->node_count < 64 &&
         g->result_count <= MOST_RESULTS && work < MOST_OPERATIONS;
}

static void run(wk_plan *plan, size_t count, const wk_layout *layouts) {
  wk_graph *g = &plan->graph;
  wk_tensor *inputs[MOST_INPUTS] = {NULL}, *results[MOST_RESULTS];
  wk_plan_context context = {0};
  for (size_t b = 0; b < g->buffer_count && !wk_failed(); b++)
    if (g->buffers[b].kind == WK_BUFFER_CELL) {
      g->buffers[b].storage = wk_storage_create(plan->device, g->buffers[b].size);
      if (!wk_failed()) memset(g->buffers[b].storage->data, 1, g->buffers[b].size);
    }
  for (size_t i = 0; i < count && !wk_failed(); i++) {
    inputs[i] = wk_tensor_create(&layouts[i], plan->device);
    if (inputs[i]) memset(wk_tensor_data(inputs[i]), 1, inputs[i]->root->storage->size);
  }
  if (!wk_failed() && wk_plan_run(plan, &context, (wk_tensors){count, inputs}, results) == WK_OK)
    for (size_t i = 0; i < g->result_count; i++) wk_tensor_release(results[i]);
  for (size_t i = 0; i < count; i++) wk_tensor_release(inputs[i]);
  wk_plan_context_free(&context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = wk_allocate(size + 1);
  size_t count;
  wk_layout *inputs;
  wk_plan plan;
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = '\0';
  if (wk_plan_from_text(&plan, text, &count, &inputs) == WK_OK) {
    check_text(&plan, count, inputs);
    if (is_small(&plan, count)) run(&plan, count, inputs);
    wk_plan_free(&plan);
    wk_deallocate(inputs);
  }
  wk_deallocate(text);
  wk_error_clear();
  return 0;
}
