/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves, their gradients, and the switch for recording. */
#include <wick/autograd.h>
#include <wick/ops.h>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/rows.h"
#include "ops/trace.h"
#include "tensor/fields.h"
#include "tensor/parameters.h"

bool wk_set_gradients_recorded(bool recorded) {
  const bool before = wk_gradients_recorded;
  wk_gradients_recorded = recorded;
  return before;
}

bool wk_gradients_are_recorded(void) { return wk_gradients_recorded; }

void wk_no_gradient_end(const bool *before) { wk_gradients_recorded = *before; }

static wk_status set_requires_gradient(wk_tensor *tensor, bool required) {
  if (!tensor) return wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (tensor->link) {
    wk_fail(WK_ERROR_STATE, "the tensor is the result of a recorded %s, not a leaf",
            tensor->producer ? tensor->producer : "op");
    wk_error_add_hint("wk_detach gives the same values without their history");
    return WK_ERROR_STATE;
  }
  if (!(WK_DTYPES_FLOAT >> tensor->layout.dtype & 1)) {
    return wk_fail(WK_ERROR_DTYPE, "only floats have gradients, not %s",
                   wk_dtype_name(tensor->layout.dtype));
  }
  if (!tensor->root->storage->traced) WK_NOTE_FIELD(tensor, tensor->requires_gradient);
  tensor->requires_gradient = required;
  return WK_OK;
}

wk_status wk_tensor_set_requires_gradient_at(wk_place here, wk_tensor *tensor, bool required) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = set_requires_gradient(tensor, required);
  wk_error_add_call("tensor_set_requires_gradient", here);
  return status;
}

bool wk_tensor_requires_gradient(const wk_tensor *tensor) {
  return tensor && tensor->requires_gradient;
}

/* ---- gradients ---- */

/* A leaf that a traced function makes has its gradient as a value, as it has its own. */
static wk_status add_traced(wk_tensor *tensor, wk_tensor *g) {
  wk_leaf *leaf = wk_leaf_ensure(tensor);
  if (leaf && g && leaf->valid) g = wk_add(leaf->gradient, g);
  if (!leaf || !g) return wk_error_status();
  wk_tensor_retain(g);
  wk_tensor_release(leaf->gradient);
  leaf->gradient = g;
  leaf->valid = true;
  return WK_OK;
}

/* A leaf keeps its gradient in memory of its own, which the first one overwrites. */
static wk_status add_dense(wk_tensor *leaf, wk_tensor *g) {
  if (leaf->root->storage->traced) return add_traced(leaf, g);
  wk_tensor *gradient = wk_leaf_gradient(leaf);
  if (!gradient || !g) return wk_error_status();
  if (!wk_layout_is_contiguous(&g->layout)) g = wk_contiguous(g);
  WK_NOTE_FIELD(leaf, leaf->leaf->valid);
  const wk_op *op = &wk_op_table[leaf->leaf->valid ? WK_OP_ADD_UPDATE : WK_OP_COPY_UPDATE];
  const wk_add_update_arguments arguments = {sizeof arguments, gradient, g};
  const wk_status status = wk_op_run(op, WK_HERE, &arguments, NULL);
  if (status == WK_OK) leaf->leaf->valid = true;
  return status;
}

/* The rows become a gradient like the leaf. */
static wk_status make_dense(wk_tensor *leaf) {
  wk_tensor *rows = leaf->leaf->rows, *values = leaf->leaf->row_values;
  if (!rows) return wk_error_status();
  wk_scope scope = wk_scope_open();
  const bool recorded = wk_set_gradients_recorded(false), valid = leaf->leaf->valid;
  wk_status status = WK_OK;
  if (valid) {
    leaf->leaf->valid = false;
    status = add_dense(leaf, wk_rows_spread(&leaf->layout, rows, values));
    leaf->leaf->valid = true;
  }
  if (status == WK_OK) wk_leaf_forget_rows(leaf->leaf);
  wk_set_gradients_recorded(recorded);
  wk_scope_close(&scope);
  return status;
}

wk_status wk_leaf_add(wk_tensor *leaf, wk_tensor *g) {
  if (leaf->leaf && leaf->leaf->rows && make_dense(leaf) != WK_OK) return wk_error_status();
  return add_dense(leaf, g);
}

/* Whether all of a storage is the tensor's alone, values in order. */
static bool is_alone(const wk_tensor *tensor) {
  const wk_root *root = tensor->root;
  const wk_storage *storage = root->storage;
  return atomic_load(&root->references) == 1 && atomic_load(&storage->references) == 1 &&
         !storage->destroy && !storage->read_only && !root->offset && !tensor->offset &&
         !storage->traced && wk_layout_is_contiguous(&tensor->layout);
}

/* The gradient, whose memory is like that of `g`, gets that instead of a copy of it. */
static bool exchange_memory(wk_tensor *gradient, wk_tensor *g) {
  wk_storage *to = gradient->root->storage, *from = g->root->storage;
  if (atomic_load(&g->references) != 1 || !is_alone(g) || !is_alone(gradient)) return false;
  if (to->size != from->size || to->device != from->device) return false;
  char *const data = to->data;
  to->data = from->data, from->data = data;
  wk_tensor_mark_written(gradient);
  return true;
}

wk_status wk_leaf_take(wk_tensor *tensor, wk_tensor *g) {
  wk_leaf *leaf = tensor->leaf;
  if (!leaf || !g || leaf->set || leaf->rows || leaf->valid || !leaf->gradient || wk_tracing ||
      !exchange_memory(leaf->gradient, g))
    return wk_leaf_add(tensor, g);
  WK_NOTE_FIELD(tensor, leaf->valid);
  leaf->valid = true;
  return WK_OK;
}

/* Both sets of rows in one: those in both are added. */
static wk_status join_rows(const wk_leaf *leaf, int64_t table, wk_tensor **rows,
                           wk_tensor **values) {
  wk_row_numbers all;
  wk_tensor *both = wk_concatenate(WK_TENSORS(leaf->rows, *rows), 0);
  if (wk_rows_number(both, table, -1, &all) != WK_OK) return wk_error_status();
  wk_layout layout = (*values)->layout;
  layout.dims[0] = all.count;
  *values = wk_rows_spread(&layout, all.numbers,
                           wk_concatenate(WK_TENSORS(leaf->row_values, *values), 0));
  *rows = all.rows;
  return wk_error_status();
}

wk_status wk_leaf_add_rows(wk_tensor *tensor, wk_tensor *rows, wk_tensor *values) {
  wk_leaf *leaf = wk_leaf_ensure(tensor);
  if (!leaf || !rows || !values) return wk_error_status();
  if (leaf->valid && !leaf->rows)
    return add_dense(tensor, wk_rows_spread(&tensor->layout, rows, values));
  if (leaf->valid && join_rows(leaf, tensor->layout.dims[0], &rows, &values) != WK_OK)
    return wk_error_status();
  values = wk_contiguous(values);
  if (!values) return wk_error_status();
  wk_leaf_forget_rows(leaf);
  leaf->rows = wk_tensor_retain(rows);
  leaf->row_values = wk_tensor_retain(values);
  leaf->valid = true;
  return WK_OK;
}

/* A getter changes nothing that can be seen: the gradient is the same, in another form. */
wk_tensor *wk_tensor_gradient(const wk_tensor *tensor) {
  if (!tensor || !tensor->leaf || !tensor->leaf->valid) return NULL;
  if (tensor->leaf->rows && make_dense((wk_tensor *)(uintptr_t)tensor) != WK_OK) return NULL;
  return tensor->leaf->gradient;
}

wk_row_gradient wk_tensor_row_gradient(const wk_tensor *tensor) {
  const wk_leaf *leaf = tensor ? tensor->leaf : NULL;
  if (!leaf || !leaf->valid || !leaf->rows) return (wk_row_gradient){NULL, NULL};
  return (wk_row_gradient){leaf->rows, leaf->row_values};
}

void wk_tensor_clear_gradient(wk_tensor *tensor) {
  if (!tensor || !tensor->leaf) return;
  if (!tensor->root->storage->traced) WK_NOTE_FIELD(tensor, tensor->leaf->valid);
  tensor->leaf->valid = false;
  wk_leaf_forget_rows(tensor->leaf);
}

wk_tensor *wk_detach_at(wk_place here, wk_tensor *tensor) {
  if (wk_failed()) return NULL;
  wk_tensor *detached = NULL;
  if (tensor)
    detached = wk_tensor_on_root(tensor->root, &tensor->layout, tensor->offset);
  else
    wk_fail(WK_ERROR_ARGUMENT, "the tensor is NULL");
  if (detached) detached->producer = "detach";
  detached = wk_scope_add(detached);
  wk_error_add_call("detach", here);
  return detached;
}
