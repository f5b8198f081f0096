/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_CLI_BENCH_PEERS_H
#define WICK_CLI_BENCH_PEERS_H

/* Other frameworks, asked how long they take for the same work. Each is a process that answers a
 * line of JSON with one: bench/peers/peer.py, started by what bench/peers/setup wrote. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct wk_peer {
  const char *name; /* "torch" */
  FILE *questions, *answers;
  pid_t process; /* 0: not running */
} wk_peer;

/* Starts FOLDER/run-NAME. False when it is not there or does not answer. */
bool wk_peer_start(wk_peer *peer, const char *name);
void wk_peer_stop(wk_peer *peer);

/* Seconds that the work takes, by its clock, working for about `seconds`; NaN if it does not know
 * the work or is not running. `question` is borrowed. */
double wk_peer_ask(wk_peer *peer, json_t *question, double seconds);

#endif
