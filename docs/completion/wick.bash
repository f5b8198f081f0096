# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# bash completion for wick(1). Commands, options and their values are asked of the command itself, so
# what this offers is what the installed version has.

# What `wick help` lists, or the options of a command: the first words of its indented lines.
_wick_words() { # $1: wick, $2: command, or nothing
  "$1" help ${2:+"$2"} 2>/dev/null | sed -n 's/^  \(--\)\{0,1\}\([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1\2/p' |
    grep -v '^wick$'
}

# The help line of an option: its value's name and what it may be.
_wick_option_line() { # $1: wick, $2: command, $3: option
  "$1" help "$2" 2>/dev/null | grep -- "^  $3 "
}

_wick_data_sets() { # $1: wick
  "$1" info 2>/dev/null | sed -n '/^data sets$/,/^$/ s/^  \([^ ]*\) .*/\1/p'
}

# Completes the value of the option before the cursor; fails when that option takes none.
_wick_value() { # $1: wick, $2: command, $3: option, $4: the word so far
  local line
  line=$(_wick_option_line "$1" "$2" "$3") || return 1
  case $line in
    "  $3 FOLDER"*) mapfile -t COMPREPLY < <(compgen -d -- "$4") ;;
    "  $3 DATA"*) mapfile -t COMPREPLY < <(compgen -W "$(_wick_data_sets "$1")" -d -- "$4") ;;
    "  $3 NAME"*) # "the network: convnet, lenet, cifar or mlp": words that the command accepts
      mapfile -t COMPREPLY < <(compgen -W "$(_wick_names "$1" "$2" "$3")" -- "$4") ;;
    "  $3 "[A-Z]*) COMPREPLY=() ;;
    *) return 1 ;;
  esac
}

# The names that an option may have, out of the message about one that it may not.
_wick_names() { # $1: wick, $2: command, $3: option
  "$1" "$2" "$3" '?' 2>&1 >/dev/null </dev/null | sed -n 's/.*it is one of //p' | tr -d ,
}

# The words between bars in "usage: wick bench gemm|conv|ops".
_wick_parts() { # $1: wick
  "$1" help bench 2>/dev/null | sed -n '1 s/.* bench \([^ ]*\).*/\1/p' | tr '|' ' '
}

_wick() {
  local wick=$1 word=$2 before=$3 command=${COMP_WORDS[1]}
  COMPREPLY=()
  # "--name=value" arrives as three words.
  if [[ $word == = ]]; then
    word='' before=${COMP_WORDS[COMP_CWORD - 1]}
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(_wick_words "$wick") help --help --version" -- "$word")
    return
  fi
  if [[ $before == --* ]] && _wick_value "$wick" "$command" "$before" "$word"; then
    return
  fi
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_wick_words "$wick" "$command")" -- "$word")
    return
  fi
  case $command in
    help) mapfile -t COMPREPLY < <(compgen -W "$(_wick_words "$wick")" -- "$word") ;;
    train) mapfile -t COMPREPLY < <(compgen -W "$(_wick_data_sets "$wick")" -d -- "$word") ;;
    bench) mapfile -t COMPREPLY < <(compgen -W "$(_wick_parts "$wick")" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}

complete -o filenames -F _wick wick
