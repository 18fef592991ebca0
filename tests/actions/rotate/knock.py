"""knock.py works|accept|refuse PORT: a value on standard input; exit code 0, 1 (refused), 3 (it cannot be seen)."""

import socket
import sys

body = sys.stdin.buffer.read()
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10) as line:
        head = f"POST /{sys.argv[1]} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        status = line.makefile("rb").readline().split()[1]
except OSError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(3)
sys.exit({b"200": 0, b"401": 1}.get(status, 3))
