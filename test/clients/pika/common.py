"""What the programs share: their arguments, and one line for each scenario.

    program HOST PORT PREFIX CA [SCENARIO ...]

Names of queues and exchanges begin with PREFIX. CA is the file of an authority
to trust, for TLS, or "-".
"""
import json
import re
import signal
import ssl
import sys
import traceback

import pika

HOST, PORT, PREFIX, CA = sys.argv[1:5]
ONLY = sys.argv[5:]

BOUND = 90  # seconds for one scenario, generously

SCENARIOS = []
ALONE = "restart", "idle"  # run when they are asked for


def scenario(name):
    """Registers a function that returns what it saw."""
    def register(fn):
        if name in ONLY or not ONLY and name not in ALONE:
            SCENARIOS.append((name, fn))
        return fn
    return register


def say(line):
    print(line, flush=True)


def late(*_):
    raise TimeoutError("still waiting after %d s" % BOUND)


def run_all(run):
    signal.signal(signal.SIGALRM, late)
    for name, fn in SCENARIOS:
        signal.alarm(BOUND)
        try:
            saw = run(fn)
        except Exception as err:
            traceback.print_exc()
            saw = "failed: %r" % err
        signal.alarm(0)
        say("%s: %s" % (name, saw))


def parameters(password="guest", **more):
    if CA != "-":
        more["ssl_options"] = pika.SSLOptions(ssl.create_default_context(cafile=CA), "localhost")
    return pika.ConnectionParameters(
        HOST, int(PORT), credentials=pika.PlainCredentials("guest", password),
        socket_timeout=BOUND, stack_timeout=BOUND, **more)


def named(name):
    return PREFIX + name


def quoted(text):
    return json.dumps(text.decode() if isinstance(text, bytes) else text)


def closed(err):
    """The code and text that the broker closed a channel or connection with."""
    return "%d %s" % (err.reply_code, err.reply_text)


def refusal(err):
    """The same of an attempt to connect, which pika keeps as text alone."""
    return re.sub(r"ConnectionClosedByBroker: \((\d+)\) '(.*)'", r"\1 \2", str(err.args[0]))


def capabilities(of):
    return ", ".join(sorted(name for name, has in of["capabilities"].items() if has))


PROPERTIES = dict(
    content_type="text/plain", content_encoding="utf-8", delivery_mode=2, priority=3,
    correlation_id="correlation", reply_to="reply", expiration="60000", message_id="message",
    timestamp=1700000000, type="type", user_id="guest", app_id="app",
    headers={"text": "x", "number": 42, "yes": True, "list": ["a", 1], "nested": {"k": "v"}})


def properties(p):
    return json.dumps({name: getattr(p, name) for name in PROPERTIES}, sort_keys=True)


def death(method, header, body):
    """What the newest entry of x-death says."""
    x = header.headers["x-death"][0]
    return "%s by %s, %s %d time from queue %s, exchange %s, keys %s" % (
        quoted(body), quoted(method.routing_key), x["reason"], x["count"],
        quoted(x["queue"]), quoted(x["exchange"]), json.dumps(x["routing-keys"]))
