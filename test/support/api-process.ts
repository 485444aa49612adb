/**
 * Runs the API of `startApi` in a process of its own, whose memory is its alone: prints `PORT <port>` when it serves.
 * Argument: the options of `startApi` as JSON. Ends when its standard input does.
 */
import { startApi, type TestApiOptions } from "./http-api.ts";

const api = await startApi(JSON.parse(process.argv[2] ?? "{}") as TestApiOptions);
process.stdout.write(`PORT ${api.port}\n`);
process.stdin.resume().once("end", () => process.exit(0));
