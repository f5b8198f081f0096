/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_NULL_NULL_H
#define WICK_BACKEND_NULL_NULL_H

/* Memory of the null device: counted, and not there. Blocks of at most WK_NULL_MOST_BYTES are real,
 * so that passes see the numbers written in a function, as they do on the device that it plans for;
 * others begin at an address that no program has. */

#include "device/device.h"

extern const wk_device_functions wk_null_device_functions;

#endif
