/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_FORMAT_CRC32C_H
#define WICK_FORMAT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), and as TFRecord files keep it: rotated and offset,
 * so that a checksum of data that holds checksums stays a good one. */
uint32_t wk_crc32c(const void *data, size_t size);
uint32_t wk_crc32c_masked(const void *data, size_t size);

#endif
