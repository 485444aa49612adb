import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "node:tls";
import { Pool } from "undici";

/**
 * Keep-alive clients over TLS by undici: `steady.ts PORT HOST CLIENTS`, half of them of HTTP/2. Prints {"ready":true} when each
 * has asked some times, asks until its standard input ends, then prints what it met from then on, and whatever failed before. It
 * sends nothing again.
 */
const [port = "", host = "", clients = ""] = process.argv.slice(2);
/** For each client, on average. */
const FIRST_REQUESTS = 10;
const failures: { [kind: string]: number } = {};
let requests = 0;
let stopped = false;

async function work(allowH2: boolean): Promise<void> {
  const ALPNProtocols = allowH2 ? ["h2"] : ["http/1.1"];
  const pool = new Pool(`https://${host}`, {
    connections: 1,
    allowH2,
    connect: (_options, done) => {
      const socket = connect({
        host: "127.0.0.1",
        port: Number(port),
        servername: host,
        rejectUnauthorized: false,
        ALPNProtocols,
      });
      socket.once("secureConnect", () => done(null, socket)).once("error", (error) => done(error, null));
    },
  });
  while (!stopped) {
    try {
      const { statusCode, body } = await pool.request({ path: "/", method: "GET", headersTimeout: 15_000 });
      await body.dump();
      if (statusCode === 200) requests += 1;
      else count(`status ${statusCode}`);
    } catch (error) {
      count(String((error as NodeJS.ErrnoException).code ?? (error as Error).name));
    }
    await wait(2);
  }
  await pool.close();
}

function count(failure: string): void {
  failures[failure] = (failures[failure] ?? 0) + 1;
}

const all = Array.from({ length: Number(clients) }, (_, index) => work(index % 2 === 1));
const asked = () => Object.values(failures).reduce((sum, one) => sum + one, requests);
while (asked() < FIRST_REQUESTS * all.length) await wait(10);
requests = 0;
console.log(JSON.stringify({ ready: true }));
process.stdin.resume();
await once(process.stdin, "end");
stopped = true;
await Promise.all(all);
console.log(JSON.stringify({ requests, failures }));
process.exit(0);
