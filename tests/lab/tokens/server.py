"""A service that gives out JSON web tokens: JWT_SECRET_KEY signs and verifies, JWT_SECRET_KEY_PREVIOUS verifies too.

With JWT_KID (and JWT_KID_PREVIOUS) it is strict about the key's id: a token whose id it does not know is refused,
whoever signed it. Its clock is off by CLOCK_OFFSET seconds, as a node's may be. During a stop /health is answered with
503, so that who stands before it takes it out. With DATABASE_URL a login is one at that database, and 500 where that
refuses it (not 503, which who stands before it would try again elsewhere).
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import signal
import socketserver
import threading
import time

LIFE = float(os.environ.get("TOKEN_LIFE", "4"))
LEEWAY = 6.0
OFFSET = float(os.environ.get("CLOCK_OFFSET", "0"))
CURRENT = (os.environ.get("JWT_KID", ""), os.environ["JWT_SECRET_KEY"])
PREVIOUS = (os.environ.get("JWT_KID_PREVIOUS", ""), os.environ.get("JWT_SECRET_KEY_PREVIOUS", ""))
KEYS = [pair for pair in (CURRENT, PREVIOUS) if pair[1]]
leaving = threading.Event()


def now():
    return time.time() + OFFSET


def word(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unword(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mac(key, text):
    return word(hmac.digest(key.encode(), text.encode(), hashlib.sha256))


def sign(sub):
    kid, key = CURRENT
    head = {"alg": "HS256", "typ": "JWT", **({"kid": kid} if kid else {})}
    body = {"sub": sub, "iat": now(), "exp": now() + LIFE}
    text = ".".join(word(json.dumps(part).encode()) for part in (head, body))
    return f"{text}.{mac(key, text)}"


def verified(token):
    try:
        text, _, given = token.rpartition(".")
        head, body = (json.loads(unword(part)) for part in text.split("."))
        if head["alg"] != "HS256":
            return None
        keys = [key for kid, key in KEYS if not CURRENT[0] or kid == head.get("kid")]
        if not any(hmac.compare_digest(mac(key, text), given) for key in keys):
            return None
        if body["exp"] + LEEWAY < now() or body.get("iat", 0) - LEEWAY > now():
            return None
        return body
    except (ValueError, KeyError, TypeError):
        return None


def known():
    """Whether the database lets us in."""
    if "DATABASE_URL" not in os.environ:
        return True
    import psycopg

    try:
        psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            return self.answer(503 if leaving.is_set() else 200, {"release": os.environ["RELEASE"]})
        if self.path == "/login":
            return self.answer(200, {"token": sign("somebody")}) if known() else self.answer(500, {})
        found = verified(self.headers.get("Authorization", "").removeprefix("Bearer "))
        return self.answer(200 if found else 401, found or {})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if leaving.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "tokens", self.server_address[1]


server = Server(("0.0.0.0", 8000), Handler)


def stop(*_):
    """Out of the balancer first, then no more."""
    leaving.set()
    threading.Timer(1.5, server.shutdown).start()


signal.signal(signal.SIGTERM, stop)
server.serve_forever()
