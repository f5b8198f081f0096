/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_READ_CHECKPOINT_H
#define WICK_TESTS_SUPPORT_READ_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Resumes a small network's training from a checkpoint, a file or the text that assemble.h tells
 * of, and takes a step. */
wk_status read_checkpoint(const uint8_t *data, size_t size, wk_text *detail);

/* Writes a checkpoint of that network to `path`. */
wk_status write_checkpoint(const char *path);

#endif
