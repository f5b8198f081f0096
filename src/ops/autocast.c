/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/autocast.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

/* ---- which inputs are cast ---- */

static bool is_castable(const wk_op *op, const wk_tensor *input, int index) {
  const wk_op_input *record = wk_op_input_at(op, index);
  return input && !input->weak && record->same_dtype && !record->written &&
         wk_dtype_is_float(input->layout.dtype);
}

/* The widest float among them; two halves of different kinds need f32. */
static wk_dtype widest(const wk_op *op, wk_tensor *const *inputs, int count) {
  wk_dtype dtype = WK_DTYPE_DEFAULT;
  for (int i = 0; i < count; i++)
    if (is_castable(op, inputs[i], i)) dtype = wk_promote_dtypes(dtype, inputs[i]->layout.dtype);
  return dtype;
}

/* What the call's floats are to be: what is computed in f64 stays so. */
static wk_dtype target(const wk_op *op, wk_tensor *const *inputs, int count) {
  const wk_dtype dtype = widest(op, inputs, count);
  if (dtype == WK_F64 || op->autocast == WK_AUTOCAST_JOIN) return dtype;
  return op->autocast == WK_AUTOCAST_LOW ? wk_autocasting : WK_F32;
}

bool wk_autocast_applies(const wk_op *op, wk_tensor *const *inputs, int count) {
  if (op->autocast != WK_AUTOCAST_JOIN) return true;
  if (op->promotes || op->class == WK_CLASS_UPDATE) return false;
  const wk_dtype dtype = widest(op, inputs, count);
  for (int i = 0; i < count; i++)
    if (is_castable(op, inputs[i], i) && inputs[i]->layout.dtype != dtype) return true;
  return false;
}

/* Weights, and other leaves that collect gradients: the same in every call until they are written.
 */
static bool is_weight(const wk_tensor *tensor) {
  return tensor->requires_gradient && !tensor->link && wk_layout_is_contiguous(&tensor->layout);
}

wk_status wk_autocast_inputs(const wk_op *op, wk_tensor **inputs, int count) {
  const wk_dtype dtype = target(op, inputs, count);
  for (int i = 0; i < count && !wk_failed(); i++) {
    if (!is_castable(op, inputs[i], i) || inputs[i]->layout.dtype == dtype) continue;
    const wk_dispatch_layer *const *const before = wk_layers;
    if (is_weight(inputs[i])) wk_layers = wk_autocast_layers;
    inputs[i] = wk_cast(inputs[i], dtype);
    wk_layers = before;
  }
  return wk_error_status();
}

/* ---- casts that are kept ---- */

enum { PLACES = 512 };

/* Where a weight's cast stands; `to` NULL: free. Both roots are retained. */
typedef struct kept {
  wk_root *from, *to;
  unsigned version; /* of `from`, when it was cast */
  int64_t offset, count;
  wk_dtype dtype;
} kept;

static _Thread_local kept *cache; /* PLACES of them, or NULL; two weights of one place take turns */

static void clear(kept *k) {
  wk_root_release(k->from);
  wk_root_release(k->to);
  *k = (kept){0};
}

void wk_autocast_forget(void) {
  for (int i = 0; cache && i < PLACES; i++) clear(&cache[i]);
  wk_deallocate(cache);
  cache = NULL;
}

static kept *place_of(const wk_tensor *x) {
  if (!cache) cache = wk_allocate_zeroed(PLACES, sizeof *cache);
  const uint64_t bits = (uint64_t)(uintptr_t)x->root;
  return cache ? &cache[(bits >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (PLACES - 1)] : NULL;
}

static bool is_kept(const kept *k, const wk_tensor *x, wk_dtype dtype) {
  return k->to && k->from == x->root && k->version == atomic_load(&x->root->version) &&
         k->dtype == dtype && k->offset == x->offset && k->count == wk_layout_count(&x->layout);
}

static wk_status cast_weight(const wk_dispatch_layer *const *layer, wk_call *call) {
  const wk_tensor *x = call->inputs[0];
  const wk_dtype dtype = ((const wk_cast_arguments *)call->arguments)->dtype;
  kept *k = call->op->id == WK_OP_CAST ? place_of(x) : NULL;
  if (!k) return wk_failed() ? wk_error_status() : wk_dispatch_next(layer, call);
  if (is_kept(k, x, dtype)) {
    wk_layout layout = x->layout;
    layout.dtype = dtype;
    call->outputs[0] = wk_tensor_on_root(k->to, &layout, 0);
    return wk_error_status();
  }
  clear(k);
  const unsigned version = atomic_load(&x->root->version);
  const wk_status status = wk_dispatch_next(layer, call);
  if (status != WK_OK) return status;
  *k = (kept){wk_root_retain(x->root),
              wk_root_retain(call->outputs[0]->root),
              version,
              x->offset,
              wk_layout_count(&x->layout),
              dtype};
  return WK_OK;
}

const wk_dispatch_layer wk_autocast_layer = {"autocast", cast_weight};

/* ---- the switch ---- */

wk_dtype wk_set_autocast_at(wk_place here, wk_dtype dtype) {
  const wk_dtype before = wk_autocasting;
  if (dtype != WK_DTYPE_DEFAULT && dtype != WK_BF16 && dtype != WK_F16) {
    wk_fail(WK_ERROR_DTYPE, "autocast is to bf16 or f16, not to %s", wk_dtype_name(dtype));
    wk_error_add_hint("WK_AUTOCAST(WK_BF16) needs no loss scaler, WK_AUTOCAST(WK_F16) does");
    wk_error_add_call("set_autocast", here);
    return before;
  }
  wk_autocasting = dtype;
  if (dtype == WK_DTYPE_DEFAULT) wk_autocast_forget();
  return before;
}

wk_dtype wk_autocast_dtype(void) { return wk_autocasting; }

void wk_autocast_end(const wk_dtype *before) {
  wk_autocasting = *before;
  if (*before == WK_DTYPE_DEFAULT) wk_autocast_forget();
}
