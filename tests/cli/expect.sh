# What the scripts here share: a directory to work in, and commands with what they should say.
# SPDX-License-Identifier: Apache-2.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# expect WHAT CODE TEXT COMMAND...: the command ends with this exit code and its output holds the text.
expect() {
  what=$1 code=$2 text=$3
  shift 3
  case $(command -v "$1") in
    */*) timeout 20 "$@" ;;
    *) "$@" ;;  # a function of the test
  esac >output 2>&1
  got=$?
  if [ "$got" -ne "$code" ]; then
    echo "FAILED: $what: exit code $got, expected $code"
    failures=$((failures + 1))
  elif ! grep -qF -- "$text" output; then
    echo "FAILED: $what: expected the output to hold: $text"
    head -5 output
    failures=$((failures + 1))
  fi
}

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}
