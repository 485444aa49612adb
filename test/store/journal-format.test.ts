import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { encodeBase, encodeCommit, parseJournal } from "../../src/store/journal/journal-format.ts";
import { note } from "./document-store.contract.ts";

/** A line whose checksum is right, whatever the record. */
function lineOf(record: string): Buffer {
  const sum = crc32(record).toString(16).padStart(8, "0");
  return Buffer.from(`{"sum":"${sum}","record":${record}}\n`);
}
const commit = await encodeCommit(2, [JSON.stringify(note("a"))], ["b"]);
const good = { kind: "commit", revision: 2, puts: [note("a")], deletes: ["b"] };
/** What is read of a line that another one follows, which so was acknowledged. */
const read = (line: Buffer) => parseJournal(Buffer.concat([line, commit]));

it("reads what it writes, as lines of JSON", () => {
  expect(parseJournal(Buffer.concat([encodeBase(1), commit]))).toEqual([{ kind: "base", base: 1 }, good]);
  for (const line of [encodeBase(1), commit]) {
    const { sum, record } = JSON.parse(line.toString()) as { sum: string; record: unknown };
    expect(sum).toBe(crc32(JSON.stringify(record)).toString(16).padStart(8, "0"));
  }
  expect(parseJournal(Buffer.alloc(0))).toEqual([]);
});

it.each([
  "null",
  "5",
  "[]",
  "{}",
  '{"base":"1"}',
  '{"revision":1}',
  '{"revision":1,"puts":[]}',
  '{"revision":1,"deletes":[]}',
  '{"puts":[],"deletes":[]}',
  '{"revision":"1","puts":[],"deletes":[]}',
  '{"revision":1,"puts":{},"deletes":[]}',
  '{"revision":1,"puts":[],"deletes":{}}',
  '{"revision":1,"puts":[null],"deletes":[]}',
  '{"revision":1,"puts":[{}],"deletes":[]}',
  '{"revision":1,"puts":[{"id":"../a"}],"deletes":[]}',
  '{"revision":1,"puts":[{"id":"a"},{"id":5}],"deletes":[]}',
  '{"revision":1,"puts":[],"deletes":["a","b/c"]}',
  '{"revision":1,"puts":[],"deletes":[5]}',
  "no JSON",
])("takes %s for damage, though its checksum is right", (record) => {
  const line = lineOf(record);
  expect(read(line)).toEqual([{ kind: "damage", text: line.toString().trimEnd() }, good]);
});

it.each<[string, (line: string) => string]>([
  ["another checksum", (line) => line.replace(/[0-9a-f]{8}/, "00000000")],
  ["a checksum in capitals", (line) => line.replace(/[0-9a-f]{8}/, (sum) => sum.toUpperCase())],
  ["other words", (line) => line.replace("record", "Record")],
  ["another end", (line) => line.replace(/\}\n$/, "]\n")],
  ["nothing in it", () => "\n"],
  ["zeros in it", (line) => line.replace("revision", "revi\0ion")],
])("takes a line with %s for damage", (_, spoil) => {
  const line = lineOf('{"revision":11,"puts":[],"deletes":["abc"]}');
  expect(read(line)[0]).toEqual({ kind: "commit", revision: 11, puts: [], deletes: ["abc"] });
  const spoilt = spoil(line.toString());
  expect(spoilt).not.toBe(line.toString());
  expect(read(Buffer.from(spoilt))).toEqual([{ kind: "damage", text: spoilt.slice(0, -1) }, good]);
});

it.each(['{"format":2}', '{"format":2,"base":0}', '{"format":"1","base":0}', '{"format":null}'])(
  "does not know the format of %s",
  (record) => {
    const { format } = JSON.parse(record) as { format: unknown };
    expect(read(lineOf(record))[0]).toEqual({ kind: "foreign", format });
  },
);

it("encodes a commit of thousands as any other, and leaves others their turn", async () => {
  const puts = Array.from({ length: 5_000 }, (_, at) =>
    JSON.stringify({ id: `n${at}`, text: "é".repeat(300) }),
  );
  const record = ['{"at":"now","changes":[', ...puts.flatMap((put) => [put, ","]), "null]}"];
  let turns = 0;
  let isDone = false;
  const done = encodeCommit(7, puts, ["gone"], record).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await setImmediate();
    turns += 1;
  }
  const told = `{"revision":7,"puts":[${puts.join(",")}],"deletes":["gone"],"record":${record.join("")}}`;
  expect((await done).equals(lineOf(told))).toBe(true);
  // Twice of 1.5 million characters, in slices of 256 Ki.
  expect(turns).toBeGreaterThan(20);
});
