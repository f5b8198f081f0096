/* SPDX-License-Identifier: Apache-2.0 */

/* The command `wick`: finds the command that the first word names and runs it. */

#include <stdio.h>
#include <string.h>

#include <wick/base.h>

#include "cli/command.h"
#include "models/models.h"

static const wk_command commands[] = {
    {"train", "train a network on a data set and save it", wk_command_train},
    {"eval", "score a saved network on unseen data", wk_command_eval},
    {"predict", "name what is on pictures", wk_command_predict},
    {"inspect", "what a network's plan does, and what memory it takes", wk_command_inspect},
    {"info", "what this Wick and this machine have", wk_command_info},
    {"bench", "measure kernels against what the processor can do", wk_command_bench},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
  printf("usage: wick COMMAND ...\n\n");
  for (int i = 0; i < COMMANDS; i++) printf("  %-9s %s\n", commands[i].name, commands[i].summary);
  printf("\n  wick help COMMAND   a command's options\n"
         "  wick --version      the version\n\n"
         "to begin with: wick train fashion-mnist\n");
}

static const wk_command *find(const char *name) {
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static int unknown(const char *word) {
  const char *names[COMMANDS + 1] = {0};
  for (int i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
  const char *meant = wk_closest_name(word, names);
  fprintf(stderr, "wick: there is no command %s", word);
  if (meant) fprintf(stderr, "; did you mean %s?", meant);
  fprintf(stderr, "\ntry: wick help\n");
  return WK_EXIT_USAGE;
}

static int help(const char *name) {
  if (!name) {
    print_help();
    return WK_EXIT_OK;
  }
  const wk_command *command = find(name);
  char option[] = "--help";
  char *argv[] = {option, option, NULL};
  return command ? command->run(2, argv) : unknown(name);
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return WK_EXIT_USAGE;
  }
  const char *word = argv[1];
  if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
    printf("wick %s\n", wk_version());
    return WK_EXIT_OK;
  }
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return help(NULL);
  if (strcmp(word, "help") == 0) return help(argc > 2 ? argv[2] : NULL);
  const wk_command *command = find(word);
  return command ? command->run(argc - 1, argv + 1) : unknown(word);
}

int main(int argc, char **argv) {
  wk_models_register();
  int status = run(argc, argv);
  /* Output that went nowhere (a full disk, a closed pipe) is a failure too. */
  if (fflush(stdout) != 0 || ferror(stdout)) {
    perror("wick: standard output");
    if (status == WK_EXIT_OK) status = WK_EXIT_FAILURE;
  }
  wk_shutdown();
  return status;
}
