/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/graph.h"

#include "base/memory.h"
#include "graph/control_node.h"

void wk_graph_node_free(wk_graph_node *node) {
  wk_deallocate(node->arguments);
  wk_deallocate(node->inputs);
  wk_control_release(node->control);
}

void wk_graph_free(wk_graph *graph) {
  for (size_t i = 0; i < graph->node_count; i++) {
    wk_graph_node_free(&graph->nodes[i]);
  }
  for (size_t i = 0; i < graph->buffer_count; i++) wk_storage_release(graph->buffers[i].storage);
  wk_deallocate(graph->nodes);
  wk_deallocate(graph->buffers);
  wk_deallocate(graph->draws);
  wk_deallocate(graph->results);
  *graph = (wk_graph){0};
}

/* Adds the product to *sum; false where there is no such number. */
static bool add_product(int64_t *sum, int64_t a, int64_t b) {
  int64_t product;
  return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(*sum, product, sum);
}

bool wk_reference_fits(const wk_reference *r, size_t size) {
  const wk_layout *layout = &r->layout;
  const int64_t bytes = (int64_t)wk_dtype_size(layout->dtype);
  if (!bytes || layout->rank < 0 || layout->rank > WK_MAX_RANK || r->start > INT64_MAX)
    return false;
  int64_t count = 1, first = 0, last = 0;
  for (int i = 0; i < layout->rank; i++) {
    if (layout->dims[i] < 0 || __builtin_mul_overflow(count, layout->dims[i], &count)) return false;
    int64_t *end = layout->strides[i] < 0 ? &first : &last;
    if (layout->dims[i] > 0 && !add_product(end, layout->dims[i] - 1, layout->strides[i]))
      return false;
  }
  if (count == 0) return true;
  int64_t begin = (int64_t)r->start, end = begin;
  return add_product(&begin, first, bytes) && add_product(&end, last, bytes) && begin >= 0 &&
         !__builtin_add_overflow(end, bytes, &end) && (uint64_t)end <= size;
}

bool wk_reference_overlaps(const wk_reference *a, const wk_reference *b) {
  if (a->buffer != b->buffer) return false;
  int64_t first, end, other_first, other_end;
  wk_layout_reach(&a->layout, &first, &end);
  wk_layout_reach(&b->layout, &other_first, &other_end);
  first += (int64_t)a->start, end += (int64_t)a->start;
  other_first += (int64_t)b->start, other_end += (int64_t)b->start;
  return first < other_end && other_first < end;
}
