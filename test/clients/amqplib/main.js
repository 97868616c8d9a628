// Drives a broker by amqplib and prints one line for each scenario.
//
//   node main.js HOST PORT PREFIX CA [SCENARIO ...]
//
// Names of queues and exchanges begin with PREFIX. CA is the file of an
// authority to trust, for TLS, or "-".
'use strict';

const scenarios = require('./scenarios');

const only = process.argv.slice(6);
const alone = ['restart', 'idle']; // run when they are asked for
const bound = 90_000; // milliseconds for one scenario, generously

async function main() {
  for (const [name, run] of Object.entries(scenarios)) {
    if (only.length ? !only.includes(name) : alone.includes(name)) continue;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still waiting after ${bound} ms`)), bound);
    });
    const saw = await Promise.race([run(), late]).catch((err) => {
      console.error(err);
      return `failed: ${err.message}`;
    });
    clearTimeout(timer);
    console.log(`${name}: ${saw}`);
  }
  process.exit(); // connections of scenarios that failed may be open
}

main();
