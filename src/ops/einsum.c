/* SPDX-License-Identifier: Apache-2.0 */
/* einsum: the equation is read into labels, one for each axis; then operands are joined two at a
 * time, the pair with the smallest result first, by a product or a multiplication. */
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/build.h"

/* Labels: A-Z, a-z in the order of their codes, then the axes of an ellipsis from the first. */
#define LETTERS 52
#define LABELS (LETTERS + WK_MAX_RANK)
#define ELLIPSIS (-1)
#define MOST_OPERANDS 32

/* A tensor whose axes have labels. */
typedef struct term {
  wk_tensor *tensor;
  int rank, label[WK_MAX_RANK];
} term;

typedef struct equation {
  int operand_count;
  struct {
    int count, label[WK_MAX_RANK + 1]; /* ELLIPSIS among them */
  } operand[MOST_OPERANDS], result;
  bool has_arrow;
  int64_t size[LABELS]; /* 0: no such label; sizes of 0 are stored as EMPTY */
  int uses[LABELS];     /* how often it stands in the operands */
  int ellipsis_rank;    /* of the longest */
} equation;

#define EMPTY (-1)

static int label_of(char letter) {
  if (letter >= 'A' && letter <= 'Z') return letter - 'A';
  if (letter >= 'a' && letter <= 'z') return 26 + letter - 'a';
  return LABELS;
}

static char letter_of(int label) {
  return (char)(label < 26 ? 'A' + label : label < LETTERS ? 'a' + label - 26 : '.');
}

/* ---- reading the equation ---- */

static wk_status bad_equation(const char *text, const char *what) {
  wk_fail(WK_ERROR_ARGUMENT, "\"%s\": %s", text, what);
  wk_error_add_hint("letters for the axes of each tensor, commas between them, and behind -> those "
                    "of the result: \"ij,jk->ik\"");
  return WK_ERROR_ARGUMENT;
}

/* Appends a letter or "..." at *at to the list, whose length is *count. */
static wk_status read_label(const char *text, const char **at, int *count, int *labels) {
  if (*count > WK_MAX_RANK) return bad_equation(text, "too many letters for a tensor");
  if (strncmp(*at, "...", 3) == 0) {
    for (int i = 0; i < *count; i++)
      if (labels[i] == ELLIPSIS) return bad_equation(text, "two \"...\" for a tensor");
    labels[(*count)++] = ELLIPSIS;
    *at += 3;
    return WK_OK;
  }
  const int label = label_of(**at);
  if (label == LABELS) return bad_equation(text, "only letters and \"...\" stand for axes");
  labels[(*count)++] = label;
  *at += 1;
  return WK_OK;
}

static wk_status read_equation(const char *text, equation *e) {
  e->operand_count = 1;
  const char *at = text;
  while (*at) {
    wk_status status = WK_OK;
    if (isspace((unsigned char)*at)) {
      at++;
    } else if (*at == ',' && !e->has_arrow) {
      if (e->operand_count == MOST_OPERANDS) return bad_equation(text, "too many tensors");
      e->operand_count++, at++;
    } else if (at[0] == '-' && at[1] == '>' && !e->has_arrow) {
      e->has_arrow = true, at += 2;
    } else if (e->has_arrow) {
      status = read_label(text, &at, &e->result.count, e->result.label);
    } else {
      const int i = e->operand_count - 1;
      status = read_label(text, &at, &e->operand[i].count, e->operand[i].label);
    }
    if (status != WK_OK) return status;
  }
  return WK_OK;
}

/* ---- labels of the operands ---- */

static wk_status note_size(equation *e, int label, int64_t size, int operand) {
  const int64_t before = e->size[label] == EMPTY ? 0 : e->size[label];
  if (e->size[label] == 0 || before == 1) {
    e->size[label] = size == 0 ? EMPTY : size;
    return WK_OK;
  }
  if (size == before || size == 1) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "tensor %d has size %lld where '%c' was %lld before", operand + 1,
                 (long long)size, letter_of(label), (long long)before);
}

/* The labels of a tensor's axes, from those of the equation. */
static wk_status label_axes(equation *e, int operand, wk_tensor *tensor, term *t) {
  const int count = e->operand[operand].count, *labels = e->operand[operand].label;
  const int rank = tensor->layout.rank;
  bool has_ellipsis = false;
  for (int i = 0; i < count; i++) has_ellipsis = has_ellipsis || labels[i] == ELLIPSIS;
  const int hidden = rank - (count - (has_ellipsis ? 1 : 0));
  if (has_ellipsis ? hidden < 0 : hidden != 0) {
    wk_fail(WK_ERROR_SHAPE, "tensor %d has %d dimensions, but the equation has %d letters for it",
            operand + 1, rank, count - (has_ellipsis ? 1 : 0));
    wk_error_add_hint("\"...\" stands for any number of dimensions");
    return WK_ERROR_SHAPE;
  }
  if (has_ellipsis && hidden > e->ellipsis_rank) e->ellipsis_rank = hidden;
  *t = (term){.tensor = tensor};
  for (int i = 0; i < count; i++) {
    if (labels[i] != ELLIPSIS) {
      t->label[t->rank++] = labels[i];
      continue;
    }
    for (int k = 0; k < hidden; k++) t->label[t->rank++] = LABELS - hidden + k;
  }
  for (int i = 0; i < rank; i++) {
    e->uses[t->label[i]]++;
    const wk_status status = note_size(e, t->label[i], tensor->layout.dims[i], operand);
    if (status != WK_OK) return status;
  }
  return WK_OK;
}

/* The result's labels. Without an arrow: the ellipsis, then the letters that stand once. */
static wk_status label_result(const char *text, const equation *e, term *result) {
  const int first = LABELS - e->ellipsis_rank;
  int labels[LABELS + WK_MAX_RANK], count = 0;
  if (!e->has_arrow) {
    for (int i = first; i < LABELS; i++) labels[count++] = i;
    for (int i = 0; i < LETTERS; i++)
      if (e->uses[i] == 1) labels[count++] = i;
  }
  for (int i = 0; i < e->result.count; i++) {
    if (e->result.label[i] != ELLIPSIS) {
      labels[count++] = e->result.label[i];
      continue;
    }
    for (int k = first; k < LABELS; k++) labels[count++] = k;
  }
  if (count > WK_MAX_RANK) return bad_equation(text, "the result has too many dimensions");
  bool seen[LABELS] = {false};
  *result = (term){.rank = count};
  for (int i = 0; i < count; i++) {
    if (e->size[labels[i]] == 0)
      return bad_equation(text, "a letter behind the arrow stands for no tensor's axis");
    if (seen[labels[i]]) return bad_equation(text, "a letter stands twice behind the arrow");
    seen[labels[i]] = true;
    result->label[i] = labels[i];
  }
  return WK_OK;
}

/* ---- terms ---- */

static int find_label(const term *t, int label) {
  for (int i = 0; i < t->rank; i++)
    if (t->label[i] == label) return i;
  return -1;
}

static void remove_label(term *t, int axis) {
  for (int i = axis; i + 1 < t->rank; i++) t->label[i] = t->label[i + 1];
  t->rank--;
}

/* A label that stands twice becomes one: the diagonal, as a last axis. */
static void take_diagonals(term *t) {
  for (int i = 0; i < t->rank && t->tensor; i++) {
    for (int k = i + 1; k < t->rank; k++) {
      if (t->label[i] != t->label[k]) continue;
      const int label = t->label[i];
      t->tensor = wk_diagonal(t->tensor, .axis1 = i, .axis2 = k);
      remove_label(t, k);
      remove_label(t, i);
      t->label[t->rank++] = label;
      i = -1; /* from the start again */
      break;
    }
  }
}

/* Axes of size 1 whose label is longer elsewhere do not count. */
static void drop_repeated(const equation *e, term *t) {
  for (int i = t->rank - 1; i >= 0 && t->tensor; i--) {
    if (t->tensor->layout.dims[i] != 1 || e->size[t->label[i]] == 1) continue;
    t->tensor = wk_drop_axis(t->tensor, i);
    remove_label(t, i);
  }
}

/* Sums over the labels that `needed` has not. */
static void sum_unneeded(term *t, const bool *needed) {
  wk_axes axes = {.count = 0};
  term kept = {.rank = 0};
  for (int i = 0; i < t->rank; i++) {
    if (needed[t->label[i]])
      kept.label[kept.rank++] = t->label[i];
    else
      axes.axis[axes.count++] = i;
  }
  if (axes.count == 0 || !t->tensor) return;
  const wk_dtype dtype = t->tensor->layout.dtype;
  kept.tensor = wk_cast_if_other(wk_sum(t->tensor, .axes = axes), dtype);
  *t = kept;
}

/* The tensor with its axes in the order of `labels`, all of them its own. */
static wk_tensor *arrange(const term *t, const int *labels, int count) {
  wk_axes axes = {.count = count};
  bool same = true;
  for (int i = 0; i < count; i++) {
    axes.axis[i] = find_label(t, labels[i]);
    same = same && axes.axis[i] == i;
  }
  return same ? t->tensor : wk_permute(t->tensor, axes);
}

/* ---- joining two terms ---- */

/* The labels of two terms, by what becomes of them: kept and in both, kept and in one, summed. */
typedef struct split {
  int both[WK_MAX_RANK], left[WK_MAX_RANK], right[WK_MAX_RANK], summed[WK_MAX_RANK];
  int both_count, left_count, right_count, summed_count;
} split;

static split split_labels(const term *a, const term *b, const bool *needed) {
  split s = {.both_count = 0};
  for (int i = 0; i < a->rank; i++) {
    const int label = a->label[i];
    if (find_label(b, label) < 0)
      s.left[s.left_count++] = label;
    else if (needed[label])
      s.both[s.both_count++] = label;
    else
      s.summed[s.summed_count++] = label;
  }
  for (int i = 0; i < b->rank; i++)
    if (find_label(a, b->label[i]) < 0) s.right[s.right_count++] = b->label[i];
  return s;
}

static int64_t size_of(const equation *e, const int *labels, int count) {
  int64_t size = 1;
  for (int i = 0; i < count; i++) size *= e->size[labels[i]] == EMPTY ? 0 : e->size[labels[i]];
  return size;
}

static int append(int *labels, int count, const int *more, int more_count) {
  for (int i = 0; i < more_count; i++) labels[count++] = more[i];
  return count;
}

/* The term with the axes of `result`, of size 1 where it has none. */
static wk_tensor *spaced(const equation *e, const term *t, const term *result) {
  int own[WK_MAX_RANK], count = 0;
  wk_shape shape = {.rank = result->rank};
  for (int i = 0; i < result->rank; i++) {
    const bool has = find_label(t, result->label[i]) >= 0;
    shape.dims[i] = has ? size_of(e, &result->label[i], 1) : 1;
    if (has) own[count++] = result->label[i];
  }
  return wk_reshape(arrange(t, own, count), shape);
}

/* Without sums the product is a multiplication of tensors that broadcast. */
static wk_tensor *multiply_terms(const equation *e, const term *a, const term *b,
                                 const term *result) {
  return wk_multiply(spaced(e, a, result), spaced(e, b, result));
}

/* [both, left, summed] times [both, summed, right]. */
static wk_tensor *matmul_terms(const equation *e, const term *a, const term *b, const split *s) {
  int left[WK_MAX_RANK], right[WK_MAX_RANK];
  int left_count = append(left, 0, s->both, s->both_count);
  left_count = append(left, left_count, s->left, s->left_count);
  left_count = append(left, left_count, s->summed, s->summed_count);
  int right_count = append(right, 0, s->both, s->both_count);
  right_count = append(right, right_count, s->summed, s->summed_count);
  right_count = append(right, right_count, s->right, s->right_count);
  const int64_t batch = size_of(e, s->both, s->both_count);
  const int64_t rows = size_of(e, s->left, s->left_count);
  const int64_t inner = size_of(e, s->summed, s->summed_count);
  const int64_t columns = size_of(e, s->right, s->right_count);
  wk_tensor *x = arrange(a, left, left_count), *y = arrange(b, right, right_count);
  if (s->both_count == 0)
    return wk_matmul(wk_reshape(x, WK_SHAPE(rows, inner)), wk_reshape(y, WK_SHAPE(inner, columns)));
  if (rows == 1 && columns == 1) { /* many short dot products */
    x = wk_reshape(x, WK_SHAPE(batch, inner)), y = wk_reshape(y, WK_SHAPE(batch, inner));
    return x ? wk_cast_if_other(wk_sum(wk_multiply(x, y), .axes = WK_AXES(1)), x->layout.dtype)
             : NULL;
  }
  return wk_matmul(wk_reshape(x, WK_SHAPE(batch, rows, inner)),
                   wk_reshape(y, WK_SHAPE(batch, inner, columns)));
}

static wk_status join(const equation *e, term *a, term *b, const bool *needed, term *result) {
  bool kept[LABELS];
  for (int i = 0; i < LABELS; i++) kept[i] = needed[i] || find_label(b, i) >= 0;
  sum_unneeded(a, kept);
  for (int i = 0; i < LABELS; i++) kept[i] = needed[i] || find_label(a, i) >= 0;
  sum_unneeded(b, kept);
  const split s = split_labels(a, b, needed);
  *result = (term){.rank = s.both_count + s.left_count + s.right_count};
  if (result->rank > WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "a product on the way has more than %d dimensions", WK_MAX_RANK);
  int count = append(result->label, 0, s.both, s.both_count);
  count = append(result->label, count, s.left, s.left_count);
  append(result->label, count, s.right, s.right_count);
  if (s.summed_count == 0) {
    result->tensor = multiply_terms(e, a, b, result);
    return wk_error_status();
  }
  wk_shape shape = {.rank = result->rank};
  for (int i = 0; i < result->rank; i++) shape.dims[i] = size_of(e, &result->label[i], 1);
  result->tensor = wk_reshape(matmul_terms(e, a, b, &s), shape);
  return wk_error_status();
}

/* ---- the order ---- */

/* Labels that the result or any term but i and k has. */
static void find_needed(const term *terms, int count, int i, int k, const term *result,
                        bool *needed) {
  for (int label = 0; label < LABELS; label++) needed[label] = find_label(result, label) >= 0;
  for (int t = 0; t < count; t++) {
    if (t == i || t == k) continue;
    for (int axis = 0; axis < terms[t].rank; axis++) needed[terms[t].label[axis]] = true;
  }
}

/* How much larger than its two operands the join of i and k is. */
static double growth(const equation *e, const term *terms, int count, int i, int k,
                     const term *result) {
  bool needed[LABELS];
  find_needed(terms, count, i, k, result, needed);
  double joint = 1, left = 1, right = 1;
  for (int label = 0; label < LABELS; label++) {
    const bool in_left = find_label(&terms[i], label) >= 0;
    const bool in_right = find_label(&terms[k], label) >= 0;
    const double size = (double)size_of(e, &label, 1);
    if (in_left) left *= size;
    if (in_right) right *= size;
    if ((in_left || in_right) && needed[label]) joint *= size;
  }
  return joint - left - right;
}

static wk_status join_all(const equation *e, term *terms, int count, const term *result) {
  while (count > 1) {
    int left = 0, right = 1;
    double least = growth(e, terms, count, 0, 1, result);
    for (int i = 0; i < count; i++) {
      for (int k = i + 1; k < count; k++) {
        const double here = growth(e, terms, count, i, k, result);
        if (here < least) least = here, left = i, right = k;
      }
    }
    bool needed[LABELS];
    find_needed(terms, count, left, right, result, needed);
    term joint;
    const wk_status status = join(e, &terms[left], &terms[right], needed, &joint);
    if (status != WK_OK) return status;
    terms[left] = joint;
    for (int i = right; i + 1 < count; i++) terms[i] = terms[i + 1];
    count--;
  }
  return WK_OK;
}

static wk_status run(wk_call *call, const char *text, equation *e, term *terms) {
  wk_status status = read_equation(text, e);
  if (status != WK_OK) return status;
  if (e->operand_count != call->input_count)
    return wk_fail(WK_ERROR_ARGUMENT, "\"%s\" is for %d tensors, but there are %d", text,
                   e->operand_count, call->input_count);
  for (int i = 0; i < call->input_count && status == WK_OK; i++)
    status = label_axes(e, i, call->inputs[i], &terms[i]);
  term result = {.rank = 0};
  if (status == WK_OK) status = label_result(text, e, &result);
  if (status != WK_OK) return status;
  for (int i = 0; i < call->input_count; i++) {
    drop_repeated(e, &terms[i]);
    take_diagonals(&terms[i]);
  }
  status = join_all(e, terms, call->input_count, &result);
  if (status != WK_OK) return status;
  bool needed[LABELS];
  find_needed(terms, 0, 0, 0, &result, needed);
  sum_unneeded(&terms[0], needed);
  call->outputs[0] = arrange(&terms[0], result.label, result.rank);
  return wk_error_status();
}

wk_status wk_composite_einsum(wk_call *call) {
  const wk_einsum_arguments *a = call->arguments;
  if (call->input_count < 1) return wk_fail(WK_ERROR_ARGUMENT, "there are no tensors");
  struct {
    equation equation;
    term terms[MOST_OPERANDS];
  } *work = wk_allocate_zeroed(1, sizeof *work);
  if (!work) return wk_error_status();
  const wk_status status = call->input_count > MOST_OPERANDS
                               ? wk_fail(WK_ERROR_ARGUMENT, "too many tensors")
                               : run(call, a->equation, &work->equation, work->terms);
  wk_deallocate(work);
  return status;
}
