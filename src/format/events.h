/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_EVENTS_H
#define WICK_FORMAT_EVENTS_H

/* Event files as TensorBoard reads and writes them: TFRecord frames around `Event` messages in
 * protocol buffer encoding (tensorboard/compat/proto/event.proto, summary.proto, tensor.proto).
 * A frame is a length of 8 bytes, its masked CRC-32C, the message, and that one's masked CRC-32C;
 * numbers are little endian. What the writer and the reader share stands here. */

#include <stddef.h>

#include <wick/format.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */
enum {
  EVENT_WALL_TIME = 1,
  EVENT_STEP = 2,
  EVENT_FILE_VERSION = 3,
  EVENT_SUMMARY = 5,
  EVENT_SESSION_LOG = 7,
  SUMMARY_VALUE = 1,
  VALUE_TAG = 1,
  VALUE_SIMPLE = 2,
  VALUE_TENSOR = 8,
  VALUE_METADATA = 9,
  METADATA_PLUGIN = 1,
  PLUGIN_NAME = 1,
  SESSION_STATUS = 1,
  SESSION_START = 1
};

enum { FRAME_HEADER = 12, FRAME_FOOTER = 4 }; /* bytes around a message */

/* Reads events from memory, which must outlive the reader. */
wk_event_reader *wk_event_reader_create(const void *data, size_t size);

#endif
