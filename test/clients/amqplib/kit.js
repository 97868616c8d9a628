// What scenarios are made of. The arguments are main.js's.
'use strict';

const fs = require('node:fs');
const amqp = require('amqplib');

const [host, port, prefix, ca] = process.argv.slice(2);
const named = (name) => prefix + name;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Inbox keeps what it is given until somebody takes it.
class Inbox {
  items = [];
  waiting = [];
  put = (item) => (this.waiting.length ? this.waiting.shift()(item) : this.items.push(item));
  take = () => (this.items.length ? this.items.shift() : new Promise((resolve) => this.waiting.push(resolve)));
}

function dial({ password = 'guest', vhost = '/', heartbeat = 60, frameMax = 131072, credentials } = {}) {
  const options = { credentials, noDelay: true };
  if (ca !== '-') Object.assign(options, { ca: [fs.readFileSync(ca)], servername: 'localhost' });
  return amqp.connect({
    protocol: ca === '-' ? 'amqp' : 'amqps', hostname: host, port, username: 'guest', password, vhost, heartbeat, frameMax,
  }, options);
}

// withChannel runs a scenario on a channel of its own connection.
function withChannel(fn) {
  return async () => {
    const conn = await dial();
    conn.on('error', () => {}); // whom it concerns listens, too
    const saw = await fn(conn, await channel(conn));
    await conn.close().catch(() => {}); // the broker may have closed it
    return saw;
  };
}

async function channel(conn, kind = 'createChannel') {
  const ch = await conn[kind]();
  ch.on('error', () => {});
  return ch;
}

// queue declares a queue that goes away with its connection.
async function queue(ch, name, args) {
  return (await ch.assertQueue(named(name), { exclusive: true, durable: false, arguments: args })).queue;
}

const ready = async (ch, q) => (await ch.checkQueue(q)).messageCount;

// fill waits until the queue has as many messages, since publishes are not answered.
async function fill(ch, q, messages) {
  while ((await ready(ch, q)) < messages);
}

function publish(ch, q, ...bodies) {
  for (const body of bodies) ch.sendToQueue(q, Buffer.from(body));
}

// fetch waits for a message and acks it.
async function fetch(ch, q) {
  for (;;) {
    const m = await ch.get(q, { noAck: true });
    if (m) return m;
  }
}

async function consume(ch, q, options) {
  const got = new Inbox();
  await ch.consume(q, got.put, options);
  return got;
}

const quoted = (text) => JSON.stringify(text.toString());
const spaced = (value) => JSON.stringify(value).replaceAll('":', '": ').replaceAll(',', ', ');
const again = (m) => quoted(m.content) + (m.fields.redelivered ? ' again' : '');

// reason is the code and text that the broker closed a channel or connection with.
function reason(err) {
  const said = /(\d+) \([A-Z-]+\) with message "(.*)"$/s.exec(err.message);
  return said ? `${said[1]} ${said[2]}` : err.message;
}

// death is what the newest entry of x-death says.
function death(m) {
  const x = m.properties.headers['x-death'][0];
  return `${quoted(m.content)} by ${quoted(m.fields.routingKey)}, ${x.reason} ${x.count} time from queue ${quoted(x.queue)}, ` +
    `exchange ${quoted(x.exchange)}, keys ${spaced(x['routing-keys'])}`;
}

async function dying(ch, name) {
  const dead = await queue(ch, 'dead');
  return [await queue(ch, name, { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead }), dead];
}

// refused is a scenario whose channel the broker closes.
function refused(fn) {
  return withChannel(async (conn, ch) => {
    const said = new Promise((resolve) => ch.on('error', resolve));
    const err = await fn(ch, conn).then(() => said, (err) => err);
    await (await channel(conn)).close();
    return reason(err);
  });
}

const fails = (options) => dial(options).then(() => 'let in', reason);

module.exports = {
  Inbox, again, channel, consume, death, dial, dying, fails, fetch, fill, named, publish, queue, quoted, ready, reason,
  refused, sleep, spaced, withChannel,
};
