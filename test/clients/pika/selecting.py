"""Drives a broker by pika's SelectConnection.

A scenario is a generator. It yields functions that begin something and take the
callback to call when that is done, whose argument it is then resumed with.
"""
import hashlib
import os

import pika
from pika.adapters.select_connection import IOLoop

from common import (PROPERTIES, capabilities, closed, death, named, parameters, properties, quoted, refusal, run_all,
                    say, scenario)


def run(fn):
    """Runs a scenario on an event loop of its own."""
    loop, result = IOLoop(), []

    def resume(value=None):
        try:
            begin = steps.send(value)
        except StopIteration as end:
            result.append(end.value)
            loop.stop()
        else:
            begin(resume)

    steps = fn(loop)
    resume()
    loop.start()
    loop.close()
    return result[0]


class Inbox(list):
    """Keeps what a callback is called with until a scenario takes it."""
    wanted = None

    def put(self, *item):
        self.append(item)
        self.match()

    def take(self, done):
        self.wanted = done
        self.match()

    def match(self):
        if self and self.wanted:
            wanted, self.wanted = self.wanted, None
            wanted(self.pop(0))


def dial(loop, **more):
    """An open connection, or why it is none."""
    return lambda done: pika.SelectConnection(
        parameters(**more), custom_ioloop=loop, on_open_callback=done, on_open_error_callback=lambda _, err: done(err))


def channel(connection):
    return lambda done: connection.channel(on_open_callback=done)


def ended(it):
    """Why a channel or connection was closed."""
    return lambda done: it.add_on_close_callback(lambda _, reason: done(reason))


def close(it):
    it.close()
    return ended(it)


def with_channel(fn):
    """Runs a scenario on a channel of its own connection."""
    def steps(loop):
        connection = yield dial(loop)
        saw = yield from fn(connection, (yield channel(connection)))
        yield close(connection)
        return saw
    return steps


def queue(ch, name, **more):
    """Declares a queue that goes away with its connection."""
    ok = yield lambda done: ch.queue_declare(named(name), exclusive=True, callback=done, **more)
    return ok.method.queue


def ready(ch, q):
    ok = yield lambda done: ch.queue_declare(q, passive=True, callback=done)
    return ok.method.message_count


def fill(ch, q, messages):
    """Waits until the queue has as many messages, since publishes are not answered."""
    while (yield from ready(ch, q)) < messages:
        pass


def publish(ch, key, *bodies, exchange="", **more):
    for body in bodies:
        ch.basic_publish(exchange, key, body, **more)


def get(ch, q, auto_ack=True):
    """A message, or None."""
    def begin(done):
        def empty(_):
            done(None)

        def full(_, *message):
            ch.callbacks.remove(ch.channel_number, pika.spec.Basic.GetEmpty, empty)
            done(message)

        ch.add_callback(empty, [pika.spec.Basic.GetEmpty])
        ch.basic_get(q, full, auto_ack)
    return begin


def fetch(ch, q):
    """Waits for a message and acks it."""
    while True:
        message = yield get(ch, q)
        if message:
            return message


def consume(ch, q, **more):
    got = Inbox()
    yield lambda done: ch.basic_consume(q, lambda _, *message: got.put(*message), callback=done, **more)
    return got


def again(message):
    return quoted(message[2]) + " again" * message[0].redelivered


@scenario("server")
@with_channel
def _(connection, ch):
    yield from ()
    return capabilities(connection.server_properties)


@scenario("get")
@with_channel
def _(connection, ch):
    q, exchange = (yield from queue(ch, "get")), named("direct")
    yield lambda done: ch.exchange_declare(exchange, "direct", auto_delete=True, callback=done)
    yield lambda done: ch.queue_bind(q, exchange, "key", callback=done)
    publish(ch, "key", "one", "two", exchange=exchange)
    yield from fill(ch, q, 2)
    saw = []
    for _ in range(2):
        method, _, body = yield get(ch, q, auto_ack=False)
        saw.append("%s from %s by %s, %d left" % (
            quoted(body), quoted(method.exchange), quoted(method.routing_key), method.message_count))
        ch.basic_ack(method.delivery_tag)
    if (yield get(ch, q)) is None:
        saw.append("empty")
    return "; ".join(saw)


@scenario("properties")
@with_channel
def _(connection, ch):
    q = yield from queue(ch, "properties")
    publish(ch, q, "", properties=pika.BasicProperties(**PROPERTIES))
    return properties((yield from fetch(ch, q))[1])


@scenario("confirms")
@with_channel
def _(connection, ch):
    q, confirms, acked = (yield from queue(ch, "confirms")), Inbox(), 0
    yield lambda done: ch.confirm_delivery(confirms.put, callback=done)
    publish(ch, q, *["x"] * 100)
    while acked < 100:
        method = (yield confirms.take)[0].method
        assert isinstance(method, pika.spec.Basic.Ack), method
        acked = method.delivery_tag if method.multiple else acked + 1
    return "%d acked, %d ready" % (acked, (yield from ready(ch, q)))


@scenario("return")
@with_channel
def _(connection, ch):
    told = Inbox()
    ch.add_on_return_callback(told.put)
    yield lambda done: ch.confirm_delivery(told.put, callback=done)
    publish(ch, named("nowhere"), "lost", mandatory=True)
    _, method, _, body = yield told.take
    saw = "%d %s, %s to %s by %s" % (
        method.reply_code, method.reply_text, quoted(body), quoted(method.exchange), quoted(method.routing_key))
    confirm = (yield told.take)[0].method
    return saw + ", then acked" * isinstance(confirm, pika.spec.Basic.Ack)


@scenario("prefetch")
@with_channel
def _(connection, ch):
    q, saw = (yield from queue(ch, "prefetch")), []
    yield lambda done: ch.basic_qos(prefetch_count=2, callback=done)
    publish(ch, q, *"12345")
    yield from fill(ch, q, 5)
    got = yield from consume(ch, q)
    unacked = [(yield got.take), (yield got.take)]
    left = yield from ready(ch, q)
    for n in range(5):
        if n >= len(unacked):
            unacked.append((yield got.take))
        method, _, body = unacked[n]
        ch.basic_ack(method.delivery_tag)
        saw.append(body.decode())
    return "2 delivered, %d ready, then %s" % (left, " ".join(saw))


@scenario("requeue")
@with_channel
def _(connection, ch):
    q = yield from queue(ch, "requeue")
    publish(ch, q, "one", "two")
    yield from fill(ch, q, 2)
    ch.basic_nack((yield get(ch, q, auto_ack=False))[0].delivery_tag)
    return "%s, %s" % (again((yield from fetch(ch, q))), again((yield from fetch(ch, q))))


@scenario("rejected")
@with_channel
def _(connection, ch):
    dead = yield from queue(ch, "dead")
    q = yield from queue(ch, "rejecting", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    publish(ch, q, "bad")
    got = yield from consume(ch, q)
    ch.basic_reject((yield got.take)[0].delivery_tag, requeue=False)
    return death(*(yield from fetch(ch, dead)))


@scenario("rpc")
@with_channel
def _(connection, ch):
    q, asking = (yield from queue(ch, "rpc")), (yield channel(connection))
    questions = yield from consume(ch, q, auto_ack=True)
    answers = yield from consume(asking, "amq.rabbitmq.reply-to", auto_ack=True)
    publish(asking, q, "ping", properties=pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7"))
    _, header, body = yield questions.take
    publish(ch, header.reply_to, b"pong to " + body, properties=pika.BasicProperties(correlation_id=header.correlation_id))
    _, header, body = yield answers.take
    return "%s for %s" % (quoted(body), header.correlation_id)


@scenario("transaction")
@with_channel
def _(connection, ch):
    q, counts = (yield from queue(ch, "transaction")), []
    yield lambda done: ch.tx_select(callback=done)
    publish(ch, q, "kept")
    counts.append((yield from ready(ch, q)))
    yield lambda done: ch.tx_commit(callback=done)
    counts.append((yield from ready(ch, q)))
    publish(ch, q, "dropped")
    yield lambda done: ch.tx_rollback(callback=done)
    counts.append((yield from ready(ch, q)))
    return "%d before the commit, %d after it, %d after a rollback" % tuple(counts)


@scenario("consumer cancelled")
@with_channel
def _(connection, ch):
    q, cancelled = (yield from queue(ch, "cancelled")), Inbox()
    ch.add_on_cancel_callback(cancelled.put)
    yield from consume(ch, q, consumer_tag="tag")
    (yield channel(connection)).queue_delete(q)
    frame = (yield cancelled.take)[0]
    return "%s, and the channel is %s" % (quoted(frame.method.consumer_tag), "open" if ch.is_open else "closed")


def refused(fn):
    """A scenario whose channel the broker closes."""
    @with_channel
    def steps(connection, ch):
        yield from fn(ch)
        reason = yield ended(ch)
        yield close((yield channel(connection)))
        return closed(reason)
    return steps


@scenario("not found")
@refused
def _(ch):
    yield from ()
    ch.basic_consume(named("missing"), print)


@scenario("inequivalent")
@refused
def _(ch):
    yield from queue(ch, "inequivalent")
    ch.queue_declare(named("inequivalent"), exclusive=True, arguments={"x-max-length": 5})


@scenario("unknown tag")
@refused
def _(ch):
    yield from ()
    ch.basic_ack(7)


@scenario("refused")
@refused
def _(ch):
    yield from ()
    ch.queue_declare("amq.mine")


@scenario("wrong password")
def _(loop):
    return refusal((yield dial(loop, password="wrong")))


@scenario("wrong virtual host")
def _(loop):
    return refusal((yield dial(loop, virtual_host="nowhere")))


@scenario("idle")
def _(loop):
    connection = yield dial(loop, heartbeat=5)
    yield lambda done: loop.call_later(16, done)
    ch = yield channel(connection)
    publish(ch, (yield from queue(ch, "idle")), "x")
    yield close(connection)
    return "open after some heartbeats"


@scenario("many")
@with_channel
def _(connection, ch):
    q = yield from queue(ch, "many")
    yield lambda done: ch.basic_qos(prefetch_count=300, callback=done)
    publish(ch, q, *(str(n) for n in range(10000)))
    got = yield from consume(ch, q)
    for n in range(10000):
        method, _, body = yield got.take
        if int(body) != n:
            return "in disorder"
        if (n + 1) % 100 == 0:
            ch.basic_ack(method.delivery_tag, multiple=True)
    return "10000 in order, %d left" % (yield from ready(ch, q))


@scenario("large")
@with_channel
def _(connection, ch):
    q, saw = (yield from queue(ch, "large")), []
    for size in 1 << 20, 5 << 20:
        body = os.urandom(size)
        publish(ch, q, body)
        arrived = (yield from fetch(ch, q))[2]
        same = hashlib.sha256(arrived).digest() == hashlib.sha256(body).digest()
        saw.append("%d bytes %s" % (size, "unharmed" if same else "harmed"))
    return ", ".join(saw)


@scenario("blocked")
@with_channel
def _(connection, ch):
    q, told = (yield from queue(ch, "blocked")), Inbox()
    connection.add_on_connection_blocked_callback(lambda _, frame: told.put(frame.method.reason))
    connection.add_on_connection_unblocked_callback(lambda _, frame: told.put("unblocked"))
    say("!block")
    input()
    publish(ch, q, "x")
    begin = (yield told.take)[0]
    say("!unblock")
    end = (yield told.take)[0]
    return "%s, then %s, and it has %s" % (quoted(begin), end, quoted((yield from fetch(ch, q))[2]))


@scenario("close")
def _(loop):
    connection = yield dial(loop)
    ch = yield channel(connection)
    yield close(ch)
    yield close(connection)
    return "closed" if ch.is_closed and connection.is_closed else "not closed"


run_all(run)
