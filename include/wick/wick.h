/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_WICK_H
#define WICK_WICK_H

/* Wick: deep learning in C. This header includes all of it. */

#include <wick/autograd.h>
#include <wick/base.h>
#include <wick/control.h>
#include <wick/data.h>
#include <wick/device.h>
#include <wick/dlpack.h>
#include <wick/format.h>
#include <wick/graph.h>
#include <wick/indexing.h>
#include <wick/nn.h>
#include <wick/ops.h>
#include <wick/optim.h>
#include <wick/tensor.h>
#include <wick/train.h>

#endif
