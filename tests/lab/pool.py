"""A pooled client of PostgreSQL under load: `python pool.py LOGIN_FILE HOST PORT DATABASE FOLDER`.

Each of its connections is used again and again and made anew after 40 queries, as a pool with a lifetime does. SIGHUP:
it reads its login again, and new connections use that. SIGTERM: it says how many queries went well, and how many not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psycopg

WORKERS, LIFETIME = 4, 40

login_file, host, port, database, folder = sys.argv[1:]
home = Path(folder)
stopping = threading.Event()
lock = threading.Lock()
counts = {"good": 0, "failed": 0, "logins": 0}
errors: list[str] = []
login = {"user": "", "password": ""}
generation = 0


def read_login() -> None:
    global login, generation
    login, generation = json.loads(Path(login_file).read_text()), generation + 1
    aside = home / "uses.new"
    aside.write_text(login["user"] + "\n")
    aside.replace(home / "uses")


def connect() -> psycopg.Connection[tuple[object, ...]]:
    with lock:
        counts["logins"] += 1
    return psycopg.connect(
        host=host, port=int(port), dbname=database, application_name="pool", autocommit=True, connect_timeout=5, **login
    )


def work() -> None:
    connection, used, mine = None, 0, -1
    while not stopping.is_set():
        try:
            if connection is None or used >= LIFETIME or mine != generation:
                if connection is not None:
                    connection.close()
                    connection = None
                mine, used = generation, 0
                connection = connect()
            connection.execute("SELECT count(*) FROM things")
            used += 1
            with lock:
                counts["good"] += 1
        except psycopg.Error as error:
            with lock:
                counts["failed"] += 1
                errors.append(str(error).strip()[-200:])
            connection = None
            time.sleep(0.05)
        time.sleep(0.004)
    if connection is not None:
        connection.close()


def report() -> None:
    with lock:
        text = json.dumps({**counts, "errors": sorted(set(errors))[:5]})
    aside = home / "counted.new"
    aside.write_text(text)
    aside.replace(home / "counted")


read_login()
signal.signal(signal.SIGHUP, lambda *_: read_login())
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
(home / "pid").write_text(str(os.getpid()))
threads = [threading.Thread(target=work) for _ in range(WORKERS)]
for thread in threads:
    thread.start()
while not stopping.is_set():
    report()
    with contextlib.suppress(InterruptedError):
        time.sleep(0.05)
for thread in threads:
    thread.join()
report()
