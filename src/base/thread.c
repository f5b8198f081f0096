/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

_Thread_local wk_thread wk_thread_current = {.gradients_recorded = true};

wk_thread *wk_thread_here(void) { return &wk_thread_current; }
