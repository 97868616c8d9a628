"""The scenarios of queues and exchanges with arguments, by BlockingConnection."""
import os

import pika
from pika.exceptions import ChannelClosedByBroker, NackError

from blocking_kit import consume, dial, fill, get, publish, queue, ready, wait, with_channel
from common import closed, named, quoted, scenario


@scenario("overflow")
@with_channel
def _(connection, ch):
    q, saw = queue(ch, "overflow", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}), []
    ch.confirm_delivery()
    for _ in range(2):
        try:
            publish(ch, q, "")
            saw.append("acked")
        except NackError:
            saw.append("nacked")
    return ", ".join(saw)


@scenario("priorities")
@with_channel
def _(connection, ch):
    q = queue(ch, "priorities", arguments={"x-max-priority": 5})
    for priority in 1, 9, 3, 0:
        publish(ch, q, str(priority), properties=pika.BasicProperties(priority=priority))
    fill(ch, q, 4)
    return b" ".join(get(ch, q)[2] for _ in range(4)).decode()


def consumers(connection, ch, q, second):
    """Which of two consumers got each of two messages, the one that got the first
    having cancelled before the second."""
    inboxes = {"first": consume(ch, q, consumer_tag="first", auto_ack=True),
               "second": consume(ch, q, consumer_tag="second", auto_ack=True, arguments=second)}
    saw = []
    for _ in range(2):
        publish(ch, q, "x")
        wait(connection, lambda: any(inboxes.values()))
        tag = next(tag for tag, inbox in inboxes.items() if inbox)
        saw.append(tag)
        ch.basic_cancel(tag)
        inboxes[tag].clear()
    return ", ".join(saw)


@scenario("single active consumer")
@with_channel
def _(connection, ch):
    return consumers(connection, ch, queue(ch, "single", arguments={"x-single-active-consumer": True}), None)


@scenario("consumer priority")
@with_channel
def _(connection, ch):
    return consumers(connection, ch, queue(ch, "preferring"), {"x-priority": 10})


@scenario("quorum")
@with_channel
def _(connection, ch):
    q = ch.queue_declare(named("quorum"), durable=True, arguments={"x-queue-type": "quorum"}).method.queue
    publish(ch, q, "x")
    got = consume(ch, q)
    wait(connection, lambda: got)
    ch.basic_nack(got[0][0].delivery_tag)
    wait(connection, lambda: len(got) == 2)
    method, header, body = got[1]
    ch.basic_ack(method.delivery_tag)
    ch.queue_delete(q)
    return "%s, delivery count %d" % (quoted(body) + " again" * method.redelivered, header.headers["x-delivery-count"])


@scenario("alternate exchange")
@with_channel
def _(connection, ch):
    q, other, first = queue(ch, "strays"), named("alternate"), named("first")
    ch.exchange_declare(other, "fanout", auto_delete=True)
    ch.queue_bind(q, other)
    ch.exchange_declare(first, "direct", arguments={"alternate-exchange": other})
    publish(ch, "key", "stray", exchange=first)
    method, _, body = get(ch, q)
    ch.exchange_delete(first)
    return "%s from %s by %s" % (quoted(body), quoted(method.exchange), quoted(method.routing_key))


@scenario("queue expires")
@with_channel
def _(connection, ch):
    q = queue(ch, "unused", arguments={"x-expires": 1})
    try:
        while True:
            ready(ch, q)
    except ChannelClosedByBroker as err:
        return closed(err)


@scenario("channels")
@with_channel
def _(connection, ch):
    channels = [connection.channel() for _ in range(200)]
    for ch in channels:
        q = ch.queue_declare("", exclusive=True).method.queue
        publish(ch, q, "x")
        get(ch, q)
        ch.close()
    return "%d in use at once" % len(channels)


@scenario("small frames")
def _():
    connection = dial(frame_max=8192)
    ch, body = connection.channel(), os.urandom(100000)
    q = queue(ch, "frames")
    publish(ch, q, body)
    same = get(ch, q)[2] == body
    connection.close()
    return "%d bytes unharmed in frames of %d" % (len(body), connection._impl.params.frame_max) if same else "harmed"
