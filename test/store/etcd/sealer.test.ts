import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Sealer } from "../../../src/store/etcd/sealer.ts";

/** Caddy's side reads the same file. */
const vector = JSON.parse(readFileSync(join(import.meta.dirname, "sealed-vector.json"), "utf8")) as {
  readonly [name in "key" | "place" | "nonce" | "value" | "sealed"]: string;
};
const [one, two] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString("base64")) as [string, string];

describe("a sealed value", () => {
  it("has the format of the vector", () => {
    const sealed = new Sealer([vector.key]).seal(
      vector.place,
      vector.value,
      Buffer.from(vector.nonce, "base64"),
    );
    expect(sealed.toString("base64")).toBe(vector.sealed);
  });

  it("opens at its place, also with a later key, and shows nothing of what it holds", () => {
    const sealed = new Sealer([one]).seal("a", "a secret text");
    expect(sealed.toString("latin1")).not.toContain("secret");
    expect(new Sealer([two, one]).open("a", sealed).toString()).toBe("a secret text");
  });

  it.each<[string, RegExp, (sealed: Buffer) => readonly [Sealer, string, Buffer]]>([
    ["with another key", /STORE_KEY has no key [0-9a-f]{16}/, (sealed) => [new Sealer([two]), "a", sealed]],
    ["at another place", /another key's value/, (sealed) => [new Sealer([one]), "b", sealed]],
    [
      "where a bit was changed",
      /changed by somebody/,
      (sealed) => {
        const changed = Buffer.from(sealed);
        changed.writeUInt8(changed.readUInt8(25) ^ 1, 25);
        return [new Sealer([one]), "a", changed];
      },
    ],
    ["where it is clear", /not encrypted/, () => [new Sealer([one]), "a", Buffer.from('{"id":"a"}')]],
  ])("does not open %s", (_, reason, make) => {
    const [sealer, place, sealed] = make(new Sealer([one]).seal("a", "text"));
    expect(() => sealer.open(place, sealed)).toThrow(reason);
  });
});
