/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

extern char **environ;

static json_t *read_answer(wk_peer *peer) {
  char line[1024];
  if (!fgets(line, sizeof line, peer->answers)) return NULL;
  return json_loads(line, 0, NULL);
}

/* With its standard input and output on the two pipes. */
static bool spawn_peer(wk_peer *peer, const char *path, int in[2], int out[2]) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  for (int i = 0; i < 2; i++) { /* a peer that held another's pipe would keep it from ending */
    fcntl(in[i], F_SETFD, FD_CLOEXEC);
    fcntl(out[i], F_SETFD, FD_CLOEXEC);
  }
  char *const arguments[] = {(char *)(uintptr_t)path, NULL};
  const int result = posix_spawn(&peer->process, path, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]), close(out[1]);
  peer->questions = fdopen(in[1], "w"), peer->answers = fdopen(out[0], "r");
  if (result) peer->process = 0;
  return !result && peer->questions && peer->answers;
}

bool wk_peer_start(wk_peer *peer, const char *name) {
  *peer = (wk_peer){.name = name};
  char path[1024];
  wk_print_into(path, sizeof path, 0, "%s/run-%s", wk_variable_get(WK_VARIABLE_PEERS), name);
  int in[2], out[2];
  if (access(path, X_OK) || pipe(in)) return false;
  if (pipe(out)) {
    close(in[0]), close(in[1]);
    return false;
  }
  signal(SIGPIPE, SIG_IGN); /* a peer that ends is seen by what it does not answer */
  bool works = spawn_peer(peer, path, in, out);
  json_t *ready = works ? read_answer(peer) : NULL;
  works = json_is_true(json_object_get(ready, "ready"));
  json_decref(ready);
  if (!works) wk_peer_stop(peer);
  return works;
}

void wk_peer_stop(wk_peer *peer) {
  if (peer->questions) fclose(peer->questions);
  if (peer->answers) fclose(peer->answers);
  if (peer->process)
    while (waitpid(peer->process, NULL, 0) < 0 && errno == EINTR) {
    }
  *peer = (wk_peer){.name = peer->name};
}

double wk_peer_ask(wk_peer *peer, json_t *question, double seconds) {
  if (!peer->process) return (double)NAN;
  json_object_set_new(question, "budget", json_real(seconds));
  char *text = json_dumps(question, JSON_COMPACT);
  if (!text) return (double)NAN;
  fprintf(peer->questions, "%s\n", text);
  fflush(peer->questions);
  free(text);
  json_t *answer = read_answer(peer);
  if (!answer) wk_peer_stop(peer);
  const json_t *found = json_object_get(answer, "seconds");
  const double result = json_is_number(found) ? json_number_value(found) : (double)NAN;
  json_decref(answer);
  return result;
}
