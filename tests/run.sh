#!/bin/sh
# Runs the tests side by side: two workers have a lab each (tests marked lab), two share everything else, since a good
# part of it waits for processes to start and end.
#   sh tests/run.sh [pytest arguments, files or test names]
# Fails when either fails. A selection that leaves one of the two without tests is no failure; both without is one.
set -u
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-.venv/bin/python}
out=$(mktemp -d) || exit 2
# Hundreds of short processes are started, some as users who cannot write here: with byte code, as when installed.
unset PYTHONDONTWRITEBYTECODE
"$python" -m compileall -q actions console profiles screens
trap 'rm -rf "$out"' EXIT
lab=
rest=
# Ctrl-C reaches the workers by itself; a polite end of this script is passed on as one.
trap 'wait; exit 130' INT
trap 'kill -INT $lab $rest 2>/dev/null; wait; exit 143' TERM

# Only tests below tests/lab have the mark. The tests of one file share a lab: for a single one, no second is started.
named=no labs=2 first=
for argument in "$@"; do
  file=${argument%%::*}
  if [ ! -e "$file" ]; then continue; fi
  if [ $named = no ] && [ -f "$file" ]; then first=$file labs=1; elif [ "$file" != "$first" ]; then labs=2; fi
  named=yes
done
if [ $named = yes ]; then lab_tests= rest_tests=; else lab_tests=tests/lab rest_tests="tests --ignore=tests/lab"; fi

run() { # name, mark, folder, arguments...
  name=$1 mark=$2 folder=$3
  shift 3
  # A shell starts background commands deaf to Ctrl-C; without ears pytest could not take the lab down.
  exec "$python" -c 'import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main(sys.argv[1:]))' -m "$mark" --junitxml="$out/$name.xml" --color=no "$@" $folder >"$out/$name.txt" 2>&1
}

run lab lab "$lab_tests" -n $labs --dist loadfile --no-loadscope-reorder "$@" &
lab=$!
run rest "not lab" "$rest_tests" -n 2 --dist worksteal "$@" &
rest=$!

wait $rest
rest_code=$?
echo "=== tests without the lab ==="
cat "$out/rest.txt"
wait $lab
lab_code=$?
echo "=== tests in the lab ==="
cat "$out/lab.txt"
echo

"$python" - "$out/rest.xml" "$rest_code" "$out/lab.xml" "$lab_code" <<'PROGRAM'
import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
codes = []
for file, code in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    codes.append(code)
    try:
        suites = list(tree.parse(file).getroot().iter("testsuite"))
    except (OSError, tree.ParseError):
        suites = []
    for suite in suites:
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        left_out = int(suite.get("skipped", 0))
        failed += bad
        skipped += left_out
        passed += max(0, int(suite.get("tests", 0)) - bad - left_out)
wrong = [code for code in codes if code not in (0, 5)]
print(f"{passed} passed, {failed} failed, {skipped} skipped")
if wrong and not failed:
    print(f"a worker ended with exit {wrong[0]} without a failed test: read its output above", file=sys.stderr)
if codes == [5, 5]:
    print("no test was selected", file=sys.stderr)
sys.exit(1 if wrong or codes == [5, 5] else 0)
PROGRAM
