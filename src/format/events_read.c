/* SPDX-License-Identifier: Apache-2.0 */

/* Reading event files; events.h describes them. Files are untrusted and may be growing: a record is
 * only given memory once the file holds all of it, both checksums are compared, and fields that are
 * unknown, or known under another wire type, are passed over. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/crc32c.h"
#include "format/events.h"

#define READ_AHEAD ((size_t)64 << 10)

typedef struct message {
  const uint8_t *at, *end;
} message;

struct wk_event_reader {
  int descriptor; /* -1: everything is in memory */
  char *path;
  uint8_t *buffer; /* owned; what `data` points to when there is a file */
  size_t capacity;
  const uint8_t *data;
  size_t begin, end; /* data[begin..end) has been read from the file, but not handed out */
  uint64_t offset;   /* of data[begin] in the file */
  uint64_t records;  /* handed out */
  size_t unfinished; /* bytes behind the last whole record, when last looked for more */
  double wall_time;  /* of the last record, */
  int64_t step;      /* as this */
  message values;    /* what is left of its Summary */
  wk_text text;      /* of the last event */
};

/* ---- protocol buffers ---- */

/* A field's number and wire type as one number, for switches. */
#define KEY(number, wire_type) ((uint64_t)(number) << 3 | (wire_type))

typedef struct field {
  uint64_t key;
  uint64_t bits; /* of a number */
  message bytes; /* of BYTES: a string, a message or packed numbers */
} field;

static size_t left(const message *m) { return (size_t)(m->end - m->at); }

static uint64_t little_endian(const uint8_t *bytes, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static double float_of(uint64_t bits) {
  const uint32_t low = (uint32_t)bits;
  float value;
  memcpy(&value, &low, sizeof value);
  return (double)value;
}

static double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static bool read_varint(message *m, uint64_t *value) {
  *value = 0;
  for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
    const uint8_t byte = *m->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static bool read_fixed(message *m, int size, uint64_t *value) {
  if (left(m) < (size_t)size) return false;
  *value = little_endian(m->at, size);
  m->at += size;
  return true;
}

static bool read_bytes(message *m, message *bytes) {
  uint64_t size;
  if (!read_varint(m, &size) || size > left(m)) return false;
  *bytes = (message){m->at, m->at + size};
  m->at += size;
  return true;
}

/* WK_END at the message's end. Groups are a wire type that these messages never had. */
static wk_status next_field(message *m, field *f) {
  if (m->at == m->end) return WK_END;
  *f = (field){0};
  bool good = read_varint(m, &f->key) && f->key <= UINT32_MAX && f->key >= KEY(1, 0);
  if (good) {
    switch (f->key & 7) {
    case VARINT:
      good = read_varint(m, &f->bits);
      break;
    case FIXED64:
      good = read_fixed(m, 8, &f->bits);
      break;
    case BYTES:
      good = read_bytes(m, &f->bytes);
      break;
    case FIXED32:
      good = read_fixed(m, 4, &f->bits);
      break;
    default:
      good = false;
    }
  }
  return good ? WK_OK : wk_fail(WK_ERROR_FORMAT, "its fields are damaged");
}

/* ---- the bytes ---- */

static wk_status not_yet(wk_event_reader *reader, size_t unfinished) {
  reader->unfinished = unfinished;
  return WK_END;
}

/* Makes room for `size` bytes from data[begin] on. */
static wk_status make_room(wk_event_reader *reader, size_t size) {
  const size_t kept = reader->end - reader->begin;
  if (size <= reader->capacity) {
    memmove(reader->buffer, reader->buffer + reader->begin, kept);
  } else {
    uint8_t *larger = wk_allocate(size);
    if (!larger) return wk_error_status();
    if (kept > 0) memcpy(larger, reader->buffer + reader->begin, kept);
    wk_deallocate(reader->buffer);
    reader->data = reader->buffer = larger;
    reader->capacity = size;
  }
  reader->begin = 0;
  reader->end = kept;
  return WK_OK;
}

/* Reads until data[begin..end) has `wanted` bytes or more; WK_END when the file is shorter. */
static wk_status read_ahead(wk_event_reader *reader, size_t wanted) {
  struct stat facts;
  if (fstat(reader->descriptor, &facts) != 0) return wk_fail_errno("fstat", reader->path);
  const uint64_t size = (uint64_t)facts.st_size;
  const uint64_t there = size > reader->offset ? size - reader->offset : 0;
  if (there < wanted) return not_yet(reader, (size_t)there);
  const size_t ahead = there < READ_AHEAD ? (size_t)there : READ_AHEAD;
  if (make_room(reader, ahead > wanted ? ahead : wanted) < 0) return wk_error_status();
  while (reader->end < wanted) {
    const ssize_t got =
        pread(reader->descriptor, reader->buffer + reader->end, reader->capacity - reader->end,
              (off_t)(reader->offset + reader->end));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return wk_fail_errno("read", reader->path);
    if (got == 0) return not_yet(reader, reader->end); /* it became shorter */
    reader->end += (size_t)got;
  }
  return WK_OK;
}

static wk_status need(wk_event_reader *reader, size_t wanted) {
  if (reader->end - reader->begin >= wanted) return WK_OK;
  return reader->descriptor >= 0 ? read_ahead(reader, wanted)
                                 : not_yet(reader, reader->end - reader->begin);
}

/* ---- frames ---- */

static wk_status bad_frame(const wk_event_reader *reader, const char *what) {
  return wk_fail(WK_ERROR_FORMAT, "record %" PRIu64 " (at byte %" PRIu64 "): %s", reader->records,
                 reader->offset, what);
}

static bool checksum_is_good(const uint8_t *bytes, size_t size) {
  return wk_crc32c_masked(bytes, size) == little_endian(bytes + size, 4);
}

/* Takes the next record; its bytes stay until the one after it is asked for. A record of which not
 * the whole is there is left for later. */
static wk_status next_record(wk_event_reader *reader, message *record) {
  wk_status status = need(reader, FRAME_HEADER);
  if (status != WK_OK) return status;
  if (!checksum_is_good(reader->data + reader->begin, 8))
    return bad_frame(reader, "the checksum of its length is not that of its length");
  const uint64_t length = little_endian(reader->data + reader->begin, 8);
  if (length > PTRDIFF_MAX - FRAME_HEADER - FRAME_FOOTER)
    return bad_frame(reader, "its length is larger than any file");
  const size_t whole = FRAME_HEADER + (size_t)length + FRAME_FOOTER;
  status = need(reader, whole);
  if (status != WK_OK) return status;
  const uint8_t *bytes = reader->data + reader->begin + FRAME_HEADER;
  *record = (message){bytes, bytes + length};
  if (!checksum_is_good(bytes, (size_t)length))
    status = bad_frame(reader, "its checksum is not that of its bytes");
  reader->begin += whole;
  reader->offset += whole;
  reader->records++;
  return status;
}

/* ---- scalars kept as tensors ---- */

enum {
  TENSOR_DTYPE = 1,
  TENSOR_SHAPE = 2,
  TENSOR_CONTENT = 4,
  TENSOR_FLOATS = 5,
  TENSOR_DOUBLES = 6,
  SHAPE_DIM = 2,
  SHAPE_UNKNOWN_RANK = 3,
  DTYPE_FLOAT = 1,
  DTYPE_DOUBLE = 2
};

static wk_status read_shape(message m, bool *is_scalar) {
  wk_status status;
  for (field f; (status = next_field(&m, &f)) == WK_OK;) {
    if (f.key == KEY(SHAPE_DIM, BYTES)) *is_scalar = false;
    if (f.key == KEY(SHAPE_UNKNOWN_RANK, VARINT) && f.bits != 0) *is_scalar = false;
  }
  return status;
}

/* The number in `bytes` if exactly one is there, of `size` bytes. */
static wk_status read_only_number(message bytes, int size, uint64_t *bits) {
  if (left(&bytes) != (size_t)size)
    return wk_fail(WK_ERROR_FORMAT, "a tensor of one number holds %zu bytes, not %d", left(&bytes),
                   size);
  *bits = little_endian(bytes.at, size);
  return WK_OK;
}

/* TensorFlow leaves a zero out altogether. */
static wk_status read_tensor(message m, bool *is_scalar, double *value) {
  uint64_t dtype = 0, float_bits = 0, double_bits = 0;
  message content = {0};
  wk_status status;
  *is_scalar = true;
  for (field f; (status = next_field(&m, &f)) == WK_OK;) {
    switch (f.key) {
    case KEY(TENSOR_DTYPE, VARINT):
      dtype = f.bits;
      break;
    case KEY(TENSOR_SHAPE, BYTES):
      status = read_shape(f.bytes, is_scalar);
      break;
    case KEY(TENSOR_CONTENT, BYTES):
      content = f.bytes;
      break;
    case KEY(TENSOR_FLOATS, FIXED32):
      float_bits = f.bits;
      break;
    case KEY(TENSOR_DOUBLES, FIXED64):
      double_bits = f.bits;
      break;
    case KEY(TENSOR_FLOATS, BYTES): /* packed; of more numbers the first one counts */
      if (left(&f.bytes) >= 4) float_bits = little_endian(f.bytes.at, 4);
      break;
    case KEY(TENSOR_DOUBLES, BYTES):
      if (left(&f.bytes) >= 8) double_bits = little_endian(f.bytes.at, 8);
      break;
    default:
      break;
    }
    if (status < 0) return status;
  }
  if (dtype != DTYPE_FLOAT && dtype != DTYPE_DOUBLE) *is_scalar = false;
  if (status < 0 || !*is_scalar) return status;
  const bool is_float = dtype == DTYPE_FLOAT;
  if (left(&content) > 0)
    status = read_only_number(content, is_float ? 4 : 8, is_float ? &float_bits : &double_bits);
  *value = is_float ? float_of(float_bits) : double_of(double_bits);
  return status;
}

/* ---- events ---- */

/* Keeps a string for the caller. */
static wk_status keep_text(wk_event_reader *reader, message bytes, const char **text) {
  if (memchr(bytes.at, '\0', left(&bytes)) || !wk_is_utf8(bytes.at, left(&bytes)))
    return wk_fail(WK_ERROR_FORMAT, "a name in it is not UTF-8 text");
  reader->text.length = 0;
  const wk_status status = wk_text_append_bytes(&reader->text, bytes.at, left(&bytes));
  if (status == WK_OK) *text = reader->text.data;
  return status;
}

/* Summaries made for a plugin other than "scalars" are not scalars even where they hold one. */
static wk_status read_metadata(message m, bool *is_scalar) {
  static const char scalars[] = "scalars";
  wk_status status;
  for (field f, g; (status = next_field(&m, &f)) == WK_OK;) {
    if (f.key != KEY(METADATA_PLUGIN, BYTES)) continue;
    message plugin = f.bytes;
    while ((status = next_field(&plugin, &g)) == WK_OK)
      if (g.key == KEY(PLUGIN_NAME, BYTES) && left(&g.bytes) > 0)
        *is_scalar =
            left(&g.bytes) == strlen(scalars) && memcmp(g.bytes.at, scalars, strlen(scalars)) == 0;
    if (status < 0) return status;
  }
  return status;
}

static wk_status read_value(wk_event_reader *reader, message m, wk_event *event) {
  message tag = {m.at, m.at};
  bool is_scalar = false, is_for_scalars = true;
  wk_status status;
  for (field f; (status = next_field(&m, &f)) == WK_OK;) {
    switch (f.key) {
    case KEY(VALUE_TAG, BYTES):
      tag = f.bytes;
      break;
    case KEY(VALUE_SIMPLE, FIXED32):
      is_scalar = true;
      event->value = float_of(f.bits);
      break;
    case KEY(VALUE_TENSOR, BYTES):
      status = read_tensor(f.bytes, &is_scalar, &event->value);
      break;
    case KEY(VALUE_METADATA, BYTES):
      status = read_metadata(f.bytes, &is_for_scalars);
      break;
    default:
      break;
    }
    if (status < 0) return status;
  }
  if (status < 0) return status;
  if (is_scalar && is_for_scalars)
    event->kind = WK_EVENT_SCALAR;
  else
    event->value = 0;
  return keep_text(reader, tag, &event->text);
}

/* The next value of the last record's Summary; WK_END behind the last one. */
static wk_status next_value(wk_event_reader *reader, wk_event *event) {
  field f;
  wk_status status;
  while ((status = next_field(&reader->values, &f)) == WK_OK)
    if (f.key == KEY(SUMMARY_VALUE, BYTES)) return read_value(reader, f.bytes, event);
  return status;
}

static wk_status read_session_log(message m, wk_event *event) {
  wk_status status;
  for (field f; (status = next_field(&m, &f)) == WK_OK;)
    if (f.key == KEY(SESSION_STATUS, VARINT))
      event->kind = f.bits == SESSION_START ? WK_EVENT_START : WK_EVENT_OTHER;
  return status;
}

/* Reads a record; *is_summary when its values come one by one from next_value. */
static wk_status read_event(wk_event_reader *reader, message m, wk_event *event, bool *is_summary) {
  message what = {0};
  uint64_t key = 0;
  wk_status status;
  reader->wall_time = 0;
  reader->step = 0;
  for (field f; (status = next_field(&m, &f)) == WK_OK;) {
    switch (f.key) {
    case KEY(EVENT_WALL_TIME, FIXED64):
      reader->wall_time = double_of(f.bits);
      break;
    case KEY(EVENT_STEP, VARINT):
      reader->step = (int64_t)f.bits;
      break;
    case KEY(EVENT_FILE_VERSION, BYTES):
    case KEY(EVENT_SUMMARY, BYTES):
    case KEY(EVENT_SESSION_LOG, BYTES):
      key = f.key, what = f.bytes;
      break;
    default:
      break;
    }
  }
  if (status < 0) return status;
  *is_summary = key == KEY(EVENT_SUMMARY, BYTES);
  if (*is_summary) reader->values = what;
  if (key == KEY(EVENT_SESSION_LOG, BYTES)) return read_session_log(what, event);
  if (key != KEY(EVENT_FILE_VERSION, BYTES)) return WK_OK;
  event->kind = WK_EVENT_VERSION;
  return keep_text(reader, what, &event->text);
}

/* What is left of a damaged record is passed over. */
static wk_status give_up_record(wk_event_reader *reader, wk_status status) {
  reader->values = (message){0};
  if (status == WK_ERROR_FORMAT)
    wk_error_wrap("record %" PRIu64 " (ending at byte %" PRIu64 ") is no event",
                  reader->records - 1, reader->offset);
  return status;
}

static wk_status next_event(wk_event_reader *reader, wk_event *event) {
  for (;;) {
    wk_status status = next_value(reader, event);
    bool is_summary = false;
    if (status == WK_END) {
      message record;
      status = next_record(reader, &record);
      if (status != WK_OK) return status;
      status = read_event(reader, record, event, &is_summary);
    }
    if (status < 0) return give_up_record(reader, status);
    event->wall_time = reader->wall_time;
    event->step = reader->step;
    if (!is_summary) return WK_OK;
  }
}

/* ---- entry points ---- */

static wk_status next(wk_event_reader *reader, wk_event *event) {
  if (!reader || !event || event->struct_size < sizeof event->struct_size)
    return wk_fail(WK_ERROR_ARGUMENT,
                   "wk_event_reader_next: reader or event is NULL, or its struct_size is not set");
  wk_event found = {.struct_size = event->struct_size, .text = ""};
  const wk_status status = next_event(reader, &found);
  if (status < 0) found = (wk_event){.struct_size = event->struct_size, .text = ""};
  memcpy(event, &found, found.struct_size < sizeof found ? found.struct_size : sizeof found);
  if (status == WK_ERROR_FORMAT)
    wk_error_wrap("the event file '%s' is damaged", reader->path ? reader->path : "(memory)");
  return status;
}

wk_status wk_event_reader_next_at(wk_place here, wk_event_reader *reader, wk_event *event) {
  if (wk_failed()) return wk_error_status();
  const wk_status status = next(reader, event);
  wk_error_add_call("event_reader_next", here);
  return status;
}

size_t wk_event_reader_unfinished(const wk_event_reader *reader) {
  return reader ? reader->unfinished : 0;
}

wk_event_reader *wk_event_reader_create(const void *data, size_t size) {
  wk_event_reader *reader = wk_allocate_zeroed(1, sizeof *reader);
  if (!reader) return NULL;
  reader->descriptor = -1;
  reader->data = data;
  reader->end = size;
  return reader;
}

/* A pipe has no size, so it could not be said when a record is whole. */
static wk_status open_file(wk_event_reader *reader, const char *path) {
  struct stat facts;
  reader->path = wk_duplicate_string(path);
  if (!reader->path) return wk_error_status();
  reader->descriptor = wk_file_open(path, O_RDONLY);
  if (reader->descriptor < 0) return wk_fail_errno("open", path);
  if (fstat(reader->descriptor, &facts) != 0) return wk_fail_errno("fstat", path);
  if (!S_ISREG(facts.st_mode)) return wk_fail(WK_ERROR_IO, "'%s' is no ordinary file", path);
  return WK_OK;
}

wk_event_reader *wk_event_reader_open_at(wk_place here, const char *path) {
  if (wk_failed()) return NULL;
  wk_event_reader *reader = NULL;
  if (path)
    reader = wk_event_reader_create(NULL, 0);
  else
    wk_fail(WK_ERROR_ARGUMENT, "wk_event_reader_open: path is NULL");
  if (reader && open_file(reader, path) == WK_OK) return reader;
  wk_event_reader_free(reader);
  wk_error_add_call("event_reader_open", here);
  return NULL;
}

void wk_event_reader_free(wk_event_reader *reader) {
  if (!reader) return;
  if (reader->descriptor >= 0) close(reader->descriptor);
  wk_text_free(&reader->text);
  wk_deallocate(reader->buffer);
  wk_deallocate(reader->path);
  wk_deallocate(reader);
}
