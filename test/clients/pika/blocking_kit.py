"""What scenarios of BlockingConnection are made of."""
import pika

from common import named, parameters


def dial(**more):
    return pika.BlockingConnection(parameters(**more))


def with_channel(fn):
    """Runs a scenario on a channel of its own connection."""
    def run():
        connection = dial()
        saw = fn(connection, connection.channel())
        if connection.is_open:
            connection.close()
        return saw
    return run


def queue(ch, name, **more):
    """Declares a queue that goes away with its connection."""
    return ch.queue_declare(named(name), exclusive=True, **more).method.queue


def ready(ch, q):
    return ch.queue_declare(q, passive=True).method.message_count


def fill(ch, q, messages):
    """Waits until the queue has as many messages, since publishes are not answered."""
    while ready(ch, q) < messages:
        pass


def publish(ch, key, *bodies, exchange="", **more):
    for body in bodies:
        ch.basic_publish(exchange, key, body, **more)


def get(ch, q):
    """Waits for a message and acks it."""
    while True:
        method, header, body = ch.basic_get(q, auto_ack=True)
        if method:
            return method, header, body


def consume(ch, q, **more):
    """Consumes into the list that it returns."""
    got = []
    ch.basic_consume(q, lambda ch, method, header, body: got.append((method, header, body)), **more)
    return got


def wait(connection, condition):
    while not condition():
        connection.process_data_events(time_limit=0.1)
