/* SPDX-License-Identifier: Apache-2.0 */

/* Values as text, laid out as PyTorch prints them: nested brackets, columns aligned, the first and
 * last three of every dimension of large tensors. */

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "tensor/tensor.h"

#define EDGE_ITEMS 3
#define MOST_ITEMS 1000 /* tensors with more show only their edges */
#define LINE_WIDTH 80
#define CELL_SIZE 400 /* holds the longest double without an exponent */

typedef struct printer {
  const wk_layout *layout;
  const char *data; /* on the host */
  bool edges_only;
  const char *number_format; /* of finite floats */
  size_t width;              /* of a cell */
  double least, most;        /* magnitudes of the finite floats shown, zeros left out */
  bool all_whole;
  char *buffer;
  size_t size, used;
} printer;

static bool is_float(wk_dtype dtype) { return dtype == WK_F32 || dtype == WK_F64; }

static double float_at(const printer *p, int64_t position) {
  if (p->layout->dtype == WK_F64) return ((const double *)(const void *)p->data)[position];
  return (double)((const float *)(const void *)p->data)[position];
}

static long long integer_at(const printer *p, int64_t position) {
  switch (p->layout->dtype) {
  case WK_I64:
    return ((const int64_t *)(const void *)p->data)[position];
  case WK_I32:
    return ((const int32_t *)(const void *)p->data)[position];
  default:
    return ((const uint8_t *)(const void *)p->data)[position];
  }
}

/* Of PyTorch's formats, the one for the magnitudes that were measured. */
static const char *choose_format(const printer *p) {
  if (p->most > 0 && (p->most / p->least > 1000 || p->most > 1e8)) return "%.4e";
  if (p->all_whole) return "%.0f.";
  return p->least < 1e-4 ? "%.4e" : "%.4f";
}

static size_t print_with(char *cell, const char *format, ...) {
  va_list values;
  va_start(values, format);
  const size_t length = wk_format_text(cell, CELL_SIZE, format, values);
  va_end(values);
  return length;
}

static size_t format_cell(const printer *p, int64_t position, char cell[CELL_SIZE]) {
  const wk_dtype dtype = p->layout->dtype;
  if (dtype == WK_BOOL) return print_with(cell, integer_at(p, position) ? "true" : "false");
  if (!is_float(dtype)) return print_with(cell, "%lld", integer_at(p, position));
  const double value = float_at(p, position);
  if (!isfinite(value)) return wk_format_number(cell, CELL_SIZE, value);
  return print_with(cell, p->number_format, value);
}

/* ---- the elements shown ---- */

/* True where the middle of a dimension is left out: before its third item from the end. */
static bool is_gap(const printer *p, int64_t index, int64_t dim) {
  return p->edges_only && dim > 2 * EDGE_ITEMS && index == EDGE_ITEMS;
}

static void each_shown(printer *p, int axis, int64_t position,
                       void (*visit)(printer *p, int64_t position)) {
  if (axis == p->layout->rank) {
    visit(p, position);
    return;
  }
  const int64_t dim = p->layout->dims[axis], stride = p->layout->strides[axis];
  for (int64_t i = 0; i < dim; i++) {
    if (is_gap(p, i, dim)) i = dim - EDGE_ITEMS;
    each_shown(p, axis + 1, position + i * stride, visit);
  }
}

static void measure_value(printer *p, int64_t position) {
  const double value = fabs(float_at(p, position));
  if (!isfinite(value)) return;
  if (value != floor(value)) p->all_whole = false;
  if (value == 0) return;
  if (value > p->most) p->most = value;
  if (value < p->least) p->least = value;
}

static void measure_cell(printer *p, int64_t position) {
  char cell[CELL_SIZE];
  const size_t length = format_cell(p, position, cell);
  if (length > p->width) p->width = length;
}

/* ---- printing ---- */

static void put(printer *p, const char *text) {
  p->used = wk_print_into(p->buffer, p->size, p->used, "%s", text);
}

static void put_line(printer *p, int indent) {
  p->used = wk_print_into(p->buffer, p->size, p->used, "\n%*s", indent, "");
}

static void put_cell(printer *p, int64_t position) {
  char cell[CELL_SIZE];
  format_cell(p, position, cell);
  p->used = wk_print_into(p->buffer, p->size, p->used, "%*s", (int)p->width, cell);
}

static void put_row(printer *p, int axis, int64_t position) {
  const int64_t dim = p->layout->dims[axis], stride = p->layout->strides[axis];
  const int64_t fitting = (LINE_WIDTH - axis) / ((int64_t)p->width + 2);
  const int64_t per_line = fitting > 1 ? fitting : 1;
  int64_t on_line = 0;
  for (int64_t i = 0; i < dim; i++) {
    if (i) put(p, on_line % per_line ? ", " : ",");
    if (i && on_line % per_line == 0) put_line(p, axis + 1);
    if (is_gap(p, i, dim)) {
      put(p, "..., ");
      i = dim - EDGE_ITEMS;
      on_line++;
    }
    put_cell(p, position + i * stride);
    on_line++;
  }
}

static void put_axis(printer *p, int axis, int64_t position) {
  const int rank = p->layout->rank;
  put(p, "[");
  if (axis == rank - 1) {
    put_row(p, axis, position);
    put(p, "]");
    return;
  }
  const int64_t dim = p->layout->dims[axis], stride = p->layout->strides[axis];
  for (int64_t i = 0; i < dim; i++) {
    if (i) {
      put(p, ",");
      for (int blank = rank - axis - 2; blank > 0; blank--) put(p, "\n");
      put_line(p, axis + 1);
    }
    if (is_gap(p, i, dim)) {
      put(p, "...,");
      put_line(p, axis + 1);
      i = dim - EDGE_ITEMS;
    }
    put_axis(p, axis + 1, position + i * stride);
  }
  put(p, "]");
}

static void put_tensor(printer *p) {
  if (is_float(p->layout->dtype)) {
    p->least = INFINITY, p->all_whole = true;
    each_shown(p, 0, 0, measure_value);
    p->number_format = choose_format(p);
  }
  each_shown(p, 0, 0, measure_cell);
  if (p->layout->rank == 0)
    put_cell(p, 0);
  else if (wk_layout_count(p->layout) == 0)
    put(p, "[]");
  else
    put_axis(p, 0, 0);
}

size_t wk_tensor_text(const wk_tensor *tensor, char *buffer, size_t size) {
  if (size) buffer[0] = '\0';
  if (!tensor || wk_failed()) return 0;
  wk_device *device = wk_tensor_device_of(tensor);
  wk_layout dense = tensor->layout;
  wk_layout_set_strides(&dense);
  const size_t bytes = (size_t)wk_tensor_count(tensor) * wk_dtype_size(dense.dtype);
  char *copy = NULL;
  if (!device->host_memory) {
    if (!(copy = wk_allocate(bytes))) return 0;
    if (wk_tensor_read(tensor, copy, bytes)) return wk_deallocate(copy), 0;
  } else if (device->functions->synchronise(device, &device->stream)) {
    return 0;
  }
  printer p = {.layout = copy ? &dense : &tensor->layout,
               .data = copy ? copy : wk_tensor_data(tensor),
               .edges_only = wk_tensor_count(tensor) > MOST_ITEMS,
               .buffer = buffer,
               .size = size};
  put_tensor(&p);
  wk_deallocate(copy);
  return p.used;
}
