// The scenarios: functions that return what they saw.
'use strict';

const crypto = require('node:crypto');
const readline = require('node:readline');
const amqp = require('amqplib');
const {
  Inbox, again, channel, consume, death, dial, dying, fails, fetch, fill, named, publish, queue, quoted, ready, reason,
  refused, sleep, spaced, withChannel,
} = require('./kit');

const input = readline.createInterface({ input: process.stdin });
const answer = () => new Promise((resolve) => input.once('line', resolve));

module.exports = {
  server: withChannel(async (conn) => {
    const has = Object.entries(conn.connection.serverProperties.capabilities);
    return has.filter(([, yes]) => yes).map(([name]) => name).sort().join(', ');
  }),

  get: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'get');
    const exchange = named('direct');
    await ch.assertExchange(exchange, 'direct', { durable: false, autoDelete: true });
    await ch.bindQueue(q, exchange, 'key');
    for (const body of ['one', 'two']) ch.publish(exchange, 'key', Buffer.from(body));
    await fill(ch, q, 2);
    const saw = [];
    for (let i = 0; i < 2; i++) {
      const m = await ch.get(q);
      const f = m.fields;
      saw.push(`${quoted(m.content)} from ${quoted(f.exchange)} by ${quoted(f.routingKey)}, ${f.messageCount} left`);
      ch.ack(m);
    }
    if ((await ch.get(q)) === false) saw.push('empty');
    return saw.join('; ');
  }),

  properties: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'properties');
    ch.sendToQueue(q, Buffer.alloc(0), {
      contentType: 'text/plain', contentEncoding: 'utf-8', deliveryMode: 2, priority: 3, correlationId: 'correlation',
      replyTo: 'reply', expiration: '60000', messageId: 'message', timestamp: 1700000000, type: 'type', userId: 'guest',
      appId: 'app', headers: { list: ['a', 1], nested: { k: 'v' }, number: 42, text: 'x', yes: true },
    });
    const p = (await fetch(ch, q)).properties;
    return spaced({
      app_id: p.appId, content_encoding: p.contentEncoding, content_type: p.contentType, correlation_id: p.correlationId,
      delivery_mode: p.deliveryMode, expiration: p.expiration, headers: p.headers, message_id: p.messageId,
      priority: p.priority, reply_to: p.replyTo, timestamp: p.timestamp, type: p.type, user_id: p.userId,
    });
  }),

  bindings: withChannel(async (conn) => {
    const ch = await channel(conn, 'createConfirmChannel');
    const [source, topic, headers] = ['source', 'topic', 'headers'].map(named);
    for (const [name, kind] of [[source, 'fanout'], [topic, 'topic'], [headers, 'headers']]) {
      await ch.assertExchange(name, kind, { durable: false, autoDelete: true });
    }
    await ch.bindExchange(topic, source, '');
    await ch.bindExchange(headers, source, '');
    const queues = [];
    for (const name of ['star', 'hash', 'all', 'any']) queues.push(await queue(ch, name));
    await ch.bindQueue(queues[0], topic, '*.b');
    await ch.bindQueue(queues[1], topic, 'a.#');
    await ch.bindQueue(queues[2], headers, '', { 'x-match': 'all', one: 1, two: '2' });
    await ch.bindQueue(queues[3], headers, '', { 'x-match': 'any', one: 1, two: '2' });
    for (const [key, table] of [['a', { one: 1 }], ['a.b', { one: 1, two: '2' }], ['b.b.b', {}]]) {
      ch.publish(source, key, Buffer.from(key), { headers: table });
    }
    await ch.waitForConfirms();
    const [star, hash, all, any] = await Promise.all(queues.map((q) => ready(ch, q)));
    return `*.b ${star}, a.# ${hash}, all ${all}, any ${any}`;
  }),

  confirms: withChannel(async (conn) => {
    const ch = await channel(conn, 'createConfirmChannel');
    const q = await queue(ch, 'confirms');
    let acked = 0;
    for (let i = 0; i < 100; i++) ch.sendToQueue(q, Buffer.from('x'), {}, (err) => err || acked++);
    await ch.waitForConfirms();
    return `${acked} acked, ${await ready(ch, q)} ready`;
  }),

  return: withChannel(async (conn) => {
    const ch = await channel(conn, 'createConfirmChannel');
    const told = new Inbox();
    ch.on('return', told.put);
    ch.sendToQueue(named('nowhere'), Buffer.from('lost'), { mandatory: true }, (err) => told.put(err ?? 'acked'));
    const { fields: f, content } = await told.take();
    const saw = `${f.replyCode} ${f.replyText}, ${quoted(content)} to ${quoted(f.exchange)} by ${quoted(f.routingKey)}`;
    return `${saw}, then ${await told.take()}`;
  }),

  prefetch: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'prefetch');
    await ch.prefetch(2);
    publish(ch, q, ...'12345');
    await fill(ch, q, 5);
    const got = await consume(ch, q);
    const unacked = [await got.take(), await got.take()];
    let saw = `2 delivered, ${await ready(ch, q)} ready, then`;
    for (let n = 0; n < 5; n++) {
      if (n >= unacked.length) unacked.push(await got.take());
      ch.ack(unacked[n]);
      saw += ` ${unacked[n].content}`;
    }
    return saw;
  }),

  requeue: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'requeue');
    publish(ch, q, 'one', 'two');
    await fill(ch, q, 2);
    ch.nack(await ch.get(q));
    return `${again(await fetch(ch, q))}, ${again(await fetch(ch, q))}`;
  }),

  recover: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'recover');
    publish(ch, q, 'one', 'two');
    const got = await consume(ch, q);
    const saw = [again(await got.take()), again(await got.take())];
    await ch.recover();
    return [...saw, again(await got.take()), again(await got.take())].join(', ');
  }),

  rejected: withChannel(async (conn, ch) => {
    const [q, dead] = await dying(ch, 'rejecting');
    publish(ch, q, 'bad');
    ch.reject(await (await consume(ch, q)).take(), false);
    return death(await fetch(ch, dead));
  }),

  expired: withChannel(async (conn, ch) => {
    const [q, dead] = await dying(ch, 'expiring');
    ch.sendToQueue(q, Buffer.from('old'), { expiration: '1' });
    return death(await fetch(ch, dead));
  }),

  rpc: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'rpc');
    const asking = await channel(conn);
    const answers = await consume(asking, 'amq.rabbitmq.reply-to', { noAck: true });
    const questions = await consume(ch, q, { noAck: true });
    asking.sendToQueue(q, Buffer.from('ping'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '7' });
    const { properties: p, content } = await questions.take();
    ch.sendToQueue(p.replyTo, Buffer.from(`pong to ${content}`), { correlationId: p.correlationId });
    const m = await answers.take();
    return `${quoted(m.content)} for ${m.properties.correlationId}`;
  }),

  'server-named': withChannel(async (conn, ch) => {
    const { queue: name } = await ch.assertQueue('', { exclusive: true });
    publish(ch, name, 'x');
    return `${name.slice(0, 'amq.gen-'.length)}, and it has ${quoted((await fetch(ch, name)).content)}`;
  }),

  counts: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'counts');
    publish(ch, q, '1', '2');
    await fill(ch, q, 2);
    const purged = (await ch.purgeQueue(q)).messageCount;
    publish(ch, q, '3');
    await fill(ch, q, 1);
    const m = await (await consume(ch, q, { consumerTag: 'tag' })).take();
    await ch.cancel('tag');
    ch.nack(m);
    await fill(ch, q, 1);
    return `purged ${purged}, deleted with ${(await ch.deleteQueue(q)).messageCount}`;
  }),

  ...require('./queues'),

  'consumer cancelled': withChannel(async (conn, ch) => {
    const q = await queue(ch, 'cancelled');
    const got = await consume(ch, q, { consumerTag: 'tag' });
    let closed = false;
    ch.on('close', () => { closed = true; });
    await (await channel(conn)).deleteQueue(q);
    // The client gives null to the consumer whose tag the broker names.
    return `${(await got.take()) === null ? '"tag"' : 'a message'}, and the channel is ${closed ? 'closed' : 'open'}`;
  }),

  'not found': refused((ch) => ch.consume(named('missing'), () => {})),

  'exchange not found': refused(async (ch) => ch.publish(named('missing'), 'key', Buffer.from('x'))),

  inequivalent: refused(async (ch) => {
    await queue(ch, 'inequivalent');
    await queue(ch, 'inequivalent', { 'x-max-length': 5 });
  }),

  'unknown tag': refused(async (ch) => ch.ack({ fields: { deliveryTag: 7 } })),

  refused: refused((ch) => ch.assertQueue('amq.mine')),

  locked: refused(async (ch) => {
    const other = await dial();
    await queue(await channel(other), 'locked');
    await ch.checkQueue(named('locked')).finally(() => other.close());
  }),

  'consumer exists': refused(async (ch, conn) => {
    const q = await queue(ch, 'exclusively');
    await ch.consume(q, () => {}, { exclusive: true });
    await (await channel(conn)).consume(q, () => {});
  }),

  'wrong password': () => fails({ password: 'wrong' }),

  'wrong virtual host': () => fails({ vhost: 'nowhere' }),

  'mechanism AMQPLAIN': async () => {
    const conn = await dial({ credentials: amqp.credentials.amqplain('guest', 'guest') });
    await conn.close();
    return 'let in';
  },

  idle: async () => {
    const conn = await dial({ heartbeat: 5 });
    await sleep(16_000); // that is the scenario: nothing but heartbeats
    const ch = await channel(conn);
    publish(ch, await queue(ch, 'idle'), 'x');
    await conn.close();
    return 'open after some heartbeats';
  },

  many: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'many');
    await ch.prefetch(300);
    for (let n = 0; n < 10000; n++) publish(ch, q, `${n}`);
    const got = await consume(ch, q);
    for (let n = 0; n < 10000; n++) {
      const m = await got.take();
      if (Number(m.content) !== n) return 'in disorder';
      if ((n + 1) % 100 === 0) ch.ack(m, true);
    }
    return `10000 in order, ${await ready(ch, q)} left`;
  }),

  large: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'large');
    const saw = [];
    for (const size of [1 << 20, 5 << 20]) {
      const body = crypto.randomBytes(size);
      ch.sendToQueue(q, body);
      saw.push(`${size} bytes ${body.equals((await fetch(ch, q)).content) ? 'unharmed' : 'harmed'}`);
    }
    return saw.join(', ');
  }),

  blocked: withChannel(async (conn, ch) => {
    const q = await queue(ch, 'blocked');
    const told = new Inbox();
    conn.on('blocked', told.put);
    conn.on('unblocked', () => told.put('unblocked'));
    console.log('!block');
    await answer();
    publish(ch, q, 'x');
    const begin = await told.take();
    console.log('!unblock');
    const end = await told.take();
    return `${quoted(begin)}, then ${end}, and it has ${quoted((await fetch(ch, q)).content)}`;
  }),

  restart: async () => {
    let conn = await dial();
    conn.on('error', () => {});
    const ended = new Promise((resolve) => conn.on('close', resolve));
    let ch = await channel(conn, 'createConfirmChannel');
    const { queue: q } = await ch.assertQueue(named('restart'), { durable: true });
    ch.sendToQueue(q, Buffer.from('lost'));
    ch.sendToQueue(q, Buffer.from('kept'), { persistent: true });
    await ch.waitForConfirms();
    console.log('!restart');
    const answered = answer();
    let saw = reason(await ended);
    await answered;
    conn = await dial();
    ch = await channel(conn);
    const m = await fetch(ch, q);
    saw += `; ${quoted(m.content)} of ${m.fields.messageCount + 1}`;
    await ch.deleteQueue(q);
    await conn.close();
    return saw;
  },

  close: async () => {
    const conn = await dial();
    const ch = await channel(conn);
    await ch.close();
    await conn.close();
    return 'closed';
  },
};
