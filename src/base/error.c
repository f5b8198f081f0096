/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* Everything known of one error. The fields have fixed sizes so that raising never allocates: an
 * error about memory must not need any. */
typedef struct record {
  wk_status status;
  int line;
  char op[64];
  char module_path[256];
  char file[256];
  char function[96];
  char shapes[1024];
  char message[1024];
  char hint[512];
  char cause[1024];
} record;

static _Thread_local record pending, taken;

struct wk_error_parcel {
  record contents;
};

wk_status wk_error_status(void) { return wk_error_pending; }

const char *wk_status_name(wk_status status) {
  static const char *const names[] = {
      "ok",          "argument error", "shape error",    "dtype error",  "index error",
      "state error", "memory error",   "io error",       "format error", "unsupported",
      "not found",   "cancelled",      "callback error", "device error", "numeric error"};
  if (status == WK_END) return "end";
  const int index = -(int)status;
  return index >= 0 && index < (int)(sizeof names / sizeof *names) ? names[index] : "error";
}

static void clear_record(record *r) {
  r->status = WK_OK, r->line = 0;
  r->op[0] = r->module_path[0] = r->file[0] = r->function[0] = '\0';
  r->shapes[0] = r->message[0] = r->hint[0] = r->cause[0] = '\0';
}

/* ---- raising ---- */

wk_status wk_fail_v(wk_status status, const char *format, va_list values) {
  if (status >= 0 || wk_failed()) return status;
  clear_record(&pending);
  pending.status = wk_error_pending = status;
  wk_format_text(pending.message, sizeof pending.message, format, values);
  return status;
}

wk_status wk_fail(wk_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  wk_fail_v(status, format, values);
  va_end(values);
  return status;
}

wk_status wk_error_set(wk_status status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  wk_fail_v(status, format, values);
  va_end(values);
  return status;
}

static const struct {
  int number;
  const char *hint;
} remedies[] = {
    {ENOENT, "check the path and that its folder exists; relative paths begin at the folder the "
             "program runs in"},
    {ENOTDIR, "a part of the path in front of the last / is a file, not a folder"},
    {EISDIR, "the path names a folder; give that of a file"},
    {EACCES, "this user may not do that there; check the owner and permissions"},
    {EPERM, "this user may not do that there; check the owner and permissions"},
    {EROFS, "the file system is read-only; choose a path elsewhere"},
    {ENOSPC, "make room on the file system, or choose a path on another"},
    {EDQUOT, "make room, or choose a path where this user may use more"},
    {ENOMEM, "memory is short: end other programs, or use smaller files"},
    {EMFILE, "close files or raise the limit of open files (ulimit -n)"},
    {ENFILE, "too many files are open on this machine"},
    {EIO, "the disk or the network it is reached by failed; the system's log may say more"},
};

wk_status wk_fail_errno(const char *what, const char *path) {
  const int number = errno;
  if (wk_failed()) return wk_error_pending;
  const bool missing = number == ENOENT || number == ENOTDIR;
  const wk_status status = wk_fail(missing ? WK_ERROR_NOT_FOUND : WK_ERROR_IO, "cannot %s %s: %s",
                                   what, path, wk_errno_text(number));
  for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
    if (remedies[i].number == number) wk_error_add_hint("%s", remedies[i].hint);
  return status;
}

wk_status wk_fail_memory(size_t size) {
  char text[32];
  wk_format_bytes(text, sizeof text, size);
  return wk_fail(WK_ERROR_MEMORY, "cannot allocate %s of host memory", text);
}

/* ---- adding ---- */

static void print_field(char *field, size_t size, const char *format, ...) WK_PRINTF(3, 4);
static void print_field(char *field, size_t size, const char *format, ...) {
  va_list values;
  va_start(values, format);
  wk_format_text(field, size, format, values);
  va_end(values);
}

static void add_field(char *field, size_t size, const char *text) {
  if (wk_failed() && text && !field[0]) print_field(field, size, "%s", text);
}

void wk_error_add_hint(const char *format, ...) {
  if (!wk_failed() || pending.hint[0]) return;
  va_list values;
  va_start(values, format);
  wk_format_text(pending.hint, sizeof pending.hint, format, values);
  va_end(values);
}

void wk_error_add_hint_first(const char *format, ...) {
  if (!wk_failed()) return;
  char hint[sizeof pending.hint];
  va_list values;
  va_start(values, format);
  wk_format_text(hint, sizeof hint, format, values);
  va_end(values);
  const size_t used = strlen(hint);
  if (pending.hint[0]) print_field(hint + used, sizeof hint - used, "\n%s", pending.hint);
  memcpy(pending.hint, hint, sizeof hint);
}

void wk_error_add_op(const char *op) { add_field(pending.op, sizeof pending.op, op); }

void wk_error_rise(void) { pending.op[0] = pending.shapes[0] = '\0'; }

void wk_error_add_module(const char *module_path) {
  add_field(pending.module_path, sizeof pending.module_path, module_path);
}

void wk_error_add_shapes(const char *shapes) {
  add_field(pending.shapes, sizeof pending.shapes, shapes);
}

void wk_error_add_place(wk_place place) {
  if (!wk_failed() || pending.file[0] || !place.file) return;
  print_field(pending.file, sizeof pending.file, "%s", place.file);
  print_field(pending.function, sizeof pending.function, "%s",
              place.function ? place.function : "");
  pending.line = (int)place.line;
}

void wk_error_add_call(const char *op, wk_place here) {
  if (!here.file) return;
  wk_error_add_op(op);
  wk_error_add_place(here);
}

void wk_error_add_lines(const char *text) {
  if (!wk_failed()) return;
  const size_t used = strlen(pending.message);
  print_field(pending.message + used, sizeof pending.message - used, "\n%s", text);
}

void wk_error_wrap(const char *format, ...) {
  if (!wk_failed()) return;
  char cause[sizeof pending.cause];
  print_field(cause, sizeof cause, pending.cause[0] ? "%s: %s" : "%s", pending.message,
              pending.cause);
  memcpy(pending.cause, cause, sizeof cause);
  va_list values;
  va_start(values, format);
  wk_format_text(pending.message, sizeof pending.message, format, values);
  va_end(values);
}

/* ---- ending ---- */

void wk_error_clear(void) { wk_error_pending = WK_OK; }

void wk_error_forgive(void) {
  if (wk_error_pending != WK_ERROR_MEMORY) wk_error_clear();
}

bool wk_error_take(wk_error *error) {
  if (!wk_failed() || !error) return false;
  wk_error_clear();
  taken = pending;
  const wk_error full = {.struct_size = error->struct_size,
                         .status = taken.status,
                         .op = taken.op,
                         .module_path = taken.module_path,
                         .shapes = taken.shapes,
                         .file = taken.file,
                         .function = taken.function,
                         .line = taken.line,
                         .message = taken.message,
                         .hint = taken.hint,
                         .cause = taken.cause};
  memcpy(error, &full, error->struct_size < sizeof full ? error->struct_size : sizeof full);
  return true;
}

/* Appends every line of `text`, indented; the first one has the label in front. */
static size_t print_lines(char *buffer, size_t size, size_t used, const char *label,
                          const char *text) {
  const int indent = (int)strlen(label);
  while (*text) {
    const size_t length = strcspn(text, "\n");
    used = wk_print_into(buffer, size, used, "  %*s%.*s\n", indent, label, (int)length, text);
    text += length + (text[length] == '\n');
    label = "";
  }
  return used;
}

size_t wk_error_text(char *buffer, size_t size) {
  if (size) buffer[0] = '\0';
  if (!wk_failed()) return 0;
  const record *r = &pending;
  size_t used = wk_print_into(buffer, size, 0, "wick: %s", wk_status_name(r->status));
  if (r->op[0]) used = wk_print_into(buffer, size, used, " in %s", r->op);
  if (r->module_path[0]) used = wk_print_into(buffer, size, used, ", at %s", r->module_path);
  if (r->file[0]) {
    used = wk_print_into(buffer, size, used, ", called from %s:%d", r->file, r->line);
    if (r->function[0]) used = wk_print_into(buffer, size, used, " in %s", r->function);
  }
  used = wk_print_into(buffer, size, used, "\n");
  used = print_lines(buffer, size, used, "", r->shapes);
  used = print_lines(buffer, size, used, "", r->message);
  used = print_lines(buffer, size, used, "hint: ", r->hint);
  return print_lines(buffer, size, used, "cause: ", r->cause);
}

static size_t (*_Atomic report_end)(char *buffer, size_t size);

void wk_error_report_end_with(size_t (*write)(char *buffer, size_t size)) {
  atomic_store(&report_end, write);
}

int wk_error_report(FILE *stream) {
  const bool failed = wk_failed();
  char text[2 * sizeof(record)]; /* twice, for the indentation of very short lines */
  if (failed && stream) {
    wk_error_text(text, sizeof text);
    fputs(text, stream);
  }
  wk_error_clear();
  size_t (*const end)(char *buffer, size_t size) = atomic_load(&report_end);
  if (end && stream && end(text, sizeof text)) fputs(text, stream);
  return failed;
}

/* ---- from thread to thread ---- */

wk_error_parcel *wk_error_pack(void) {
  if (!wk_failed()) return NULL;
  wk_error_parcel *parcel = wk_allocate(sizeof *parcel);
  if (!parcel) return NULL;
  parcel->contents = pending;
  wk_error_clear();
  return parcel;
}

void wk_error_unpack(wk_error_parcel *parcel) {
  if (parcel && !wk_failed()) {
    pending = parcel->contents;
    wk_error_pending = pending.status;
  }
  wk_error_parcel_free(parcel);
}

void wk_error_parcel_free(wk_error_parcel *parcel) { wk_deallocate(parcel); }
