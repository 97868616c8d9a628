// The scenarios of queues and exchanges with arguments.
'use strict';

const {
  Inbox, again, channel, consume, dial, fetch, fill, named, publish, queue, quoted, reason, withChannel,
} = require('./kit');

// consumers tells which of two consumers got each of two messages, the one that
// got the first having cancelled before the second.
async function consumers(ch, q, second) {
  const got = new Inbox();
  for (const [consumerTag, args] of [['first', {}], ['second', second]]) {
    await ch.consume(q, got.put, { consumerTag, noAck: true, arguments: args });
  }
  const saw = [];
  for (let i = 0; i < 2; i++) {
    publish(ch, q, 'x');
    const { consumerTag } = (await got.take()).fields;
    saw.push(consumerTag);
    await ch.cancel(consumerTag);
  }
  return saw.join(', ');
}

module.exports = {
  overflow: withChannel(async (conn) => {
    const ch = await channel(conn, 'createConfirmChannel');
    const q = await queue(ch, 'overflow', { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    const told = new Inbox();
    const saw = [];
    for (let i = 0; i < 2; i++) {
      ch.sendToQueue(q, Buffer.alloc(0), {}, (err) => told.put(err ? 'nacked' : 'acked'));
      saw.push(await told.take());
    }
    return saw.join(', ');
  }),

  priorities: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'priorities', { 'x-max-priority': 5 });
    for (const priority of [1, 9, 3, 0]) ch.sendToQueue(q, Buffer.from(`${priority}`), { priority });
    await fill(ch, q, 4);
    const saw = [];
    for (let i = 0; i < 4; i++) saw.push((await fetch(ch, q)).content);
    return saw.join(' ');
  }),

  'single active consumer': withChannel(async (conn, ch) =>
    consumers(ch, await queue(ch, 'single', { 'x-single-active-consumer': true }), {})),

  'consumer priority': withChannel(async (conn, ch) =>
    consumers(ch, await queue(ch, 'preferring'), { 'x-priority': 10 })),

  quorum: withChannel(async (conn, ch) => {
    const q = named('quorum');
    await ch.assertQueue(q, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    publish(ch, q, 'x');
    const got = await consume(ch, q);
    ch.nack(await got.take());
    const m = await got.take();
    ch.ack(m);
    await ch.deleteQueue(q);
    return `${again(m)}, delivery count ${m.properties.headers['x-delivery-count']}`;
  }),

  'alternate exchange': withChannel(async (conn, ch) => {
    const q = await queue(ch, 'strays');
    const [other, first] = ['alternate', 'first'].map(named);
    await ch.assertExchange(other, 'fanout', { durable: false, autoDelete: true });
    await ch.bindQueue(q, other, '');
    await ch.assertExchange(first, 'direct', { durable: false, alternateExchange: other });
    ch.publish(first, 'key', Buffer.from('stray'));
    const { fields: f, content } = await fetch(ch, q);
    await ch.deleteExchange(first);
    return `${quoted(content)} from ${quoted(f.exchange)} by ${quoted(f.routingKey)}`;
  }),

  'queue expires': withChannel(async (conn, ch) => {
    const q = await queue(ch, 'unused', { 'x-expires': 1 });
    for (;;) {
      const asking = await channel(conn);
      const err = await asking.checkQueue(q).then(() => null, (err) => err);
      if (err) return reason(err);
      await asking.close();
    }
  }),

  channels: withChannel(async (conn) => {
    const open = [];
    for (let i = 0; i < 200; i++) open.push(await channel(conn));
    for (const ch of open) {
      const { queue: q } = await ch.assertQueue('', { exclusive: true });
      publish(ch, q, 'x');
      await fetch(ch, q);
      await ch.close();
    }
    return `${open.length} in use at once`;
  }),

  'small frames': async () => {
    const conn = await dial({ frameMax: 8192 });
    const ch = await channel(conn);
    const q = await queue(ch, 'frames');
    const body = Buffer.alloc(100_000, 'haypile');
    ch.sendToQueue(q, body);
    const same = body.equals((await fetch(ch, q)).content);
    await conn.close();
    return same ? `${body.length} bytes unharmed in frames of ${conn.connection.frameMax}` : 'harmed';
  },
};
