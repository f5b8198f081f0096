/* SPDX-License-Identifier: Apache-2.0 */
/* A row-major copy that one node reads, and that node could read the original as it lies: the copy
 * goes. Pointwise nodes compute each element alone, and products pack their operands in one order,
 * so that strides change no bit. Views that follow one another are one look at a buffer to begin
 * with. */
#include "base/error.h"
#include "base/memory.h"
#include "graph/lives.h"
#include "graph/pass.h"
#include "graph/plan.h"
#include "ops/records.gen.h"

/* Whether a product packs the operand as fast as its copy: one of the last two axes lies side by
 * side, and the matrices of a batch would not be one product. */
static bool suits_product(const wk_graph_node *reader, int operand, const wk_layout *original) {
  const int64_t *strides = original->strides;
  const int rank = original->rank;
  return reader->op->id == WK_OP_MATMUL && rank > 1 &&
         (strides[rank - 1] == 1 || strides[rank - 2] == 1) &&
         (rank == 2 || reader->inputs[!operand].layout.rank > 2);
}

/* Whether the reader takes the original as well as its copy, by the same kernel. */
static bool takes_strides(const wk_graph *g, const wk_graph_node *reader, int operand,
                          const wk_reference *original) {
  if (!reader->op || (reader->op->class != WK_CLASS_POINTWISE &&
                      !suits_product(reader, operand, &original->layout)))
    return false;
  const wk_reference copy = reader->inputs[operand];
  const wk_kernel *before = wk_plan_choose_kernel(g, reader);
  reader->inputs[operand] = *original;
  const wk_kernel *kernel = wk_plan_choose_kernel(g, reader);
  reader->inputs[operand] = copy;
  if (!kernel || !before) wk_error_forgive();
  return kernel && kernel == before && kernel->habits & WK_TAKES_STRIDES;
}

static bool remove_copy(wk_graph *g, const wk_graph_node *node, const wk_life *lives) {
  if (!node->op || node->op->id != WK_OP_CONTIGUOUS || !wk_node_is_pure(g, node)) return false;
  const wk_reference *from = &node->inputs[0], *to = &node->outputs[0];
  const wk_life *read = &lives[to->buffer];
  if (read->count != 1 || read->result || g->buffers[from->buffer].version != from->version)
    return false;
  const wk_graph_node *reader = &g->nodes[read->reader];
  wk_reference *operand = &reader->inputs[read->operand];
  if (!wk_reference_is_whole(g, operand) || !wk_layout_same_dims(&operand->layout, &to->layout) ||
      operand->layout.dtype != from->layout.dtype || !takes_strides(g, reader, read->operand, from))
    return false;
  *operand = *from;
  return true;
}

wk_status wk_pass_copies(wk_graph *g, int64_t *changes) {
  wk_life *lives = wk_lives_create(g);
  bool *gone = wk_allocate_zeroed(g->node_count + 1, sizeof *gone);
  for (size_t n = 0; lives && gone && n < g->node_count; n++) {
    gone[n] = remove_copy(g, &g->nodes[n], lives);
    *changes += gone[n];
  }
  if (lives && gone) wk_graph_remove(g, gone);
  wk_deallocate(lives);
  wk_deallocate(gone);
  return wk_error_status();
}
