/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_ASSEMBLE_H
#define WICK_TESTS_SUPPORT_ASSEMBLE_H

#include <stddef.h>
#include <stdint.h>

/* A safetensors file made of text that a fuzzer can change without breaking the frame: a line that
 * becomes the metadata `key`, then the table of tensors, without their places and bytes (zeros).
 * Freed with free. NULL where the text is not of that form. */
uint8_t *assemble_safetensors(const char *key, const uint8_t *data, size_t size, size_t *file_size);

#endif
