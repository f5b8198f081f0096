/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_GZIP_H
#define WICK_FORMAT_GZIP_H

/* gzip streams (RFC 1952) held in memory. Memory grows with what really comes out of the stream,
 * never with what a header claims. */

#include <stdbool.h>
#include <stddef.h>

#include <wick/base.h>

/* True when the bytes begin as a gzip stream does. */
bool wk_is_gzip(const void *data, size_t size);

/* Inflates all members of the stream. More than `limit` bytes are a WK_ERROR_FORMAT, as is anything
 * behind the last member but zeros. *result is freed with wk_deallocate. */
wk_status wk_gunzip(const void *data, size_t size, size_t limit, void **result,
                    size_t *result_size);

/* Inflates at most the first `size_wanted` bytes into `buffer`; *got is less where the stream ends
 * before. */
wk_status wk_gunzip_head(const void *data, size_t size, void *buffer, size_t size_wanted,
                         size_t *got);

#endif
