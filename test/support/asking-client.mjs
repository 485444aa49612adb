// Asks a URL again and again over connections of its own, and writes a line for each answer: when it was asked, how long it took,
// what came, and how often it was asked again. A connection that is reset before the answer has the question asked again, once, as
// browsers do for a GET (RFC 9110, 9.2.2). Ends with its standard input.
import { request } from "node:http";

const [url = "", host = "", workers = "1", timeoutMs = "400"] = process.argv.slice(2);
let ending = false;
process.stdin.on("end", () => (ending = true)).resume();

function ask() {
  const begun = Date.now();
  return new Promise((resolve) => {
    const done = (result) =>
      resolve(console.log(JSON.stringify({ at: begun, ms: Date.now() - begun, result })));
    const sent = request(url, { headers: { host }, agent: false, timeout: Number(timeoutMs) }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => done(response.statusCode === 200 ? text : `status ${response.statusCode}`));
      response.on("error", (error) => done(`error ${error.code}`));
    });
    sent.on("timeout", () => sent.destroy(Object.assign(new Error("late"), { code: "LATE" })));
    sent.on("error", (error) => done(`error ${error.code}`));
    sent.end();
  });
}

async function work() {
  while (!ending) {
    await ask();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

await Promise.all(Array.from({ length: Number(workers) }, work));
