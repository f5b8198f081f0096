/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/undo.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

struct wk_undo_part {
  wk_device *device;
  char *to, *bytes;
  size_t size;
};

/* ---- which steps may fail ---- */

static bool is_index(wk_dtype dtype) { return dtype == WK_I64 || dtype == WK_I32; }

/* Ops look integers up as places, each of which may not be there; but not a second time the ones
 * that were found good. `good` says so of each buffer. */
static bool may_fail(const wk_graph_node *node, bool *good) {
  if (!node->op) return false;
  if (node->op->id >= wk_op_table_count) return true; /* a user's own */
  if (node->op->class == WK_CLASS_POINTWISE || node->op->class == WK_CLASS_REDUCTION) return false;
  bool may = false;
  for (int i = 0; i < node->input_count; i++) {
    const wk_reference *r = &node->inputs[i];
    if (r->buffer < 0 || !is_index(r->layout.dtype) || good[r->buffer]) continue;
    good[r->buffer] = may = true;
  }
  return may;
}

size_t wk_plan_count_fallible(const wk_plan *plan) {
  bool *good = wk_allocate_zeroed(plan->graph.buffer_count + 1, sizeof *good);
  size_t count = 0;
  for (size_t i = 0; good && i < plan->step_count; i++)
    if (may_fail(plan->steps[i].node, good)) count = i + 1;
  wk_deallocate(good);
  return count;
}

/* ---- keeping and putting back ---- */

static wk_status keep(wk_undo *undo, wk_device *device, const wk_operand *operand) {
  int64_t first, end;
  wk_layout_reach(&operand->layout, &first, &end);
  if (end <= first) return WK_OK;
  if (!wk_grow(&undo->parts, &undo->capacity, undo->count, sizeof *undo->parts))
    return wk_error_status();
  struct wk_undo_part part = {device, (char *)operand->data + first, NULL, (size_t)(end - first)};
  part.bytes = wk_allocate(part.size);
  if (!part.bytes) return wk_error_status();
  undo->parts[undo->count++] = part;
  const wk_status status = device->functions->synchronise(device, &device->stream);
  return status < 0
             ? status
             : device->functions->to_host(device, part.bytes, part.to, part.size, &device->stream);
}

wk_status wk_undo_keep(wk_undo *undo, const wk_graph *g, const wk_graph_node *node,
                       const wk_operand *operands) {
  wk_status status = WK_OK;
  for (int i = 0; i < node->input_count && status == WK_OK; i++) {
    const int b = node->inputs[i].buffer;
    if (b < 0 || g->buffers[b].kind == WK_BUFFER_LOCAL || !wk_op_input_at(node->op, i)->written)
      continue;
    status = keep(undo, g->buffers[b].device, &operands[i]);
  }
  const wk_operand *outputs = operands + node->input_count; /* some are made in older memory */
  for (int i = 0; i < node->op->output_count && status == WK_OK; i++) {
    const wk_buffer *buffer = &g->buffers[node->outputs[i].buffer];
    if (buffer->kind == WK_BUFFER_CELL) status = keep(undo, buffer->device, &outputs[i]);
  }
  return status;
}

/* The last ones first: what was kept earlier is older. */
void wk_undo_end(wk_undo *undo, bool failed) {
  while (undo->count > 0) {
    const struct wk_undo_part *part = &undo->parts[--undo->count];
    wk_device *device = part->device;
    if (failed)
      device->functions->from_host(device, part->to, part->bytes, part->size, &device->stream);
    wk_deallocate(part->bytes);
  }
  wk_deallocate(undo->parts);
  *undo = (wk_undo){0};
}
