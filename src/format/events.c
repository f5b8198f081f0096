/* SPDX-License-Identifier: Apache-2.0 */

/* Writing event files; events.h describes them. Scalars are written as Summary.Value.simple_value,
 * which every reader lists as scalars. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <wick/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/crc32c.h"
#include "format/events.h"

#define FLUSH_BYTES ((size_t)64 << 10)
#define FLUSH_SECONDS 5.0

struct wk_event_writer {
  int descriptor;
  char *path;
  wk_text pending; /* frames not written yet */
  double last_flush;
};

/* ---- protocol buffers ---- */

static wk_status put_varint(wk_text *text, uint64_t value) {
  uint8_t bytes[10];
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) bytes[count++] = (uint8_t)(value | 0x80);
  bytes[count++] = (uint8_t)value;
  return wk_text_append_bytes(text, bytes, count);
}

static wk_status put_key(wk_text *text, unsigned field, unsigned wire_type) {
  return put_varint(text, field << 3 | wire_type);
}

static wk_status put_little_endian(wk_text *text, uint64_t value, size_t size) {
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  return wk_text_append_bytes(text, bytes, size);
}

static wk_status put_integer(wk_text *text, unsigned field, int64_t value) {
  put_key(text, field, VARINT);
  return put_varint(text, (uint64_t)value);
}

static wk_status put_double(wk_text *text, unsigned field, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  put_key(text, field, FIXED64);
  return put_little_endian(text, bits, sizeof(bits));
}

static wk_status put_float(wk_text *text, unsigned field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  put_key(text, field, FIXED32);
  return put_little_endian(text, bits, sizeof(bits));
}

static wk_status put_bytes(wk_text *text, unsigned field, const void *bytes, size_t size) {
  put_key(text, field, BYTES);
  put_varint(text, size);
  return wk_text_append_bytes(text, bytes, size);
}

/* ---- the file ---- */

/* Writes what is pending; returns errno. What could be written is not pending any more. */
static int write_pending(wk_event_writer *writer) {
  wk_text *pending = &writer->pending;
  size_t done = 0;
  int code = 0;
  while (done < pending->length && code == 0) {
    const ssize_t n = write(writer->descriptor, pending->data + done, pending->length - done);
    if (n >= 0)
      done += (size_t)n;
    else if (errno != EINTR)
      code = errno;
  }
  if (done > 0) memmove(pending->data, pending->data + done, pending->length - done);
  pending->length -= done;
  return code;
}

static wk_status flush(wk_event_writer *writer) {
  writer->last_flush = wk_seconds();
  const int code = write_pending(writer);
  if (code == 0) return WK_OK;
  errno = code;
  return wk_fail_errno("write", writer->path);
}

wk_status wk_event_writer_flush_at(wk_place here, wk_event_writer *writer) {
  if (wk_failed()) return wk_error_status();
  const wk_status status =
      writer ? flush(writer) : wk_fail(WK_ERROR_ARGUMENT, "wk_event_writer_flush: writer is NULL");
  wk_error_add_call("event_writer_flush", here);
  return status;
}

/* Frames the message behind what is pending. */
static wk_status append_record(wk_event_writer *writer, const wk_text *message) {
  const size_t old_length = writer->pending.length;
  wk_text *out = &writer->pending;
  put_little_endian(out, message->length, 8);
  if (!wk_failed()) put_little_endian(out, wk_crc32c_masked(out->data + old_length, 8), 4);
  wk_text_append_bytes(out, message->data, message->length);
  put_little_endian(out, wk_crc32c_masked(message->data, message->length), 4);
  if (!wk_failed()) return WK_OK;
  out->length = old_length;
  return wk_error_status();
}

/* Appends an event that holds one field besides its time and step. */
static wk_status append_event(wk_event_writer *writer, int64_t step, unsigned field,
                              const void *bytes, size_t size) {
  wk_text event = {0};
  put_double(&event, EVENT_WALL_TIME, wk_wall_seconds());
  if (step != 0) put_integer(&event, EVENT_STEP, step);
  wk_status status = put_bytes(&event, field, bytes, size);
  if (status == WK_OK) status = append_record(writer, &event);
  wk_text_free(&event);
  return status;
}

/* A new file called events.out.tfevents.<seconds>.<host>.<process>.<number>. */
static wk_status create_file(wk_event_writer *writer, const char *folder) {
  char host[65] = "";
  if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') strcpy(host, "localhost");
  for (char *c = host; *c; c++)
    if (*c == '/') *c = '_';
  for (int number = 0; number < 1000 && writer->descriptor < 0; number++) {
    char name[160];
    wk_print_into(name, sizeof(name), 0, "events.out.tfevents.%010lld.%s.%ld.%d",
                  (long long)wk_wall_seconds(), host, (long)getpid(), number);
    wk_deallocate(writer->path);
    writer->path = wk_path_join(folder, name);
    if (!writer->path) return wk_error_status();
    writer->descriptor = wk_file_open(writer->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
    if (writer->descriptor < 0 && errno != EEXIST) break;
  }
  return writer->descriptor < 0 ? wk_fail_errno("open", writer->path) : WK_OK;
}

static wk_event_writer *create(const char *folder) {
  static const char version[] = "brain.Event:2";
  if (!folder) {
    wk_fail(WK_ERROR_ARGUMENT, "wk_event_writer_create: folder is NULL");
    return NULL;
  }
  if (wk_folder_create(folder) < 0) return NULL;
  wk_event_writer *writer = wk_allocate_zeroed(1, sizeof(*writer));
  if (!writer) return NULL;
  writer->descriptor = -1;
  if (create_file(writer, folder) < 0 ||
      append_event(writer, 0, EVENT_FILE_VERSION, version, sizeof(version) - 1) < 0 ||
      flush(writer) < 0) {
    wk_event_writer_free(writer);
    return NULL;
  }
  return writer;
}

wk_event_writer *wk_event_writer_create_at(wk_place here, const char *folder) {
  if (wk_failed()) return NULL;
  wk_event_writer *writer = create(folder);
  wk_error_add_call("event_writer_create", here);
  return writer;
}

void wk_event_writer_free(wk_event_writer *writer) {
  if (!writer) return;
  if (writer->descriptor >= 0) {
    write_pending(writer); /* nobody is left to hear of a failure */
    close(writer->descriptor);
  }
  wk_text_free(&writer->pending);
  wk_deallocate(writer->path);
  wk_deallocate(writer);
}

/* ---- events ---- */

/* Readers drop what they hold from a START event's step on, that step included. */
static wk_status restart(wk_event_writer *writer, int64_t step) {
  if (!writer) return wk_fail(WK_ERROR_ARGUMENT, "wk_event_writer_restart: writer is NULL");
  if (step < 0 || step == INT64_MAX)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_event_writer_restart: step %lld", (long long)step);
  wk_text log = {0};
  wk_status status = put_integer(&log, SESSION_STATUS, SESSION_START);
  if (status == WK_OK)
    status = append_event(writer, step + 1, EVENT_SESSION_LOG, log.data, log.length);
  wk_text_free(&log);
  return status == WK_OK ? flush(writer) : status;
}

wk_status wk_event_writer_restart_at(wk_place here, wk_event_writer *writer, int64_t step) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = restart(writer, step);
  wk_error_add_call("event_writer_restart", here);
  return status;
}

static wk_status add_scalar(wk_event_writer *writer, const char *tag, int64_t step, double value) {
  if (!writer || !tag)
    return wk_fail(WK_ERROR_ARGUMENT, "wk_event_writer_scalar: writer or tag is NULL");
  wk_text scalar = {0}, summary = {0};
  put_bytes(&scalar, VALUE_TAG, tag, strlen(tag));
  wk_status status = put_float(&scalar, VALUE_SIMPLE, (float)value);
  if (status == WK_OK) status = put_bytes(&summary, SUMMARY_VALUE, scalar.data, scalar.length);
  if (status == WK_OK)
    status = append_event(writer, step, EVENT_SUMMARY, summary.data, summary.length);
  wk_text_free(&scalar);
  wk_text_free(&summary);
  if (status < 0) return status;
  const bool due =
      writer->pending.length >= FLUSH_BYTES || wk_seconds() - writer->last_flush >= FLUSH_SECONDS;
  return due ? flush(writer) : WK_OK;
}

wk_status wk_event_writer_scalar_at(wk_place here, wk_event_writer *writer, const char *tag,
                                    int64_t step, double value) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = add_scalar(writer, tag, step, value);
  wk_error_add_call("event_writer_scalar", here);
  return status;
}
