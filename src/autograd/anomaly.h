/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_AUTOGRAD_ANOMALY_H
#define WICK_AUTOGRAD_ANOMALY_H

#include "ops/dispatch.h"

/* The layer of dispatch that looks for NaN and infinity in what ops give, for threads that asked
 * for it; stands behind autograd's, so that a bad result is never recorded. */
extern const wk_dispatch_layer wk_anomaly_layer;

#endif
