/* SPDX-License-Identifier: Apache-2.0 */
/* Products of vectors, matrices and tensors beside matmul, and distances: composites. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/build.h"
#include "ops/norm.h"

static wk_status check_vectors(const wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *y = &call->inputs[1]->layout;
  if (x->rank == 1 && y->rank == 1) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "both must be vectors, of one dimension");
  wk_error_add_hint("wk_matmul multiplies matrices, wk_vector_dot goes along an axis");
  return WK_ERROR_SHAPE;
}

wk_status wk_composite_dot(wk_call *call) {
  const wk_status status = check_vectors(call);
  if (status != WK_OK) return status;
  call->outputs[0] = wk_matmul(call->inputs[0], call->inputs[1]);
  return wk_error_status();
}

wk_status wk_composite_outer(wk_call *call) {
  const wk_status status = check_vectors(call);
  if (status != WK_OK) return status;
  call->outputs[0] = wk_multiply(wk_add_axis(call->inputs[0], 1), call->inputs[1]);
  return wk_error_status();
}

wk_status wk_composite_vector_dot(wk_call *call) {
  const wk_vector_dot_arguments *a = call->arguments;
  wk_tensor *product = wk_multiply(call->inputs[0], call->inputs[1]);
  call->outputs[0] = wk_cast_if_other(wk_sum(product, .axes = WK_AXES(a->axis)),
                                      product ? product->layout.dtype : WK_F32);
  return wk_error_status();
}

wk_status wk_composite_add_matmul(wk_call *call) {
  const wk_add_matmul_arguments *a = call->arguments;
  wk_tensor *y = wk_matmul(call->inputs[1], call->inputs[2]), *addend = call->inputs[0];
  if (a->alpha != 1) y = wk_multiply(y, wk_scalar(a->alpha));
  if (a->beta != 1 && a->beta != 0) addend = wk_multiply(addend, wk_scalar(a->beta));
  if (a->beta != 0) y = wk_add(y, addend);
  call->outputs[0] = y;
  return wk_error_status();
}

/* ---- tensordot ---- */

/* x's axes in an order with those of `axes` first or last, and as a matrix: [kept, summed], or
 * [summed, kept] if `summed_first`. The kept sizes are appended to `result`. */
static wk_tensor *as_matrix(wk_tensor *x, const wk_axes *axes, bool summed_first,
                            wk_shape *result) {
  const int rank = x->layout.rank;
  bool summed[WK_MAX_RANK] = {false};
  wk_axes order = {.count = rank};
  int64_t sizes[2] = {1, 1};
  for (int i = 0; i < axes->count; i++) {
    const int axis = wk_axis_resolve(axes->axis[i], rank);
    if (axis < 0) return NULL;
    if (summed[axis]) {
      wk_fail(WK_ERROR_ARGUMENT, "axis %d is given twice", axis);
      return NULL;
    }
    summed[axis] = true;
    order.axis[summed_first ? i : rank - axes->count + i] = axis;
    sizes[1] *= x->layout.dims[axis];
  }
  int place = summed_first ? axes->count : 0;
  for (int i = 0; i < rank; i++) {
    if (summed[i]) continue;
    order.axis[place++] = i;
    sizes[0] *= x->layout.dims[i];
    if (result->rank == WK_MAX_RANK) {
      wk_fail(WK_ERROR_SHAPE, "the result would have more than %d dimensions", WK_MAX_RANK);
      return NULL;
    }
    result->dims[result->rank++] = x->layout.dims[i];
  }
  return wk_reshape(wk_permute(x, order),
                    summed_first ? WK_SHAPE(sizes[1], sizes[0]) : WK_SHAPE(sizes[0], sizes[1]));
}

static wk_tensor *tensordot(wk_tensor *x, wk_tensor *y, const wk_axes *axes_x,
                            const wk_axes *axes_y) {
  wk_shape result = {.rank = 0};
  wk_tensor *left = as_matrix(x, axes_x, false, &result);
  wk_tensor *right = left ? as_matrix(y, axes_y, true, &result) : NULL;
  return right ? wk_reshape(wk_matmul(left, right), result) : NULL;
}

wk_status wk_composite_tensordot(wk_call *call) {
  const wk_tensordot_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  if (a->axes_x.count != a->axes_y.count)
    return wk_fail(WK_ERROR_ARGUMENT, "%d axes of x cannot be paired with %d of y", a->axes_x.count,
                   a->axes_y.count);
  for (int i = 0; i < a->axes_x.count; i++) {
    const int axis_x = wk_axis_resolve(a->axes_x.axis[i], x->layout.rank);
    const int axis_y = axis_x < 0 ? -1 : wk_axis_resolve(a->axes_y.axis[i], y->layout.rank);
    if (axis_y < 0) return wk_error_status();
    if (x->layout.dims[axis_x] != y->layout.dims[axis_y])
      return wk_fail(WK_ERROR_SHAPE, "x's dimension %d (%lld) must equal y's dimension %d (%lld)",
                     axis_x, (long long)x->layout.dims[axis_x], axis_y,
                     (long long)y->layout.dims[axis_y]);
  }
  call->outputs[0] = tensordot(x, y, &a->axes_x, &a->axes_y);
  return wk_error_status();
}

wk_status wk_composite_inner(wk_call *call) {
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  const int rank_x = x->layout.rank, rank_y = y->layout.rank;
  if (rank_x < 1 || rank_y < 1)
    return wk_fail(WK_ERROR_SHAPE, "there is no last axis in a single number");
  if (wk_tensor_dim(x, -1) != wk_tensor_dim(y, -1))
    return wk_fail(WK_ERROR_SHAPE, "the last sizes must be equal, but are %lld and %lld",
                   (long long)x->layout.dims[rank_x - 1], (long long)y->layout.dims[rank_y - 1]);
  call->outputs[0] = tensordot(x, y, &WK_AXES(rank_x - 1), &WK_AXES(rank_y - 1));
  return wk_error_status();
}

/* ---- chains ---- */

/* Most matrices in a chain: the table of best orders is small. */
#define CHAIN 64

typedef struct chain {
  wk_tensor **matrix;
  int count;
  double cost[CHAIN][CHAIN]; /* of the product of matrices i to j */
  int split[CHAIN][CHAIN];   /* the last of its left factor */
} chain;

static double cost_of_split(const chain *c, int i, int k, int j) {
  return c->cost[i][k] + c->cost[k + 1][j] +
         (double)c->matrix[i]->layout.dims[0] * (double)c->matrix[k]->layout.dims[1] *
             (double)c->matrix[j]->layout.dims[1];
}

/* Dynamic programming over ever longer parts of the chain. */
static void find_order(chain *c) {
  for (int length = 2; length <= c->count; length++) {
    for (int i = 0; i + length <= c->count; i++) {
      const int j = i + length - 1;
      c->cost[i][j] = INFINITY;
      for (int k = i; k < j; k++) {
        const double cost = cost_of_split(c, i, k, j);
        if (cost < c->cost[i][j]) c->cost[i][j] = cost, c->split[i][j] = k;
      }
    }
  }
}

static wk_tensor *multiply_chain(const chain *c, int i, int j) {
  if (i == j) return c->matrix[i];
  const int k = c->split[i][j];
  return wk_matmul(multiply_chain(c, i, k), multiply_chain(c, k + 1, j));
}

wk_status wk_composite_chain_matmul(wk_call *call) {
  if (call->input_count < 1 || call->input_count > CHAIN)
    return wk_fail(WK_ERROR_ARGUMENT, "there are %d matrices; 1 to %d are possible",
                   call->input_count, CHAIN);
  for (int i = 0; i < call->input_count; i++) {
    const wk_layout *x = &call->inputs[i]->layout;
    if (x->rank != 2)
      return wk_fail(WK_ERROR_SHAPE, "tensor %d has %d dimensions, not 2", i + 1, x->rank);
    if (i > 0 && x->dims[0] != call->inputs[i - 1]->layout.dims[1])
      return wk_fail(WK_ERROR_SHAPE, "matrix %d has %lld rows, but the one before it %lld columns",
                     i + 1, (long long)x->dims[0], (long long)call->inputs[i - 1]->layout.dims[1]);
  }
  chain *c = wk_allocate_zeroed(1, sizeof *c);
  if (!c) return wk_error_status();
  c->matrix = call->inputs, c->count = call->input_count;
  find_order(c);
  call->outputs[0] = multiply_chain(c, 0, c->count - 1);
  wk_deallocate(c);
  return wk_error_status();
}

/* ---- kronecker, cross ---- */

wk_status wk_composite_kronecker(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *y = &call->inputs[1]->layout;
  const int rank = x->rank > y->rank ? x->rank : y->rank;
  if (2 * rank > WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "only %d dimensions are possible", WK_MAX_RANK / 2);
  wk_shape left = {.rank = 2 * rank}, right = {.rank = 2 * rank}, result = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    const int own_x = i - (rank - x->rank), own_y = i - (rank - y->rank);
    left.dims[2 * i] = own_x < 0 ? 1 : x->dims[own_x], left.dims[2 * i + 1] = 1;
    right.dims[2 * i] = 1, right.dims[2 * i + 1] = own_y < 0 ? 1 : y->dims[own_y];
    if (!wk_multiply_count(left.dims[2 * i], right.dims[2 * i + 1], &result.dims[i]))
      return wk_fail(WK_ERROR_SHAPE, "the result is too large");
  }
  wk_tensor *product =
      wk_multiply(wk_reshape(call->inputs[0], left), wk_reshape(call->inputs[1], right));
  call->outputs[0] = wk_reshape(product, result);
  return wk_error_status();
}

/* Components 1, 2, 0 along the axis. */
static wk_tensor *turned(wk_tensor *x, int axis) {
  return wk_concatenate(WK_TENSORS(wk_slice(x, axis, 1, 3), wk_slice(x, axis, 0, 1)), axis);
}

wk_status wk_composite_cross(wk_call *call) {
  const wk_cross_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  const int axis_x = wk_axis_resolve(a->axis, x->layout.rank);
  const int axis_y = axis_x < 0 ? -1 : wk_axis_resolve(a->axis, y->layout.rank);
  if (axis_y < 0) return wk_error_status();
  if (x->layout.dims[axis_x] != 3 || y->layout.dims[axis_y] != 3)
    return wk_fail(WK_ERROR_SHAPE, "dimension %d must be of size 3", a->axis);
  /* x cross y turned by one component is x * turned(y) - turned(x) * y. */
  wk_tensor *y_turned = turned(y, axis_y), *x_turned = turned(x, axis_x);
  wk_tensor *z = wk_subtract(wk_multiply(x, y_turned), wk_multiply(x_turned, y));
  const int rank = x->layout.rank > y->layout.rank ? x->layout.rank : y->layout.rank;
  call->outputs[0] = turned(z, a->axis < 0 ? rank + a->axis : a->axis);
  return wk_error_status();
}

/* ---- distances ---- */

static wk_tensor *length_along(wk_tensor *x, int axis) {
  return wk_norm_over(x, 2, &WK_AXES(axis), true);
}

wk_status wk_composite_cosine_similarity(wk_call *call) {
  const wk_cosine_similarity_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1], *least = wk_scalar(a->epsilon);
  if (!wk_layout_same_dims(&x->layout, &y->layout)) { /* lengths are those after broadcasting */
    wk_tensor *joint = wk_multiply(x, y);
    if (!joint) return wk_error_status();
    x = wk_broadcast_to(x, wk_tensor_shape(joint));
    y = wk_broadcast_to(y, wk_tensor_shape(joint));
  }
  wk_tensor *x_unit = wk_divide(x, wk_maximum(length_along(x, a->axis), least));
  wk_tensor *y_unit = wk_divide(y, wk_maximum(length_along(y, a->axis), least));
  call->outputs[0] = wk_sum(wk_multiply(x_unit, y_unit), .axes = WK_AXES(a->axis));
  return wk_error_status();
}

wk_status wk_composite_pairwise_distance(wk_call *call) {
  const wk_pairwise_distance_arguments *a = call->arguments;
  wk_tensor *difference =
      wk_add(wk_subtract(call->inputs[0], call->inputs[1]), wk_scalar(a->epsilon));
  if (!difference) return wk_error_status();
  if (difference->layout.rank < 1)
    return wk_fail(WK_ERROR_SHAPE, "there is no last axis in a single number");
  call->outputs[0] = wk_norm_over(difference, a->order, &WK_AXES(-1), a->keep_dims);
  return wk_error_status();
}

/* From more rows than this on, |x - y|^2 is |x|^2 + |y|^2 - 2 x y, as in PyTorch: less exact for
 * rows close together, but one product. */
#define MANY_ROWS 25

static wk_tensor *distances_by_product(wk_tensor *x, wk_tensor *y) {
  wk_tensor *x_squares = wk_sum(wk_multiply(x, x), .axes = WK_AXES(-1), .keep_dims = true);
  wk_tensor *y_squares = wk_sum(wk_multiply(y, y), .axes = WK_AXES(-1), .keep_dims = true);
  wk_tensor *products = wk_multiply(wk_matmul(x, wk_transposed(y)), wk_scalar(-2));
  wk_tensor *squares = wk_add(wk_add(products, x_squares), wk_transposed(y_squares));
  return squares ? wk_safe_sqrt(wk_maximum(squares, wk_scalar(0))) : NULL;
}

wk_status wk_composite_distances(wk_call *call) {
  const wk_distances_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  const int rank_x = x->layout.rank, rank_y = y->layout.rank;
  if (rank_x < 2 || rank_y < 2 || wk_tensor_dim(x, -1) != wk_tensor_dim(y, -1)) {
    wk_fail(WK_ERROR_SHAPE, "x and y must be [..., P, M] and [..., R, M], with M in common");
    wk_error_add_hint("wk_reshape makes a vector of M elements a matrix [1, M]");
    return WK_ERROR_SHAPE;
  }
  const bool many = wk_tensor_dim(x, -2) > MANY_ROWS || wk_tensor_dim(y, -2) > MANY_ROWS;
  if (a->order == 2 && many) {
    call->outputs[0] = distances_by_product(x, y);
    return wk_error_status();
  }
  wk_tensor *difference = wk_subtract(wk_add_axis(x, rank_x - 1), wk_add_axis(y, rank_y - 2));
  if (difference) call->outputs[0] = wk_norm_over(difference, a->order, &WK_AXES(-1), false);
  return wk_error_status();
}

/* ---- matrix_power ---- */

wk_status wk_composite_matrix_power(wk_call *call) {
  const wk_matrix_power_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = NULL;
  const int rank = x->layout.rank;
  if (rank < 2 || x->layout.dims[rank - 1] != x->layout.dims[rank - 2])
    return wk_fail(WK_ERROR_SHAPE, "only square matrices have powers");
  uint64_t left = (uint64_t)a->exponent;
  if (a->exponent < 0) x = wk_inverse(x), left = 0 - left;
  for (; left > 0 && !wk_failed(); left >>= 1) {
    if (left & 1) y = y ? wk_matmul(y, x) : x;
    if (left > 1) x = wk_matmul(x, x);
  }
  if (!wk_failed()) call->outputs[0] = y ? y : wk_identity_like(x);
  return wk_error_status();
}
