# A file's content: 1 path  2 bytes at most. Ends with 44 if there is none, 45 if it is longer, 46 if it is no file.
if [ ! -e "$1" ] && [ ! -L "$1" ]; then exit 44; fi
[ -f "$1" ] || exit 46
size=$(wc -c <"$1") || exit 1
[ "$((size))" -le "$2" ] || exit 45
exec head -c "$2" "$1"
