"""Drives a broker by pika's BlockingConnection."""
import hashlib
import os

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker, UnroutableError

import blocking_queues  # registers its scenarios
from blocking_kit import consume, dial, fill, get, publish, queue, ready, wait, with_channel
from common import (PROPERTIES, capabilities, closed, death, named, properties, quoted, refusal, run_all, say,
                    scenario)


@scenario("server")
@with_channel
def _(connection, ch):
    return capabilities(connection._impl.server_properties)


@scenario("get")
@with_channel
def _(connection, ch):
    q, exchange = queue(ch, "get"), named("direct")
    ch.exchange_declare(exchange, "direct", auto_delete=True)
    ch.queue_bind(q, exchange, "key")
    publish(ch, "key", "one", "two", exchange=exchange)
    fill(ch, q, 2)
    saw = []
    for _ in range(2):
        method, _, body = ch.basic_get(q)
        saw.append("%s from %s by %s, %d left" % (
            quoted(body), quoted(method.exchange), quoted(method.routing_key), method.message_count))
        ch.basic_ack(method.delivery_tag)
    return "; ".join(saw) + "; empty" * (ch.basic_get(q)[0] is None)


@scenario("properties")
@with_channel
def _(connection, ch):
    q = queue(ch, "properties")
    publish(ch, q, "", properties=pika.BasicProperties(**PROPERTIES))
    return properties(get(ch, q)[1])


@scenario("bindings")
@with_channel
def _(connection, ch):
    source, topic, headers = named("source"), named("topic"), named("headers")
    for name, kind in (source, "fanout"), (topic, "topic"), (headers, "headers"):
        ch.exchange_declare(name, kind, auto_delete=True)
    ch.exchange_bind(topic, source)
    ch.exchange_bind(headers, source)
    queues = [queue(ch, name) for name in ("star", "hash", "all", "any")]
    ch.queue_bind(queues[0], topic, "*.b")
    ch.queue_bind(queues[1], topic, "a.#")
    for q, match in (queues[2], "all"), (queues[3], "any"):
        ch.queue_bind(q, headers, "", {"x-match": match, "one": 1, "two": "2"})
    ch.confirm_delivery()
    for key, table in ("a", {"one": 1}), ("a.b", {"one": 1, "two": "2"}), ("b.b.b", {}):
        publish(ch, key, key, exchange=source, properties=pika.BasicProperties(headers=table))
    return "*.b %d, a.# %d, all %d, any %d" % tuple(ready(ch, q) for q in queues)


@scenario("confirms")
@with_channel
def _(connection, ch):
    q = queue(ch, "confirms")
    ch.confirm_delivery()
    publish(ch, q, *["x"] * 100)  # each raises unless it is acked
    return "100 acked, %d ready" % ready(ch, q)


@scenario("return")
@with_channel
def _(connection, ch):
    ch.confirm_delivery()
    try:
        publish(ch, named("nowhere"), "lost", mandatory=True)
    except UnroutableError as err:
        m = err.messages[0]
        return "%d %s, %s to %s by %s, then acked" % (
            m.method.reply_code, m.method.reply_text, quoted(m.body), quoted(m.method.exchange),
            quoted(m.method.routing_key))


@scenario("prefetch")
@with_channel
def _(connection, ch):
    q = queue(ch, "prefetch")
    ch.basic_qos(prefetch_count=2)
    publish(ch, q, *"12345")
    fill(ch, q, 5)
    got = consume(ch, q)
    wait(connection, lambda: len(got) == 2)
    saw = "2 delivered, %d ready" % ready(ch, q)
    for n in range(5):
        wait(connection, lambda: len(got) > n)
        ch.basic_ack(got[n][0].delivery_tag)
    return saw + ", then " + b" ".join(body for _, _, body in got).decode()


@scenario("requeue")
@with_channel
def _(connection, ch):
    q = queue(ch, "requeue")
    publish(ch, q, "one", "two")
    fill(ch, q, 2)
    ch.basic_nack(ch.basic_get(q)[0].delivery_tag)
    again = [get(ch, q) for _ in range(2)]
    return ", ".join(quoted(body) + " again" * method.redelivered for method, _, body in again)


@scenario("recover")
@with_channel
def _(connection, ch):
    q = queue(ch, "recover")
    publish(ch, q, "one", "two")
    got = consume(ch, q)
    wait(connection, lambda: len(got) == 2)
    ch.basic_recover(requeue=True)
    wait(connection, lambda: len(got) == 4)
    return ", ".join(quoted(body) + " again" * method.redelivered for method, _, body in got)


@scenario("rejected")
@with_channel
def _(connection, ch):
    dead = queue(ch, "dead")
    q = queue(ch, "rejecting", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    publish(ch, q, "bad")
    got = consume(ch, q)
    wait(connection, lambda: got)
    ch.basic_reject(got[0][0].delivery_tag, requeue=False)
    return death(*get(ch, dead))


@scenario("expired")
@with_channel
def _(connection, ch):
    dead = queue(ch, "dead")
    q = queue(ch, "expiring", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    publish(ch, q, "old", properties=pika.BasicProperties(expiration="1"))
    return death(*get(ch, dead))


@scenario("rpc")
@with_channel
def _(connection, ch):
    q, asking = queue(ch, "rpc"), connection.channel()
    ch.basic_consume(q, lambda ch, method, header, body: publish(
        ch, header.reply_to, b"pong to " + body, properties=pika.BasicProperties(correlation_id=header.correlation_id)),
        auto_ack=True)
    answers = consume(asking, "amq.rabbitmq.reply-to", auto_ack=True)
    publish(asking, q, "ping", properties=pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7"))
    wait(connection, lambda: answers)
    return "%s for %s" % (quoted(answers[0][2]), answers[0][1].correlation_id)


@scenario("transaction")
@with_channel
def _(connection, ch):
    q = queue(ch, "transaction")
    ch.tx_select()
    publish(ch, q, "kept")
    saw = "%d before the commit" % ready(ch, q)
    ch.tx_commit()
    saw += ", %d after it" % ready(ch, q)
    publish(ch, q, "dropped")
    ch.tx_rollback()
    return saw + ", %d after a rollback" % ready(ch, q)


@scenario("server-named")
@with_channel
def _(connection, ch):
    name = ch.queue_declare("", exclusive=True).method.queue
    publish(ch, name, "x")
    return "%s, and it has %s" % (name[:len("amq.gen-")], quoted(get(ch, name)[2]))


@scenario("counts")
@with_channel
def _(connection, ch):
    q = queue(ch, "counts")
    publish(ch, q, "1", "2")
    fill(ch, q, 2)
    purged = ch.queue_purge(q).method.message_count
    publish(ch, q, "3")
    fill(ch, q, 1)
    got = consume(ch, q, consumer_tag="tag")
    wait(connection, lambda: got)
    ch.basic_cancel("tag")
    ch.basic_nack(got[0][0].delivery_tag)
    fill(ch, q, 1)
    return "purged %d, deleted with %d" % (purged, ch.queue_delete(q).method.message_count)


@scenario("consumer cancelled")
@with_channel
def _(connection, ch):
    q, cancelled = queue(ch, "cancelled"), []
    ch.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    consume(ch, q, consumer_tag="tag")
    connection.channel().queue_delete(q)
    wait(connection, lambda: cancelled)
    return "%s, and the channel is %s" % (quoted(cancelled[0]), "open" if ch.is_open else "closed")


def refused(fn):
    """A scenario whose channel the broker closes."""
    @with_channel
    def run(connection, ch):
        try:
            fn(connection, ch)
        except ChannelClosedByBroker as err:
            connection.channel().close()
            return closed(err)
    return run


@scenario("not found")
@refused
def _(connection, ch):
    ch.basic_consume(named("missing"), print)


@scenario("inequivalent")
@refused
def _(connection, ch):
    queue(ch, "inequivalent")
    queue(ch, "inequivalent", arguments={"x-max-length": 5})


@scenario("unknown tag")
@refused
def _(connection, ch):
    ch.basic_ack(7)
    ch.basic_qos()  # waits for the broker's answer


@scenario("refused")
@refused
def _(connection, ch):
    ch.queue_declare("amq.mine")


@scenario("locked")
@refused
def _(connection, ch):
    other = dial()
    queue(other.channel(), "locked")
    try:
        ready(ch, named("locked"))
    finally:
        other.close()


@scenario("consumer exists")
@refused
def _(connection, ch):
    q = queue(ch, "exclusively")
    ch.basic_consume(q, print, exclusive=True)
    connection.channel().basic_consume(q, print)


def fails(**more):
    try:
        dial(**more)
    except AMQPConnectionError as err:
        return refusal(err)


@scenario("wrong password")
def _():
    return fails(password="wrong")


@scenario("wrong virtual host")
def _():
    return fails(virtual_host="nowhere")


@scenario("idle")
def _():
    connection = dial(heartbeat=5)
    ch = connection.channel()
    connection.process_data_events(time_limit=16)
    publish(ch, queue(ch, "idle"), "x")
    connection.close()
    return "open after some heartbeats"


@scenario("many")
@with_channel
def _(connection, ch):
    q, seen = queue(ch, "many"), []

    def take(ch, method, header, body):
        seen.append(int(body))
        if len(seen) % 100 == 0:
            ch.basic_ack(method.delivery_tag, multiple=True)

    ch.basic_qos(prefetch_count=300)
    publish(ch, q, *(str(n) for n in range(10000)))
    ch.basic_consume(q, take)
    wait(connection, lambda: len(seen) == 10000)
    return "10000 in order, %d left" % ready(ch, q) if seen == list(range(10000)) else "in disorder"


@scenario("large")
@with_channel
def _(connection, ch):
    q, saw = queue(ch, "large"), []
    for size in 1 << 20, 5 << 20:
        body = os.urandom(size)
        publish(ch, q, body)
        same = hashlib.sha256(get(ch, q)[2]).digest() == hashlib.sha256(body).digest()
        saw.append("%d bytes %s" % (size, "unharmed" if same else "harmed"))
    return ", ".join(saw)


@scenario("blocked")
@with_channel
def _(connection, ch):
    q, told = queue(ch, "blocked"), []
    connection.add_on_connection_blocked_callback(lambda _, frame: told.append(frame.method.reason))
    connection.add_on_connection_unblocked_callback(lambda _, frame: told.append("unblocked"))
    say("!block")
    input()
    publish(ch, q, "x")
    wait(connection, lambda: told)
    say("!unblock")
    wait(connection, lambda: len(told) == 2)
    return "%s, then %s, and it has %s" % (quoted(told[0]), told[1], quoted(get(ch, q)[2]))


@scenario("close")
def _():
    connection = dial()
    ch = connection.channel()
    ch.close()
    connection.close()
    return "closed" if ch.is_closed and connection.is_closed else "not closed"


@scenario("restart")
def _():
    connection = dial()
    ch = connection.channel()
    q = ch.queue_declare(named("restart"), durable=True).method.queue
    ch.confirm_delivery()
    publish(ch, q, "lost")
    publish(ch, q, "kept", properties=pika.BasicProperties(delivery_mode=2))
    say("!restart")
    try:
        wait(connection, lambda: False)
    except ConnectionClosedByBroker as err:
        saw = closed(err)
    input()
    connection = dial()
    ch = connection.channel()
    saw += "; %s of %d" % (quoted(get(ch, q)[2]), ready(ch, q) + 1)
    ch.queue_delete(q)
    connection.close()
    return saw


run_all(lambda fn: fn())
