/* SPDX-License-Identifier: Apache-2.0 */

/* Values as text, laid out as PyTorch prints them: nested brackets, columns aligned, the first and
 * last three of every dimension of large tensors; or all on one line, for debuggers. */

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "tensor/element.h"
#include "tensor/tensor.h"

#define EDGE_ITEMS 3
#define MOST_ITEMS 1000 /* tensors with more show only their edges */
#define EDGE_ITEMS_IN_LINE 2
#define MOST_ITEMS_IN_LINE 32
#define LINE_WIDTH 80
#define CELL_SIZE 400 /* holds the longest double without an exponent */

typedef struct printer {
  const wk_layout *layout;
  const char *data; /* on the host */
  bool edges_only;
  bool in_line;
  const char *number_format; /* of finite floats */
  size_t width;              /* of a cell */
  double least, most;        /* magnitudes of the finite floats shown, zeros left out */
  bool all_whole;
  char *buffer;
  size_t size, used;
} printer;

static const void *address_of(const printer *p, int64_t position) {
  return p->data + position * (int64_t)wk_dtype_size(p->layout->dtype);
}

static double float_at(const printer *p, int64_t position) {
  return wk_read_real(p->layout->dtype, address_of(p, position));
}

static long long integer_at(const printer *p, int64_t position) {
  return wk_read_integer(p->layout->dtype, address_of(p, position));
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
  if (!wk_dtype_is_float(dtype)) return print_with(cell, "%lld", integer_at(p, position));
  const double value = float_at(p, position);
  if (!isfinite(value)) return wk_format_number(cell, CELL_SIZE, value);
  return print_with(cell, p->number_format, value);
}

/* ---- the elements shown ---- */

/* Items shown at each end of a dimension whose middle is left out. */
static int edge_of(const printer *p, int axis) {
  if (!p->in_line) return EDGE_ITEMS;
  return axis == p->layout->rank - 1 ? EDGE_ITEMS_IN_LINE : 1;
}

/* True where the middle of a dimension is left out: before its last items. */
static bool is_gap(const printer *p, int axis, int64_t index) {
  const int edge = edge_of(p, axis);
  return p->edges_only && p->layout->dims[axis] > 2 * edge && index == edge;
}

static void each_shown(printer *p, int axis, int64_t position,
                       void (*visit)(printer *p, int64_t position)) {
  if (axis == p->layout->rank) {
    visit(p, position);
    return;
  }
  const int64_t dim = p->layout->dims[axis], stride = p->layout->strides[axis];
  for (int64_t i = 0; i < dim; i++) {
    if (is_gap(p, axis, i)) i = dim - edge_of(p, axis);
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
  if (!p->in_line && length > p->width) p->width = length;
}

/* ---- printing ---- */

static void put(printer *p, const char *text) {
  p->used = wk_print_into(p->buffer, p->size, p->used, "%s", text);
}

static void put_line(printer *p, int indent) {
  if (p->in_line)
    put(p, " ");
  else
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
  const int64_t per_line = p->in_line ? dim + 2 : fitting > 1 ? fitting : 1;
  int64_t on_line = 0;
  for (int64_t i = 0; i < dim; i++) {
    if (i) put(p, on_line % per_line ? ", " : ",");
    if (i && on_line % per_line == 0) put_line(p, axis + 1);
    if (is_gap(p, axis, i)) {
      put(p, "..., ");
      i = dim - edge_of(p, axis);
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
      for (int blank = rank - axis - 2; blank > 0 && !p->in_line; blank--) put(p, "\n");
      put_line(p, axis + 1);
    }
    if (is_gap(p, axis, i)) {
      put(p, "...,");
      put_line(p, axis + 1);
      i = dim - edge_of(p, axis);
    }
    put_axis(p, axis + 1, position + i * stride);
  }
  put(p, "]");
}

static void put_tensor(printer *p) {
  if (wk_dtype_is_float(p->layout->dtype)) {
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

/* Values that the host can read are read where they are, also while an error is pending. */
static size_t print_values(const wk_tensor *tensor, bool in_line, char *buffer, size_t size) {
  if (size) buffer[0] = '\0';
  if (tensor->root->storage->traced) return wk_print_into(buffer, size, 0, "(no values yet)");
  wk_device *device = wk_tensor_device_of(tensor);
  wk_layout dense = tensor->layout;
  wk_layout_set_strides(&dense);
  const int64_t count = wk_tensor_count(tensor);
  const size_t bytes = (size_t)count * wk_dtype_size(dense.dtype);
  char *copy = NULL;
  if (!device->host_memory) {
    if (wk_failed() || !(copy = wk_allocate(bytes))) return 0;
    if (wk_tensor_read(tensor, copy, bytes)) return wk_deallocate(copy), 0;
  } else if (device->functions->synchronise(device, &device->stream)) {
    return 0;
  }
  printer p = {.layout = copy ? &dense : &tensor->layout,
               .data = copy ? copy : wk_tensor_data(tensor),
               .edges_only = count > (in_line ? MOST_ITEMS_IN_LINE : MOST_ITEMS),
               .in_line = in_line,
               .buffer = buffer,
               .size = size};
  put_tensor(&p);
  wk_deallocate(copy);
  return p.used;
}

size_t wk_tensor_text(const wk_tensor *tensor, char *buffer, size_t size) {
  if (tensor) return print_values(tensor, false, buffer, size);
  if (size) buffer[0] = '\0';
  return 0;
}

/* ---- for people at a debugger ---- */

/* "f32 [2, 3] relu at network.1 (relu), requires gradient" */
static size_t print_head(const wk_tensor *tensor, char *buffer, size_t size) {
  size_t used = wk_layout_describe(&tensor->layout, buffer, size);
  if (tensor->name) used = wk_print_into(buffer, size, used, " %s", tensor->name);
  if (tensor->producer) used = wk_print_into(buffer, size, used, " %s", tensor->producer);
  if (tensor->module_path) used = wk_print_into(buffer, size, used, " at %s", tensor->module_path);
  const wk_device *device = wk_tensor_device_of(tensor);
  if (device != wk_device_table[0])
    used = wk_print_into(buffer, size, used, ", on %s", device->name);
  if (!wk_layout_is_contiguous(&tensor->layout)) {
    used = wk_print_into(buffer, size, used, ", strides");
    for (int i = 0; i < tensor->layout.rank; i++)
      used = wk_print_into(buffer, size, used, i ? ", %lld" : " [%lld",
                           (long long)tensor->layout.strides[i]);
    used = wk_print_into(buffer, size, used, "]");
  }
  if (tensor->requires_gradient)
    used = wk_print_into(buffer, size, used, tensor->frozen ? ", frozen" : ", requires gradient");
  return used;
}

const char *wk_describe(const wk_tensor *tensor) {
  static _Thread_local char text[2048];
  if (!tensor) return "NULL";
  size_t used = print_head(tensor, text, sizeof text);
  used = wk_print_into(text, sizeof text, used, ": ");
  const size_t room = sizeof text - sizeof "..."; /* of a text that is cut */
  if (used < room && used + print_values(tensor, true, text + used, room - used) >= room)
    strcpy(text + room - 1, "...");
  return text;
}

void wk_print(FILE *stream, const wk_tensor *tensor) {
  if (!stream) return;
  if (!tensor) {
    fputs("NULL\n", stream);
    return;
  }
  char head[512];
  print_head(tensor, head, sizeof head);
  const size_t size = print_values(tensor, false, NULL, 0) + 1;
  char *text = wk_allocate(size);
  if (text) print_values(tensor, false, text, size);
  fprintf(stream, "%s\n%s\n", head, text ? text : "(no memory to show the values)");
  wk_deallocate(text);
}
